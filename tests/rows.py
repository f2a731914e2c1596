"""Envelopes of random bytes, for tests of stores: a store never looks inside."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from quietdesk.envelopes import Envelope, SealedPart
from quietdesk.hpke import Kid
from quietdesk.store import Store
from quietdesk.weeks import Epoch

NOW = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 86_400
WEEK, NEXT = Epoch(2026, 47), Epoch(2026, 48)


def make(epoch: Epoch = WEEK, **more: object) -> Envelope:
    """One envelope, put in the week `epoch`; `more` changes its fields."""
    values = {
        "queue": "main",
        "id": os.urandom(16),
        "auth_hash": os.urandom(32),
        "born": WEEK,
        "opening": None,
        "visit": SealedPart(Kid("main", "visit", epoch, "00000001"), os.urandom(2160)),
        "contact": SealedPart(Kid("main", "contact", epoch, "00000002"), os.urandom(2160)),
        "reply": os.urandom(284),
        "lane": "P",
        "digest": os.urandom(32),
        "rev": 1,
        "expires": LATER,
    }
    return Envelope(**(values | more))


def find(store: Store, envelope: Envelope, now: datetime = NOW) -> Envelope | None:
    return store.find("main", envelope.id, [WEEK, NEXT], now)


def pulled(
    store: Store, now: datetime = NOW, epochs: Sequence[Epoch] = (WEEK, NEXT)
) -> list[Envelope]:
    return list(store.pull("main", epochs, now))
