"""Sealing a request, in Python and on an emulated old phone."""

import os
import subprocess
from contextlib import redirect_stdout
from pathlib import Path
from shutil import copytree, ignore_patterns
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from playwright.sync_api import Playwright, sync_playwright

from quietdesk import envelopes, request
from quietdesk.hpke import PARTS
from tests.bench.opening import bench_bundle
from tests.bench.table import Row, medians, taking_turns
from tests.serving import CHROMIUM_ARGS, build_site, chromium, serving
from tests.waiting import CEILING
from tests.world import ASKED, NOON, ROOT, any_secrets, compiled_city, make_world

SLOWER = 6  # times; as developer tools emulate a phone of low end
ESBUILD = "--bundle --minify --format=iife --target=es2017 --log-level=warning".split()
# What the form does between a tap on "send" and the post, by the page's own modules.
ENTRY = """
import { verifyBundle } from './bundle.js'
import { derive, newCode } from './code.js'
import { seal } from './seal.js'

window.sealedIn = async (raw, trust) => {
  const parts = { visit: new Uint8Array(1024), contact: new Uint8Array(1024) }
  const started = performance.now()
  const bundle = await verifyBundle(raw, trust)
  await seal(parts, bundle, await derive(newCode(), trust.deployment))
  return performance.now() - started
}
"""


def measure(quick: bool) -> list[Row]:
    rows = [_in_python(*((2, 20) if quick else (10, 300)))]
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        slowed, normal = _in_chromium(playwright, Path(folder), 1 if quick else 5)
    name, against = f"seal in Chromium {SLOWER}x slower", "not slowed"
    first = [[times[0] for times in visits] for visits in (slowed, normal)]
    later = [[median(times[1:]) for times in visits] for visits in (slowed, normal)]
    return [
        *rows,
        Row(f"{name}, first", "ms", *first, against, at_most=1000, aim_of_figure=True),
        Row(f"{name}, later", "ms", *later, against),
    ]


def _in_python(turns: int, count: int) -> Row:
    mlkem = MLKEM768PrivateKey.generate().public_key()
    x25519 = X25519PrivateKey.generate().public_key()
    bundle, secrets = bench_bundle(), any_secrets()
    parts = request.pack(request.parse(ASKED, compiled_city()), secrets.reply)

    def encapsulate() -> None:
        for _ in PARTS:
            mlkem.encapsulate()
            X25519PrivateKey.generate().exchange(x25519)

    taken = medians(turns, count, lambda: envelopes.seal(parts, bundle, secrets), encapsulate)
    sealed, bare = ([time * 1e3 for time in times] for times in taken)
    return Row("seal in Python", "ms", sealed, bare, "two bare encapsulations")


def _in_chromium(playwright: Playwright, folder: Path, visits: int) -> list[list[list[float]]]:
    """Slowed and not slowed, the milliseconds of each sealing of each visit."""
    world = make_world(folder)
    site = build_site(folder / "site", world.trust.custodians)
    _bundle_script(folder / "script", site / "assets/bench.js")
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), serving(world, site) as served:
        taken = taking_turns(
            range(visits),
            lambda _: _visit(playwright, served.url, SLOWER),
            lambda _: _visit(playwright, served.url, 1),
        )
    world.store.close()
    return taken


def _visit(playwright: Playwright, url: str, rate: int) -> list[float]:
    """Milliseconds of five sealings on the request page, in a browser that never did it before."""
    browser = playwright.chromium.launch(
        executable_path=chromium(), args=CHROMIUM_ARGS, timeout=CEILING * 1000
    )
    page = browser.new_page()
    page.set_default_timeout(CEILING * 1000)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
    page.goto(f"{url}/en/request/", wait_until="networkidle")
    page.add_script_tag(url=f"{url}/assets/bench.js")
    times: Any = page.evaluate(
        """async (now) => {
          const { custodians, threshold, queue, deployment } =
            document.getElementById('request-form').dataset
          const trust = { custodians: custodians.split(' '), threshold: Number(threshold), queue, deployment, now }
          const raw = await (await fetch(`/api/keys/${queue}/current`)).text()
          const times = []
          for (let n = 0; n < 5; n += 1) times.push(await window.sealedIn(raw, trust))
          return times
        }""",  # noqa: E501
        int(NOON.timestamp() * 1000),
    )
    browser.close()
    return [float(time) for time in times]


def _bundle_script(folder: Path, target: Path) -> None:
    """The page's modules in one file, built as `make script` does, from a copy."""
    copytree(ROOT / "site/script", folder, ignore=ignore_patterns("node_modules"))
    (folder / "bench.js").write_text(ENTRY)
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(npm, cwd=folder, check=True)
    esbuild = ["node_modules/.bin/esbuild", "bench.js", *ESBUILD, f"--outfile={target}"]
    subprocess.run(esbuild, cwd=folder, check=True)
