from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

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

    again = weeks.look_again(Epoch(2026, 47), now, NEW_YORK, 7, 10)

    assert again.isoformat() == expected
