"""`submit` from the start of its process to its first 201, beside Python sealing once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quietdesk import envelopes
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.website.profile import write_profile
from quietdesk.wire import b64
from tests import events
from tests.bench.table import Row, taking_turns
from tests.emulators import emulator
from tests.world import NOON, PROFILE, ROOT, World, make_world

# Both print a line when they are done; what they cost is printed after it.
COSTS = """
print(len(sys.modules))
from tests.bench.peak import peak_mb
print(peak_mb())
"""
SUBMIT = f"""
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from quietdesk import events, intake
from quietdesk.city import City
from quietdesk.wire import unb64
from quietdesk.signed import Trust
from quietdesk.pages import Pages
from quietdesk.programme import Programme
from quietdesk.store import open_store

told = json.load(sys.stdin)
city = City.load(Path("build/city.json"))
trust = Trust((unb64(told["custodian"]),), 1, city.deployment)
pages = Pages(city, trust.custodians, trust.threshold)
now = datetime.fromtimestamp(told["now"], UTC)
# Patient: an emulator on a busy machine takes longer than the second for which a function waits.
store = open_store(told["store"], patient=True)
programme = Programme(city, store, trust, pages, lambda: now)
submit = events.handler(intake.SUBMIT, programme)
print(submit(told["event"], None)["statusCode"], flush=True)
{COSTS}"""
BASELINE = f"""
import sys
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
public_key = MLKEM768X25519PublicKey(mlkem.public_key(), x25519.public_key())
suite.encrypt(bytes(1024), public_key, b"info")
print(201, flush=True)
{COSTS}"""
SEAL = "Python + cryptography + one seal"


def measure(quick: bool) -> list[Row]:
    turns = 2 if quick else 11
    _compile_city()
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = _rows("SQLite", make_world(folder), turns)
        with emulator("ministack", folder) as running:
            os.environ.update(running.environment())  # of this process, which measures no more
            create_tables("bench")
            world = make_world(folder, spec="dynamodb:bench")
            rows += _rows("DynamoDB on ministack", world, turns)
    return rows


def _rows(store: str, world: World, turns: int) -> list[Row]:
    submit, bare = taking_turns(
        range(turns + 1), lambda _: _start(SUBMIT, _told(world)), lambda _: _start(BASELINE, {})
    )
    world.store.close()
    # The first turn may have to compile; it does not count.
    took, modules, peak = zip(*submit[1:], strict=True)
    bare_took, bare_modules, bare_peak = zip(*bare[1:], strict=True)
    name = f"submit, {store}"
    return [
        Row(f"{name}, start to 201", "ms", took, bare_took, SEAL, at_most=9),
        Row(f"{name}, peak", "MB", peak, bare_peak, SEAL, at_most=80, aim_of_figure=True),
        Row(f"{name}, imported", "modules", modules, bare_modules, SEAL),
    ]


def _told(world: World) -> dict[str, Any]:
    body = envelopes.write(world.sealed())
    return {
        "event": events.event("POST", "/api/requests", body, events.JSON),
        "custodian": b64(world.trust.custodians[0]),
        "store": world.spec,
        "now": NOON.timestamp(),
    }


def _start(program: str, told: dict[str, Any]) -> tuple[float, int, float]:
    """Milliseconds to the first answer, modules imported, and the most memory in MB."""
    given = json.dumps(told).encode()
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(given)
        process.stdin.close()
        said = (line for line in process.stdout if not line.startswith(b"{"))  # but for the log
        assert next(said) == b"201\n"
        took = 1e3 * (time.perf_counter() - started)
        return took, int(next(said)), float(next(said))


def _compile_city() -> None:
    """What `make site` leaves for the functions."""
    write_profile(ROOT / "site/city", ROOT / "site/words", PROFILE)
