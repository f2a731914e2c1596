"""A warm JSON request, without the store: what `submit` itself costs. And `check`, asked for what
is there and for what is not."""

import json
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quietdesk import codes, envelopes, hpke, weeks
from quietdesk.envelopes import Envelope
from quietdesk.events import Handler
from quietdesk.store.sqlite import Sqlite
from quietdesk.wire import b64
from tests import events
from tests.bench.table import Row, medians, percentiles
from tests.world import NOON, make_world

KNOWN = "7K3M-9QXT-2B6H-W3ZD"


class Forgetful(Sqlite):
    """A store that has one document in memory and remembers nothing: an answer never waits for it.
    Whatever else is asked of it, an empty SQLite store does."""

    def __init__(self, path: Path, document: bytes):
        super().__init__(path)
        self._document = document

    def put(self, envelope: Envelope) -> None:
        pass

    def read(self, name: str) -> tuple[bytes, int]:
        return self._document, 1


def measure(quick: bool) -> list[Row]:
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        world = make_world(Path(folder))
        epoch = weeks.epoch_at(NOON, world.city.zone)
        store = Forgetful(Path(folder) / "nothing.db", world.raw_bundle(epoch))
        with redirect_stdout(nowhere):  # where the handler's log line goes
            handler = events.submit(replace(world, store=store))
        event = events.event("POST", "/api/requests", envelopes.write(world.sealed()), events.JSON)
        public_key = world.bundle().keys["visit"][1]
        world.store.close()

        handled, sealed = medians(
            *((2, 20) if quick else (10, 300)),
            lambda: _created(handler, event),
            lambda: hpke.seal_to(public_key, b"", bytes(envelopes.PART_BYTES)),
        )
        store.close()
    seal = "one seal of 1,024 bytes"
    return [Row("warm JSON request, no store", "ms", *_ms(handled, sealed), seal, at_most=3)]


def measure_check(quick: bool) -> list[Row]:
    """How long `check` takes for an id that is there and for one that is not, side by side: who
    asks must not learn from the time which it was."""
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        world = make_world(Path(folder))
        envelope = world.sealed(code=KNOWN)
        world.store.put(envelope)
        for _ in range(200):
            world.store.put(replace(envelope, id=os.urandom(16)))
        with redirect_stdout(nowhere):
            handler = events.check(world)
        known, unknown = (
            [_asked(id) for id in ids]
            for ids in ([codes.derive(KNOWN, world.city.deployment).id], [os.urandom(16)])
        )
        turns, count = (2, 20) if quick else (10, 300)
        calls = (lambda event=event: _answered(handler, event) for event in known + unknown)
        there, missing = percentiles(turns, count, *calls)
        world.store.close()
    return [
        Row(
            f"check, {name} of {count} in a turn",
            "ms",
            *_ms([turn[at] for turn in there], [turn[at] for turn in missing]),
            "unknown id",
        )
        for name, at in (("5th percentile", 5), ("median", 50), ("95th percentile", 95))
    ]


def _ms(*taken: list[float]) -> list[list[float]]:
    return [[time * 1e3 for time in times] for times in taken]


def _asked(id: bytes) -> Mapping[str, Any]:
    body = json.dumps({"v": 1, "do": "see", "id": b64(id)}).encode()
    return events.event("POST", "/api/requests/check", body, events.JSON)


def _answered(handler: Handler, event: Mapping[str, Any]) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 200


def _created(handler: Handler, event: Mapping[str, Any]) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 201
