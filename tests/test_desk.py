"""Staff place, keep, refuse, enter and erase requests: all or nothing, and nobody is lost.

NOON is Wednesday the 18th of November 2026, in week 47; there are keys for four weeks.
"""

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from os import urandom

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietdesk import bundles, codes, envelopes, hpke, replies, request, weeks
from quietdesk.city import Center
from quietdesk.envelopes import Parts, SealedPart
from quietdesk.errors import (
    BadSignature,
    CannotOpen,
    ClockNotBelieved,
    Conflict,
    Invalid,
    KeyDestroyed,
    NoKeyNow,
    NoKeyYet,
    NoSeats,
    OpeningMismatch,
    QuietdeskError,
    TimeOver,
    TooOld,
    TracesRemain,
)
from quietdesk.hpke import Kid
from quietdesk.openings import DESK, Opening
from quietdesk.replies import Reply
from quietdesk.request import Rest
from quietdesk.signed import signed_document
from quietdesk.staff.commands import naming
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk import queue
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.store import sqlite
from quietdesk.weeks import NO_WEEK, Epoch
from quietdesk.wire import b64
from tests.world import ASKED, NOON, WEEK, any_secrets, make_custodian

DAY = timedelta(days=1)
VISIT = Opening(date(2026, 12, 3), "09:30", "corona")  # in week 49
OTHER = Opening(date(2026, 12, 10), "14:00", "east-harlem", DESK)  # in week 50
SOON = Opening(date(2026, 11, 20), "09:30", "corona")  # in week 47

every_store = pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)


def asks(world, now=NOON, **typed):
    """Somebody asks; gives the code."""
    code = codes.new()
    world.store.put(world.sealed(now, code, **typed))
    return code


def only(world, now=NOON):
    """The one request that waits, opened."""
    (item,) = world.desk().pull(now)
    assert isinstance(item, Opened)
    return item


def seats(world, left):
    """Say how many seats the openings have left."""
    world.store.set_seats({opening: n for opening, n in left.items()})


def left(world, *openings):
    counted = world.store.seats(openings)
    return [counted[opening] for opening in openings]


def told(world, code, now=NOON):
    """What somebody who looks with the code is told; None when nothing is found."""
    secrets = codes.derive(code, world.city.deployment)
    live = weeks.live(now, world.city.zone, world.city.serve_days)
    envelope = world.store.find(world.city.queue, secrets.id, live, now)
    if envelope is None:
        return None
    return replies.read(envelopes.open_reply(envelope.reply, secrets.reply, secrets.id))


def same(item, other):
    """Whether two opened requests are the same, to the last byte."""
    return (item.envelope, item.request, item.reply_key, item.reply, item.rest) == (
        other.envelope,
        other.request,
        other.reply_key,
        other.reply,
        other.rest,
    )


def end(day):
    """The beginning of a day in New York in winter, in Unix seconds."""
    return int(datetime(day.year, day.month, day.day, 5, tzinfo=UTC).timestamp())


def mint(world, now):
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 4, now)


# --- Placing -------------------------------------------------------------------------------------


@every_store
def test_placed_request_is_sealed_to_the_week_of_the_visit_and_takes_a_seat(world):
    code = asks(world)
    seats(world, {VISIT: 2})

    placed = world.desk().place(only(world), VISIT, NOON)

    held = only(world)
    assert same(held, placed)
    assert (held.state, held.opening) == ("placed", VISIT)
    assert held.envelope.epoch == Epoch(2026, 49)
    assert (held.envelope.born, held.envelope.rev) == (Epoch(2026, 47), 2)
    assert held.envelope.expires == end(date(2026, 12, 14))
    assert held.request == replace(request.parse(ASKED, world.city), opening=VISIT)
    assert left(world, VISIT) == [1]
    assert told(world, code) == Reply("placed", opening=VISIT)


def test_each_answer_of_the_desk_has_a_nonce_of_its_own(world):
    asks(world)
    seats(world, {VISIT: 1})
    held = [only(world)]

    held.append(world.desk().place(held[-1], VISIT, NOON))
    held.append(world.desk().wait(held[-1], NOON))
    held.append(world.desk().wait(held[-1], NOON))
    held.append(world.desk().refuse(held[-1], NOON))

    assert len({item.envelope.reply[:12] for item in held}) == len(held)


@pytest.mark.parametrize(
    "answer",
    [
        lambda desk, item: desk.place(item, VISIT, NOON),
        lambda desk, item: desk.place(desk.place(item, VISIT, NOON), OTHER, NOON),
        lambda desk, item: desk.wait(item, NOON),
        lambda desk, item: desk.refuse(item, NOON),
        lambda desk, item: desk.refuse(desk.place(item, VISIT, NOON), NOON),
    ],
)
def test_what_a_newer_release_sealed_beside_the_fields_we_know_is_kept(world, answer):
    newer = Rest('{"f":3,"ticket":7}', '{"f":4,"pronoun":"ella"}')
    world.store.put(world.sealed(rest=newer))
    seats(world, {VISIT: 1, OTHER: 1})

    answered = answer(world.desk(), only(world))

    assert same(only(world), answered)
    assert answered.rest == newer


@every_store
def test_placed_request_is_moved_within_a_week_and_to_another(world):
    code = asks(world)
    later = replace(VISIT, at="14:00")
    seats(world, {VISIT: 1, later: 1, OTHER: 1})

    world.desk().place(only(world), VISIT, NOON)
    world.desk().place(only(world), later, NOON)
    assert left(world, VISIT, later, OTHER) == [1, 0, 1]
    world.desk().place(only(world), OTHER, NOON)

    assert left(world, VISIT, later, OTHER) == [1, 1, 0]
    assert (only(world).opening, only(world).envelope.rev) == (OTHER, 4)
    assert told(world, code) == Reply("placed", opening=OTHER)


@every_store
def test_place_in_the_current_week_stays_in_that_week(world):
    asks(world)
    seats(world, {SOON: 1})

    world.desk().place(only(world), SOON, NOON)

    assert only(world).envelope.epoch == Epoch(2026, 47)
    assert left(world, SOON) == [0]


def test_placing_at_the_same_opening_again_takes_no_second_seat(world):
    asks(world)
    seats(world, {VISIT: 1})

    placed = world.desk().place(only(world), VISIT, NOON)
    world.desk().place(placed, VISIT, NOON)

    assert left(world, VISIT) == [0]
    assert only(world).opening == VISIT


@every_store
def test_full_opening_leaves_the_request_as_it_was(world):
    code = asks(world)
    seats(world, {VISIT: 0})
    item = only(world)

    for opening in (VISIT, OTHER):  # of the other nobody has said how many seats there are
        with pytest.raises(NoSeats):
            world.desk().place(item, opening, NOON)

    assert same(only(world), item)
    assert left(world, VISIT, OTHER) == [0, 0]
    assert told(world, code) == Reply("waiting")


def test_reply_for_an_unlisted_center_brings_its_name_and_address(world):
    van = Center("van", "Van", "103rd St", (), True, path="partner")
    world = replace(world, city=replace(world.city, centers=(*world.city.centers, van)))
    code = asks(world)
    opening = replace(VISIT, center="van", path=DESK)
    seats(world, {opening: 1})

    world.desk().place(only(world), opening, NOON)

    assert told(world, code) == Reply("placed", None, opening, "Van", "103rd St")


def test_center_that_is_not_known_any_more_is_a_conflict(world):
    asks(world)
    gone = replace(VISIT, center="gotham")
    seats(world, {gone: 1})
    item = only(world)

    with pytest.raises(Conflict):
        world.desk().place(item, gone, NOON)

    assert same(only(world), item)
    assert left(world, gone) == [1]


def test_week_without_keys_leaves_the_request_as_it_was(world):
    asks(world)
    opening = replace(VISIT, day=date(2026, 12, 15))
    seats(world, {opening: 1})
    item = only(world)

    with pytest.raises(CannotOpen):
        world.desk().place(item, opening, NOON)

    assert same(only(world), item)
    assert left(world, opening) == [1]


def test_time_that_is_over_is_given_to_nobody(world):
    asks(world)
    seats(world, {SOON: 1})
    item = only(world)

    for now in (SOON.starts(world.city.zone), NOON + 2 * DAY, NOON + WEEK):
        with pytest.raises(TimeOver):
            world.desk().place(item, SOON, now)
        with pytest.raises(TimeOver):
            world.desk().enter({**ASKED, "opening": [str(SOON)]}, now, codes.new())

    assert left(world, SOON) == [1]


def test_late_retry_of_the_first_post_does_not_bring_the_old_one_back(world):
    first = world.sealed()
    world.store.put(first)
    seats(world, {VISIT: 1})
    world.desk().place(only(world), VISIT, NOON)

    world.store.put(first)

    assert only(world).opening == VISIT


def test_placed_request_ends_60_days_after_the_week_it_was_born_in(world):
    asks(world)
    now = NOON
    for _ in range(6):  # kept for week after week, until the 30th of December
        world.desk().wait(only(world, now), now)
        now += WEEK
        mint(world, now)
    tuesday = Opening(date(2027, 1, 12), "09:30", "corona")
    seats(world, {tuesday: 1})

    placed = world.desk().place(only(world, now), tuesday, now)

    assert placed.envelope.epoch == Epoch(2027, 2)  # served until the 25th
    assert placed.envelope.expires == end(date(2027, 1, 15))


def test_visit_after_the_request_is_destroyed_is_refused(world):
    code = asks(world)
    now = NOON
    for _ in range(6):
        world.desk().wait(only(world, now), now)
        now += WEEK
        mint(world, now)
    item = only(world, now)
    too_late = Opening(date(2027, 1, 20), "09:30", "corona")
    seats(world, {too_late: 1})

    # On the day of the visit nobody could open it any more: neither staff nor the code.
    with pytest.raises(TooOld):
        world.desk().place(item, too_late, now)

    assert same(only(world, now), item)
    assert left(world, too_late) == [1]
    assert told(world, code, now).state == "waiting"


def test_longest_request_the_form_allows_can_be_placed(world):
    # The opening's id takes 64 bytes more of the same part.
    typed = {
        "centers": [center.id for center in world.city.centers][:6],
        "windows": list(request.WINDOWS),
        "access": list(world.city.access),
        "name": ["𝔸" * 80],
    }
    asks(world, **typed)
    seats(world, {OTHER: 1})

    world.desk().place(only(world), OTHER, NOON)

    assert only(world).opening == OTHER


# --- By a clock that is behind --------------------------------------------------------------------


@every_store
def test_nobody_is_kept_in_a_week_before_that_of_their_first_sealing(world):
    """What is sealed so never opens again: its header names a week after its own."""
    asks(world, NOON + 2 * WEEK)

    with pytest.raises(ClockNotBelieved, match="week 2026-W49"):
        world.desk().wait(only(world), NOON + WEEK)

    assert only(world, NOON + 2 * WEEK).envelope.rev == 1


def test_nobody_is_placed_in_a_week_before_that_of_their_first_sealing(world):
    asks(world, NOON + 2 * WEEK)
    before = Opening(date(2026, 11, 26), "09:30", "corona")
    seats(world, {before: 1})

    with pytest.raises(ClockNotBelieved):
        world.desk().place(only(world), before, NOON)

    assert only(world).opening is None
    assert left(world, before) == [1]


def test_whose_place_is_taken_back_is_sealed_to_no_week_before_that_of_their_first_sealing(world):
    asks(world, NOON + WEEK)
    seats(world, {OTHER: 1})
    placed = world.desk().place(only(world), OTHER, NOON + WEEK)

    with pytest.raises(ClockNotBelieved):
        world.desk().refuse(placed, NOON)

    assert only(world).opening == OTHER


# --- Keeping for another week --------------------------------------------------------------------


@every_store
def test_kept_request_goes_to_the_current_week_and_says_when_to_look_again(world):
    code = asks(world)
    now = NOON + WEEK

    kept = world.desk().wait(only(world, now), now)

    assert same(only(world, now), kept)
    assert kept.state == "waiting"
    assert kept.envelope.epoch == Epoch(2026, 48)
    assert (kept.envelope.born, kept.envelope.rev) == (Epoch(2026, 47), 2)
    assert kept.envelope.expires == end(date(2026, 12, 7))
    assert told(world, code, now) == Reply("waiting", look_again=date(2026, 12, 5))


@every_store
def test_seat_of_who_is_kept_waiting_goes_back(world):
    code = asks(world)
    seats(world, {VISIT: 1})
    placed = world.desk().place(only(world), VISIT, NOON)

    world.desk().wait(placed, NOON)

    held = only(world)
    assert (held.state, held.opening, held.request.opening) == ("waiting", None, None)
    assert held.envelope.epoch == Epoch(2026, 47)
    assert left(world, VISIT) == [1]
    assert told(world, code).state == "waiting"


@pytest.mark.parametrize("day", range(7))
def test_request_can_be_kept_on_every_day_and_lives_until_the_day_to_look_again(world, day):
    now = NOON.replace(day=16) + day * DAY
    code = asks(world, now)

    kept = world.desk().wait(only(world, now), now)

    again = told(world, code, now).look_again
    assert again is not None
    assert kept.envelope.expires > end(again)


@pytest.mark.parametrize("day", range(7))
@pytest.mark.parametrize(("serve", "answer"), [(1, 8), (7, 14), (21, 28)])
def test_longest_answer_that_a_profile_may_have_is_kept_on_every_day(world, day, serve, answer):
    world = replace(world, city=replace(world.city, serve_days=serve, answer_by_days=answer))
    now = NOON.replace(day=16) + day * DAY
    code = asks(world, now)

    kept = world.desk().wait(only(world, now), now)

    again = told(world, code, now).look_again
    assert again == now.date() + answer * DAY
    assert kept.envelope.expires > end(again)


def test_request_is_kept_week_after_week_until_60_days_are_over(world):
    code = asks(world)
    now = NOON

    for week in range(7):
        now = NOON + week * WEEK
        mint(world, now)
        kept = world.desk().wait(only(world, now), now)
        assert kept.envelope.born == Epoch(2026, 47)
        assert kept.envelope.epoch == weeks.epoch_at(now, world.city.zone)
        assert told(world, code, now).look_again == now.date() + 10 * DAY

    # On the 6th of January the day to look again would be the 16th; it is over on the 15th.
    now = NOON + 7 * WEEK
    mint(world, now)
    item = only(world, now)
    with pytest.raises(TooOld):
        world.desk().wait(item, now)
    assert same(only(world, now), item)
    assert told(world, code, now).look_again == date(2027, 1, 9)
    assert item.envelope.expires <= end(date(2027, 1, 15))


def test_too_old_to_be_kept_can_still_be_refused_or_placed(world):
    code = asks(world)
    for week in range(7):
        now = NOON + week * WEEK
        mint(world, now)
        world.desk().wait(only(world, now), now)
    now = NOON + 7 * WEEK
    mint(world, now)
    friday = Opening(date(2027, 1, 8), "09:30", "corona")
    seats(world, {friday: 1})

    world.desk().place(only(world, now), friday, now)
    assert told(world, code, now) == Reply("placed", opening=friday)
    refused = world.desk().refuse(only(world, now), now)

    assert told(world, code, now) == Reply("none")
    assert refused.envelope.expires == end(date(2027, 1, 15))
    assert list(world.desk().pull(datetime(2027, 1, 15, 5, tzinfo=UTC))) == []


def test_who_is_kept_waiting_stays_before_those_of_the_same_week_who_were_not(world):
    for _ in range(4):
        asks(world)
    first, *others = queue.ordered(world.desk().pull(NOON))

    world.desk().wait(first, NOON)

    again = queue.ordered(world.desk().pull(NOON))
    assert [item.id for item in again] == [item.id for item in (first, *others)]


def test_order_of_who_is_kept_is_that_of_the_first_week(world):
    asks(world, name=["old"])
    now = NOON + WEEK
    world.desk().wait(only(world, now), now)
    for n in range(4):
        asks(world, now, name=[f"new {n}"])

    items = queue.ordered(world.desk().pull(now))

    assert items[0].request.name == "old"


# --- Refusing ------------------------------------------------------------------------------------


@every_store
def test_refused_request_says_that_there_is_no_place_and_keeps_its_end(world):
    code = asks(world)
    before = only(world)

    refused = world.desk().refuse(before, NOON)

    assert same(only(world), refused)
    assert refused.state == "none"
    assert refused.request == before.request
    assert refused.envelope == replace(before.envelope, reply=refused.envelope.reply, rev=2)
    assert told(world, code) == Reply("none")


@every_store
def test_seat_of_who_is_refused_goes_back(world):
    code = asks(world)
    seats(world, {VISIT: 1})
    placed = world.desk().place(only(world), VISIT, NOON)

    world.desk().refuse(placed, NOON)

    held = only(world)
    assert (held.state, held.envelope.opening, held.request.opening) == ("none", None, None)
    assert held.envelope.epoch == Epoch(2026, 47)
    assert left(world, VISIT) == [1]
    assert told(world, code) == Reply("none")


def test_who_was_refused_can_still_be_placed_or_kept(world):
    code = asks(world)
    seats(world, {VISIT: 1})

    refused = world.desk().refuse(only(world), NOON)
    placed = world.desk().place(refused, VISIT, NOON)
    assert (placed.state, told(world, code).state) == ("placed", "placed")
    kept = world.desk().wait(world.desk().refuse(placed, NOON), NOON)

    assert (kept.state, told(world, code).state) == ("waiting", "waiting")
    assert left(world, VISIT) == [1]


# --- Entering for somebody -----------------------------------------------------------------------


@every_store
def test_request_entered_for_somebody_waits_in_the_kiosk_lane(world):
    code = codes.new()
    again = world.desk().enter(ASKED, NOON, code).look_again

    item = only(world)
    assert item.request == request.parse(ASKED, world.city)
    assert (item.envelope.lane, item.envelope.born, item.envelope.rev) == ("K", Epoch(2026, 47), 1)
    assert item.envelope.expires == end(date(2026, 11, 30))
    assert item.state == "waiting"
    assert again == date(2026, 11, 28)
    assert told(world, code) == Reply("waiting", look_again=again)


@every_store
def test_opening_is_taken_for_somebody_at_once(world):
    seats(world, {OTHER: 1})

    code = codes.new()
    world.desk().enter({**ASKED, "opening": [str(OTHER)]}, NOON, code)

    item = only(world)
    assert (item.state, item.opening, item.request.opening) == ("placed", OTHER, OTHER)
    assert (item.envelope.epoch, item.envelope.born) == (Epoch(2026, 50), Epoch(2026, 47))
    assert item.envelope.expires == end(date(2026, 12, 21))
    assert left(world, OTHER) == [0]
    assert told(world, code) == Reply("placed", opening=OTHER)


@every_store
def test_full_opening_is_not_taken_and_nothing_is_kept(world):
    seats(world, {VISIT: 0})

    with pytest.raises(NoSeats):
        world.desk().enter({**ASKED, "opening": [str(VISIT)]}, NOON, codes.new())

    assert list(world.desk().pull(NOON)) == []
    assert left(world, VISIT) == [0]


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        ({"name": [""]}, {"name": "missing"}),
        ({"opening": ["corona"]}, {"opening": "unknown"}),
        ({"opening": ["gotham.2026-12-03.0930"]}, {"opening": "unknown"}),
        ({"people": ["7"], "phone": ["1"]}, {"people": "range", "phone": "phone"}),
    ],
)
def test_what_is_typed_wrongly_is_named_and_nothing_is_kept(world, typed, problems):
    with pytest.raises(Invalid) as refused:
        world.desk().enter({**ASKED, **typed}, NOON, codes.new())

    assert refused.value.fields == problems
    assert list(world.desk().pull(NOON)) == []


def test_week_without_a_key_is_helped_by_custodians_and_by_no_other_time(world):
    with pytest.raises(NoKeyNow):
        world.desk().enter(ASKED, NOON + 8 * WEEK, codes.new())

    assert "earlier time" in NoKeyYet.next and "time" not in NoKeyNow.next


def test_opening_in_a_week_without_keys_cannot_be_taken_for_somebody(world):
    far = replace(VISIT, day=date(2026, 12, 15))
    seats(world, {far: 1})

    with pytest.raises(NoKeyYet):
        world.desk().enter({**ASKED, "opening": [str(far)]}, NOON, codes.new())

    assert left(world, far) == [1]


# --- Erasing -------------------------------------------------------------------------------------


@every_store
def test_erased_request_is_gone_and_its_seat_comes_back(world):
    code = asks(world)
    seats(world, {VISIT: 1})
    placed = world.desk().place(only(world), VISIT, NOON)

    world.desk().erase(placed)

    assert list(world.desk().pull(NOON)) == []
    assert left(world, VISIT) == [1]
    assert told(world, code) is None
    with pytest.raises(Conflict):
        world.desk().erase(placed)
    assert left(world, VISIT) == [1]


# --- When two write at once ----------------------------------------------------------------------


@every_store
def test_what_was_cancelled_meanwhile_is_not_placed(world):
    asks(world)
    seats(world, {VISIT: 1})
    item = only(world)
    world.store.erase(item.envelope, stub=True)

    for act in (
        lambda: world.desk().place(item, VISIT, NOON),
        lambda: world.desk().wait(item, NOON),
        lambda: world.desk().refuse(item, NOON),
        lambda: world.desk().erase(item),
    ):
        with pytest.raises(Conflict):
            act()

    assert list(world.desk().pull(NOON)) == []
    assert left(world, VISIT) == [1]


@every_store
def test_cancelling_what_was_placed_gives_the_seat_back_once(world):
    asks(world)
    seats(world, {VISIT: 1, OTHER: 1})
    placed = world.desk().place(only(world), VISIT, NOON)
    world.store.erase(placed.envelope, stub=True)

    with pytest.raises(Conflict):
        world.desk().place(placed, OTHER, NOON)

    assert left(world, VISIT, OTHER) == [1, 1]
    assert list(world.desk().pull(NOON)) == []


@every_store
def test_two_schedulers_who_place_one_request_collide_and_the_first_wins(world):
    code = asks(world)
    seats(world, {VISIT: 1, OTHER: 1})
    mine, theirs = only(world), only(world)
    world.desk().place(mine, VISIT, NOON)

    for act in (
        lambda: world.desk().place(theirs, OTHER, NOON),
        lambda: world.desk().place(theirs, VISIT, NOON),
        lambda: world.desk().wait(theirs, NOON),
        lambda: world.desk().refuse(theirs, NOON),
        lambda: world.desk().erase(theirs),
    ):
        with pytest.raises(Conflict):
            act()

    assert only(world).opening == VISIT
    assert left(world, VISIT, OTHER) == [0, 1]
    assert told(world, code) == Reply("placed", opening=VISIT)


@every_store
def test_two_schedulers_who_give_out_the_last_seat_give_it_to_one(world):
    codes_of = {name: asks(world, name=[name]) for name in ("one", "two")}
    seats(world, {VISIT: 1})
    items = {item.request.name: item for item in world.desk().pull(NOON)}
    world.desk().place(items["one"], VISIT, NOON)

    with pytest.raises(NoSeats):
        world.desk().place(items["two"], VISIT, NOON)

    after = {item.request.name: item for item in world.desk().pull(NOON)}
    assert (after["one"].state, after["two"].state) == ("placed", "waiting")
    assert same(after["two"], items["two"])
    assert left(world, VISIT) == [0]
    assert told(world, codes_of["two"]) == Reply("waiting")


def test_item_as_it_was_written_can_be_written_again_without_pulling(world):
    asks(world)
    seats(world, {VISIT: 1, OTHER: 1})
    at_work = world.desk()

    item = at_work.place(only(world), VISIT, NOON)
    item = at_work.refuse(item, NOON)
    item = at_work.wait(item, NOON)
    item = at_work.place(item, OTHER, NOON)
    assert same(only(world), item)
    at_work.erase(item)

    assert left(world, VISIT, OTHER) == [1, 1]


@contextmanager
def reader(world):
    """Somebody who reads the SQLite file meanwhile, as a backup does."""
    other = sqlite3.connect(world.spec.removeprefix("sqlite:"))
    try:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM requests").fetchone()
        yield
    finally:
        other.close()


@pytest.fixture
def hasty(monkeypatch):
    """SQLite that does not wait for readers; for a fixture, it must come before `world`."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)


def test_what_is_written_while_somebody_reads_the_file_is_written(hasty, world):
    code = asks(world)
    seats(world, {VISIT: 1})
    at_work, item = world.desk(), only(world)

    with reader(world):
        item = at_work.place(item, VISIT, NOON)
        assert left(world, VISIT) == [0]
        item = at_work.wait(item, NOON)
        item = at_work.refuse(item, NOON)

    assert same(only(world), item)
    assert left(world, VISIT) == [1]
    assert told(world, code) == Reply("none")


def test_erasing_while_somebody_reads_the_file_says_that_traces_remain(hasty, world):
    asks(world)
    seats(world, {VISIT: 1})
    item = world.desk().place(only(world), VISIT, NOON)

    with reader(world), pytest.raises(TracesRemain):
        world.desk().erase(item)

    assert list(world.desk().pull(NOON)) == []
    assert left(world, VISIT) == [1]


# --- Envelopes that no page of ours made ---------------------------------------------------------


def forged(world, inside="", outside=None, **more):
    """An envelope made by hand and put past the functions; `more` goes to `envelopes.seal`."""
    secrets = any_secrets()
    asked = replace(request.parse({**ASKED, "name": ["forged"]}, world.city), opening=inside)
    envelope = envelopes.seal(
        request.pack(asked, secrets.reply),
        world.bundle(),
        secrets,
        inside if outside is None else outside,
        **more,
    )
    envelope = envelopes.admitted(envelope, "P", end(date(2026, 11, 30)))
    world.store.put(envelope)
    return envelope


def reason(world):
    """Why the one that does not open does not; the good one beside it does."""
    asks(world, name=["good"])
    pulled = list(world.desk().pull(NOON))
    assert [item.request.name for item in pulled if isinstance(item, Opened)] == ["good"]
    (bad,) = (item for item in pulled if isinstance(item, Unopened))
    return bad.reason


def test_why_a_request_does_not_open_holds_nothing_of_what_was_read_on_the_way(world):
    """The reason is shown for as long as the desk is open; its trace would hold the parts."""
    forged(world, str(VISIT), str(OTHER))

    why = reason(world)

    assert (why.__traceback__, why.__context__, why.__cause__) == (None, None, None)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(str(VISIT), str(OTHER)), (str(VISIT), ""), ("", str(VISIT)), (str(VISIT), str(VISIT) + " ")],
)
def test_opening_outside_that_is_not_the_one_inside_does_not_open(world, inside, outside):
    forged(world, inside, outside)

    assert isinstance(reason(world), OpeningMismatch)


@pytest.mark.parametrize(
    "opening", ["x", "corona", "corona.2026-02-29.0930", str(VISIT) + ".Desk", "\n", "#" * 64]
)
def test_opening_that_is_none_does_not_open(world, opening):
    forged(world, opening)

    assert type(reason(world)) is CannotOpen


@pytest.mark.parametrize(
    "born", ["", "x", "2026-W54", "2026-47", "2026-W47 ", "٢٠٢٦-W47", str(NO_WEEK)]
)
def test_week_of_birth_that_is_none_does_not_open(world, born):
    forged(world, born=born or " ")

    assert type(reason(world)) is CannotOpen


@pytest.mark.parametrize("born", [Epoch(9999, 52), Epoch(2030, 1), Epoch(2026, 48)])
def test_week_of_birth_after_its_own_week_does_not_open(world, born):
    # It would live for longer than 60 days, or stop the desk where it adds them.
    forged(world, born=born)

    assert type(reason(world)) is CannotOpen


def test_week_of_birth_that_was_changed_does_not_open(world):
    envelope = forged(world)
    world.store.replace(envelope, replace(envelope, born=Epoch(2026, 46)))

    assert type(reason(world)) is CannotOpen


@pytest.mark.parametrize(
    "answer",
    [
        {"state": "hello"},
        {},
        {"state": "placed"},
        {"state": "placed", "opening": "x"},
        {"state": "waiting", "look_again": "soon"},
        {"state": ["waiting"]},
    ],
)
def test_reply_that_says_nothing_we_know_leaves_the_request_readable(world, answer):
    forged(world, reply=answer)
    seats(world, {VISIT: 1})

    item = only(world)
    assert (item.request.name, item.reply, item.state) == ("forged", None, "waiting")
    placed = world.desk().place(item, VISIT, NOON)

    assert placed.reply == only(world).reply == Reply("placed", opening=VISIT)


@pytest.mark.parametrize("size", [0, 1, 12, 27, 284, 400])
def test_reply_that_does_not_open_leaves_the_request_readable(world, size):
    envelope = forged(world)
    world.store.replace(envelope, replace(envelope, reply=bytes(size)))

    assert only(world).reply is None


@pytest.mark.parametrize("text", [b"[" * 256, b"[" * 100_000, b"7" * 256, b"\xff" * 256, b"null"])
def test_reply_that_is_no_text_of_ours_leaves_the_request_readable(world, text):
    envelope = forged(world)
    key = only(world).reply_key
    aad = f"quietdesk/1|reply|{b64(envelope.id)}".encode()
    sealed = bytes(12) + AESGCM(key).encrypt(bytes(12), text, aad)
    world.store.replace(envelope, replace(envelope, reply=sealed))

    assert only(world).reply is None


def test_reply_that_says_placed_takes_no_place(world):
    # Only the header counts: a phone may write into its own first reply what it likes.
    forged(world, reply={"state": "placed", "opening": str(VISIT)})

    item = only(world)

    assert (item.state, item.opening) == ("waiting", None)


def test_day_to_look_again_beyond_the_calendar_stops_no_proposals(world):
    forged(world, reply={"state": "waiting", "look_again": "9999-12-31"})
    asks(world, name=["good"], reach=[], phone=[], phone_owner=[])
    items = [
        replace(item, request=replace(item.request, reach=(), windows=()))
        for item in world.desk().pull(NOON)
    ]

    proposals = queue.propose(items, {VISIT: 2}, world.city, NOON)

    assert [proposal.opening for proposal in proposals] == [VISIT, VISIT]


@pytest.mark.parametrize("change", [{"people": -1}, {"name": 7}, {"more": ""}, {"access": "quiet"}])
def test_parts_that_hold_no_request_do_not_open(world, change):
    secrets = any_secrets()
    parts = request.pack(request.parse(ASKED, world.city), secrets.reply)
    visit = json.dumps(json.loads(parts.visit) | change).encode().ljust(1024)
    envelope = envelopes.seal(Parts(visit, parts.contact), world.bundle(), secrets)
    world.store.put(envelopes.admitted(envelope, "P", end(date(2026, 11, 30))))

    assert type(reason(world)) is CannotOpen


def test_parts_of_two_requests_do_not_open_together(world):
    one, two = world.sealed(), world.sealed()
    world.store.put(replace(one, contact=two.contact))

    assert type(reason(world)) is CannotOpen


def test_key_that_there_is_not_does_not_open(world):
    envelope = world.sealed()
    strange = SealedPart(
        Kid("main", "contact", Epoch(2026, 47), "00000000"), envelope.contact.sealed
    )
    world.store.put(replace(envelope, contact=strange))

    assert isinstance(reason(world), CannotOpen)


def own_keys(world, epoch):
    """Keys that somebody made who may write into the store, under the names of the true ones; the
    halves are put where the desk looks. Gives the public keys by part."""
    made = {}
    signed = bundles.signed(world.raw_bundle(epoch), world.trust, world.city.queue)
    for part, (kid, _) in signed.keys.items():
        halves = urandom(32), urandom(32)
        made[part] = (kid, hpke.public_key(hpke.seed(*halves, kid)), halves)
    wrap_keys = upload.of(world.store, world.device.public_key, world.trust).keys
    world.store.destroy_keys(world.city.queue, epoch)
    for kid, _, (device_half, server_half) in made.values():
        info = keyring.wrap_info(kid, world.device.id)
        wrap = hpke.seal_to(wrap_keys[epoch], info, device_half)
        world.store.put_keys(kid, server_half, {world.device.id: wrap})
    return {part: (kid, pk) for part, (kid, pk, _) in made.items()}


def publish_as_a_stranger(world, epoch, own):
    """Their keys in the place of the signed ones, with a signature of their own."""
    stranger = make_custodian()
    city, today = world.city, NOON.date()
    body = bundles.body(city.queue, city.deployment, epoch, city.zone, own.values(), 1, today)
    document = signed_document(body, [stranger.sign("bundle", body)])
    name = bundles.name(city.queue, epoch)
    world.store.publish(name, document, world.store.read(name)[1])


@pytest.mark.parametrize("published", [False, True])
def test_request_sealed_to_a_key_that_custodians_did_not_sign_does_not_open(world, published):
    """Though both halves of it are there, and it would open."""
    epoch, own = Epoch(2026, 47), own_keys(world, Epoch(2026, 47))
    bundle = bundles.Bundle(world.city.queue, world.city.deployment, epoch, 0, 0, own)
    made = any_secrets()
    parts = request.pack(request.parse(ASKED, world.city), made.reply)
    sealed = envelopes.seal(parts, bundle, made)
    world.store.put(envelopes.admitted(sealed, "P", end(date(2026, 11, 30))))
    if published:
        publish_as_a_stranger(world, epoch, own)

    (item,) = world.desk().pull(NOON)

    assert isinstance(item, Unopened)
    assert "custodians signed" in str(item.reason) or "needed signatures" in str(item.reason)


def test_desk_seals_to_no_key_that_custodians_did_not_sign(world):
    asks(world)
    seats(world, {VISIT: 1})
    item = only(world)
    publish_as_a_stranger(world, VISIT.epoch, own_keys(world, VISIT.epoch))

    with pytest.raises(BadSignature):
        world.desk().place(item, VISIT, NOON)

    assert same(only(world), item)
    assert left(world, VISIT) == [1]


def test_every_bad_one_is_named_and_every_good_one_opens(world):
    forged(world, str(VISIT), "")
    forged(world, "x")
    forged(world, born="x")
    forged(world, reply={"state": "hello"})
    for name in ("one", "two"):
        asks(world, name=[name])

    pulled = list(world.desk().pull(NOON))

    names = sorted(item.request.name for item in pulled if isinstance(item, Opened))
    assert names == ["forged", "one", "two"]
    assert sum(isinstance(item, Unopened) for item in pulled) == 3


def test_nothing_is_sealed_to_a_week_whose_key_is_destroyed_whatever_the_clock_says(world):
    asks(world)
    item = only(world)
    world.store.destroy_keys("main", Epoch(2026, 47))  # as a right clock had it done

    with pytest.raises(KeyDestroyed):
        world.desk().wait(item, NOON)
    with pytest.raises(KeyDestroyed):
        Placing(world.store, world.city, world.trust).enter(ASKED, NOON, codes.new())

    assert [it.id for it in world.store.pull("main", [Epoch(2026, 47)], NOON)] == [item.envelope.id]


# --- Naming one, and saying nothing --------------------------------------------------------------


def test_request_is_found_by_the_first_digits_of_its_id(world):
    asks(world)
    item = only(world)

    for text in (item.id, item.id[:8], item.id[:8].upper()):
        assert naming.find(world.store, world.city, [text], NOON) == [item.envelope]
    for text in (item.id[:7], "0" * 32, ""):
        with pytest.raises(QuietdeskError):
            naming.find(world.store, world.city, [text], NOON)


def test_opened_requests_do_not_show_in_a_log_line(world):
    asks(world)

    assert repr(only(world)) == "<Opened>"


def test_another_desk_without_the_weeks_keys_says_so_for_each(world):
    asks(world)
    stranger = replace(world.device, wrap_seeds={})

    (item,) = world.desk(stranger).pull(NOON)

    assert isinstance(item, Unopened)


def test_entering_again_with_the_same_code_is_stored_once(world):
    """As the console does when the store did not answer, and may have kept it."""
    code = codes.new()
    for _ in range(2):
        world.desk().enter(ASKED, NOON, code)

    assert len(list(world.desk().pull(NOON))) == 1
