"""Views of the queue: pulling it, its page, one request, and what became of work on many."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from quietdesk.errors import KeyDestroyed
from quietdesk.staff import words
from quietdesk.staff.console.at import At, distinct
from quietdesk.staff.console.forms import Sent, Spot, fields_of, filter_in, number, one
from quietdesk.staff.console.session import Look, Session
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.web import Answer

ROWS = 50  # requests on a page
TIMES = 30  # times to choose from, for one request
LOOKS = 200  # pages of one request that Back finds again
OTHER_TIMES = 60  # further ones on the request's own page, and on that for who is on the telephone


def pull(at: At, _: Sent) -> Answer:
    """Open what waits."""
    return at.start(
        "pull", None, lambda session, seen: session.work.pull(at.keyring, session.items, seen)
    )


def look(at: At, sent: Sent) -> Answer:
    """How far the work is, or what became of it; the queue when there was none."""
    job = at.session().job
    if job and job.error:
        return at.pages.failed(at.desk, job.error, job.kind == "pull", at.spot)
    if job and job.kind == "answer" and job.outcome:
        return at.page("outcome.html", outcome=job.outcome)
    return show(at, sent)


def problem(at: At, _: Sent) -> Answer:
    """What went wrong with what was pressed last."""
    error = at.session().problem
    return at.to_queue() if error is None else at.pages.failed(at.desk, error, False, at.spot)


def touch(_: At, __: Sent) -> Answer:
    """Somebody is there."""
    return Answer(204)


def show(at: At, _: Sent) -> Answer:
    """A page of the queue, as the filter in the address wants it."""
    session, now = at.session(), at.clock()
    everything = list(session.items.values())
    matching = [item for item in everything if at.spot.filter.takes(item)]
    pages = max(1, -(-len(matching) // ROWS))
    page = min(at.spot.page, pages)
    spot = Spot(at.spot.filter, page)
    due = queues.due(everything, now)
    return replace(at, spot=spot).page(
        "queue.html",
        queue=session.queue,
        unready=session.unready,
        proofs=session.proofs,
        doubt=session.doubt,
        unopened=reasons(session.queue.shut),
        junk=len(session.queue.junk),
        rows=matching[(page - 1) * ROWS : page * ROWS],
        matching=len(matching),
        total=len(everything),
        kept=fields_of(spot.filter),
        first=(page - 1) * ROWS + 1,
        page=page,
        pages=pages,
        near=[(n, replace(spot, page=n).queue) for n in _near(page, pages)],
        due=sorted(Counter(queues.ends(item, at.city) for item in due).items()),
        promised=len(queues.promised(everything, at.city, now)),
    )


def look_at(at: At, sent: Sent) -> Answer:
    """To the page of one request, with the contact when that was asked for."""
    id = one(sent.form, "one")
    if id not in at.session().items:
        return at.to_queue("gone")
    look = Look(id, contact=sent.path == "/contact")

    def changed(session: Session) -> Session:
        number = session.number + 1
        looks = {**session.looks, number: look}
        kept = dict(list(looks.items())[-LOOKS:])
        return replace(session, number=number, looks=kept)

    number = at.desk.swap(changed).number + 1
    return to_row(at, [id]).to("/request", n=number)


def request(at: At, sent: Sent) -> Answer:
    """One request, by the number of the look at it."""
    session, now = at.session(), at.clock()
    look = session.looks.get(number(one(sent.query, "n"), 1_000_000))
    item = session.items.get(look.id) if look else None
    if look is None or item is None:
        return at.to_queue("gone")
    free = session.work.free()
    fitting = distinct(queues.fitting(item, free, at.city, now))[:TIMES]
    others = [it for it in distinct(list(free)) if it not in fitting][:OTHER_TIMES]
    phone = item.request.phone
    same = [it for it in session.items.values() if phone and it.request.phone == phone]
    return at.page(
        "request.html",
        item=item,
        contact=look.contact,
        fitting=fitting,
        others=others,
        same=[it for it in same if it is not item],
        ends=queues.ends(item, at.city),
        due=bool(queues.due([item], now)),
    )


def to_row(at: At, ids: Iterable[str]) -> At:
    """The same at the first of these requests that the queue shows there, so that whoever comes
    back finds the place."""
    wanted = set(ids)
    matching = (it for it in at.session().items.values() if at.spot.filter.takes(it))
    for index, item in enumerate(matching):
        if item.id in wanted:
            page, row = divmod(index, ROWS)
            return replace(at, spot=replace(at.spot, page=page + 1, row=row + 1))
    return at


def chosen(at: At, session: Session, sent: Sent) -> list[Opened]:
    """The requests that a form is about: due, promised, all that match, all of a
    group that belong together but those that stand apart, or those ticked."""
    items, now = session.items, at.clock()
    if one(sent.form, "due"):
        return queues.due(items.values(), now)
    if one(sent.form, "promised"):
        return queues.promised(items.values(), at.city, now)
    if group := one(sent.form, "group"):
        by, _, id = group.partition(".")  # of each kind, a request is in one group at most
        alike = [it.others for it in queues.alike(items.values()) if it.by == by]
        return [it for them in alike if id in {it.id for it in them} for it in them]
    if one(sent.form, "all"):
        taken = filter_in(sent.form, at.city)
        return [item for item in items.values() if taken.takes(item)]
    return [items[id] for id in sent.form.get("id", ()) if id in items]


def reasons(shut: Iterable[Unopened]) -> Counter[tuple[str, str]]:
    """How many do not open for each reason."""
    return Counter(why(item) for item in shut)


def why(item: Unopened) -> tuple[str, str]:
    """A code of SAID, and the week if its key is destroyed."""
    error = item.reason
    code = error.code if error.code in words.SAID else type(error).code
    return code, error.epoch if isinstance(error, KeyDestroyed) else ""


def _near(page: int, pages: int) -> list[int]:
    """The first and the last page, and those around this one."""
    return sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})
