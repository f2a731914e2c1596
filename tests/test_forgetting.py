"""Ended weeks leave this computer on their day, and no live key leaves it for a wrong clock."""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import clock, weeks
from quietdesk.clock import Doubt, Loss
from quietdesk.errors import StoreUnavailable
from quietdesk.staff.device import forgetting, keyring, safefile
from quietdesk.store import open_store
from quietdesk.weeks import Epoch
from tests.examples import examples
from tests.world import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THIS = Epoch(2026, 47)


@dataclass
class Elsewhere:
    """A store elsewhere: it says its date, or does not answer."""

    says: datetime | None = NOON
    asked: list[datetime] = field(default_factory=list)

    def date(self):
        self.asked.append(self.says)
        if self.says is None:
            raise StoreUnavailable("no network")
        return self.says

    def pull(self, *_):
        raise StoreUnavailable("not signed in")

    def close(self):
        pass


@pytest.fixture
def path(world, tmp_path):
    path = tmp_path / "office" / "device.keyring"
    safefile.save(path, device(world))
    return path


def device(world, *more):
    """The locked keyring of a device that was admitted this week."""
    locked = keyring.lock(world.device.topped_up(more))
    return keyring.forget(locked, lambda epoch: epoch < THIS and epoch not in more)


@pytest.fixture
def key_day(city):
    return weeks.destroyed_at(THIS, city.zone, city.serve_days)


@pytest.fixture
def command(path, world):
    """What every command does first, at a time by this computer's clock and with some store."""

    def command(here, store):
        due = forgetting.due(path, world.city, here, lambda: store, world.trust)
        if due:
            forgetting.forget(path, world.city, due.dates)
        return due

    return command


def held(path):
    return set(keyring.epochs(path.read_bytes()))


def test_with_the_stores_date_a_week_goes_on_its_key_day_and_not_a_second_before(
    path, command, key_day
):
    before, second = held(path), timedelta(seconds=1)

    command(key_day - second, Elsewhere(key_day - second))
    assert held(path) == before

    command(key_day, Elsewhere(key_day))
    assert held(path) == before - {THIS}


def test_a_clock_fifteen_days_ahead_deletes_nothing_and_what_waits_is_named(path, command, key_day):
    before = held(path)

    due = command(NOON + 15 * DAY, Elsewhere(NOON))

    assert held(path) == before
    assert due.dates.doubt is Doubt.AHEAD
    assert due.waits == (Loss(THIS, key_day.date(), None),)


def test_set_right_again_all_goes_on_by_itself(path, command, key_day):
    command(NOON + 15 * DAY, Elsewhere(NOON))
    before = held(path)

    due = command(key_day + HOUR, Elsewhere(key_day + HOUR))

    assert held(path) == before - {THIS}
    assert (due.dates.doubt, due.waits) == (Doubt.NONE, ())


def test_a_clock_that_jumps_back_keeps_nothing_alive(path, command, key_day):
    command(NOON, Elsewhere(NOON))
    before = held(path)

    due = command(NOON - 4000 * DAY, Elsewhere(key_day))

    assert held(path) == before - {THIS}
    assert due.dates.doubt is Doubt.BEHIND


def test_the_store_is_asked_once_a_day_and_each_time_that_something_is_over(path, command, key_day):
    store = Elsewhere(NOON)

    for hours in (0, 1, 2):
        command(NOON + hours * HOUR, store)
    assert len(store.asked) == 1

    store.says = None
    for hours in (0, 1, 2):
        command(key_day + hours * HOUR, store)
    assert len(store.asked) == 4


def test_offline_a_week_waits_eight_days_and_for_a_day_that_was_seen(path, command, key_day):
    before, offline = held(path), Elsewhere(None)
    command(NOON, Elsewhere(NOON))

    due = command(key_day + 30 * DAY, offline)  # nobody showed that its day has come
    assert {it.epoch for it in due.waits} >= {THIS}
    assert held(path) == before

    forgetting._beside(path).write_text("2026-11-30\n")
    command(key_day + 8 * DAY - timedelta(seconds=1), offline)
    assert held(path) == before
    command(key_day + 8 * DAY, offline)
    assert held(path) == before - {THIS}


def test_an_older_copy_of_what_was_seen_proves_less(path, command, key_day):
    command(NOON, Elsewhere(NOON))
    old = forgetting._beside(path).read_bytes()
    command(key_day + DAY, Elsewhere(key_day - HOUR))
    assert forgetting.known_day(path) > datetime.fromisoformat(old.decode().strip()).date()
    before = held(path)

    forgetting._beside(path).write_bytes(old)
    command(key_day + 30 * DAY, Elsewhere(None))

    assert held(path) == before


@pytest.mark.parametrize("day", ["2026-12-01", "2027-06-01", "9999-12-31"])
def test_a_forged_day_deletes_nothing_while_the_store_says_otherwise_and_is_mended(
    path, command, day
):
    before, beside = held(path), forgetting._beside(path)
    beside.write_text(f"{day}\n")

    due = command(NOON + 15 * DAY, Elsewhere(NOON))

    assert held(path) == before
    assert due.dates.doubt is Doubt.AHEAD
    assert beside.read_text() == "2026-11-18\n"
    command(NOON + 300 * DAY, Elsewhere(None))  # nor later, where nobody can be asked
    assert held(path) == before


def test_what_is_kept_beside_the_keyring_is_a_day_and_nothing_else(path, command):
    command(NOON + timedelta(hours=3, minutes=7), Elsewhere(NOON + timedelta(hours=3, minutes=7)))

    beside = path.with_name("device.keyring.day")
    assert beside.exists()
    assert beside.read_text() == "2026-11-18\n"
    assert beside.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", [b"", b"soon", b"\xff\xfe", b"2026-13-40"])
def test_a_damaged_day_proves_nothing_and_stops_nothing(path, command, key_day, damaged):
    beside, before = forgetting._beside(path), held(path)
    beside.write_bytes(damaged)

    command(key_day + 30 * DAY, Elsewhere(None))
    assert held(path) == before

    command(key_day, Elsewhere(key_day))
    assert held(path) == before - {THIS}


def test_a_day_that_cannot_be_kept_keeps_no_key_alive(path, command, key_day, monkeypatch):
    save = safefile.save

    def full(to, data):
        if to.suffix == ".day":
            raise OSError(28, os.strerror(28))
        save(to, data)

    monkeypatch.setattr(safefile, "save", full)

    command(key_day, Elsewhere(key_day))

    assert THIS not in held(path)


def test_without_a_keyring_nothing_is_asked(tmp_path, world):
    store = Elsewhere()

    nothing = tmp_path / "nowhere"
    assert forgetting.due(nothing, world.city, NOON, lambda: store, world.trust) is None
    assert store.asked == []


# --- One machine ---------------------------------------------------------------------------------


@pytest.fixture
def here_only(path, world):
    """The same with the store of this machine, which has no date of its own."""

    def command(here, trust=world.trust):
        due = forgetting.due(path, world.city, here, lambda: open_store(world.spec), trust)
        forgetting.forget(path, world.city, due.dates)
        return due

    return command


def test_on_one_machine_a_week_goes_on_its_day_while_the_server_sweeps(
    path, world, here_only, key_day
):
    before = held(path)
    clock.believe(world.store, key_day - HOUR)

    here_only(key_day)

    assert held(path) == before - {THIS}


def test_on_one_machine_a_jump_loses_nothing_and_says_how_many_requests_wait(
    path, world, here_only, key_day
):
    before = held(path)
    world.store.put(world.sealed())
    clock.believe(world.store, NOON)

    due = here_only(NOON + 15 * DAY)

    assert held(path) == before
    assert due.dates.doubt is Doubt.MOVED
    assert due.waits == (Loss(THIS, key_day.date(), 1),)


def test_on_one_machine_custodians_signatures_show_that_a_day_has_come(path, world, here_only):
    """They signed on 18 November, and what ended before that day is over."""
    safefile.save(path, device(world, Epoch(2026, 40)))

    here_only(NOON + 300 * DAY)

    assert Epoch(2026, 40) not in held(path)
    assert THIS in held(path)


def test_on_one_machine_nothing_signed_counts_while_nobody_is_to_be_believed(
    path, world, here_only
):
    safefile.save(path, device(world, Epoch(2026, 40)))

    here_only(NOON + 300 * DAY, trust=None)

    assert Epoch(2026, 40) in held(path)


# --- Whatever happens ----------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.integers(0, 20 * 24),  # hours until the next command
        st.integers(-60 * 24, 60 * 24) | st.just(0),  # by how many this computer's clock is wrong
        st.booleans(),  # whether the store answers
    ),
    max_size=8,
)


@pytest.fixture
def computer(world, path):
    """Begins anew with all its keys. Gives what is over by a time, what a command does by a clock
    with a store that answers or not, and what is gone."""
    city, locked = world.city, device(world)
    all_of_them = set(keyring.epochs(locked))

    def over(at):
        return {it for it in all_of_them if weeks.over(it, at, city.zone, city.serve_days)}

    def command(here, store):
        due = forgetting.due(path, city, here, lambda: store, world.trust)
        if due:
            forgetting.forget(path, city, due.dates)
        return all_of_them - held(path)

    def anew():
        safefile.save(path, locked)
        forgetting._beside(path).unlink(missing_ok=True)
        return over, command

    return anew


@examples(40)
@given(steps=steps)
def test_no_key_goes_before_its_day_and_every_key_goes_when_the_clocks_agree(computer, steps):
    """Whatever this computer's clock says, in whatever order, while the store's date is true."""
    over, command = computer()
    now = NOON

    for hours, off, answers in [*steps, (0, 0, True)]:
        now += hours * HOUR
        gone = command(now + off * HOUR, Elsewhere(now if answers else None))

        assert gone <= over(now)
        if answers and not off:
            assert gone == over(now)
