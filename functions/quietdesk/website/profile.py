"""The compiler of the city profile: YAML and .po files in, one checked file of JSON out.

It runs where the website is built, and where a programme is started or released; never in a
function or at a desk. Functions and desks read what it wrote (quietdesk.city).
"""

import json
import os
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.messages.pofile import PoFileError, read_po

from quietdesk import weeks
from quietdesk.city import CENTER_ACCESS, WEEKDAYS, City
from quietdesk.errors import BadCity
from quietdesk.openings import DESK, PATH
from quietdesk.website.checked import ID, Checked

_QUEUE = re.compile(r"[a-z][a-z0-9-]{0,15}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_UNLISTED_LETTERS = 120  # name and address of a center that is not listed travel in the reply
_DAY_PATTERN = "text with {weekday}, {day} and {month} or {month_number}"
_TIME_PATTERN = "text with {minute} and {hour}, or {hour12} and {half}"
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?")


def write_profile(city: Path, words: Path, target: Path) -> City:
    """Compiles the city profile into `target`, if it changed, and gives the City in it."""
    data = compile_profile(city, words)
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    if not target.exists() or target.read_text("utf-8") != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Never half a file: a server may be reading it, and another build writing it.
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        fresh.write_text(text, "utf-8")
        fresh.replace(target)
    return City.from_data(json.loads(text))


def compile_profile(city: Path, words: Path) -> dict[str, Any]:
    """The profile in a folder of YAML files and a folder of .po files, as JSON-able values. The
    city's own .po files, in `words` inside its folder, add to them and win over them. Raises
    BadCity with the file and what is wrong in it."""
    programme = Checked(city / "programme.yml")
    centers = Checked(city / "centers.yml")
    languages = Checked(city / "languages.yml")
    locales = _locales(languages)
    spoken = languages.ids("visit_languages")
    return {
        "name": programme.text("name"),
        "queue": programme.text("queue", _QUEUE),
        "deployment": programme.text("deployment", _QUEUE),
        "zone": programme.valid("time_zone", str, _is_zone, "a time zone such as America/New_York"),
        "run_by": programme.valid("run_by", str, lambda _: True, "text, empty for a demonstration"),
        "phone": programme.text("phone"),
        "answer_by_days": _answer_by_days(programme),
        "notice_days": programme.number("notice_days", 0, 30),
        "offered_share": programme.number("offered_share", 0, 100),
        "lock_minutes": programme.number("lock_minutes", 1, 30),
        "serve_days": programme.number("serve_days", 1, weeks.MAX_SERVE_DAYS),
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


def _answer_by_days(programme: Checked) -> int:
    """Refused where a request could not be kept waiting so long on some day of the week."""
    serve_days = programme.number("serve_days", 1, weeks.MAX_SERVE_DAYS)
    longest = weeks.longest_answer(serve_days)
    days = programme.number("answer_by_days", 1, weeks.longest_answer(weeks.MAX_SERVE_DAYS))
    if days > longest:
        raise BadCity(
            f"{programme.path.name}: answer_by_days must be at most {longest} while serve_days is"
            f" {serve_days}: write answer_by_days: {longest}, or serve_days: {days - 7}"
        )
    return days


def _center(row: Checked, spoken: tuple[str, ...]) -> dict[str, Any]:
    if row.values.get("id") == "any":
        raise BadCity(f"{row.path.name}: {row.where}id must not be the word any")
    center: dict[str, Any] = {
        "id": row.text("id", ID),
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
        opens = Checked(row.path, row.mapping("opens"), f"{row.where}opens: ")
        if "dates" not in row.values:
            center["days"] = opens.some("days", WEEKDAYS)
        times: list[tuple[str, int]] = []
        for part in ("am", "pm", "eve"):
            if part in opens.values:
                times += _part(Checked(row.path, opens.mapping(part), f"{opens.where}{part}: "))
        if not times or len({at for at, _ in times}) != len(times):
            raise BadCity(f"{row.path.name}: {opens.where}am, pm or eve must have different times")
        center["times"] = sorted(times)
    return center


def _hours(row: Checked, pop_up: bool) -> dict[str, Any]:
    days = [] if pop_up and "days" not in row.values else row.some("days", WEEKDAYS)
    start, end = row.text("from", _CLOCK), row.text("to", _CLOCK)
    if start >= end:
        raise BadCity(f"{row.path.name}: {row.where}to must be later than from")
    return {"days": sorted(days, key=WEEKDAYS.index), "start": start, "end": end}


def _part(part: Checked) -> list[tuple[str, int]]:
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


def _locales(languages: Checked) -> list[dict[str, Any]]:
    """The languages that the site has. Every row is checked, those of drafts too."""
    rows = [(row, _locale(row)) for row in languages.rows("locales")]
    shown = [locale for row, locale in rows if not row.flag("draft")]
    if not shown:
        raise BadCity(f"{languages.path.name}: one of the locales must not be a draft")
    return shown


def _locale(row: Checked) -> dict[str, Any]:
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
    dates = Checked(row.path, given, f"{row.where}dates: ")
    for key, count in (("weekdays", 7), ("months", 12)):
        locale[key] = dates.names(key, count)
    return locale


def _names(tag: str) -> dict[str, list[str]]:
    locale = Locale.parse(tag, sep="-")
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
