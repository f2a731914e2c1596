"""How staff name requests on a command line: by the first digits of their ids."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.errors import QuietdeskError
from quietdesk.staff.desk.queue import Pulled
from quietdesk.staff.device.opener import Opened, waiting
from quietdesk.store import Store

T = TypeVar("T")
MIN_ID = 8  # digits of an id by which staff name a request


def chosen(queue: Pulled, ids: Sequence[str], everybody: bool) -> list[Opened]:
    """The opened requests of these ids, each once, or all that wait. Raises QuietdeskError."""
    if everybody:
        return [item for item in queue.items.values() if item.state == "waiting"]
    none = "no request that opens has that id"
    found = [_named(queue.items.values(), lambda it: it.id, id, none) for id in ids]
    return list({item.id: item for item in found}.values())


def find(store: Store, city: City, id: str, now: datetime) -> Envelope:
    """The envelope of that id, still sealed. Raises QuietdeskError when there is none, or more than
    one id begins so."""
    sealed = waiting(store, city, now)
    return _named(sealed, lambda it: it.id.hex(), id, "no request has that id")


def _named(items: Iterable[T], id_of: Callable[[T], str], id: str, none: str) -> T:
    if len(id) < MIN_ID:
        raise QuietdeskError(f"give at least the first {MIN_ID} digits of the request's id")
    found = [item for item in items if id_of(item).startswith(id.lower())]
    if not found:
        raise QuietdeskError(f"{none}; it may be erased, cancelled or over")
    # One code sealed in two weeks gives two envelopes of one id, of which the first counts.
    if len({id_of(item) for item in found}) > 1:
        raise QuietdeskError("more than one request has an id that begins so; give more digits")
    return found[0]
