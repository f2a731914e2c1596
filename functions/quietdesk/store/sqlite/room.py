"""Room on the disk for destruction, which strangers cannot use up.

To delete, SQLite writes first: the changed pages go into the WAL. On a full disk nothing could be
destroyed, so there is room in two ways. No envelope is taken while less than KEPT is free: what
residents send cannot fill the disk. And a file beside the store, RESERVE bytes of nothing, is let
go of when something must be deleted and the disk is full all the same, of whatever. It is made
again at once, as large as there is room for, and made whole by the next sweep that has room.
"""

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

KEPT = 64 << 20
RESERVE = 16 << 20  # three times what a page of rows takes in the WAL
CHUNK = 1 << 20

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def may_be_full(error: Exception) -> bool:
    """Whether it may be for a full disk that SQLite failed: in the WAL, in what it shares with
    other processes, or to make one of these files."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL


class Room:
    """The room of the store at a path."""

    def __init__(self, path: Path):
        self._reserve = Path(f"{path}-reserve")

    def is_short(self) -> bool:
        """Whether no more envelopes are taken."""
        return shutil.disk_usage(self._reserve.parent).free < KEPT

    def let_go(self) -> bool:
        """Let go of the reserve. Whether there was one, so that it is worth another try."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def make(self) -> None:
        """Make the reserve, or what is missing of it, as far as there is room."""
        with suppress(OSError):  # full again: what was written so far is kept
            os.close(os.open(self._reserve, os.O_CREAT | os.O_WRONLY, 0o600))
            with self._reserve.open("r+b", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                while size < RESERVE:
                    # A file system that compresses would keep no room for zeros.
                    size += file.write(os.urandom(min(CHUNK, RESERVE - size)))
