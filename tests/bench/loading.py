"""What a first visit loads in each locale, and how long the whole site takes to build, beside
mkdocs-material as it comes showing the same texts."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from quietdesk import weeks
from quietdesk.pages import Pages
from quietdesk.website.guide import Guide
from quietdesk.website.sources import Sources
from tests.bench.table import Row, seconds
from tests.serving import CHROMIUM_ARGS, build_site, chromium
from tests.waiting import CEILING
from tests.world import NOON, ROOT, World, make_world

PAGES = {"home": "", "papers": "documents/", "privacy": "privacy/", "request page": "request/"}
AGAINST = "mkdocs-material"
MATERIAL = """
site_name: Municipal ID help desk
theme: {name: material, font: false}
markdown_extensions: [attr_list, md_in_html]
"""


@dataclass
class Counted:
    """A static server's address, and the bytes of each answer as gzip -9 sends them."""

    url: str
    sizes: list[int] = field(default_factory=list)


def measure(quick: bool) -> list[Row]:
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        world = make_world(folder)
        tags = [locale.tag for locale in world.city.locales][: 1 if quick else None]
        site, plain, built = both_sites(folder, world, tags, turns=1 if quick else 5)
        answers = first_answers(world)
        world.store.close()
        rows = [built]
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM_ARGS, timeout=CEILING * 1000
        )
        for page, path in PAGES.items():
            requests = []
            for tag in tags:
                counted = _loaded(browser, f"{tag}/{path}", (site, answers), (plain, {}))
                ours, theirs = ([sum(sizes) / 1e3] for sizes in counted)
                rows.append(Row(f"{page}, {tag}, gzip", "kB", ours, theirs, AGAINST))
                requests.append([len(sizes) for sizes in counted])
            ours, theirs = ([max(counts)] for counts in zip(*requests, strict=True))
            rows.append(Row(f"{page}, requests", "requests", ours, theirs, AGAINST))
        browser.close()
    return rows


def both_sites(
    folder: Path, world: World, tags: Sequence[str], turns: int = 1
) -> tuple[Path, Path, Row]:
    """Ours, and the theme's as it comes with the texts of these locales; and how long each took to
    build, in turns."""
    site, texts = folder / "site", folder / "material"
    ours, theirs = [], []
    for turn in range(turns):
        ours.append(seconds(lambda: build_site(site, world.trust.custodians)))
        if turn == 0:
            _texts(texts, site, world, tags)
        theirs.append(seconds(lambda: _material(texts)))
    return site, texts / "built", Row("the whole site is built", "s", ours, theirs, AGAINST)


def first_answers(world: World) -> dict[str, bytes]:
    """What the request page asks for when it opens: the key, and times of which there are none."""
    epoch = weeks.epoch_at(NOON, world.city.zone)
    none = {"look_again": "2026-11-28", "openings": "", "devices": "", "free": []}
    bundle = world.raw_bundle(epoch)
    return {
        f"/api/keys/{world.city.queue}/current": bundle,
        "/api/openings": json.dumps(none).encode(),
    }


def _loaded(browser: Browser, path: str, *sites: tuple[Path, dict[str, bytes]]) -> list[list[int]]:
    """Of each site the compressed bytes of each answer to a first visit."""
    counted = []
    with ExitStack() as stack:
        for site, answers in sites:
            context = stack.enter_context(browser.new_context())
            context.set_default_timeout(CEILING * 1000)
            if answers:
                context.clock.install(time=NOON)  # else the page finds its keys stale
            served = stack.enter_context(counting(site, answers))
            counted.append(served.sizes)
            context.new_page().goto(f"{served.url}/{path}", wait_until="networkidle")
        context.pages[0].wait_for_timeout(1500)  # a worker of the theme may load the search index
    return counted


@contextmanager
def counting(site: Path, answers: dict[str, bytes]) -> Iterator[Counted]:
    """The files of a built site, and fixed answers, on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            file = site / path.lstrip("/") / ("index.html" if path.endswith("/") else "")
            body = answers.get(path)
            if body is None and file.is_file():
                body = file.read_bytes()
            self.send_response(404 if body is None else 200)
            body = body or b""
            kind = "application/json" if path in answers else guess_type(file.name)[0]
            self.send_header("Content-Type", kind or "application/octet-stream")
            if len(packed := gzip.compress(body, 9)) < len(body):
                body = packed
                self.send_header("Content-Encoding", "gzip")
            counted.sizes.append(len(body))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the browser was closed meanwhile
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    counted = Counted(f"http://127.0.0.1:{server.server_port}")
    beside = Thread(target=server.serve_forever, daemon=True)
    beside.start()
    try:
        yield counted
    finally:
        server.shutdown()
        server.server_close()
        beside.join()


def _texts(folder: Path, site: Path, world: World, tags: Sequence[str]) -> None:
    """The texts of our pages in these locales, as Markdown that any theme can show."""
    guide = Guide(Pages(world.city, (), 1), ROOT / "site/city")
    every = [locale.tag for locale in world.city.locales]
    sources = Sources(ROOT / "site/pages", ROOT / "site/city/pages", every)
    for tag in tags:
        (folder / "docs" / tag).mkdir(parents=True)
        for name in sources.names:
            shown = sources.shown(tag, name)
            if name in ("request", "my-request"):
                text = _main(site / tag / name / "index.html")
            else:
                text = guide.markdown(shown.text.body, shown.lang, f"{tag}/{name}.md")
            (folder / "docs" / tag / f"{name}.md").write_text(text)
    (folder / "mkdocs.yml").write_text(MATERIAL)
    (folder / "docs/index.md").write_text("# Municipal ID help desk\n")


def _material(folder: Path) -> None:
    """A site of these texts with the theme as it comes: its scripts, styles, search."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", "built"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, cwd=folder, env=env, check=True)


def _main(page: Path) -> str:
    """What a built page shows, as HTML that Markdown leaves alone."""
    found = re.search(r"<main.*?</main>", page.read_text(), re.DOTALL)
    assert found
    lines = (
        line.strip() for line in re.sub(r"(?<=<)main|(?<=</)main", "div", found[0]).splitlines()
    )
    return "\n".join(line for line in lines if line) + "\n"
