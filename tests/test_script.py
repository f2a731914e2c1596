"""The page's own modules: they read the vectors, agree with Python, and are built reproducibly."""

import json
import re
import secrets
import shutil
import subprocess

import pytest

from quietdesk import bundles, codes, envelopes, hpke, request, weeks
from quietdesk.errors import CannotOpen
from quietdesk.wire import b64
from tests.world import ASKED, NOON, ROOT, any_secrets

SCRIPT = ROOT / "site" / "script"
ASSETS = ROOT / "site" / "pages" / "assets"
BUILT = ASSETS / "form.js"
BROWSER = ROOT / "tests" / "browser"

# What Chrome 71, Firefox 68 or Safari 14 lacked. BigInt64Array is left: Playwright needs it.
NEWER = """
DataView.prototype: setBigUint64 getBigUint64 setBigInt64 getBigInt64
Object: fromEntries hasOwn groupBy
Promise: allSettled any withResolvers try
String.prototype: replaceAll matchAll at isWellFormed toWellFormed
Array.prototype: at findLast findLastIndex toSorted toReversed toSpliced with
Uint8Array.prototype.__proto__: at findLast findLastIndex toSorted toReversed with
Uint8Array.prototype: toHex toBase64
Uint8Array: fromHex fromBase64
ArrayBuffer.prototype: transfer resize
Crypto.prototype: randomUUID
SubtleCrypto.prototype: encapsulateBits encapsulateKey getPublicKey
window: structuredClone queueMicrotask WeakRef AggregateError
"""


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def script(another_process, tmp_path_factory):
    """A copy of site/script with exactly the packages of its lock."""
    site = tmp_path_factory.mktemp("script") / "site"
    shutil.copytree(SCRIPT, site / "script", ignore=shutil.ignore_patterns("node_modules"))
    (site / "pages" / "assets").mkdir(parents=True)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=site / "script")
    return site / "script"


def rules(city):
    """What the form offers, as request.js wants it."""
    return {
        "centers": [center.id for center in city.centers],
        "opening_centers": [center.id for center in city.centers],
        "visit_types": city.visit_types,
        "languages": city.languages,
        "access": city.access,
        "max_people": city.max_people,
    }


def check_that_python_opens(world, wire, code):
    envelope = envelopes.read(wire.strip().encode())
    try:
        opened = world.desk().open(envelope)
    except CannotOpen as error:
        pytest.fail(str(error))
    made = codes.derive(code, "demo")
    assert opened.request == request.parse(ASKED, world.city)
    assert opened.reply_key == made.reply
    assert (envelope.id, envelope.auth_hash) == (made.id, made.auth_hash)
    assert envelopes.open_reply(envelope.reply, made.reply, made.id) == {"state": "waiting"}


def recorded(kind):
    return [path.stem for path in (ROOT / "tests" / "vectors").glob(f"{kind}-*.json")]


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
        "bundle_papers": len(held["bundle_papers"]["cases"]),
        "envelope": len(opened),
        "devices": len(held["devices"]["cases"]),
        "openings": sum(len(held["openings"][k]) for k in ("good", "bad", "cases", "replies")),
        **{name: len(held[name]["free"]) for name in recorded("papers")},
        **{name: len(held[name]["cases"]) for name in recorded("sealed")},
    }
    assert recorded("papers")
    assert recorded("sealed")


def test_what_javascript_seals_opens_in_python(script, world):
    code = codes.new()
    bundle = world.bundle()
    told = {
        "script": str(script),
        "code": code,
        "deployment": "demo",
        "typed": ASKED,
        "rules": rules(world.city),
        "bundle": {
            "epoch": str(bundle.epoch),
            "queue": bundle.queue,
            "keys": {
                part: {"kid": str(kid), "pk": b64(pk)} for part, (kid, pk) in bundle.keys.items()
            },
        },
    }

    wire = run("node", BROWSER / "seal.mjs", input=json.dumps(told))

    check_that_python_opens(world, wire, code)


def test_javascript_draws_every_bit_of_a_code_and_every_nonce_of_a_reply(script):
    """Fewer bits could be guessed; two replies under one nonce would tell each other."""
    drawing = f"""
        import {{ newCode }} from {json.dumps((script / "code.js").as_uri())}
        import {{ sealReply }} from {json.dumps((script / "reply.js").as_uri())}
        globalThis.crypto ??= (await import('node:crypto')).webcrypto
        const codes = Array.from({{ length: 200 }}, newCode)
        const replies = []
        for (const state of ['waiting', 'none', 'waiting']) {{
          replies.push(await sealReply({{ state }}, new Uint8Array(32), new Uint8Array(16)))
        }}
        const nonces = replies.map((bytes) => Buffer.from(bytes.slice(0, 12)).toString('hex'))
        process.stdout.write(JSON.stringify({{ codes, nonces }}))
    """

    drawn = json.loads(run("node", "--input-type=module", "--eval", drawing))

    always, ever = 2**80 - 1, 0
    for code in drawn["codes"]:
        number = 0
        for letter in code.replace("-", ""):
            number = number << 5 | codes.ALPHABET.index(letter)
        always, ever = always & number, ever | number
    assert (always, ever) == (0, 2**80 - 1)
    assert len(set(drawn["nonces"])) == 3


def test_what_a_browser_of_2018_seals_opens_in_python(script, world, browser, tmp_path):
    bundled = tmp_path / "harness.js"
    run(
        script / "node_modules/.bin/esbuild", BROWSER / "harness.js", "--bundle", "--format=iife",
        "--target=es2017", f"--alias:script={script}", f"--outfile={bundled}", "--log-level=error",
    )  # fmt: skip
    removed = [line.split(": ") for line in NEWER.strip().splitlines()]
    forget = "".join(
        f"delete {owner}.{name};" for owner, names in removed for name in names.split()
    )
    code = codes.new()
    told = {
        "code": code,
        "raw": world.raw_bundle(world.bundle().epoch).decode(),
        "pinned": {
            "custodians": [b64(spki) for spki in world.trust.custodians],
            "threshold": world.trust.threshold,
            "queue": world.city.queue,
            "deployment": world.city.deployment,
            "now": NOON.timestamp() * 1000,
        },
        "typed": dict(ASKED),
        "rules": rules(world.city),
    }

    context = browser.new_context()
    try:
        page = context.new_page()
        # Web Crypto is for secure contexts, of which this address is one without any server.
        page.route("**/*", lambda route: route.fulfill(body="", content_type="text/html"))
        page.goto("http://127.0.0.1/")
        page.evaluate(forget)
        assert page.evaluate("'setBigUint64' in DataView.prototype") is False
        page.add_script_tag(path=bundled)
        wire = page.evaluate("told => sealed(told)", told)
    finally:
        context.close()

    check_that_python_opens(world, wire, code)


def test_what_python_seals_opens_in_javascript(script):
    week = weeks.Epoch(2026, 47)
    kids = {part: f"main.{part}.{week}.0000000a" for part in hpke.PARTS}
    seeds = {kid: secrets.token_bytes(32) for kid in kids.values()}
    public = {part: (kid, hpke.public_key(seeds[kid])) for part, kid in kids.items()}
    made = any_secrets()
    parts = envelopes.Parts(b'{"a":"visit"}'.ljust(1024), '{"a":"রহিমা"}'.encode().ljust(1024))
    sealed = envelopes.seal(parts, bundles.Bundle("main", "demo", week, 0, 0, public), made)
    told = {
        "wire": json.loads(envelopes.write(sealed)),
        "seeds": {kid: seed.hex() for kid, seed in seeds.items()},
        "reply": made.reply.hex(),
    }
    opening = f"""
        import {{ readFileSync }} from 'node:fs'
        import {{ openEnvelope, openReply }} from {json.dumps((BROWSER / "open.mjs").as_uri())}
        const {{ wire, seeds, reply }} = JSON.parse(readFileSync(0, 'utf8'))
        const parts = await openEnvelope({json.dumps(str(script))}, wire, seeds)
        const answer = await openReply(wire, Buffer.from(reply, 'hex'))
        process.stdout.write(JSON.stringify({{ ...parts, answer }}))
    """

    opened = json.loads(
        run("node", "--input-type=module", "--eval", opening, input=json.dumps(told))
    )

    assert opened == {
        "visit": parts.visit.decode(),
        "contact": parts.contact.decode(),
        "answer": {"state": "waiting"},
    }


def test_building_again_gives_the_same_bytes(script):
    run("npm", "run", "build", cwd=script)

    for name in ("form.js", "documents.js"):
        rebuilt = script.parent / "pages" / "assets" / name
        committed = (ASSETS / name).read_bytes()
        assert rebuilt.read_bytes() == committed, "run: make script, and commit what it built"


def test_built_script_carries_the_licenses_of_all_that_is_in_it(script):
    built = BUILT.read_text()
    lock = json.loads((SCRIPT / "package-lock.json").read_text())
    shipped = [
        name for name, package in lock["packages"].items() if name and not package.get("dev")
    ]

    assert len(shipped) == 5
    for folder in shipped:
        name, license = folder.removeprefix("node_modules/"), script / folder / "LICENSE"
        _, holder, terms = license.read_text().strip().split("\n\n", 2)
        assert name in built
        assert re.sub(r"Copyright \(c\) \d{4} ", "", holder) in built, name
        assert terms in built, name


@pytest.mark.parametrize("name", ["form.js", "documents.js"])
def test_built_script_runs_on_a_browser_of_2018(name):
    """Chrome 71, Firefox 68, Safari 14: no BigInt literals, no newer syntax or calls."""
    text = (ASSETS / name).read_text()

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
