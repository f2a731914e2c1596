"""The openings that centers.yml makes, publishing them, and the seats that they have left.

A small programme: one center that opens on Tuesdays at 09:30 with four seats. NOON is a Wednesday,
and there are keys for four weeks, so that three Tuesdays can be published.
"""

import itertools
import shutil
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import openings
from quietdesk.city import Center
from quietdesk.errors import (
    BadSignature,
    Conflict,
    HalfPublished,
    NoSeats,
    NotAdmitted,
    StoreUnavailable,
)
from quietdesk.openings import DESK, Opening, listing_name
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.publisher import Changes, Publisher
from quietdesk.staff.device import upload
from quietdesk.store import Store, open_store
from quietdesk.store.dynamodb.tables import create_tables
from tests.examples import examples
from tests.killed import killed_at_each
from tests.rows import make, pulled
from tests.world import NOON, WEEK, another_device

DAY = timedelta(days=1)
CORONA = Center(
    "corona", "Corona", "34-33 Junction Blvd", (), True, days=("tue",), times=(("09:30", 4),)
)
READS = {
    "kept",
    "read",
    "seats",
    "counted",
    "find",
    "pull",
    "server_half",
    "wrap",
    "checkpoint",
    "close",
}
WRITES = [name for name in dir(Store) if not name.startswith("_") and name not in READS]
TODAY = NOON.date()
TUESDAYS = [date(2026, 11, 24), date(2026, 12, 1), date(2026, 12, 8)]


def programme(world, *centers, **changes):
    return replace(world, city=replace(world.city, centers=centers or (CORONA,), **changes))


def publisher(world, device=None):
    return Publisher(world.store, world.city, world.trust, device or world.device)


def at(day, path="", time="09:30", center="corona"):
    return Opening(day, time, center, path)


def listed(world, path=""):
    """Day by day, how many seats the published list of a path says."""
    seats = publisher(world).published()[path].seats
    return {opening.day: seats[opening] for opening in sorted(seats)}


def left(world, *openings):
    counted = world.store.seats(openings)
    return [counted[opening] for opening in openings]


def take(world, opening):
    """A resident takes a seat; only what the store sees of it."""
    envelope = make(opening=opening)
    world.store.take(envelope)
    return envelope


def before(monkeypatch, store, number, happens):
    """Let something happen just before this store is written to for that many times from now."""
    real = {name: getattr(store, name) for name in WRITES}
    count = 0

    def watched(name):
        def called(*given):
            nonlocal count
            count += 1
            if count == number:
                for each in WRITES:
                    monkeypatch.setattr(store, each, real[each])
                happens()
            return real[name](*given)

        return called

    for name in WRITES:
        monkeypatch.setattr(store, name, watched(name))


# --- What centers.yml makes ----------------------------------------------------------------------


def test_each_coming_day_of_a_week_with_keys_is_published(world):
    world = programme(world)

    changes = publisher(world).publish(NOON)

    assert changes == Changes(added=6, removed=0, changed=0)
    assert listed(world) == dict.fromkeys(TUESDAYS, 2)
    assert listed(world, DESK) == dict.fromkeys(TUESDAYS, 2)
    assert left(world, *(at(day, path) for day in TUESDAYS for path in ("", DESK))) == [2] * 6


def test_the_city_that_ships_publishes_its_six_centers(world):
    changes = publisher(world).publish(NOON)

    # 6 centers, 17 weekdays from Thursday on, 6 times a day, for residents and for the desk.
    assert changes.added == 6 * 17 * 6 * 2
    free = publisher(world).free(NOON)
    assert {opening.center for opening in free} == {center.id for center in world.city.centers}
    assert set(free.values()) == {2}


@pytest.mark.parametrize(
    ("share", "seats", "residents", "desks"),
    [
        (0, 4, 0, 4),
        (1, 4, 1, 3),
        (50, 4, 2, 2),
        (50, 5, 3, 2),
        (50, 1, 1, 0),
        (33, 3, 1, 2),
        (34, 3, 2, 1),
        (99, 5, 5, 0),
        (99, 200, 198, 2),
        (100, 5, 5, 0),
    ],
)
def test_seats_are_shared_between_residents_and_desk(world, share, seats, residents, desks):
    center = replace(CORONA, times=(("09:30", seats),))
    world = programme(world, center, offered_share=share)

    publisher(world).publish(NOON)

    for path, wanted in (("", residents), (DESK, desks)):
        assert left(world, at(TUESDAYS[0], path)) == [wanted]
        assert listed(world, path) == (dict.fromkeys(TUESDAYS, wanted) if wanted else {})


def test_every_time_of_a_day_has_its_own_seats(world):
    center = replace(CORONA, times=(("09:00", 2), ("14:00", 6)))
    world = programme(world, center)

    publisher(world).publish(NOON)

    morning, afternoon = (at(TUESDAYS[0], time=time) for time in ("09:00", "14:00"))
    assert left(world, morning, afternoon) == [1, 3]


def test_center_without_days_has_no_openings(world):
    world = programme(world, replace(CORONA, days=(), times=()))

    assert not publisher(world).publish(NOON)
    assert listed(world) == {}


def test_pop_up_opens_on_its_dates_only(world):
    dates = ("2026-11-18", "2026-11-29", "2026-12-05", "2026-12-19")
    world = programme(world, replace(CORONA, days=(), dates=dates))

    publisher(world).publish(NOON)

    # The 18th is today, and for the week of the 19th of December there are no keys yet.
    assert listed(world) == {date(2026, 11, 29): 2, date(2026, 12, 5): 2}


def test_dates_that_centers_yml_closes_are_left_out(world):
    world = programme(world, replace(CORONA, closed=("2026-12-01",)))

    publisher(world).publish(NOON)

    assert listed(world) == listed(world, DESK) == {TUESDAYS[0]: 2, TUESDAYS[2]: 2}


def test_unlisted_center_is_in_the_list_of_its_path_and_no_other(world):
    van = replace(CORONA, id="van", path="partner")
    world = programme(world, CORONA, van)

    publisher(world).publish(NOON)

    published = publisher(world).published()
    assert set(published) == {"", "partner", DESK}
    assert {it.center for it in published[""].seats} == {"corona"}
    assert {it.center for it in published["partner"].seats} == {"van"}
    assert {it.center for it in published[DESK].seats} == {"corona", "van"}
    theirs, desks = (at(TUESDAYS[0], path, center="van") for path in ("partner", DESK))
    assert left(world, theirs, desks) == [2, 2]


def test_centers_of_one_path_share_its_list(world):
    vans = (replace(CORONA, id=f"van-{n}", path="partner") for n in range(2))
    world = programme(world, *vans)

    publisher(world).publish(NOON)

    assert {it.center for it in publisher(world).published()["partner"].seats} == {"van-0", "van-1"}


# --- Publishing again ----------------------------------------------------------------------------


def test_publishing_again_changes_nothing(world):
    world = programme(world)
    publisher(world).publish(NOON)
    take(world, at(TUESDAYS[0]))
    documents = {path: world.store.read(listing_name("main", path)) for path in ("", DESK)}

    again = publisher(world).publish(NOON)

    assert again == Changes(0, 0, 0)
    assert not again
    assert left(world, at(TUESDAYS[0])) == [1]
    assert {path: world.store.read(listing_name("main", path)) for path in ("", DESK)} == documents


def test_preview_says_what_publishing_does_and_does_nothing(world):
    world = programme(world)

    preview = publisher(world).preview(NOON)

    assert world.store.read(listing_name("main", "")) is None
    assert left(world, at(TUESDAYS[0])) == [0]
    assert publisher(world).publish(NOON) == preview
    bigger = programme(world, replace(CORONA, times=(("09:30", 6), ("14:00", 2))))
    assert publisher(bigger).preview(NOON) == Changes(added=6, removed=0, changed=6)
    assert publisher(bigger).publish(NOON) == Changes(added=6, removed=0, changed=6)


def test_new_days_appear_the_next_day_and_past_ones_go_with_their_counters(world):
    weekdays = replace(CORONA, days=("mon", "tue", "wed", "thu", "fri"))
    world = programme(world, weekdays)
    publisher(world).publish(NOON)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON)
    thursday, friday = date(2026, 11, 19), date(2026, 11, 20)
    take(world, at(friday))

    changes = publisher(world).publish(NOON + DAY)

    assert changes == Changes(added=5 * 2, removed=2, changed=0)
    assert min(listed(world)) == friday
    assert max(listed(world)) == date(2026, 12, 18)
    assert left(world, at(thursday), at(thursday, DESK), at(friday)) == [0, 0, 1]


def test_weeks_without_keys_are_not_published_until_they_have_some(world):
    world = programme(world)
    publisher(world).publish(NOON)

    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 8, NOON)
    changes = publisher(world).publish(NOON)

    # Never further ahead than residents may take, however many weeks have keys.
    assert changes.added == 2
    assert list(listed(world)) == [*TUESDAYS, date(2026, 12, 15)]


def test_nothing_is_published_while_the_current_week_has_no_keys(world):
    world = programme(world)

    assert not publisher(world).publish(NOON - 2 * WEEK)
    assert listed(world) == {}


def test_today_is_the_day_on_the_citys_clock(world):
    center = replace(CORONA, days=("thu",))
    world = programme(world, center)
    midnight = NOON.replace(day=19, hour=5)

    publisher(world).publish(midnight - timedelta(seconds=1))
    assert min(listed(world)) == date(2026, 11, 19)
    publisher(world).publish(midnight)
    assert min(listed(world)) == date(2026, 11, 26)


def test_more_and_fewer_seats_keep_those_that_are_taken(world):
    world = programme(world, offered_share=100)
    publisher(world).publish(NOON)
    take(world, at(TUESDAYS[0]))

    more = programme(world, replace(CORONA, times=(("09:30", 6),)), offered_share=100)
    assert publisher(more).publish(NOON) == Changes(0, 0, changed=3)
    assert left(world, *map(at, TUESDAYS)) == [5, 6, 6]

    fewer = programme(world, replace(CORONA, times=(("09:30", 3),)), offered_share=100)
    publisher(fewer).publish(NOON)
    assert left(world, *map(at, TUESDAYS)) == [2, 3, 3]
    assert list(listed(world).values()) == [3, 3, 3]


def four_with_three_taken_then_two(world):
    """An opening of four seats, of which three were taken, cut down to two."""
    world = programme(world, offered_share=100)
    publisher(world).publish(NOON)
    taken = [take(world, at(TUESDAYS[0])) for _ in range(3)]
    publisher(programme(world, replace(CORONA, times=(("09:30", 2),)), offered_share=100)).publish(
        NOON
    )
    assert left(world, at(TUESDAYS[0])) == [0]
    return world, taken


def test_seats_cut_below_those_taken_and_given_back_are_not_given_out_twice(world):
    world, _ = four_with_three_taken_then_two(world)

    publisher(world).publish(NOON)

    assert left(world, at(TUESDAYS[0])) == [1]


def test_seat_that_comes_back_where_too_many_are_taken_is_not_free(world):
    world, taken = four_with_three_taken_then_two(world)

    world.store.erase(taken[0])
    assert left(world, at(TUESDAYS[0])) == [0]

    world.store.erase(taken[1])
    assert left(world, at(TUESDAYS[0])) == [1]


def test_center_that_goes_and_comes_again_still_counts_the_seats_taken(world):
    world = programme(world, offered_share=100)
    publisher(world).publish(NOON)
    take(world, at(TUESDAYS[0]))
    publisher(programme(world, replace(CORONA, days=()), offered_share=100)).publish(NOON)
    assert listed(world) == {}

    publisher(world).publish(NOON)

    assert left(world, at(TUESDAYS[0])) == [3]


def free_in_all(world, day):
    """How many seats residents and desk together may still give out on a day."""
    return sum(seats for it, seats in publisher(world).free(NOON).items() if it.day == day)


@pytest.mark.parametrize("share", [0, 25, 75, 100])
@pytest.mark.parametrize("path", ["", DESK])
def test_another_share_never_gives_out_a_taken_seat_again(world, share, path):
    world = programme(world)
    publisher(world).publish(NOON)
    for _ in range(2):
        take(world, at(TUESDAYS[0], path))

    other = programme(world, offered_share=share)
    publisher(other).publish(NOON)

    # Four seats, two people: two are left, whoever may give them out.
    assert free_in_all(other, TUESDAYS[0]) == 2
    publisher(world).publish(NOON)
    assert free_in_all(world, TUESDAYS[0]) == 2


# --- Closing, and taking off and on --------------------------------------------------------------


def test_closed_day_is_gone_for_residents_and_desk_and_stays_closed(world):
    world = programme(world, CORONA, replace(CORONA, id="harlem"))
    publisher(world).publish(NOON)

    changes = publisher(world).close("corona", TUESDAYS[1], NOON)

    closed = (at(TUESDAYS[1]), at(TUESDAYS[1], DESK))
    assert changes == Changes(added=0, removed=2, changed=0)
    assert left(world, *closed) == [0, 0]
    assert not publisher(world).publish(NOON)
    assert not publisher(world).publish(NOON, taking=False)
    assert not set(closed) & set(publisher(world).free(NOON))
    assert left(world, at(TUESDAYS[1], center="harlem"), at(TUESDAYS[0])) == [2, 2]
    published = publisher(world).published()
    assert {path: published[path].closed for path in ("", DESK)} == {
        "": {("corona", TUESDAYS[1])},
        DESK: {("corona", TUESDAYS[1])},
    }


def test_closing_a_second_day_keeps_the_first_and_closing_again_changes_nothing(world):
    world = programme(world)
    publisher(world).publish(NOON)

    for day in (TUESDAYS[0], TUESDAYS[2], TUESDAYS[0]):
        changes = publisher(world).close("corona", day, NOON)

    assert not changes
    assert listed(world) == {TUESDAYS[1]: 2}


def test_who_has_a_place_on_a_closed_day_keeps_it(world):
    world = programme(world)
    publisher(world).publish(NOON)
    envelope = take(world, at(TUESDAYS[0]))

    publisher(world).close("corona", TUESDAYS[0], NOON)

    assert world.store.find("main", envelope.id, [envelope.epoch], NOON) == envelope
    world.store.erase(envelope)
    assert left(world, at(TUESDAYS[0])) == [0]


def test_center_that_is_not_known_cannot_be_closed(world):
    world = programme(world)
    publisher(world).publish(NOON)

    with pytest.raises(Conflict):
        publisher(world).close("gotham", TUESDAYS[0], NOON)

    assert list(listed(world)) == TUESDAYS


def test_closing_an_unlisted_center_takes_it_off_its_path(world):
    world = programme(world, CORONA, replace(CORONA, id="van", path="partner"))
    publisher(world).publish(NOON)

    publisher(world).close("van", TUESDAYS[0], NOON)

    assert list(listed(world, "partner")) == TUESDAYS[1:]
    assert list(listed(world)) == TUESDAYS


def test_taking_is_on_at_first_and_stays_as_it_was_set(world):
    world = programme(world)
    days = [at(day) for day in TUESDAYS]

    def takeable():
        return publisher(world).published()[""].takeable(NOON, world.city.zone)

    publisher(world).publish(NOON)
    assert takeable() == days

    publisher(world).publish(NOON, taking=False)
    assert takeable() == []
    publisher(world).publish(NOON + DAY)
    publisher(world).close("corona", TUESDAYS[2], NOON + DAY)
    assert takeable() == []
    assert left(world, *days) == [2, 2, 0]

    publisher(world).publish(NOON + DAY, taking=True)
    assert takeable() == days[:2]


def test_taking_off_holds_for_every_path_also_for_a_new_one(world):
    world = programme(world)
    publisher(world).publish(NOON, taking=False)
    more = programme(world, CORONA, replace(CORONA, id="van", path="partner"))

    publisher(more).publish(NOON)

    published = publisher(more).published()
    assert [published[path].taking for path in ("", "partner", DESK)] == [False] * 3


def test_desk_still_has_free_seats_while_taking_is_off(world):
    world = programme(world)

    publisher(world).publish(NOON, taking=False)

    assert len(publisher(world).free(NOON)) == 6


def test_closing_a_day_before_anything_was_published_leaves_taking_on(world):
    world = programme(world)

    publisher(world).close("corona", TUESDAYS[1], NOON)
    publisher(world).publish(NOON)

    published = publisher(world).published()[""]
    assert [opening.day for opening in sorted(published.seats)] == [TUESDAYS[0], TUESDAYS[2]]
    assert published.taking


# --- What is free --------------------------------------------------------------------------------


def test_free_openings_have_a_seat_and_come_earliest_first(world):
    world = programme(world, CORONA, replace(CORONA, id="harlem", times=(("09:00", 2),)))
    publisher(world).publish(NOON)
    for _ in range(2):
        take(world, at(TUESDAYS[0]))
    take(world, at(TUESDAYS[0], DESK))

    free = publisher(world).free(NOON)

    assert list(free) == sorted(free)
    assert at(TUESDAYS[0]) not in free
    assert free[at(TUESDAYS[0], DESK)] == 1
    assert free[at(TUESDAYS[0], time="09:00", center="harlem")] == 1
    assert len(free) == 2 * 2 * 3 - 1


def test_today_is_not_free_any_more_although_nobody_published_since(world):
    world = programme(world)
    publisher(world).publish(NOON)

    free = publisher(world).free(NOON + 6 * DAY)

    assert {opening.day for opening in free} == {*TUESDAYS[1:]}


def test_nothing_is_free_before_anything_is_published(world):
    assert publisher(programme(world)).free(NOON) == {}


# --- Two schedulers, and a power cut -------------------------------------------------------------


def test_who_publishes_over_another_is_told_and_nothing_of_the_other_is_lost(world, monkeypatch):
    world = programme(world)
    publisher(world).publish(NOON)
    bigger = programme(world, replace(CORONA, times=(("09:30", 8),)))
    before(
        monkeypatch,
        world.store,
        1,
        lambda: publisher(world).close("corona", TUESDAYS[0], NOON),
    )

    with pytest.raises(Conflict):
        publisher(bigger).publish(NOON)

    assert listed(world) == {TUESDAYS[1]: 2, TUESDAYS[2]: 2}
    assert left(world, *map(at, TUESDAYS)) == [0, 2, 2]
    publisher(bigger).publish(NOON)
    assert listed(world) == {TUESDAYS[1]: 4, TUESDAYS[2]: 4}
    assert left(world, *map(at, TUESDAYS)) == [0, 4, 4]


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
@pytest.mark.parametrize("number", range(1, 6))
def test_publisherr_who_comes_second_does_not_give_taken_seats_out_again(
    world, monkeypatch, number
):
    world = programme(world, offered_share=100)

    taken = []

    def somebody_else_publishes_and_a_seat_is_taken():
        publisher(world).publish(NOON)
        taken.append(take(world, at(TUESDAYS[0])))

    before(monkeypatch, world.store, number, somebody_else_publishes_and_a_seat_is_taken)
    with suppress(Conflict):
        publisher(world).publish(NOON)

    publisher(world).publish(NOON)

    assert left(world, *map(at, TUESDAYS)) == [4 - len(taken), 4, 4]
    assert not publisher(world).publish(NOON)


def test_two_who_close_different_days_close_both(world, monkeypatch):
    world = programme(world)
    publisher(world).publish(NOON)
    before(
        monkeypatch,
        world.store,
        1,
        lambda: publisher(world).close("corona", TUESDAYS[0], NOON),
    )

    with pytest.raises(Conflict):
        publisher(world).close("corona", TUESDAYS[1], NOON)
    publisher(world).close("corona", TUESDAYS[1], NOON)

    assert listed(world) == {TUESDAYS[2]: 2}


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_closing_that_comes_second_takes_no_seat_away(world, monkeypatch):
    world = programme(world)
    publisher(world).publish(NOON)
    days = {it: 2 for day in TUESDAYS for it in (at(day), at(day, DESK))}
    bigger = programme(world, replace(CORONA, times=(("09:30", 8),)))
    before(monkeypatch, world.store, 1, lambda: publisher(bigger).publish(NOON))

    with pytest.raises(Conflict):
        publisher(world).close("corona", TUESDAYS[0], NOON)

    assert {it: of for it, (of, _) in world.store.counted(days).items()} == dict.fromkeys(days, 4)
    assert listed(world) == dict.fromkeys(TUESDAYS, 4)
    assert not publisher(bigger).preview(NOON)


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_count_that_does_not_agree_with_its_list_is_previewed_and_mended(world):
    world = programme(world)
    publisher(world).publish(NOON)
    publisher(world).close("corona", TUESDAYS[2], NOON)
    take(world, at(TUESDAYS[0]))
    documents = {path: world.store.read(listing_name("main", path)) for path in ("", DESK)}
    world.store.set_seats({at(TUESDAYS[0]): 0, at(TUESDAYS[2], DESK): 3})
    world.store.drop_seats([at(TUESDAYS[1], DESK)])

    assert publisher(world).preview(NOON) == Changes(0, 0, changed=3)
    assert publisher(world).publish(NOON) == Changes(0, 0, changed=3)

    assert left(world, *map(at, TUESDAYS)) == [1, 2, 0]
    assert left(world, *(at(day, DESK) for day in TUESDAYS)) == [2, 2, 0]
    assert not publisher(world).preview(NOON)
    assert {path: world.store.read(listing_name("main", path)) for path in ("", DESK)} == documents


# Weekdays at four times: more counts than DynamoDB writes in one transaction.
DAILY = replace(
    CORONA,
    days=("mon", "tue", "wed", "thu", "fri"),
    times=tuple((time, 4) for time in ("09:30", "11:00", "14:00", "15:30")),
)


def publishes(city, trust, device, day, spec):
    with closing(open_store(spec, patient=True)) as store:
        Publisher(store, city, trust, device).publish(day)


def closes(city, trust, device, day, spec):
    with closing(open_store(spec, patient=True)) as store:
        Publisher(store, city, trust, device).close("corona", TUESDAYS[0], day)


def again(world, folder):
    """Makes another store with the same in it, each time it is called."""
    numbers = itertools.count()
    kind, name = world.spec.split(":", 1)

    def copied():
        if kind == "sqlite":
            world.store.checkpoint()
            spec = f"sqlite:{folder / f'again-{next(numbers)}.db'}"
            shutil.copyfile(name, spec.removeprefix("sqlite:"))
            return spec
        prefix = f"{name}-{next(numbers)}"
        create_tables(prefix)
        client = boto3.client("dynamodb")
        for table in ("requests", "public"):
            for item in client.scan(TableName=f"{name}-{table}")["Items"]:
                client.put_item(TableName=f"{prefix}-{table}", Item=item)
        client.close()
        return f"dynamodb:{prefix}"

    return copied


def stands(world):
    """What the store has: each list, and how each opening that was ever listed is counted."""
    documents = {path: world.store.read(listing_name("main", path)) for path in ("", DESK)}
    lists = {
        path: openings.verify_listing(
            held[0], world.store.read("devices")[0], world.trust, "main", path
        )
        for path, held in documents.items()
        if held
    }
    ever = [
        at(NOON.date() + n * DAY, path, time)
        for n in range(40)
        for path in ("", DESK)
        for time, _ in DAILY.times
    ]
    return lists, world.store.counted(ever)


def agree(lists, counted, today=TODAY):
    """Whether every opening that is not over is counted as it is listed."""
    seats = {it: count for each in lists.values() for it, count in each.seats.items()}
    return all(of == seats.get(it, 0) for it, (of, _) in counted.items() if it.day > today)


@pytest.mark.process
@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
@pytest.mark.parametrize("what", ["first", "more", "fewer", "close", "close-and-more", "day"])
def test_publishing_killed_at_any_write_is_whole_or_is_said_and_mended(world, tmp_path, what):
    world = programme(world, DAILY)
    number = {"more": 6, "close-and-more": 6, "fewer": 2}.get(what, 4)
    after = programme(world, replace(DAILY, times=tuple((it, number) for it, _ in DAILY.times)))
    day = NOON + 5 * DAY if what == "day" else NOON
    if what != "first":
        publisher(world).publish(NOON)
        take(world, at(TUESDAYS[0]))
    if what == "day":
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON)
    fresh = again(world, tmp_path)
    parts_of = (after.city, after.trust, after.device, day)
    work = partial(closes if "close" in what else publishes, *parts_of)
    begun, done, cut = stands(world), fresh(), 0
    work(done)
    with closing(open_store(done, patient=True)) as store:
        wanted = stands(replace(world, store=store))
    assert agree(*wanted)

    for spec, moment in killed_at_each(fresh, work):
        with closing(open_store(spec, patient=True)) as store:
            there = replace(after, store=store)
            lists, counted = stands(there)
            preview = publisher(there).preview(day)
            if (lists, counted) not in (begun, wanted):
                # A day that is closed has no seat from the moment that its list says so.
                assert all(
                    counted[it] <= (0, 1)
                    for each in lists.values()
                    for it, seats in each.seats.items()
                    if not seats
                ), moment
                cut += not agree(lists, counted, day.date())
                assert agree(lists, counted, day.date()) or preview, moment
            publisher(there).publish(day)
            if "close" in what and lists == begun[0]:  # the day was not closed
                assert agree(*stands(there)), moment
            else:
                assert stands(there) == wanted, moment
            assert not publisher(there).preview(day), moment

    one_step = world.spec.startswith("sqlite:") or what in ("close", "day")
    assert (cut == 0) == one_step


@pytest.mark.parametrize("store_spec", ["ministack"], indirect=True)
def test_lists_that_stand_without_all_their_counts_are_said_so(world, monkeypatch):
    world = programme(world, DAILY)
    real, calls = world.store._calls._client.transact_write_items, []

    def transact(TransactItems):
        calls.append(len(TransactItems))
        if len(calls) > 1:
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1")
        return real(TransactItems=TransactItems)

    monkeypatch.setattr(world.store._calls._client, "transact_write_items", transact)
    with pytest.raises(StoreUnavailable) as half:
        publisher(world).publish(NOON)
    monkeypatch.undo()

    assert type(half.value) is HalfPublished
    assert half.value.next == "Do it again: that writes the rest."
    assert calls == [100, 38 + 2]
    assert publisher(world).preview(NOON) == Changes(0, 0, changed=38)
    publisher(world).publish(NOON)
    assert agree(*stands(world))


@pytest.mark.parametrize("store_spec", ["ministack"], indirect=True)
@pytest.mark.parametrize("number", [2, 3])
def test_who_published_before_and_is_still_writing_counts_changes_none_of_ours(
    world, monkeypatch, number
):
    """The slow one stands before each of its later transactions while another publishes."""
    world = programme(world, DAILY)
    more = programme(world, replace(DAILY, times=tuple((it, 6) for it, _ in DAILY.times)))
    more = replace(more, store=open_store(world.spec, patient=True))
    real, calls = world.store._calls._client.transact_write_items, []

    def transact(TransactItems):
        calls.append(1)
        if len(calls) == number:
            publisher(more).close("corona", TUESDAYS[1], NOON)
        return real(TransactItems=TransactItems)

    monkeypatch.setattr(world.store._calls._client, "transact_write_items", transact)

    if number == 2:
        with pytest.raises(Conflict):
            publisher(world).publish(NOON)
    else:
        publisher(world).publish(NOON)
        publisher(more).close("corona", TUESDAYS[1], NOON)

    assert agree(*stands(more))
    assert not publisher(more).preview(NOON)
    assert left(more, at(TUESDAYS[0]), at(TUESDAYS[1])) == [3, 0]
    more.store.close()


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_seat_that_is_taken_while_its_day_is_closed_stays_taken_and_no_other_is_given(
    world, monkeypatch
):
    world = programme(world)
    publisher(world).publish(NOON)
    taken = []
    before(monkeypatch, world.store, 1, lambda: taken.append(take(world, at(TUESDAYS[0]))))

    publisher(world).close("corona", TUESDAYS[0], NOON)

    assert world.store.counted([at(TUESDAYS[0])])[at(TUESDAYS[0])] == (0, 1)
    assert world.store.find("main", taken[0].id, [taken[0].epoch], NOON) == taken[0]
    with pytest.raises(NoSeats):
        take(world, at(TUESDAYS[0]))
    world.store.erase(taken[0])
    with pytest.raises(NoSeats):
        take(world, at(TUESDAYS[0]))


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_seat_taken_while_shares_change_is_counted_by_the_next_preview(world, monkeypatch):
    world = programme(world)
    publisher(world).publish(NOON)
    other = programme(world, offered_share=0)
    before(monkeypatch, world.store, 1, lambda: take(world, at(TUESDAYS[0])))

    publisher(other).publish(NOON)

    # Four seats, one of them taken: the desk has one more than there is, and it is said.
    assert publisher(other).preview(NOON) == Changes(added=1, removed=0, changed=1)
    publisher(other).publish(NOON)
    assert free_in_all(other, TUESDAYS[0]) == 3


@given(
    taken=st.lists(st.sampled_from(["", DESK]), max_size=8),
    did=st.lists(
        st.tuples(
            st.sampled_from(["publish", "close", "reopen", "count", "back"]),
            st.integers(1, 9),
            st.sampled_from([0, 30, 50, 100]),
        ),
        max_size=6,
    ),
)
@examples(40)
def test_whatever_was_done_one_publishing_makes_lists_and_counts_agree(world, taken, did):
    """Also after counts that nobody should have written."""
    held = []
    world = programme(world)
    for envelope in pulled(world.store):  # of the example before
        world.store.erase(envelope)
    publisher(world).reopen("corona", TUESDAYS[0], NOON)
    for path in taken:
        with suppress(NoSeats):
            held.append(take(world, at(TUESDAYS[0], path)))
    for what, number, share in did:
        changed = programme(world, replace(CORONA, times=(("09:30", number),)), offered_share=share)
        if what == "publish":
            publisher(changed).publish(NOON)
        elif what == "count":
            world.store.set_seats({at(TUESDAYS[number % 3], DESK): number})
        elif what == "back" and held:
            world.store.erase(held.pop())
        elif what in ("close", "reopen"):
            getattr(publisher(changed), what)("corona", TUESDAYS[0], NOON)

    publisher(world).publish(NOON)

    assert not publisher(world).preview(NOON)
    lists, counted = stands(world)
    assert agree(lists, counted)
    pair = at(TUESDAYS[0]), at(TUESDAYS[0], DESK)
    assert sum(counted[it][1] for it in pair) == len(held)
    closed = ("corona", TUESDAYS[0]) in lists[""].closed
    assert free_in_all(world, TUESDAYS[0]) == (0 if closed else max(0, 4 - len(held)))


# --- Who may publish -----------------------------------------------------------------------------


def test_device_that_is_not_admitted_publishes_nothing(world):
    world = programme(world)
    publisher(world).publish(NOON)
    before = world.store.read(listing_name("main", ""))
    bigger = programme(world, replace(CORONA, times=(("09:30", 8),)))

    with pytest.raises((NotAdmitted, BadSignature)):
        publisher(bigger, another_device(world)).publish(NOON)

    assert world.store.read(listing_name("main", "")) == before
    assert listed(world) == dict.fromkeys(TUESDAYS, 2)
    assert left(world, *map(at, TUESDAYS)) == [2, 2, 2]


def test_first_list_by_a_device_that_is_not_admitted_is_not_published(world):
    world = programme(world)

    with pytest.raises((NotAdmitted, BadSignature)):
        publisher(world, another_device(world)).publish(NOON)

    assert world.store.read(listing_name("main", "")) is None
    assert publisher(world).publish(NOON).added == 6


def test_number_of_a_list_grows_when_it_is_published_and_its_day_is_the_citys(world):
    world = programme(world)
    publish, evening = publisher(world), datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

    def numbered():
        return [(it.number, it.signed_on) for it in publish.published().values()]

    publish.publish(NOON)
    first = numbered()
    publish.publish(NOON)
    unchanged = numbered()
    publish.close("corona", TUESDAYS[0], evening)

    assert first == unchanged == [(1, date(2026, 11, 18))] * 2
    assert numbered() == [(2, date(2026, 11, 19))] * 2


def test_second_admitted_device_publishes_over_the_first(world):
    world = programme(world)
    publisher(world).publish(NOON)
    second = another_device(world)
    upload.upload_wrap_keys(world.store, second, world.city, NOON)
    custodians = [world.custodian]
    ceremony.admit(world.store, world.city, world.trust, custodians, second.public_key, NOON)

    publisher(world, second).close("corona", TUESDAYS[0], NOON)

    assert listed(world) == {TUESDAYS[1]: 2, TUESDAYS[2]: 2}


def test_list_that_does_not_verify_is_neither_believed_nor_written_over(world):
    world = programme(world)
    publisher(world).publish(NOON)
    data, seq = world.store.read(listing_name("main", ""))
    forged = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
    world.store.publish(listing_name("main", ""), forged, seq)

    for ask in (publisher(world).publish, publisher(world).free, publisher(world).preview):
        with pytest.raises(BadSignature):
            ask(NOON)

    assert world.store.read(listing_name("main", "")) == (forged, seq + 1)


def test_list_of_one_path_is_not_taken_for_that_of_another(world):
    world = programme(world, CORONA, replace(CORONA, id="van", path="partner"))
    publisher(world).publish(NOON)
    theirs, _ = world.store.read(listing_name("main", "partner"))
    _, seq = world.store.read(listing_name("main", ""))
    world.store.publish(listing_name("main", ""), theirs, seq)

    with pytest.raises(BadSignature):
        publisher(world).published()


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_publish_take_change_and_close_on_every_store(world):
    world = programme(world)
    publisher(world).publish(NOON)
    take(world, at(TUESDAYS[0]))

    publisher(programme(world, replace(CORONA, times=(("09:30", 6),)))).publish(NOON)
    publisher(world).close("corona", TUESDAYS[1], NOON)

    assert left(world, *map(at, TUESDAYS)) == [1, 0, 2]
    assert len(publisher(world).free(NOON)) == 4


def test_counters_of_a_closed_day_are_forgotten_when_it_is_over(world):
    publisher(world).publish(NOON)
    free = publisher(world).free(NOON)
    gone = [it for it in free if (it.center, it.day) == ("corona", TUESDAYS[0])]
    assert gone
    world.store.take(world.taken(gone[0]))
    publisher(world).close("corona", TUESDAYS[0], NOON)
    counted = world.store.counted(gone)
    assert counted[gone[0]] == (0, 1)  # who has a place there can still give it back
    assert not publisher(world).publish(NOON)

    publisher(world).publish(NOON + (TUESDAYS[0] + DAY - NOON.date()))

    assert set(world.store.counted(gone).values()) == {(0, 0)}
