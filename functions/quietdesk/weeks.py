"""The calendar of weeks: which week it is, which weeks a request may be sealed to, when their keys
go, and when an envelope ends.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

GRACE = timedelta(hours=24)  # how long a request may still go to the week before
WEEKS_AHEAD = 4  # how far ahead a taken opening may be
MAX_SERVE_DAYS = 21
MAX_AGE = timedelta(days=60)  # from the start of the week of first sealing, whatever anybody says


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """An ISO 8601 week in the programme's time zone; `str` gives `2026-W47`."""

    year: int
    week: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is exactly the name of a week that exists."""
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-W\d\d", text, re.ASCII):
            raise ValueError("not an ISO week")
        year, week = int(text[:4]), int(text[6:])
        date.fromisocalendar(year, week, 1)
        return cls(year, week)

    @classmethod
    def of(cls, day: date) -> Self:
        """The week that the day lies in."""
        return cls(*day.isocalendar()[:2])

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.week:02d}"

    @property
    def days(self) -> tuple[date, ...]:
        """Its seven days, from Monday on."""
        return tuple(date.fromisocalendar(self.year, self.week, n) for n in range(1, 8))

    def plus(self, weeks: int) -> "Epoch":
        """The epoch so many weeks later, or earlier when negative."""
        return Epoch.of(date.fromisocalendar(self.year, self.week, 1) + timedelta(weeks=weeks))

    def start(self, zone: ZoneInfo) -> datetime:
        """Monday 00:00 in the programme's time zone, as UTC."""
        return begins(date.fromisocalendar(self.year, self.week, 1), zone)

    def end(self, zone: ZoneInfo) -> datetime:
        """The instant the week after begins, as UTC."""
        return self.plus(1).start(zone)


NO_WEEK = Epoch(0, 0)  # what a damaged row names: it is in no calendar


def epoch_at(now: datetime, zone: ZoneInfo) -> Epoch:
    """The week that `now` lies in."""
    return Epoch.of(now.astimezone(zone).date())


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The midnight with which the day begins in the programme's time zone, as UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def accepted(now: datetime, zone: ZoneInfo) -> tuple[Epoch, ...]:
    """The weeks a request may be sealed to: the current one, and the one before for 24 hours."""
    epoch = epoch_at(now, zone)
    return (epoch,) if now - epoch.start(zone) > GRACE else (epoch, epoch.plus(-1))


def live(now: datetime, zone: ZoneInfo, serve_days: int) -> tuple[Epoch, ...]:
    """Every week whose envelopes may still be read, oldest first: served, current and ahead."""
    current = epoch_at(now, zone)
    weeks = (current.plus(n) for n in range(-1 - MAX_SERVE_DAYS // 7, WEEKS_AHEAD + 1))
    return tuple(epoch for epoch in weeks if not over(epoch, now, zone, serve_days))


def key_day(epoch: Epoch, serve_days: int) -> date:
    """The announced day on which the week's keys are destroyed, as it begins in the programme's
    time zone."""
    return epoch.days[0] + timedelta(days=7 + min(serve_days, MAX_SERVE_DAYS))


def destroyed_at(epoch: Epoch, zone: ZoneInfo, serve_days: int) -> datetime:
    """The announced instant at which the week's keys are destroyed, as UTC: 00:00 in the
    programme's time zone, also when clocks changed since the week ended."""
    return begins(key_day(epoch, serve_days), zone)


def over(epoch: Epoch, now: datetime, zone: ZoneInfo, serve_days: int) -> bool:
    """Whether the week's keys are due to be destroyed by now."""
    return destroyed_at(epoch, zone, serve_days) <= now


def answer_day(now: datetime, zone: ZoneInfo, answer_by_days: int) -> date:
    """The day on which the desk means to have answered whoever asks, or is kept waiting, now."""
    return now.astimezone(zone).date() + timedelta(days=answer_by_days)


def look_again(
    epoch: Epoch, born: Epoch, now: datetime, zone: ZoneInfo, serve_days: int, answer_by_days: int
) -> date:
    """The day on which who has a request in that week, first sealed in `born`, is told to look
    again: the day of the answer, and never so late that the request may be destroyed already."""
    last = last_day(epoch, born, zone, serve_days)
    today = now.astimezone(zone).date()
    return max(today, min(answer_day(now, zone, answer_by_days), last))


def look_again_in(serve_days: int, answer_by_days: int) -> int:
    """In how many days to look again, for a page that knows neither day nor week: as many as hold
    on every day of the week, also for a request that still went to the week before."""
    return max(1, min(answer_by_days, serve_days - 1))


def longest_answer(serve_days: int) -> int:
    """The most `answer_by_days` with which a request can be kept waiting on every day of the week:
    it is sealed to the next week at the latest, which on a Sunday begins tomorrow."""
    return 7 + serve_days


def expires(epoch: Epoch, born: Epoch, zone: ZoneInfo, serve_days: int) -> int:
    """When an envelope ends, in Unix seconds: with its week's keys, and never more than 60 days
    after the week of its first sealing began."""
    return int(min(destroyed_at(epoch, zone, serve_days), oldest(born, zone)).timestamp())


def oldest(born: Epoch, zone: ZoneInfo) -> datetime:
    """When an envelope that was first sealed in that week ends at the latest, as UTC."""
    return born.start(zone) + MAX_AGE


def oldest_day(born: Epoch, zone: ZoneInfo) -> date:
    """The last day that is over before an envelope first sealed in that week ends, whatever week it
    lies in."""
    return end_day(int(oldest(born, zone).timestamp()), zone) - timedelta(days=1)


def last_day(epoch: Epoch, born: Epoch, zone: ZoneInfo, serve_days: int) -> date:
    """The last day that is over before an envelope of that week, first sealed in `born`, ends."""
    return end_day(expires(epoch, born, zone, serve_days), zone) - timedelta(days=1)


def end_day(expires: int, zone: ZoneInfo) -> date:
    """The day on which an envelope that `expires` then (Unix seconds) is destroyed."""
    return datetime.fromtimestamp(expires, UTC).astimezone(zone).date()
