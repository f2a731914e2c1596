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
    return _named(queue.items.values(), lambda it: it.id, ids, "no request that opens has that id")


def shut(queue: Pulled, ids: Sequence[str], everything: bool) -> list[str]:
    """The ids in full of those that do not open, each once, or of all that is junk. Raises
    QuietdeskError."""
    if everything:
        return list(dict.fromkeys(it.id for it in queue.junk))
    found = _named(queue.shut, lambda it: it.id, ids, "nothing that does not open has that id")
    return [it.id for it in found]


def find(store: Store, city: City, ids: Sequence[str], now: datetime) -> list[Envelope]:
    """The envelopes of these ids, each once, still sealed: the queue is read once, and no more of
    it kept. Raises QuietdeskError when one is not there, or more than one id begins so."""
    # None at all is read for an id that is too short.
    sealed = waiting(store, city, now) if all(len(id) >= MIN_ID for id in ids) else ()
    return _named(sealed, lambda it: it.id.hex(), ids, "no request has that id")


def _named(items: Iterable[T], id_of: Callable[[T], str], ids: Sequence[str], none: str) -> list[T]:
    if any(len(id) < MIN_ID for id in ids):
        raise QuietdeskError(f"give at least the first {MIN_ID} digits of the request's id")
    named = tuple(id.lower() for id in ids)
    # One code sealed in two weeks gives two envelopes of one id, of which the first counts.
    found: dict[str, T] = {}
    for item in items:
        if id_of(item).startswith(named):
            found.setdefault(id_of(item), item)
    chosen: dict[str, T] = {}
    for id in named:
        matching = [it for it in found if it.startswith(id)]
        if not matching:
            raise QuietdeskError(f"{none}; it may be erased, cancelled or over")
        if len(matching) > 1:
            raise QuietdeskError("more than one request has an id that begins so; give more digits")
        chosen[matching[0]] = found[matching[0]]
    return list(chosen.values())
