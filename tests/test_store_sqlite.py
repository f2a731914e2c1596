"""What only the SQLite store promises: real files, real processes, real kills."""

import errno
import os
import random
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from quietdesk.errors import (
    BadSetting,
    Conflict,
    DamagedDocument,
    StoreTooNew,
    StoreUnavailable,
    TracesRemain,
)
from quietdesk.hpke import Kid
from quietdesk.store import open_store
from quietdesk.store.sqlite import schema
from quietdesk.store.sqlite.schema import SCHEMA_VERSION
from quietdesk.weeks import Epoch
from tests.rows import LATER, NEXT, NOW, WEEK, find, make, pulled
from tests.waiting import CEILING
from tests.world import ROOT

KID = Kid("main", "visit", WEEK, "00000001")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "requests.db"


@pytest.fixture
def store(path):
    opened = open_store(f"sqlite:{path}")
    yield opened
    opened.close()


def test_order_of_arrival_is_kept_nowhere(store, path):
    db = sqlite3.connect(path)
    tables = db.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    db.close()

    assert len(tables) == 5
    assert all("WITHOUT ROWID" in sql for (sql,) in tables)


@pytest.mark.parametrize("how", ["data = 'text'", "seq = 'often'", "seq = -1", "seq = 1 << 62"])
def test_damaged_document_is_written_anew_as_if_it_were_not_there_and_a_whole_one_is_not(
    store, path, how
):
    store.publish("clock", b"1", 0)
    with pytest.raises(Conflict):
        store.publish("clock", b"2", 0)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE public SET {how}")  # noqa: S608
    with pytest.raises(DamagedDocument):
        store.read("clock")

    store.publish("clock", b"2", 0)

    assert store.read("clock") == (b"2", 1)


# --- What stays on the disk ----------------------------------------------------------------------


def on_disk(path):
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob("requests.db*")))


@pytest.mark.parametrize(
    "erase",
    [
        lambda store, e: store.erase(e),
        lambda store, e: store.erase(e, stub=True),
        lambda store, e: list(store.erase_epoch("main", WEEK)),
        lambda store, e: list(
            store.erase_expired("main", WEEK, datetime.fromtimestamp(LATER, UTC))
        ),
        lambda store, e: store.replace(e, make(NEXT, id=e.id)),
    ],
)
def test_no_byte_of_an_erased_envelope_stays_in_any_file(store, path, erase):
    envelope = make()
    for _ in range(20):
        store.put(make(NEXT))
    store.put(envelope)
    # Any 64 bytes of it: SQLite spreads a long row over pages.
    secret = [envelope.visit.sealed[100:164], envelope.contact.sealed[:64], envelope.reply[:64]]
    assert all(piece in on_disk(path) for piece in secret), "the search must find what is there"

    erase(store, envelope)

    assert not any(piece in on_disk(path) for piece in secret)
    assert len(pulled(store, epochs=[NEXT])) >= 20


def test_no_byte_of_destroyed_keys_stays_in_any_file(store, path):
    half, wrap = os.urandom(32), os.urandom(1168)
    store.put_keys(KID, half, {"one": wrap})
    assert half in on_disk(path)
    assert wrap[:64] in on_disk(path)

    store.destroy_keys("main", WEEK)

    assert half not in on_disk(path)
    assert wrap[:64] not in on_disk(path)


def test_every_connection_overwrites_what_is_deleted_and_waits_for_the_disk(store):
    """Or a power cut could lose what was acknowledged, and a thief find what was erased."""

    def pragmas():
        asked = ("journal_mode", "synchronous", "secure_delete")
        return [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]

    with ThreadPoolExecutor(1) as another:
        assert pragmas() == another.submit(pragmas).result() == ["wal", 2, 1]


def test_known_and_unknown_ids_are_asked_for_in_one_question(store):
    first, last = make(), make(NEXT)
    for envelope in (first, last):
        store.put(envelope)
    asked = []
    store._db.set_trace_callback(asked.append)

    for envelope in (first, last, make()):
        find(store, envelope)

    assert len(asked) == 3


def reading(store, path):
    """Somebody else who is in the middle of reading, and a store that does not wait long."""
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM requests").fetchone()
    store._db.execute("PRAGMA busy_timeout = 50")
    return reader


@pytest.mark.parametrize("id", [float("-inf"), -1, 0, "text", b"", b"\xff" * 40])
def test_row_whose_id_is_damaged_is_erased_with_the_others(store, path, id):
    for erase, erased in (
        (lambda: store.erase_expired("main", WEEK, NOW), 1),
        (lambda: store.erase_epoch("main", WEEK), 3),  # with what the first time left
    ):
        store.put(damaged := make())
        with closing(sqlite3.connect(path)) as db, db:
            change = "UPDATE requests SET id = ?, expires = 0 WHERE id = ?"
            db.execute(change, (id, damaged.id))
        store.put(make())

        assert sum(erase()) == erased

        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT 1 FROM requests WHERE expires = 0").fetchall() == []


def test_while_somebody_reads_the_old_bytes_it_is_said_and_not_called_done(store, path):
    envelope = make()
    store.put(envelope)
    reader = reading(store, path)

    with pytest.raises(StoreUnavailable, match="traces stay"):
        list(store.erase_epoch("main", WEEK))

    reader.execute("COMMIT")
    reader.close()
    assert sum(store.erase_epoch("main", WEEK)) == 0
    assert envelope.visit.sealed[:64] not in on_disk(path)


def test_files_are_for_their_owner_only(store, path):
    store.put(make())

    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("requests.db*")}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(list(path.parent.glob("requests.db*"))) == 3


def test_every_folder_made_for_it_is_for_its_owner_only(tmp_path):
    path = tmp_path / "a" / "b" / "requests.db"

    open_store(f"sqlite:{path}").close()

    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parents[:2]} == {0o700}


def test_file_that_was_open_to_others_is_closed_to_them(store, path):
    store.close()
    path.chmod(0o644)

    again = open_store(f"sqlite:{path}")

    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    again.close()


def test_request_keeps_its_queue_and_id(store):
    old = make()
    store.put(old)

    for new in (make(), make(id=old.id, queue="other")):
        with pytest.raises(ValueError, match="queue and id"):
            store.replace(old, new)

    assert find(store, old) == old


def test_first_digest_is_kept_whatever_the_caller_holds(store):
    old = make()
    store.put(old)

    store.replace(replace(old, digest=os.urandom(32)), make(NEXT, id=old.id))
    store.put(old)  # a retry of the first post meets the stub

    (moved,) = pulled(store)
    assert (moved.epoch, moved.digest) == (NEXT, old.digest)


@pytest.mark.parametrize("change", ["erase", "replace"])
def test_change_is_made_though_traces_stay(store, path, change):
    envelope = make()
    store.put(envelope)
    reader = reading(store, path)

    with pytest.raises(StoreUnavailable, match="traces stay"):
        store.erase(envelope) if change == "erase" else store.replace(envelope, envelope)

    reader.execute("COMMIT")
    reader.close()
    assert [e.rev for e in pulled(store)] == ([] if change == "erase" else [2])
    store.checkpoint()
    assert (envelope.visit.sealed[:64] in on_disk(path)) == (change == "replace")


# --- What it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["", "sqlite:", "dynamodb:", "postgres:somewhere", "requests.db"])
def test_store_of_another_kind_is_refused(spec):
    with pytest.raises(BadSetting):
        open_store(spec)


def test_newer_schema_is_refused_and_left_alone(store, path):
    store.put(make())
    store.close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()

    with pytest.raises(StoreTooNew, match=f"schema {SCHEMA_VERSION + 1}"):
        open_store(f"sqlite:{path}")


def test_file_of_somebody_else_is_refused_and_left_alone(tmp_path):
    theirs = tmp_path / "theirs.db"
    db = sqlite3.connect(theirs)
    db.execute("CREATE TABLE mine (x)")
    db.close()

    with pytest.raises(StoreUnavailable, match="not a store of Quietdesk"):
        open_store(f"sqlite:{theirs}")


@pytest.mark.parametrize("pragma", ["application_id = 7", f"user_version = {SCHEMA_VERSION + 1}"])
def test_refused_file_keeps_every_byte(store, path, pragma):
    store.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute(f"PRAGMA {pragma}")
    db.close()
    before = path.read_bytes()

    with pytest.raises((StoreUnavailable, StoreTooNew)):
        open_store(f"sqlite:{path}")

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("hello " * 500)

    with pytest.raises(StoreUnavailable):
        open_store(f"sqlite:{tmp_path / 'text.db'}")


def test_place_where_nothing_can_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable):
        open_store(f"sqlite:{tmp_path / 'file' / 'requests.db'}")


def test_full_disk_is_said_and_nothing_is_lost(store):
    kept = make()
    store.put(kept)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreUnavailable):
        for _ in range(20):
            store.put(make())

    assert find(store, kept) == kept


class FullDisk:
    """A connection whose disk takes what is committed, and then no more."""

    def __init__(self, db, error):
        self._db, self._error = db, error

    def __getattr__(self, name):
        return getattr(self._db, name)

    def execute(self, sql, *more):
        if "wal_checkpoint" in sql:
            raise self._error
        return self._db.execute(sql, *more)


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk is full"), OSError(errno.ENOSPC, "No space left")]
)
@pytest.mark.parametrize("stub", [False, True])
def test_what_is_erased_before_the_disk_is_full_is_called_done(store, error, stub):
    gone, moved = make(), make()
    for envelope in (gone, moved):
        store.put(envelope)
    store.put_keys(Kid("main", "visit", WEEK, "00000001"), bytes(32), {})
    store._thread.db = FullDisk(store._db, error)

    for done in (
        lambda: store.erase(gone, stub),
        lambda: store.replace(moved, make(NEXT, id=moved.id)),
        lambda: store.destroy_keys("main", WEEK),
    ):
        with pytest.raises(StoreUnavailable) as said:
            done()
        assert type(said.value) is TracesRemain
        assert "done" in str(said.value) and said.value.__suppress_context__

    assert find(store, gone) is None
    assert [it.id for it in store.pull("main", [NEXT], NOW)] == [moved.id]


@pytest.mark.parametrize("says", ["2027-W20", "2026-W46", "", "soon", b"\xff"])
def test_half_goes_with_the_week_of_its_name_whatever_its_column_says(store, says):
    """By its name it is found and used until then."""
    kid, other = Kid("main", "visit", WEEK, "00000001"), Kid("main", "visit", NEXT, "00000001")
    for it in (kid, other):
        store.put_keys(it, bytes(32), {"one": b"w"})
    store._db.execute("UPDATE keys SET epoch = ? WHERE kid = ?", (says, str(kid)))

    assert store.destroy_keys("main", WEEK) == [kid]

    assert not store.wrapped(kid, "one")
    assert store._db.execute("SELECT kid FROM keys").fetchall() == [(str(other),)]


@pytest.mark.parametrize("name", ["main.visit.2027-W20.00000001", "main", b"\xff"])
def test_half_of_a_damaged_name_goes_with_the_week_of_its_column(store, name):
    kid = Kid("main", "visit", WEEK, "00000001")
    store.put_keys(kid, bytes(32), {})
    store._db.execute("UPDATE keys SET kid = ?", (name,))

    store.destroy_keys("main", WEEK)

    assert store._db.execute("SELECT kid FROM keys").fetchall() == []


def test_half_of_another_queue_stays(store):
    kid = Kid("main-b", "visit", WEEK, "00000001")
    store.put_keys(kid, bytes(32), {})

    assert store.destroy_keys("main", WEEK) == []

    assert store.server_half(kid) == bytes(32)


def test_read_only_store_is_said_and_still_reads(store):
    kept = make()
    store.put(kept)
    store._db.execute("PRAGMA query_only = ON")

    with pytest.raises(StoreUnavailable):
        store.put(make())

    assert find(store, kept) == kept


def test_error_says_nothing_of_what_was_written(store):
    store._db.execute("DROP TABLE requests")

    with pytest.raises(StoreUnavailable) as refused:
        store.put(make())

    assert str(refused.value) == "the store is locked, full, read-only or damaged"
    assert refused.value.__suppress_context__


# --- Files of an older schema --------------------------------------------------------------------

VECTORS = ROOT / "tests" / "vectors"
RECORDED = sorted(VECTORS.glob("store-*.sql"))
OLDER = RECORDED[:-1]  # the last one has the schema of today


def tables(path):
    """The tables of a file, however their text is laid out."""
    db = sqlite3.connect(path)
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version, {name: " ".join(sql.split()) for name, sql in found}


@pytest.mark.parametrize("recorded", OLDER, ids=lambda path: path.stem)
def test_older_file_gets_the_tables_of_a_new_one_and_keeps_its_rows(store, path, recorded):
    old = path.with_name("old.db")
    db = sqlite3.connect(old)
    db.executescript(recorded.read_text())
    db.close()
    assert tables(old) != tables(path)

    upgraded = open_store(f"sqlite:{old}")
    kept = upgraded.read("devices"), upgraded.server_half(KID)
    upgraded.close()

    assert tables(old) == tables(path)
    assert tables(old)[0] == SCHEMA_VERSION
    assert kept == ((b"one", 3), bytes(32))


def test_a_file_of_every_schema_is_recorded(store, path):
    recorded = path.with_name("recorded.db")
    db = sqlite3.connect(recorded)
    db.executescript(RECORDED[-1].read_text())
    db.close()

    assert [it.stem for it in RECORDED] == [f"store-{n}" for n in range(1, SCHEMA_VERSION + 1)]
    assert tables(recorded) == tables(path)


def test_upgrade_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.executescript(RECORDED[0].read_text())
    db.close()
    before = tables(path)

    def breaks_off(file):
        yield "DROP TABLE seats"
        yield "CREATE TABLE keys (already TEXT)"

    monkeypatch.setattr(schema, "statements", breaks_off)
    with pytest.raises(StoreUnavailable):
        open_store(f"sqlite:{path}")

    assert tables(path) == before


def recorded_file(path, recorded=RECORDED[-1]):
    """A file as an older release left it."""
    path.parent.mkdir(exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(recorded.read_text())
    db.close()


UPGRADER = """
import sys
from quietdesk.store import open_store
from tests import next_schema
next_schema.use(stop=sys.argv[2] == "stop")
store = open_store("sqlite:" + sys.argv[1])
print("open", flush=True)
if sys.argv[2] == "stay":
    sys.stdin.read()
store.close()
"""


def upgrader(path, *words):
    return subprocess.Popen(
        [sys.executable, "-c", UPGRADER, str(path), *(words or ("go",))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(*upgraders):
    """How each of them ended."""
    for each in upgraders:
        each.communicate()
    return [each.returncode for each in upgraders]


def dump(path):
    """All that is in the file, as statements."""
    db = sqlite3.connect(path)
    statements = set(db.iterdump())
    db.close()
    return statements


@pytest.mark.process
def test_process_that_is_killed_half_way_through_an_upgrade_leaves_the_old_schema_working(path):
    recorded_file(path)
    before = dump(path)

    stopped = upgrader(path, "stop")
    assert stopped.stdout.readline() == "half\n"
    assert path.with_name("requests.db-wal").stat().st_size > 16_384, "it had begun to write"
    stopped.kill()
    ended(stopped)

    store = open_store(f"sqlite:{path}")
    stored = pulled(store, datetime(2026, 12, 2, tzinfo=UTC), ["2026-W49", "2026-W50"])
    assert len(stored) == 12
    assert dump(path) == before
    store.put(make())
    store.close()
    assert tables(path)[0] == SCHEMA_VERSION
    assert len(dump(path) - before) == 1


@pytest.mark.process
def test_upgrade_leaves_no_copy_of_the_file_and_no_byte_of_what_it_left_out(path):
    recorded_file(path)
    db = sqlite3.connect(path)
    wraps = dict(db.execute("SELECT kid, substr(wrap, 100, 64) FROM wraps").fetchall())
    hashes = [row[0] for row in db.execute("SELECT auth_hash FROM requests WHERE visit NOT NULL")]
    db.close()
    kept = [wrap for kid, wrap in wraps.items() if ".visit." in kid]
    left_out = [*hashes, *(wrap for wrap in wraps.values() if wrap not in kept)]
    assert (len(kept), len(left_out)) == (3, 15)
    assert all(piece in on_disk(path) for piece in left_out), "the search must find what is there"

    open_still = upgrader(path, "stay")  # who closes the file last empties the WAL in any case
    assert open_still.stdout.readline() == "open\n"

    assert not any(piece in on_disk(path) for piece in left_out)
    assert all(piece in on_disk(path) for piece in kept)
    assert {it.name for it in path.parent.iterdir()} == {
        "requests.db", "requests.db-wal", "requests.db-shm",
    }  # fmt: skip
    assert tables(path)[0] == 3
    assert ended(open_still) == [0]


@pytest.mark.process
def test_processes_that_open_an_older_file_together_upgrade_it_once(path):
    recorded_file(path)

    assert ended(*[upgrader(path) for _ in range(6)]) == [0] * 6

    assert tables(path)[0] == 3


@pytest.mark.process
@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.put(make()),
        lambda store: store.publish("new", b"", 0),
        lambda store: list(store.erase_epoch("main", Epoch(2026, 49))),
        lambda store: store.destroy_keys("main", Epoch(2026, 49)),
    ],
)
def test_nothing_is_written_into_a_file_that_a_newer_release_upgraded_meanwhile(path, write):
    recorded_file(path)
    store = open_store(f"sqlite:{path}")
    assert ended(upgrader(path)) == [0]
    before = dump(path)

    with pytest.raises(StoreTooNew, match="schema 3"):
        write(store)
    store.close()

    assert dump(path) == before


# --- Several processes, and kills ----------------------------------------------------------------

WRITER = f"""
import sys
from quietdesk.store import open_store, sqlite
from tests.rows import make
sqlite.BUSY_SECONDS = {CEILING}
store = open_store("sqlite:" + sys.argv[1])
for _ in range(int(sys.argv[2])):
    envelope = make()
    store.put(envelope)
    print(envelope.id.hex(), flush=True)
"""


def writer(path, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.process
def test_two_processes_write_at_once(store, path):
    writers = [writer(path, 100) for _ in range(2)]
    acknowledged = {line.strip() for each in writers for line in each.communicate()[0].split()}

    assert [each.returncode for each in writers] == [0, 0]
    assert len(acknowledged) == 200
    assert {envelope.id.hex() for envelope in pulled(store)} == acknowledged


@pytest.mark.process
def test_processes_that_open_a_new_store_together_all_get_in(path):
    writers = [writer(path, 1) for _ in range(6)]
    acknowledged = {line for each in writers for line in each.communicate()[0].split()}

    assert [each.returncode for each in writers] == [0] * 6
    assert len(acknowledged) == 6


@pytest.mark.process
def test_kill_under_load_loses_no_acknowledged_request(path):
    chance = random.Random(47)  # noqa: S311 - when to kill, not a secret
    acknowledged = set()
    for _ in range(6):
        running = writer(path, 100_000)
        for _ in range(chance.randrange(20, 60)):
            acknowledged.add(running.stdout.readline().strip())
        running.kill()
        # What stands in the pipe was acknowledged; a line without its end was not.
        acknowledged |= {line for line in running.stdout.read().split("\n")[:-1]}
        running.wait()
        running.stdout.close()

    store = open_store(f"sqlite:{path}")
    stored = {envelope.id.hex() for envelope in pulled(store)}
    store.close()
    assert len(acknowledged) > 100
    assert acknowledged <= stored
    assert len(stored) <= len(acknowledged) + 6  # at most one more each, written but not yet said
