"""The stores under load, beside what SQLite takes for rows of the same size without us."""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from quietdesk.store import Store, open_store
from tests import rows as envelopes
from tests.bench.table import FOLDER, Row
from tests.emulators import emulator, make_tables

BATCH = 1000  # rows: store and baseline take turns, since others use the machine too
SEALED = 2 * 2160 + 284  # bytes of a row that nobody can compress


class Bare:
    """A table of blobs with the same promises: WAL, synchronous, secure delete."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE rows (id BLOB PRIMARY KEY, sealed BLOB) WITHOUT ROWID")

    def put(self, blobs: Iterable[tuple[bytes, bytes]]) -> None:
        for blob in blobs:  # a transaction each
            self._db.execute("INSERT INTO rows VALUES (?, ?)", blob)

    def pull(self) -> int:
        return sum(1 for _ in self._db.execute("SELECT id, sealed FROM rows ORDER BY id"))

    def erase(self) -> None:
        self._db.execute("DELETE FROM rows")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()


def measure(quick: bool) -> list[Row]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=FOLDER) as folder:
        return _sqlite(Path(folder), 2000 if quick else 100_000)


def measure_emulators(quick: bool) -> list[Row]:
    with TemporaryDirectory() as folder:
        return [
            row
            for name in ("ministack", "moto")
            for row in _emulated(Path(folder), name, 100 if quick else 5000)
        ]


def _sqlite(folder: Path, count: int) -> list[Row]:
    store, bare = open_store(f"sqlite:{folder / 'requests.db'}"), Bare(folder / "bare.db")
    took, bare_took = 0.0, 0.0
    for _ in range(0, count, BATCH):
        took += _put(store, BATCH)
        blobs = [(os.urandom(16), os.urandom(SEALED)) for _ in range(BATCH)]
        bare_took += _seconds(bare.put, blobs)
    pulls = [(_pull(store, count), _seconds(bare.pull)) for _ in range(3)]
    pulled, bare_pulled = min(pulls)
    erased, bare_erased = _erase(store, count), _seconds(bare.erase)
    store.close()
    bare.close()
    against = "bare sqlite3"
    return [
        Row("SQLite, puts", count / took, "/s", count / bare_took, against),
        Row("SQLite, pulls", count / pulled, "/s", count / bare_pulled, against),
        Row(f"SQLite, sweep of {count:,}", erased, "s", bare_erased, against),
    ]


def _emulated(folder: Path, name: str, count: int) -> list[Row]:
    beside = open_store(f"sqlite:{folder / f'{name}.db'}")
    with emulator(name, folder) as running:
        os.environ.update(running.environment())  # of this process, which measures nothing else
        prefix = f"bench{secrets.token_hex(4)}"
        make_tables(prefix)
        # On a busy machine they take longer over a page than the second that a function waits.
        store = open_store(f"dynamodb:{prefix}", patient=True)
        took, sqlite_took = _put(store, count), _put(beside, count)
        pulled, sqlite_pulled = _pull(store, count), _pull(beside, count)
        erased, sqlite_erased = _erase(store, count), _erase(beside, count)
        store.close()
    beside.close()
    against, name = "SQLite store", f"DynamoDB on {name}"
    return [
        Row(f"{name}, puts", count / took, "/s", count / sqlite_took, against),
        Row(f"{name}, pulls", count / pulled, "/s", count / sqlite_pulled, against),
        Row(f"{name}, sweep of {count:,}", erased, "s", sqlite_erased, against),
    ]


def _put(store: Store, count: int) -> float:
    made = [envelopes.make() for _ in range(count)]

    def put() -> None:
        for envelope in made:
            store.put(envelope)

    return _seconds(put)


def _pull(store: Store, count: int) -> float:
    def pull() -> None:
        found = sum(1 for _ in store.pull("main", [envelopes.WEEK], envelopes.NOW))
        assert found == count, f"{found} of {count} pulled"

    return _seconds(pull)


def _erase(store: Store, count: int) -> float:
    def erase() -> None:
        erased = store.erase_epoch("main", envelopes.WEEK)
        assert erased == count, f"{erased} of {count} erased"

    return _seconds(erase)


def _seconds(work: Callable[..., object], *given: object) -> float:
    started = time.perf_counter()
    work(*given)
    return time.perf_counter() - started
