"""The desk at the size of a rush: pull and open a queue, order and filter it, place a thousand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from quietdesk import envelopes, request, weeks
from quietdesk.bundles import Bundle
from quietdesk.envelopes import Parts
from quietdesk.openings import DESK, Opening
from quietdesk.staff.desk import queue
from quietdesk.staff.device.opener import Opened, Opener, waiting
from tests.bench.peak import peak_mb
from tests.bench.table import Row, seconds, taking_turns
from tests.world import ASKED, NOON, Desk, World, any_secrets, make_world

T = TypeVar("T")
PLACES = 1000
SCREEN = 50  # rows of the first screen


def measure(quick: bool) -> list[Row]:
    rows = []
    turns = 2 if quick else 3
    small, large, places = (100, 200, 20) if quick else (10_000, 100_000, 1000)
    for count in (small, large):
        with TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            _fill(world, count)
            rows += _opened(world, count, turns)
            if count == small:
                rows += _placed(world, places, turns)
            world.store.close()
    return rows


def _fill(world: World, count: int) -> None:
    bundle, asked = world.bundle(), request.parse({**ASKED, "centers": ["any"]}, world.city)
    end = weeks.expires(bundle.epoch, bundle.epoch, world.city.zone, world.city.serve_days)
    asked = replace(asked, windows=("any",))
    for _ in range(count):
        # Random secrets: a real code would spend most of the time on PBKDF2, which no desk does.
        secrets = any_secrets()
        sealed = envelopes.seal(request.pack(asked, secrets.reply), bundle, secrets)
        world.store.put(envelopes.admitted(sealed, "P", end))


def _opened(world: World, count: int, turns: int) -> list[Row]:
    opener = world.opener()
    wanted = queue.Filter(access="step_free", language="bn")

    def open_all() -> list[Opened]:
        sealed = waiting(world.store, world.city, NOON)
        return [it for it in map(opener.tried, sealed) if isinstance(it, Opened)]

    def first_screen(items: list[Opened]) -> list[Opened]:
        shown = (it for it in queue.ordered(items) if wanted.takes(it))
        queue.shared_phones(items)
        queue.due(items, NOON)
        return list(islice(shown, SCREEN))

    def pull_and_look() -> tuple[float, ...]:
        items, opening = _timed(open_all)
        assert len(items) == count
        screen, looking = _timed(lambda: first_screen(items))
        assert len(screen) == SCREEN
        return opening, looking, peak_mb()

    ours, bare = taking_turns(
        range(turns), lambda _: pull_and_look(), lambda _: (_bare(world, opener, count),)
    )
    opening, looking, peaks = zip(*ours, strict=True)
    (alone,) = zip(*bare, strict=True)
    unsealing = "unsealing alone, one core"
    return [
        Row(f"pull and open {count:,}, one core", "s", opening, alone, unsealing),
        Row(f"order, flag and filter {count:,}", "s", looking, opening, "pulling and opening"),
        # Of the first turn: the baseline, which holds more, has not run yet.
        Row(f"{count:,} opened requests in memory, process", "MB", peaks[:1]),
    ]


def _bare(world: World, opener: Opener, count: int) -> float:
    """The seconds of unsealing alone: no store, and no look at what is inside."""
    held = list(world.store.pull(world.city.queue, [world.bundle().epoch], NOON))
    assert len(held) == count
    private_keys = {
        part.kid: opener._private_key(part.kid) for part in (held[0].visit, held[0].contact)
    }
    return seconds(lambda: [envelopes.unseal(envelope, private_keys) for envelope in held])


def _placed(world: World, count: int, turns: int) -> list[Row]:
    """Each turn proposes places for other requests of the queue, and places them."""
    publisher = world.publisher()
    publisher.publish(NOON)
    openings = {Opening(it.day, it.at, it.center, DESK) for it in publisher.free(NOON)}
    world.store.set_seats({it: turns * count for it in openings})
    desk = world.desk()
    waiting = [it for it in desk.pull(NOON) if isinstance(it, Opened)]
    assert len(waiting) >= turns * count
    free = publisher.free(NOON)
    proposing, placing, sealing = [], [], []
    for turn in range(turns):
        items = waiting[turn * count : (turn + 1) * count]
        proposals, took = _timed(partial(queue.propose, items, free, world.city, NOON))
        assert len(proposals) == count
        proposing.append(took)
        placing.append(seconds(partial(_place, desk, proposals)))
        parts = request.pack(items[0].request, items[0].reply_key)
        sealing.append(seconds(partial(_reseal, items, parts, world.bundle())))
    return [
        Row(f"propose places for {count:,}", "s", proposing, placing, "placing them"),
        Row(f"place {count:,}, SQLite", "s", placing, sealing, "sealing them alone"),
    ]


def _place(desk: Desk, proposals: Sequence[queue.Proposal]) -> None:
    for proposal in proposals:
        assert proposal.opening
        desk.place(proposal.item, proposal.opening, NOON)


def _reseal(items: list[Opened], parts: Parts, bundle: Bundle) -> None:
    for item in items:
        envelopes.reseal(item.envelope, parts, bundle, "", item.envelope.reply)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started
