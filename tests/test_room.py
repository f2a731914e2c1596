"""Room for destruction on one machine, which neither strangers nor other programs can use up."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from quietdesk import codes, envelopes, sweep
from quietdesk.errors import StoreUnavailable
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.store import open_store, sqlite
from quietdesk.store.sqlite import room
from tests.events import fill_in, post, submit, text
from tests.full_disk import possible
from tests.rows import NEXT, WEEK, make, pulled
from tests.waiting import CEILING
from tests.world import NOON, ROOT
from tests.world import WEEK as SEVEN_DAYS

KID = Kid("main", "visit", WEEK, "00000001")
MORNING = Opening.parse("corona.2026-12-03.0930")
MB = 1 << 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "requests.db"


@pytest.fixture
def reserve(path):
    return path.with_name("requests.db-reserve")


@pytest.fixture
def store(path):
    opened = open_store(f"sqlite:{path}")
    yield opened
    opened.close()


# --- A disk that is really full ------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path):
    """What a store can do on a disk of 12 MB, mounted where only the process that fills it sees it:
    no rights are needed for that, but a kernel that lets everybody have a namespace."""
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=12m none "$0"'
    if not shutil.which("unshare") or subprocess.run([*alone, mount, disk]).returncode:
        pytest.skip("this kernel lets nobody mount a disk of their own")

    def run(how, kept=0, reserve=3 * MB):
        command = f'{mount} && exec "$1" -m tests.full_disk "$0" {how} {kept} {reserve}'
        said = subprocess.run(
            [*alone, command, disk, sys.executable],
            cwd=ROOT, capture_output=True, text=True, timeout=CEILING,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    return run


@pytest.mark.process
@pytest.mark.parametrize("how", ["running", "restarted", "killed"])
def test_on_a_full_disk_all_that_is_due_is_destroyed_and_recorded(full_disk, how):
    said = full_disk(how)

    assert said["full"] and said["taken"] > 100
    assert said["destroyed"]
    assert (said["keys"], said["wraps"], said["requests"]) == (0, 0, 0)
    assert said["lines"] == ["keys", "rows"]
    assert 0 < said["room"] <= 3 * MB, "taken back, as far as there is room, before others do"
    assert said["room_later"] == 3 * MB
    assert said.get("room_after_a_look", 3 * MB) == 3 * MB, "who only reads takes none of it"


@pytest.mark.process
def test_without_room_that_is_kept_nothing_could_be_destroyed(full_disk):
    """Or the test above would show nothing. The WAL may have room for the deletion of a key, the
    file then has none to take it over."""
    said = full_disk("running", reserve=0)

    assert said["full"] and not said["destroyed"]
    assert said["requests"] == said["taken"] and said["lines"] == []


@pytest.mark.process
def test_residents_are_sent_away_before_the_disk_is_full(full_disk):
    """What is checkpointed after the last one was taken may be 4 MB."""
    said = full_disk("running", kept=6 * MB)

    assert said["taken"] > 100
    assert said["free_then"] > MB


# --- What stops, and what goes on ----------------------------------------------------------------


@pytest.fixture
def short(monkeypatch):
    """Less room than is kept, from when it is called."""
    return lambda: monkeypatch.setattr(room, "KEPT", 1 << 80)


def test_where_room_is_short_no_envelope_is_taken(store, short):
    store.set_seats({MORNING: 1})
    short()

    for take in (store.put, store.take):
        with pytest.raises(StoreUnavailable, match="nearly full"):
            take(make(opening=MORNING))

    assert pulled(store) == []
    assert store.seats([MORNING]) == {MORNING: 1}


def test_where_room_is_short_everything_else_goes_on(store, short):
    moved, cancelled, kept = make(), make(), make()
    for envelope in (moved, cancelled, kept):
        store.put(envelope)
    store.put_keys(KID, bytes(32), {})
    short()

    store.put(kept)  # a retry, to which the answer is as before
    store.replace(moved, make(NEXT, id=moved.id))
    store.erase(cancelled, stub=True)
    store.publish("devices", b"x", 0)
    assert store.destroy_keys("main", WEEK) == [KID]
    assert sum(store.erase_epoch("main", WEEK)) == 1


def test_resident_reads_the_fixed_page_with_the_phone_line(world, short):
    sealed = envelopes.write(world.sealed())
    short()

    answer, page = post(submit(world), sealed), fill_in(submit(world), "send", code=[codes.new()])

    assert (answer["statusCode"], page["statusCode"]) == (503, 503)
    assert json.loads(answer["body"]) == {"error": "unavailable", "phone": "311"}
    assert "311" in text(page)


# --- The file that is let go of ------------------------------------------------------------------


def test_sweep_makes_the_file_once_for_its_owner_only(world):
    file = world.spec.removeprefix("sqlite:") + "-reserve"
    assert not room.Path(file).exists()

    sweep.run(world.store, world.city, NOON)
    made = room.Path(file).stat()
    sweep.run(world.store, world.city, NOON + SEVEN_DAYS)

    assert (made.st_size, stat.S_IMODE(made.st_mode)) == (room.RESERVE, 0o600)
    assert room.Path(file).stat().st_mtime_ns == made.st_mtime_ns


def test_what_was_cut_off_it_is_made_good(store, reserve):
    list(store.erase_epoch("main", WEEK))
    with reserve.open("r+b") as file:
        file.truncate(100)

    list(store.erase_epoch("main", WEEK))

    assert reserve.stat().st_size == room.RESERVE


class Failing(sqlite3.Connection):
    """Fails to commit as long as somebody says so."""

    fails = staticmethod(lambda: 0)

    def execute(self, sql, *more):
        if sql == "COMMIT" and (code := self.fails()):
            error = sqlite3.OperationalError("planted")
            error.sqlite_errorcode = code
            raise error
        return super().execute(sql, *more)


@pytest.fixture
def fails(monkeypatch, path):
    """A store whose every commit fails as the given function says; 0: it does not."""
    with monkeypatch.context() as patched:
        patched.setattr(sqlite.sqlite3, "connect", lambda *given, **named: Failing(*given, **named))
        with closing(open_store(f"sqlite:{path}")) as store:
            store.put_keys(KID, bytes(32), {})
            store.put(make())
            store._room.make()

            def so(code):
                patched.setattr(Failing, "fails", staticmethod(code))
                return store

            yield so
            patched.setattr(Failing, "fails", staticmethod(lambda: 0))


FULL = [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE]


@pytest.mark.parametrize("code", FULL)
@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.destroy_keys("main", WEEK),
        lambda store: list(store.erase_epoch("main", WEEK)),
        lambda store: store.publish("record#main#2026", b"line", 0),
    ],
    ids=["keys", "rows", "record"],
)
def test_room_is_let_go_of_when_the_disk_is_full(fails, reserve, code, work):
    store = fails(lambda: code if reserve.exists() else 0)

    assert possible(lambda: work(store))

    fails(lambda: 0)
    assert store.destroy_keys("main", WEEK) in ([], [KID])


def test_room_is_kept_when_it_is_for_something_else_or_for_a_stranger(fails, reserve):
    store = fails(lambda: sqlite3.SQLITE_BUSY)
    with pytest.raises(StoreUnavailable):
        store.destroy_keys("main", WEEK)

    fails(lambda: sqlite3.SQLITE_FULL)
    with pytest.raises(StoreUnavailable):
        store.put(make())

    assert reserve.stat().st_size == room.RESERVE


def size(reserve):
    return reserve.stat().st_size if reserve.exists() else 0


def test_where_there_was_no_room_left_it_is_said_and_the_room_is_taken_back(fails, reserve):
    store = fails(lambda: sqlite3.SQLITE_FULL)

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.destroy_keys("main", WEEK)

    assert size(reserve) == room.RESERVE


@pytest.fixture
def full(fails, reserve, path):
    """A store on a disk that is full but for the reserve, and that file's number."""
    list(fails(lambda: 0).erase_epoch("main", NEXT))
    return fails(lambda: sqlite3.SQLITE_FULL if reserve.exists() else 0), reserve.stat().st_ino


@pytest.mark.parametrize(
    "work",
    [
        lambda store, spec: open_store(spec),
        lambda store, spec: open_store(spec, create=False),
        lambda store, spec: store.publish("devices", b"x", 0),
        lambda store, spec: store.publish("record-head#main#years", b"x", 0),
        lambda store, spec: store.set_seats({MORNING: 1}),
        lambda store, spec: store.put_keys(replace(KID, epoch=NEXT), bytes(32), {}),
    ],
    ids=["open", "look", "publish", "sign", "times", "mint"],
)
def test_nobody_but_destruction_takes_of_its_room(full, reserve, path, work):
    store, number = full

    assert not possible(lambda: work(store, f"sqlite:{path}"))

    assert size(reserve) == room.RESERVE and reserve.stat().st_ino == number


@pytest.mark.parametrize("name", ["record#main#2026", "swept#main", "clock"])
def test_what_destruction_writes_is_written_and_the_room_is_taken_back(full, reserve, name):
    store, _ = full

    store.publish(name, b"x", 0)

    assert size(reserve) == room.RESERVE


def test_who_opens_the_store_to_destroy_opens_it_on_a_full_disk_too(full, reserve, path):
    with closing(open_store(f"sqlite:{path}", create=False, destroys=True)) as store:
        assert store.destroy_keys("main", WEEK) == [KID]

    assert size(reserve) == room.RESERVE


def test_room_is_made_in_full_when_the_disk_is_only_nearly_full(tmp_path, monkeypatch):
    """In whatever pieces the disk takes it."""
    monkeypatch.setattr(room, "CHUNK", 1000)
    monkeypatch.setattr(room, "RESERVE", 4500)
    (tmp_path / "db-reserve").write_bytes(b"x" * 700)

    room.Room(tmp_path / "db").make()

    assert (tmp_path / "db-reserve").stat().st_size == 4500
