"""`make shots [T=LOCALE]`: every page in every language at two widths, the desk's at three, as
pictures in build/shots.

Fails when a page is wider than its screen, when a character is a box because no font has it, or
when a picture has one colour only. Look at the pictures.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from quietdesk.pages.english import MENU, MORE
from quietdesk.staff.device.keyring import Keyring
from tests.glyphs import missing
from tests.hostile import spoiled
from tests.serving import CHROMIUM_ARGS, build_site, chromium, desk_open, serving
from tests.waiting import CEILING
from tests.world import (
    ASKED,
    NOON,
    PASSPHRASE,
    ROOT,
    World,
    compiled_city,
    make_custodian,
    make_world,
)

TARGET = ROOT / "build/shots"
WIDTHS = (360, 1280)
DESK_WIDTHS = (360, 768, 1280)


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the pictures; 1 when one of them is not right."""
    tags = [locale.tag for locale in compiled_city().locales]
    parser = argparse.ArgumentParser(prog="python -m tests.shots")
    parser.add_argument("locale", nargs="*", help=f"of {', '.join(tags)}; default: all")
    chosen = parser.parse_args(argv).locale or tags
    if unknown := {*chosen} - {*tags}:
        parser.error(f"there is no locale {', '.join(sorted(unknown))}")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        custodian = make_custodian()
        site = build_site(Path(folder) / "site", (custodian.public_key,))
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), without_log) as cores:
            found = cores.map(partial(take_all, site, custodian), chosen)
            wrong = [problem for of_locale in found for problem in of_locale]
    taken = sum(len([*TARGET.glob(f"{tag}-*.png")]) for tag in chosen)
    print(f"{taken} pictures are in {TARGET.relative_to(ROOT)}")
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


def without_log() -> None:
    """The functions of this process write their lines into nothing."""
    sys.stdout = open(os.devnull, "w")


def take_all(site: Path, custodian: Keyring, tag: str) -> list[str]:
    """Takes the pictures of one locale; what is wrong with them."""
    for old in TARGET.glob(f"{tag}-*.png"):
        old.unlink()
    wrong = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        world = make_world(folder, custodian=custodian)
        world.publisher().publish(NOON)
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        with serving(world, site) as served:
            for width in WIDTHS:
                for page_name, page in visits(browser, served.url, tag, width):
                    wrong += take(page, f"{tag}-{page_name}-{width}")
        for width in DESK_WIDTHS:
            for page_name, page in desk_visits(browser, world, folder, tag, width):
                wrong += take(page, f"{tag}-desk-{page_name}-{width}")
        browser.close()
        world.store.close()
    return wrong


def visits(browser: Browser, url: str, tag: str, width: int) -> Iterator[tuple[str, Page]]:
    """The name of each page and state, and a browser that shows it."""
    size: dict[str, Any] = {"viewport": {"width": width, "height": 800}}
    context = new_context(browser, **size)
    context.clock.install(time=NOON)
    page = context.new_page()
    for name, _ in (*MENU, *MORE):
        page.goto(f"{url}/{tag}/{'' if name == 'index' else f'{name}/'}", wait_until="networkidle")
        yield name, page
    page.goto(f"{url}/{tag}/documents/", wait_until="networkidle")
    for paper in ("consular_id", "access_a_ride", "school_id_no_dob", "school_id_dob"):
        row = page.locator(f"tr[data-paper={paper}]")
        if not row.is_visible():
            page.locator("details", has=row).locator("summary").click()
        row.locator("input").check()
    yield "documents-missing", page
    page.emulate_media(media="print")
    yield "documents-printed", page
    page.emulate_media(media="screen")
    page.goto(f"{url}/{tag}/request/", wait_until="networkidle")
    page.click("#request-form button")
    page.wait_for_selector("#problems:not([hidden])")
    yield "request-problems", page
    fill_in(page)
    page.click("#request-form button")
    page.wait_for_selector("#review dl")
    yield "request-review", page
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    yield "request-done", page
    code = page.inner_text("#done [data-fill=code]")
    look(page, url, tag, code)
    yield "mine-waiting", page
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#times details")
    fill_in(page)
    page.click("#times summary >> nth=1")
    page.check("#times details[open] input >> nth=8")
    yield "mine-moving", page
    page.click("#request-form button")
    page.wait_for_selector("#review dl")
    yield "mine-moving-review", page
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    yield "taken", page
    page.emulate_media(media="print")
    yield "taken-printed", page
    page.emulate_media(media="screen")
    look(page, url, tag, code)
    yield "mine-placed", page
    page.click("#mine [data-do=cancel]")
    yield "mine-cancel", page
    page.click("#mine [data-do=yes]")
    page.wait_for_selector("#mine h1 + p + p a")
    yield "mine-cancelled", page
    look(page, url, tag, code)
    yield "mine-nothing", page
    page.goto(f"{url}/no/such/page/")
    yield "not-found", page
    page.goto(f"{url}/")
    yield "languages", page
    context.close()

    context = new_context(browser, java_script_enabled=False, **size)
    page = context.new_page()
    page.goto(f"{url}/{tag}/request/")
    yield "plain", page
    page.click("#request-form button")
    yield "plain-problems", page
    fill_in(page)
    page.click("#request-form button")
    yield "plain-review", page
    page.click("button[value=send]")
    yield "plain-done", page
    code = page.inner_text("[data-fill=code]")
    page.goto(f"{url}/{tag}/my-request/")
    page.fill("#f-code", "oops")
    page.click("#look-form button")
    yield "plain-no-code", page
    page.fill("#f-code", code)
    page.click("#look-form button")
    yield "plain-waiting", page
    page.click("button[value=move]")
    page.click("#times summary >> nth=1")
    fill_in(page)
    page.check("#times details[open] input >> nth=8")
    yield "plain-moving", page
    page.click("#request-form button")
    page.click("button[value=send]")
    yield "plain-taken", page
    page.goto(f"{url}/{tag}/my-request/")
    page.fill("#f-code", code)
    page.click("#look-form button")
    yield "plain-placed", page
    page.click("button[value=cancel]")
    page.click("button[value=yes]")
    yield "plain-cancelled", page
    context.close()

    context = new_context(browser, color_scheme="dark", **size)
    context.clock.install(time=NOON)
    page = context.new_page()
    page.goto(f"{url}/{tag}/request/", wait_until="networkidle")
    yield "request-dark", page
    context.close()


def desk_visits(
    browser: Browser, world: World, folder: Path, tag: str, width: int
) -> Iterator[tuple[str, Page]]:
    """The desk's pages, through a short day: two requests wait, one gets a place."""
    for name in ("রহিমা", "Ana María de los Ángeles Fernández"):
        world.store.put(world.sealed(name=[name], centers=["any"], windows=["any"]))
    world.store.put(spoiled(world.sealed()))
    context = new_context(browser, viewport={"width": width, "height": 800})
    context.clock.install(time=NOON)
    page = context.new_page()
    with desk_open(world, folder, tag) as desk:
        page.goto(f"{desk.url}/")
        yield "locked", page
        page.fill("#passphrase", PASSPHRASE)
        page.click("main button[type=submit]")
        page.wait_for_selector("tbody tr")
        yield "queue", page
        page.click("tbody tr:first-child button")
        page.wait_for_selector("dl")
        yield "request", page
        page.goto(f"{desk.url}/")
        page.check("tbody tr:first-child input[type=checkbox]")
        page.click("button[formaction$='/propose']")
        page.wait_for_selector("select")
        yield "plan", page
        page.click("main button[type=submit] >> nth=0")
        page.wait_for_load_state()
        yield "placed", page
        page.goto(f"{desk.url}/openings")
        yield "openings", page
        page.goto(f"{desk.url}/junk")
        yield "junk", page
        page.goto(f"{desk.url}/enter")
        yield "enter", page
        fill_in(page)
        page.click("main form button[type=submit] >> nth=-1")
        page.wait_for_selector(".code")
        yield "slip", page
        page.emulate_media(media="print")
        yield "slip-printed", page
    context.close()


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A browser of one's own that waits for a busy machine."""
    context = browser.new_context(**options)
    context.set_default_timeout(CEILING * 1000)
    return context


def look(page: Page, url: str, tag: str, code: str) -> None:
    """Asks with the code, on the page My request."""
    page.goto(f"{url}/{tag}/my-request/")
    page.fill("#f-code", code)
    page.click("#look-form button")
    page.wait_for_selector("#mine h1")


def fill_in(page: Page) -> None:
    """The form as tests.world has it filled in."""
    for field, values in ASKED.items():
        for value in values:
            ticks = page.locator(f'input[name={field}][value="{value}"]')
            if field not in ("people", "children", "name", "phone") and ticks.count():
                ticks.check()
            else:
                page.fill(f"input[name={field}]", value)


def take(page: Page, name: str) -> list[str]:
    """Writes the picture; what is wrong with it."""
    path = TARGET / f"{name}.png"
    page.evaluate("scrollTo(0, 0)")  # else what sticks to the screen lies over the middle
    page.screenshot(path=path, full_page=True, animations="disabled")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    wrong = [f"{name}: {wide} pixels wider than the screen"] if wide > 0 else []
    if boxes := missing(page):
        wrong.append(f"{name}: no font has {', '.join(map(named, boxes))}")
    return wrong + ([f"{name}: the picture is empty"] if one_colour(path) else [])


def named(text: str) -> str:
    return f"{text} ({' '.join(f'U+{ord(it):04X}' for it in text)})"


def one_colour(path: Path) -> bool:
    """Whether a picture shows nothing: a page with text does not compress this far."""
    width, height = (int.from_bytes(path.read_bytes()[at : at + 4], "big") for at in (16, 20))
    return path.stat().st_size < 2000 + width * height / 1000


if __name__ == "__main__":
    sys.exit(main())
