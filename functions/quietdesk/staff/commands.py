"""The desk's verbs on the command line: pull, place, wait, reply, done, enter, openings.

What fails for one request is said on stderr and stops no other; then the exit code is 1.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

from quietdesk import codes
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Conflict,
    Invalid,
    KeyDestroyed,
    NoSeats,
    QuietdeskError,
    StoreUnavailable,
    TooLong,
    TooOld,
    TracesRemain,
)
from quietdesk.openings import DESK, Opening
from quietdesk.pages import speech
from quietdesk.request import FIELDS
from quietdesk.staff import ceremony, desk, queue
from quietdesk.staff.desk import MIN_ID, Desk, Opened, Unopened, shown
from quietdesk.staff.publisher import Changes, Publisher, check_day
from quietdesk.staff.queue import Proposal
from quietdesk.staff.terminal import Here, agreed
from quietdesk.store import Store

# What may go wrong with one request, while the others go on.
_ONE = (Conflict, TooLong, TooOld, CannotOpen, BadBundle, BadSignature)

_TAKING_OFF = "Nobody can take times: the form asks when people can come."

_Work = tuple[str, Callable[[], None]]  # what to call a request, and what to do with it


@dataclass(frozen=True, slots=True)
class _Unlocked:
    """An unlocked desk and its opened queue, in order."""

    store: Store
    desk: Desk
    publisher: Publisher
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
        publisher = Publisher(store, at.city, device.trust, device)
        yield _Unlocked(store, opener, publisher, items, shut)
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
        free = open_desk.publisher.free(at.now)
        if args.at:
            proposals = [Proposal(_only(chosen), _free(args.at, free))]
        else:
            standing = [item for item in open_desk.items if item.opening and item not in chosen]
            proposals = queue.propose(chosen, free, at.city, at.now, standing)
        keep = "no free time fits; keep it (wait) or answer it (reply no-place)"
        _say_proposed(proposals, keep, at.city)
        fitting = [proposal for proposal in proposals if proposal.opening]
        if not fitting:
            print("Nothing was placed.", file=sys.stderr)
            return 0 if not proposals else 1
        if not args.yes and not agreed(f"Place {len(fitting)}?"):
            print("Nothing was placed.", file=sys.stderr)
            return 1
        placed = _in_turn([(_name(it.item), partial(_place, open_desk, it, at)) for it in fitting])
    print(f"Placed {placed}.")
    return 0 if placed == len(proposals) else 1


def wait(at: Here, args: argparse.Namespace) -> int:
    """Keep requests for another week."""
    return _each(at, args, lambda open_desk, item: open_desk.desk.wait(item, at.now))


def reply(at: Here, args: argparse.Namespace) -> int:
    """Answer that there is no place."""
    return _each(at, args, lambda open_desk, item: open_desk.desk.refuse(item, at.now))


def done(at: Here, args: argparse.Namespace) -> int:
    """Erase requests that are dealt with. Needs no passphrase."""
    with closing(at.store()) as store:
        found = [desk.find(store, at.city, id, at.now) for id in args.id]
        chosen = list({it.id: it for it in found}.values())  # named twice, erased once
        names = ", ".join(envelope.id.hex()[:MIN_ID] for envelope in chosen)
        if not args.yes and not agreed(f"Erase request {names} for good?"):
            print("Nothing was erased.", file=sys.stderr)
            return 1
        traces: list[TracesRemain] = []
        erased = _in_turn(
            [(it.id.hex()[:MIN_ID], partial(_erase, store, it, traces)) for it in chosen]
        )
    if traces:
        raise traces[0]
    return 0 if erased == len(chosen) else 1


def enter(at: Here, _: argparse.Namespace) -> int:
    """Ask for somebody. The fields come from stdin, so that no process list shows them."""
    try:
        values = json.load(sys.stdin)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        print("quietdesk: one JSON object with the form's fields is needed", file=sys.stderr)
        return 1
    if odd := _odd_fields(values):
        for field, problem in odd.items():
            print(f"quietdesk: {shown(field)}: {problem}", file=sys.stderr)
        return 1
    typed = {field: [str(it) for it in _listed(value)] for field, value in values.items()}
    device = at.unlocked()
    with closing(at.store()) as store:
        code, working = codes.new(), Desk(store, at.city, device.trust, device)
        try:
            try:
                again = working.enter(typed, at.now, code)
            except StoreUnavailable:  # perhaps only the answer was lost: it is stored once
                again = working.enter(typed, at.now, code)
        except StoreUnavailable:
            print(f"Code: {code}\nIt is not known whether this was kept. Look with the code.")
            raise
        except Invalid as error:
            words = speech.Words(at.city, "en")
            for field, problem in error.fields.items():
                said = speech.problem(words, field, problem)
                print(f"quietdesk: {field}: {said}", file=sys.stderr)
            return 1
    opening = next(filter(None, map(str.strip, typed.get("opening", []))), "")
    print(f"Code: {code}")
    print(_where(Opening.parse(opening), at.city) if opening else f"Look again on {again}.")
    return 0


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _odd_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Fields that the form does not have, or with values that nobody can type there. A misspelled
    one would else be dropped: an access need, perhaps."""
    problems = {}
    for field, value in values.items():
        if field not in FIELDS:
            problems[field] = "the form has no such field"
        elif not all(type(it) is int or _is_text(it) for it in _listed(value)):
            problems[field] = "a text, a whole number, or a list of them is needed"
    return problems


def _is_text(value: Any) -> bool:
    # Half of a surrogate pair is none.
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _each(at: Here, args: argparse.Namespace, answer: Callable[[_Unlocked, Opened], Opened]) -> int:
    with _unlocked(at) as open_desk:
        waiting = [item for item in open_desk.items if item.state == "waiting"]
        chosen = waiting if args.all else _named(open_desk.items, args.id)
        answered = _in_turn(
            [(_name(item), partial(_answer, open_desk, item, at, answer)) for item in chosen]
        )
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


def _in_turn(works: Sequence[_Work]) -> int:
    """Do the work of each request and give how many went well. What fails for one stops no other,
    unless the store is gone: each further one would wait as long for the same."""
    well = 0
    for name, work in works:
        try:
            work()
        except _ONE as error:
            print(f"quietdesk: {name}: {error}", file=sys.stderr)
            if isinstance(error, NoSeats):
                print("quietdesk: hint: run place again for another time", file=sys.stderr)
        except StoreUnavailable:
            print(f"quietdesk: stopped at {name}, after {well} were done", file=sys.stderr)
            raise
        else:
            well += 1
    return well


def _erase(store: Store, envelope: Envelope, traces: list[TracesRemain]) -> None:
    try:
        store.erase(envelope)
    except TracesRemain as error:  # it is erased; to be said once, after the others
        traces.append(error)
    print(f"Erased {envelope.id.hex()[:MIN_ID]}.")


def _place(open_desk: _Unlocked, proposal: Proposal, at: Here) -> None:
    if proposal.opening:
        open_desk.desk.place(proposal.item, proposal.opening, at.now)


# --- Openings ------------------------------------------------------------------------------------


def openings_publish(at: Here, args: argparse.Namespace) -> int:
    """Publish the openings of the coming weeks that have keys."""
    device = at.unlocked()
    with closing(at.store()) as store:
        publisher = Publisher(store, at.city, device.trust, device)
        taking = None if args.taking is None else args.taking == "on"
        print(_changed(publisher.publish(at.now, taking)))
        if not publisher.published()[""].taking:
            print(_TAKING_OFF)
    return 0


def openings_list(at: Here, args: argparse.Namespace) -> int:
    """List the coming openings and what is left of them."""
    with closing(at.store()) as store:
        published = Publisher(store, at.city, at.trust).published()
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
    if coming and not published[""].taking:
        print(_TAKING_OFF, file=sys.stderr)
    return 0


def openings_close(at: Here, args: argparse.Namespace) -> int:
    """Close a center for a day, and give who had a time there another one."""
    check_day(at.city, args.center, args.day, at.now)
    with _unlocked(at) as open_desk:
        there = queue.placed_on(open_desk.items, args.center, args.day)
        free = open_desk.publisher.free(at.now, (args.center, args.day))
        standing = [item for item in open_desk.items if item.opening and item not in there]
        proposals = queue.propose(there, free, at.city, at.now, standing)
        _say_proposed(proposals, "no free time fits; it waits", at.city)
        question = f"Close {args.center} on {args.day} and answer these {len(there)}?"
        if not args.yes and not agreed(question):
            print("Nothing was closed.", file=sys.stderr)
            return 1
        print(_changed(open_desk.publisher.close(args.center, args.day, at.now)))
        answered = _in_turn(
            [(_name(it.item), partial(_instead, open_desk, it, at)) for it in proposals]
        )
        left = _still_there(open_desk, args.center, args.day, at)
    return 0 if answered == len(there) and not left else 1


def openings_reopen(at: Here, args: argparse.Namespace) -> int:
    """Take back that a center was closed for a day."""
    device = at.unlocked()
    with closing(at.store()) as store:
        publisher = Publisher(store, at.city, device.trust, device)
        print(_changed(publisher.reopen(args.center, args.day, at.now)))
    return 0


def _instead(open_desk: _Unlocked, proposal: Proposal, at: Here) -> None:
    item = proposal.item
    if proposal.opening:
        item = open_desk.desk.place(item, proposal.opening, at.now)
    else:
        try:
            item = open_desk.desk.wait(item, at.now)
        except TooOld:
            item = open_desk.desk.refuse(item, at.now)
    # At once: should the next one fail, nobody could tell any more whom to call about this one.
    print(f"{_call(item)}; {_standing(item, at.city)}")


def _still_there(open_desk: _Unlocked, center: str, day: date, at: Here) -> int:
    """How many have a place at a closed center: who could not be answered, who took a time while
    somebody thought about it, and what does not open. Says so."""
    named = f"{center}.{day.isoformat()}."
    waiting = desk.waiting(open_desk.store, at.city, at.now)
    there = {it.id.hex() for it in waiting if it.opening.startswith(named)}
    shut = there & {item.id for item in open_desk.shut}
    if there:
        said = f"{len(there)} still have a time there, {len(shut)} of them cannot be opened"
        print(f"quietdesk: {said}", file=sys.stderr)
    if there - shut:
        print("quietdesk: hint: run this again to answer the others", file=sys.stderr)
    return len(there)


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
        found = desk.named(items, lambda item: item.id, id, "no request that opens has that id")
        # One code sealed in two weeks gives two requests of one id: both are meant.
        chosen += [item for item in found if item not in chosen]
    return chosen


def _only(items: Sequence[Opened]) -> Opened:
    if len(items) != 1:
        raise QuietdeskError("--at is for one request")
    return items[0]


def _name(item: Opened) -> str:
    return f"{item.id[:MIN_ID]} {shown(item.request.name)}"


def _say_proposed(proposals: Sequence[Proposal], otherwise: str, city: City) -> None:
    for it in proposals:
        print(f"{_name(it.item)}: {_where(it.opening, city) if it.opening else otherwise}")


def _where(opening: Opening, city: City) -> str:
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
    how = f"{', '.join(asked.reach)} {asked.phone} ({asked.phone_owner})"
    return f"call {_name(item)}: {shown(how)}"


def _nag(items: Sequence[Opened], at: Here) -> list[str]:
    days = Counter(queue.ends(item, at.city) for item in queue.due(items, at.now))
    nags = [
        f"quietdesk: {n} requests that still wait are destroyed on {d}"
        for d, n in sorted(days.items())
    ]
    if late := len(queue.promised(items, at.city, at.now)):
        nags.append(f"quietdesk: {late} were told to look again by today and have no answer yet")
    return nags


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
