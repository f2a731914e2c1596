"""Forgetting: the keys of ended weeks leave this computer, though its clock may be wrong.

Beside the keyring lies one day, in clear: the one that the store's date said last. It names nobody,
and says no more than that this computer was used on that day. Nobody signs it: while the store
answers, it proves nothing against it.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from quietdesk import clock, weeks
from quietdesk.city import City
from quietdesk.clock import Dates, Loss
from quietdesk.errors import KeyringBusy, NotSaved, QuietdeskError
from quietdesk.signed import Trust
from quietdesk.staff.device import keyring, safefile
from quietdesk.store import Store
from quietdesk.weeks import Epoch, begins


@dataclass(frozen=True, slots=True)
class Due:
    """By which dates the keys of a keyring go, and what `waits`: what this computer's clock alone
    says is over."""

    dates: Dates
    waits: tuple[Loss, ...] = ()


def due(
    path: Path, city: City, here: datetime, store: Callable[[], Store], trust: Trust | None
) -> Due | None:
    """What is due in the keyring at `path`; None where there is none, or nothing to ask about: the
    store is asked once a day, and while something is over by this computer's clock. `store` opens
    it, and may raise any QuietdeskError; `trust` as in clock.machine. Raises BadKeyring."""
    # Says what is wrong with the file, and clears away what a killed process left beside it.
    keyring.forget_ended(path, city, clock.NEVER)
    data, known = safefile.read(path), known_day(path)
    if data is None:
        return None
    held = keyring.epochs(data)
    over = [it for it in held if weeks.over(it, here, city.zone, city.serve_days)]
    if not over and known == here.astimezone(city.zone).date():
        return None
    since = begins(known, city.zone) if known else None
    try:
        with closing(store()) as there:
            its = there.date()
            if its is None:
                dates = clock.machine(there, city, trust, here)
            else:
                dates = clock.asked(here, its, since)
                _remember(path, its.astimezone(city.zone).date())
            return Due(dates, _waits(there, city, over, dates))
    except QuietdeskError:
        dates = clock.unasked(here, since)
        return Due(dates, _waits(None, city, over, dates))


def forget(path: Path, city: City, dates: Dates) -> None:
    """Delete from the keyring at `path` the keys of the weeks whose key day these dates have
    reached. Raises BadKeyring."""
    keyring.forget_ended(path, city, dates.past)


def known_day(path: Path) -> date | None:
    """The day that a store has shown last to have begun, as it is kept beside the keyring at
    `path`. One that cannot be read proves nothing."""
    try:
        return _day(safefile.read(_beside(path)))
    except OSError:
        return None


def _remember(path: Path, day: date) -> None:
    def kept(held: bytes | None) -> bytes | None:
        # Also over a later one: the store says now that it has not begun.
        return held if _day(held) == day else f"{day}\n".encode()

    with suppress(KeyringBusy, NotSaved):  # a full disk keeps no key alive: it is asked again
        safefile.update(_beside(path), kept)


def _day(held: bytes | None) -> date | None:
    try:
        return date.fromisoformat(held.decode("ascii").strip()) if held else None
    except ValueError:
        return None


def _waits(store: Store | None, city: City, over: list[Epoch], dates: Dates) -> tuple[Loss, ...]:
    return tuple(
        clock.loss(store, city, it)
        for it in over
        if dates.waits(weeks.destroyed_at(it, city.zone, city.serve_days))
    )


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".day")
