"""Two DynamoDB emulators on free ports of 127.0.0.1, started for the tests and ended by pid.

Neither is AWS. A rule counts as kept only when both, and SQLite, agree on it.
"""

import math
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.config import Config

from quietdesk.store import dynamodb
from quietdesk.store.dynamodb import calls
from tests.waiting import CEILING, free_port, until
from tests.world import ROOT

KEY = "testing"
MINISTACK = ROOT / ".venv" / "ministack" / "bin" / "python"


@dataclass(frozen=True)
class Emulator:
    name: str
    url: str

    def environment(self) -> dict[str, str]:
        """What boto3 reads: this endpoint, and credentials that are none."""
        return {
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def emulator(name: str, folder: Path, services: str = "dynamodb") -> Iterator[Emulator]:
    """`moto` or `ministack`, until the block ends, with these services, or with all for "". With
    `iam` among them, ministack enforces policies: who signs as `testing` may all."""
    port = free_port()
    env = {**os.environ, "HOME": str(folder)}
    if name == "moto":
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    else:
        assert MINISTACK.exists(), "no emulator; run: make test"
        command = [str(MINISTACK), "-m", "ministack"]
        # By itself it would listen on every address of the machine.
        env |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": services}
        if not services:
            del env["SERVICES"]
        if "iam" in services:
            env |= {"AUTH": "true", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        wait_for(process, f"http://127.0.0.1:{port}/")
        yield Emulator(name, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(CEILING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the emulator ended before it was ready"
        try:
            urllib.request.urlopen(url, timeout=CEILING).close()  # noqa: S310 - our own loopback
        except urllib.error.HTTPError as error:
            error.close()  # any answer at all will do
        except OSError:
            return False
        return True

    until(answers)


def be_patient(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Lets a function wait for an emulator until it hangs, and destroy as fast as it can: how long
    one takes says nothing of AWS, and the limits that count there have tests without any."""
    patient = Config(connect_timeout=CEILING, read_timeout=CEILING)
    patch(calls, "CONFIG", calls.CONFIG.merge(patient))
    patch(calls, "PATIENT", calls.PATIENT.merge(patient))
    patch(calls, "FUNCTION_SECONDS", CEILING)
    for rate in ("ROWS_A_SECOND", "KEYS_A_SECOND"):
        patch(dynamodb, rate, math.inf)
