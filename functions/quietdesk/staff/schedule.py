"""The openings of the coming weeks: made from centers.yml, published, closed.

Each time has two openings: the seats that residents may take (under the center's path, or under
none), and the seats kept for the desk. Counters are set before a list is published and dropped
after, so that nobody can take what is not counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from quietdesk import keys, openings
from quietdesk.city import City
from quietdesk.errors import Conflict
from quietdesk.keys import WEEKS_AHEAD, Trust
from quietdesk.openings import DESK, Listing, Opening
from quietdesk.request import DAYS
from quietdesk.staff.keyring import Keyring
from quietdesk.store import Store

Closed = frozenset[tuple[str, date]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What publishing does: openings that are new, that go, and that get another number of seats.
    Each is counted once for residents and once for the desk."""

    added: int
    removed: int
    changed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Schedule:
    """The published lists of one queue, as this device may read and sign them."""

    def __init__(self, store: Store, city: City, trust: Trust, device: Keyring):
        self._store = store
        self._city = city
        self._trust = trust
        self._device = device
        self.paths = ("", *sorted({it.path for it in city.centers if it.path}), DESK)

    def published(self) -> dict[str, Listing]:
        """The list of each path; an empty one where none is published. Raises BadSignature."""
        return {path: self._read(path)[0] for path in self.paths}

    def free(self, now: datetime) -> dict[Opening, int]:
        """Every opening from tomorrow on that has a seat left, the earliest first."""
        today = now.astimezone(self._city.zone).date()
        listed = sorted(it for each in self.published().values() for it in each.seats)
        left = self._store.seats([str(it) for it in listed if it.day > today])
        return {it: left[str(it)] for it in listed if left.get(str(it), 0) > 0}

    def preview(self, now: datetime) -> Changes:
        """What `publish` would do now."""
        before = self.published()
        closed = before[""].closed
        each = [_changes(before[path].seats, new) for path, new in self._plan(now, closed).items()]
        return Changes(*(sum(column) for column in zip(*each, strict=True)))

    def publish(self, now: datetime, taking: bool | None = None) -> Changes:
        """Publish the openings of every coming week that has keys. `taking` switches whether
        residents may take them; without it that stays as it is, and is on at first. Raises Conflict
        when somebody else published meanwhile: nothing is lost; do it again."""
        held = {path: self._read(path) for path in self.paths}
        closed = held[""][0].closed
        if taking is None:
            taking = held[""][0].taking or not held[""][1]
        return self._write(held, self._plan(now, closed), closed, taking)

    def close(self, center: str, day: date, now: datetime) -> Changes:
        """Close a center for a day: nobody can take or be given a time there any more. Who has one
        keeps it until the desk gives another. Raises Conflict for a center that is not known."""
        if self._city.center(center) is None:
            raise Conflict("there is no center of that name")
        held = {path: self._read(path) for path in self.paths}
        closed = held[""][0].closed | {(center, day)}
        return self._write(held, self._plan(now, closed), closed, held[""][0].taking)

    def _write(
        self,
        held: Mapping[str, tuple[Listing, int]],
        plan: Mapping[str, Mapping[Opening, int]],
        closed: Closed,
        taking: bool,
    ) -> Changes:
        total = Changes(0, 0, 0)
        for path, wanted in plan.items():
            before, seq = held[path]
            listing = Listing(path, taking, wanted, closed)
            if seq and listing == before:
                continue
            fresh = wanted.keys() - before.seats.keys()
            self._store.set_seats({str(it): wanted[it] for it in fresh})
            self._store.publish(
                openings.listing_name(self._city.queue, path), self._signed(listing), seq
            )
            for opening in wanted.keys() & before.seats.keys():
                if by := wanted[opening] - before.seats[opening]:
                    self._store.add_seats(str(opening), by)
            self._store.drop_seats([str(it) for it in before.seats.keys() - wanted.keys()])
            more = _changes(before.seats, wanted)
            total = Changes(*(a + b for a, b in zip(_numbers(total), more, strict=True)))
        return total

    def _signed(self, listing: Listing) -> bytes:
        device = self._device
        body = openings.listing_body(
            listing, self._city.queue, self._trust.deployment, device.public_key
        )
        return keys.signed_document(body, [device.sign("openings", body)])

    def _read(self, path: str) -> tuple[Listing, int]:
        queue = self._city.queue
        held = self._store.read(openings.listing_name(queue, path))
        if held is None:
            return Listing(path, False, {}), 0
        devices = self._store.read("devices")
        raw = devices[0] if devices else None
        return openings.verify_listing(held[0], raw, self._trust, queue, path), held[1]

    def _plan(self, now: datetime, closed: Closed) -> dict[str, dict[Opening, int]]:
        """What centers.yml says, for every coming day of a week that has keys."""
        today = now.astimezone(self._city.zone).date()
        current = keys.epoch_at(now, self._city.zone)
        days: list[date] = []
        for epoch in (current.plus(n) for n in range(WEEKS_AHEAD + 1)):
            if self._store.read(keys.bundle_name(self._city.queue, epoch)) is None:
                break
            monday = date.fromisocalendar(epoch.year, epoch.week, 1)
            days += [monday + timedelta(days=n) for n in range(7)]
        plan: dict[str, dict[Opening, int]] = {path: {} for path in self.paths}
        for day in (day for day in days if day > today):
            for center, at, path, seats in _times(self._city, day):
                if seats and (center, day) not in closed:
                    plan[path][Opening(day, at, center, path)] = seats
        return plan


def _times(city: City, day: date) -> Iterable[tuple[str, str, str, int]]:
    """Center, time, path and seats of a day. Of an odd seat the resident's half is the larger."""
    for center in city.centers:
        date_text = day.isoformat()
        opens = date_text in center.dates if center.dates else DAYS[day.weekday()] in center.days
        if opens and date_text not in center.closed:
            for at, seats in center.times:
                offered = -(-seats * city.offered_share // 100)
                yield center.id, at, center.path, offered
                yield center.id, at, DESK, seats - offered


def _changes(before: Mapping[Opening, int], after: Mapping[Opening, int]) -> tuple[int, int, int]:
    both = before.keys() & after.keys()
    return (
        len(after.keys() - before.keys()),
        len(before.keys() - after.keys()),
        sum(before[it] != after[it] for it in both),
    )


def _numbers(changes: Changes) -> tuple[int, int, int]:
    return changes.added, changes.removed, changes.changed
