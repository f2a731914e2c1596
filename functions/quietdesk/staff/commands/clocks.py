"""What a command says about a clock that is not believed, and what it asks the person at it.

Nothing is asked of a script: what waits is named, and goes on waiting.
"""

import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from quietdesk.clock import Dates, Doubt, Loss

_DAY = timedelta(days=1)


def doubted(dates: Dates, waits: Sequence[Loss], zone: ZoneInfo) -> list[str]:
    """What was checked, and what waits for it: lines of talk, none where all is well."""
    lines = [_what(dates, zone)] if dates.doubt is not Doubt.UNASKED or waits else []
    return [it for it in [*lines, *_kept(waits)] if it]


def may_ask(dates: Dates) -> bool:
    """Whether only a person can tell, and one is there."""
    return dates.doubt is Doubt.MOVED and sys.stdin.isatty()


def vouched(dates: Dates, waits: Sequence[Loss], zone: ZoneInfo) -> bool:
    """Whether a person says that it is the day that this computer's clock says. They type it from
    a calendar: the clock's own day is not shown to be typed after it."""
    for line in [_what(dates, zone), "If it is right, these are destroyed now:", *_named(waits)]:
        print(f"quietdesk: {line}", file=sys.stderr)
    question = "Type today's date from a calendar, such as 2026-01-31; Enter keeps them: "
    print(question, end="", file=sys.stderr, flush=True)
    try:
        said = date.fromisoformat(sys.stdin.readline().strip())
    except ValueError:
        return False
    return said == _day(dates.here, zone)


def _what(dates: Dates, zone: ZoneInfo) -> str:
    other = _day(dates.other, zone) if dates.other else None
    match dates.doubt:
        case Doubt.AHEAD:
            return (
                f"this computer's clock is wrong: {_apart(dates)} after the store's date, {other}"
            )
        case Doubt.BEHIND:
            return (
                f"this computer's clock is wrong: {_apart(dates)} before {other}, which has begun"
            )
        case Doubt.UNASKED:
            return "the store did not say what day it is, and this computer's clock is not enough"
        case Doubt.MOVED if other is None:
            return "nothing but this computer's clock says what day it is"
        case Doubt.MOVED:
            return (
                f"this computer's clock is {_apart(dates)} away from {other}, when it was last "
                "believed or custodians last signed, and nothing else says what day it is"
            )
    return ""


def _kept(waits: Sequence[Loss]) -> list[str]:
    return ["so these keys are kept; they go when their key day has come:", *_named(waits)] * bool(
        waits
    )


def _named(waits: Sequence[Loss]) -> list[str]:
    return [f"  {_one(it)}" for it in waits] or ["  nothing"]


def _one(it: Loss) -> str:
    opens = "" if it.requests is None else f", requests that it opens: {it.requests}"
    return f"week {it.epoch}, key day {it.key_day}{opens}"


def _apart(dates: Dates) -> str:
    apart = abs(dates.here - dates.other) if dates.other else timedelta(0)
    days = round(apart / _DAY)
    return f"{days} days" if days > 1 else f"{apart // timedelta(hours=1)} hours"


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()
