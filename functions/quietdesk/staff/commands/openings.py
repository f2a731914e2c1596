"""The desk's verbs for openings: publish, list, close, reopen."""

import argparse
import json
import sys
from contextlib import closing

from quietdesk.openings import DESK
from quietdesk.staff.commands import wording
from quietdesk.staff.commands.terminal import Here, agreed, at_the_queue, at_work, complain
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.desk.publisher import Publisher, check_day
from quietdesk.staff.device.opener import Unopened
from quietdesk.staff.outcome import Decision, Outcome

_TAKING_OFF = "Nobody can take times: the form asks when people can come."


def publish(at: Here, args: argparse.Namespace) -> int:
    """Publish the openings of the coming weeks that have keys."""
    with at_work(at, sure=True) as work:
        taking = None if args.taking is None else args.taking == "on"
        print(wording.changed(work.publish(taking).changes))
        if not work.publisher.published()[""].taking:
            print(_TAKING_OFF)
    return 0


def list_(at: Here, args: argparse.Namespace) -> int:
    """List the coming openings and what is left of them."""
    with closing(at.store()) as store:
        published = Publisher(store, at.city, at.trust).published()
        today = at.now.astimezone(at.city.zone).date()
        seats = {it: n for each in published.values() for it, n in each.seats.items()}
        coming = sorted(it for it in seats if it.day > today)
        left = store.seats(coming)
    for it in coming:
        who = {"": "residents", DESK: "desk"}.get(it.path, f"path {it.path}")
        if args.json:
            row = {"opening": str(it), "center": it.center, "day": it.day.isoformat()}
            row |= {"time": it.at, "who": who}
            print(json.dumps({**row, "seats": seats[it], "left": left[it]}))
        else:
            counts = f"{left[it]} of {seats[it]} left"
            print(f"{it.day} {it.at}  {it.center:<20} {who:<12} {counts:<14} {it}")
    if not coming and not args.json:
        print("No openings are published. Run: quietdesk openings publish")
    if coming and not published[""].taking:
        print(_TAKING_OFF, file=sys.stderr)
    return 0


def close(at: Here, args: argparse.Namespace) -> int:
    """Close a center for a day, and give who had a time there another one."""
    closed = (args.center, args.day)
    check_day(at.city, *closed, at.now)  # before anybody types a passphrase
    with at_the_queue(at, sure=True) as (work, pulled):
        queue = pulled.queue
        there = queues.placed_on(queue.items.values(), *closed)
        proposals = work.propose(queue, there, closed)
        wording.proposed(proposals, "no free time fits; it waits", at.city)
        question = f"Close {args.center} on {args.day} and answer these {len(there)}?"
        if not args.yes and not agreed(question):
            print("Nothing was closed.", file=sys.stderr)
            return 1
        todo = [(it.item.id, it.opening or Decision.WAIT) for it in proposals]
        outcome = work.close_day(queue, closed, todo, wording.each(wording.told(at.city)))
        if doors := outcome.told("door"):
            complain(f"{len(doors)} may come on the closed day: have somebody at the door")
        answered = wording.ended(outcome, [wording.name(it.item) for it in proposals])
        left = _say_left(outcome)
        wording.fail(outcome)
    return 0 if answered == len(there) and not left else 1


def reopen(at: Here, args: argparse.Namespace) -> int:
    """Take back that a center was closed for a day."""
    with at_work(at, sure=True) as work:
        print(wording.changed(work.reopen(args.center, args.day).changes))
    return 0


def _say_left(outcome: Outcome) -> int:
    """How many still have a place at a closed center: who could not be answered, who took a time
    while somebody thought about it, and what does not open. Says so."""
    if outcome.left is None:
        complain("it is not known who still has a time there: run this again to see")
    left = {it.id: it for it in outcome.left or ()}
    shut = [it for it in left.values() if isinstance(it, Unopened)]
    if left:
        complain(f"{len(left)} still have a time there, {len(shut)} of them cannot be opened")
    if len(left) > len(shut):
        complain("hint: run this again to answer the others")
    return len(left)
