"""The zip for a managed Windows PC: `python -m infra.desk_bundle`, or `make desk-bundle`.

Ours as a wheel, the compiled city, the hash-locked wheels for Windows, and what installs them
for one person, without an administrator and without a network. Nobody has run it on Windows yet.
The same sources and settings give the same bytes.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.bundle import PROFILE, ROOT, VERSION, CannotBundle, pack
from quietdesk import settings
from quietdesk.city import City
from quietdesk.errors import BadSetting, QuietdeskError
from quietdesk.settings import Settings
from quietdesk.website.profile import compile_profile
from quietdesk.wire import b64

OUT = ROOT / "build" / "desk.zip"
LOCK = ROOT / "infra" / "locks" / "desk.txt"
PLATFORM = "win_amd64"

# Of ours: the functions, and what makes the website.
LEFT_OUT = ("website", "cloud.py", "handler.py", "__pycache__")
_TEXTS = ROOT / "infra" / "desk"
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def build(out: Path, chosen: Settings) -> str:
    """Write the zip for desks with these settings, and give its SHA-256 in hex. Raises
    CannotBundle, BadSetting and BadCity."""
    data = compile_profile(chosen.city, ROOT / "site" / "words")
    words = _settings(chosen, City.from_data(data).deployment)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "zip"
        wheels = folder / "wheels"
        command = ["download", "--dest", str(wheels), "--platform", PLATFORM, "--no-deps"]
        command += ["--python-version", VERSION, "--implementation", "cp", "--only-binary=:all:"]
        _run_pip([*command, "--require-hashes", "--requirement", str(LOCK)])
        sources = Path(temporary) / "sources"
        _copy_ours(sources)
        _run_pip(
            ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(sources)]
        )
        (folder / PROFILE).write_text(json.dumps(data, ensure_ascii=False), "utf-8")
        shutil.copy(LOCK, folder / "desk.txt")
        (folder / "docs").mkdir()
        shutil.copy(ROOT / "docs" / "operations.md", folder / "docs")
        for path in sorted(_TEXTS.iterdir()):
            text = path.read_text("ascii")
            for name, value in words.items():
                text = text.replace(f"@{name}@", value)
            (folder / path.name).write_text(text, "ascii", newline="\r\n")  # as cmd.exe needs it
        pack(folder, out)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def _settings(chosen: Settings, deployment: str) -> dict[str, str]:
    """What settings.cmd says. Raises BadSetting for a desk that could not work."""
    if not re.fullmatch(r"dynamodb:[A-Za-z0-9_.-]+", chosen.store):
        raise BadSetting("QUIETDESK_STORE must be dynamodb:PREFIX: it is what these desks open")
    if not chosen.custodians:
        raise BadSetting("QUIETDESK_CUSTODIANS is empty; a desk must know whom to believe")
    trust = chosen.trust(deployment)
    return {
        "STAGE": chosen.stage,
        "STORE": chosen.store,
        "CUSTODIANS": " ".join(b64(spki) for spki in trust.custodians),
        "THRESHOLD": str(trust.threshold),
    }


def _copy_ours(sources: Path) -> None:
    package = sources / "functions" / "quietdesk"
    leave = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(ROOT / "functions" / "quietdesk", package, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)


def _run_pip(words: Sequence[str]) -> None:
    # Hatchling takes files' times from here, if it is set: then the same bytes each time no more.
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    if subprocess.run([*_PIP, *words], env=env).returncode:  # noqa: S603 - our own interpreter
        raise CannotBundle("pip could not get all wheels; what it says stands above")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the zip for desks with the settings of the environment; 0 done, 1 not."""
    parser = argparse.ArgumentParser(prog="desk-bundle", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        digest = build(args.out, settings.read(os.environ))
    except QuietdeskError as error:
        print(f"desk-bundle: {error}", file=sys.stderr)
        return 1
    size = args.out.stat().st_size / 1_000_000
    print(f"{args.out}: {size:.1f} MB, SHA-256 {digest}. Not yet run on Windows.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
