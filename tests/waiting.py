"""How tests wait: on a condition, however long that takes, and on ports that are theirs alone.

CEILING is the one limit of time that tests have. It ends what hangs; whatever works comes nowhere
near it, on however slow or busy a machine.
"""

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, TypeVar

# Seconds. What a page that is broken on purpose never shows is waited for less (tests/breaking.py).
CEILING = float(os.environ.get("QUIETDESK_TEST_CEILING", "300"))

# No kernel gives these to a socket that asks for any port: those begin at 32768, or later.
_PORTS = range(20_000, 30_000)
_mine: set[int] = set()

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
        if port not in _mine and _reserved(port):
            _mine.add(port)
            return port
    raise AssertionError("no port is free")


@cache
def _locks() -> IO[str]:
    """A file with a byte for each port, which who has the port locks. To close it frees them all,
    so it stays open as long as the process."""
    return Path(tempfile.gettempdir(), f"quietdesk-test-ports-{os.getuid()}").open("a")


def _reserved(port: int) -> bool:
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:  # of another process of tests, or of somebody else's server
        return False
    return True
