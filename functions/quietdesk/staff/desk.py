"""Opening envelopes on a staff computer, and answering them. What is opened stays in this process's
memory; what is written goes into the store sealed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from quietdesk import bundles, codes, envelopes, hpke, replies, request, weeks
from quietdesk.bundles import Bundle
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Conflict,
    KeyDestroyed,
    NoSeats,
    OpeningMismatch,
    TooOld,
    TracesRemain,
)
from quietdesk.hpke import Kid, PrivateKey
from quietdesk.openings import Opening
from quietdesk.replies import Reply
from quietdesk.request import NO_REST, Request, Rest
from quietdesk.signed import Trust
from quietdesk.staff.keyring import Keyring
from quietdesk.store import Store
from quietdesk.weeks import Epoch

T = TypeVar("T")
MIN_ID = 8  # digits of an id by which staff name a request
KIOSK = "K"  # the lane of what staff typed in for somebody


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
        return Opening.parse(self.envelope.opening) if self.envelope.opening else None

    @property
    def state(self) -> str:
        """waiting, placed, or none (answered that there is no place)."""
        if self.envelope.opening:
            return "placed"
        return "none" if self.reply and self.reply.state == "none" else "waiting"


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
        opened, reply_key, rest = request.unpack(parts)
        if opened.opening != envelope.opening:
            raise OpeningMismatch("the opening outside is not the one inside")
        try:
            if Epoch.parse(envelope.born) > Epoch.parse(envelope.epoch):
                raise ValueError("sealed before it was born")
            if envelope.opening:
                Opening.parse(envelope.opening)
        except ValueError:
            raise CannotOpen("its header names no week or no opening") from None
        return Opened(envelope, opened, reply_key, _reply(envelope, reply_key), rest)

    def place(self, item: Opened, opening: Opening, now: datetime) -> Opened:
        """Give the request that opening: a seat is taken, the request sealed to the visit's week
        and the reply written, all or nothing. Raises Conflict when it was cancelled or changed
        since it was opened, NoSeats, TooOld when its 60 days end before the visit, and
        CannotOpen or BadBundle when the visit's week has no key."""
        self._refuse_past(opening, now)
        if self._expires(opening.epoch, item) < self._day_after(opening.day):
            raise TooOld("the request would be destroyed before the visit")
        return self._write(item, str(opening), opening.epoch, self._placed(opening), now)

    def wait(self, item: Opened, now: datetime) -> Opened:
        """Keep the request for another week, in its order, and tell the person when to look again.
        It is sealed to this week, or to the next where this one's key day comes before that day. A
        seat it had goes back. Raises TooOld when its 60 days end before that day."""
        again = now.astimezone(self._city.zone).date() + timedelta(days=self._city.answer_by_days)
        current = weeks.epoch_at(now, self._city.zone)
        for epoch in (current, current.plus(1)):
            if self._expires(epoch, item) >= self._day_after(again):
                return self._write(item, "", epoch, replies.waiting(again), now)
        raise TooOld("the request would be destroyed before the day to look again")

    def refuse(self, item: Opened, now: datetime) -> Opened:
        """Answer that there is no place: the person may ask again, or call. A seat it had goes
        back."""
        answer = replies.Reply("none")
        if item.envelope.opening:
            return self._write(item, "", weeks.epoch_at(now, self._city.zone), answer, now)
        sealed = _sealed_reply(item, answer)
        return self._replace(item, replace(item.envelope, reply=sealed), item.request, answer)

    def enter(self, typed: Mapping[str, Sequence[str]], now: datetime, code: str) -> date:
        """Ask for somebody, on the telephone or at the door: the same fields as the form has, under
        a fresh code to read out. Gives the day to look again. After StoreUnavailable the same code
        again is stored once. Raises Invalid, Conflict and NoSeats."""
        asked = request.parse(typed, self._city)
        secrets = codes.derive(code, self._city.deployment)
        city, current = self._city, weeks.epoch_at(now, self._city.zone)
        again = weeks.look_again(current, now, city.zone, city.serve_days, city.answer_by_days)
        parts = request.pack(asked, secrets.reply)
        if asked.opening:
            opening = Opening.parse(asked.opening)
            self._refuse_past(opening, now)
            answer, epoch = self._placed(opening), opening.epoch
        else:
            answer, epoch = replies.waiting(again), current
        sealed = envelopes.seal(
            parts,
            self._bundle(epoch, now),
            secrets,
            asked.opening,
            born=current,
            reply=replies.write(answer),
        )
        end = weeks.expires(epoch, current, self._city.zone, self._city.serve_days)
        ready = envelopes.admitted(sealed, KIOSK, end)
        if asked.opening:
            self._store.take(ready)
        else:
            self._store.put(ready)
        return again

    def erase(self, item: Opened) -> None:
        """Erase a request that is dealt with. Raises Conflict when it changed since it was opened,
        and TracesRemain as the store does."""
        self._store.erase(item.envelope)

    def _refuse_past(self, opening: Opening, now: datetime) -> None:
        if opening.starts(self._city.zone) <= now:
            raise NoSeats("that time is over")

    def _placed(self, opening: Opening) -> Reply:
        center = self._city.center(opening.center)
        if center is None:
            raise Conflict("there is no center of that name any more")
        return replies.placed(opening, center)

    def _write(
        self, item: Opened, opening: str, epoch: Epoch, answer: Reply, now: datetime
    ) -> Opened:
        asked = replace(item.request, opening=opening)
        parts = request.pack(asked, item.reply_key, item.rest)
        bundle = self._bundle(epoch, now)
        sealed = envelopes.reseal(
            item.envelope, parts, bundle, opening, _sealed_reply(item, answer)
        )
        fresh = replace(sealed, expires=self._expires(epoch, item))
        return self._replace(item, fresh, asked, answer)

    def _replace(self, item: Opened, fresh: Envelope, asked: Request, answer: Reply) -> Opened:
        # Traces that remain in the file are the next sweep's work: it is replaced already.
        with suppress(TracesRemain):
            self._store.replace(item.envelope, fresh)
        held = replace(fresh, rev=item.envelope.rev + 1)
        return Opened(held, asked, item.reply_key, answer, item.rest)

    def _expires(self, epoch: Epoch, item: Opened) -> int:
        born = Epoch.parse(item.envelope.born)
        return weeks.expires(epoch, born, self._city.zone, self._city.serve_days)

    def _day_after(self, day: date) -> float:
        return weeks.begins(day + timedelta(days=1), self._city.zone).timestamp()

    def _bundle(self, epoch: Epoch, now: datetime) -> Bundle:
        held = self._store.read(bundles.name(self._city.queue, epoch))
        if held is None:
            raise CannotOpen(f"there is no key for week {epoch} yet")
        return bundles.verify(held[0], self._trust, self._city.queue, now, epoch)

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
                private_key = PrivateKey(hpke.seed(device_half, server_half, text))
            except ValueError:
                raise CannotOpen("its key in the store is damaged") from None
            if (text, private_key.public_key) != self._published(kid):
                raise CannotOpen("the key is not the one that custodians signed")
            self._private_keys[text] = private_key
        return self._private_keys[text]

    def _published(self, kid: Kid) -> tuple[str, bytes]:
        held = self._store.read(bundles.name(kid.queue, kid.epoch))
        if held is None:
            raise KeyDestroyed(str(kid.epoch))
        try:
            return bundles.signed(held[0], self._trust, kid.queue).keys[kid.part]
        except (BadBundle, BadSignature) as error:  # of this week; other weeks still open
            raise CannotOpen(f"the key published for week {kid.epoch}: {error}") from None


def _sealed_reply(item: Opened, answer: Reply) -> bytes:
    return envelopes.seal_reply(replies.write(answer), item.reply_key, item.envelope.id)


def _reply(envelope: Envelope, key: bytes) -> Reply | None:
    # Who made an envelope by hand may put anything there; the request is read all the same.
    try:
        return replies.read(envelopes.open_reply(envelope.reply, key, envelope.id))
    except CannotOpen:
        return None


def waiting(store: Store, city: City, now: datetime) -> Iterator[Envelope]:
    """Every live envelope of the queue, still sealed."""
    return store.pull(city.queue, _live(city, now), now)


def find(store: Store, city: City, id: str, now: datetime) -> Envelope:
    """The envelope that staff name by the first digits of its id. Raises Conflict as `named`."""
    sealed = waiting(store, city, now)
    return named(sealed, lambda it: it.id.hex(), id, "no request has that id")[0]


def named(items: Iterable[T], id_of: Callable[[T], str], id: str, none: str) -> list[T]:
    """Of the items, those that staff name by the first digits of one id, 8 or more: one, or several
    of the very same id. Raises Conflict for too few digits, for several ids, and, saying `none`,
    when there is none."""
    if len(id) < MIN_ID:
        raise Conflict(f"give at least the first {MIN_ID} digits of the request's id")
    found = [item for item in items if id_of(item).startswith(id.lower())]
    if not found:
        raise Conflict(f"{none}; it may be erased, cancelled or over")
    if len({id_of(item) for item in found}) > 1:
        raise Conflict("more than one request has an id that begins so; give more digits")
    return found


def shown(text: str) -> str:
    """A resident's text as staff may see it: no controls, and nothing that reorders what is around
    it. Joiners stay, since Bengali and Urdu need them."""
    return "".join(
        letter if letter.isprintable() or letter in "\u200c\u200d" else "\ufffd" for letter in text
    )


def _live(city: City, now: datetime) -> list[str]:
    return [str(epoch) for epoch in weeks.live(now, city.zone, city.serve_days)]
