"""What the reply in an envelope says to who has the code: waiting, placed, or no place.

The phone writes the first one and the desk the next; docs/envelope.md has the values. The sealed
form is always of one size (envelope.seal_reply).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from quietdesk.city import Center
from quietdesk.errors import CannotOpen
from quietdesk.openings import Opening, named

_KEYS = ("state", "look_again", "opening", "name", "address", "no")
STATES = ("waiting", "placed", "none")


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """`waiting`: look again on `look_again`, if it is known. `placed`: come to `opening`; a center
    that the site does not list brings its `name` and `address`. `none`: there is no place.

    `was`: the desk closed the day on which they had a time, and has told nobody yet. It is for the
    desk, which finds in it whom to call; phones pass over it. It is written `no` (no visit on that
    day), and is a day and no more: the longest reply leaves room for just that."""

    state: str
    look_again: date | None = None
    opening: Opening | None = None
    name: str = ""
    address: str = ""
    was: date | None = None

    def __repr__(self) -> str:
        return "<Reply>"


def waiting(look_again: date) -> Reply:
    """Nobody has given it a time yet."""
    return Reply("waiting", look_again=look_again)


def placed(opening: Opening, center: Center) -> Reply:
    """The visit is on."""
    told = () if not center.path else (center.name, center.address)
    return Reply("placed", None, opening, *told)


def write(reply: Reply) -> dict[str, Any]:
    """The values that are sealed, for `envelopes.seal_reply`."""
    values: dict[str, Any] = {"state": reply.state}
    if reply.look_again:
        values["look_again"] = reply.look_again.isoformat()
    if reply.opening:
        values["opening"] = str(reply.opening)
    if reply.name:
        values |= {"name": reply.name, "address": reply.address}
    if reply.was:
        values["no"] = reply.was.isoformat()
    return values


def read(values: Mapping[str, Any]) -> Reply:
    """The reply in opened values. Raises CannotOpen for what none of ours writes."""
    try:
        state, day, opening, name, address, was = (str(values.get(key, "")) for key in _KEYS)
        if any(not isinstance(values.get(key, ""), str) for key in _KEYS):
            raise ValueError("not text")
        (name + address).encode()  # half of a surrogate pair could not be shown
        if state not in STATES or (state == "placed") != bool(opening):
            raise ValueError("another state")
        return Reply(state, _day(day), named(opening), name, address, _day(was))
    except (ValueError, TypeError, AttributeError):
        raise CannotOpen("the reply says nothing that we know") from None


def _day(text: str) -> date | None:
    day = date.fromisoformat(text) if text else None
    if day and day.isoformat() != text:
        raise ValueError("another spelling of a day")
    return day
