"""What a page of the desk sends: the fields of its address and of its form, and the filter of the
queue in them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qs

from quietdesk.city import City
from quietdesk.request import WINDOWS
from quietdesk.staff import words
from quietdesk.staff.desk.queue import Filter
from quietdesk.web import Call

FORM_VALUES = 2000

Form = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, repr=False)
class Sent:
    """The path after the token, and the fields. It has no repr: it may hold a passphrase."""

    path: str
    query: Form
    form: Form


def read(call: Call, path: str) -> Sent:
    """What a call sends, as a browser writes it. Raises ValueError for anything else."""
    query = parse_qs(call.query, max_num_fields=FORM_VALUES)
    text = call.body.decode("ascii")
    form = parse_qs(text, max_num_fields=FORM_VALUES, encoding="utf-8", errors="strict")
    return Sent(path, query, form)


def one(given: Form, name: str, default: str = "") -> str:
    """The first value of a field."""
    return next(iter(given.get(name, ())), default)


def number(text: str, most: int, least: int = 1) -> int:
    """A whole number in these bounds, the least for what is none."""
    return min(max(int(text), least), most) if re.fullmatch("[0-9]{1,6}", text) else least


def day(text: str) -> date | None:
    """A day as a browser writes it, None for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def filter_in(given: Form, city: City) -> Filter:
    """The filter in an address or a form. Values that no page of ours offers are left out; without
    any, it shows what waits."""

    def offered(name: str, allowed: Iterable[str]) -> str:
        value = one(given, name)
        return value if value in allowed else ""

    everything = one(given, "state") == "all"
    return Filter(
        "" if everything else offered("state", words.STATES) or "waiting",
        offered("center", [center.id for center in city.centers]),
        offered("window", WINDOWS),
        offered("language", city.languages),
        offered("access", city.access),
        offered("visit_type", city.visit_types),
        number(one(given, "people"), city.max_people, 0),
    )


def fields_of(taken: Filter) -> dict[str, str]:
    """The filter as the fields of an address or a form."""
    values = {
        "state": taken.state or "all",
        "center": taken.center,
        "window": taken.window,
        "language": taken.language,
        "access": taken.access,
        "visit_type": taken.visit_type,
        "people": str(taken.people or ""),
    }
    return {name: value for name, value in values.items() if value}
