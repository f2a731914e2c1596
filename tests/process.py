"""Running `quietdesk` as a newcomer does: as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.waiting import CEILING, until
from tests.world import ROOT

QUIETDESK = [sys.executable, "-m", "quietdesk.staff.commands.main"]


def environment(folder: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Settings that keep everything the programme writes in one folder."""
    return {
        **base,
        "QUIETDESK_STORE": f"sqlite:{folder / 'requests.db'}",
        "QUIETDESK_KEYRING": str(folder / "device.keyring"),
        "QUIETDESK_CUSTODIANS": f"file:{folder / 'custodians.txt'}",
        "QUIETDESK_SITE": str(folder / "site"),
    }


@contextmanager
def quietdesk_run(
    folder: Path, port: int, log: IO[bytes], base: Mapping[str, str] = os.environ
) -> Iterator[subprocess.Popen[bytes]]:
    """`quietdesk run` until the block ends; ready when the block begins."""
    process = subprocess.Popen(
        [*QUIETDESK, "run", "--port", str(port)],
        cwd=ROOT,
        env=environment(folder, base),
        stdout=log,
        stderr=log,
    )
    try:
        wait_for(process, port)
        yield process
    finally:
        stop(process)


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    def answers() -> bool:
        assert process.poll() is None, "quietdesk run ended before it was ready"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(answers)


def stop(process: subprocess.Popen[bytes]) -> int:
    """End it as Ctrl-C does, and give its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.wait(CEILING)


def quietdesk(
    folder: Path, *words: str, says: str = "", passphrase: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command, with what a person would type after it."""
    env = environment(folder)
    if passphrase:
        file = folder / "passphrase.txt"
        file.write_text(passphrase + "\n")
        env["QUIETDESK_PASSPHRASE_FILE"] = str(file)
    # In a session of its own: without a terminal, a passphrase is asked for on standard input.
    return subprocess.run(
        [*QUIETDESK, *words],
        cwd=ROOT,
        env=env,
        input=says,
        capture_output=True,
        text=True,
        timeout=CEILING,
        start_new_session=True,
    )
