"""The city profile, as everything but the website's builder knows it: what another city changes.

Its compiler is quietdesk.website.profile; what that wrote is read here, so that functions and desks
need neither YAML nor Babel.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from quietdesk.errors import BadCity

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# What a center may say that it has; quietdesk.website.guide has the words.
CENTER_ACCESS = ("step_free", "elevator", "toilet", "seats", "quiet")


@dataclass(frozen=True, slots=True)
class Hours:
    """When a center is open: from one time to another (`09:00`), on these weekdays (`mon`, in the
    order of the week), or for none on the dates of a pop-up."""

    days: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Center:
    """An enrollment center. `verified` is false while nobody has confirmed address and hours.

    Openings are made from the rest: on the weekdays `days`, or for a pop-up on the ISO `dates`
    only, never on the dates `closed`; `times` has (`09:30`, seats). A `path` means that the site
    does not list it: its times are seen by who was given that path.

    Where somebody has told us, `access` are names of CENTER_ACCESS, `transit` is how to get there
    (names of lines and stops, which no language translates), `languages` are spoken without an
    interpreter (tags of the languages at a visit)."""

    id: str
    name: str
    address: str
    hours: tuple[Hours, ...]
    verified: bool
    days: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    times: tuple[tuple[str, int], ...] = ()
    path: str = ""
    access: tuple[str, ...] = ()
    transit: str = ""
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Locale:
    """A language of the site: BCP 47 tag, its own name, and direction `ltr` or `rtl`. The rest
    says how a day is written (names from Monday and from January, and a pattern) and how a time is
    (a pattern, and the names of the two halves of a day), and whether staff may use the desk in
    it."""

    tag: str
    name: str
    direction: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    day_pattern: str
    time_pattern: str
    halves: tuple[str, ...]
    desk: bool = False

    def time(self, at: str) -> str:
        """The time `14:05` in words: `2:05 PM`."""
        hour, minute = at.split(":")
        return self.time_pattern.format(
            hour=int(hour), hour12=int(hour) % 12 or 12, minute=minute, half=self.halves[at >= "12"]
        )

    def hours(self, hours: Hours) -> list[tuple[str, str]]:
        """Opening hours in words, for each run of weekdays: `Monday – Friday` and `9:00 AM –
        5:00 PM`. Of a pop-up's the day is empty."""
        span = f"{self.time(hours.start)} – {self.time(hours.end)}"
        runs: list[list[int]] = []
        for n in (WEEKDAYS.index(day) for day in hours.days):
            if runs and runs[-1][-1] == n - 1:
                runs[-1].append(n)
            else:
                runs.append([n])
        ends = [dict.fromkeys((run[0], run[-1])) for run in runs]
        return [(" – ".join(self.weekdays[n] for n in run), span) for run in ends] or [("", span)]

    def day(self, day: date) -> str:
        """The day in words: `Thursday, December 3`."""
        return self.day_pattern.format(
            weekday=self.weekdays[day.weekday()],
            month=self.months[day.month - 1],
            month_number=day.month,
            day=day.day,
        )


@dataclass(frozen=True, slots=True)
class City:
    """One programme. Days are calendar days; `offered_share` is how many per cent of an opening's
    seats residents may take themselves; `words` maps a locale's tag to English text to its
    translation; `run_by` is empty while no office receives the requests."""

    name: str
    queue: str
    deployment: str
    zone: ZoneInfo
    run_by: str
    phone: str
    answer_by_days: int
    notice_days: int
    offered_share: int
    lock_minutes: int
    serve_days: int
    retention_authority: str
    max_people: int
    visit_types: tuple[str, ...]
    languages: tuple[str, ...]
    access: tuple[str, ...]
    centers: tuple[Center, ...]
    locales: tuple[Locale, ...]
    words: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """The profile that `make site` compiled into a file. Raises BadCity when it did not."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise BadCity(
                f"the city profile is not compiled: there is no {path}; run: make site"
            ) from None
        return cls.from_data(json.loads(text))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The City in what the compiler gave."""
        values = dict(data)
        values["zone"] = ZoneInfo(values["zone"])
        values["centers"] = tuple(
            Center(**_tuples(row) | {"hours": tuple(Hours(**_tuples(it)) for it in row["hours"])})
            for row in values["centers"]
        )
        values["locales"] = tuple(Locale(**_tuples(row)) for row in values["locales"])
        for field in ("visit_types", "languages", "access"):
            values[field] = tuple(values[field])
        return cls(**values)

    @property
    def listed(self) -> tuple[Center, ...]:
        """The centers that the site shows to everybody."""
        return tuple(center for center in self.centers if not center.path)

    def center(self, id: str) -> Center | None:
        """The center of that id."""
        return next((center for center in self.centers if center.id == id), None)

    def locale(self, tag: str) -> Locale:
        """The locale of that tag; the first one for a tag the programme does not have."""
        return next((locale for locale in self.locales if locale.tag == tag), self.locales[0])


def _tuples(value: Any) -> Any:
    """What JSON reads as lists, as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
