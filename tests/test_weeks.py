from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quietdesk import weeks
from quietdesk.weeks import Epoch
from tests.world import NOON

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 11, 16, 4, 59, tzinfo=UTC), "2026-W46"),  # Sunday 23:59 in New York
        (datetime(2026, 11, 16, 5, 0, tzinfo=UTC), "2026-W47"),
        (datetime(2027, 1, 3, 12, 0, tzinfo=UTC), "2026-W53"),
        (datetime(2024, 2, 29, 12, 0, tzinfo=UTC), "2024-W09"),
    ],
)
def test_week_is_the_iso_week_in_the_programmes_time_zone(moment, week):
    assert str(weeks.epoch_at(moment, NEW_YORK)) == week


def test_week_is_an_hour_shorter_or_longer_when_clocks_change():
    spring, autumn = Epoch(2026, 10), Epoch(2026, 44)

    assert spring.end(NEW_YORK) - spring.start(NEW_YORK) == timedelta(days=7, hours=-1)
    assert autumn.end(NEW_YORK) - autumn.start(NEW_YORK) == timedelta(days=7, hours=1)


def test_weeks_are_counted_over_the_end_of_a_long_year():
    assert str(Epoch(2026, 52).plus(2)) == "2027-W01"
    assert str(Epoch(2027, 1).plus(-1)) == "2026-W53"


@pytest.mark.parametrize(
    "text", ["2026-47", "2026-W54", "2025-W53", "2026-W00", "2026-w47", "২০২৬-W47", ""]
)
def test_week_that_does_not_exist_is_refused(text):
    with pytest.raises(ValueError):
        Epoch.parse(text)


def test_request_may_go_to_the_week_before_for_24_hours():
    monday = Epoch(2026, 47).start(NEW_YORK)

    assert weeks.accepted(monday + timedelta(hours=24), NEW_YORK) == (
        Epoch(2026, 47),
        Epoch(2026, 46),
    )
    assert weeks.accepted(monday + timedelta(hours=24, seconds=1), NEW_YORK) == (Epoch(2026, 47),)


def test_envelope_ends_with_its_weeks_keys():
    end = weeks.expires(Epoch(2026, 47), Epoch(2026, 47), NEW_YORK, 7)

    assert datetime.fromtimestamp(end, UTC) == datetime(2026, 11, 30, 5, 0, tzinfo=UTC)


def test_nothing_lives_longer_than_60_days_whatever_the_settings_say():
    born = Epoch(2026, 38)

    end = weeks.expires(Epoch(2026, 48), born, NEW_YORK, 21)

    assert datetime.fromtimestamp(end, UTC) == born.start(NEW_YORK) + timedelta(days=60)


def test_serving_is_capped_at_21_days():
    assert weeks.destroyed_at(Epoch(2026, 47), NEW_YORK, 400) == Epoch(2026, 47).end(
        NEW_YORK
    ) + timedelta(days=21)


@pytest.mark.parametrize(("week", "day"), [(43, date(2026, 11, 2)), (9, date(2026, 3, 9))])
def test_key_day_begins_at_midnight_also_when_clocks_change(week, day):
    local = weeks.destroyed_at(Epoch(2026, week), NEW_YORK, 7).astimezone(NEW_YORK)

    assert (local.date(), local.hour, local.minute) == (day, 0, 0)


def test_weeks_still_readable_are_the_served_the_current_and_four_ahead():
    assert [str(e) for e in weeks.live(NOON, NEW_YORK, 7)] == [
        "2026-W46", "2026-W47", "2026-W48", "2026-W49", "2026-W50", "2026-W51",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (16, "2026-11-26"),
        (18, "2026-11-28"),
        (19, "2026-11-29"),
        (20, "2026-11-29"),
        (22, "2026-11-29"),
    ],
)
def test_nobody_is_told_to_look_when_the_request_may_be_destroyed(day, expected):
    """The keys of week 47 go on Monday 30 November."""
    now = datetime(2026, 11, day, 17, tzinfo=UTC)

    again = weeks.look_again(Epoch(2026, 47), Epoch(2026, 47), now, NEW_YORK, 7, 10)

    assert again.isoformat() == expected


# Clocks change at midnight in Havana, at two in New York, by half an hour on Lord Howe, never in
# Dhaka. The years have 53 weeks (2026) and 52.
ZONES = [ZoneInfo(it) for it in ("America/New_York", "America/Havana", "Australia/Lord_Howe")]
ZONES += [ZoneInfo("Asia/Dhaka"), ZoneInfo("Pacific/Apia")]
MOMENTS = st.datetimes(datetime(2025, 12, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@given(st.sampled_from(ZONES), MOMENTS, st.integers(1, 21), st.integers(1, 30))
@example(NEW_YORK, datetime(2026, 11, 22, 17, tzinfo=UTC), 7, 10)  # a Sunday
@example(NEW_YORK, datetime(2026, 11, 22, 17, tzinfo=UTC), 7, 15)
@example(NEW_YORK, datetime(2027, 1, 3, 17, tzinfo=UTC), 21, 28)  # the Sunday of week 53
@example(NEW_YORK, datetime(2026, 10, 25, 17, tzinfo=UTC), 7, 14)  # an hour more that night
@example(NEW_YORK, datetime(2026, 3, 8, 4, 59, tzinfo=UTC), 7, 14)  # an hour less
def test_what_is_told_what_waits_and_the_key_day_agree(zone, now, serve_days, answer_by_days):
    today, current = now.astimezone(zone).date(), weeks.epoch_at(now, zone)

    def told(epoch, born=current):
        return weeks.look_again(epoch, born, now, zone, serve_days, answer_by_days)

    # A new request: its day is not over before its week's keys go, nor before somebody can look.
    for born in weeks.accepted(now, zone):
        end = weeks.destroyed_at(born, zone, serve_days)
        assert end.astimezone(zone).date() == weeks.key_day(born, serve_days)
        assert weeks.expires(born, born, zone, serve_days) == int(end.timestamp())
        again = told(born, born)
        assert today <= again < weeks.key_day(born, serve_days)
        assert weeks.begins(again + timedelta(days=1), zone) <= end
        if serve_days > 1:
            told_in_days = today + timedelta(weeks.look_again_in(serve_days, answer_by_days))
            assert told_in_days <= weeks.last_day(born, born, zone, serve_days)
    # One that is kept waiting: the profile allows it on every day of the week, or on none.
    full = weeks.answer_day(now, zone, answer_by_days)
    holds = full in (told(current), told(current.plus(1)))
    if answer_by_days <= weeks.longest_answer(serve_days):
        assert holds
    elif today.weekday() == 6:
        assert not holds
    # One that is old: its 60 days end first, whatever week it is sealed to.
    born = current.plus(-8)
    for epoch in (current, current.plus(1)):
        last = weeks.last_day(epoch, born, zone, serve_days)
        assert last <= weeks.oldest_day(born, zone)
        assert weeks.begins(last + timedelta(days=1), zone).timestamp() <= weeks.expires(
            epoch, born, zone, serve_days
        )
        assert told(epoch, born) <= max(today, last)
