"""Destruction by the calendar: the keys of all ended weeks, then their envelopes, then what is said
of it in public.

What is due is looked up in the store each time, and never in the record: what was put back from an
old copy goes again. No step waits for another: what hinders one week, or the record, is said at the
end and hinders nothing else.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime

from quietdesk import bundles, record, weeks
from quietdesk.city import City
from quietdesk.errors import Conflict, DamagedDocument, QuietdeskError, StoreUnavailable
from quietdesk.hpke import Kid
from quietdesk.record import Line, Record
from quietdesk.store import Store
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64

LOOK_BACK_WEEKS = 60  # looked at in every run; those before, since FIRST_WEEK, once a day
FIRST_WEEK = Epoch(record.FIRST_YEAR, 1)  # of which there can be keys
# Of a run, for rows: what is left then goes in the next hour. Lambda ends it after 900
# (infra/template.yaml), and a page that meets a slow store may take minutes.
SECONDS = 600.0


def run(
    store: Store,
    city: City,
    now: datetime,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Line]:
    """Destroy what is due at `now` and give the new lines of the destruction record.

    Running it again, after it died anywhere, or beside another run, is safe. Keys of every due week
    go first; then rows, page by page, for so many seconds. Raises the first of what hindered it,
    when all else is done. Nothing is recorded that was not destroyed.
    """
    sweep = _Sweep(store, city, now, clock() + seconds, clock)
    sweep.all()
    if sweep.troubles:
        raise sweep.troubles[0]
    return sweep.lines


def days_of_keys(store: Store, city: City, now: datetime) -> int:
    """For how many whole days from now keys are published: so long the form stays open."""
    epoch = weeks.epoch_at(now, city.zone)
    while store.read(bundles.name(city.queue, epoch)) is not None:
        epoch = epoch.plus(1)
    return max(0, (epoch.start(city.zone) - now).days)


@dataclass(slots=True)
class _Sweep:
    """One run. `known` is the record, None while it cannot be read: then nothing is said. `erased`
    is how many envelopes went so far of weeks that may still have some; `back` are the weeks that
    were recorded and had something again."""

    store: Store
    city: City
    now: datetime
    until: float
    clock: Callable[[], float]
    known: Record | None = None
    erased: dict[Epoch, int] = field(default_factory=dict)
    back: set[Epoch] = field(default_factory=set)
    back_kids: list[Kid] = field(default_factory=list)
    back_rows: int = 0
    stopped: bool = False
    lines: list[Line] = field(default_factory=list)
    troubles: list[QuietdeskError] = field(default_factory=list)

    def all(self) -> None:
        kept, seq = _Kept(), 0
        with self._step():
            self.known = record.read(self.store, self.city.queue, self.today)
        with self._step():
            kept, seq = _read_kept(self.store, self.city.queue)
        self.erased.update(kept.erased)
        current = weeks.epoch_at(self.now, self.city.zone)
        recent = current.plus(-LOOK_BACK_WEEKS)
        self._destroy([*self._due(recent, current)])
        looked = set(kept.looked) if kept.day == self.today else set()
        self._once_a_day(recent, looked)
        with self._step():
            self._tell_what_came_back()
        with self._step():
            erased = {epoch: count for epoch, count in self.erased.items() if count}
            told = _Kept(self.today, frozenset(looked), erased)
            _keep(self.store, self.city.queue, kept, told, seq)
        if self.stopped:
            with self._step():
                self.store.checkpoint()

    @property
    def today(self) -> date:
        return self.now.astimezone(self.city.zone).date()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """What hinders this step hinders no other."""
        try:
            yield
        except QuietdeskError as error:
            self.troubles.append(error)

    def _late(self) -> bool:
        self.stopped = self.stopped or self.clock() >= self.until
        return self.stopped

    def _due(self, first: Epoch, end: Epoch) -> Iterator[Epoch]:
        """The weeks from the first on, before the end, whose key day has come."""
        while first < end:
            if weeks.over(first, self.now, self.city.zone, self.city.serve_days):
                yield first
            first = first.plus(1)

    def _destroy(self, epochs: Sequence[Epoch]) -> None:
        """The keys of all the weeks, then their rows."""
        gone: list[Line] = []
        for epoch in epochs:
            with self._step():
                gone += self._keys(epoch)
        with self._step():
            self._tell(gone)  # before any row: rows may take hours
        for epoch in epochs:
            with self._step():
                self._rows(epoch)

    def _keys(self, epoch: Epoch) -> list[Line]:
        """Destroy the keys of a week, which have no line yet: then this is it. Halves left by a
        minting that was not finished go all the same."""
        queue = self.city.queue
        kids = tuple(self.store.destroy_keys(queue, epoch))
        if self.known is None:
            return []
        if epoch in self.known.keys_gone:
            if kids:
                self.back.add(epoch)
                self.back_kids += kids
            return []
        named: tuple[Kid, ...] = ()
        try:
            bundle = self.store.read(bundles.name(queue, epoch))
            if bundle is None and not kids:
                return []  # it never had any
            named = _kids(bundle[0]) if bundle else ()
        except DamagedDocument:
            pass  # that it is there says that the week had keys
        except StoreUnavailable:
            if not kids:
                raise
        return [Line(record.KEYS, queue, (epoch,), self.today, named or kids)]

    def _rows(self, epoch: Epoch) -> None:
        """Erase the rows of a week, while there is time; a first page of each there always is."""
        told, found = self.known is not None and epoch in self.known.rows_gone, 0
        try:
            for erased in self.store.erase_epoch(self.city.queue, epoch):
                found += erased
                if self._late():
                    return
        finally:
            # Only what this run found came back: runs before may have died when it was told.
            before = self.erased.pop(epoch, 0)
            if not told:
                self.erased[epoch] = before + found
            elif found:
                self.back.add(epoch)
                self.back_rows += found
        if self.known is None or told:
            return
        count = self.erased[epoch]
        if count or epoch in self.known.keys_gone:
            self._tell([Line(record.ROWS, self.city.queue, (epoch,), self.today, (), count)])
        del self.erased[epoch]

    def _once_a_day(self, recent: Epoch, looked: set[Epoch]) -> None:
        """The weeks before `recent`, and what has ended in weeks that are live, but for those that
        were `looked` at today; `recent` stands there for all before it."""
        if recent not in looked:
            before = len(self.troubles)
            for epoch in self._due(FIRST_WEEK, recent):
                if self._late():
                    return
                self._destroy([epoch])
            if len(self.troubles) == before:
                looked.add(recent)
        for epoch in weeks.live(self.now, self.city.zone, self.city.serve_days):
            if epoch not in looked:
                with self._step():
                    for _ in self.store.erase_expired(self.city.queue, epoch, self.now):
                        if self._late():
                            return
                    looked.add(epoch)

    def _tell_what_came_back(self) -> None:
        if self.back:
            weeks_back, kids = tuple(sorted(self.back)), tuple(self.back_kids)
            queue, rows = self.city.queue, self.back_rows
            self._tell([Line(record.AGAIN, queue, weeks_back, self.today, kids, rows)])

    def _tell(self, found: Sequence[Line]) -> None:
        if found:
            self.known, added = record.add(self.store, self.city.queue, self.today, found)
            self.lines += added


def _kids(bundle: bytes) -> tuple[Kid, ...]:
    # Only names are read here, of keys that are gone already; nothing rests on the signature. A
    # damaged document must not keep this week's envelopes, or later weeks, from being erased.
    try:
        body = json.loads(unb64(json.loads(bundle)["body"]))
        return tuple(Kid.parse(row["kid"]) for row in body["keys"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


# --- What one run tells the next -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kept:
    """On which day which weeks were looked at that are looked at once a day, and how many envelopes
    went so far of weeks that still have some. What is lost of it is done again, or not counted."""

    day: date | None = None
    looked: frozenset[Epoch] = frozenset()
    erased: Mapping[Epoch, int] = field(default_factory=dict)

    def write(self) -> bytes:
        looked = sorted(map(str, self.looked))
        erased = {str(epoch): count for epoch, count in self.erased.items()}
        note = {"v": 1, "day": str(self.day), "looked": looked, "erased": erased}
        return json.dumps(note, separators=(",", ":")).encode()


def kept_name(queue: str) -> str:
    """The name under which sweep keeps what it tells its next run."""
    return f"swept#{queue}"


def _read_kept(store: Store, queue: str) -> tuple[_Kept, int]:
    raw, seq = store.read(kept_name(queue)) or (b"", 0)
    try:
        held = json.loads(raw)
        day, looked = date.fromisoformat(held["day"]), frozenset(map(Epoch.parse, held["looked"]))
        erased = {Epoch.parse(epoch): count for epoch, count in held["erased"].items()}
        if any(type(count) is not int or count < 0 for count in erased.values()):
            raise TypeError("counts")
        return _Kept(day, looked, erased), seq
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _Kept(), seq  # damaged: written anew


def _keep(store: Store, queue: str, before: _Kept, now: _Kept, seq: int) -> None:
    if now != before:
        with suppress(Conflict):  # a run beside this one, which tells the same
            store.publish(kept_name(queue), now.write(), seq)
