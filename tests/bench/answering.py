"""A warm JSON request, without the store: what `submit` itself costs. And `check`, asked for what
is there and for what is not."""

import json
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from quietdesk import codes, envelopes, keys
from quietdesk.envelopes import Envelope
from quietdesk.intake import Handler
from quietdesk.store import Store
from quietdesk.wire import b64
from tests import events
from tests.bench.table import Row, medians, spread
from tests.world import NOON, make_world

KNOWN = "7K3M-9QXT-2B6H-W3ZD"


class Forgetful:
    """A store that publishes one document and remembers nothing."""

    def __init__(self, document: bytes):
        self._document = document

    def put(self, envelope: Envelope) -> None:
        pass

    def read(self, name: str) -> tuple[bytes, int]:
        return self._document, 1


def measure(quick: bool) -> list[Row]:
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        world = make_world(Path(folder))
        epoch = keys.epoch_at(NOON, world.city.zone)
        store = cast(Store, Forgetful(world.raw_bundle(epoch)))
        with redirect_stdout(nowhere):  # where the handler's log line goes
            handler = events.submit(replace(world, store=store))
        event = events.event("POST", "/api/requests", envelopes.write(world.sealed()), events.JSON)
        public_key = world.bundle().keys["visit"][1]
        world.store.close()

        handled, sealed = medians(
            50 if quick else 2000,
            lambda: _created(handler, event),
            lambda: keys.seal_to(public_key, b"", bytes(envelopes.PART_BYTES)),
        )
    seal = "one seal of 1,024 bytes"
    return [Row("warm JSON request, no store", handled * 1e3, "ms", sealed * 1e3, seal, at_most=3)]


def measure_check(quick: bool) -> list[Row]:
    """How long `check` takes for an id that is there and for one that is not, side by side: who
    asks must not learn from the time which it was."""
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        world = make_world(Path(folder))
        for _ in range(200):
            world.store.put(replace(world.sealed(code=KNOWN), id=os.urandom(16)))
        world.store.put(world.sealed(code=KNOWN))
        with redirect_stdout(nowhere):
            handler = events.check(world)
        known, unknown = (
            [_asked(id) for id in ids]
            for ids in ([codes.derive(KNOWN, world.city.deployment).id], [os.urandom(16)])
        )
        count = 100 if quick else 3000
        taken = spread(count, *(lambda event=e: _answered(handler, event) for e in known + unknown))
        world.store.close()
    there, missing = taken
    return [
        Row(f"check, {name} of {count:,}", there[at] * 1e3, "ms", missing[at] * 1e3, "unknown id")
        for name, at in (("5th percentile", 5), ("median", 50), ("95th percentile", 95))
    ]


def _asked(id: bytes) -> Mapping[str, Any]:
    body = json.dumps({"v": 1, "do": "see", "id": b64(id)}).encode()
    return events.event("POST", "/api/requests/check", body, events.JSON)


def _answered(handler: Handler, event: Mapping[str, Any]) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 200


def _created(handler: Handler, event: Mapping[str, Any]) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 201
