"""Envelopes of random bytes, for tests of stores: a store never looks inside."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from quietdesk.envelopes import Envelope, SealedPart
from quietdesk.store import Store

NOW = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 86_400
WEEK, NEXT = "2026-W47", "2026-W48"


def make(epoch: str = WEEK, **more: object) -> Envelope:
    """One envelope, put in the week `epoch`; `more` changes its fields."""
    values = {
        "queue": "main",
        "id": os.urandom(16),
        "auth_hash": os.urandom(32),
        "born": WEEK,
        "opening": "",
        "visit": SealedPart(f"main.visit.{epoch}.00000001", os.urandom(2160)),
        "contact": SealedPart(f"main.contact.{epoch}.00000002", os.urandom(2160)),
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
    store: Store, now: datetime = NOW, epochs: Sequence[str] = (WEEK, NEXT)
) -> list[Envelope]:
    return list(store.pull("main", epochs, now))
