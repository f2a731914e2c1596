"""The stores under load, beside what SQLite takes for rows of the same size without us. A turn is a
week of its own: its rows are put, pulled and swept."""

import os
import secrets
import sqlite3
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from quietdesk.store import Store, open_store
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.weeks import Epoch
from tests import rows as envelopes
from tests.bench.table import FOLDER, Row, seconds, taking_turns
from tests.emulators import emulator

BATCH = 1000  # rows: those that are put take turns too
SEALED = 2 * 2160 + 284  # bytes of a row that nobody can compress


class Side(Protocol):
    """What is measured, and what it is measured beside: each gives the seconds it took."""

    def put(self, week: Epoch, count: int) -> float: ...
    def pull(self, week: Epoch, count: int) -> float: ...
    def sweep(self, week: Epoch, count: int) -> float: ...
    def close(self) -> None: ...


class Ours:
    """A store."""

    def __init__(self, store: Store):
        self._store = store

    def put(self, week: Epoch, count: int) -> float:
        made = [envelopes.make(week) for _ in range(count)]

        def put() -> None:
            for envelope in made:
                self._store.put(envelope)

        return seconds(put)

    def pull(self, week: Epoch, count: int) -> float:
        def pull() -> None:
            found = sum(1 for _ in self._store.pull("main", [week], envelopes.NOW))
            assert found == count, f"{found} of {count} pulled"

        return seconds(pull)

    def sweep(self, week: Epoch, count: int) -> float:
        def sweep() -> None:
            erased = sum(self._store.erase_epoch("main", week))
            assert erased == count, f"{erased} of {count} erased"

        return seconds(sweep)

    def close(self) -> None:
        self._store.close()


class Bare:
    """A table of blobs with the same promises: WAL, synchronous, secure delete."""

    def __init__(self, path: Path):
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(
            "CREATE TABLE rows (week TEXT, id BLOB, sealed BLOB, PRIMARY KEY (week, id)) "
            "WITHOUT ROWID"
        )

    def put(self, week: Epoch, count: int) -> float:
        blobs = [(str(week), os.urandom(16), os.urandom(SEALED)) for _ in range(count)]

        def put() -> None:
            for blob in blobs:  # a transaction each
                self._db.execute("INSERT INTO rows VALUES (?, ?, ?)", blob)

        return seconds(put)

    def pull(self, week: Epoch, count: int) -> float:
        def pull() -> None:
            found = self._db.execute(
                "SELECT id, sealed FROM rows WHERE week = ? ORDER BY id", [str(week)]
            )
            assert sum(1 for _ in found) == count

        return seconds(pull)

    def sweep(self, week: Epoch, count: int) -> float:
        def sweep() -> None:
            assert (
                self._db.execute("DELETE FROM rows WHERE week = ?", [str(week)]).rowcount == count
            )
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        return seconds(sweep)

    def close(self) -> None:
        self._db.close()


def measure(quick: bool) -> list[Row]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        store = Ours(open_store(f"sqlite:{folder / 'requests.db'}"))
        size = (2, 100) if quick else (5, 20_000)
        return _rows("SQLite", store, Bare(folder / "bare.db"), "bare sqlite3", *size)


def measure_emulators(quick: bool) -> list[Row]:
    with TemporaryDirectory() as folder:
        return [
            row
            for name in ("ministack", "moto")
            for row in _emulated(Path(folder), name, *((2, 20) if quick else (5, 1000)))
        ]


def _emulated(folder: Path, name: str, turns: int, count: int) -> list[Row]:
    beside = Ours(open_store(f"sqlite:{folder / f'{name}.db'}"))
    with emulator(name, folder) as running:
        os.environ.update(running.environment())  # of this process, which measures nothing else
        prefix = f"bench{secrets.token_hex(4)}"
        create_tables(prefix)
        # On a busy machine they take longer over a page than the second that a function waits.
        store = Ours(open_store(f"dynamodb:{prefix}", patient=True))
        return _rows(f"DynamoDB on {name}", store, beside, "SQLite store", turns, count)


def _rows(name: str, side: Side, beside: Side, against: str, turns: int, count: int) -> list[Row]:
    """Puts and pulls a second, and the seconds of a sweep, with `count` rows a turn."""
    weeks = [Epoch(2026, number) for number in range(53 - turns, 53)]
    batches = [min(BATCH, count - start) for start in range(0, count, BATCH)]

    def put(week: Epoch) -> list[float]:
        both = taking_turns(batches, partial(side.put, week), partial(beside.put, week))
        return [sum(times) for times in both]

    puts = zip(*map(put, weeks), strict=True)
    put_rates = [[count / taken for taken in times] for times in puts]
    pulls = taking_turns(weeks, partial(side.pull, count=count), partial(beside.pull, count=count))
    pull_rates = [[count / taken for taken in times] for times in pulls]
    sweeps = taking_turns(
        weeks, partial(side.sweep, count=count), partial(beside.sweep, count=count)
    )
    side.close()
    beside.close()
    return [
        Row(f"{name}, puts", "/s", *put_rates, against),
        Row(f"{name}, pulls", "/s", *pull_rates, against),
        Row(f"{name}, sweep of {count:,} of {turns * count:,}", "s", *sweeps, against),
    ]
