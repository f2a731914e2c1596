"""The rules of a store, on SQLite: real files, real processes, real kills."""

import os
import random
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from quietdesk.envelope import Envelope, SealedPart
from quietdesk.errors import (
    BadSetting,
    CannotOpen,
    Conflict,
    KeyDestroyed,
    NoSeats,
    StoreTooNew,
    StoreUnavailable,
)
from quietdesk.store import open_store
from quietdesk.store.sqlite import PAGE, SCHEMA_VERSION
from tests.world import ROOT

NOW = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 86_400
WEEK, NEXT = "2026-W47", "2026-W48"


def make(epoch=WEEK, **more):
    """An envelope of random bytes: a store never looks inside."""
    values = {
        "queue": "main",
        "id": os.urandom(16),
        "auth_hash": os.urandom(32),
        "born": WEEK,
        "opening": "",
        "visit": SealedPart(f"main.visit.{epoch}.00000001", os.urandom(2160)),
        "contact": SealedPart(f"main.contact.{epoch}.00000002", os.urandom(2160)),
        "reply": os.urandom(284),
        "lane": "P",
        "digest": os.urandom(32),
        "rev": 1,
        "expires": LATER,
    }
    return Envelope(**(values | more))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "requests.db"


@pytest.fixture
def store(path):
    opened = open_store(f"sqlite:{path}")
    yield opened
    opened.close()


def find(store, envelope, now=NOW):
    return store.find("main", envelope.id, [WEEK, NEXT], now)


def pulled(store, now=NOW, epochs=(WEEK, NEXT)):
    return list(store.pull("main", epochs, now))


# --- Keeping, finding, pulling -------------------------------------------------------------------


def test_envelope_is_found_as_it_was_put(store):
    envelope = make()

    store.put(envelope)

    assert find(store, envelope) == envelope
    assert pulled(store) == [envelope]


def test_retry_writes_nothing(store):
    envelope = make()
    store.put(envelope)
    again = replace(envelope, reply=os.urandom(284))

    store.put(again)

    assert find(store, envelope) == envelope


def test_another_envelope_under_that_id_is_refused(store):
    envelope = make()
    store.put(envelope)

    with pytest.raises(Conflict):
        store.put(make(id=envelope.id))

    assert find(store, envelope) == envelope


def test_expired_envelope_is_neither_found_nor_pulled(store):
    envelope = make(expires=int(NOW.timestamp()))
    store.put(envelope)

    assert find(store, envelope) is None
    assert pulled(store) == []


def test_other_queues_and_weeks_are_not_touched(store):
    mine, theirs, next_week = make(), make(queue="other"), make(NEXT)
    for envelope in (mine, theirs, next_week):
        store.put(envelope)

    assert pulled(store, epochs=[WEEK]) == [mine]
    assert store.erase_epoch("main", WEEK) == 1
    assert pulled(store) == [next_week]
    assert list(store.pull("other", [WEEK], NOW)) == [theirs]


def test_pull_gives_every_envelope_once_over_many_pages_while_others_write(store):
    envelopes = {envelope.id: envelope for envelope in (make() for _ in range(2 * PAGE + 7))}
    for envelope in envelopes.values():
        store.put(envelope)

    seen = []
    for number, envelope in enumerate(store.pull("main", [WEEK], NOW)):
        seen.append(envelope.id)
        if number == 3:
            store.erase(envelope)

    assert len(seen) == len(set(seen))
    assert set(seen) == set(envelopes)


def test_order_of_arrival_is_kept_nowhere(store, path):
    envelopes = [make() for _ in range(50)]
    for envelope in envelopes:
        store.put(envelope)

    assert [e.id for e in pulled(store)] == sorted(e.id for e in envelopes)
    tables = sqlite3.connect(path).execute("SELECT sql FROM sqlite_master WHERE type = 'table'")
    assert all("WITHOUT ROWID" in sql for (sql,) in tables)


# --- Erasing and replacing -----------------------------------------------------------------------


def test_erased_envelope_is_gone(store):
    envelope = make()
    store.put(envelope)

    store.erase(envelope)

    assert find(store, envelope) is None
    with pytest.raises(Conflict):
        store.erase(envelope)


def test_stub_keeps_a_late_retry_from_bringing_it_back(store):
    envelope = make()
    store.put(envelope)

    store.erase(envelope, stub=True)
    store.put(envelope)

    assert find(store, envelope) is None
    assert pulled(store) == []
    with pytest.raises(Conflict):
        store.put(make(id=envelope.id))


def test_replacing_raises_the_rev_and_keeps_the_digest(store):
    old = make()
    store.put(old)
    new = replace(old, reply=os.urandom(284), digest=os.urandom(32))

    store.replace(old, new)

    assert find(store, old) == replace(new, rev=2, digest=old.digest)
    store.put(old)  # the first post, retried: still the same request
    assert find(store, old).rev == 2


def test_moving_to_another_week_leaves_a_stub(store):
    old = make()
    store.put(old)
    moved = make(NEXT, id=old.id)

    store.replace(old, moved)
    store.put(old)

    assert pulled(store, epochs=[WEEK]) == []
    assert [e.id for e in pulled(store, epochs=[NEXT])] == [old.id]
    back = replace(old, rev=0)
    store.replace(pulled(store, epochs=[NEXT])[0], back)
    assert [e.rev for e in pulled(store)] == [3]


def test_two_desks_that_change_one_request_collide(store):
    old = make()
    store.put(old)
    store.replace(old, replace(old, reply=os.urandom(284)))

    for change in (lambda: store.replace(old, old), lambda: store.erase(old)):
        with pytest.raises(Conflict):
            change()

    assert find(store, old).rev == 2


def test_erasing_a_week_counts_envelopes_and_removes_stubs(store, path):
    kept, cancelled = make(), make()
    store.put(kept)
    store.put(cancelled)
    store.erase(cancelled, stub=True)

    assert store.erase_epoch("main", WEEK) == 1
    assert sqlite3.connect(path).execute("SELECT count(*) FROM requests").fetchone() == (0,)


def test_erasing_what_expired_leaves_the_rest(store):
    ended, live = make(expires=int(NOW.timestamp())), make()
    store.put(ended)
    store.put(live)

    assert store.erase_expired("main", [WEEK], NOW) == 1
    assert pulled(store) == [live]


# --- Seats ---------------------------------------------------------------------------------------


def test_taking_takes_one_seat_and_a_retry_none(store):
    store.set_seats("corona-1", 2)
    envelope = make(opening="corona-1")

    store.take(envelope)
    store.take(envelope)

    assert store.seats("corona-1") == 1
    assert find(store, envelope) == envelope


@pytest.mark.parametrize("left", [0, None])
def test_taking_without_a_seat_keeps_nothing(store, left):
    if left is not None:
        store.set_seats("corona-1", left)
    envelope = make(opening="corona-1")

    with pytest.raises(NoSeats):
        store.take(envelope)

    assert find(store, envelope) is None


def test_500_racing_for_10_seats_get_10(store):
    store.set_seats("corona-1", 10)

    def take(_):
        try:
            store.take(make(opening="corona-1"))
        except NoSeats:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = sum(pool.map(take, range(500)))

    assert (won, store.seats("corona-1"), len(pulled(store))) == (10, 0, 10)


# --- Keys and public documents -------------------------------------------------------------------

KID = "main.visit.2026-W47.00000001"


def test_keys_are_kept_by_device(store):
    store.put_keys(KID, b"s" * 32, {"one": b"w" * 1168})

    assert store.server_half(KID) == b"s" * 32
    assert store.wrap(KID, "one") == b"w" * 1168
    with pytest.raises(CannotOpen):
        store.wrap(KID, "two")
    with pytest.raises(Conflict):
        store.put_keys(KID, b"t" * 32, {})


def test_destroyed_keys_are_gone_and_destroying_again_is_safe(store):
    store.put_keys(KID, b"s" * 32, {"one": b"w" * 1168})

    assert store.destroy_keys("main", WEEK) == [KID]
    assert store.destroy_keys("main", WEEK) == []
    for read in (lambda: store.server_half(KID), lambda: store.wrap(KID, "one")):
        with pytest.raises(KeyDestroyed) as gone:
            read()
        assert gone.value.epoch == WEEK


def test_public_document_is_written_by_who_read_the_latest(store):
    assert store.read("devices") is None
    assert store.publish("devices", b"one", 0) == 1
    assert store.publish("devices", b"two", 1) == 2
    for stale in (0, 1, 3):
        with pytest.raises(Conflict):
            store.publish("devices", b"three", stale)

    assert store.read("devices") == (b"two", 2)


# --- What stays on the disk ----------------------------------------------------------------------


def on_disk(path):
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob("requests.db*")))


@pytest.mark.parametrize(
    "erase",
    [
        lambda store, e: store.erase(e),
        lambda store, e: store.erase(e, stub=True),
        lambda store, e: store.erase_epoch("main", WEEK),
        lambda store, e: store.erase_expired("main", [WEEK], datetime.fromtimestamp(LATER, UTC)),
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


def test_while_somebody_reads_the_old_bytes_it_is_said_and_not_called_done(
    store, path, monkeypatch
):
    envelope = make()
    store.put(envelope)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM requests").fetchone()
    store._db.execute("PRAGMA busy_timeout = 50")

    with pytest.raises(StoreUnavailable, match="traces stay"):
        store.erase_epoch("main", WEEK)

    reader.execute("COMMIT")
    reader.close()
    assert store.erase_epoch("main", WEEK) == 0
    assert envelope.visit.sealed[:64] not in on_disk(path)


def test_files_are_for_their_owner_only(store, path):
    store.put(make())

    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("requests.db*")}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(list(path.parent.glob("requests.db*"))) == 3


# --- What it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["", "sqlite:", "postgres:somewhere", "requests.db"])
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


# --- Several processes, and kills ----------------------------------------------------------------

WRITER = """
import sys
from quietdesk.store import open_store
from tests.test_store import make
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


def test_two_processes_write_at_once(store, path):
    writers = [writer(path, 100) for _ in range(2)]
    acknowledged = {line.strip() for each in writers for line in each.communicate()[0].split()}

    assert [each.returncode for each in writers] == [0, 0]
    assert len(acknowledged) == 200
    assert {envelope.id.hex() for envelope in pulled(store)} == acknowledged


def test_kill_under_load_loses_no_acknowledged_request(path):
    chance = random.Random(47)  # noqa: S311 - when to kill, not a secret
    acknowledged = set()
    for _ in range(6):
        running = writer(path, 100_000)
        acknowledged.add(running.stdout.readline().strip())
        time.sleep(chance.uniform(0.02, 0.3))
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
