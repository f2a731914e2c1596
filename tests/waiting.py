"""How tests wait: on a condition, however long that takes, and on ports that are theirs alone.

CEILING is the one limit of time that tests have. It ends what hangs; whatever works comes nowhere
near it, on however slow or busy a machine.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

# Seconds. What a page that is broken on purpose never shows is waited for less (tests/breaking.py).
CEILING = float(os.environ.get("QUIETDESK_TEST_CEILING", "300"))

# No kernel gives these to a socket that asks for any port: those begin at 32768, or later.
_PORTS = range(20_000, 30_000)
_held: list[IO[str]] = []

T = TypeVar("T")


def until(asked: Callable[[], T]) -> T:
    """What is asked for, as soon as it is something."""
    ends = time.monotonic() + CEILING
    while not (found := asked()):
        assert time.monotonic() < ends, "what a test waits for did not happen"
        time.sleep(0.02)
    return found


def free_port() -> int:
    """A port of 127.0.0.1 for a server that is started later. No other test gets it while this
    process lives, in whatever process it runs."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if _reserved(port):
            return port
    raise AssertionError("no port is free")


def _reserved(port: int) -> bool:
    try:
        lock = Path(tempfile.gettempdir(), f"quietdesk-test-port-{port}").open("a")
    except PermissionError:  # of another person's tests
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        lock.close()
        if error.errno in (errno.EWOULDBLOCK, errno.EADDRINUSE):
            return False
        raise
    _held.append(lock)
    return True
