"""What is readable while the desk is unlocked, in one object; and the work on many requests."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from threading import RLock

from quietdesk import codes, keys
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Conflict,
    NoSeats,
    QuietdeskError,
    StoreUnavailable,
    TooLong,
    TooOld,
    TracesRemain,
)
from quietdesk.openings import Opening
from quietdesk.request import FIELDS
from quietdesk.staff import ceremony, desk, queue
from quietdesk.staff.desk import Desk, Opened
from quietdesk.staff.keyring import Keyring
from quietdesk.staff.publisher import Publisher
from quietdesk.staff.view import Form, reason, said
from quietdesk.store import Store

# What can become of a request without a time. Any other answer is the id of an opening.
WAIT, NONE, ERASE, LEAVE = "wait", "none", "erase", "leave"

Steps = Generator[None, None, None]


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer to many requests that takes something away, and waits for a yes."""

    number: int
    answer: str
    ids: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """What is proposed for each request: an opening's id, WAIT, NONE or LEAVE. `closing` is the
    center and day that will be closed, when that is why."""

    number: int
    choices: dict[str, str]
    closing: tuple[str, date] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Entered:
    """Somebody who was entered: the code to read out and what to look for with it."""

    form: str
    code: str
    look_again: date
    opening: Opening | None
    language: str


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """What was typed for somebody, why it was not taken, and the code that it was tried with."""

    typed: Form
    error: QuietdeskError
    code: str


@dataclass(frozen=True, slots=True, repr=False)
class Moved:
    """A request whose day was closed: the visit it had, and how it stands now."""

    item: Opened
    had: Opening


@dataclass(slots=True, repr=False)
class Outcome:
    """What became of the requests that were answered. `troubles` holds short id, name and a key of
    TROUBLES; who must be called about a closed day is in `calls`, who cannot be, in `doors`."""

    closing: tuple[str, date] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[Moved] = field(default_factory=list)
    doors: list[Moved] = field(default_factory=list)
    left: int = 0
    untried: int = 0
    stopped: tuple[str, str] | None = None


@dataclass(slots=True, repr=False)
class Job:
    """Work on many requests, one after the other."""

    kind: str
    total: int | None = None
    outcome: Outcome | None = None
    done: int = 0
    running: bool = True
    error: Exception | None = None


class Session:
    """The unlocked keyring and everything opened with it. Locking drops this object."""

    def __init__(
        self,
        store: Store,
        city: City,
        keyring: Keyring,
        guard: RLock,
        clock: Callable[[], datetime],
    ):
        self._store = store
        self._city = city
        self._guard = guard
        self._clock = clock
        self._use(keyring)
        now = clock()
        zone, serve_days = city.zone, city.serve_days
        live = keys.live(now, zone, serve_days)
        self.key_day = min(keys.destroyed_at(epoch, zone, serve_days) for epoch in live)
        self.touched = now
        self.over = False
        self.pulled: datetime | None = None
        self.items: dict[str, Opened] = {}
        self.unopened: Counter[tuple[str, str]] = Counter()
        self.topped = True
        self.job: Job | None = None
        self.plan: Plan | None = None
        self.asked: Asked | None = None
        self.entered: Entered | None = None
        self.draft: Draft | None = None
        self._number = 0
        self._changed()

    def _use(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._desk = Desk(self._store, self._city, keyring.trust, keyring)
        self.publisher = Publisher(self._store, self._city, keyring.trust, keyring)

    def _changed(self) -> None:
        self._order: list[Opened] | None = None
        self._next_end = 0

    def next(self) -> int:
        """A number by which a page is told from an older one."""
        self._number += 1
        return self._number

    def ordered(self, now: datetime) -> list[Opened]:
        """Every request that is not over, in the order of the queue."""
        if self._order is None or now.timestamp() >= self._next_end:
            live = [it for it in self.items.values() if it.envelope.expires > now.timestamp()]
            self.items = {item.id: item for item in live}
            self._order = queue.ordered(live)
            self._next_end = min((it.envelope.expires for it in live), default=2**63)
            self.counts = Counter(item.state for item in live)
            self._shared = queue.shared_phones(live)
        return self._order

    def shares_phone(self, item: Opened) -> bool:
        """Whether another request has the same phone number."""
        return item.request.phone in self._shared

    def placed_on(self, center: str, day: date) -> list[Opened]:
        """Who has a place at a center on a day."""
        return queue.placed_on(self.ordered(self._clock()), center, day)

    def free(self, closing: tuple[str, date] | None = None) -> dict[Opening, int]:
        """The openings with a seat left, as if that center were closed on that day already."""
        return self.publisher.free(self._clock(), closing)

    def propose(self, items: Sequence[Opened], closing: tuple[str, date] | None = None) -> Plan:
        """Make a plan for the items. Who has to leave a closed day and fits nowhere else waits."""
        now = self._clock()
        stand = [it for it in self.ordered(now) if it.state == "placed" and it not in items]
        proposals = queue.propose(items, self.free(closing), self._city, now, stand)
        otherwise = WAIT if closing else LEAVE
        choices = {it.item.id: str(it.opening) if it.opening else otherwise for it in proposals}
        self.plan = Plan(self.next(), choices, closing)
        return self.plan

    # --- Work, step by step ---------------------------------------------------------------------

    def work(self, job: Job, steps: Steps) -> None:
        """Do the steps of a job, until they are done or the desk locks."""
        try:
            # Asked before each step: the desk may have locked before the first.
            while not self.over and next(steps, False) is None:
                job.done += 1
        except Exception as error:  # it is shown where the result would be
            job.error = error.with_traceback(None)
        finally:
            job.running = False

    def pull(self, job: Job, keyring_path: Path) -> Steps:
        """Open everything that waits. What is open already and did not change stays open."""
        now = self._clock()
        sealed = list(desk.waiting(self._store, self._city, now))
        job.total = len(sealed)
        items: dict[str, Opened] = {}
        unopened: Counter[tuple[str, str]] = Counter()
        for envelope in sealed:
            try:
                item = self._opened(envelope)
            except CannotOpen as error:
                unopened[reason(error)] += 1
            else:
                if item.id in items:
                    unopened["twice", ""] += 1
                else:
                    items[item.id] = item
            yield
        with self._guard:
            self.items, self.unopened, self.pulled = items, unopened, now
            self.plan = self.asked = None
            self._changed()
        try:
            full = ceremony.top_up(self._store, keyring_path, self._keyring, self._city, now)
        except (QuietdeskError, OSError):  # the requests are open all the same
            self.topped = False
        else:
            self.topped = True
            if full is not self._keyring:
                self._use(full)

    def answer(self, job: Job, todo: Iterable[tuple[str, str]]) -> Steps:
        """Give each request its answer. One that cannot have it never stops the others."""
        outcome = job.outcome or Outcome()
        for id, choice in todo:
            item = self.items.get(id)
            if outcome.stopped:
                outcome.untried += 1
            elif item is None:
                outcome.counts["gone"] += 1
            else:
                try:
                    self._answer(item, choice, outcome)
                except StoreUnavailable as error:
                    # Each further one would wait as long for the same refusal.
                    outcome.stopped = said(error)
                    outcome.untried += 1
            yield

    def close(self, job: Job, center: str, day: date, todo: Sequence[tuple[str, str]]) -> Steps:
        """Close a center for a day, answer those who had a place there, and see who came since."""
        self.publisher.close(center, day, self._clock())
        yield from self.answer(job, todo)
        # Nobody can take a time there any more; who did so since the last pull is found now.
        for envelope in desk.waiting(self._store, self._city, self._clock()):
            if envelope.opening.startswith(f"{center}.{day.isoformat()}."):
                with suppress(CannotOpen), self._guard:
                    self._keep(self._opened(envelope))
        if job.outcome:
            job.outcome.left = len(self.placed_on(center, day))

    def enter(self, typed: Form, form: str, code: str) -> None:
        """Ask for somebody. What was typed is gone with the answer; the code stays to be shown."""
        fields = {name: values for name, values in typed.items() if name in FIELDS}
        look_again = self._desk.enter(fields, self._clock(), code)
        id = codes.derive(code, self._city.deployment).id
        envelope = self._find(id)
        if envelope is None:
            raise Conflict("what was entered is gone already")
        item = self._keep(self._desk.open(envelope))
        language = item.request.language
        self.entered = Entered(form, code, look_again, item.opening, language)

    def _opened(self, envelope: Envelope) -> Opened:
        known = self.items.get(envelope.id.hex())
        return known if known and known.envelope == envelope else self._desk.open(envelope)

    def _keep(self, item: Opened) -> Opened:
        with self._guard:
            self.items[item.id] = item
            self._changed()
        return item

    def _drop(self, item: Opened) -> None:
        with self._guard:
            self.items.pop(item.id, None)
            self._changed()

    def _find(self, id: bytes) -> Envelope | None:
        now = self._clock()
        weeks = keys.live(now, self._city.zone, self._city.serve_days)
        return self._store.find(self._city.queue, id, [str(week) for week in weeks], now)

    def _answer(self, item: Opened, choice: str, outcome: Outcome) -> None:
        try:
            fresh = self._do(item, choice)
        except NoSeats:
            why = "seat"
        except Conflict:
            why = self._looked_at_again(item)
        except TooOld:
            why = "too_old"
        except TooLong:
            why = "too_long"
        except (CannotOpen, BadBundle, BadSignature):
            why = "no_key"
        else:
            outcome.counts[choice if choice in (WAIT, NONE, ERASE) else "placed"] += 1
            if fresh and outcome.closing and item.opening:
                self._tell(Moved(fresh, item.opening), item, outcome)
            return
        outcome.troubles.append((item.id[:8], item.request.name, why))

    def _do(self, item: Opened, choice: str) -> Opened | None:
        now = self._clock()
        if choice == ERASE:
            # Traces that remain in the file are the next sweep's work: it is erased already.
            with suppress(TracesRemain):
                self._desk.erase(item)
            self._drop(item)
            return None
        if choice == WAIT:
            return self._keep(self._desk.wait(item, now))
        if choice == NONE:
            return self._keep(self._desk.refuse(item, now))
        return self._keep(self._desk.place(item, Opening.parse(choice), now))

    def _looked_at_again(self, item: Opened) -> str:
        """The request as it is in the store now takes the place of the one we had."""
        envelope = self._find(item.envelope.id)
        if envelope is None:
            self._drop(item)
            return "gone"
        try:
            self._keep(self._desk.open(envelope))
        except CannotOpen as error:
            self._drop(item)
            self.unopened[reason(error)] += 1
        return "changed"

    def _tell(self, moved: Moved, before: Opened, outcome: Outcome) -> None:
        if moved.item.request.reach:
            outcome.calls.append(moved)
        elif moved.had.day < queue.earliest(before, self._city, self._clock()):
            outcome.doors.append(moved)
