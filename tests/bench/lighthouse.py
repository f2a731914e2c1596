"""Lighthouse on a slow phone: our pages beside mkdocs-material as it comes, with the same text."""

import json
import os
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.loading import AGAINST, both_sites, counting, first_answers
from tests.bench.table import FOLDER, Row
from tests.serving import chromium
from tests.world import make_world

VERSION = "13.5.0"
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
CHROME = "--chrome-flags=--headless=new --no-sandbox --disable-gpu"


def measure(quick: bool) -> list[Row]:
    with TemporaryDirectory() as name:
        world = make_world(Path(name))
        site, plain, _ = both_sites(Path(name), world)
        answers = first_answers(world)
        world.store.close()
        rows = []
        for page, path in PAGES.items():
            runs = range(1 if quick else 3)
            ours, theirs = [], []
            for _ in runs:  # one after the other, so that both meet the same noise
                ours.append(_report(site, path, answers))
                theirs.append(_report(plain, path, {}))
            for category in CATEGORIES:
                score, plain_score = (
                    100 * median(it["categories"][category]["score"] for it in reports)
                    for reports in (ours, theirs)
                )
                rows.append(Row(f"{page}, {category}", score, "of 100", plain_score, AGAINST))
            paint, plain_paint = (
                median(it["audits"]["largest-contentful-paint"]["numericValue"] for it in reports)
                for reports in (ours, theirs)
            )
            what = f"{page}, largest contentful paint"
            rows.append(Row(what, paint / 1e3, "s", plain_paint / 1e3, AGAINST, at_most=0.5))
    return rows


def _report(site: Path, path: str, answers: dict[str, bytes]) -> Any:
    folder = FOLDER / "lighthouse"
    command = folder / "node_modules/.bin/lighthouse"
    if not command.exists():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run([*install, f"lighthouse@{VERSION}"], cwd=folder, check=True)
    report = folder / "report.json"
    only = f"--only-categories={','.join(CATEGORIES)}"
    told = ["--quiet", "--output=json", f"--output-path={report}", only, CHROME, *SLOW]
    env = {**os.environ, "CHROME_PATH": chromium()}
    with counting(site, answers) as served:
        address = f"{served.url}/{path}"
        subprocess.run([command, address, *told], cwd=folder, env=env, check=True, timeout=180)
    return json.loads(report.read_text())
