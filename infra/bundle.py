"""The zip that Lambda runs: `python -m infra.bundle`, or `make bundle`.

Ours without what staff and the site's build use, the hash-locked wheels for Lambda's machine, of
botocore's data DynamoDB's only, and bytecode by the very Python that Lambda runs: without it a
start takes about four times as long. The same sources give the same bytes.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quietdesk import settings
from quietdesk.errors import QuietdeskError
from quietdesk.website.profile import compile_profile

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bundle.zip"
LOCK = ROOT / "infra" / "locks" / "cloud.txt"
VERSION = "3.13"
PROFILE = "city.json"  # the compiled city, where QUIETDESK_PROFILE of the template says
MOST_BYTES = 15 * 1024 * 1024
# Wheels that run on Amazon Linux 2023 (glibc 2.34).
PLATFORMS = ("manylinux_2_28_{}", "manylinux_2_17_{}", "manylinux2014_{}")

# Of ours. What no function imports must not even be there.
LEFT_OUT = ("staff", "website", "local.py", "wsgi.py", "__pycache__")
# Of botocore's descriptions of 400 services.
KEPT_DATA = {
    "dynamodb",
    "endpoints.json",
    "partitions.json",
    "sdk-default-configuration.json",
    "_retry.json",
}
# Of the locked packages. The store calls botocore; what boto3 has beside it copies files to S3.
NOT_LOADED = ("boto3", "s3transfer")
# What pip writes about itself; licenses and METADATA stay.
_PIPS_OWN = {"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json"}
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say


class CannotBundle(QuietdeskError):
    """The bundle cannot be made here. The message says what is missing, and how to get it."""


def python() -> Path:
    """Python 3.13, of PYTHON313 or on PATH. Raises CannotBundle."""
    wanted = os.environ.get("PYTHON313") or shutil.which(f"python{VERSION}")
    if wanted:
        asked = subprocess.run([wanted, "--version"], capture_output=True, text=True)  # noqa: S603
        if asked.returncode == 0 and asked.stdout.startswith(f"Python {VERSION}."):
            return Path(wanted)
    raise CannotBundle(
        f"python{VERSION} is not on PATH: bytecode must be of the Python that Lambda runs. Get it "
        f"with: apt install python{VERSION}, brew install python@{VERSION}, or uv python install "
        f"{VERSION}; or name it with PYTHON313=/path/to/python{VERSION}"
    )


def build(out: Path, city: Path, machine: str = "aarch64", bytecode: bool = True) -> str:
    """Write the bundle and give its SHA-256 in hex. Raises CannotBundle and BadCity."""
    compiler = python()
    data = compile_profile(city, ROOT / "site" / "words")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "task"
        if not fetch(folder, machine, LOCK):
            raise CannotBundle("pip could not fetch the locked wheels; what it says stands above")
        _trim(folder)
        leave = shutil.ignore_patterns(*LEFT_OUT)
        shutil.copytree(ROOT / "functions" / "quietdesk", folder / "quietdesk", ignore=leave)
        (folder / PROFILE).write_text(json.dumps(data, ensure_ascii=False), "utf-8")
        if bytecode:
            _compile(compiler, folder)
        pack(folder, out)
    size = out.stat().st_size
    if size > MOST_BYTES:
        raise CannotBundle(f"the bundle has {size} bytes; at most {MOST_BYTES} start fast enough")
    return hashlib.sha256(out.read_bytes()).hexdigest()


def fetch(folder: Path, machine: str, lock: Path) -> bool:
    """Put the wheels of a lock, for Lambda's Python on that machine, into a folder; whether pip
    could."""
    platforms = [word for it in PLATFORMS for word in ("--platform", it.format(machine))]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    command += ["--target", str(folder), *platforms, "--python-version", VERSION]
    command += ["--implementation", "cp", "--only-binary=:all:", "--no-compile", "--no-deps"]
    command += ["--require-hashes", "--requirement", str(lock)]
    return subprocess.run(command).returncode == 0  # noqa: S603 - our own interpreter


def _trim(folder: Path) -> None:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for path in (folder / "botocore" / "data").iterdir():
        if path.name not in KEPT_DATA:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in NOT_LOADED:
        for path in folder.glob(f"{name}*"):
            shutil.rmtree(path)
    _shorten(folder / "botocore" / "data")
    for info in folder.glob("*.dist-info"):
        for path in info.iterdir():
            if path.name in _PIPS_OWN:
                path.unlink()


def _shorten(data: Path) -> None:
    """Of the descriptions that stay, what makes a client: without prose, and in the regions' list
    DynamoDB only. Reading the whole takes a tenth of a start."""
    for path in data.glob("dynamodb/*/service-2.json.gz"):
        described = json.loads(gzip.decompress(path.read_bytes()))
        path.with_suffix("").write_text(json.dumps(_without_prose(described)), "utf-8")
        path.unlink()
    regions = data / "endpoints.json"
    listed = json.loads(regions.read_text("utf-8"))
    for partition in listed["partitions"]:
        services = partition["services"]
        partition["services"] = {"dynamodb": services["dynamodb"]} if "dynamodb" in services else {}
    regions.write_text(json.dumps(listed), "utf-8")


def _without_prose(described: Any) -> Any:
    if isinstance(described, dict):
        return {k: _without_prose(v) for k, v in described.items() if k != "documentation"}
    if isinstance(described, list):
        return [_without_prose(item) for item in described]
    return described


def _compile(compiler: Path, folder: Path) -> None:
    # unchecked-hash: the files' times in a zip say nothing, and nobody changes /var/task.
    command = [str(compiler), "-I", "-m", "compileall", "-q", "-j", "0"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/task"]
    if subprocess.run([*command, str(folder)]).returncode:  # noqa: S603 - the Python that was found
        raise CannotBundle("not all of the bundle could be compiled; what is wrong stands above")


def pack(folder: Path, out: Path) -> None:
    """Write a folder as a zip that has the same bytes wherever and whenever it is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(it for it in folder.rglob("*") if it.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Make the bundle of the city in QUIETDESK_CITY; 0 done, 1 not."""
    parser = argparse.ArgumentParser(prog="bundle", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        digest = build(args.out, settings.read(os.environ).city)
    except QuietdeskError as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    size = args.out.stat().st_size / 1_000_000
    print(f"{args.out}: {size:.1f} MB, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
