"""The desk at the size of a rush: pull and open a queue, order and filter it, place a thousand."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from quietdesk import envelopes, keys, request
from quietdesk.openings import DESK, Opening
from quietdesk.staff.desk import queue
from quietdesk.staff.device.opener import Opened, Opener
from tests.bench.opening import random_secrets
from tests.bench.peak import peak_mb
from tests.bench.table import Row
from tests.world import ASKED, NOON, World, make_world

T = TypeVar("T")
PLACES = 1000
SCREEN = 50  # rows of the first screen


def measure(quick: bool) -> list[Row]:
    rows = []
    for count in (200, 400) if quick else (10_000, 100_000):
        with TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            _fill(world, count)
            rows += _opened(world, count)
            if len(rows) == 3:  # once, in the smaller queue
                rows += _placed(world, 50 if quick else PLACES)
            world.store.close()
    return rows


def _fill(world: World, count: int) -> None:
    bundle, asked = world.bundle(), request.parse({**ASKED, "centers": ["any"]}, world.city)
    end = keys.expires(bundle.epoch, bundle.epoch, world.city.zone, world.city.serve_days)
    asked = replace(asked, windows=("any",))
    for _ in range(count):
        # Random secrets: a real code would spend most of the time on PBKDF2, which no desk does.
        secrets = random_secrets()
        sealed = envelopes.seal(request.pack(asked, secrets.reply), bundle, secrets)
        world.store.put(envelopes.admitted(sealed, "P", end))


def _opened(world: World, count: int) -> list[Row]:
    opener = world.opener()
    bare = _bare(world, opener, count)
    items, took = _timed(lambda: [it for it in opener.pull(NOON) if isinstance(it, Opened)])
    assert len(items) == count
    wanted = queue.Filter(access="step_free", language="bn")

    def first_screen() -> list[Opened]:
        shown = (it for it in queue.ordered(items) if wanted.takes(it))
        queue.shared_phones(items)
        queue.due(items, NOON)
        return list(islice(shown, SCREEN))

    screen, screen_took = _timed(first_screen)
    assert len(screen) == SCREEN
    alone = "unsealing alone, one core"
    return [
        Row(f"pull and open {count:,}, one core", took, "s", bare, alone),
        Row(f"order, flag and filter {count:,}", screen_took, "s", took, "pulling and opening"),
        Row(f"{count:,} opened requests in memory, process", peak_mb(), "MB"),
    ]


def _bare(world: World, opener: Opener, count: int) -> float:
    """The seconds of unsealing alone: no store, and no look at what is inside."""
    held = list(world.store.pull(world.city.queue, [str(world.bundle().epoch)], NOON))
    assert len(held) == count
    private_keys = {
        part.kid: opener._private_key(part.kid) for part in (held[0].visit, held[0].contact)
    }
    return _timed(lambda: [envelopes.unseal(envelope, private_keys) for envelope in held])[1]


def _placed(world: World, count: int) -> list[Row]:
    publisher = world.publisher()
    publisher.publish(NOON)
    openings = {Opening(it.day, it.at, it.center, DESK) for it in publisher.free(NOON)}
    world.store.set_seats({str(it): count for it in openings})
    desk = world.desk()
    items = [it for it in desk.pull(NOON) if isinstance(it, Opened)][:count]
    free = publisher.free(NOON)
    proposals, proposing = _timed(lambda: queue.propose(items, free, world.city, NOON))

    def place() -> int:
        for proposal in proposals:
            assert proposal.opening
            desk.place(proposal.item, proposal.opening, NOON)
        return len(proposals)

    done, placing = _timed(place)
    assert done == count
    bundle, parts = world.bundle(), request.pack(items[0].request, items[0].reply_key)

    def seal() -> None:
        for item in items:
            envelopes.reseal(item.envelope, parts, bundle, "", item.envelope.reply)

    _, sealing = _timed(seal)
    return [
        Row(f"propose places for {count:,}", proposing, "s", placing, "placing them"),
        Row(f"place {count:,}, SQLite", placing, "s", sealing, "sealing them alone"),
    ]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started
