"""Views that answer requests: at once, after a question, or as proposed and changed by staff."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from quietdesk.openings import Opening
from quietdesk.staff.console import queue
from quietdesk.staff.console.at import At, distinct
from quietdesk.staff.console.forms import Sent, number, one
from quietdesk.staff.console.queue import ROWS, TIMES
from quietdesk.staff.console.session import LEAVE, Asked, Plan, Session
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.device.opener import Opened
from quietdesk.staff.outcome import Choice, Closing, Decision, choice
from quietdesk.web import Answer


def answer(at: At, sent: Sent) -> Answer:
    """Answer what is ticked. What takes something from somebody, or refuses several, asks first."""
    items, text = queue.chosen(at, at.session(), sent), one(sent.form, "do")
    if not items or not text:
        return at.to_queue("nobody")
    wanted = choice(text)
    ids = tuple(item.id for item in items)
    at = queue.to_row(at, ids)
    if isinstance(wanted, Decision) and (
        wanted is Decision.ERASE
        or (wanted is Decision.NONE and len(items) > 1)
        or any(item.state == "placed" for item in items)
    ):
        before = at.desk.swap(
            lambda it: replace(it, number=it.number + 1, asked=Asked(it.number + 1, wanted, ids))
        )
        return at.to("/sure", n=before.number + 1)
    return _answer_all(at, [(id, wanted) for id in ids])


def question(at: At, sent: Sent) -> Answer:
    """What is asked before an answer that takes something away."""
    session = at.session()
    asked = session.asked
    if asked is None or one(sent.query, "n") != str(asked.number):
        return at.to_queue("old_page")
    if asked.junk:
        shut = [it for it in session.queue.junk if it.id in {*asked.ids}]
        seats = sum(it.opening is not None for it in shut)
        return at.page("sure.html", asked=asked, seats=seats, items=shut[:ROWS])
    items = [session.items[id] for id in asked.ids if id in session.items]
    placed = sum(item.state == "placed" for item in items)
    return at.page("sure.html", asked=asked, placed=placed, items=items[:ROWS])


def sure(at: At, sent: Sent) -> Answer:
    """Yes to the question: once, and to the last one."""
    asked = at.desk.swap(lambda it: replace(it, asked=None)).asked
    if asked is None or one(sent.form, "number") != str(asked.number):
        return at.to_queue("old_page")
    if asked.junk:
        return at.start(
            "answer",
            len(asked.ids),
            lambda session, seen: session.work.erase_junk(session.queue, asked.ids, seen),
        )
    return _answer_all(at, [(id, asked.answer) for id in asked.ids])


def propose(at: At, sent: Sent) -> Answer:
    """A place for each that is ticked and has none."""
    session = at.session()
    items = [item for item in queue.chosen(at, session, sent) if item.state != "placed"]
    if not items:
        return at.to_queue("nobody")
    return plan_for(queue.to_row(at, [item.id for item in items]), session, items, None)


def plan(at: At, sent: Sent) -> Answer:
    """A page of what is proposed."""
    session = at.session()
    plan = session.plan
    if plan is None or one(sent.query, "n") != str(plan.number):
        return at.to_queue("old_page")
    return _plan_page(at, session, plan, number(one(sent.query, "at"), 100_000))


def accept(at: At, sent: Sent) -> Answer:
    """Keep what was changed on this page of the proposals; then another page, or do it all."""
    page = one(sent.form, "at")
    before = at.desk.swap(lambda it: _with_changes(it, sent, keep=bool(page)))
    plan = before.plan
    if plan is None or one(sent.form, "number") != str(plan.number):
        return at.to_queue("old_page")
    plan = replace(plan, choices=_changed(plan, sent))
    if page:
        return at.to("/plan", n=plan.number, at=number(page, len(plan.choices)))
    todo = [(id, it) for id, it in plan.choices.items() if it != LEAVE]
    closed = plan.closing
    if closed is None:
        return _answer_all(at, todo)
    return at.start(
        "answer",
        len(todo),
        lambda session, seen: session.work.close_day(session.queue, closed, todo, seen),
    )


def plan_for(at: At, session: Session, items: Sequence[Opened], closing: Closing | None) -> Answer:
    """Make a plan for the items, and go where it is shown. Who has to leave a closed day and fits
    nowhere else waits."""
    otherwise: Choice | Literal["leave"] = Decision.WAIT if closing else LEAVE
    proposals = session.work.propose(session.queue, items, closing)
    choices = {it.item.id: it.opening or otherwise for it in proposals}
    before = at.desk.swap(
        lambda it: replace(it, number=it.number + 1, plan=Plan(it.number + 1, choices, closing))
    )
    return at.to("/plan", n=before.number + 1)


def _plan_page(at: At, session: Session, plan: Plan, page: int) -> Answer:
    now = at.clock()
    free = session.work.free(plan.closing)
    items = [session.items[id] for id in plan.choices if id in session.items]
    pages = max(1, -(-len(items) // ROWS))
    page = min(page, pages)
    rows = []
    for item in items[(page - 1) * ROWS : page * ROWS]:
        fitting = distinct(queues.fitting(item, free, at.city, now))[:TIMES]
        wanted = plan.choices[item.id]
        if isinstance(wanted, Opening) and wanted not in fitting:
            fitting.append(wanted)
        rows.append((item, str(wanted), sorted(fitting)))
    without = sum(not isinstance(wanted, Opening) for wanted in plan.choices.values())
    return at.page(
        "plan.html",
        plan=plan,
        rows=rows,
        total=len(items),
        without=without,
        page=page,
        pages=pages,
    )


def _with_changes(session: Session, sent: Sent, keep: bool) -> Session:
    """The plan with what this page changed, or, once it is accepted, without it."""
    plan = session.plan
    if plan is None or one(sent.form, "number") != str(plan.number):
        return session
    changed = replace(plan, choices=_changed(plan, sent))  # first: what is odd leaves the plan
    return replace(session, plan=changed if keep else None)


def _changed(plan: Plan, sent: Sent) -> Mapping[str, Choice | Literal["leave"]]:
    """The choices with those on a page in the place of what they were. Raises ValueError for what
    no proposal offers: erasing asks first, elsewhere."""

    def changed(id: str) -> Choice | Literal["leave"]:
        text = one(sent.form, f"c-{id}", str(plan.choices[id]))
        if text == Decision.ERASE:
            raise ValueError("no proposal erases")
        return LEAVE if text == LEAVE else choice(text)

    return {id: changed(id) for id in plan.choices}


def _answer_all(at: At, todo: Sequence[tuple[str, Choice]]) -> Answer:
    return at.start(
        "answer",
        len(todo),
        lambda session, seen: session.work.answer(session.queue, todo, seen),
    )
