"""A Chromium with a profile on disk, as people have one, and what stands in it afterwards."""

import re
import signal
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, BrowserType, CDPSession, Page

from tests.serving import CHROMIUM_ARGS, chromium
from tests.waiting import CEILING, until

# No host but ours is asked for, not even for the page that "Leave this page" leads to.
_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@dataclass(frozen=True)
class Profile:
    """A running Chromium and its folder."""

    folder: Path
    context: BrowserContext
    process: subprocess.Popen[bytes]
    _whole: CDPSession

    def page(self, scripts: bool) -> Page:
        """A new tab, in which pages run scripts or not."""
        page = self.context.new_page()
        if not scripts:
            off = {"value": True}
            self.context.new_cdp_session(page).send("Emulation.setScriptExecutionDisabled", off)
        return page

    def wait_until_written(self, url: str) -> None:
        """Until the session's file names a tab that is opened now: it is written in order, so all
        that came before is in it."""
        self.context.new_page().goto(url)
        until(lambda: any(url.encode() in it for it in self._sessions()))

    def _sessions(self) -> list[bytes]:
        return [it.read_bytes() for it in self.folder.glob("Default/Sessions/Session_*")]

    def close(self) -> None:
        """As from its menu."""
        self._whole.send("Browser.close")
        self.process.wait(CEILING)

    def kill(self) -> None:
        """As when the battery is empty."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(CEILING)


@contextmanager
def profile(browser_type: BrowserType, folder: Path) -> Iterator[Profile]:
    """Chromium itself, without what Playwright adds for tests, over a fresh folder."""
    folder.mkdir()
    told = [f"--user-data-dir={folder}", "--headless", "--remote-debugging-port=0", _ALONE]
    command = [chromium(), *told, "--no-first-run", *CHROMIUM_ARGS, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port = folder / "DevToolsActivePort"

    def listens() -> str:
        assert process.poll() is None, "Chromium ended before it was ready"
        lines = port.read_text().split() if port.exists() else []
        return lines[0] if len(lines) == 2 else ""

    try:
        address = f"http://127.0.0.1:{until(listens)}"
        running = browser_type.connect_over_cdp(address, timeout=CEILING * 1000)
        context = running.contexts[0]
        context.set_default_timeout(CEILING * 1000)
        yield Profile(folder, context, process, running.new_browser_cdp_session())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(CEILING)


def written(folder: Path, words: Sequence[str]) -> dict[str, list[str]]:
    """The files below a folder in which one of the words stands, and which: as it is, in UTF-16, or
    compressed by gzip. What LevelDB and Snappy see for the first time they write as it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            texts = [data, *_unpacked(data)]
            kept = [it for it in words if any(_in(it, text) for text in texts)]
            if kept:
                found[str(path.relative_to(folder))] = kept
    return found


def _in(word: str, text: bytes) -> bool:
    return word.encode() in text or word.encode("utf-16-le") in text


def _unpacked(data: bytes) -> Iterator[bytes]:
    for start in re.finditer(rb"\x1f\x8b\x08", data):
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[start.start() :])
        except zlib.error:
            continue  # the three bytes stood there by chance
