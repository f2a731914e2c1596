"""Opening a whole queue on every core, beside nothing but the two key agreements of each part."""

import hashlib
import time
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from quietdesk import envelopes, request
from quietdesk.bundles import Bundle
from quietdesk.hpke import PARTS, Kid, PrivateKey
from quietdesk.weeks import Epoch
from tests.bench.peak import peak_mb
from tests.bench.table import FOLDER, Row, cores
from tests.world import ASKED, any_secrets, compiled_city

EPOCH = Epoch(2026, 47)
SEEDS = {
    Kid("main", part, EPOCH, "00000000"): hashlib.sha256(part.encode()).digest() for part in PARTS
}


def measure(quick: bool) -> list[Row]:
    """A turn opens a share of the file, and then does as often what cannot be spared."""
    count, turns, pieces = (200, 2, cores()) if quick else (100_000, 5, 60 * cores())
    file = _envelopes(count)
    size = file.stat().st_size
    ends = [size * piece // (turns * pieces) for piece in range(turns * pieces + 1)]
    chunks = list(pairwise(ends))
    opened, took, bare_took, peaks = [], [], [], []
    with get_context("spawn").Pool(cores(), _prepare, (str(file),)) as pool:
        pool.map(_agree, [100] * cores() * 4)  # every process is up and its keys are made
        for turn in range(turns):
            done, time_taken = _timed(pool, _open, chunks[turn * pieces : (turn + 1) * pieces])
            counts = [count for count, _ in done]
            opened.append(sum(counts))
            took.append(time_taken)
            peaks.append(max(peak for _, peak in done))
            bare_took.append(_timed(pool, _agree, counts)[1])
    assert sum(opened) == count, f"{sum(opened)} of {count} opened"
    bare = "ML-KEM-768 + X25519, two parts"
    name = f"open {count // turns:,} of {count:,} envelopes"
    rates, bare_rates = (
        [count / taken for count, taken in zip(opened, times, strict=True)]
        for times in (took, bare_took)
    )
    return [
        Row(name, "s", took, bare_took, bare, at_most=2.2),
        Row(f"{name}, rate", "envelopes/s", rates, bare_rates, bare),
        Row(f"{name}, largest process", "MB", [max(*peaks, peak_mb())], at_most=200),
    ]


def _timed(pool: Pool, work: Callable[[Any], Any], items: list[Any]) -> tuple[list[Any], float]:
    started = time.perf_counter()
    done = list(pool.imap_unordered(work, items))
    return done, time.perf_counter() - started


# --- In each process -----------------------------------------------------------------------------

_held: dict[str, Any] = {}


def _prepare(file: str) -> None:
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    _held.update(
        file=file,
        keys={kid: PrivateKey(seed) for kid, seed in SEEDS.items()},
        mlkem=mlkem,
        sealed=mlkem.public_key().encapsulate()[1],
        x25519=x25519,
        other=X25519PrivateKey.generate().public_key().public_bytes_raw(),
    )


def _open(chunk: tuple[int, int]) -> tuple[int, float]:
    """Open every line that begins in this chunk of the file."""
    count, keys = 0, _held["keys"]
    start, end = chunk
    with open(_held["file"], "rb") as file:
        if start:
            file.seek(start - 1)
            file.readline()  # the end of a line that began earlier
        while file.tell() < end and (line := file.readline()):
            request.unpack(envelopes.unseal(envelopes.read(line), keys))
            count += 1
    return count, peak_mb()


def _agree(count: int) -> int:
    mlkem, sealed = _held["mlkem"], _held["sealed"]
    x25519, other = _held["x25519"], _held["other"]
    for _ in range(count * len(PARTS)):
        mlkem.decapsulate(sealed)
        x25519.exchange(X25519PublicKey.from_public_bytes(other))
    return count


# --- The file ------------------------------------------------------------------------------------


def _envelopes(count: int) -> Path:
    """A file of sealed requests, one on a line; made once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"envelopes-{count}.jsonl"
    if file.exists() and _opens(file):
        return file
    part = file.with_suffix(".part")
    with part.open("wb") as out, get_context("spawn").Pool(cores()) as pool:
        shares = [min(500, count - start) for start in range(0, count, 500)]
        for lines in pool.imap_unordered(_sealed, shares):
            out.write(lines)
    part.rename(file)
    return file


def _opens(file: Path) -> bool:
    """Whether the file is of this version of the format."""
    try:
        with file.open("rb") as lines:
            envelope = envelopes.read(lines.readline())
        envelopes.unseal(envelope, {kid: PrivateKey(seed) for kid, seed in SEEDS.items()})
    except Exception:  # whatever is wrong with it, it is made again
        return False
    return True


def _sealed(count: int) -> bytes:
    bundle = bench_bundle()
    asked = request.parse(ASKED, compiled_city())
    lines = b""
    for _ in range(count):
        # Random secrets: a real code would spend most of the time on PBKDF2, which no desk does.
        secrets = any_secrets()
        envelope = envelopes.seal(request.pack(asked, secrets.reply), bundle, secrets)
        lines += envelopes.write(envelope) + b"\n"
    return lines


def bench_bundle() -> Bundle:
    keys = {kid.part: (kid, PrivateKey(seed).public_key) for kid, seed in SEEDS.items()}
    return Bundle("main", "demo", EPOCH, 0, 1 << 32, keys)
