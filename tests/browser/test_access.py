"""WCAG 2.2 AA in Chromium: axe-core on every page and every state of the form, in every locale; and
by hand what axe cannot see: focus behind the exit, targets, 400 % zoom."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from quietdesk import codes
from quietdesk.openings import Opening
from tests.browser.locales import EVERY_DAY, TAGS
from tests.browser.test_every_page import addresses
from tests.serving import go
from tests.shots import fill_in
from tests.world import NOON

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# 1,280 x 1,024 pixels at 400 %, as WCAG 1.4.10 has it.
ZOOMED = {"viewport": {"width": 320, "height": 256}}
PHONE = {"viewport": {"width": 360, "height": 740}}
OPENING = "corona.2026-11-24.1000"
# Links inside a sentence have no size of their own (WCAG 2.5.8).
TARGETS = (
    "button, summary, label.choice, label.cell, label.time, .exit, .languages a, .menu a, .more a,"
    " .site-name, .button, .choose a, .pass-on a, input[type=text], input[type=tel]"
)
SMALL = """(targets) => [...document.querySelectorAll(targets)]
  .filter((it) => it.checkVisibility())
  .map((it) => [it.outerHTML.slice(0, 80), it.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < 44 || box.width < 44))
  .map(([html, box]) => `${html} ${Math.round(box.width)} x ${Math.round(box.height)}`)"""
# What of the element with the focus somebody sees: corners and middle, not one of them covered.
HIDDEN = """() => {
  const it = document.activeElement
  if (it === document.body) return ''
  const label = it.closest('label')
  const box = (label || it).getBoundingClientRect()
  const xs = [box.left + 2, (box.left + box.right) / 2, box.right - 2]
  const ys = [box.top + 2, (box.top + box.bottom) / 2, box.bottom - 2]
  const seen = xs.some((x) => ys.some((y) => {
    const at = document.elementFromPoint(x, y)
    return at && (it.contains(at) || at.contains(it) || (label && at.closest('label') === label))
  }))
  return seen ? '' : it.outerHTML.slice(0, 80)
}"""


@pytest.fixture(scope="module", autouse=True)
def published(programme):
    programme.publisher().publish(NOON, taking=True)
    programme.store.set_seats({Opening.parse(OPENING): 100})
    yield
    programme.publisher().publish(NOON, taking=False)


def violations(page):
    found = Axe().run(page, options={"runOnly": LEVELS, "resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("tag", TAGS)
def test_no_page_violates_a_rule(visit, url, site, tag):
    page = visit(clock=False, **PHONE)
    others = ["/", "/no/such/page/", f"/api/request/{tag}"] if tag == "en" else []
    # One form with a center ticked stands for all.
    paths = [it for it in addresses(site) if it.startswith(f"/{tag}/") and "/at/" not in it]
    assert len(paths) >= 14

    for path in [*paths, *others, f"/{tag}/request/at/corona/"]:
        go(page, url + path)
        assert violations(page) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tag", EVERY_DAY)
def test_no_state_of_the_form_violates_a_rule(visit, url, tag, scheme):
    page = visit(clock=False, color_scheme=scheme, **PHONE)
    page.clock.set_fixed_time(NOON)
    page.goto(f"{url}/{tag}/request/", wait_until="networkidle")
    page.click("#times summary >> nth=0")
    assert violations(page) == []
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#problems:not([hidden])")
    assert violations(page) == []
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    assert violations(page) == []
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    assert violations(page) == []
    code = codes.parse(page.inner_text("#done [data-fill=code]"))

    page.goto(f"{url}/{tag}/my-request/")
    page.fill("#f-code", "wrong")
    page.click("#look-form button")
    assert violations(page) == []
    page.fill("#f-code", code)
    page.click("#look-form button")
    page.wait_for_selector("#mine h1")
    assert violations(page) == []
    page.click("#mine [data-do=cancel]")
    assert violations(page) == []


def test_no_step_without_scripts_violates_a_rule(browser, url):
    context = browser.new_context(java_script_enabled=False, **PHONE)
    page = context.new_page()
    page.goto(f"{url}/api/request/en")
    page.click("#request-form button[type=submit]")
    pages = [page.content()]
    fill_in(page)
    page.click("#request-form button[type=submit]")
    pages.append(page.content())
    page.click("button[value=send]")
    pages.append(page.content())
    context.close()
    # axe is a script itself, so it reads the same pages where scripts run.
    context = browser.new_context(bypass_csp=True, **PHONE)
    page = context.new_page()
    page.goto(f"{url}/no/such/page/")
    for html in pages:
        page.set_content(html.replace('src="/assets/form.js"', ""))
        assert violations(page) == []
    context.close()


@pytest.mark.parametrize("tag", TAGS)
def test_everything_to_press_is_large_enough(visit, url, tag):
    page = visit(**PHONE)
    for name in ("", "request/", "documents/", "my-request/", "organisers/"):
        go(page, f"{url}/{tag}/{name}")
        assert page.evaluate(SMALL, TARGETS) == [], name


@pytest.mark.parametrize("name", ["request/", "documents/", "questions/"])
def test_focus_is_never_behind_what_sticks_to_the_screen(visit, url, name):
    page = visit(**ZOOMED)
    go(page, f"{url}/en/{name}")
    if name == "documents/":
        page.click("summary >> nth=0")
        page.check("tr input >> nth=0")
    behind = set()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(90):
            page.keyboard.press(key)
            behind.add(page.evaluate(HIDDEN))

    assert behind - {""} == set()


def test_at_400_percent_the_exit_leaves_room_for_the_page(visit, url, city):
    """That nothing must be scrolled sideways then is in test_every_page.py: 320 pixels are wide."""
    page = visit(**ZOOMED)
    for locale in city.locales:
        for name in ("", "request/"):
            page.goto(f"{url}/{locale.tag}/{name}")
            leave = page.evaluate("document.querySelector('.leave').getBoundingClientRect().height")
            assert 0 < leave <= 256 / 4, (locale.tag, name)


def test_axe_sees_a_violation(visit, url):
    page = visit(clock=False, **PHONE)
    page.goto(f"{url}/en/")
    page.evaluate("document.querySelector('.site-name').textContent = ''")

    assert [it for it in violations(page) if it.startswith("link-name")]
