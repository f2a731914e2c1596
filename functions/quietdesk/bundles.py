"""The bundle: a week's public keys as custodians signed them, and whether they are to be sealed to.

The bytes are specified in docs/envelope.md.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from quietdesk.errors import BadBundle
from quietdesk.hpke import PARTS, PUBLIC_KEY_BYTES, Kid
from quietdesk.signed import Trust, verify_signatures
from quietdesk.weeks import GRACE, Epoch
from quietdesk.wire import b64, unb64


@dataclass(frozen=True, slots=True)
class Bundle:
    """The public keys of one queue and one week, as custodians signed them. `keys` maps a part to
    its (kid, 1,216-byte public key); times are Unix seconds."""

    queue: str
    deployment: str
    epoch: Epoch
    not_before: int
    not_after: int
    keys: dict[str, tuple[str, bytes]]


def name(queue: str, epoch: Epoch) -> str:
    """The name under which the store publishes a week's bundle."""
    return f"bundle#{queue}#{epoch}"


def body(
    queue: str, deployment: str, epoch: Epoch, zone: ZoneInfo, keys: Iterable[tuple[str, bytes]]
) -> bytes:
    """The bytes that custodians sign for one queue and week; `keys` are (kid, public key)."""
    rows = [{"kid": kid, "part": Kid.parse(kid).part, "pk": b64(pk)} for kid, pk in keys]
    return json.dumps(
        {
            "v": 1,
            "queue": queue,
            "deployment": deployment,
            "epoch": str(epoch),
            "not_before": int(epoch.start(zone).timestamp()),
            "not_after": int((epoch.end(zone) + GRACE).timestamp()),
            "keys": rows,
        },
        separators=(",", ":"),
    ).encode()


@lru_cache(maxsize=8)  # the same bytes are verified once; other bytes, keys or queues anew
def signed(raw: bytes, trust: Trust, queue: str) -> Bundle:
    """The bundle in a signed document, whatever the time. Raises BadSignature, or BadBundle with
    the reason malformed, queue or deployment."""
    doc = verify_signatures(raw, "bundle", trust.custodians, trust.threshold)
    try:
        if type(doc["v"]) is not int or doc["v"] != 1 or len(doc["keys"]) != len(PARTS):
            raise ValueError("another version, or too many keys")
        bundle = Bundle(
            queue=doc["queue"],
            deployment=doc["deployment"],
            epoch=Epoch.parse(doc["epoch"]),
            not_before=doc["not_before"],
            not_after=doc["not_after"],
            keys={
                row["part"]: (row["kid"], unb64(row["pk"], PUBLIC_KEY_BYTES)) for row in doc["keys"]
            },
        )
        if type(bundle.not_before) is not int or type(bundle.not_after) is not int:
            raise ValueError("times are whole seconds")
        for part in PARTS:
            kid = Kid.parse(bundle.keys[part][0])
            if (kid.queue, kid.part, kid.epoch) != (bundle.queue, part, bundle.epoch):
                raise ValueError("a key of another queue, part or week")
    except (ValueError, TypeError, KeyError):
        raise BadBundle("malformed") from None
    if bundle.queue != queue:
        raise BadBundle("queue")
    if bundle.deployment != trust.deployment:
        raise BadBundle("deployment")
    return bundle


def verify(
    raw: bytes, trust: Trust, queue: str, now: datetime, epoch: Epoch | None = None
) -> Bundle:
    """The bundle in a signed document, if it is one to seal to now.

    Without `epoch` the bundle must be valid at `now`. With it, the bundle must be that week's and
    not be over; it may lie ahead. Raises BadSignature, or BadBundle with the reason.
    """
    bundle = signed(raw, trust, queue)
    if now.timestamp() > bundle.not_after:
        raise BadBundle("stale")
    if epoch is None:
        if now.timestamp() < bundle.not_before:
            raise BadBundle("early")
    elif bundle.epoch != epoch:
        raise BadBundle("epoch")
    return bundle
