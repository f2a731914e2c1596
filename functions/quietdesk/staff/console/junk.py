"""Views of what does not open and of what belongs together: erasing it, and putting it back."""

from dataclasses import replace
from itertools import groupby

from quietdesk.staff.console import queue
from quietdesk.staff.console.at import At
from quietdesk.staff.console.forms import Sent, one
from quietdesk.staff.console.queue import ROWS
from quietdesk.staff.console.session import Asked
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.outcome import Decision
from quietdesk.web import Answer

MOST = 200  # rows of one list; a flood has more, and its number is said
GROUPS = 20  # so many groups of those that belong together, the largest first


def show(at: At, _: Sent) -> Answer:
    """What no computer opens, what only this one does not open, what belongs together, and what was
    erased here and can be put back."""
    session = at.session()
    junk = session.queue.junk
    alike = queues.alike(session.items.values())
    erased = list(session.erased.values())
    return at.page(
        "junk.html",
        junk=junk,
        weeks=[(week, list(its)) for week, its in groupby(junk[:MOST], lambda it: it.week)],
        seats=sum(it.opening is not None for it in junk),
        others=queue.reasons(it for it in session.queue.shut if not it.junk),
        why_of=lambda it: queue.why(it)[0],
        groups=alike[:GROUPS],
        more_groups=len(alike) - len(alike[:GROUPS]),
        erased=erased[:MOST],
        more_erased=len(erased) - len(erased[:MOST]),
        rows=ROWS,
        most=MOST,
    )


def erase(at: At, sent: Sent) -> Answer:
    """Ask before what is ticked is erased, or all of it."""
    junk = at.session().queue.junk
    ticked = {*sent.form.get("id", ())}
    ids = tuple(it.id for it in junk if one(sent.form, "all") or it.id in ticked)
    if not ids:
        return _nothing(at, sent)
    before = at.desk.swap(
        lambda it: replace(
            it, number=it.number + 1, asked=Asked(it.number + 1, Decision.ERASE, ids, junk=True)
        )
    )
    return at.to("/sure", n=before.number + 1)


def put_back(at: At, sent: Sent) -> Answer:
    """Put back what is ticked: what is not among the erased any more is back already."""
    ids = [id for id in sent.form.get("id", ()) if id in at.session().erased]
    if not ids:
        return _nothing(at, sent)
    return at.start(
        "answer",
        len(ids),
        lambda session, seen: session.work.put_back(
            [session.erased[id] for id in ids if id in session.erased], seen
        ),
    )


def _nothing(at: At, sent: Sent) -> Answer:
    """Back to the page: nothing was ticked, or nothing that is still there."""
    at.say("old_page" if sent.form.get("id") else "nobody")
    return at.to("/junk")
