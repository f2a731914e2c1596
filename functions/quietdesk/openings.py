"""The published times: openings with seats, signed by a staff computer, and who may take them.

The public documents of a queue: one list of times, and one more for each path that is given out by
hand (a partner, a pop-up) or kept for the desk. Seats left are counters in the store, not here.
The bytes are specified in docs/envelope.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any, Self
from zoneinfo import ZoneInfo

from quietdesk import devices, weeks
from quietdesk.errors import BadSignature, WrongDocument
from quietdesk.signed import Trust, document_body, read_signed
from quietdesk.weeks import WEEKS_AHEAD, Epoch
from quietdesk.wire import b64, unb64

DESK = "desk"  # the path of the seats that only the desk gives out
PATH = re.compile(r"[a-z][a-z0-9-]{2,14}")

_ID = re.compile(r"([a-z][a-z0-9_-]{0,31})\.(\d{4}-\d\d-\d\d)\.([01]\d|2[0-3])([0-5]\d)(?:\.(.+))?")


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """A time at a center: `day`, `at` (`09:30`, on the programme's clock) and the path whose seats
    it has ("" for everybody's). `str` gives its id, `corona.2026-12-03.0930`, 64 letters at most;
    with a path, `corona.2026-12-03.0930.partner`."""

    day: date
    at: str
    center: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is exactly the id of an opening on a day that exists."""
        match = _ID.fullmatch(text) if isinstance(text, str) and text.isascii() else None
        if match is None or (match[5] and not PATH.fullmatch(match[5])):
            raise ValueError("not an opening")
        return cls(date.fromisoformat(match[2]), f"{match[3]}:{match[4]}", match[1], match[5] or "")

    def __str__(self) -> str:
        name = f"{self.center}.{self.day.isoformat()}.{self.at.replace(':', '')}"
        return f"{name}.{self.path}" if self.path else name

    @property
    def epoch(self) -> Epoch:
        """The week of the visit: a request that takes the opening is sealed to its key."""
        return Epoch.of(self.day)

    @property
    def part_of_day(self) -> str:
        """am (before 12:00), pm (before 17:00) or eve."""
        return "am" if self.at < "12:00" else "pm" if self.at < "17:00" else "eve"

    def starts(self, zone: ZoneInfo) -> datetime:
        """When the visit begins, as UTC."""
        return datetime.combine(self.day, time.fromisoformat(self.at), zone).astimezone(UTC)


def named(text: str) -> Opening | None:
    """The opening of an id, where "" is none. Raises ValueError for any other text."""
    return None if text == "" else Opening.parse(text)


@dataclass(frozen=True, slots=True)
class Listing:
    """One published list. `seats` is how many each opening had when it was published, `closed` the
    (center, day) pairs that staff closed; while `taking` is false nobody can take a time. `number`
    and `signed_on`, as in signed.Paper, are of the document and make no list another one."""

    path: str
    taking: bool
    seats: Mapping[Opening, int]
    closed: frozenset[tuple[str, date]] = frozenset()
    number: int = field(default=0, compare=False)
    signed_on: date | None = field(default=None, compare=False)

    def takeable(self, now: datetime, zone: ZoneInfo) -> list[Opening]:
        """The openings a resident may take now, the earliest first: from tomorrow on, and no
        further ahead than there may be keys. Whether a seat is left is for the store to say."""
        if not self.taking or self.path == DESK:
            return []
        today, last = now.astimezone(zone).date(), weeks.epoch_at(now, zone).plus(WEEKS_AHEAD)
        return sorted(it for it in self.seats if it.day > today and it.epoch <= last)


NOTHING = Listing("", False, {})


def listing_name(queue: str, path: str) -> str:
    """The name under which the store publishes a list."""
    return f"openings#{queue}#{path}" if path else f"openings#{queue}"


def listing_body(
    listing: Listing, queue: str, deployment: str, spki: bytes, number: int, day: date
) -> bytes:
    """The bytes that a staff computer signs on a day; `spki` is its public key."""
    times: dict[str, dict[str, dict[str, int]]] = {}
    for opening, seats in sorted(listing.seats.items()):
        days = times.setdefault(opening.center, {})
        days.setdefault(opening.day.isoformat(), {})[opening.at] = seats
    return document_body(
        "openings",
        deployment,
        number,
        day,
        queue=queue,
        spki=b64(spki),
        path=listing.path,
        taking=listing.taking,
        times=times,
        closed=sorted([center, closed.isoformat()] for center, closed in listing.closed),
    )


def verify_listing(
    raw: bytes, admitted: bytes | None, trust: Trust, queue: str, path: str
) -> Listing:
    """The list in a signed document, if a device signed it that custodians admitted: `admitted` is
    their signed list of devices. Raises BadSignature for anything else."""
    signers = devices.read(admitted, trust).signers(raw)
    says = {"queue": queue, "path": path}
    try:
        paper = read_signed(raw, "openings", signers, 1, _listing, trust.deployment, says)
    except WrongDocument:
        raise
    except BadSignature:
        text = "the list of openings was changed, or signed by a device that is not admitted"
        raise BadSignature(text) from None
    return replace(paper.says, number=paper.number, signed_on=paper.signed_on)


def _listing(document: Mapping[str, Any]) -> Listing:
    path = document["path"]
    unb64(document["spki"])  # for older readers; whose it is, the signature says
    seats = {}
    for center, days in document["times"].items():
        for day, times in days.items():
            for at, count in times.items():
                opening = Opening(date.fromisoformat(day), at, center, path)
                # One spelling for each: else its seats could be listed twice.
                if opening.day.isoformat() != day or Opening.parse(str(opening)) != opening:
                    raise ValueError("not an opening")
                if type(count) is not int or count < 0:
                    raise ValueError("not a number of seats")
                seats[opening] = count
    closed = frozenset((str(center), date.fromisoformat(day)) for center, day in document["closed"])
    return Listing(path, document["taking"] is True, seats, closed)
