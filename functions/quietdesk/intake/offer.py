"""Which times a resident may take now: what was published and is to be believed, still lies ahead,
is at a center of today's list, and has a seat left.
"""

from dataclasses import dataclass

from quietdesk import openings
from quietdesk.errors import BadEnvelope, BadSignature, StoreUnavailable
from quietdesk.openings import DESK, Listing, Opening
from quietdesk.programme import Programme


@dataclass(frozen=True, slots=True)
class Published:
    """The list of times of a path, and the two signed documents it is believed by."""

    listing: Listing
    signed: str
    devices: str


NOTHING = Published(openings.NOTHING, "", "")


def published(programme: Programme, path: str) -> Published:
    """What is published of a path. NOTHING where none is to be believed: then the page is the
    request form."""
    queue, store = programme.city.queue, programme.store
    name = openings.listing_name(queue, path)
    held = None if path == DESK else store.read(name)
    devices = store.read("devices")
    if held is None or devices is None:
        return NOTHING
    try:
        listing = openings.verify_listing(held[0], devices[0], programme.trust, queue, path)
    except BadSignature:
        return NOTHING
    return Published(listing, held[0].decode(), devices[0].decode())


def free(programme: Programme, listing: Listing) -> list[Opening]:
    """What of a list may be taken and has a seat left."""
    takeable = _takeable(programme, listing)
    left = programme.store.seats(takeable)
    return [opening for opening in takeable if left[opening] > 0]


def times(programme: Programme, path: str) -> list[Opening] | None:
    """The free openings of a path, for a page; None while the store does not answer."""
    try:
        return free(programme, published(programme, path).listing)
    except StoreUnavailable:
        return None


def require(programme: Programme, opening: Opening, held: Opening | None = None) -> None:
    """That a resident may take the opening now, or may keep it: `held` is what they have, from
    whomever. Raises BadEnvelope."""
    if opening == held and ahead(programme, opening):
        return
    if opening not in _takeable(programme, published(programme, opening.path).listing):
        raise BadEnvelope("gone")


def ahead(programme: Programme, opening: Opening) -> bool:
    return opening.starts(programme.city.zone) > programme.clock()


def opening_of(text: str) -> Opening | None:
    """The opening that somebody's text names, if it names any."""
    try:
        return Opening.parse(text)
    except ValueError:
        return None


def path_of(opening: Opening | None) -> str:
    """The path that a resident finds an opening under, or none."""
    return opening.path if opening and opening.path != DESK else ""


def typed_path(text: str) -> str:
    """A path as somebody typed it, or none."""
    path = text.strip("/").lower()
    return path if openings.PATH.fullmatch(path) and path != DESK else ""


def _takeable(programme: Programme, listing: Listing) -> list[Opening]:
    """What residents may take of a list, as of today's centers.yml."""
    paths = {center.id: center.path for center in programme.city.centers}
    takeable = listing.takeable(programme.clock(), programme.city.zone)
    return [it for it in takeable if paths.get(it.center) == it.path]
