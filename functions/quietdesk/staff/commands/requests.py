"""The desk's verbs for requests: pull, place, wait, reply, done, junk, enter.

What fails for one request is said on stderr and stops no other; then the exit code is 1.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from quietdesk import codes, request, textfile
from quietdesk.errors import Invalid, QuietdeskError, StoreUnavailable, Unsure
from quietdesk.openings import Opening
from quietdesk.pages import speech
from quietdesk.request import FIELDS
from quietdesk.staff.commands import naming, wording
from quietdesk.staff.commands.naming import MIN_ID
from quietdesk.staff.commands.terminal import Here, agreed, at_the_queue, at_work, complain
from quietdesk.staff.desk.queue import Proposal
from quietdesk.staff.device.opener import Opened
from quietdesk.staff.outcome import Decision, Outcome
from quietdesk.staff.words import shown


def pull(at: Here, args: argparse.Namespace) -> int:
    """List the opened requests."""
    with at_the_queue(at) as (_, pulled):
        queue = pulled.queue
        items = list(queue.items.values())
        hidden, why = at.hidden()
        if args.json:
            for item in items:
                print(
                    json.dumps({"id": item.id, "state": item.state, **request.values(item.request)})
                )
        else:
            for number, item in enumerate(items, 1):
                print(wording.in_words(item, f"{number} of {len(items)}", at.city))
            print(wording.counted(queue, hidden))
        wording.nag(items, at.city, at.now)
        wording.unopened(queue.shut, len(items) + len(queue.shut))
        none_opens = bool(queue.shut) and not items
        if none_opens:
            wording.opens_none(pulled.proofs)
        wording.hidden(hidden, why)
    return 1 if none_opens or hidden else 0


def place(at: Here, args: argparse.Namespace) -> int:
    """Give requests a time: the proposed one, or the one staff name."""
    with at_the_queue(at, sure=True) as (work, pulled):
        queue = pulled.queue
        chosen = naming.chosen(queue, args.id, args.all)
        shut = _say_shut(pulled, args.all)
        if args.at:
            proposals = [Proposal(_only(chosen), _free(args.at, work.free()))]
        else:
            proposals = work.propose(queue, chosen)
        keep = "no free time fits; keep it (wait) or answer it (reply no-place)"
        wording.proposed(proposals, keep, at.city)
        fitting = [(it.item, it.opening) for it in proposals if it.opening]
        if not fitting:
            print("Nothing was placed.", file=sys.stderr)
            return 1 if proposals or shut else 0
        if not args.yes and not agreed(f"Place {len(fitting)}?"):
            print("Nothing was placed.", file=sys.stderr)
            return 1
        todo = [(item.id, opening) for item, opening in fitting]
        outcome = work.answer(queue, todo, wording.each(wording.nothing))
        placed = wording.ended(outcome, [wording.name(item) for item, _ in fitting])
        print(f"Placed {placed}.")
        wording.fail(outcome)
    return 0 if placed == len(proposals) else 1


def wait(at: Here, args: argparse.Namespace) -> int:
    """Keep requests for another week."""
    return _each(at, args, Decision.WAIT)


def reply(at: Here, args: argparse.Namespace) -> int:
    """Answer that there is no place."""
    return _each(at, args, Decision.NONE)


def done(at: Here, args: argparse.Namespace) -> int:
    """Erase requests that are dealt with. Needs no passphrase."""
    with closing(at.store()) as store:
        chosen = naming.find(store, at.city, args.id, at.now)
        names = [envelope.id.hex()[:MIN_ID] for envelope in chosen]
        if not args.yes and not agreed(f"Erase request {', '.join(names)} for good?"):
            print("Nothing was erased.", file=sys.stderr)
            return 1
        outcome = at.work(store).erase(chosen, wording.each(wording.erased))
        erased = wording.ended(outcome, names)
        wording.fail(outcome)
    return 0 if erased == len(chosen) else 1


def junk_list(at: Here, args: argparse.Namespace) -> int:
    """List what does not open, week by week: what no computer opens, then the rest."""
    with at_the_queue(at) as (_, pulled):
        for item in sorted(pulled.queue.shut, key=lambda it: (not it.junk, it.week, it.id)):
            print(json.dumps(wording.shut(item)) if args.json else wording.shut_line(item, at.city))
        if not args.json:
            print(wording.junk_counted(pulled.queue))
    return 0


def junk_erase(at: Here, args: argparse.Namespace) -> int:
    """Erase what no computer opens."""
    with at_the_queue(at) as (work, pulled):
        queue = pulled.queue
        ids = naming.shut(queue, args.id, args.all)
        junk = [it for it in queue.junk if it.id in ids]
        seats = sum(it.opening is not None for it in junk)
        sure = f"Erase {len(junk)} that no computer opens? Seats that come back: {seats}."
        if junk and not args.yes and not agreed(f"{sure} It cannot be taken back."):
            print("Nothing was erased.", file=sys.stderr)
            return 1
        outcome = work.erase_junk(queue, ids, wording.each(wording.erased))
        erased = wording.ended(outcome, [id[:MIN_ID] for id in ids])
        print(f"Erased {erased}. Seats that came back: {outcome.seats_back}.")
        wording.fail(outcome)
    return 0 if erased == len(ids) else 1


def enter(at: Here, _: argparse.Namespace) -> int:
    """Ask for somebody. The fields come from stdin, so that no process list shows them."""
    try:
        values = json.loads(textfile.decoded(sys.stdin.buffer.read()))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        complain("one JSON object with the form's fields is needed")
        return 1
    if odd := _odd_fields(values):
        for field, problem in odd.items():
            complain(f"{shown(field)}: {problem}")
        return 1
    typed = {field: [str(it) for it in _listed(value)] for field, value in values.items()}
    with at_work(at, sure=True) as work:
        code = codes.new()
        try:
            entered = work.enter(typed, code).entered
        except (Unsure, KeyboardInterrupt) as error:
            print(f"Code: {code}\nIt is not known whether this was kept. Look with the code.")
            if not isinstance(error, Unsure):
                raise
            raise StoreUnavailable(str(error)) from None  # sent again, it would have another code
        except Invalid as error:
            words = speech.Words(at.city, "en")
            for field, problem in error.fields.items():
                said = speech.problem(words, field, problem)
                complain(f"{field}: {said}")
            return 1
    print(f"Code: {entered.code}")
    if entered.opening:
        print(wording.where(entered.opening, at.city))
    else:
        print(f"Look again on {entered.look_again}.")
    return 0


def _each(at: Here, args: argparse.Namespace, answer: Decision) -> int:
    with at_the_queue(at, sure=True) as (work, pulled):
        queue = pulled.queue
        chosen = naming.chosen(queue, args.id, args.all)
        shut = _say_shut(pulled, args.all)
        todo = [(item.id, answer) for item in chosen]
        outcome = work.answer(queue, todo, wording.each(wording.answered(at.city)))
        answered = wording.ended(outcome, [wording.name(item) for item in chosen])
        print(f"Answered {answered}.")
        wording.fail(outcome)
    return 0 if answered == len(chosen) and (chosen or not shut) else 1


def _say_shut(pulled: Outcome, everybody: bool) -> int:
    """How many requests do not open, where everybody who waits is meant. Says so, and why: they may
    be waiting."""
    queue = pulled.queue
    if not everybody:
        return 0
    wording.unopened(queue.shut, len(queue.items) + len(queue.shut))
    if queue.shut and not queue.items:
        wording.opens_none(pulled.proofs)
    return len(queue.shut)


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


def _free(text: str, free: Mapping[Opening, int]) -> Opening:
    try:
        opening = Opening.parse(text)
    except ValueError:
        opening = None
    if opening is None or opening not in free:
        raise QuietdeskError("there is no free opening of that name; see: quietdesk openings list")
    return opening


def _only(items: Sequence[Opened]) -> Opened:
    if len(items) != 1:
        raise QuietdeskError("--at is for one request")
    return items[0]
