"""Answering a request, and asking for somebody: what is written goes into the store sealed, to the
week of the visit or of the waiting, with the reply that the code opens. No private key is needed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime

from quietdesk import bundles, codes, envelopes, replies, request, weeks
from quietdesk.bundles import Bundle
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    ClockNotBelieved,
    ClockWrong,
    Conflict,
    Gone,
    KeyDestroyed,
    NoDay,
    NoKeyNow,
    NoKeyYet,
    NoSeats,
    NotAllowed,
    StoreRefused,
    StoreTooNew,
    StoreUnavailable,
    TimeOver,
    TooLong,
    TooOld,
    TracesRemain,
    Unsure,
)
from quietdesk.openings import Opening
from quietdesk.replies import Reply
from quietdesk.request import Request
from quietdesk.signed import Trust
from quietdesk.staff.device import opener
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.store import Store
from quietdesk.weeks import Epoch

Tried = Callable[[Envelope], Opened | Unopened]

KIOSK = "K"  # the lane of what staff typed in for somebody


@dataclass(frozen=True, slots=True, repr=False)
class Entered:
    """Somebody who was entered: the code to read out and the id that it gives, the day to look
    again or the time that was taken, and the language of the visit. `note` is a code of SAID where
    an earlier try turned out to be kept: corrected, or answered."""

    code: str
    id: bytes
    look_again: date
    opening: Opening | None
    language: str
    note: str = ""


NOBODY = Entered("", b"", date.min, None, "")


class Placing:
    """What is written about the requests of a queue."""

    def __init__(self, store: Store, city: City, trust: Trust):
        self._store = store
        self._city = city
        self._trust = trust

    def place(
        self, item: Opened, opening: Opening, now: datetime, was: date | None = None
    ) -> Opened:
        """Give the request that opening: a seat is taken, the request sealed to the visit's week
        and the reply written, all or nothing. Raises Conflict when it was cancelled or changed
        since it was opened, NoSeats, NoDay, TooOld when its 60 days end before the visit,
        ClockNotBelieved when the visit's week is before that of its first sealing, and NoKeyYet or
        BadBundle when the visit's week has no key.

        `was`, here and below: the closed day on which they had a time, when they have to be told.
        Whoever has to be told of an earlier one stays so until `told`."""
        self._refuse_past(opening, now)
        if self._last_day(opening.epoch, item) < opening.day:
            raise TooOld("the request would be destroyed before the visit")
        return self._write(item, opening, opening.epoch, self._placed(opening), now, was)

    def wait(self, item: Opened, now: datetime, was: date | None = None) -> Opened:
        """Keep the request for another week, in its order, and tell the person when to look again.
        It is sealed to this week, or to the next where this one's key day comes before that day. A
        seat it had goes back. Raises TooOld when its 60 days end before that day, and
        ClockNotBelieved when its first week has not begun."""
        again = weeks.answer_day(now, self._city.zone, self._city.answer_by_days)
        current = weeks.epoch_at(now, self._city.zone)
        for epoch in (current, current.plus(1)):
            if self._look_again(epoch, item.envelope.born, now) == again:
                return self._write(item, None, epoch, replies.waiting(again), now, was)
        raise TooOld("the request would be destroyed before the day to look again")

    def refuse(self, item: Opened, now: datetime, was: date | None = None) -> Opened:
        """Answer that there is no place: the person may ask again, or call. A seat it had goes
        back. Raises ClockNotBelieved when it had one and its first week has not begun."""
        answer = replies.Reply("none")
        if item.envelope.opening:
            return self._write(item, None, weeks.epoch_at(now, self._city.zone), answer, now, was)
        return self._say(item, self._still(item, answer, now, was))

    def told(self, item: Opened) -> Opened:
        """Somebody has told the person that the day is closed on which they had a time: the reply
        says so no more. Nothing is written for who need not be told. Raises Conflict."""
        if item.untold is None or item.reply is None:
            return item
        return self._say(item, replace(item.reply, was=None))

    def enter(
        self,
        typed: Mapping[str, Sequence[str]],
        now: datetime,
        code: str,
        tried: Collection[str] = (),
    ) -> Entered:
        """Ask for somebody, on the telephone or at the door: the same fields as the form has, under
        a fresh code to read out. Raises Invalid, Conflict, NoSeats and NoKeyYet, and Unsure when
        nobody knows whether it is kept. Then the same code is to be used again, with the openings
        that were `tried` under it, "" for none: if an earlier try was kept, what is typed now takes
        its place, unless somebody has answered it since."""
        asked = request.parse(typed, self._city)
        secrets = codes.derive(code, self._city.deployment)
        current = weeks.epoch_at(now, self._city.zone)
        again = self._look_again(current, current, now)
        parts = request.pack(asked, secrets.reply)
        opening = asked.opening
        if opening:
            self._refuse_past(opening, now)
            answer, epoch = self._placed(opening), opening.epoch
        else:
            answer, epoch = replies.waiting(again), current
        sealed = envelopes.seal(
            parts,
            self._bundle(epoch, now),
            secrets,
            opening,
            born=current,
            reply=replies.write(answer),
        )
        end = weeks.expires(epoch, current, self._city.zone, self._city.serve_days)
        ready = envelopes.admitted(sealed, KIOSK, end)
        entered = Entered(code, secrets.id, again, opening, asked.language)
        there = opener.find(self._store, self._city, secrets.id, now) if tried else None
        # A digest stays that of the first try, whatever takes its place.
        same = there is not None and there.rev == 1 and there.digest == ready.digest
        if there and (str(there.opening or "") not in tried or _refused(there, secrets.reply)):
            return replace(entered, opening=there.opening, note="answered")
        try:
            if there is None:
                self._kept(ready)
            elif not same:
                self._replaced(there, ready)
        except NoSeats:
            raise
        except Conflict:
            if there is None and tried and opener.find(self._store, self._city, secrets.id, now):
                return self.enter(typed, now, code, tried)  # the try before has come in just now
            raise
        except StoreUnavailable as error:
            if isinstance(error, StoreRefused | NotAllowed | ClockWrong | StoreTooNew):
                raise  # nothing was written
            raise Unsure(str(opening or "")) from None
        return replace(entered, note="corrected") if there and not same else entered

    def _kept(self, ready: Envelope) -> None:
        (self._store.take if ready.opening else self._store.put)(ready)

    def erase(self, envelope: Envelope) -> None:
        """Erase a request that is dealt with. Raises Conflict when it changed since it was read,
        and TracesRemain as the store does."""
        self._store.erase(envelope)

    def put_back(self, envelope: Envelope, tried: Tried, now: datetime) -> Opened | Unopened:
        """Keep an envelope that was erased again, as it was and with the seat it had; gives how it
        stands. Once more changes nothing. Whose seat somebody else has by now waits again, or is
        told that there is no place where it can wait no longer. Raises Conflict when another has
        its id by now, Gone when it was erased again, and KeyDestroyed when its week is over."""
        self._refuse_over(envelope, now)
        try:
            self._kept(envelope)
        except NoSeats:
            # Another state has another rev: who still holds the one that was erased cannot give
            # its seat back a second time.
            self._store.put(replace(envelope, opening=None, rev=envelope.rev + 1))
        held = opener.find(self._store, self._city, envelope.id, now)
        if held is None:
            raise Gone("it is not there")
        stands, before = tried(held), tried(envelope)
        if held.opening is None and isinstance(before, Opened) and isinstance(stands, Unopened):
            return self._wait_again(replace(before, envelope=held), now)
        return stands

    def _wait_again(self, item: Opened, now: datetime) -> Opened:
        """Seal it anew: inside is still the time that it had."""
        try:
            try:
                return self.wait(item, now)
            except TooOld:
                return self.refuse(item, now)
        except (NoKeyYet, TooLong, BadBundle, BadSignature, ClockNotBelieved):  # all is as it was
            with suppress(TracesRemain):
                self.erase(item.envelope)
            raise

    def _refuse_over(self, envelope: Envelope, now: datetime) -> None:
        live = weeks.live(now, self._city.zone, self._city.serve_days)
        if envelope.epoch not in live or envelope.expires <= now.timestamp():
            raise KeyDestroyed(str(envelope.epoch))
        self._store.server_half(envelope.visit.kid)  # which says so if it was destroyed already

    def _refuse_past(self, opening: Opening, now: datetime) -> None:
        if opening.starts(self._city.zone) <= now:
            raise TimeOver("that time is over")

    def _placed(self, opening: Opening) -> Reply:
        center = self._city.center(opening.center)
        if center is None:
            raise NoDay("there is no center of that name any more")
        return replies.placed(opening, center)

    def _write(
        self,
        item: Opened,
        opening: Opening | None,
        epoch: Epoch,
        answer: Reply,
        now: datetime,
        was: date | None,
    ) -> Opened:
        born = item.envelope.born
        if epoch < born:  # no right clock comes to that, and nobody would open it again
            raise ClockNotBelieved(
                f"it was first sealed in week {born}, which has not begun by this clock"
            )
        answer = self._still(item, answer, now, was)
        asked = replace(item.request, opening=opening)
        parts = request.pack(asked, item.reply_key, item.rest)
        bundle = self._bundle(epoch, now)
        sealed = envelopes.reseal(
            item.envelope, parts, bundle, opening, _sealed_reply(item, answer)
        )
        fresh = replace(sealed, expires=self._expires(epoch, item))
        return self._replace(item, fresh, asked, answer)

    def _still(self, item: Opened, answer: Reply, now: datetime, was: date | None) -> Reply:
        """The answer, with the day of which the person has still to be told: the next that comes,
        since they must know before it. One that is over stays, for they may not have come."""
        today = now.astimezone(self._city.zone).date()
        ahead = [day for day in (item.untold, was) if day and day >= today]
        return replace(answer, was=min(ahead, default=item.untold or was))

    def _say(self, item: Opened, answer: Reply) -> Opened:
        fresh = replace(item.envelope, reply=_sealed_reply(item, answer))
        return self._replace(item, fresh, item.request, answer)

    def _replace(self, item: Opened, fresh: Envelope, asked: Request, answer: Reply) -> Opened:
        self._replaced(item.envelope, fresh)
        held = replace(fresh, rev=item.envelope.rev + 1)
        return Opened(held, asked, item.reply_key, answer, item.rest)

    def _replaced(self, old: Envelope, fresh: Envelope) -> None:
        # Traces that remain in the file are the next sweep's work: it is replaced already.
        with suppress(TracesRemain):
            self._store.replace(old, fresh)

    def _expires(self, epoch: Epoch, item: Opened) -> int:
        return weeks.expires(epoch, item.envelope.born, self._city.zone, self._city.serve_days)

    def _last_day(self, epoch: Epoch, item: Opened) -> date:
        return weeks.last_day(epoch, item.envelope.born, self._city.zone, self._city.serve_days)

    def _look_again(self, epoch: Epoch, born: Epoch, now: datetime) -> date:
        city = self._city
        return weeks.look_again(epoch, born, now, city.zone, city.serve_days, city.answer_by_days)

    def _bundle(self, epoch: Epoch, now: datetime) -> Bundle:
        held = self._store.read(bundles.name(self._city.queue, epoch))
        if held is None:
            now_or_later = NoKeyNow if epoch == weeks.epoch_at(now, self._city.zone) else NoKeyYet
            raise now_or_later(f"there is no key for week {epoch} yet")
        bundle = bundles.verify(held[0], self._trust, self._city.queue, now, epoch)
        for kid, _ in bundle.keys.values():
            self._store.server_half(kid)  # a clock that is behind would seal to what is destroyed
        return bundle


def _refused(envelope: Envelope, key: bytes) -> bool:
    """Whether somebody answered that there is no place; a reply of nobody's is an answer too."""
    try:
        return replies.read(envelopes.open_reply(envelope.reply, key, envelope.id)).state == "none"
    except CannotOpen:
        return True


def _sealed_reply(item: Opened, answer: Reply) -> bytes:
    return envelopes.seal_reply(replies.write(answer), item.reply_key, item.envelope.id)
