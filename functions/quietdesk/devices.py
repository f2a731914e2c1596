"""The staff computers that custodians admitted: their signed list, and whose word it makes count.

A device is its whole public key. The 16 digits by which people name one are the start of that key's
hash, a label: with enough computing a second key can be made that has it. Nothing is believed by
its label. The bytes are specified in docs/envelope.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from quietdesk.signed import Trust, day_of, document_body, key_id, own_key, read_signed
from quietdesk.wire import b64, unb64

NAME = "devices"  # under which the store publishes the list
ROLES = ("counter", "scheduler")
VERSION = 2  # what is written; 1 had labels in the place of keys, and is read


@dataclass(frozen=True, slots=True)
class Device:
    """An admitted device: its public key (SPKI in DER, P-256), what it may do (one of ROLES), and
    the day on which it was admitted, in the programme's time zone."""

    spki: bytes
    role: str
    admitted: date

    @property
    def id(self) -> str:
        """Its label: 16 hex digits."""
        return key_id(self.spki).hex()


@dataclass(frozen=True, slots=True)
class Removed:
    """A device that was admitted until that day."""

    spki: bytes
    day: date


@dataclass(frozen=True, slots=True)
class Devices:
    """What the list says. `labels` are the ids in a list of version 1, which names no keys; it has
    nothing else. `number` and `signed_on` as in signed.Paper."""

    admitted: tuple[Device, ...] = ()
    removed: tuple[Removed, ...] = ()
    labels: tuple[str, ...] = ()
    number: int = 0
    signed_on: date | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The labels of all that are admitted, sorted: to show, never to believe."""
        return tuple(sorted((*self.labels, *(device.id for device in self.admitted))))

    def signers(self, raw: bytes) -> list[bytes]:
        """The public keys one of which must have signed a document of a device. Of a list with
        labels it is the key that the document names itself, if its label is there: no more was
        signed then. Raises BadSignature when such a document names none."""
        if not self.labels:
            return [device.spki for device in self.admitted]
        spki = own_key(raw)
        return [spki] if key_id(spki).hex() in self.labels else []


def body(
    admitted: Iterable[Device],
    removed: Iterable[Removed],
    deployment: str,
    number: int,
    day: date,
) -> bytes:
    """The bytes that custodians sign on a day."""
    return document_body(
        "devices",
        deployment,
        number,
        day,
        v=VERSION,
        devices=[
            {"spki": b64(it.spki), "role": it.role, "admitted": it.admitted.isoformat()}
            for it in admitted
        ],
        removed=[{"spki": b64(it.spki), "day": it.day.isoformat()} for it in removed],
    )


def read(raw: bytes | None, trust: Trust) -> Devices:
    """The list that custodians signed; an empty one when there is none. Raises BadSignature."""
    if raw is None:
        return Devices()
    signers, threshold, deployment = trust.custodians, trust.threshold, trust.deployment
    paper = read_signed(
        raw, "devices", signers, threshold, _devices, deployment, versions=(1, VERSION)
    )
    return replace(paper.says, number=paper.number, signed_on=paper.signed_on)


def _devices(document: Mapping[str, Any]) -> Devices:
    if document["v"] == 1:
        return Devices(labels=tuple(str(label) for label in document["devices"]))
    admitted = tuple(
        Device(unb64(row["spki"]), _role(row["role"]), day_of(row["admitted"]))
        for row in document["devices"]
    )
    removed = tuple(Removed(unb64(row["spki"]), day_of(row["day"])) for row in document["removed"])
    keys = [*(it.spki for it in admitted), *(it.spki for it in removed)]
    if len(set(keys)) != len(keys):
        raise ValueError("one device twice")
    return Devices(admitted, removed)


def _role(text: object) -> str:
    if text not in ROLES:
        raise ValueError("not a role")
    return str(text)
