"""The bundle: a week's public keys as custodians signed them, and whether they are to be sealed to.

The bytes are specified in docs/envelope.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from quietdesk.errors import BadBundle, WrongDocument
from quietdesk.hpke import PARTS, PUBLIC_KEY_BYTES, Kid
from quietdesk.signed import Trust, document_body, read_signed
from quietdesk.weeks import GRACE, Epoch
from quietdesk.wire import b64, unb64


@dataclass(frozen=True, slots=True)
class Bundle:
    """The public keys of one queue and one week, as custodians signed them. `keys` maps a part to
    its (kid, 1,216-byte public key); times are Unix seconds; `number` and `signed_on` as in
    signed.Paper."""

    queue: str
    deployment: str
    epoch: Epoch
    not_before: int
    not_after: int
    keys: dict[str, tuple[Kid, bytes]]
    number: int = 0
    signed_on: date | None = None


def name(queue: str, epoch: Epoch) -> str:
    """The name under which the store publishes a week's bundle."""
    return f"bundle#{queue}#{epoch}"


def body(
    queue: str,
    deployment: str,
    epoch: Epoch,
    zone: ZoneInfo,
    keys: Iterable[tuple[Kid, bytes]],
    number: int,
    day: date,
) -> bytes:
    """The bytes that custodians sign on a day for one queue and week; `keys` are (kid, public key).
    The number is 1 when the week is minted."""
    return document_body(
        "bundle",
        deployment,
        number,
        day,
        queue=queue,
        epoch=str(epoch),
        not_before=int(epoch.start(zone).timestamp()),
        not_after=int((epoch.end(zone) + GRACE).timestamp()),
        keys=[{"kid": str(kid), "part": kid.part, "pk": b64(pk)} for kid, pk in keys],
    )


@lru_cache(maxsize=8)  # the same bytes are verified once; other bytes, keys or queues anew
def signed(raw: bytes, trust: Trust, queue: str) -> Bundle:
    """The bundle in a signed document, whatever the time. Raises BadSignature, or BadBundle with
    the reason malformed, type, queue or deployment."""
    signers, threshold, deployment = trust.custodians, trust.threshold, trust.deployment
    try:
        paper = read_signed(
            raw, "bundle", signers, threshold, _bundle, deployment, {"queue": queue}
        )
    except WrongDocument as wrong:
        raise BadBundle(wrong.reason) from None
    return replace(paper.says, number=paper.number, signed_on=paper.signed_on)


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


def _bundle(document: Mapping[str, Any]) -> Bundle:
    if len(document["keys"]) != len(PARTS):
        raise ValueError("too few keys, or too many")
    bundle = Bundle(
        queue=document["queue"],
        deployment=document["deployment"],
        epoch=Epoch.parse(document["epoch"]),
        not_before=document["not_before"],
        not_after=document["not_after"],
        keys={
            row["part"]: (Kid.parse(row["kid"]), unb64(row["pk"], PUBLIC_KEY_BYTES))
            for row in document["keys"]
        },
    )
    if type(bundle.not_before) is not int or type(bundle.not_after) is not int:
        raise ValueError("times are whole seconds")
    for part in PARTS:
        kid, _ = bundle.keys[part]
        if (kid.queue, kid.part, kid.epoch) != (bundle.queue, part, bundle.epoch):
            raise ValueError("a key of another queue, part or week")
    return bundle
