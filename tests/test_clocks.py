"""Commands on a computer whose clock is wrong, each a process of its own, over real stores."""

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quietdesk import clock, weeks
from quietdesk.errors import KeyDestroyed
from quietdesk.staff.device import keyring, safefile
from quietdesk.wire import b64
from tests.process import environment
from tests.waiting import CEILING, free_port
from tests.world import PASSPHRASE, ROOT, World, make_world

pytestmark = pytest.mark.process
AHEAD = 15 * 24
HOUR = timedelta(hours=1)


@dataclass
class Office:
    """A programme whose keys were made today, and its computer."""

    world: World
    folder: Path

    @property
    def keys(self):
        """The weeks in the keyring."""
        return keyring.epochs((self.folder / "device.keyring").read_bytes())

    @property
    def halves(self):
        """How many of this week's halves the store has."""
        kept = 0
        for kid, _ in self.world.bundle(datetime.now(UTC)).keys.values():
            try:
                kept += len(self.world.store.server_half(kid)) == 32
            except KeyDestroyed:
                pass
        return kept

    @property
    def waiting(self):
        """How many requests wait for this week."""
        week = weeks.epoch_at(datetime.now(UTC), self.world.city.zone)
        return len(list(self.world.store.pull("main", [week], datetime.now(UTC))))

    def ends(self, epoch):
        """When a week's keys go."""
        return weeks.destroyed_at(epoch, self.world.city.zone, self.world.city.serve_days)

    def env(self):
        return environment(self.folder) | {
            "QUIETDESK_STORE": self.world.spec,
            "QUIETDESK_CUSTODIANS": b64(self.world.custodian.public_key),
            "QUIETDESK_PASSPHRASE_FILE": str(self.folder / "pass"),
        }

    def run(self, hours, *words):
        """One command by a clock that is wrong by so many hours, of a script: nobody is there."""
        return subprocess.run(
            [sys.executable, "-m", "tests.another_time", str(hours), *words],
            cwd=ROOT,
            env=self.env(),
            input="y\n" * 9,
            capture_output=True,
            text=True,
            timeout=CEILING,
        )

    def typed(self, hours, said, *words):
        """The same at a terminal, where somebody types an answer. Gives the exit code and what was
        shown."""
        keys, screen = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.another_time", str(hours), *words],
            cwd=ROOT,
            env=self.env(),
            stdin=screen,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(screen)
        os.write(keys, f"{said}\n".encode())
        try:
            shown, _ = process.communicate(timeout=CEILING)
        finally:
            process.kill()
        os.close(keys)
        return process.returncode, shown


@pytest.fixture
def office(store_spec, tmp_path, custodian):
    now = datetime.now(UTC)
    world = make_world(tmp_path, now, store_spec, custodian)
    safefile.save(tmp_path / "device.keyring", keyring.lock(world.device))
    (tmp_path / "pass").write_text(PASSPHRASE + "\n")
    world.store.put(world.sealed(now))
    yield Office(world, tmp_path)
    world.store.close()


def key_day(office):
    """That of this week."""
    city = office.world.city
    epoch = weeks.epoch_at(datetime.now(UTC), city.zone)
    return weeks.destroyed_at(epoch, city.zone, city.serve_days).astimezone(city.zone).date()


def by_the_clock(office, hours):
    """The day that such a clock says, as somebody types it."""
    at = datetime.now(UTC) + timedelta(hours=hours)
    return at.astimezone(office.world.city.zone).date().isoformat()


# --- One machine ---------------------------------------------------------------------------------

COMMANDS = [("pull",), ("keys", "list"), ("keys", "forget"), ("openings", "list"), ("sweep",)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_script_on_a_machine_that_is_ahead_loses_nothing_and_is_told_what_waits(office, words):
    clock.believe(office.world.store, datetime.now(UTC))
    before = office.keys

    ended = office.run(AHEAD, *words)

    assert set(before) <= set(office.keys)
    assert office.halves == 2
    assert office.waiting == 1
    assert f"key day {key_day(office)}, requests that it opens: 1" in ended.stderr
    assert "nothing else says what day it is" in ended.stderr


def test_a_person_is_asked_and_shown_what_would_be_lost_and_enter_keeps_it(office):
    clock.believe(office.world.store, datetime.now(UTC))
    before = office.keys

    for words in (("keys", "forget"), ("sweep",)):
        _, shown = office.typed(AHEAD, "", *words)

        assert "If it is right, these are destroyed now" in shown
        assert f"key day {key_day(office)}, requests that it opens: 1" in shown
        assert "Type today's date" in shown
    assert (office.keys, office.halves, office.waiting) == (before, 2, 1)


@pytest.mark.parametrize("said", ["y", "yes", "2020-01-31"])
def test_a_yes_is_no_date_and_nor_is_a_wrong_one(office, said):
    clock.believe(office.world.store, datetime.now(UTC))

    office.typed(AHEAD, said, "sweep")

    assert (office.halves, office.waiting) == (2, 1)


def test_the_true_day_typed_where_the_clock_is_wrong_keeps_everything(office):
    clock.believe(office.world.store, datetime.now(UTC))

    office.typed(AHEAD, by_the_clock(office, 0), "sweep")

    assert (office.halves, office.waiting) == (2, 1)


def test_who_types_the_day_of_the_clock_has_it_believed_and_is_not_asked_again(office):
    """The machine stood still for two weeks."""
    clock.believe(office.world.store, datetime.now(UTC))

    code, shown = office.typed(AHEAD, by_the_clock(office, AHEAD), "sweep")
    later = office.run(AHEAD, "keys", "forget")

    assert code == 0, shown
    assert (office.halves, office.waiting) == (0, 0)
    assert later.stderr == ""
    assert all(day > datetime.now(UTC) for day in map(office.ends, office.keys))


def test_a_clock_that_jumped_is_set_right_and_all_goes_on_by_itself(office):
    clock.believe(office.world.store, datetime.now(UTC))
    office.run(AHEAD, "sweep")

    ended = office.run(0, "sweep")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert clock.last_believed(office.world.store) > datetime.now(UTC) - HOUR


def test_a_clock_that_went_back_is_said_and_believes_nothing(office):
    clock.believe(office.world.store, datetime.now(UTC))

    ended = office.run(-AHEAD, "keys", "list")

    assert "this computer's clock is 15 days away" in ended.stderr
    assert "nothing else says what day it is" in ended.stderr


def test_after_keys_were_made_by_a_clock_ahead_the_typed_day_settles_it_for_good(office):
    """What custodians signed says a day that begins in two weeks."""
    safefile.save(office.folder / "custodian.keyring", keyring.lock(office.world.custodian))
    custodian = ("--custodian", str(office.folder / "custodian.keyring"))
    doubted = office.run(-AHEAD, "sweep")

    code, shown = office.typed(-AHEAD, by_the_clock(office, -AHEAD), "sweep")
    later = office.run(-AHEAD, "sweep")
    minted = office.run(-AHEAD, "keys", "mint", "--weeks", "4", *custodian)

    assert "nothing else says what day it is" in doubted.stderr
    assert code == 0, shown
    assert (later.returncode, later.stderr) == (0, "")
    assert "what day it is" not in minted.stderr
    assert (office.halves, office.waiting) == (2, 1)


def test_nothing_that_proves_a_day_is_signed_by_a_clock_that_moved(office):
    """Else the clock would vouch for itself: the keys that it mints say its day."""
    clock.believe(office.world.store, datetime.now(UTC))
    safefile.save(office.folder / "custodian.keyring", keyring.lock(office.world.custodian))
    before = clock.signed_day(
        office.world.store, office.world.city, office.world.trust, datetime.now(UTC)
    )

    ended = office.run(AHEAD, "keys", "mint", "--weeks", "8")
    office.run(AHEAD, "sweep")

    assert ended.returncode == 1
    assert "hint: set the date and the time" in ended.stderr
    assert before == clock.signed_day(
        office.world.store, office.world.city, office.world.trust, datetime.now(UTC)
    )
    assert (office.halves, office.waiting) == (2, 1)


def test_a_server_that_starts_by_a_clock_that_jumped_destroys_and_signs_nothing(office):
    world = office.world
    clock.believe(world.store, datetime.now(UTC))
    safefile.save(office.folder / "custodian.keyring", keyring.lock(world.custodian))
    key = b64(world.custodian.public_key)
    (office.folder / "custodians.txt").write_text(key)
    before, signed = office.keys, world.store.read("devices")

    process = subprocess.Popen(
        [sys.executable, "-m", "tests.another_time", str(AHEAD), "run", "--port", str(free_port())],
        cwd=ROOT,
        env=office.env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # The site is built after the first sweep: nobody waits for it here.
        shown = list(iter_until(process.stdout, "Building the site"))
    finally:
        process.terminate()
        process.communicate(timeout=CEILING)

    assert any("believed after it has run evenly for a day" in line for line in shown), shown
    assert any(f"key day {key_day(office)}, requests that it opens: 1" in line for line in shown)
    assert (office.keys, office.halves, office.waiting) == (before, 2, 1)
    assert world.store.read("devices") == signed


def iter_until(lines, text):
    """The lines up to one that has a text, or to the end."""
    for line in lines:
        yield line
        if text in line:
            return


# --- A store elsewhere ---------------------------------------------------------------------------


@pytest.mark.parametrize("store_spec", ["moto", "ministack"], indirect=True)
@pytest.mark.parametrize("words", [("keys", "forget"), ("pull",), ("sweep",)], ids=" ".join)
def test_where_the_store_tells_its_date_nobody_is_asked_and_the_wrong_clock_is_said(office, words):
    before = office.keys

    _, shown = office.typed(AHEAD, by_the_clock(office, AHEAD), *words)

    assert "Type today's date" not in shown
    assert "this computer's clock is wrong: 15 days after the store's date" in shown
    assert set(before) <= set(office.keys)
    assert (office.halves, office.waiting) == (2, 1)


@pytest.mark.parametrize("store_spec", ["moto"], indirect=True)
def test_where_the_store_tells_its_date_a_wrong_clock_hides_nothing_and_seals_nothing(office):
    pulled = office.run(AHEAD, "pull")
    kept = office.run(AHEAD, "wait", "--all")

    assert (pulled.returncode, kept.returncode) == (1, 1)
    assert "No requests are waiting" not in pulled.stdout
    assert "1 requests are over or too far ahead" in pulled.stderr
    assert "asks you the day" not in pulled.stderr  # nobody is asked where the store tells it
    assert "Answered" not in kept.stdout
    assert "this computer's clock is wrong: 15 days after the store's date" in kept.stderr


@pytest.mark.parametrize("store_spec", ["moto"], indirect=True)
def test_where_the_store_is_gone_the_weeks_that_wait_are_named(office, monkeypatch):
    office.run(0, "keys", "forget")
    before = office.keys
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")

    ended = office.run(AHEAD, "keys", "forget")

    assert office.keys == before
    assert "the store did not say what day it is" in ended.stderr
    assert f"key day {key_day(office)}" in ended.stderr


@pytest.mark.parametrize("store_spec", ["moto"], indirect=True)
def test_a_right_clock_says_nothing_and_forgets_what_is_over(office):
    path = office.folder / "device.keyring"
    old = weeks.epoch_at(datetime.now(UTC), office.world.city.zone).plus(-3)
    safefile.save(path, keyring.lock(office.world.device.topped_up([old])))

    ended = office.run(0, "keys", "forget")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert old not in office.keys
