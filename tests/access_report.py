"""`make access`: axe-core on every page and state in every language, written up in
docs/accessibility.md. Fails when a rule is violated."""

import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.serving import CHROMIUM_ARGS, build_site, chromium, serving
from tests.shots import visits
from tests.world import NOON, ROOT, make_world

TARGET = ROOT / "docs" / "accessibility.md"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTH = 360
BY_HAND = """\
What axe cannot see is in `tests/browser/`: everything to press is 44 px or larger; the focus is
never behind the button that leaves the page; the form can be filled in and sent with the keyboard
alone, and its errors have the focus and lead to their fields; at 400 % nothing is cut off or
scrolls two ways; pages work without scripts, without pictures, in dark, and with reduced motion.

What nobody has done: use by people who use a screen reader, a switch or a magnifier, in any
language. A city should ask them before it opens, and write here what they said. Sentences were
measured in English only (six years of school); the translations are unreviewed. The pages of the
desk are not in this report; `tests/browser/test_console.py` has theirs.
"""


def main() -> int:
    """Write the report; 1 when something is violated, and then nothing is written."""
    seen: dict[str, int] = {}
    rules: Counter[str] = Counter()
    unsure: Counter[str] = Counter()
    said: dict[str, str] = {}
    wrong = []
    engine = browser_version = ""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        world = make_world(Path(folder))
        world.publisher().publish(NOON)
        site = build_site(Path(folder) / "site", world.trust.custodians)
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        browser_version = browser.version
        with serving(world, site) as served:
            for locale in world.city.locales:
                for name, page in visits(browser, served.url, locale.tag, WIDTH):
                    if name.startswith("plain") or name.endswith("-printed"):
                        continue  # no script runs there, and axe is one; paper cannot be pressed
                    # Else the button that leaves lies over whatever scrolled there.
                    page.evaluate("scrollTo(0, 0)")
                    found = Axe().run(page, options={"runOnly": LEVELS}).response
                    engine = found["testEngine"]["version"]
                    seen[locale.tag] = seen.get(locale.tag, 0) + 1
                    said |= {it["id"]: it["help"] for it in found["passes"]}
                    rules.update(it["id"] for it in found["passes"])
                    unsure.update(it["id"] for it in found["incomplete"])
                    wrong += [f"{locale.tag} {name}: {it['id']}" for it in found["violations"]]
        browser.close()
        world.store.close()
    for problem in wrong:
        print(problem, file=sys.stderr)
    if wrong:
        return 1
    TARGET.write_text(report(seen, rules, unsure, said, f"axe-core {engine}", browser_version))
    print(f"{TARGET.relative_to(ROOT)} is written: {sum(seen.values())} pages, no violation")
    return 0


def report(
    seen: dict[str, int],
    rules: Counter[str],
    unsure: Counter[str],
    said: dict[str, str],
    engine: str,
    browser: str,
) -> str:
    """The report in Markdown."""
    languages = "\n".join(f"| {tag} | {count} | 0 |" for tag, count in seen.items())
    rows = "\n".join(f"| {rule} | {said[rule]} | {rules[rule]} |" for rule in sorted(rules))
    doubts = ", ".join(f"`{rule}` ({count})" for rule, count in sorted(unsure.items())) or "none"
    return f"""\
# Accessibility report

WCAG 2.2, levels A and AA, as far as a program can tell: {engine} in Chromium {browser}, on a screen
of {WIDTH} px, {date.today()}. Made by `make access`; it is not written when a rule is violated.

| language | pages and states | violations |
| --- | --- | --- |
{languages}

{BY_HAND}
Rules for which axe could not decide by itself, with how often: {doubts}.

## Rules that held

| rule | what it asks | pages and states |
| --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())
