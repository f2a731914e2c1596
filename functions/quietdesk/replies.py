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

_KEYS = ("state", "look_again", "opening", "name", "address")
STATES = ("waiting", "placed", "none")


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """`waiting`: look again on `look_again`, if it is known. `placed`: come to `opening`; a center
    that the site does not list brings its `name` and `address`. `none`: there is no place."""

    state: str
    look_again: date | None = None
    opening: Opening | None = None
    name: str = ""
    address: str = ""

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
    return values


def read(values: Mapping[str, Any]) -> Reply:
    """The reply in opened values. Raises CannotOpen for what none of ours writes."""
    try:
        state, day, opening, name, address = (str(values.get(key, "")) for key in _KEYS)
        if any(not isinstance(values.get(key, ""), str) for key in _KEYS):
            raise ValueError("not text")
        (name + address).encode()  # half of a surrogate pair could not be shown
        if state not in STATES or (state == "placed") != bool(opening):
            raise ValueError("another state")
        look_again = date.fromisoformat(day) if day else None
        if look_again and look_again.isoformat() != day:
            raise ValueError("another spelling of a day")
        return Reply(state, look_again, named(opening), name, address)
    except (ValueError, TypeError, AttributeError):
        raise CannotOpen("the reply says nothing that we know") from None
