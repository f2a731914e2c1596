"""The desk's verbs on the command line: pull, place, wait, reply, done, enter, openings.

What fails for one request is said on stderr and stops no other; then the exit code is 1.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial

from quietdesk import code as codes
from quietdesk import pages
from quietdesk.city import City
from quietdesk.errors import (
    BadBundle,
    CannotOpen,
    Conflict,
    Invalid,
    KeyDestroyed,
    NoSeats,
    QuietdeskError,
    TooOld,
)
from quietdesk.openings import DESK, Opening
from quietdesk.staff import ceremony, desk, queue
from quietdesk.staff.desk import Desk, Opened, Unopened
from quietdesk.staff.queue import Proposal
from quietdesk.staff.schedule import Changes, Schedule
from quietdesk.staff.terminal import Here, agreed, shown

MIN_ID = 8  # digits of an id by which staff name a request

# What may go wrong with one request, while the others go on.
_ONE = (Conflict, TooOld, CannotOpen, BadBundle)


@dataclass(frozen=True, slots=True)
class _Unlocked:
    """An unlocked desk and its opened queue, in order."""

    desk: Desk
    schedule: Schedule
    items: list[Opened]
    shut: list[Unopened]


@contextmanager
def _unlocked(at: Here) -> Iterator[_Unlocked]:
    device = at.unlocked()
    with closing(at.store()) as store:
        opener = Desk(store, at.city, device.trust, device)
        pulled = list(opener.pull(at.now))
        items = queue.ordered(item for item in pulled if isinstance(item, Opened))
        shut = [item for item in pulled if isinstance(item, Unopened)]
        yield _Unlocked(opener, Schedule(store, at.city, device.trust, device), items, shut)
        ceremony.top_up(store, at.settings.keyring, device, at.city, at.now)


# --- Requests ------------------------------------------------------------------------------------


def pull(at: Here, args: argparse.Namespace) -> int:
    """List the opened requests."""
    with _unlocked(at) as open_desk:
        items, shut = open_desk.items, open_desk.shut
        if args.json:
            for item in items:
                print(json.dumps({"id": item.id, "state": item.state, **asdict(item.request)}))
        else:
            for number, item in enumerate(items, 1):
                print(_in_words(item, f"{number} of {len(items)}", at.city))
            print(_counts(items))
        for line in _nag(items, at):
            print(line, file=sys.stderr)
        _say_unopened(shut, len(items) + len(shut))
    return 0


def place(at: Here, args: argparse.Namespace) -> int:
    """Give requests a time: the proposed one, or the one staff name."""
    with _unlocked(at) as open_desk:
        waiting = [item for item in open_desk.items if item.state == "waiting"]
        chosen = waiting if args.all else _named(open_desk.items, args.id)
        free = open_desk.schedule.free(at.now)
        if args.at:
            proposals = [Proposal(_only(chosen), _free(args.at, free))]
        else:
            standing = [item for item in open_desk.items if item.opening and item not in chosen]
            proposals = queue.propose(chosen, free, at.city, at.now, standing)
        for proposal in proposals:
            print(f"{_name(proposal.item)}: {_where(proposal.opening, at.city)}")
        fitting = [proposal for proposal in proposals if proposal.opening]
        if not fitting:
            print("Nothing was placed.", file=sys.stderr)
            return 0 if not proposals else 1
        if not args.yes and not agreed(f"Place {len(fitting)}?"):
            print("Nothing was placed.", file=sys.stderr)
            return 1
        done = [_try(it.item, partial(_place, open_desk, it, at)) for it in fitting]
    print(f"Placed {sum(done)}.")
    return 0 if sum(done) == len(proposals) else 1


def wait(at: Here, args: argparse.Namespace) -> int:
    """Keep requests for another week."""
    return _each(at, args, lambda open_desk, item: open_desk.desk.wait(item, at.now))


def reply(at: Here, args: argparse.Namespace) -> int:
    """Answer that there is no place."""
    return _each(at, args, lambda open_desk, item: open_desk.desk.refuse(item, at.now))


def done(at: Here, args: argparse.Namespace) -> int:
    """Erase requests that are dealt with. Needs no passphrase."""
    with closing(at.store()) as store:
        envelopes = [desk.find(store, at.city, id, at.now) for id in args.id]
        names = ", ".join(envelope.id.hex()[:MIN_ID] for envelope in envelopes)
        if not args.yes and not agreed(f"Erase request {names} for good?"):
            print("Nothing was erased.", file=sys.stderr)
            return 1
        for envelope in envelopes:
            store.erase(envelope)
            print(f"Erased {envelope.id.hex()[:MIN_ID]}.")
    return 0


def enter(at: Here, _: argparse.Namespace) -> int:
    """Ask for somebody. The fields come from stdin, so that no process list shows them."""
    try:
        values = json.load(sys.stdin)
        typed = {
            str(field): [str(it) for it in (value if isinstance(value, list) else [value])]
            for field, value in values.items()
        }
    except (ValueError, AttributeError, RecursionError):
        print("quietdesk: one JSON object with the form's fields is needed", file=sys.stderr)
        return 1
    device = at.unlocked()
    with closing(at.store()) as store:
        try:
            code = codes.new()
            again = Desk(store, at.city, device.trust, device).enter(typed, at.now, code)
        except Invalid as error:
            words = pages.Words(at.city, "en")
            for field, problem in error.fields.items():
                said = pages.Pages(at.city, (), 1).problem(words, field, problem)
                print(f"quietdesk: {field}: {said}", file=sys.stderr)
            return 1
    opening = next(iter(typed.get("opening", [])), "").strip()
    print(f"Code: {code}")
    print(_where(Opening.parse(opening), at.city) if opening else f"Look again on {again}.")
    return 0


def _each(at: Here, args: argparse.Namespace, answer: Callable[[_Unlocked, Opened], Opened]) -> int:
    with _unlocked(at) as open_desk:
        waiting = [item for item in open_desk.items if item.state == "waiting"]
        chosen = waiting if args.all else _named(open_desk.items, args.id)
        answered = 0
        for item in chosen:
            answered += _try(item, partial(_answer, open_desk, item, at, answer))
    print(f"Answered {answered}.")
    return 0 if answered == len(chosen) else 1


def _answer(
    open_desk: _Unlocked,
    item: Opened,
    at: Here,
    answer: Callable[[_Unlocked, Opened], Opened],
) -> None:
    answered = answer(open_desk, item)
    print(f"{_name(answered)}: {_standing(answered, at.city)}")


def _try(item: Opened, work: Callable[[], None]) -> bool:
    try:
        work()
    except _ONE as error:
        print(f"quietdesk: {_name(item)}: {error}", file=sys.stderr)
        if isinstance(error, NoSeats):
            print("quietdesk: hint: run place again for another time", file=sys.stderr)
        return False
    return True


def _place(open_desk: _Unlocked, proposal: Proposal, at: Here) -> None:
    if proposal.opening:
        open_desk.desk.place(proposal.item, proposal.opening, at.now)


# --- Openings ------------------------------------------------------------------------------------


def openings_publish(at: Here, args: argparse.Namespace) -> int:
    """Publish the openings of the coming weeks that have keys."""
    device = at.unlocked()
    with closing(at.store()) as store:
        schedule = Schedule(store, at.city, device.trust, device)
        taking = None if args.taking is None else args.taking == "on"
        print(_changed(schedule.publish(at.now, taking)))
        if not schedule.published()[""].taking:
            print("Nobody can take times: the form asks when people can come.")
    return 0


def openings_list(at: Here, args: argparse.Namespace) -> int:
    """List the coming openings and what is left of them."""
    with closing(at.store()) as store:
        published = Schedule(store, at.city, at.trust).published()
        today = at.now.astimezone(at.city.zone).date()
        seats = {it: n for each in published.values() for it, n in each.seats.items()}
        coming = sorted(it for it in seats if it.day > today)
        left = store.seats([str(it) for it in coming])
    for it in coming:
        who = {"": "residents", DESK: "desk"}.get(it.path, f"path {it.path}")
        if args.json:
            row = {"opening": str(it), "center": it.center, "day": it.day.isoformat()}
            row |= {"time": it.at, "who": who}
            print(json.dumps({**row, "seats": seats[it], "left": left[str(it)]}))
        else:
            counts = f"{left[str(it)]} of {seats[it]} left"
            print(f"{it.day} {it.at}  {it.center:<20} {who:<12} {counts:<14} {it}")
    if not coming and not args.json:
        print("No openings are published. Run: quietdesk openings publish")
    return 0


def openings_close(at: Here, args: argparse.Namespace) -> int:
    """Close a center for a day, and give who had a time there another one."""
    with _unlocked(at) as open_desk:
        there = [
            item
            for item in open_desk.items
            if item.opening and (item.opening.center, item.opening.day) == (args.center, args.day)
        ]
        free = {
            it: left
            for it, left in open_desk.schedule.free(at.now).items()
            if (it.center, it.day) != (args.center, args.day)
        }
        standing = [item for item in open_desk.items if item.opening and item not in there]
        proposals = queue.propose(there, free, at.city, at.now, standing)
        for proposal in proposals:
            print(f"{_name(proposal.item)}: {_where(proposal.opening, at.city)}")
        question = f"Close {args.center} on {args.day} and answer these {len(there)}?"
        if not args.yes and not agreed(question):
            print("Nothing was closed.", file=sys.stderr)
            return 1
        print(_changed(open_desk.schedule.close(args.center, args.day, at.now)))
        done = [_try(it.item, partial(_instead, open_desk, it, at)) for it in proposals]
        for item in there:
            print(_call(item))
    return 0 if all(done) else 1


def openings_reopen(at: Here, args: argparse.Namespace) -> int:
    """Take back that a center was closed for a day."""
    device = at.unlocked()
    with closing(at.store()) as store:
        schedule = Schedule(store, at.city, device.trust, device)
        print(_changed(schedule.reopen(args.center, args.day, at.now)))
    return 0


def _instead(open_desk: _Unlocked, proposal: Proposal, at: Here) -> None:
    if proposal.opening:
        open_desk.desk.place(proposal.item, proposal.opening, at.now)
        return
    try:
        open_desk.desk.wait(proposal.item, at.now)
    except TooOld:
        open_desk.desk.refuse(proposal.item, at.now)


def _free(text: str, free: Mapping[Opening, int]) -> Opening:
    try:
        opening = Opening.parse(text)
    except ValueError:
        opening = None
    if opening is None or opening not in free:
        raise Conflict("there is no free opening of that name; see: quietdesk openings list")
    return opening


def _changed(changes: Changes) -> str:
    return (
        f"{changes.added} openings are new, {changes.removed} are gone, "
        f"{changes.changed} have another number of seats."
    )


# --- Naming and saying ---------------------------------------------------------------------------


def day(text: str) -> date:
    """A day as staff type it: 2026-12-03."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a day such as 2026-12-03 is needed") from None


def _named(items: Sequence[Opened], ids: Sequence[str]) -> list[Opened]:
    """The requests that staff name by the first digits of their ids. Raises Conflict."""
    chosen: list[Opened] = []
    for id in ids:
        if len(id) < MIN_ID:
            raise Conflict(f"give at least the first {MIN_ID} digits of the request's id")
        found = [item for item in items if item.id.startswith(id.lower())]
        if not found:
            raise Conflict("no request that opens has that id; it may be erased, cancelled or over")
        if len(found) > 1:
            raise Conflict("more than one request has an id that begins so; give more digits")
        if found[0] not in chosen:
            chosen.append(found[0])
    return chosen


def _only(items: Sequence[Opened]) -> Opened:
    if len(items) != 1:
        raise QuietdeskError("--at is for one request")
    return items[0]


def _name(item: Opened) -> str:
    return f"{item.id[:MIN_ID]} {shown(item.request.name)}"


def _where(opening: Opening | None, city: City) -> str:
    if opening is None:
        return "no free time fits; keep it (wait) or answer it (reply no-place)"
    center = city.center(opening.center)
    return f"{opening.day} {opening.at}, {center.name if center else opening.center} ({opening})"


def _standing(item: Opened, city: City) -> str:
    if item.opening:
        return _where(item.opening, city)
    if item.state == "none":
        return "answered: no place"
    again = item.reply.look_again if item.reply else None
    return f"waits; looks again on {again}" if again else "waits"


def _call(item: Opened) -> str:
    asked = item.request
    if not asked.reach:
        return f"{_name(item)} only looks with the code"
    return f"call {_name(item)}: {', '.join(asked.reach)} {asked.phone} ({asked.phone_owner})"


def _nag(items: Sequence[Opened], at: Here) -> list[str]:
    days: dict[date, int] = {}
    for item in queue.due(items, at.now):
        end = queue.ends(item, at.city)
        days[end] = days.get(end, 0) + 1
    return [f"quietdesk: {n} that still wait are destroyed on {d}" for d, n in sorted(days.items())]


def _counts(items: Sequence[Opened]) -> str:
    if not items:
        return "No requests are waiting."
    states = [item.state for item in items]
    said = f"{states.count('waiting')} waiting"
    for state, words in (("placed", "placed"), ("none", "answered: no place")):
        if count := states.count(state):
            said += f", {count} {words}"
    return f"{said}."


def _in_words(item: Opened, number: str, city: City) -> str:
    asked = item.request
    centers = {center.id: center.name for center in city.centers}
    rows = {
        "Name": asked.name,
        "People": f"{asked.people}, of them {asked.children} aged 10 to 13",
        "Centers": ", ".join(centers.get(center, center) for center in asked.centers),
        "Times": ", ".join(asked.windows),
        "Visit": asked.visit_type,
        "Language": asked.language,
        "Access": ", ".join(asked.access) or "-",
        "Answer": ", ".join(asked.reach) or "looks with the code",
        "Phone": f"{asked.phone} ({asked.phone_owner})" if asked.phone else "-",
        "State": _standing(item, city),
    }
    lines = [
        f"{item.id[:MIN_ID]}  {number}, week {item.envelope.epoch}, "
        f"lane {shown(item.envelope.lane)}"
    ]
    lines += [f"  {label:<9} {shown(text)}" for label, text in rows.items()]
    return "\n".join(lines) + "\n"


def _say_unopened(shut: Sequence[Unopened], total: int) -> None:
    counts: dict[str, list[Unopened]] = {}
    for item in shut:
        counts.setdefault(str(item.reason), []).append(item)
    for reason, items in counts.items():
        text = f"quietdesk: cannot open {len(items)} of {total} requests: {reason}"
        print(text, file=sys.stderr)
        if isinstance(items[0].reason, KeyDestroyed):
            print(
                "quietdesk: hint: nothing can be done for these; residents ask again",
                file=sys.stderr,
            )
