"""Where and when, as a language writes it: visits, free times, opening hours, calendar files."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from markupsafe import Markup

from quietdesk.city import Center
from quietdesk.openings import Opening
from quietdesk.pages.english import CONFIRM, STATES
from quietdesk.pages.speech import Words
from quietdesk.replies import Reply

DAYS_SHOWN = 12  # of each center, on a page without scripts


def visit(words: Words, reply: Reply) -> dict[str, str]:
    """Where and when a visit is, in words: name, address, day, time."""
    opening, locale = reply.opening, words.locale
    if opening is None:
        raise ValueError("only a placed reply has a visit")
    center = words.city.center(opening.center)
    ask = words("Ask where: call {phone}.", phone=words.phone)
    return {
        "name": reply.name or (center.name if center else ask),
        "address": reply.address or (address(words, center) if center else ""),
        "day": locale.day(opening.day),
        "time": locale.time(opening.at),
    }


def address(words: Words, center: Center) -> str:
    """The address, with a mark while nobody has confirmed it."""
    mark = "" if center.verified else f" {words(CONFIRM)}"
    return center.address + mark


def where(words: Words, opening: Opening) -> Markup:
    """Place, day and time of an opening, in one line."""
    told = visit(words, Reply("placed", None, opening))
    values = {"place": told["name"], "day": told["day"], "time": told["time"]}
    return words("{place}: {day}, {time}", **values)


def said(words: Words, reply: Reply | None) -> Markup:
    """What a reply says, in one line."""
    if reply is None:
        return Markup("")
    return where(words, reply.opening) if reply.opening else words(STATES[reply.state])


def offered(
    words: Words, openings: Sequence[Opening], preset: str
) -> list[tuple[Center, Markup, list[tuple[str, list[tuple[str, str]]]]]]:
    """For each center that has free times: the first in words, and the next days, each with
    (opening, time in words). The preset center comes first, then the one that is free first."""
    locale = words.locale
    by_center: dict[str, dict[date, list[Opening]]] = {}
    for opening in openings:
        by_center.setdefault(opening.center, {}).setdefault(opening.day, []).append(opening)
    shown = []
    for id, days in by_center.items():
        if center := words.city.center(id):
            rows = [
                (locale.day(day), [(str(it), locale.time(it.at)) for it in of_day])
                for day, of_day in list(days.items())[:DAYS_SHOWN]
            ]
            first = words("{day}, {time}", day=rows[0][0], time=rows[0][1][0][1])
            shown.append((center, first, rows))
    return sorted(shown, key=lambda row: row[0].id != preset)


def hours(center: Center, words: Words) -> list[Markup | str]:
    """When a center is open, in lines: `Monday – Friday: 9:00 AM – 5:00 PM`."""
    return [
        words("{day}: {part}", day=day, part=span) if day else span
        for hours in center.hours
        for day, span in words.locale.hours(hours)
    ]


def calendar(words: Words, opening: Opening) -> str:
    """A calendar file (RFC 5545) of an hour titled "Appointment", without place or name. Its time
    is the clock's at the place, whatever zone the phone is in."""
    starts = datetime.combine(opening.day, time.fromisoformat(opening.at))
    ends = starts + timedelta(hours=1)
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//quietdesk//EN", "BEGIN:VEVENT",
        f"UID:{starts:%Y%m%dT%H%M}@appointment.invalid", f"DTSTAMP:{starts:%Y%m%dT%H%M%S}Z",
        f"DTSTART:{starts:%Y%m%dT%H%M%S}", f"DTEND:{ends:%Y%m%dT%H%M%S}",
        f"SUMMARY:{_ics(words('Appointment').unescape())}", "END:VEVENT", "END:VCALENDAR",
    )  # fmt: skip
    return "".join(line + "\r\n" for line in lines)


def _ics(text: str) -> str:
    """A text in a calendar file (RFC 5545 section 3.3.11)."""
    for letter in "\\;,":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("\n", "\\n")
