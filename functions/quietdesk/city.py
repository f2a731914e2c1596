"""The city profile: what another city changes, checked and compiled.

`compile_profile` reads the YAML of site/city and the words of site/words, and `make site` writes
the result to data.json beside this file, so that the functions need neither YAML nor Babel.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quietdesk.errors import BadCity
from quietdesk.openings import DESK, PATH

_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_QUEUE = re.compile(r"[a-z][a-z0-9-]{0,15}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# What a center may say that it has; quietdesk.website.guide has the words.
CENTER_ACCESS = ("step_free", "elevator", "toilet", "seats", "quiet")
_UNLISTED_LETTERS = 120  # name and address of a center that is not listed travel in the reply
_DAY_PATTERN = "text with {weekday}, {day} and {month} or {month_number}"
_TIME_PATTERN = "text with {minute} and {hour}, or {hour12} and {half}"
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?")


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
        for n in (_WEEKDAYS.index(day) for day in hours.days):
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


def load() -> City:
    """The compiled profile of this installation. Raises BadCity when `make site` has not run."""
    try:
        data = json.loads(files("quietdesk").joinpath("data.json").read_text("utf-8"))
    except FileNotFoundError:
        raise BadCity("the city profile is not compiled; run: make site") from None
    return from_data(data)


def from_data(data: Mapping[str, Any]) -> City:
    """The City in what `compile_profile` gave."""
    values = dict(data)
    values["zone"] = ZoneInfo(values["zone"])
    values["centers"] = tuple(
        Center(**_tuples(row) | {"hours": tuple(Hours(**_tuples(it)) for it in row["hours"])})
        for row in values["centers"]
    )
    values["locales"] = tuple(Locale(**_tuples(row)) for row in values["locales"])
    for field in ("visit_types", "languages", "access"):
        values[field] = tuple(values[field])
    return City(**values)


def _tuples(value: Any) -> Any:
    """What JSON reads as lists, as tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def compile_profile(city: Path, words: Path) -> dict[str, Any]:
    """The profile in a folder of YAML files and a folder of .po files, as JSON-able values. The
    city's own .po files, in `words` inside its folder, add to them and win over them. Raises
    BadCity with the file and what is wrong in it."""
    programme = _Checked(city / "programme.yml")
    centers = _Checked(city / "centers.yml")
    languages = _Checked(city / "languages.yml")
    locales = _locales(languages)
    spoken = languages.ids("visit_languages")
    return {
        "name": programme.text("name"),
        "queue": programme.text("queue", _QUEUE),
        "deployment": programme.text("deployment", _QUEUE),
        "zone": programme.valid("time_zone", str, _is_zone, "a time zone such as America/New_York"),
        "run_by": programme.valid("run_by", str, lambda _: True, "text, empty for a demonstration"),
        "phone": programme.text("phone"),
        "answer_by_days": programme.number("answer_by_days", 1, 30),
        "notice_days": programme.number("notice_days", 0, 30),
        "offered_share": programme.number("offered_share", 0, 100),
        "lock_minutes": programme.number("lock_minutes", 1, 30),
        "serve_days": programme.number("serve_days", 1, 21),
        "retention_authority": programme.valid(
            "retention_authority", str, lambda _: True, "text, empty for a demonstration"
        ),
        "max_people": programme.number("max_people", 1, 20),
        "visit_types": programme.ids("visit_types"),
        "access": programme.ids("access"),
        "languages": spoken,
        "centers": [_center(row, tuple(spoken)) for row in centers.rows("centers")],
        "locales": locales,
        "words": {it["tag"]: _words((words, city / "words"), it["tag"]) for it in locales},
    }


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML file of the profile, as a mapping. Raises BadCity."""
    import yaml  # not in the functions' bundle

    class Loader(yaml.SafeLoader):
        """PyYAML keeps the last of two entries of one name; here that is a mistake."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise yaml.YAMLError(f"{twice} is there twice, {node.start_mark}")
            return super().construct_mapping(node, deep)

    try:
        data = yaml.load(path.read_text("utf-8"), Loader)  # noqa: S506 - it is a SafeLoader
    except FileNotFoundError:
        raise BadCity(f"{path.name} is missing from {path.parent}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadCity(f"{path.name} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise BadCity(f"{path.name} must be a mapping of names to values")
    return data


class _Checked:
    """One file's values, each asked for with what it must be."""

    def __init__(self, path: Path, values: Mapping[str, Any] | None = None, where: str = ""):
        self.path = path
        self.values = read_yaml(path) if values is None else values
        self.where = where

    def valid(self, key: str, kind: type, test: Callable[[Any], bool], must: str) -> Any:
        value = self.values.get(key)
        if (
            not isinstance(value, kind)
            or (kind is int and isinstance(value, bool))
            or not test(value)
        ):
            raise BadCity(f"{self.path.name}: {self.where}{key} must be {must}")
        return value

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        must = f"text like {pattern.pattern}" if pattern else "text that is not empty"
        test = pattern.fullmatch if pattern else str.strip
        return cast(str, self.valid(key, str, lambda value: bool(test(value)), must))

    def flag(self, key: str) -> bool:
        """A word that may be left out: false then."""
        return key in self.values and cast(
            bool, self.valid(key, bool, lambda _: True, "true or false")
        )

    def number(self, key: str, least: int, most: int) -> int:
        must = f"a whole number from {least} to {most}"
        return cast(int, self.valid(key, int, lambda value: least <= value <= most, must))

    def ids(self, key: str) -> list[str]:
        def test(value: list[Any]) -> bool:
            return (
                bool(value)
                and len(set(value)) == len(value)
                and all(isinstance(item, str) and _ID.fullmatch(item) for item in value)
            )

        return cast(list[str], self.valid(key, list, test, "a list of different short names"))

    def names(self, key: str, count: int) -> list[str]:
        def test(value: list[Any]) -> bool:
            return len(value) == count and all(isinstance(item, str) for item in value)

        return cast(list[str], self.valid(key, list, test, f"a list of {count} names"))

    def some(self, key: str, allowed: tuple[str, ...]) -> list[str]:
        def test(value: list[Any]) -> bool:
            return (
                bool(value)
                and all(isinstance(item, str) for item in value)
                and len(set(value)) == len(value)
                and set(value) <= {*allowed}
            )

        return cast(list[str], self.valid(key, list, test, "some of " + ", ".join(allowed)))

    def days(self, key: str) -> list[str]:
        # YAML reads 2026-12-03 as a date by itself.
        given = self.valid(key, list, lambda value: all(type(it) is date for it in value), "dates")
        return [it.isoformat() for it in given]

    def mapping(self, key: str) -> dict[str, Any]:
        return cast(dict[str, Any], self.valid(key, dict, bool, "a mapping"))

    def rows(self, key: str) -> "list[_Checked]":
        rows = self.valid(key, list, bool, "a list of entries")
        checked = []
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise BadCity(f"{self.path.name}: {self.where}{key} {number} must be a mapping")
            checked.append(_Checked(self.path, row, f"{self.where}{key} {number}: "))
        ids = [row.values.get("id", row.values.get("tag")) for row in checked]
        names = [str(it) for it in ids if it is not None]
        if len(set(names)) != len(names):
            raise BadCity(f"{self.path.name}: two of the {key} have the same name")
        return checked


def _center(row: _Checked, spoken: tuple[str, ...]) -> dict[str, Any]:
    if row.values.get("id") == "any":
        raise BadCity(f"{row.path.name}: {row.where}id must not be the word any")
    center: dict[str, Any] = {
        "id": row.text("id", _ID),
        "name": row.text("name"),
        "address": row.text("address"),
        "hours": [_hours(it, "dates" in row.values) for it in row.rows("hours")],
        "verified": row.valid("verified", bool, lambda _: True, "true or false"),
    }
    if "path" in row.values:
        center["path"] = row.text("path", PATH)
        if center["path"] == DESK:
            raise BadCity(f"{row.path.name}: {row.where}path must not be the word {DESK}")
        if (
            len(json.dumps(center["name"] + center["address"], ensure_ascii=False).encode()) - 2
            > _UNLISTED_LETTERS
        ):
            raise BadCity(
                f"{row.path.name}: {row.where}name and address must have"
                f" {_UNLISTED_LETTERS} bytes at most, together, where there is a path"
            )
    if "access" in row.values:
        center["access"] = row.some("access", CENTER_ACCESS)
    if "transit" in row.values:
        center["transit"] = row.text("transit")
    if "languages" in row.values:
        center["languages"] = row.some("languages", spoken)
    for key in ("dates", "closed"):
        if key in row.values:
            center[key] = row.days(key)
    if "opens" in row.values:
        opens = _Checked(row.path, row.mapping("opens"), f"{row.where}opens: ")
        if "dates" not in row.values:
            center["days"] = opens.some("days", _WEEKDAYS)
        times: list[tuple[str, int]] = []
        for part in ("am", "pm", "eve"):
            if part in opens.values:
                times += _part(_Checked(row.path, opens.mapping(part), f"{opens.where}{part}: "))
        if not times or len({at for at, _ in times}) != len(times):
            raise BadCity(f"{row.path.name}: {opens.where}am, pm or eve must have different times")
        center["times"] = sorted(times)
    return center


def _hours(row: _Checked, pop_up: bool) -> dict[str, Any]:
    days = [] if pop_up and "days" not in row.values else row.some("days", _WEEKDAYS)
    start, end = row.text("from", _CLOCK), row.text("to", _CLOCK)
    if start >= end:
        raise BadCity(f"{row.path.name}: {row.where}to must be later than from")
    return {"days": sorted(days, key=_WEEKDAYS.index), "start": start, "end": end}


def _part(part: _Checked) -> list[tuple[str, int]]:
    """The seats of a part of day, spread over its times; the earlier ones get what is left over."""
    times = part.valid(
        "at",
        list,
        lambda value: (
            bool(value) and all(isinstance(at, str) and _CLOCK.fullmatch(at) for at in value)
        ),
        'a list of times in quotes, such as "09:30"',
    )
    each, over = divmod(part.number("seats", 1, 500), len(times))
    spread = [(at, each + (n < over)) for n, at in enumerate(sorted(times))]
    return [(at, seats) for at, seats in spread if seats]


def _locales(languages: _Checked) -> list[dict[str, Any]]:
    """The languages that the site has. Every row is checked, those of drafts too."""
    rows = [(row, _locale(row)) for row in languages.rows("locales")]
    shown = [locale for row, locale in rows if not row.flag("draft")]
    if not shown:
        raise BadCity(f"{languages.path.name}: one of the locales must not be a draft")
    return shown


def _locale(row: _Checked) -> dict[str, Any]:
    tag = row.text("tag", _TAG)
    locale: dict[str, Any] = {
        "tag": tag,
        "name": row.text("name"),
        "direction": row.text("direction", re.compile("ltr|rtl")),
        "desk": row.flag("desk"),
    }
    locale["day_pattern"] = row.valid("day_pattern", str, _is_day_pattern, _DAY_PATTERN)
    locale["time_pattern"] = row.valid("time_pattern", str, _is_time_pattern, _TIME_PATTERN)
    locale["halves"] = ["", ""]
    if "halves" in row.values or "{half" in locale["time_pattern"]:
        locale["halves"] = row.names("halves", 2)
        if len(set(locale["halves"]) - {""}) < 2:
            raise BadCity(f"{row.path.name}: {row.where}halves must be two different names")
    given = row.values.get("dates")  # for a language that Babel does not know
    if given is None:
        return locale | _names(tag)
    dates = _Checked(row.path, given, f"{row.where}dates: ")
    for key, count in (("weekdays", 7), ("months", 12)):
        locale[key] = dates.names(key, count)
    return locale


def _names(tag: str) -> dict[str, list[str]]:
    from babel import Locale as BabelLocale

    locale = BabelLocale.parse(tag, sep="-")
    return {
        "weekdays": [locale.days["format"]["wide"][n] for n in range(7)],
        "months": [locale.months["format"]["wide"][n] for n in range(1, 13)],
    }


def _is_day_pattern(pattern: str) -> bool:
    try:
        written = pattern.format(weekday="<w>", month="<m>", month_number="<m>", day="<d>")
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        return False
    return all(part in written for part in ("<w>", "<d>", "<m>"))


def _is_time_pattern(pattern: str) -> bool:
    try:
        written = pattern.format(hour="<h>", hour12="<12>", minute="<m>", half="<p>")
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        return False
    return "<m>" in written and ("<h>" in written or ("<12>" in written and "<p>" in written))


def _words(folders: tuple[Path, Path], tag: str) -> dict[str, str]:
    found = [path for folder in folders if (path := folder / f"{tag}.po").exists()]
    if not found:
        raise BadCity(f"{tag}.po is missing from {folders[0]}")
    words: dict[str, str] = {}
    for path in found:
        words |= _translated(path, tag)
    return words


def _translated(path: Path, tag: str) -> dict[str, str]:
    from babel.messages.pofile import PoFileError, read_po

    try:
        with path.open("rb") as file:
            catalog = read_po(file, locale=tag.replace("-", "_"), abort_invalid=True)
    except PoFileError as error:
        raise BadCity(f"{path.name} is not a .po file: {error}") from None
    # An empty or doubtful translation shows the English: an honest gap, which a test counts.
    return {
        str(message.id): str(message.string)
        for message in catalog
        if message.id and message.string and not message.fuzzy
    }


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
