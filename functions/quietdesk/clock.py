"""Which dates are reached, though any one clock may be wrong: nothing is destroyed by the calendar
on one unchecked clock.

A date is reached when two agree that it is: this computer's clock, and the store's date; where it
does not answer, a day that it has shown before. Only a store on this machine has no date of its
own: there a clock that went on evenly is believed, and one that moved by more than JUMP since it
was last believed is not, until it ran evenly for a day, went on for two days of starts, or a person
said what day it is.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from quietdesk import bundles, devices, record, sweep, weeks
from quietdesk.city import City
from quietdesk.errors import (
    BadBundle,
    BadRecord,
    BadSignature,
    Conflict,
    DamagedDocument,
    KeyDestroyed,
    StoreUnavailable,
)
from quietdesk.record import Line
from quietdesk.signed import Trust
from quietdesk.store import Store
from quietdesk.weeks import Epoch, begins

JUMP = timedelta(hours=26)  # a day, and what daylight saving and late timers come to
OFFLINE = timedelta(days=8)  # so long a key waits where nobody can be asked what day it is
EVENLY = timedelta(days=1)  # after so long a clock that moved is believed, where it is the only one
STARTS = timedelta(hours=46)  # as EVENLY, over starts: two days, less what late timers come to
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # before anything of ours
NAME = "clock"  # the document that says when this machine's clock was last believed
_AROUND = range(-12, 12)  # weeks whose signed keys may be the newest document


class Doubt(StrEnum):
    """Why this computer's clock alone does not decide; also the code of what staff are told."""

    NONE = ""
    AHEAD = "clock_ahead"  # more than JUMP later than the store's date
    BEHIND = "clock_behind"  # more than JUMP earlier than the store's date, or what was signed
    UNASKED = "clock_unasked"  # the store did not say what day it is
    MOVED = "clock_moved"  # the only clock there is, and it moved


@dataclass(frozen=True, slots=True)
class Dates:
    """What is known of the time: what this computer's clock says (`here`), the last instant that is
    certainly past (`past`), and why they differ. `other` is what the clock was compared with."""

    here: datetime
    past: datetime
    doubt: Doubt = Doubt.NONE
    other: datetime | None = None

    def reached(self, at: datetime) -> bool:
        """Whether what ends then may be destroyed now."""
        return at <= self.past

    def waits(self, at: datetime) -> bool:
        """Whether it would be destroyed by this computer's clock, and by no other."""
        return self.past < at <= self.here


def asked(here: datetime, store: datetime, known: datetime | None = None) -> Dates:
    """Where the store said its date. `known` is the latest instant that it has shown to be past
    before: a clock that is behind it is wrong and has no say, if the store still agrees. It proves
    nothing against the store, for nobody signs what is kept of it."""
    past = store if here < (known or NEVER) <= store else min(here, store)
    if here - store > JUMP:
        return Dates(here, past, Doubt.AHEAD, store)
    return Dates(here, past, Doubt.BEHIND if store - here > JUMP else Doubt.NONE, store)


def unasked(here: datetime, known: datetime | None) -> Dates:
    """Where a store elsewhere cannot be asked: what is OFFLINE past by this clock, and shown to be
    past by what is known."""
    past = min(here - OFFLINE, known or NEVER)
    behind = known is not None and known - here > JUMP
    return Dates(here, past, Doubt.BEHIND if behind else Doubt.UNASKED, known)


def alone(
    here: datetime,
    believed: datetime | None,
    known: datetime | None,
    evenly: timedelta = timedelta(0),
) -> Dates:
    """Where there is no clock but this one, which was last `believed` then and has now gone on
    `evenly` for so long."""
    last = max(believed or NEVER, known or NEVER)
    if evenly >= EVENLY or abs(here - last) <= JUMP:
        return Dates(here, here)
    return Dates(here, min(here, last), Doubt.MOVED, None if last == NEVER else last)


class Evenly:
    """For how long a process has seen its computer's clock go on evenly."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # how far the clock is before the process's own
        self._since = 0.0

    def so_far(self, here: datetime, uptime: float) -> timedelta:
        """So long, at the instant that is `here` by the clock and `uptime` seconds by a count that
        nobody can set."""
        ahead = here.timestamp() - uptime
        if self._ahead is None or abs(ahead - self._ahead) > JUMP.total_seconds():
            self._ahead, self._since = ahead, uptime
        return timedelta(seconds=uptime - self._since)


# --- A store on this machine ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the document says: when the clock was last believed, and since when and until when one
    that is not believed was seen to go on."""

    believed: datetime | None = None
    since: datetime = NEVER
    until: datetime = NEVER

    def seen(self, here: datetime) -> "_Kept":
        """With a clock that is not believed seen now. One that was put back, or was not seen for
        longer than a jump, begins anew: nobody knows how long it stood still."""
        on = timedelta(0) <= here - self.until <= JUMP
        return _Kept(self.believed, self.since if on else here, here)

    def write(self) -> bytes:
        times = [self.believed or NEVER, *([self.since, self.until] if self.since > NEVER else [])]
        return " ".join(str(int(it.timestamp())) for it in times).encode()


def machine(
    store: Store, city: City, trust: Trust | None, here: datetime, evenly: timedelta = timedelta(0)
) -> Dates:
    """The dates of a store that has none of its own. What is signed counts only while no clock was
    ever believed here, and with `trust`: all that is signed on a machine is signed by its clock,
    maybe by a wrong one, before somebody set it right. Raises StoreUnavailable."""
    kept, _ = _read(store)
    if here - kept.seen(here).since >= STARTS:
        return Dates(here, here)
    day = signed_day(store, city, trust, here) if trust and kept.believed is None else None
    return alone(here, kept.believed, begins(day, city.zone) if day else None, evenly)


def last_believed(store: Store) -> datetime | None:
    """When this machine's clock was last believed. Raises StoreUnavailable."""
    return _read(store)[0].believed


def believe(store: Store, here: datetime) -> Dates:
    """Keep that the clock is believed now, in whole seconds. Raises StoreUnavailable."""
    _write(store, _Kept(here))
    return Dates(here, here)


def keep(store: Store, dates: Dates) -> None:
    """Keep that the clock is believed, where it is and there is no other; or that it goes on, where
    it is not. Raises StoreUnavailable."""
    if dates.doubt is Doubt.MOVED:
        _write(store, _read(store)[0].seen(dates.here))
    elif not dates.doubt and dates.other is None:
        believe(store, dates.here)


def swept(store: Store, city: City, dates: Dates) -> list[Line]:
    """Destroy what is due by these dates, as sweep.run, and keep what they say of this machine's
    clock whatever hindered it: a trouble of another kind does not make a clock doubtful."""
    try:
        return sweep.run(store, city, dates.past)
    finally:
        keep(store, dates)


def _read(store: Store) -> tuple[_Kept, int]:
    """What is kept, and the seq to write over. A damaged document believes no clock, and is written
    anew."""
    try:
        raw, seq = store.read(NAME) or (b"0", 0)
    except DamagedDocument:
        return _Kept(), 0
    try:
        times = [datetime.fromtimestamp(int(it), UTC) for it in raw.split()]
        believed, since, until = times if len(times) > 1 else (*times, NEVER, NEVER)
        return _Kept(believed if believed > NEVER else None, since, until), seq
    except (ValueError, OverflowError, OSError):
        return _Kept(), seq


def _write(store: Store, kept: _Kept) -> None:
    with suppress(Conflict):  # another process of this machine has just said the same
        store.publish(NAME, kept.write(), _read(store)[1])


# --- What would be lost --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loss:
    """What goes with a week's keys: its announced key day, and how many requests they open, None
    where nobody could count."""

    epoch: Epoch
    key_day: date
    requests: int | None


def loss(store: Store | None, city: City, epoch: Epoch) -> Loss:
    """What would go with the keys of that week."""
    requests = None
    if store is not None:
        with suppress(StoreUnavailable):
            requests = sum(1 for _ in store.pull(city.queue, [epoch], NEVER))
    return Loss(epoch, weeks.key_day(epoch, city.serve_days), requests)


def losses(store: Store, city: City, trust: Trust, dates: Dates) -> list[Loss]:
    """What a sweep would destroy by this computer's clock alone. Raises StoreUnavailable."""
    current = weeks.epoch_at(dates.here, city.zone)
    return [
        loss(store, city, epoch)
        for epoch in (current.plus(-n) for n in range(sweep.LOOK_BACK_WEEKS, 0, -1))
        if dates.waits(weeks.destroyed_at(epoch, city.zone, city.serve_days))
        and _has_keys(store, city, trust, epoch)
    ]


def to_sweep(
    store: Store, city: City, trust: Trust, here: datetime, evenly: timedelta = timedelta(0)
) -> tuple[Dates, list[Loss]]:
    """The dates by which a store is swept, and what waits in it for the clock of this machine to be
    believed, where that is the only one. Where it never was, nothing would be lost by it and it is
    not behind what was signed, there is nothing else to go by: it is. Raises StoreUnavailable."""
    its = store.date()
    if its is not None:
        return asked(here, its), []
    dates = machine(store, city, trust, here, evenly)
    waits = losses(store, city, trust, dates) if dates.doubt else []
    behind = dates.other is not None and here < dates.other
    if dates.doubt and not waits and not behind and last_believed(store) is None:
        return Dates(here, here), []
    return dates, waits


def today(store: Store, city: City, trust: Trust, here: datetime) -> date | None:
    """The day that it is, to say it of something for good: by the store where it tells its date,
    else by this computer's clock; None where that is not believed. Raises StoreUnavailable."""
    its = store.date()
    if its is None and to_sweep(store, city, trust, here)[0].doubt:
        return None
    return (its or here).astimezone(city.zone).date()


def _has_keys(store: Store, city: City, trust: Trust, epoch: Epoch) -> bool:
    try:
        held = store.read(bundles.name(city.queue, epoch))
        if held is None:
            return False
        kids = [kid for kid, _ in bundles.signed(held[0], trust, city.queue).keys.values()]
    except (BadBundle, BadSignature, DamagedDocument):
        return True  # nobody can say which keys it names: better asked about than lost
    for kid in kids:
        with suppress(KeyDestroyed):
            store.server_half(kid)
            return True
    return False


# --- What is signed ------------------------------------------------------------------------------


def signed_day(store: Store, city: City, trust: Trust, here: datetime) -> date | None:
    """The newest day on which custodians signed something in the store, so that it has begun: the
    keys of weeks, the list of devices, the head of the record. What does not verify, or names no
    day, proves nothing. Lists of times are left out: where a store has no date of its own, the
    devices that sign them go by the clock in question. Raises StoreUnavailable."""
    return max(_signed_days(store, city, trust, here), default=None)


def _signed_days(store: Store, city: City, trust: Trust, here: datetime) -> Iterator[date]:
    current, queue = weeks.epoch_at(here, city.zone), city.queue
    for epoch in (current.plus(n) for n in _AROUND):
        with suppress(BadBundle, BadSignature, DamagedDocument):
            if held := store.read(bundles.name(queue, epoch)):
                yield from _day(bundles.signed(held[0], trust, queue).signed_on)
    with suppress(BadSignature, DamagedDocument):
        if held := store.read(devices.NAME):
            yield from _day(devices.read(held[0], trust).signed_on)
    for name in (record.head_name(queue), record.head_name_before(queue)):
        with suppress(BadRecord, BadSignature, DamagedDocument):
            if held := store.read(name):
                yield from _day(record.read_head(held[0], trust, queue).signed_on)


def _day(signed_on: date | None) -> Iterator[date]:
    if signed_on is not None:
        yield signed_on
