"""The opened queue in memory: order, filters, what belongs together, who is due, and which place
fits whom.

Nothing here reads or writes anything. Requests are told apart by what they say only on this
computer; the store sees none of it.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from quietdesk import weeks
from quietdesk.city import City
from quietdesk.envelopes import Envelope
from quietdesk.openings import DESK, Opening
from quietdesk.request import ANY, DAYS, Request
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.weeks import Epoch

VOUCHED = "V"
LANES = f"{VOUCHED}PKN"  # the order in which the desk reads them
NAG_DAYS = 3


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests to show; "" and 0 mean all. `state` is waiting, placed or none; `people` is
    how many at least."""

    state: str = ""
    center: str = ""
    window: str = ""
    language: str = ""
    access: str = ""
    visit_type: str = ""
    people: int = 0

    def takes(self, item: Opened) -> bool:
        """Whether the request is one to show."""
        asked = item.request
        return (
            self.state in ("", item.state)
            and (not self.center or bool({self.center, ANY} & {*asked.centers}))
            and (
                not self.window or not asked.windows or bool({self.window, ANY} & {*asked.windows})
            )
            and self.language in ("", asked.language)
            and (not self.access or self.access in asked.access)
            and self.visit_type in ("", asked.visit_type)
            and asked.people >= self.people
        )


@dataclass(frozen=True, slots=True, repr=False)
class Pulled:
    """The opened queue at one moment: `items` by id and in the order of the queue, the phones that
    stand in more than one, how many are in each state, and what does not open. Whoever changes
    something makes another one, so whoever reads one reads all of it. It has no repr."""

    at: datetime | None
    items: Mapping[str, Opened]
    shut: tuple[Unopened, ...]
    shared: frozenset[str]
    counts: Mapping[str, int]
    first_end: float

    @classmethod
    def of(cls, at: datetime | None, opened: Iterable[Opened], shut: Iterable[Unopened]) -> Self:
        items = {item.id: item for item in ordered(opened)}
        return cls(
            at,
            items,
            tuple(shut),
            frozenset(shared_phones(items.values())),
            Counter(item.state for item in items.values()),
            min((item.envelope.expires for item in items.values()), default=float("inf")),
        )

    def live(self, now: datetime) -> "Pulled":
        """The same without the requests that are over."""
        if now.timestamp() < self.first_end:
            return self
        left = (it for it in self.items.values() if it.envelope.expires > now.timestamp())
        return Pulled.of(self.at, left, self.shut)

    def changed(self, became: Mapping[str, Opened | Unopened | None]) -> "Pulled":
        """The same with what became of some: another state, nothing that opens, or nothing. What
        is here with a later rev stays."""
        became = {id: it for id, it in became.items() if not _later(self.items.get(id), it)}
        opened = {it.id: it for it in became.values() if isinstance(it, Opened)}
        kept = {id: item for id, item in self.items.items() if id not in became}
        still_shut = [it for it in self.shut if it.id not in became]
        shut = [it for it in became.values() if isinstance(it, Unopened)]
        return Pulled.of(self.at, (kept | opened).values(), [*still_shut, *shut])

    def keeping(self, began: "Pulled", here: "Pulled") -> "Pulled":
        """This, which was pulled while staff worked on, with what they did meanwhile: `began` is
        what was here when the pull began and `here` what is here now. Whom they entered, answered
        or erased is as they left them, unless the store had a later rev by then."""
        before, after = began._all(), here._all()
        touched = [id for id in before | after if before.get(id) is not after.get(id)]
        return self.changed({id: after.get(id) for id in touched})

    @property
    def junk(self) -> tuple[Unopened, ...]:
        """What no computer opens, week by week."""
        return tuple(sorted((it for it in self.shut if it.junk), key=lambda it: (it.week, it.id)))

    @property
    def envelopes(self) -> dict[str, Envelope]:
        """The envelopes by id, as they were pulled."""
        return {id: it.envelope for id, it in self._all().items()}

    def _all(self) -> dict[str, Opened | Unopened]:
        return {it.id: it for it in self.shut} | dict(self.items)


@dataclass(frozen=True, slots=True, repr=False)
class Alike:
    """Requests that belong together `by` name or phone. `apart` are those of them with a place, and
    vouched ones: they are the last that somebody invented, so they are not among the `others`. It
    has no repr."""

    by: str
    others: tuple[Opened, ...]
    apart: tuple[Opened, ...]

    @property
    def count(self) -> int:
        """How many belong together."""
        return len(self.others) + len(self.apart)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A place for a request, or None when no free one fits."""

    item: Opened
    opening: Opening | None


NOTHING = Pulled(None, {}, (), frozenset(), Counter(), float("inf"))  # before anything is pulled


def _later(one: Opened | None, other: Opened | Unopened | None) -> bool:
    """Whether the first is of a later rev than the other."""
    return one is not None and isinstance(other, Opened) and one.envelope.rev > other.envelope.rev


def ordered(items: Iterable[Opened]) -> list[Opened]:
    """Lane by lane, in each the oldest week first. Within a week nobody knows who came first: the
    order of ids is random, and stays the same for as long as a request waits."""

    def key(item: Opened) -> tuple[int, Epoch, str]:
        lane = item.envelope.lane
        return [*LANES, lane].index(lane), item.envelope.born, item.id

    return sorted(items, key=key)


def placed_on(items: Iterable[Opened], center: str, day: date) -> list[Opened]:
    """Who has a place at a center on a day."""
    placed = ((item, item.opening) for item in items)
    return [item for item, it in placed if it and (it.center, it.day) == (center, day)]


def shared_phones(items: Iterable[Opened]) -> set[str]:
    """The phone numbers that stand in more than one request."""
    counts = Counter(item.request.phone for item in items if item.request.phone)
    return {phone for phone, count in counts.items() if count > 1}


def alike(items: Iterable[Opened]) -> list[Alike]:
    """The requests that belong together, the most first; who is like nobody is in none.

    They share a mark: the letters of the name (the same name, or one with a number put to it), or
    the phone without its last two digits (the same phone, or one of a row that was counted up). A
    family or a shelter shares such marks too: this shows, and decides nothing. Marks are not
    chained: else a flood would draw in everybody whose phone is near one that it made up."""
    of: dict[tuple[str, str], list[Opened]] = {}
    for item in items:
        for mark in _marks(item.request):
            of.setdefault(mark, []).append(item)
    # Who share both marks are shown once.
    once = {frozenset(it.id for it in its): (by, its) for (by, _), its in of.items()}
    groups = [_parted(by, its) for by, its in once.values() if len(its) > 1]
    return sorted(groups, key=lambda it: -it.count)


def _marks(asked: Request) -> list[tuple[str, str]]:
    name = unicodedata.normalize("NFKC", asked.name).casefold()
    # Vowel signs of Bengali are marks: without them different names would be one.
    letters = "".join(it for it in name if unicodedata.category(it)[0] in "LM")
    row = "".join(it for it in asked.phone if it.isdecimal())[:-2]
    return [mark for mark in (("name", letters), ("phone", row)) if mark[1]]


def _parted(by: str, group: Iterable[Opened]) -> Alike:
    parted: dict[bool, list[Opened]] = {False: [], True: []}
    for it in ordered(group):
        parted[it.state == "placed" or it.envelope.lane == VOUCHED].append(it)
    return Alike(by, tuple(parted[False]), tuple(parted[True]))


def due(items: Iterable[Opened], now: datetime) -> list[Opened]:
    """Requests that still wait and will be destroyed within three days."""
    end = (now + timedelta(days=NAG_DAYS)).timestamp()
    return [it for it in items if it.state == "waiting" and it.envelope.expires <= end]


def promised(items: Iterable[Opened], city: City, now: datetime) -> list[Opened]:
    """Requests that still wait though the person was told to look again by today."""
    today = now.astimezone(city.zone).date()
    waits = (it for it in items if it.state == "waiting" and it.reply)
    return [it for it in waits if it.reply and it.reply.look_again and it.reply.look_again <= today]


def ends(item: Opened, city: City) -> date:
    """The day on which the request is destroyed unless somebody does something."""
    return weeks.end_day(item.envelope.expires, city.zone)


def earliest(item: Opened, city: City, now: datetime) -> date:
    """The first day on which the person can be expected to know of a visit: `notice_days` after the
    desk can tell them, or, for who only looks with the code, after their day to look again."""
    today = now.astimezone(city.zone).date()
    told = today
    if not item.request.reach:
        # The phone wrote that day: no later one than we would say now is believed.
        latest = weeks.answer_day(now, city.zone, city.answer_by_days)
        look = item.reply.look_again if item.reply else None
        told = max(today, min(look or latest, latest))
    return told + timedelta(days=max(1, city.notice_days))


def fitting(item: Opened, free: Mapping[Opening, int], city: City, now: datetime) -> list[Opening]:
    """The free openings that are where and when the person asked for, the best first: the earliest,
    and of the same time the desk's own seats before those that residents could take."""
    asked, first = item.request, earliest(item, city, now)
    centers = set(asked.centers)
    if ANY in centers:  # which is any of those that the form shows to everybody
        centers |= {center.id for center in city.listed}
    # The visit's day, and one more to erase it in, must be over before the request is destroyed:
    # with its week's key, which is later in any case, or 60 days after its first week began.
    last = weeks.oldest_day(item.envelope.born, city.zone) - timedelta(days=1)
    found = [
        it
        for it, left in free.items()
        if left > 0
        and first <= it.day <= last
        and it.center in centers
        and (
            not asked.windows
            or ANY in asked.windows
            or f"{DAYS[it.day.weekday()]}-{it.part_of_day}" in asked.windows
        )
    ]
    return sorted(found, key=lambda it: (it.day, it.at, it.path != DESK, it.center))


def propose(
    items: Sequence[Opened],
    free: Mapping[Opening, int],
    city: City,
    now: datetime,
    placed: Iterable[Opened] = (),
) -> list[Proposal]:
    """A place for each of the items, the oldest first. Who has the same access needs, or brings
    children, is put where such people are already on a day of the same week, so that one
    interpreter or helper serves them together. `placed` are the visits that stand."""
    left = dict(free)
    company: dict[str, set[tuple[str, date]]] = {}
    for item in placed:
        if item.opening:
            _join(company, item, item.opening)
    proposals = []
    for item in ordered(items):
        choice = _choose(fitting(item, left, city, now), _needs(item), company)
        if choice:
            left[choice] -= 1
            _join(company, item, choice)
        proposals.append(Proposal(item, choice))
    return proposals


def _choose(
    choices: Sequence[Opening],
    needs: Sequence[str],
    company: Mapping[str, set[tuple[str, date]]],
) -> Opening | None:
    if not choices:
        return None
    same_week = [it for it in choices if it.epoch == choices[0].epoch]

    def alone(opening: Opening) -> int:
        met = [need for need in needs if (opening.center, opening.day) in company.get(need, ())]
        return len(needs) - len(met)

    return min(same_week, key=alone)  # the first, hence earliest, of those with most company


def _needs(item: Opened) -> tuple[str, ...]:
    return (*item.request.access, *(("children",) if item.request.children else ()))


def _join(company: dict[str, set[tuple[str, date]]], item: Opened, opening: Opening) -> None:
    for need in _needs(item):
        company.setdefault(need, set()).add((opening.center, opening.day))
