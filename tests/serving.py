"""A real server for tests: built site and functions on a free loopback port, with its own clock."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event as ThreadEvent
from threading import Thread
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, BrowserContext, Page, expect
from waitress import wasyncore

from quietdesk import local
from quietdesk.events import Handler
from quietdesk.staff.console.server import Console
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import Keyring
from quietdesk.website.profile import write_profile
from quietdesk.wire import b64
from tests import gateway
from tests.events import CLOCK
from tests.waiting import CEILING
from tests.world import NOON, PROFILE, ROOT, World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# Where a website that knows its address stands: a long one, for what is printed must hold it.
ADDRESS = "https://appointments.municipal-id.example.org"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The Chromium or Chrome of this machine, as infra/find-tools.sh finds it."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome",
             "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")  # fmt: skip
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium; run: make test"
    return found


def patient(browser: Browser) -> Browser:
    """The browser, whose pages wait for what a test waits for until it hangs."""
    milliseconds = CEILING * 1000
    expect.set_options(timeout=milliseconds)
    new_context = browser.new_context

    def waiting(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(milliseconds)
        return context

    browser.new_context = waiting  # type: ignore[method-assign]
    return browser


def build_site(
    folder: Path, custodians: tuple[bytes, ...], city: Path | None = None, address: str = ""
) -> Path:
    """The website as mkdocs builds it, for these custodians. The profile that the build writes goes
    beside it: the commands keep ours."""
    env = {
        **os.environ,
        "QUIETDESK_CITY": str(city or "site/city"),
        "QUIETDESK_PROFILE": str(folder.with_name("city.json")),
        "SITE_URL": address,
        "QUIETDESK_CUSTODIANS": " ".join(b64(spki) for spki in custodians),
        "NO_MKDOCS_2_WARNING": "1",
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir"]
    subprocess.run([*command, str(folder)], cwd=ROOT, env=env, check=True)
    return folder


def compile_ours() -> None:
    """What `make site` writes and the commands read."""
    write_profile(ROOT / "site/city", ROOT / "site/words", PROFILE)


@dataclass
class Clock:
    """What the functions believe the time is; a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Served:
    url: str
    clock: Clock = field(default_factory=Clock)


@contextmanager
def serving(
    world: World,
    site: Path,
    function: Handler | None = None,
    around: "Callable[[WSGIApplication], WSGIApplication]" = lambda app: app,
    **listening: Any,
) -> Iterator[Served]:
    """The programme on a free port of 127.0.0.1. A `function` answers in the place of the two in
    this process; a header tells it the time. `around` changes what is served; `listening` is for
    `listen`."""
    served = Served("")
    programme = world.programme(served.clock)

    def elsewhere(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        assert function
        told = {**event["headers"], CLOCK: served.clock().isoformat()}
        return function({**event, "headers": told}, context)

    functions = gateway.application(elsewhere) if function else local.functions(programme)
    app = local.application(site, programme.pages, functions)
    server = local.listen(around(app), local.reserve("127.0.0.1", 0), **listening)
    served.url = f"http://127.0.0.1:{server.effective_port}"
    with beside(server):
        yield served


def go(page: Page, address: str) -> None:
    """Goes to a page, and waits until nothing more will happen on it: a page without scripts is
    done when it is loaded, another when nothing is asked for any more."""
    page.goto(address)
    if page.evaluate("document.scripts.length"):
        page.wait_for_load_state("networkidle")


@dataclass
class Desk:
    """A console that is served; its clock stands still until a test moves it."""

    url: str
    console: Console
    clock: Clock


@contextmanager
def desk_open(world: World, folder: Path, lang: str = "en") -> Iterator[Desk]:
    """The desk's console on a free port, locked."""
    path, clock = folder / "device.keyring", Clock()
    keyring.save(path, keyring.lock(world.device))

    def unlock(passphrase: str) -> Keyring:
        return keyring.unlock(path.read_bytes(), passphrase)

    console = Console(world.store, world.city, path, unlock, clock, lang)
    reserved = local.reserve("127.0.0.1", 0)
    port = reserved.getsockname()[1]
    assert console.entrance.exchange(console.entrance.word())
    try:
        with beside(local.listen(console.app(port), reserved)):
            yield Desk(f"http://127.0.0.1:{port}/{console.entrance.token}", console, clock)
    finally:
        console.close()


@contextmanager
def beside(server: Any) -> Iterator[None]:
    """Serves in a thread of its own."""
    stopping = ThreadEvent()

    def run() -> None:
        # As server.run() does, which only a signal can end.
        while not stopping.is_set():
            polls = server.adj.asyncore_use_poll
            server.asyncore.loop(timeout=0.05, use_poll=polls, map=server._map, count=1)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(server._map)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
