"""Which dates are reached, though any one clock may be wrong. Every clock is an argument."""

import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import bundles, clock, record, weeks
from quietdesk.clock import EVENLY, JUMP, NEVER, OFFLINE, Doubt, Evenly, alone, asked, unasked
from quietdesk.errors import StoreUnavailable
from quietdesk.signed import signed_document
from quietdesk.weeks import Epoch, begins
from quietdesk.wire import b64, unb64
from tests.examples import examples
from tests.world import NOON, WEEK

NEW_YORK = ZoneInfo("America/New_York")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY_DAY = weeks.destroyed_at(Epoch(2026, 47), NEW_YORK, 7)


# --- With the store's date -----------------------------------------------------------------------


def test_on_the_day_that_both_clocks_say_it_is_reached_and_not_a_second_before():
    second = timedelta(seconds=1)

    assert asked(KEY_DAY, KEY_DAY).reached(KEY_DAY)
    assert not asked(KEY_DAY - second, KEY_DAY).reached(KEY_DAY)
    assert not asked(KEY_DAY, KEY_DAY - second).reached(KEY_DAY)


def test_a_clock_that_is_ahead_reaches_nothing_and_is_said():
    dates = asked(NOON + 15 * DAY, NOON)

    assert (dates.reached(KEY_DAY), dates.waits(KEY_DAY)) == (False, True)
    assert (dates.doubt, dates.other) == (Doubt.AHEAD, NOON)


def test_a_clock_that_went_back_does_not_stop_what_is_due_by_the_store_and_is_said():
    dates = asked(NOON - 400 * DAY, KEY_DAY, NOON)

    assert dates.reached(KEY_DAY)
    assert dates.doubt is Doubt.BEHIND


def test_a_store_that_is_ahead_reaches_nothing_by_itself():
    dates = asked(NOON, NOON + 15 * DAY, NOON - DAY)

    assert not dates.reached(KEY_DAY)
    assert dates.doubt is Doubt.BEHIND  # one of the two is; the person looks


def test_a_day_from_the_future_reaches_nothing_where_both_clocks_say_otherwise():
    assert not asked(NOON, NOON, NOON + 30 * DAY).reached(KEY_DAY)
    assert asked(NOON, NOON, NOON + 30 * DAY).doubt is Doubt.NONE


@pytest.mark.parametrize("known", [NOON + 15 * DAY, KEY_DAY, NOON + 4000 * DAY])
def test_a_day_from_the_future_proves_nothing_against_the_store_that_answers_now(known):
    """It lies beside the keyring, unsigned: it may be stale, forged, or of a store that erred."""
    dates = asked(NOON + 15 * DAY, NOON, known)

    assert (dates.past, dates.doubt) == (NOON, Doubt.AHEAD)
    assert dates.waits(KEY_DAY)


def test_a_clock_behind_a_day_that_the_store_does_not_confirm_still_has_its_say():
    assert asked(NOON - 15 * DAY, NOON, NOON + DAY).past == NOON - 15 * DAY
    assert asked(NOON - 15 * DAY, NOON, NOON - DAY).past == NOON


@pytest.mark.parametrize("hours", [-26, 26])
def test_a_difference_of_twenty_six_hours_is_no_reason_to_speak_and_a_second_more_is(hours):
    apart = timedelta(hours=hours)
    beyond = apart + timedelta(seconds=1 if hours > 0 else -1)

    assert asked(NOON + apart, NOON).doubt is Doubt.NONE
    assert asked(NOON + beyond, NOON).doubt is (Doubt.AHEAD if hours > 0 else Doubt.BEHIND)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("hours", [-14, -12, 12, 14])
def test_a_wrong_time_zone_is_less_than_a_jump_and_loses_nothing(zone, hours):
    """A computer whose zone is wrong, and whose clock somebody then set by the wall."""
    at = weeks.destroyed_at(Epoch(2026, 47), ZoneInfo(zone), 7)
    true = at - HOUR

    dates = asked(true + timedelta(hours=hours), true)

    assert dates.doubt is Doubt.NONE
    assert not dates.reached(at)
    assert asked(at, at).reached(at)


# --- Where the store cannot be asked -------------------------------------------------------------


def test_offline_a_week_goes_eight_days_after_its_key_day_if_that_was_shown_to_have_begun():
    second = timedelta(seconds=1)

    assert unasked(KEY_DAY + OFFLINE, KEY_DAY).reached(KEY_DAY)
    assert not unasked(KEY_DAY + OFFLINE - second, KEY_DAY).reached(KEY_DAY)
    assert not unasked(KEY_DAY + OFFLINE, KEY_DAY - DAY).reached(KEY_DAY)
    assert not unasked(KEY_DAY + 1000 * DAY, None).reached(KEY_DAY)


def test_offline_a_clock_behind_what_was_seen_is_said():
    assert unasked(NOON - 2 * DAY, NOON).doubt is Doubt.BEHIND
    assert unasked(NOON, NOON - 30 * DAY).doubt is Doubt.UNASKED
    assert unasked(NOON, None).doubt is Doubt.UNASKED


# --- Where there is no clock but this one --------------------------------------------------------


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_only_clock_is_believed_up_to_a_jump_in_either_direction(sign):
    jump = sign * JUMP
    beyond = jump + sign * timedelta(seconds=1)

    assert alone(NOON + jump, NOON, None).doubt is Doubt.NONE
    assert alone(NOON + beyond, NOON, None).doubt is Doubt.MOVED


@pytest.mark.parametrize("monday", [date(2026, 3, 8), date(2026, 11, 1)])
def test_a_day_on_which_clocks_change_is_no_jump(monday):
    """From midnight to midnight it has 23 or 25 hours."""
    before, after = begins(monday, NEW_YORK), begins(monday + DAY, NEW_YORK)

    assert abs(after - before) in (23 * HOUR, 25 * HOUR)
    assert alone(after, before, None).reached(after)


def test_after_a_jump_nothing_more_is_reached_until_a_day_has_run_evenly():
    here = NOON + 15 * DAY

    assert not alone(here, NOON, None, EVENLY - timedelta(seconds=1)).reached(KEY_DAY)
    assert alone(here, NOON, None, EVENLY - HOUR).reached(NOON)  # what was owed still goes
    assert alone(here, NOON, None, EVENLY).reached(KEY_DAY)


def test_set_right_again_it_goes_on_by_itself():
    assert alone(NOON + 15 * DAY, NOON, None).doubt is Doubt.MOVED

    assert alone(NOON + 2 * HOUR, NOON, None) == clock.Dates(NOON + 2 * HOUR, NOON + 2 * HOUR)


def test_what_custodians_signed_counts_where_the_clock_moved():
    signed = KEY_DAY + 3 * DAY

    assert alone(KEY_DAY + 15 * DAY, NOON, signed).reached(KEY_DAY)
    assert not alone(KEY_DAY + 15 * DAY, NOON, KEY_DAY - DAY).reached(KEY_DAY)


def test_a_clock_that_nobody_ever_believed_reaches_nothing():
    dates = alone(NOON, None, None)

    assert (dates.past, dates.doubt, dates.other) == (NEVER, Doubt.MOVED, None)


def test_evenness_is_counted_anew_after_each_jump_and_not_for_what_a_late_timer_is():
    evenly = Evenly()

    assert evenly.so_far(NOON, 100.0) == timedelta(0)
    assert evenly.so_far(NOON + HOUR, 3700.0) == HOUR
    assert evenly.so_far(NOON + 2 * HOUR + timedelta(seconds=9), 7300.0) == 2 * HOUR
    assert evenly.so_far(NOON + 15 * DAY, 10_900.0) == timedelta(0)
    assert evenly.so_far(NOON + 15 * DAY + HOUR, 14_500.0) == HOUR
    assert evenly.so_far(NOON + 4 * HOUR, 18_100.0) == timedelta(0)  # back again


# --- What is signed ------------------------------------------------------------------------------


def day_of(world, here=NOON):
    return clock.signed_day(world.store, world.city, world.trust, here)


def over(world, name, document):
    held = world.store.read(name)
    world.store.publish(name, document, held[1] if held else 0)


def resigned(world, name, kind, signer=None, **says):
    """The document of that name with other words in it, signed again."""
    outer = json.loads(world.store.read(name)[0])
    body = json.loads(unb64(outer["body"])) | says
    raw = json.dumps({k: v for k, v in body.items() if v is not None}).encode()
    signer = signer or world.custodian
    return signed_document(raw, [signer.sign(kind, raw)])


def test_the_newest_day_is_that_of_the_keys_of_weeks_or_of_devices(world):
    assert day_of(world) == date(2026, 11, 18)

    over(world, "devices", resigned(world, "devices", "devices", day="2026-11-20"))
    assert day_of(world) == date(2026, 11, 20)

    name = bundles.name("main", Epoch(2026, 49))
    over(world, name, resigned(world, name, "bundle", day="2026-11-21"))
    assert day_of(world) == date(2026, 11, 21)


def test_the_head_of_the_record_counts_when_it_names_a_day(world):
    head = record.head("main", [], "demo", 1, date(2026, 11, 25))
    document = signed_document(head, [world.custodian.sign("record", head)])

    over(world, record.head_name("main"), document)

    assert day_of(world) == date(2026, 11, 25)


def test_a_document_without_a_day_proves_nothing(world):
    head = record.head_name("main")
    for name, kind in [("devices", "devices"), (head, "record"), *all_bundles(world)]:
        over(world, name, resigned(world, name, kind, day=None))

    assert day_of(world) is None


def all_bundles(world):
    epochs = (Epoch(2026, 47).plus(n) for n in range(4))
    return [(bundles.name("main", epoch), "bundle") for epoch in epochs]


@pytest.mark.parametrize("signer", ["device", "nobody"])
def test_a_document_that_custodians_did_not_sign_proves_nothing(world, signer):
    if signer == "device":
        forged = resigned(world, "devices", "devices", world.device, day="2036-01-01")
    else:
        outer = json.loads(world.store.read("devices")[0])
        body = unb64(outer["body"]).replace(b"2026-11-18", b"2036-01-01")
        forged = json.dumps(outer | {"body": b64(body)}).encode()

    over(world, "devices", forged)

    assert day_of(world) == date(2026, 11, 18)


def test_a_list_of_times_proves_nothing_as_devices_sign_by_the_clock_in_question(open_world):
    open_world.publisher().publish(NOON + 3 * DAY)
    listing = open_world.publisher().published()[""]
    assert listing.signed_on == date(2026, 11, 21)

    assert day_of(open_world) == date(2026, 11, 18)


def test_an_old_copy_of_the_documents_proves_less(world):
    old = world.store.read("devices")[0]
    over(world, "devices", resigned(world, "devices", "devices", day="2026-12-01"))
    here = KEY_DAY + 15 * DAY
    assert clock.machine(world.store, world.city, world.trust, here).reached(KEY_DAY)

    over(world, "devices", old)

    assert not clock.machine(world.store, world.city, world.trust, here).reached(KEY_DAY)


# --- A store on this machine ---------------------------------------------------------------------


def test_the_document_says_whole_seconds_and_names_nobody(world):
    clock.believe(world.store, NOON + timedelta(microseconds=7))

    assert world.store.read("clock")[0] == str(int(NOON.timestamp())).encode()
    assert clock.last_believed(world.store) == NOON


@pytest.mark.parametrize("damaged", [b"", b"yesterday", b"9" * 40, b"\xff"])
def test_a_damaged_document_believes_no_clock(world, damaged):
    world.store.publish("clock", damaged, 0)

    assert clock.last_believed(world.store) is None


def test_an_early_loss_names_the_week_its_key_day_and_its_requests(world):
    world.store.put(world.sealed())
    world.store.put(world.sealed())
    clock.believe(world.store, NOON)

    dates, waits = clock.to_sweep(world.store, world.city, world.trust, NOON + 2 * WEEK)

    assert dates.doubt is Doubt.MOVED
    assert waits == [clock.Loss(Epoch(2026, 47), date(2026, 11, 30), 2)]


def test_a_week_whose_keys_are_gone_is_no_loss(world):
    clock.believe(world.store, NOON)
    world.store.destroy_keys("main", Epoch(2026, 47))

    assert clock.to_sweep(world.store, world.city, world.trust, NOON + 2 * WEEK)[1] == []


def test_a_new_machine_goes_by_its_clock_and_one_with_something_to_lose_does_not(world):
    """The store was brought up to date from a release that kept no time."""
    early, soon, late = NOON - 3 * DAY, NOON + 3 * DAY, NOON + 2 * WEEK

    assert clock.to_sweep(world.store, world.city, world.trust, early)[0].doubt is Doubt.MOVED
    assert clock.to_sweep(world.store, world.city, world.trust, soon)[0].doubt is Doubt.NONE
    assert clock.to_sweep(world.store, world.city, world.trust, late)[0].doubt is Doubt.MOVED


# --- A clock that is not believed, over starts ----------------------------------------------------


def sighted(world, *starts):
    """Whether the clock is believed at each of these starts: what a timer of scripts does."""
    became = []
    for here in starts:
        dates, _ = clock.to_sweep(world.store, world.city, world.trust, here)
        clock.keep(world.store, dates)
        became.append(not dates.doubt)
    return became


def test_a_clock_that_moved_is_believed_when_it_went_on_for_two_days_of_starts(world):
    clock.believe(world.store, NOON)
    there = NOON + 15 * DAY

    assert sighted(world, there, there + DAY, there + 46 * HOUR - timedelta(seconds=1)) == [
        False,
        False,
        False,
    ]
    assert sighted(world, there + 46 * HOUR) == [True]
    assert world.store.read("clock")[0] == str(int((there + 46 * HOUR).timestamp())).encode()


def test_a_clock_that_begins_anew_at_each_start_is_never_believed(world):
    """Its battery is flat."""
    clock.believe(world.store, NOON)
    there = NOON - 300 * DAY

    starts = [there + hour * HOUR for _ in range(9) for hour in range(9)]

    assert not any(sighted(world, *starts))


def test_a_clock_that_leaps_between_starts_is_not_believed_for_the_days_it_leapt(world):
    clock.believe(world.store, NOON)

    assert not any(sighted(world, *(NOON + 15 * DAY + n * 27 * HOUR for n in range(9))))


def test_what_was_seen_of_a_wrong_clock_does_not_help_it_after_it_was_set_right(world):
    clock.believe(world.store, NOON)
    there = NOON + 15 * DAY

    assert sighted(world, there, there + 25 * HOUR) == [False, False]
    assert sighted(world, NOON + 26 * HOUR) == [True]
    assert sighted(world, there + 47 * HOUR, there + 48 * HOUR) == [False, False]


def test_a_clock_that_was_never_believed_goes_on_too(world):
    late = NOON + 2 * WEEK

    assert sighted(world, late, late + DAY, late + 2 * DAY) == [False, False, True]


# --- Damaged documents ----------------------------------------------------------------------------

DAMAGES = [
    "data = 'text'",
    "seq = 'often'",
    "seq = 9223372036854775807",
    "seq = -1",
    "data = x'ff20'",
    "data = x'3120322033203420'",
]


def damage(world, name, how):
    with closing(sqlite3.connect(world.spec.partition(":")[2])) as db, db:
        db.execute(f"UPDATE public SET {how} WHERE name = ?", (name,))  # noqa: S608


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_clock_document_stops_no_sweep_and_is_written_anew(world, how):
    world.store.publish("clock", b"1", 0)
    damage(world, "clock", how)
    assert clock.last_believed(world.store) is None

    dates, _ = clock.to_sweep(world.store, world.city, world.trust, NOON)
    clock.swept(world.store, world.city, dates)

    assert clock.last_believed(world.store) == NOON


@pytest.mark.parametrize("how", ["data = 'text'", "seq = 'often'", "seq = 9223372036854775807"])
def test_a_damaged_signed_document_proves_nothing_and_hides_no_other(world, how):
    over(world, "devices", resigned(world, "devices", "devices", day="2026-11-20"))
    damage(world, bundles.name("main", Epoch(2026, 47)), how)
    assert newest(world) == date(2026, 11, 20)

    damage(world, "devices", how)
    assert newest(world) == date(2026, 11, 18)


def newest(world):
    """The newest day that is signed, or the trouble that ended the reading."""
    try:
        return day_of(world)
    except StoreUnavailable as error:
        return error


def test_a_week_whose_document_is_damaged_waits_rather_than_stop_what_is_due(world):
    clock.believe(world.store, NOON)
    damage(world, bundles.name("main", Epoch(2026, 47)), "data = 'text'")

    _, waits = clock.to_sweep(world.store, world.city, world.trust, NOON + 2 * WEEK)

    assert [it.epoch for it in waits] == [Epoch(2026, 47)]


# --- Signed by a wrong clock ----------------------------------------------------------------------


def signed_ahead(world):
    """Custodians signed by a clock that was a month ahead."""
    over(world, "devices", resigned(world, "devices", "devices", day="2026-12-18"))


def test_after_signing_by_a_clock_ahead_the_right_one_goes_on_by_itself(world):
    signed_ahead(world)

    assert sighted(world, NOON, NOON + DAY, NOON + 2 * DAY) == [False, False, True]
    assert sighted(world, NOON + 3 * DAY) == [True]


def test_the_day_that_a_person_typed_outvotes_what_was_signed_later_for_good(world):
    signed_ahead(world)
    assert sighted(world, NOON) == [False]

    clock.believe(world.store, NOON)

    assert sighted(world, NOON + HOUR, NOON + 20 * HOUR) == [True, True]
    monday = NOON + 5 * DAY
    dates, _ = clock.to_sweep(world.store, world.city, world.trust, monday)
    assert (dates.past, dates.other) == (NOON + 20 * HOUR, NOON + 20 * HOUR)


def test_what_a_wrong_clock_signed_destroys_nothing_where_another_was_believed(world):
    clock.believe(world.store, NOON)
    signed_ahead(world)

    dates, waits = clock.to_sweep(world.store, world.city, world.trust, NOON + 15 * DAY)

    assert not dates.reached(KEY_DAY)
    assert [it.epoch for it in waits] == [Epoch(2026, 47)]


# --- Whatever the clocks say ---------------------------------------------------------------------

hours = st.integers(-400 * 24, 400 * 24).map(lambda it: it * HOUR)
within = st.integers(0, 60 * 24).map(lambda it: it * HOUR)


@examples(300)
@given(off=hours, known=hours)
def test_nothing_that_is_kept_reaches_more_than_the_store_says_while_it_answers(off, known):
    assert asked(NOON + off, NOON, NOON + known).past <= NOON


@examples(300)
@given(true=within, off=hours, known=within, answers=st.booleans(), at=within)
def test_nothing_is_reached_before_a_true_second_opinion_says_so(true, off, known, answers, at):
    """Whatever this computer's clock says: the store's date is true when it answers, and what is
    known was true when it was learned."""
    now, seen = NOON + true, NOON + min(known, true)

    dates = asked(now + off, now, seen) if answers else unasked(now + off, seen)

    assert dates.past <= now
    assert not (dates.reached(NOON + at) and NOON + at > now)


@examples(300)
@given(true=within, last=within, signed=within, off=hours)
def test_a_clock_that_moved_reaches_nothing_that_was_not_believed_or_signed(
    true, last, signed, off
):
    now = NOON + true
    last, signed = min(NOON + last, now), min(NOON + signed, now)

    dates = alone(now + off, last, signed)

    if dates.doubt:
        assert dates.past <= now
    else:
        assert now + off <= max(last, signed) + JUMP


@examples(100)
@given(true=within, known=within)
def test_what_is_due_is_reached_at_once_when_both_agree(true, known):
    now = NOON + true

    assert asked(now, now, NOON + min(known, true)).past == now
    assert alone(now, now - HOUR, None).past == now
