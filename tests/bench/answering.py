"""A warm JSON request, without the store: what `submit` itself costs."""

import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from quietdesk import envelope as envelopes
from quietdesk import keys
from quietdesk.envelope import Envelope
from quietdesk.intake import Handler
from quietdesk.store import Store
from tests import events
from tests.bench.table import Row, medians
from tests.world import NOON, make_world


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


def _created(handler: Handler, event: Mapping[str, Any]) -> None:
    answer = handler(event, None)
    assert answer["statusCode"] == 201
