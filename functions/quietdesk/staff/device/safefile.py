"""A small file that several processes of one computer change: one at a time, whole or not at all.

The operating system holds the lock, so that it ends with the process, however that ends. Nothing
here knows what is in the file.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from quietdesk.errors import KeyringBusy, NotSaved

LOCK_SECONDS = 30.0  # a change takes milliseconds: who waits longer waits for what hangs
_SHARING = (5, 32)  # Windows: access denied, sharing violation
_NO_LOCKS = (ENOLCK, ENOSYS, EOPNOTSUPP)

T = TypeVar("T")
Held = TypeVar("Held", bytes, bytes | None)


def update(path: Path, change: Callable[[bytes | None], Held]) -> Held:
    """What a file holds after `change`, which gets what it holds now, None where there is none, and
    gives what it is to hold.

    `change` may be asked twice, and decides by what it is given alone: meanwhile another process
    may have written. Giving back what it got writes nothing. Else the file is written whole or not
    at all, for its owner only, and lies on the disk when this returns. What `change` raises leaves
    the file as it is. Raises KeyringBusy, and NotSaved: a whole file is there all the same.
    """
    path = path.resolve()  # two names of one file have one lock
    try:
        return _updated(path, change)
    except OSError as error:
        why = error.strerror or "it cannot be written"
        raise NotSaved(f"{path}: nothing was saved: {why}") from None


def read(path: Path) -> bytes | None:
    """What a file holds; None where there is none."""
    try:
        return _patient(path.read_bytes)
    except FileNotFoundError:
        return None


def save(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only. Who changes one that is in use
    does it by `update`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = _beside(path)
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _patient(lambda: os.replace(beside, path))
    except BaseException:
        with suppress(OSError):  # what went wrong before is what is said
            beside.unlink(missing_ok=True)
        raise
    _settle(path.parent)


def _updated(path: Path, change: Callable[[bytes | None], Held]) -> Held:
    beside = _beside(path)
    if not beside.exists():
        held = read(path)
        after = change(held)
        if after == held:
            return after
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        # Of who was killed half-way: no `forget` would find the keys in it.
        beside.unlink(missing_ok=True)
        held = read(path)
        after = change(held)
        if after is not None and after != held:
            save(path, after)
        return after


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone with a file, among all processes and threads of this computer."""
    file = path.with_name(path.name + ".lock")
    # The file stays: who deletes one that others wait for gives two of them the lock.
    lock = FileLock(file, LOCK_SECONDS, 0o600, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise KeyringBusy(f"{path}: another process does not let go of the keyring") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise NotSaved(f"{path}: files in that folder cannot be locked") from None
    try:
        yield
    finally:
        lock.release()


def _patient(act: Callable[[], T]) -> T:
    """Windows gives no file that another program has open, as a scanner or a backup does for a
    moment. Elsewhere a file can be read and replaced at any time."""
    for _ in range(100):
        try:
            return act()
        except OSError as error:
            if getattr(error, "winerror", None) not in _SHARING:
                raise
        time.sleep(0.05)
    return act()


def _settle(folder: Path) -> None:
    """Bring the name of a file that was renamed to the disk, where folders can be."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != EINVAL:  # a file system that has no such thing
                raise
        finally:
            os.close(descriptor)
