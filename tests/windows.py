"""Windows of one computer, each a process of its own: what is unlocked in one is in no other.

A window is told what to do over a pipe, at a time that it is told, and answers what came of it. It
is forked from a process that never had a store open, so it costs hundredths of a second.
"""

import multiprocessing
import os
import signal
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from quietdesk.city import City
from quietdesk.errors import QuietdeskError
from quietdesk.signed import Trust
from quietdesk.staff.device import keyring
from quietdesk.staff.work import Work
from quietdesk.store import open_store, sqlite
from tests.waiting import CEILING
from tests.world import PASSPHRASE

_PROCESSES = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Office:
    """What the windows of one computer share: the store, and a keyring that lies in a file."""

    city: City
    trust: Trust
    spec: str
    path: Path


class Window:
    """One process. `tell` and `answer` are apart, so that two can be busy at once."""

    def __init__(self, office: Office):
        self._ours, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_live, args=(theirs, office), daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, do: str, now: datetime, dies_at: tuple[int, bool] | None = None) -> None:
        """Begin something: unlock, forget or pull. With `dies_at`, the process is killed before (or
        after) it puts its so-many-th file in the place of another."""
        self._ours.send((do, now, dies_at))

    def answer(self) -> Any:
        """What came of it; None when the process died of it."""
        assert self._ours.poll(CEILING), "a window does not answer"
        try:
            return self._ours.recv()
        except EOFError:
            self._process.join(CEILING)
            assert self._process.exitcode == -signal.SIGKILL
            return None

    def close(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join(CEILING)
        self._ours.close()


def _live(told: Connection, office: Office) -> None:
    sqlite.BUSY_SECONDS = CEILING
    files = _Files()
    work: Work | None = None
    at = [datetime.max]
    with closing(open_store(office.spec)) as store:
        while True:
            try:
                do, at[0], files.dies_at = told.recv()
            except EOFError:
                return
            files.number = 0
            try:
                if do in ("unlock", "forget"):
                    keyring.forget_ended(office.path, office.city, at[0])
                if do == "unlock":
                    device = keyring.unlock(office.path.read_bytes(), PASSPHRASE)
                    work = Work(store, office.city, office.trust, lambda: at[0], device)
                if do == "pull" and work is not None:
                    outcome = work.pull(office.path, {})
                    told.send((outcome.unready and str(outcome.unready), outcome.proofs.lost))
                else:
                    told.send((None, ()))
            except QuietdeskError as error:
                told.send((str(error), ()))


class _Files:
    """How many files were put in the place of others since the last word."""

    def __init__(self) -> None:
        self.number = 0
        self.dies_at: tuple[int, bool] | None = None
        self._put_over = os.replace
        os.replace = self._counted  # type: ignore[assignment]

    def _counted(self, *given: Any, **named: Any) -> None:
        self.number += 1
        self._die_if(after=False)
        self._put_over(*given, **named)
        self._die_if(after=True)

    def _die_if(self, after: bool) -> None:
        if self.dies_at == (self.number, after):
            os.kill(os.getpid(), signal.SIGKILL)
