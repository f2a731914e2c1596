"""What a page of the desk sends: the fields of its address and of its form, and in the address
where in the queue somebody is.

That goes along in every address: it names languages and centers, and never a request or a person.
So Back, reload and a second tab have it, and nothing has to remember it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import parse_qs, urlencode

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


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the queue somebody is: what is shown, its page, and a row of that page, 0 for
    none."""

    filter: Filter
    page: int = 1
    row: int = 0

    def address(self, path: str, **more: object) -> str:
        """A path with this spot in its query, and with what more a page needs to be found."""
        values = {**more, **fields_of(self.filter), "page": self.page, "row": self.row}
        usual = {"state": "waiting", "page": 1, "row": 0}
        query = urlencode({name: it for name, it in values.items() if it != usual.get(name)})
        return f"{path}?{query}" if query else path

    @property
    def queue(self) -> str:
        """The address of the queue there."""
        seen = replace(self, row=0).address("/")
        return f"{seen}#row-{self.row}" if self.row else seen


START = Spot(Filter("waiting"))


def spot_in(query: Form, city: City) -> Spot:
    """The spot in an address. What no page of ours offers is left out."""
    page, row = number(one(query, "page"), 100_000), number(one(query, "row"), 1000, 0)
    return Spot(filter_in(query, city), page, row)


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
