"""Views of the openings: what is published and what is left of it, and days that are closed."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

from quietdesk import weeks
from quietdesk.errors import StoreUnavailable
from quietdesk.openings import Listing, Opening
from quietdesk.request import PARTS_OF_DAY
from quietdesk.staff import words
from quietdesk.staff.console import queue
from quietdesk.staff.console.answers import plan_for
from quietdesk.staff.console.at import At
from quietdesk.staff.console.forms import Sent, day, one
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.outcome import Decision
from quietdesk.web import Answer
from quietdesk.weeks import WEEKS_AHEAD, Epoch


def show(at: At, sent: Sent) -> Answer:
    """The openings of a week; what was published is said also where the store does not show it any
    more."""
    try:
        return _shown(at, sent)
    except StoreUnavailable as error:
        notice = at.desk.swap(lambda it: replace(it, notice="")).notice
        if not notice:
            raise
        what, next = words.SAID[notice], words.said(error)[1]
        return at.pages.problem(at.desk, 409, what, next, spot=at.spot)


def _shown(at: At, sent: Sent) -> Answer:
    publisher, now = at.session().work.publisher, at.clock()
    published = publisher.published()
    current = weeks.epoch_at(now, at.city.zone)
    ahead = [current.plus(n) for n in range(WEEKS_AHEAD + 1)]
    asked = one(sent.query, "week")
    # From tomorrow on there is something to take: on a Sunday, that is next week.
    tomorrow = now.astimezone(at.city.zone).date() + timedelta(days=1)
    first = Epoch.of(tomorrow)
    week = next((it for it in ahead if str(it) == asked), first)
    listing = published[""]
    return at.page(
        "openings.html",
        weeks=[(str(it), it.days[0]) for it in ahead],
        week=str(week),
        days=week.days,
        table=_capacity(at, publisher, published.values(), week),
        there=any(it.seats for it in published.values()),
        taking=listing.taking,
        changes=publisher.preview(now),
        closed=sorted(listing.closed, key=lambda it: (it[1], it[0])),
        tomorrow=tomorrow,
        calls=len(queues.untold(at.session().items.values(), at.city, now)),
    )


def publish(at: At, sent: Sent) -> Answer:
    """Publish the coming weeks, and say whether residents may take times. To stop that asks
    first."""
    at.sure()
    taking = one(sent.form, "taking")
    if taking == "off" and not one(sent.form, "sure"):
        return at.to("/stop", **_week(sent))
    at.session().work.publish({"on": True, "off": False}.get(taking))
    return _back(at, sent, "published")


def stop(at: At, sent: Sent) -> Answer:
    """What is asked before residents can take no times any more, with how many there are."""
    publisher = at.session().work.publisher
    seats = publisher.left(publisher.published()[""].seats)
    return at.page("stop.html", seats=sum(seats.values()), week=_week(sent))


def reopen(at: At, sent: Sent) -> Answer:
    """Take back that a day was closed."""
    center, closed = one(sent.form, "center"), day(one(sent.form, "day"))
    if closed is None or at.city.center(center) is None:
        return _back(at, sent, "no_day")
    at.sure()
    at.session().work.reopen(center, closed)
    return _back(at, sent, "published")


def closing(at: At, sent: Sent) -> Answer:
    """Before a day is closed: who has a place on it, and another time for each."""
    center, closed = one(sent.form, "center"), day(one(sent.form, "day"))
    if closed is None or at.city.center(center) is None:
        return _back(at, sent, "no_day")
    at.sure()
    session = at.session()
    there = queues.placed_on(session.items.values(), center, closed)
    return plan_for(at, session, there, (center, closed))


def calls(at: At, sent: Sent) -> Answer:
    """Who had a time on a closed day and has not been told, made from what is stored: whom to call,
    who can only be met at the door, and on which closed days some still have a place. Whom to call
    is known also while the store does not answer."""
    session = at.session()
    items, now = session.items.values(), at.clock()
    stranded = None
    with suppress(StoreUnavailable):
        closed = session.work.publisher.published()[""].closed
        stranded = queues.stranded(items, closed, at.city, now)
    untold = queues.untold(items, at.city, now)
    return at.page(
        "calls.html",
        at=session.queue.at,
        calls=[it for it in untold if it.request.reach],
        doors=[it for it in untold if not it.request.reach],
        stranded=stranded,
        week=_week(sent),
    )


def told(at: At, sent: Sent) -> Answer:
    """Somebody has called this one. What stood in the way is shown as for any answer."""
    todo = [(item.id, Decision.TOLD) for item in queue.chosen(at, at.session(), sent)]
    if not todo:
        at.say("nobody")
        return at.to("/calls", **_week(sent))
    answer = at.start(
        "answer", len(todo), lambda session, seen: session.work.answer(session.queue, todo, seen)
    )
    job = at.session().job
    if job is None or job.outcome is None or job.outcome.not_done:
        return answer
    at.say("told")
    return at.to("/calls", **_week(sent))


def _week(sent: Sent) -> dict[str, str]:
    """The week that is looked at, which stands in the address like the spot in the queue."""
    week = one(sent.query, "week")
    return {"week": week} if re.fullmatch(r"\d{4}-W\d{2}", week) else {}


def _back(at: At, sent: Sent, notice: str) -> Answer:
    at.say(notice)
    return at.to("/openings", **_week(sent))


def _capacity(
    at: At,
    publisher: Publisher,
    listings: Iterable[Listing],
    week: Epoch,
) -> list[tuple[str, str, list[tuple[int, int] | None]]]:
    """Center, part of day, and for each day how many seats are left of how many."""
    seats: dict[Opening, int] = {}
    for each in listings:
        seats |= {it: n for it, n in each.seats.items() if it.epoch == week}
    left = publisher.left(seats)
    cells: dict[tuple[str, str, date], tuple[int, int]] = {}
    for it, count in seats.items():
        free, every = cells.get((it.center, it.part_of_day, it.day), (0, 0))
        cells[it.center, it.part_of_day, it.day] = (free + left[it], every + count)
    there = {(center, part) for center, part, _ in cells}
    return [
        (center.id, part, [cells.get((center.id, part, day)) for day in week.days])
        for center in at.city.centers
        for part in PARTS_OF_DAY
        if (center.id, part) in there
    ]
