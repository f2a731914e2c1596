"""The page's own modules: they read the vectors, agree with Python, and are built reproducibly."""

import json
import re
import shutil
import subprocess

import pytest

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk import request
from tests.world import ASKED, ROOT

SCRIPT = ROOT / "site" / "script"
BUILT = ROOT / "site" / "pages" / "assets" / "form.js"
BROWSER = ROOT / "tests" / "browser"


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    """A copy of site/script with exactly the packages of its lock."""
    site = tmp_path_factory.mktemp("script") / "site"
    shutil.copytree(SCRIPT, site / "script", ignore=shutil.ignore_patterns("node_modules"))
    (site / "pages" / "assets").mkdir(parents=True)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=site / "script")
    return site / "script"


def test_vectors_hold_in_javascript(script):
    counts = json.loads(
        run("node", BROWSER / "vectors.mjs", script, ROOT / "tests" / "vectors").strip()
    )

    held = {name: json.loads((ROOT / f"tests/vectors/{name}.json").read_text()) for name in counts}
    code, asked = held["code"], held["request"]
    opened = [c for c in held["envelope"]["cases"] if c["expect"] in ("opens", "cannot open")]
    assert counts == {
        "code": len(code["derive"]) + len(code["read"]) + len(code["refused"]),
        "request": sum(len(asked[kind]) for kind in ("valid", "invalid", "too_long")),
        "bundle": len(held["bundle"]["cases"]),
        "bundle_edges": sum(len(held["bundle_edges"][kind]) for kind in ("cases", "clock")),
        "envelope": len(opened),
    }


def test_what_javascript_seals_opens_in_python(script, world):
    code = codes.new()
    bundle = world.bundle()
    rules = {
        "centers": [center.id for center in world.city.centers],
        "visit_types": world.city.visit_types,
        "languages": world.city.languages,
        "access": world.city.access,
        "max_people": world.city.max_people,
    }
    told = {
        "script": str(script),
        "code": code,
        "deployment": "demo",
        "typed": ASKED,
        "rules": rules,
        "bundle": {
            "epoch": str(bundle.epoch),
            "queue": bundle.queue,
            "keys": {
                part: {"kid": kid, "pk": codes.b64(pk)} for part, (kid, pk) in bundle.keys.items()
            },
        },
    }

    wire = run("node", BROWSER / "seal.mjs", input=json.dumps(told))

    envelope = envelopes.read(wire.strip().encode())
    opened = world.desk().open(envelope)
    secrets = codes.derive(code, "demo")
    assert opened.request == request.parse(ASKED, world.city)
    assert opened.reply_key == secrets.reply
    assert (envelope.id, envelope.auth_hash) == (secrets.id, secrets.auth_hash)
    assert envelopes.open_reply(envelope.reply, secrets.reply, secrets.id) == {"state": "waiting"}


def test_building_again_gives_the_same_bytes(script):
    run("npm", "run", "build", cwd=script)

    rebuilt = script.parent / "pages" / "assets" / "form.js"
    assert rebuilt.read_bytes() == BUILT.read_bytes(), "run: make script, and commit what it built"


def test_built_script_runs_on_a_browser_of_2018():
    """Chrome 71, Firefox 68, Safari 14: no BigInt literals, no newer syntax or calls."""
    text = BUILT.read_text()

    assert not re.search(r"\b\d+n\b", text)
    for newer in ("?.", "??", "replaceAll(", "structuredClone", ".at(", "BigUint64Array", "async*"):
        assert newer not in text, newer


def test_sources_hold_none_of_what_is_forbidden():
    for path in SCRIPT.glob("*.js"):
        text = path.read_text()
        for forbidden in (
            "Math.random", "console.", "return false", "innerHTML", "localStorage",
            "sessionStorage", "document.cookie", "eval(", "deriveKeyPair",
        ):  # fmt: skip
            assert forbidden not in text, f"{path.name}: {forbidden}"


def test_lock_names_no_machine():
    lock = json.loads((SCRIPT / "package-lock.json").read_text())

    assert all("resolved" not in package for package in lock["packages"].values())
    assert all(
        package.get("integrity", "").startswith("sha512-")
        for name, package in lock["packages"].items()
        if name
    )
