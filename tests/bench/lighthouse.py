"""Lighthouse on a slow phone: our pages beside mkdocs-material as it comes, with the same text."""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.loading import AGAINST, both_sites, counting, first_answers
from tests.bench.table import NotHere, Row, taking_turns
from tests.serving import chromium
from tests.waiting import CEILING
from tests.world import make_world

COMMAND = ["npx", "--yes", "lighthouse@13.5.0"]  # installed once, into npm's own cache
PAGES = {"home": "en/", "papers": "en/documents/", "request page": "en/request/"}
CATEGORIES = ("performance", "accessibility", "best-practices")
# A phone of some years ago on a bad line: 400 ms, 400 kbit/s, a processor six times as slow.
SLOW = [
    "--throttling-method=devtools",
    "--throttling.requestLatencyMs=400",
    "--throttling.downloadThroughputKbps=400",
    "--throttling.uploadThroughputKbps=400",
    "--throttling.cpuSlowdownMultiplier=6",
]
# It gives up long before a busy machine does.
PATIENT = [f"--max-wait-for-{it}={CEILING * 1000:.0f}" for it in ("load", "fcp")]
CHROME = "--chrome-flags=--headless=new --no-sandbox --disable-gpu"


def measure(quick: bool) -> list[Row]:
    if subprocess.run([*COMMAND, "--version"], stdout=subprocess.DEVNULL).returncode:
        raise NotHere(f"{' '.join(COMMAND)} cannot be had; what npm says stands above")
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(folder)
        tags = [locale.tag for locale in world.city.locales]
        site, plain, _ = both_sites(folder, world, tags[: 1 if quick else None])
        answers = first_answers(world)
        world.store.close()
        for page in list(PAGES)[-1 if quick else 0 :]:
            reports = taking_turns(
                range(1 if quick else 5),
                lambda _, path=PAGES[page]: _report(folder, site, path, answers),
                lambda _, path=PAGES[page]: _report(folder, plain, path, {}),
            )
            for category in CATEGORIES:
                scores = [
                    [100 * report["categories"][category]["score"] for report in of_site]
                    for of_site in reports
                ]
                rows.append(Row(f"{page}, {category}", "of 100", *scores, AGAINST))
            paints = [
                [it["audits"]["largest-contentful-paint"]["numericValue"] / 1e3 for it in of_site]
                for of_site in reports
            ]
            what = f"{page}, largest contentful paint"
            rows.append(Row(what, "s", *paints, AGAINST, at_most=0.5))
    return rows


def _report(folder: Path, site: Path, path: str, answers: dict[str, bytes]) -> Any:
    report = folder / "report.json"
    only = f"--only-categories={','.join(CATEGORIES)}"
    told = ["--quiet", "--output=json", f"--output-path={report}", only, CHROME, *SLOW, *PATIENT]
    env = {**os.environ, "CHROME_PATH": chromium()}
    with counting(site, answers) as served:
        address = f"{served.url}/{path}"
        command = [*COMMAND, address, *told]
        subprocess.run(command, cwd=folder, env=env, check=True, timeout=2 * CEILING)
    return json.loads(report.read_text())
