"""A run of sweep over one week of very many rows: how long it takes, and that its memory does not
grow with the week. Each run has a process of its own."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from quietdesk import sweep
from quietdesk.envelopes import Envelope
from quietdesk.hpke import Kid
from quietdesk.store import open_store
from quietdesk.store.dynamodb import DynamoDB, calls, items
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.store.sqlite import Sqlite
from tests.bench.peak import peak_mb
from tests.bench.table import FOLDER, Row, seconds
from tests.emulators import be_patient, emulator
from tests.rows import NOW, WEEK, make
from tests.world import compiled_city

CHUNK = 5000  # rows that are put at once: by the store, one by one, it would take hours
MOST_MB = 120


def measure(quick: bool) -> list[Row]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    count = 2000 if quick else 1_000_000
    with TemporaryDirectory(dir=FOLDER) as folder:
        store = Sqlite(Path(folder) / "requests.db")
        for chunk in _chunks(count):
            with store._write() as db:
                for envelope in chunk:
                    store._write_row(db, envelope, envelope.digest, envelope.rev)
        store.close()
        return _rows("SQLite", f"sqlite:{folder}/requests.db", count)


def measure_emulator(quick: bool) -> list[Row]:
    count = 200 if quick else 20_000
    with TemporaryDirectory() as folder, emulator("ministack", Path(folder)) as running:
        os.environ.update(running.environment())  # of this process, which measures nothing else
        prefix = f"bench{secrets.token_hex(4)}"
        create_tables(prefix)
        store = DynamoDB(prefix, calls.PATIENT)
        for chunk in _chunks(count):
            puts = [{"PutRequest": {"Item": items.item_of(it)}} for it in chunk]
            store._calls._batch_write(store._requests, puts)
        store.close()
        return _rows("DynamoDB on ministack", f"dynamodb:{prefix}", count)


def _chunks(count: int) -> Iterator[list[Envelope]]:
    made = (make() for _ in range(count))
    while chunk := list(islice(made, CHUNK)):
        yield chunk


def _rows(name: str, spec: str, count: int) -> list[Row]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        took, peak = process.submit(_swept, spec).result()
    what = f"{name}, {count:,} rows of one week destroyed"
    return [Row(what, "s", [took]), Row(f"{what}, process", "MB", [peak], at_most=MOST_MB)]


def _swept(spec: str) -> tuple[float, float]:
    be_patient()  # and no pause between its deletes: what is measured is the work
    city, key_day = compiled_city(), NOW + timedelta(weeks=2)
    with closing(open_store(spec, patient=True)) as store:
        store.put_keys(Kid("main", "visit", WEEK, "00000001"), bytes(32), {})
        took = seconds(lambda: sweep.run(store, city, key_day, seconds=float("inf")))
        assert sum(store.erase_epoch("main", WEEK)) == 0
    return took, peak_mb()
