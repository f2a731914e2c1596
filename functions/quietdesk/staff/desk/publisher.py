"""The openings of the coming weeks: made from centers.yml, published, closed.

Each time has two openings: the seats that residents may take (under the center's path, or under
none), and the seats kept for the desk. Seats that are taken stay taken, whatever is published.

Lists and counts are written in one step where the store can. Where that was cut short, `preview`
looks at both and says so, and publishing again, by whomever, makes them agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from quietdesk import bundles, openings, weeks
from quietdesk.city import Center, City
from quietdesk.errors import NoDay
from quietdesk.openings import DESK, Listing, Opening
from quietdesk.request import DAYS
from quietdesk.signed import Trust, signed_document
from quietdesk.staff.device.keyring import Keyring
from quietdesk.store import Store
from quietdesk.store.documents import Version
from quietdesk.weeks import WEEKS_AHEAD

Closed = frozenset[tuple[str, date]]
_Held = tuple[Listing, bytes, int]  # the list of a path, its document and the seq of that


@dataclass(frozen=True, slots=True)
class Changes:
    """What publishing does: openings that are new, that go, and that get another number of seats,
    be it in the list or in the count of the store. Each is counted once for residents and once for
    the desk."""

    added: int
    removed: int
    changed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


UNCHANGED = Changes(0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Meant:
    """What publishing makes: the list of each path, how many seats each opening gets, the openings
    whose day is over, and what all that changes."""

    lists: Mapping[str, Listing]
    seats: Mapping[Opening, int]
    over: Sequence[Opening]
    changes: Changes


class Publisher:
    """The published lists of one queue. Who only reads them needs no `device`."""

    def __init__(self, store: Store, city: City, trust: Trust, device: Keyring | None = None):
        self._store = store
        self._city = city
        self._trust = trust
        self._device = device
        self.paths = ("", *sorted({it.path for it in city.centers if it.path}), DESK)

    def published(self) -> dict[str, Listing]:
        """The list of each path, without what is kept in it only to be forgotten in time; an empty
        one where none is published. Raises BadSignature."""
        held = self._held()
        return {path: replace(it, seats=_with_seats(it)) for path, (it, _, _) in held.items()}

    def free(self, now: datetime, closing: tuple[str, date] | None = None) -> dict[Opening, int]:
        """Every opening from tomorrow on that has a seat left, the earliest first; as if the center
        and day of `closing` were closed already."""
        today = now.astimezone(self._city.zone).date()
        listed = sorted(it for each in self.published().values() for it in each.seats)
        left = self._store.seats(it for it in listed if it.day > today)
        open_ones = (it for it in listed if (it.center, it.day) != closing)
        return {it: left[it] for it in open_ones if left.get(it, 0) > 0}

    def left(self, listed: Iterable[Opening]) -> dict[Opening, int]:
        """How many seats each opening has left."""
        return self._store.seats(listed)

    def preview(self, now: datetime) -> Changes:
        """What `publish` would do now, to the lists and to the counts of their seats."""
        held = self._held()
        return self._meant(held, held[""][0].closed, _taking(held), now).changes

    def publish(self, now: datetime, taking: bool | None = None) -> Changes:
        """Publish the openings of every coming week that has keys. `taking` switches whether
        residents may take them; without it that stays as it is, and is on at first. Raises Conflict
        when somebody else published meanwhile: theirs stands, and nothing of ours; do it again.
        Raises HalfPublished when counts are missing: publishing again writes them."""
        held = self._held()
        if taking is None:
            taking = _taking(held)
        return self._write(held, self._meant(held, held[""][0].closed, taking, now), now)

    def close(self, center: str, day: date, now: datetime) -> Changes:
        """Close a center for a day: nobody can take or be given a time there any more. Who has one
        keeps it until the desk gives another. Raises NoDay for a center that is not known, and for
        a day that is over; Conflict and HalfPublished as `publish` does."""
        check_day(self._city, center, day, now)
        held = self._held()
        closed = held[""][0].closed | {(center, day)}
        return self._write(held, self._meant(held, closed, _taking(held), now), now)

    def reopen(self, center: str, day: date, now: datetime) -> Changes:
        """Take a closing back: the times that centers.yml has for that day are published again.
        Raises what `close` raises."""
        check_day(self._city, center, day, now)
        held = self._held()
        closed = held[""][0].closed - {(center, day)}
        return self._write(held, self._meant(held, closed, _taking(held), now), now)

    def _write(self, held: Mapping[str, _Held], meant: _Meant, now: datetime) -> Changes:
        today = now.astimezone(self._city.zone).date()
        devices = self._devices()
        versions = {}
        for path, listing in meant.lists.items():
            before, data, seq = held[path]
            stays = bool(seq) and listing == before
            # Before anything is written: a list that nobody believes would lock every desk out.
            signed = data if stays else self._signed(listing, devices, before.number + 1, today)
            name = openings.listing_name(self._city.queue, path)
            versions[name] = Version(signed, seq, seq if stays else seq + 1)
        # First, while the lists still name them. Nobody can take what is over.
        if meant.over:
            self._store.drop_seats(meant.over)
        self._store.set_seats(meant.seats, versions)
        return meant.changes

    def _meant(
        self, held: Mapping[str, _Held], closed: Closed, taking: bool, now: datetime
    ) -> _Meant:
        today = now.astimezone(self._city.zone).date()
        kept = frozenset((center, day) for center, day in closed if day >= today)
        plan, counted = self._plan(now, kept)
        gone = {
            it for path, (before, _, _) in held.items() for it in {*before.seats} - {*plan[path]}
        }
        # An opening that goes stays in its list, without seats, until its day is over: so its
        # counter is found again and forgotten. Who has a place then keeps it; nobody else gets one.
        lists = {
            path: Listing(
                path,
                taking,
                seats | {it: 0 for it in gone if it.path == path and it.day > today},
                kept,
            )
            for path, seats in plan.items()
        }
        listed = {
            it: seats for before, _, _ in held.values() for it, seats in _with_seats(before).items()
        }
        wanted = {it: count for each in lists.values() for it, count in each.seats.items()}
        counted |= self._store.counted(wanted.keys() - counted.keys())
        over = sorted(it for it in gone if it.day <= today)
        return _Meant(lists, wanted, over, _changes(listed, wanted, counted))

    def _signed(self, listing: Listing, devices: bytes | None, number: int, today: date) -> bytes:
        device = self._device
        if device is None:
            raise ValueError("only an unlocked device signs")
        queue, deployment = self._city.queue, self._trust.deployment
        body = openings.listing_body(listing, queue, deployment, device.public_key, number, today)
        document = signed_document(body, [device.sign("openings", body)])
        self._verified(document, devices, listing.path)
        return document

    def _held(self) -> dict[str, _Held]:
        devices, held = self._devices(), {}
        for path in self.paths:
            document = self._store.read(openings.listing_name(self._city.queue, path))
            held[path] = (Listing(path, False, {}), b"", 0)
            if document is not None:
                held[path] = (self._verified(document[0], devices, path), *document)
        return held

    def _devices(self) -> bytes | None:
        held = self._store.read("devices")
        return held[0] if held else None

    def _verified(self, document: bytes, devices: bytes | None, path: str) -> Listing:
        return openings.verify_listing(document, devices, self._trust, self._city.queue, path)

    def _plan(
        self, now: datetime, closed: Closed
    ) -> tuple[dict[str, dict[Opening, int]], dict[Opening, tuple[int, int]]]:
        """What centers.yml says, for every coming day of a week that has keys: how many seats each
        opening of a path gets. And how they are counted now."""
        today = now.astimezone(self._city.zone).date()
        current = weeks.epoch_at(now, self._city.zone)
        days: list[date] = []
        for epoch in (current.plus(n) for n in range(WEEKS_AHEAD + 1)):
            if self._store.read(bundles.name(self._city.queue, epoch)) is None:
                break
            days += epoch.days
        pairs = [
            (Opening(day, at, center.id, center.path), Opening(day, at, center.id, DESK), seats)
            for day in days
            if day > today
            for center in self._city.centers
            if _opens(center, day) and (center.id, day) not in closed
            for at, seats in center.times
        ]
        counted = self._store.counted(it for offered, kept, _ in pairs for it in (offered, kept))
        plan: dict[str, dict[Opening, int]] = {path: {} for path in self.paths}
        for offered, kept, seats in pairs:
            # Of an odd seat the residents' half is the larger. What one side has taken beyond its
            # share, the other has less.
            share = -(-seats * self._city.offered_share // 100)
            taken, desks = counted[offered][1], counted[kept][1]
            share = max(min(taken, seats), min(share, seats - desks))
            for opening, count in ((offered, share), (kept, seats - share)):
                if count > 0:
                    plan[opening.path][opening] = count
        return plan, counted


def check_day(city: City, center: str, day: date, now: datetime) -> None:
    """Raises NoDay for a center that is not known, and for a day that is over."""
    if city.center(center) is None:
        raise NoDay("there is no center of that name")
    if day < now.astimezone(city.zone).date():
        raise NoDay("that day is over")


def _opens(center: Center, day: date) -> bool:
    if day.isoformat() in center.closed:
        return False
    return day.isoformat() in center.dates if center.dates else DAYS[day.weekday()] in center.days


def _with_seats(listing: Listing) -> dict[Opening, int]:
    return {opening: seats for opening, seats in listing.seats.items() if seats}


def _taking(held: Mapping[str, _Held]) -> bool:
    """Whether residents may take times: at first they may."""
    listing, _, seq = held[""]
    return listing.taking or not seq


def _changes(
    listed: Mapping[Opening, int],
    wanted: Mapping[Opening, int],
    counted: Mapping[Opening, tuple[int, int]],
) -> Changes:
    # A path is part of an opening's name: all lists together name each opening once.
    new = {it for it, seats in wanted.items() if seats}
    added, removed = new - listed.keys(), listed.keys() - new
    right = {it for it, seats in wanted.items() if listed.get(it, 0) == counted[it][0] == seats}
    return Changes(len(added), len(removed), len(wanted.keys() - added - removed - right))
