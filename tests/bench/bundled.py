"""The zip for Lambda under Lambda's Python, from the start of a process to its first 201, with and
without bytecode, beside the same Python sealing once. Needs python3.13, as `make bundle` does."""

import json
import os
import platform
import subprocess
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import bundle

from quietdesk import cloud, envelopes
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.wire import b64
from tests import events
from tests.bench.starting import BASELINE as SEALING
from tests.bench.table import NotHere, Row, taking_turns
from tests.conftest import python313
from tests.emulators import emulator
from tests.world import ROOT, World, make_world

COSTS = f"""
print(len(sys.modules))
sys.path.append({str(ROOT)!r})
from tests.bench.peak import peak_mb
print(peak_mb())
"""
SUBMIT = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from quietdesk.handler import handler

print(handler(json.load(sys.stdin), None)["statusCode"], flush=True)
{COSTS}"""
BASELINE = f"""
import sys
sys.path.insert(0, sys.argv[1])
{SEALING.partition("print(201")[0].replace("import sys", "", 1)}
print(201, flush=True)
{COSTS}"""
TRIES = 20
FLOOR = "the same Python + cryptography + one seal"


def measure(quick: bool) -> list[Row]:
    found = python313()
    if found is None:
        raise NotHere("there is no python3.13; PYTHON313= names one")
    os.environ["PYTHON313"] = found
    city = ROOT / "site" / "city"
    with TemporaryDirectory() as name:
        folder = Path(name)
        bundle.build(folder / "here.zip", city, platform.machine())
        lambdas = folder / ("here.zip" if quick else "lambda.zip")
        if not quick:
            bundle.build(lambdas, city)
        size = lambdas.stat().st_size / 1e6
        with_bytecode, without = folder / "with", folder / "without"
        with zipfile.ZipFile(folder / "here.zip") as packed:
            packed.extractall(with_bytecode)
            packed.extractall(without, [it for it in packed.namelist() if not it.endswith(".pyc")])
        with emulator("ministack", folder) as running:
            os.environ.update(running.environment())
            create_tables("bench")
            world = make_world(folder, now=datetime.now(UTC), spec="dynamodb:bench")

            def start(program: str, task: Path) -> Callable[[int], tuple[float, int, float]]:
                return lambda _: _start(found, program, task, world)

            full, bare, floor = taking_turns(
                range(2 if quick else 12),
                start(SUBMIT, with_bytecode),
                start(SUBMIT, without),
                start(BASELINE, with_bytecode),
            )
            world.store.close()
    rows = [
        Row("bundle, size", "MB", [size], [50], "what Lambda takes", at_most=15, aim_of_figure=True)
    ]
    for kind, taken, aim in (("with bytecode", full, 7), ("without bytecode", bare, None)):
        # The first turn finds nothing in the machine's cache; it does not count.
        took, modules, peak = zip(*taken[1:], strict=True)
        bare_took, bare_modules, bare_peak = zip(*floor[1:], strict=True)
        name = f"bundle {kind}"
        rows += [
            Row(f"{name}, start to 201", "ms", took, bare_took, FLOOR, aim),
            Row(f"{name}, peak", "MB", peak, bare_peak, FLOOR, at_most=80, aim_of_figure=True),
            Row(f"{name}, imported", "modules", modules, bare_modules, FLOOR),
        ]
    return rows


def _start(python: str, program: str, task: Path, world: World) -> tuple[float, int, float]:
    """Milliseconds to the first answer, modules imported, and the most memory in MB. A start whose
    answer is not 201 does not count: an emulator on a busy machine may take longer than the second
    for which a function waits."""
    body = envelopes.write(world.sealed(datetime.now(UTC)))
    word = {cloud.ORIGIN_HEADER: "word"}
    given = json.dumps(events.event("POST", "/api/requests", body, events.JSON, word)).encode()
    env = {
        **os.environ,
        "QUIETDESK_FUNCTION": "submit",
        "QUIETDESK_PROFILE": str(task / bundle.PROFILE),
        "QUIETDESK_STORE": "dynamodb:bench",
        "QUIETDESK_ORIGIN": "word",
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
        "AWS_LAMBDA_LOG_LEVEL": "WARN",
    }
    for _ in range(TRIES):
        started = time.perf_counter()
        with subprocess.Popen(
            [python, "-I", "-B", "-c", program, task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
        ) as process:
            assert process.stdin and process.stdout
            process.stdin.write(given)
            process.stdin.close()
            answered = next(process.stdout)
            took = 1e3 * (time.perf_counter() - started)
            modules, peak = int(next(process.stdout)), float(next(process.stdout))
        if answered == b"201\n":
            return took, modules, peak
    raise AssertionError(f"none of {TRIES} starts gave 201")
