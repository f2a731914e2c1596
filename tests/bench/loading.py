"""What a first visit loads, beside mkdocs-material as it comes showing the same text."""

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from quietdesk import keys
from quietdesk.pages import Pages
from quietdesk.site.guide import Guide
from tests.bench.table import Row
from tests.serving import CHROMIUM_ARGS, build_site, chromium
from tests.world import NOON, ROOT, World, make_world

PAGES = {"request page": "en/request/", "info page": "en/who-can-apply/"}
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
        site = build_site(folder / "site", world.trust.custodians)
        plain = _material(folder / "material", site, world)
        epoch = keys.epoch_at(NOON, world.city.zone)
        bundle = {f"/api/keys/{world.city.queue}/current": world.raw_bundle(epoch)}
        world.store.close()
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        rows = []
        for page, path in PAGES.items():
            requests, size = _loaded(browser, site, path, bundle)
            plain_requests, plain_size = _loaded(browser, plain, path, {})
            against = "mkdocs-material"
            rows += [
                Row(f"{page}, requests", requests, "requests", plain_requests, against),
                Row(f"{page}, gzip", size / 1e3, "kB", plain_size / 1e3, against),
            ]
        browser.close()
    return rows


def _loaded(browser: Browser, site: Path, path: str, answers: dict[str, bytes]) -> tuple[int, int]:
    """Requests and compressed bytes of a first visit."""
    context = browser.new_context()
    with counting(site, answers) as served:
        if answers:
            context.clock.install(time=NOON)  # else the page finds its keys stale
        page = context.new_page()
        page.goto(f"{served.url}/{path}", wait_until="networkidle")
        page.wait_for_timeout(1500)  # a worker of the theme may load the search index
        context.close()
    return len(served.sizes), sum(served.sizes)


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
            counted.sizes.append(min(len(body), len(gzip.compress(body, 9))))
            kind = "application/json" if path in answers else guess_type(file.name)[0]
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
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


def _material(folder: Path, site: Path, world: World) -> Path:
    """A site of the same English pages with the theme as it comes: its scripts, styles, search."""
    guide = Guide(Pages(world.city, (), 1), ROOT / "site/city")
    (folder / "docs/en").mkdir(parents=True)
    (folder / "mkdocs.yml").write_text(MATERIAL)
    (folder / "docs/index.md").write_text("# Municipal ID help desk\n")
    for file in (ROOT / "site/pages/en").glob("*.md"):
        if file.stem == "request":
            text = _main(site / "en/request/index.html")
        else:
            text = file.read_text().split("---\n", 2)[-1]
            text = guide.markdown(text, "en", file.name)
        (folder / "docs/en" / file.name).write_text(text)
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", "built"]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, cwd=folder, env=env, check=True)
    return folder / "built"


def _main(page: Path) -> str:
    """What a built page shows, as HTML that Markdown leaves alone."""
    found = re.search(r"<main.*?</main>", page.read_text(), re.DOTALL)
    assert found
    lines = (
        line.strip() for line in re.sub(r"(?<=<)main|(?<=</)main", "div", found[0]).splitlines()
    )
    return "\n".join(line for line in lines if line) + "\n"
