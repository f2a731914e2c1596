"""The timer of one machine, whose clock is the only one there is."""

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from quietdesk import clock, local, settings, sweep, weeks
from quietdesk.clock import Evenly
from quietdesk.errors import BadBundle, BadEnvelope, KeyDestroyed, StoreUnavailable
from quietdesk.intake import entry
from quietdesk.staff.commands import serving
from quietdesk.staff.commands.serving import NotBefore, swept
from quietdesk.store import open_store
from quietdesk.weeks import Epoch
from tests.process import environment
from tests.waiting import free_port
from tests.world import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THIS = Epoch(2026, 47)


@pytest.fixture
def key_day(city):
    return weeks.destroyed_at(THIS, city.zone, city.serve_days)


@pytest.fixture
def server(world):
    """A server that was up for a while; gives what its timer does at a time by its clock, so many
    hours after it began."""
    evenly = Evenly()

    def timer(here, uptime):
        so_far = evenly.so_far(here, uptime * 3600.0)
        return swept(world.store, world.city, world.trust, here, so_far)

    assert timer(NOON, 0)
    return timer


def lives(world):
    try:
        return [len(world.store.server_half(kid)) for kid, _ in world.bundle().keys.values()]
    except KeyDestroyed:
        return []


def test_week_goes_on_its_day_while_the_clock_goes_on(world, server, key_day):
    hours = (key_day - NOON) // HOUR

    for hour in range(1, hours + 1):
        assert lives(world)
        assert server(NOON + hour * HOUR, hour)

    assert lives(world) == []


def test_after_a_jump_the_timer_waits_for_a_day_of_uptime_and_says_what_waits(
    world, server, capsys
):
    world.store.put(world.sealed())
    there = NOON + 15 * DAY

    for hour in range(1, 25):
        assert not server(there + hour * HOUR, hour)
        assert lives(world)
    said = capsys.readouterr().err
    assert "week 2026-W47, key day 2026-11-30, requests that it opens: 1" in said
    assert "run evenly for a day" in said

    assert server(there + 25 * HOUR, 25)
    assert lives(world) == []
    assert clock.last_believed(world.store) == there + 25 * HOUR


def test_a_server_that_begins_after_the_jump_waits_as_long(world, server):
    again, there = Evenly(), NOON + 15 * DAY

    for hour in range(24):
        so_far = again.so_far(there + hour * HOUR, hour * 3600.0)
        assert not swept(world.store, world.city, world.trust, there + hour * HOUR, so_far)
    assert lives(world)

    so_far = again.so_far(there + 24 * HOUR, 24 * 3600.0)
    assert swept(world.store, world.city, world.trust, there + 24 * HOUR, so_far)
    assert lives(world) == []


def test_a_clock_that_is_set_right_within_the_day_has_lost_nothing_and_goes_on(
    world, server, key_day
):
    server(NOON + 15 * DAY, 1)
    server(NOON + 15 * DAY + 5 * HOUR, 6)

    assert server(NOON + 7 * HOUR, 7)

    assert lives(world)
    assert clock.last_believed(world.store) == NOON + 7 * HOUR


def test_a_clock_that_went_back_is_said_and_is_believed_after_a_day(world, server, capsys):
    assert not server(NOON - 30 * DAY, 1)
    assert "30 days away from 2026-11-18" in capsys.readouterr().err

    assert server(NOON - 29 * DAY, 25)


def served(world, here):
    """What residents are answered for by a machine whose clock says that."""
    residents = NotBefore(lambda: here)
    residents.look(world.store)
    return world.programme(residents.now)


def test_no_request_is_taken_for_a_week_that_is_over_by_what_was_believed(world, server, key_day):
    """The clock went back: its keys are destroyed, and nobody would ever open it."""
    sealed = world.sealed()
    assert entry.admitted(served(world, NOON), sealed)
    clock.believe(world.store, key_day)

    with pytest.raises(BadEnvelope):
        entry.admitted(served(world, NOON), sealed)


def test_no_key_of_a_week_that_is_over_by_what_was_believed_is_sealed_to(world, server, key_day):
    assert entry.bundle(served(world, NOON), THIS).epoch == THIS
    clock.believe(world.store, key_day)

    with pytest.raises(BadBundle):
        entry.bundle(served(world, NOON), THIS)


def test_residents_are_served_by_a_clock_that_is_set_right_as_soon_as_it_is_believed(world, server):
    clock.believe(world.store, NOON + 15 * DAY)
    assert served(world, NOON).clock() == NOON + 15 * DAY

    clock.believe(world.store, NOON)

    assert served(world, NOON).clock() == NOON


def test_server_of_one_machine_serves_by_no_clock_that_went_back(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def programme():
        """What `quietdesk run` would answer for; nothing is built or served."""
        made = []

        def stop(programme):
            made.append(programme)
            raise Stop

        monkeypatch.setattr(local, "functions", stop)
        monkeypatch.setattr(local, "compress", lambda _: None)
        monkeypatch.setattr(
            serving.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0)
        )
        with pytest.raises(Stop):
            serving.run(settings.read(told), SimpleNamespace(host="127.0.0.1", port=free_port()))
        return made[0]

    told = environment(tmp_path)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert programme().clock() - datetime.now(UTC) < HOUR
    later = (datetime.now(UTC) + 15 * DAY).replace(microsecond=0)
    with closing(open_store(settings.read(told).store)) as store:
        clock.believe(store, later)

    assert programme().clock() == later


def test_weekend_on_which_the_machine_slept_is_a_jump(world, server):
    """A count that nobody can set stands still while a computer sleeps."""
    assert not server(NOON + 3 * DAY, 1)


@pytest.mark.parametrize("hours", [range(9), range(1)], ids=["nine hours a day", "once a day"])
def test_a_machine_that_is_on_by_day_and_off_at_weekends_destroys_each_week(world, key_day, hours):
    """Each day is a start: no process is ever up for a day."""
    begins = key_day - 7 * DAY + 8 * HOUR  # a Monday, the first start
    clock.believe(world.store, begins - HOUR)
    for day in (it for it in range(10) if it % 7 < 5):
        assert lives(world)
        evenly = Evenly()
        for hour in hours:
            here = begins + day * DAY + hour * HOUR
            so_far = evenly.so_far(here, hour * 3600.0)
            swept(world.store, world.city, world.trust, here, so_far)

    assert lives(world) == []


def test_a_clock_ahead_that_starts_daily_loses_nothing_for_two_days_and_says_what_waits(
    world, server, capsys
):
    for hours in (0, 9, 24, 33, 45):
        here = NOON + 15 * DAY + hours * HOUR
        assert not swept(world.store, world.city, world.trust, here)
    assert lives(world)
    assert capsys.readouterr().err.count("week 2026-W47, key day 2026-11-30") == 5


def test_what_was_due_before_a_jump_still_goes(world, server, key_day):
    """It could not be destroyed on its day; then the clock moved."""
    clock.believe(world.store, key_day + HOUR)

    assert not server(key_day + 15 * DAY, 1)

    assert lives(world) == []
    kid, _ = world.bundle(NOON + 7 * DAY).keys["visit"]
    assert world.store.server_half(kid)


@pytest.mark.parametrize("trouble", [StoreUnavailable("damaged"), OverflowError()], ids=repr)
def test_whatever_hinders_a_sweep_the_clock_that_went_on_stays_believed(
    world, monkeypatch, trouble
):
    def hindered(*_):
        raise trouble

    clock.believe(world.store, NOON)
    monkeypatch.setattr(sweep, "run", hindered)

    for hours in (20, 40, 60):
        dates, _ = clock.to_sweep(world.store, world.city, world.trust, NOON + hours * HOUR)
        with pytest.raises(type(trouble)):
            clock.swept(world.store, world.city, dates)

    assert clock.last_believed(world.store) == NOON + 60 * HOUR


def test_a_store_too_full_to_destroy_does_not_make_the_clock_doubtful(world, server, monkeypatch):
    def full(*_):
        raise StoreUnavailable("full")

    monkeypatch.setattr(type(world.store), "destroy_keys", full)

    for hour in (1, 20, 40, 60):
        with suppress(StoreUnavailable):
            server(NOON + hour * HOUR, hour)

    assert clock.last_believed(world.store) == NOON + 60 * HOUR
