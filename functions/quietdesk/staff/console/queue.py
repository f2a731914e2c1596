"""Views of the queue: pulling it, its page, one request, and what became of work on many."""

from collections import Counter
from urllib.parse import urlencode

from quietdesk.errors import KeyDestroyed
from quietdesk.staff import words
from quietdesk.staff.console.at import At, distinct
from quietdesk.staff.console.forms import Sent, fields_of, filter_in, number, one
from quietdesk.staff.console.session import Session
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.web import Answer

ROWS = 50  # requests on a page
TIMES = 30  # times to choose from, for one request
OTHER_TIMES = 60  # further ones on the request's own page, and on that for who is on the telephone


def pull(at: At, _: Sent) -> Answer:
    """Open what waits."""
    return at.start(
        "pull", None, lambda session, seen: session.work.pull(at.keyring, session.items, seen)
    )


def look(at: At, _: Sent) -> Answer:
    """How far the work is, or what became of it; the queue when there was none."""
    job = at.session().job
    if job and job.error:
        return at.pages.failed(at.desk, job.error, retry=job.kind == "pull")
    if job and job.kind == "answer" and job.outcome:
        return at.page("outcome.html", outcome=job.outcome)
    return show(at, Sent("/", {}, {}))


def touch(_: At, __: Sent) -> Answer:
    """Somebody is there."""
    return Answer(204)


def show(at: At, sent: Sent, notice: str = "") -> Answer:
    """A page of the queue, as the filter in the address wants it; `notice` is a code of SAID."""
    session, now = at.session(), at.clock()
    everything = list(session.items.values())
    taken = filter_in(sent.query, at.city)
    matching = [item for item in everything if taken.takes(item)]
    pages = max(1, -(-len(matching) // ROWS))
    page = number(one(sent.query, "page"), pages)
    kept = fields_of(taken)
    due = queues.due(everything, now)
    return at.page(
        "queue.html",
        notice=words.SAID.get(notice, ""),
        queue=session.queue,
        unready=session.unready,
        proofs=session.proofs,
        doubt=session.doubt,
        unopened=Counter(_why(item) for item in session.queue.shut),
        rows=matching[(page - 1) * ROWS : page * ROWS],
        matching=len(matching),
        total=len(everything),
        kept=kept,
        address=f"{at.pages.base}/?{urlencode({**kept, 'page': ''})}",
        first=(page - 1) * ROWS + 1,
        page=page,
        pages=pages,
        near=_near(page, pages),
        due=sorted(Counter(queues.ends(item, at.city) for item in due).items()),
        promised=len(queues.promised(everything, at.city, now)),
    )


def request(at: At, sent: Sent) -> Answer:
    """One request, with the contact when that was asked for."""
    session, now = at.session(), at.clock()
    item = session.items.get(one(sent.form, "one"))
    if item is None:
        return show(at, sent, "gone")
    free = session.work.free()
    fitting = distinct(queues.fitting(item, free, at.city, now))[:TIMES]
    others = [it for it in distinct(list(free)) if it not in fitting][:OTHER_TIMES]
    phone = item.request.phone
    same = [it for it in session.items.values() if phone and it.request.phone == phone]
    return at.page(
        "request.html",
        item=item,
        contact=sent.path == "/contact",
        fitting=fitting,
        others=others,
        same=[it for it in same if it is not item],
        ends=queues.ends(item, at.city),
        due=bool(queues.due([item], now)),
    )


def chosen(at: At, session: Session, sent: Sent) -> list[Opened]:
    """The requests that a form is about: due, promised, all that match, or those ticked."""
    items, now = session.items, at.clock()
    if one(sent.form, "due"):
        return queues.due(items.values(), now)
    if one(sent.form, "promised"):
        return queues.promised(items.values(), at.city, now)
    if one(sent.form, "all"):
        taken = filter_in(sent.form, at.city)
        return [item for item in items.values() if taken.takes(item)]
    return [items[id] for id in sent.form.get("id", ()) if id in items]


def _why(item: Unopened) -> tuple[str, str]:
    """A code of SAID, and the week if its key is destroyed."""
    error = item.reason
    code = error.code if error.code in words.SAID else type(error).code
    return code, error.epoch if isinstance(error, KeyDestroyed) else ""


def _near(page: int, pages: int) -> list[int]:
    """The first and the last page, and those around this one."""
    return sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})
