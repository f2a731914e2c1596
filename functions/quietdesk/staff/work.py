"""What staff do, each thing in one way: pull, answer, erase, close a day, enter, publish, reopen.

The console and the commands call this and put its Outcome into words: what was done with each
request, what was not and why, whom to call, and what is left. What concerns the whole work is
raised. What fails for one request stops no other, unless the store is gone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Changed,
    Conflict,
    Gone,
    KeyDestroyed,
    NoDay,
    NoKeyYet,
    NoSeats,
    QuietdeskError,
    StoreUnavailable,
    TooLong,
    TooOld,
    TracesRemain,
    Unsure,
)
from quietdesk.openings import Opening
from quietdesk.signed import Trust
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.desk.publisher import Publisher, check_day
from quietdesk.staff.desk.queue import Proposal, Pulled
from quietdesk.staff.device import opener, upload
from quietdesk.staff.device.keyring import Keyring
from quietdesk.staff.device.opener import NO_PROOFS, Opened, Opener, Proofs, Unopened
from quietdesk.staff.outcome import (
    Answered,
    Choice,
    Closing,
    Decision,
    Outcome,
    Seen,
    Started,
    unseen,
)
from quietdesk.store import Store

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

Typed = Mapping[str, Sequence[str]]


class Work:
    """The work on one queue. Without a keyring it can only erase, and read what is published."""

    def __init__(
        self,
        store: Store,
        city: City,
        trust: Trust,
        clock: Callable[[], datetime],
        keyring: Keyring | None = None,
    ):
        self._store = store
        self._city = city
        self._trust = trust
        self._clock = clock
        self._placing = Placing(store, city, trust)
        self._use(keyring)

    def _use(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._opener = (
            Opener(self._store, self._city, self._trust, keyring) if keyring is not None else None
        )
        self.publisher = Publisher(self._store, self._city, self._trust, keyring)

    # --- Looking -----------------------------------------------------------------------------

    def pull(self, path: Path, known: Mapping[str, Opened], seen: Seen = unseen) -> Outcome:
        """Open everything that waits. What is `known` and did not change stays open. Then the
        keyring, which lies at `path`, gets keys for coming weeks."""
        now = self._clock()
        sealed = list(opener.waiting(self._store, self._city, now))
        seen(Started(len(sealed)))
        opened: dict[str, Opened] = {}
        shut: list[Unopened] = []
        for envelope in sealed:
            item: Opened | Unopened | None = known.get(envelope.id.hex())
            if not isinstance(item, Opened) or item.envelope != envelope:
                item = self._tried(envelope)
            if item.id in opened and isinstance(item, Opened):
                # It does open: whatever it holds is not junk.
                item = Unopened(envelope, CannotOpen("it was sent in two weeks", "twice"))
            if isinstance(item, Opened):
                opened[item.id] = item
            else:
                shut.append(item)
            seen(item)
        return Outcome(Pulled.of(now, opened.values(), shut), *self._readied(path, now))

    def look(self, id: bytes) -> Opened | Unopened | None:
        """How a request stands in the store now; None when it is gone."""
        envelope = opener.find(self._store, self._city, id, self._clock())
        return self._tried(envelope) if envelope else None

    def free(self, closing: Closing | None = None) -> dict[Opening, int]:
        """The openings with a seat left, as if that center were closed on that day already."""
        return self.publisher.free(self._clock(), closing)

    def propose(
        self, queue: Pulled, items: Sequence[Opened], closing: Closing | None = None
    ) -> list[Proposal]:
        """A place for each of the items, beside the visits that stand. Raises NoDay when that day
        cannot be closed."""
        now = self._clock()
        if closing:
            check_day(self._city, *closing, now)
        chosen = {item.id for item in items}
        stand = [it for it in queue.items.values() if it.opening and it.id not in chosen]
        return queues.propose(items, self.free(closing), self._city, now, stand)

    # --- Answering ---------------------------------------------------------------------------

    def answer(
        self, queue: Pulled, todo: Sequence[tuple[str, Choice]], seen: Seen = unseen
    ) -> Outcome:
        """Give each request, by its id, its answer."""
        seen(Started(len(todo)))
        return self._in_turn(todo, lambda it: self._answer(queue, *it), seen)

    def erase(self, sealed: Sequence[Envelope], seen: Seen = unseen) -> Outcome:
        """Erase requests that are dealt with, without opening them."""
        seen(Started(len(sealed)))
        return self._in_turn(sealed, self._erase, seen)

    def erase_junk(self, queue: Pulled, ids: Sequence[str], seen: Seen = unseen) -> Outcome:
        """Erase requests that no computer opens, and give their seats back. What only this computer
        does not open is left as it is (CannotOpen, may_open), whoever names it."""
        seen(Started(len(ids)))
        junk = {it.id: it.envelope for it in queue.junk}
        shut = {it.id for it in queue.shut}

        def one(id: str) -> Answered:
            if id in junk:
                return self._erase(junk[id])
            why = CannotOpen("another computer may open it", "may_open")
            return Answered(id, error=why if id in shut else Gone("it is not there"))

        return self._in_turn(ids, one, seen)

    def put_back(self, erased: Sequence[Envelope], seen: Seen = unseen) -> Outcome:
        """Put back what was erased, each as it was. Whose seat somebody else has by now waits
        again, or is told that there is no place where it can wait no longer."""
        seen(Started(len(erased)))
        return self._in_turn(erased, self._put_back, seen)

    def close_day(
        self,
        queue: Pulled,
        closing: Closing,
        todo: Sequence[tuple[str, Choice]],
        seen: Seen = unseen,
    ) -> Outcome:
        """Close a center for a day, answer those who had a place there, and see who still has one:
        nobody can take a time there any more, and who did so since the queue was pulled is found
        now. Who can wait no longer is told that there is no place. Raises NoDay and Conflict."""
        changes = self.publisher.close(*closing, self._clock())
        seen(Started(len(todo), changes))
        outcome = self._in_turn(todo, lambda it: self._move(queue, *it), seen)
        left, stopped = None, outcome.stopped
        if not stopped:
            try:
                left = self._still_there(closing)
            except StoreUnavailable as error:  # whom to call is known all the same
                stopped = _bare(error)
        return replace(outcome, closing=closing, changes=changes, left=left, stopped=stopped)

    def enter(self, typed: Typed, code: str, tried: Sequence[str] = ()) -> Outcome:
        """Ask for somebody, as Placing does, which says what is raised; it is tried twice."""
        try:
            return Outcome(entered=self._placing.enter(typed, self._clock(), code, tried))
        except StoreUnavailable as error:
            may_be_kept = [*tried, *([error.opening] if isinstance(error, Unsure) else [])]
        try:
            return Outcome(entered=self._placing.enter(typed, self._clock(), code, may_be_kept))
        except QuietdeskError as error:  # which says nothing of a try that may be kept
            if isinstance(error, Unsure) or not may_be_kept:
                raise
            raise Unsure(may_be_kept[-1], error) from None

    # --- Openings ----------------------------------------------------------------------------

    def publish(self, taking: bool | None = None) -> Outcome:
        """Publish the openings of the coming weeks that have keys. Raises Conflict."""
        return Outcome(changes=self.publisher.publish(self._clock(), taking))

    def reopen(self, center: str, day: date) -> Outcome:
        """Take back that a center was closed for a day. Raises NoDay and Conflict."""
        return Outcome(changes=self.publisher.reopen(center, day, self._clock()))

    # --- One request -------------------------------------------------------------------------

    def _in_turn(self, todo: Sequence[T], one: Callable[[T], Answered], seen: Seen) -> Outcome:
        answered: list[Answered] = []
        for it in todo:
            answered.append(one(it))
            seen(answered[-1])
            outcome = Outcome(answered=tuple(answered))
            if outcome.doubtful and isinstance(outcome.doubtful.error, StoreUnavailable):
                # Each further one would wait as long for the same.
                left = len(todo) - len(answered)
                return replace(outcome, stopped=outcome.doubtful.error, untried=left)
        return Outcome(answered=tuple(answered))

    def _answer(self, queue: Pulled, id: str, wanted: Choice) -> Answered:
        item = queue.items.get(id)
        if item is None:
            return Answered(id, error=Gone("it is not in the queue any more"))
        did = wanted.value if isinstance(wanted, Decision) else "placed"
        meant = did if wanted is Decision.ERASE else ""
        before = Answered(id, item.request.name, now=item, had=item.opening, meant=meant)
        try:
            return replace(before, did=did, now=self._write(item, wanted))
        except TracesRemain as error:
            return replace(before, did=did, now=None, error=_bare(error))
        except (
            NoSeats, NoDay, TooOld, TooLong, CannotOpen, BadBundle, BadSignature, StoreUnavailable,
        ) as error:  # fmt: skip
            return replace(before, error=_bare(error))
        except Conflict as error:
            try:
                now = self.look(item.envelope.id)
            except StoreUnavailable:  # that it was not done is known all the same
                return replace(before, error=_bare(error))
            return replace(before, now=now, error=_conflict(now is not None))

    def _write(self, item: Opened, wanted: Choice) -> Opened | None:
        now = self._clock()
        match wanted:
            case Decision.WAIT:
                return self._placing.wait(item, now)
            case Decision.NONE:
                return self._placing.refuse(item, now)
            case Decision.ERASE:
                self._placing.erase(item.envelope)
                return None
            case _:
                return self._placing.place(item, wanted, now)

    def _move(self, queue: Pulled, id: str, wanted: Choice) -> Answered:
        """The answer to who had a place on a closed day."""
        became = self._answer(queue, id, wanted)
        if wanted is Decision.WAIT and isinstance(became.error, TooOld):
            became = self._answer(queue, id, Decision.NONE)
        if not became.did or not became.had or not isinstance(became.now, Opened):
            return became
        if became.now.request.reach:
            return replace(became, tell="call")
        knows = queues.earliest(queue.items[id], self._city, self._clock())
        return replace(became, tell="door" if became.had.day < knows else "")

    def _erase(self, envelope: Envelope) -> Answered:
        meant = Decision.ERASE.value
        became = Answered(envelope.id.hex(), had=envelope.opening, meant=meant)
        try:
            self._placing.erase(envelope)
        except TracesRemain as error:
            return replace(became, did=Decision.ERASE.value, error=_bare(error))
        except StoreUnavailable as error:
            return replace(became, error=_bare(error))
        except Conflict as error:
            try:
                now = opener.find(self._store, self._city, envelope.id, self._clock())
            except StoreUnavailable:
                return replace(became, error=_bare(error))
            return replace(became, error=_conflict(now is not None))
        return replace(became, did=Decision.ERASE.value)

    def _put_back(self, envelope: Envelope) -> Answered:
        became = Answered(envelope.id.hex(), had=envelope.opening)
        try:
            now = self._placing.put_back(envelope, self._tried, self._clock())
        except (Gone, KeyDestroyed, NoKeyYet, TooLong, BadBundle, BadSignature) as error:
            return replace(became, error=_bare(error))
        except StoreUnavailable as error:
            return replace(became, error=_bare(error))
        except Conflict:
            return replace(became, error=Changed("another has its id by now"))
        return replace(became, did="back" if now.opening == became.had else "seatless", now=now)

    def _still_there(self, closing: Closing) -> tuple[Opened | Unopened, ...]:
        sealed = opener.waiting(self._store, self._city, self._clock())
        return tuple(
            self._tried(it)
            for it in sealed
            if it.opening and (it.opening.center, it.opening.day) == closing
        )

    def _tried(self, envelope: Envelope) -> Opened | Unopened:
        if self._opener is None:
            raise ValueError("only an unlocked device opens")
        return self._opener.tried(envelope)

    def _readied(self, path: Path, now: datetime) -> tuple[Exception | None, Proofs]:
        """What keeps this device from having keys for the coming weeks, or from saying in its
        upload what it opens with, if anything does; and what that is."""
        if self._keyring is None or self._opener is None:
            raise ValueError("only an unlocked device has keys")
        unready: Exception | None = None
        try:
            full = upload.top_up(self._store, path, self._keyring, self._city, now)
            if full.wrap_seeds != self._keyring.wrap_seeds:
                self._use(full)
        except (QuietdeskError, OSError) as error:
            unready = _bare(error)
        found = NO_PROOFS
        try:
            found = self._opener.prove(now)
            kids = found.proved, found.failed
            upload.say_found(self._store, self._keyring, self._city, now, *kids)
        except QuietdeskError as error:
            unready = unready or _bare(error)
        return unready, found


def _conflict(there: bool) -> Conflict:
    return Changed("somebody else changed it") if there else Gone("it was cancelled or erased")


def _bare(error: E) -> E:
    """The error without its trace, which holds what was read on the way."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
