"""A piece of work in a process of its own, which is killed at one of its writes: at every one.

    for spec, moment in killed_at_each(fresh, work):
        ...  # the store as the dead process left it: look at it, run what comes next

`fresh` gives the spec of a new store, each time with the same in it. `work` is called with that
spec and opens the store itself, as a program does. It is pickled on its way into the process: a
function of a module, or a functools.partial of one. Not a lambda, not a function inside a test.

A write is what makes something last: a transaction of SQLite in which something changed, a
checkpoint of a WAL that is not empty, a call that writes to DynamoDB, a file that is put in the
place of another. The process ends itself
with SIGKILL just before it, or just after: nothing is flushed, closed or rolled back.

The processes are forked from one that never had a store open (SQLite may not be taken across a
fork), so that each takes a few hundredths of a second.
"""

import multiprocessing
import os
import signal
import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.waiting import CEILING

Work = Callable[[str], object]

_PROCESSES = multiprocessing.get_context("forkserver")
# What work imports, which each process would import anew.
_PROCESSES.set_forkserver_preload(["pytest", "tests.emulators", "tests.killed", "tests.world"])
_CALLS = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
# What SQLite commits by itself, where no transaction was begun.
_SCHEMA = {"CREATE", "DROP", "ALTER", "VACUUM"}
_ALONE = {"INSERT", "UPDATE", "DELETE", *_SCHEMA}


@dataclass(frozen=True, slots=True)
class Moment:
    """Just before a write, or just after it. `number` counts the writes of the work from 1, `what`
    says which kind it is."""

    number: int
    what: str
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} write {self.number}, {self.what}"


def killed_at_each(fresh: Callable[[], str], work: Work) -> Iterator[tuple[str, Moment]]:
    """A fresh store for each moment at which the work can die, after it died there."""
    moments = writes_of(fresh(), work)
    assert moments, "this work writes nothing"
    for moment in moments:
        spec = fresh()
        kill(spec, work, moment)
        yield spec, moment


def writes_of(spec: str, work: Work) -> list[Moment]:
    """Does the work to its end, in a process of its own, and gives the moments it could have died
    at."""
    written = _run(spec, work, None)
    assert written is not None, "the work was killed, and not by us"
    return [Moment(n, what, after) for n, what in enumerate(written, 1) for after in (False, True)]


def kill(spec: str, work: Work, moment: Moment) -> None:
    """Begins the work in a process of its own, which dies at that moment."""
    assert _run(spec, work, moment) is None, f"the work came to its end; it has no {moment}"


def _run(spec: str, work: Work, moment: Moment | None) -> list[str] | None:
    """What the work wrote, or None when its process died as it should."""
    ours, theirs = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_live, args=(theirs, os.environ.copy(), spec, work, moment))
    process.start()
    theirs.close()
    try:
        assert ours.poll(CEILING), "the work did not end"
        said = ours.recv()
    except EOFError:
        said = None
    finally:
        ours.close()
        process.join(CEILING)
    if said is None:
        assert process.exitcode == -signal.SIGKILL, f"the work ended with {process.exitcode}"
        return None
    assert isinstance(said, list), f"the work failed in its process:\n{said}"
    return said


# --- In the other process ------------------------------------------------------------------------


def _live(
    told: Connection, environ: Mapping[str, str], spec: str, work: Work, moment: Moment | None
) -> None:
    # The server that this process is forked from has the settings of its own start.
    os.environ.clear()
    os.environ.update(environ)
    # Forked too, so only here: they bring AWS's client.
    from quietdesk.store import sqlite
    from tests.emulators import be_patient

    be_patient()
    sqlite.BUSY_SECONDS = CEILING
    writes = _Writes(moment)
    writes.watch()
    try:
        work(spec)
    except BaseException:
        told.send(traceback.format_exc())
    else:
        told.send(writes.seen)


class _Writes:
    """The writes of this process so far; dies at the moment that it is given."""

    def __init__(self, moment: Moment | None):
        self.seen: list[str] = []
        self._moment = moment
        self._guard = threading.Lock()

    @contextmanager
    def one(self, what: str) -> Iterator[None]:
        with self._guard:
            self.seen.append(what)
            number = len(self.seen)
        self._die_if(Moment(number, what, False))
        yield
        self._die_if(Moment(number, what, True))

    def _die_if(self, moment: Moment) -> None:
        if moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Stands around everything that writes, until this process ends."""
        from botocore.client import BaseClient

        writes = self

        class Watched(sqlite3.Connection):
            begun, schema = 0, False  # how many rows had changed; whether the tables did since

            def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
                word = "checkpoint" if "wal_checkpoint" in sql else sql.split(maxsplit=1)[0]
                if word == "BEGIN":
                    self.begun, self.schema = self.total_changes, False
                self.schema = self.schema or word in _SCHEMA or (word == "PRAGMA" and "=" in sql)
                changed = self.schema or self.total_changes > self.begun
                if (
                    (word == "COMMIT" and changed)
                    or (word == "checkpoint" and self.has_wal())
                    or (word in _ALONE and not self.in_transaction)
                ):
                    with writes.one(word):
                        return super().execute(sql, *more)
                return super().execute(sql, *more)

            def has_wal(self) -> bool:
                ((_, _, path),) = super().execute("PRAGMA database_list")
                wal = Path(f"{path}-wal")
                return wal.exists() and wal.stat().st_size > 0

        connect, call, put_over = sqlite3.connect, BaseClient._make_api_call, os.replace

        def watched_call(client: BaseClient, operation: str, given: object) -> Any:
            if operation not in _CALLS:
                return call(client, operation, given)
            with writes.one(operation):
                return call(client, operation, given)

        def watched_replace(*given: Any, **named: Any) -> None:
            with writes.one("file"):
                put_over(*given, **named)

        sqlite3.connect = lambda *given, **named: connect(*given, **named, factory=Watched)
        BaseClient._make_api_call = watched_call
        os.replace = watched_replace
