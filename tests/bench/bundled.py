"""The zip for Lambda under Lambda's Python, from the start of a process to its first 201, with and
without bytecode, beside the same Python sealing once. Needs python3.13, as `make bundle` does."""

import json
import os
import platform
import statistics
import subprocess
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import bundle

from quietdesk import cloud, envelopes
from quietdesk.store.dynamodb import create_tables
from quietdesk.wire import b64
from tests import events
from tests.bench.starting import BASELINE as SEALING
from tests.bench.table import Row
from tests.conftest import python313
from tests.emulators import emulator
from tests.world import ROOT, make_world

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
FLOOR = "the same Python + cryptography + one seal"


def measure(quick: bool) -> list[Row]:
    found = python313()
    if found is None:
        raise RuntimeError("there is no python3.13 here; PYTHON313= names one")
    os.environ["PYTHON313"] = found
    count = 1 if quick else 11
    city = ROOT / "site" / "city"
    with TemporaryDirectory() as name:
        folder = Path(name)
        bundle.build(folder / "lambda.zip", city)
        tasks = {}
        for kind, bytecode in (("with bytecode", True), ("without bytecode", False)):
            packed = folder / f"{kind}.zip"
            bundle.build(packed, city, platform.machine(), bytecode)
            tasks[kind] = folder / kind
            with zipfile.ZipFile(packed) as opened:
                opened.extractall(tasks[kind])
        with emulator("ministack", folder) as running:
            os.environ.update(running.environment())
            create_tables("bench")
            world = make_world(folder, now=datetime.now(UTC), spec="dynamodb:bench")
            runs: dict[str, list[tuple[float, int, float]]] = {kind: [] for kind in [*tasks, FLOOR]}
            for _ in range(count + 1):
                for kind, task in tasks.items():
                    runs[kind].append(_start(found, SUBMIT, task, world))
                runs[FLOOR].append(_start(found, BASELINE, tasks["with bytecode"], world))
            world.store.close()
        size = (folder / "lambda.zip").stat().st_size / 1e6
    # The first turn finds nothing in the machine's cache; it does not count.
    medians = {
        kind: [statistics.median(column) for column in zip(*taken[1:], strict=True)]
        for kind, taken in runs.items()
    }
    floor = medians[FLOOR]
    rows = [
        Row("bundle, size", size, "MB", 50, "what Lambda takes", at_most=15, aim_of_figure=True)
    ]
    for kind in tasks:
        took, modules, peak = medians[kind]
        aim = 7 if kind == "with bytecode" else None
        rows += [
            Row(f"bundle {kind}, start to 201", took * 1e3, "ms", floor[0] * 1e3, FLOOR, aim),
            Row(
                f"bundle {kind}, peak", peak, "MB", floor[2], FLOOR, at_most=80, aim_of_figure=True
            ),
            Row(f"bundle {kind}, imported", modules, "modules", floor[1], FLOOR),
        ]
    return rows


def _start(python: str, program: str, task: Path, world: object) -> tuple[float, int, float]:
    """Seconds to the first answer, modules imported, and the most memory in MB."""
    body = envelopes.write(world.sealed(datetime.now(UTC)))  # type: ignore[attr-defined]
    word = {cloud.ORIGIN_HEADER: "word"}
    given = json.dumps(events.event("POST", "/api/requests", body, events.JSON, word)).encode()
    env = {
        **os.environ,
        "QUIETDESK_FUNCTION": "submit",
        "QUIETDESK_STORE": "dynamodb:bench",
        "QUIETDESK_ORIGIN": "word",
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),  # type: ignore[attr-defined]
        "AWS_LAMBDA_LOG_LEVEL": "WARN",
    }
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
        assert next(process.stdout) == b"201\n"
        took = time.perf_counter() - started
        return took, int(next(process.stdout)), float(next(process.stdout))
