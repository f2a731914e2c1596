"""Opening envelopes on a staff computer: half of each key from the store, half from the keyring.

What is opened stays in this process's memory. Here alone, and in the keyring, are private keys.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from quietdesk import bundles, devices, envelopes, hpke, replies, request, weeks
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    DamagedDocument,
    KeyDestroyed,
    OpeningMismatch,
)
from quietdesk.hpke import NO_KEY, Kid, PrivateKey
from quietdesk.openings import Opening
from quietdesk.replies import Reply
from quietdesk.request import NO_REST, Request, Rest
from quietdesk.signed import Trust
from quietdesk.staff.device import upload
from quietdesk.staff.device.keyring import Keyring
from quietdesk.store import Store
from quietdesk.weeks import NO_WEEK, Epoch


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """One envelope, the request in it and what its reply says now; None for a reply that does not
    open or says nothing we know. `rest` is what a newer release sealed beside. It has no repr."""

    envelope: Envelope
    request: Request
    reply_key: bytes
    reply: Reply | None = None
    rest: Rest = NO_REST

    def __repr__(self) -> str:
        return "<Opened>"

    @property
    def id(self) -> str:
        """How staff name the request: 32 hex digits."""
        return self.envelope.id.hex()

    @property
    def opening(self) -> Opening | None:
        """Where and when the visit is, if it has a place."""
        return self.envelope.opening

    @property
    def state(self) -> str:
        """waiting, placed, or none (answered that there is no place)."""
        if self.envelope.opening:
            return "placed"
        return "none" if self.reply and self.reply.state == "none" else "waiting"


@dataclass(frozen=True, slots=True)
class Unopened:
    """An envelope that does not open, and why. It is `junk` when no computer opens it: this one has
    proved both keys that it is sealed to, or its row is damaged. Any other may be a good request
    that opens where those keys are."""

    envelope: Envelope
    reason: CannotOpen
    junk: bool = False

    @property
    def id(self) -> str:
        """How staff name the request: 32 hex digits."""
        return self.envelope.id.hex()

    @property
    def opening(self) -> Opening | None:
        """The seat that it holds, if it holds one."""
        return self.envelope.opening

    @property
    def week(self) -> Epoch:
        """The week in which it lies; NO_WEEK when its row does not say."""
        return self.envelope.visit.kid.epoch


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a device found when it tried its half of every published key. `proved` are the keys it
    opens with: both halves together made the very key that custodians signed. `failed` are those
    of which it has a wrap that does not open or makes another key; `bad` has their weeks, and why.
    `lacking` are the weeks of which it has no wrap: they were made before it was admitted. `unmade`
    is the first week, from this one on, that has no keys yet; `admitted` whether the device is in
    the custodians' list, None when nobody can say."""

    device: str = ""
    proved: frozenset[Kid] = frozenset()
    failed: frozenset[Kid] = frozenset()
    lacking: tuple[Epoch, ...] = ()
    bad: Mapping[Epoch, CannotOpen] = field(default_factory=dict)
    unmade: Epoch | None = None
    admitted: bool | None = None

    @property
    def lost(self) -> tuple[Epoch, ...]:
        """The weeks of `bad` whose wraps are for a key that it does not have any more, as when an
        older copy of its keyring was put back: no upload can mend them."""
        return tuple(it for it, why in self.bad.items() if why.code in ("foreign", "no_key"))

    @property
    def opens_from(self) -> Epoch | None:
        """The first week whose requests it opens; None when there is none yet."""
        parts = Counter(kid.epoch for kid in self.proved)
        return min((it for it, count in parts.items() if count == len(hpke.PARTS)), default=None)


NO_PROOFS = Proofs()  # nobody tried, or could


class Opener:
    """A queue and the unlocked keyring that opens it. Private keys are made when first needed, held
    in memory, and gone with this object."""

    def __init__(self, store: Store, city: City, trust: Trust, keyring: Keyring):
        self._store = store
        self._city = city
        self._trust = trust
        self._keyring = keyring
        self._private_keys: dict[Kid, PrivateKey] = {}
        self._tried: set[Kid] = set()  # and made the right key

    def tried(self, envelope: Envelope) -> Opened | Unopened:
        """The request in an envelope, or why it does not open: which stops no other."""
        try:
            return self.open(envelope)
        except CannotOpen as error:
            error.__traceback__ = error.__context__ = None  # they hold what was read on the way
            return Unopened(envelope, error, self._opens_nowhere(envelope))

    def _opens_nowhere(self, envelope: Envelope) -> bool:
        """Whether an envelope that did not open here is junk. Why it did not open does not tell:
        "foreign" is also a wrap for another computer's key, around which a good request waits."""
        kids = {envelope.visit.kid, envelope.contact.kid}
        if envelope.visit.kid == NO_KEY:
            return False  # nobody can say where it lies, so it cannot be erased before its week is
        # Only what made the very key that custodians signed is among the private keys.
        return NO_KEY in kids or kids <= self._private_keys.keys()

    def open(self, envelope: Envelope) -> Opened:
        """The request in an envelope. Raises CannotOpen, KeyDestroyed or OpeningMismatch."""
        kids = (envelope.visit.kid, envelope.contact.kid)
        parts = envelopes.unseal(envelope, {kid: self._private_key(kid) for kid in kids})
        opened, reply_key, rest = request.unpack(parts)
        if opened.opening != envelope.opening:
            raise OpeningMismatch("the opening outside is not the one inside")
        if not NO_WEEK < envelope.born <= envelope.epoch:
            raise CannotOpen("its header names no week of ours")
        return Opened(envelope, opened, reply_key, _reply(envelope, reply_key), rest)

    def _private_key(self, kid: Kid) -> PrivateKey:
        if kid == NO_KEY:
            raise CannotOpen("its row in the store is damaged", "damaged")
        if kid not in self._private_keys:
            self._private_keys[kid] = self._made(kid)
        return self._private_keys[kid]

    def _made(self, kid: Kid) -> PrivateKey:
        server_half = self._store.server_half(kid)
        wrap = self._store.wrap(kid, self._keyring.id)
        device_half = self._keyring.unwrap(kid, wrap)
        try:
            private_key = PrivateKey(hpke.seed(device_half, server_half, kid))
        except ValueError:
            raise CannotOpen("its key in the store is damaged") from None
        if (kid, private_key.public_key) != self._published(kid):
            raise CannotOpen("the key is not the one that custodians signed")
        return private_key

    def prove(self, now: datetime) -> Proofs:
        """Try this device's half of every published key of the weeks that are not over. No private
        key is kept for that. Raises StoreUnavailable."""
        proved, failed = set[Kid](), set[Kid]()
        lacking, bad, unmade = [], dict[Epoch, CannotOpen](), None
        current = weeks.epoch_at(now, self._city.zone)
        for epoch in upload.coming(self._city, now):
            try:
                kids = self._kids(epoch)
            except CannotOpen as error:
                bad[epoch] = error
                continue
            if not kids and epoch >= current:
                unmade = unmade or epoch
            for kid in kids:
                try:
                    self._try(kid)
                    proved.add(kid)
                except CannotOpen as error:
                    error.__traceback__ = error.__context__ = None  # they hold a half
                    if error.code == "early":
                        lacking.append(epoch)
                    else:
                        failed.add(kid)
                        bad[epoch] = error
        return Proofs(
            self._keyring.id, frozenset(proved), frozenset(failed), tuple(dict.fromkeys(lacking)),
            bad, unmade, self._admitted(),
        )  # fmt: skip

    def _kids(self, epoch: Epoch) -> list[Kid]:
        """The published keys of a week; none when there are none. Raises CannotOpen."""
        try:
            held = self._store.read(bundles.name(self._city.queue, epoch))
            if held is None:
                return []
            bundle = bundles.signed(held[0], self._trust, self._city.queue)
        except (BadBundle, BadSignature, DamagedDocument) as error:
            raise CannotOpen(f"the key published for week {epoch}: {error}") from None
        return [kid for kid, _ in bundle.keys.values()]

    def _try(self, kid: Kid) -> None:
        if kid not in self._tried and kid not in self._private_keys:
            self._made(kid)
            self._tried.add(kid)

    def _admitted(self) -> bool | None:
        held = self._store.read(devices.NAME)
        try:
            listed = devices.read(held[0] if held else None, self._trust)
        except BadSignature:
            return None
        mine = self._keyring.public_key
        return any(it.spki == mine for it in listed.admitted) or self._keyring.id in listed.labels

    def _published(self, kid: Kid) -> tuple[Kid, bytes]:
        held = self._store.read(bundles.name(kid.queue, kid.epoch))
        if held is None:
            raise KeyDestroyed(str(kid.epoch))
        try:
            return bundles.signed(held[0], self._trust, kid.queue).keys[kid.part]
        except (BadBundle, BadSignature) as error:  # of this week; other weeks still open
            raise CannotOpen(f"the key published for week {kid.epoch}: {error}") from None


def waiting(store: Store, city: City, now: datetime) -> Iterator[Envelope]:
    """Every live envelope of the queue, still sealed."""
    return store.pull(city.queue, _live(city, now), now)


def find(store: Store, city: City, id: bytes, now: datetime) -> Envelope | None:
    """The live envelope of that id, still sealed."""
    return store.find(city.queue, id, _live(city, now), now)


def _live(city: City, now: datetime) -> tuple[Epoch, ...]:
    return weeks.live(now, city.zone, city.serve_days)


def _reply(envelope: Envelope, key: bytes) -> Reply | None:
    # Who made an envelope by hand may put anything there; the request is read all the same.
    try:
        return replies.read(envelopes.open_reply(envelope.reply, key, envelope.id))
    except CannotOpen:
        return None
