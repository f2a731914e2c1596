"""Opening envelopes on a staff computer. What is opened stays in this process's memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from quietdesk import envelope as envelopes
from quietdesk import keys, request
from quietdesk.city import City
from quietdesk.envelope import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Conflict,
    KeyDestroyed,
    OpeningMismatch,
)
from quietdesk.keys import Epoch, Kid, PrivateKey, Trust
from quietdesk.request import Request
from quietdesk.staff.keyring import Keyring
from quietdesk.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """One envelope and the request in it. It has no repr."""

    envelope: Envelope
    request: Request
    reply_key: bytes

    def __repr__(self) -> str:
        return "<Opened>"

    @property
    def id(self) -> str:
        """How staff name the request: 32 hex digits."""
        return self.envelope.id.hex()


@dataclass(frozen=True, slots=True)
class Unopened:
    """An envelope that does not open, and why."""

    id: str
    reason: CannotOpen


class Desk:
    """A queue and the unlocked keyring that opens it. Private keys are made when first needed, held
    in memory, and gone with this object."""

    def __init__(self, store: Store, city: City, trust: Trust, keyring: Keyring):
        self._store = store
        self._city = city
        self._trust = trust
        self._keyring = keyring
        self._private_keys: dict[str, PrivateKey] = {}

    def pull(self, now: datetime) -> Iterator[Opened | Unopened]:
        """Every envelope waiting in the queue. One that does not open never stops the others."""
        for envelope in waiting(self._store, self._city, now):
            try:
                yield self.open(envelope)
            except CannotOpen as error:
                yield Unopened(envelope.id.hex(), error)

    def open(self, envelope: Envelope) -> Opened:
        """The request in an envelope. Raises CannotOpen, KeyDestroyed or OpeningMismatch."""
        kids = (envelope.visit.kid, envelope.contact.kid)
        parts = envelopes.unseal(envelope, {kid: self._private_key(kid) for kid in kids})
        opened, reply_key = request.unpack(parts)
        if opened.opening != envelope.opening:
            raise OpeningMismatch("the opening outside is not the one inside")
        return Opened(envelope, opened, reply_key)

    def _private_key(self, text: str) -> PrivateKey:
        if text not in self._private_keys:
            try:
                kid = Kid.parse(text)
            except ValueError:
                raise CannotOpen("its row in the store is damaged") from None
            server_half = self._store.server_half(text)
            wrap = self._store.wrap(text, self._keyring.id)
            device_half = self._keyring.unwrap(text, str(kid.epoch), wrap)
            try:
                private_key = PrivateKey(keys.seed(device_half, server_half, text))
            except ValueError:
                raise CannotOpen("its key in the store is damaged") from None
            if (text, private_key.public_key) != self._published(kid):
                raise CannotOpen("the key is not the one that custodians signed")
            self._private_keys[text] = private_key
        return self._private_keys[text]

    def _published(self, kid: Kid) -> tuple[str, bytes]:
        held = self._store.read(keys.bundle_name(kid.queue, kid.epoch))
        if held is None:
            raise KeyDestroyed(str(kid.epoch))
        try:
            return keys.signed_bundle(held[0], self._trust, kid.queue).keys[kid.part]
        except (BadBundle, BadSignature) as error:  # of this week; other weeks still open
            raise CannotOpen(f"the key published for week {kid.epoch}: {error}") from None


def waiting(store: Store, city: City, now: datetime) -> Iterator[Envelope]:
    """Every live envelope of the queue, still sealed."""
    return store.pull(city.queue, _live(city, now), now)


def find(store: Store, city: City, id: str, now: datetime) -> Envelope:
    """The envelope that staff name by the first digits of its id, 8 or more. Raises Conflict when
    there is none, or more than one."""
    if len(id) < 8:
        raise Conflict("give at least the first 8 digits of the request's id")
    found = [item for item in waiting(store, city, now) if item.id.hex().startswith(id.lower())]
    if not found:
        raise Conflict("no request has that id; it may be erased, cancelled or over")
    if len(found) > 1:
        raise Conflict("more than one request has an id that begins so; give more digits")
    return found[0]


def over(city: City, now: datetime, epoch: Epoch) -> bool:
    """Whether the week's keys are due to be destroyed by now."""
    return keys.destroyed_at(epoch, city.zone, city.serve_days) <= now


def _live(city: City, now: datetime) -> list[str]:
    return [str(epoch) for epoch in keys.live(now, city.zone, city.serve_days)]
