"""What the functions load when they start. Everything imported is waited for at a cold start, and
is code that reads, or could read, what residents write."""

import json
import subprocess
import sys

import pytest

from tests.waiting import CEILING
from tests.world import ROOT

SUBMIT = [
    "quietdesk.events",
    "quietdesk.intake",
    "quietdesk.store",
    "quietdesk.pages",
    "quietdesk.sweep",
]
NOT_NEEDED = [
    "argon2",
    "aws_xray_sdk",
    "babel",
    "boto3",
    "keyring",
    "mkdocs",
    "mnemonic",
    "pydantic",
    "s3transfer",
    "segno",
    "waitress",
    "werkzeug",
    "whitenoise",
    "yaml",
    "quietdesk.local",
    "quietdesk.website",
    "quietdesk.staff",
    "quietdesk.wsgi",
]


@pytest.fixture(scope="module")
def loaded(another_process: None) -> list[str]:
    """The modules of a fresh process that imported what `submit` needs."""
    program = f"import json, sys, {', '.join(SUBMIT)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, timeout=CEILING
    )
    return list(json.loads(done.stdout))


def test_submit_loads_its_own_modules(loaded: list[str]) -> None:
    assert set(SUBMIT) <= set(loaded)


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_submit_does_not_load(loaded: list[str], name: str) -> None:
    assert [module for module in loaded if f"{module}.".startswith(f"{name}.")] == []
