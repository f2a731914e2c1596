"""The whole way of a resident in a locale: from the home page to a time, and to nothing."""

import re

import pytest

from quietdesk import codes
from quietdesk.openings import Opening
from quietdesk.pages.speech import Words
from tests.browser.locales import LOCALES
from tests.shots import fill_in
from tests.world import NOON, compiled_city

CITY = compiled_city()
OPENING = "corona.2026-11-24.1000"
PHONE = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture(scope="module", autouse=True)
def published(programme):
    programme.publisher().publish(NOON, taking=True)
    programme.store.set_seats({Opening.parse(OPENING): 100})
    yield
    programme.publisher().publish(NOON, taking=False)


def find(programme, code):
    id = codes.derive(code, "demo").id
    return next((it for it in programme.desk().pull(NOON) if it.envelope.id == id), None)


@pytest.mark.parametrize("locale", LOCALES)
def test_time_is_taken_read_and_cancelled(visit, url, programme, locale):
    words = Words(CITY, locale.tag)
    visit_said = (locale.day(Opening.parse(OPENING).day), locale.time("10:00"))
    page = visit(**PHONE)
    page.goto(f"{url}/{locale.tag}/")
    page.click("main a[href$='request/'] >> nth=0")
    page.wait_for_selector("#times details")
    page.click("#times details:has-text('Corona') summary")
    page.check(f"input[value='{OPENING}']")
    page.fill("input[name=people]", "٢" if locale.tag in ("ar", "ur") else "2")  # typed as at home
    page.check("input[name=visit_type][value=new]")
    if locale.tag.startswith("zh"):  # one way of writing, several languages to speak
        page.check("input[name=language][value=cmn]")
    assert page.is_checked("input[name=language]:checked")
    page.fill("input[name=name]", "রহিমা")
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    for said in visit_said:
        assert said in page.inner_text("#review")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    assert words("You have an appointment") in page.inner_text("#done h1")
    code = codes.parse(page.inner_text("#done [data-fill=code]"))
    groups = page.locator("#done [data-fill=code] span:not(.dash)")
    at = groups.evaluate_all(
        "all => all.map((it) => it.getBoundingClientRect()).map((box) => [box.top, box.left])"
    )
    assert at == sorted(at)  # line by line from left to right, in every script
    assert find(programme, code).request.people == 2

    page.goto(f"{url}/{locale.tag}/my-request/")
    page.fill("#f-code", code.lower().replace("-", " "))
    page.click("#look-form button")
    page.wait_for_selector("#mine dl")
    shown = page.inner_text("#mine")
    for said in (*visit_said, "Corona", "311"):
        assert said in shown
    assert not re.search(r"[٠-٩۰-۹০-৯]", shown)  # signs and phones have 0-9
    page.click("#mine [data-do=cancel]")
    page.click("#mine [data-do=yes]")
    page.wait_for_selector(f"#mine h1:has-text('{words('It is cancelled')}')")
    assert find(programme, code) is None


@pytest.mark.parametrize("locale", LOCALES)
def test_request_is_sent_and_read_without_scripts(visit, url, programme, locale):
    words = Words(CITY, locale.tag)
    page = visit(clock=False, java_script_enabled=False, **PHONE)
    page.goto(f"{url}/{locale.tag}/request/")
    page.click("#request-form button[type=submit]")
    said = page.inner_text("#problem-name")
    assert said == words("Write a name that we can call you. A nickname is fine.")
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.click("button[value=send]")
    code = codes.parse(page.inner_text("[data-fill=code]"))
    assert find(programme, code).state == "waiting"

    page.goto(f"{url}/{locale.tag}/my-request/")
    page.fill("#f-code", code)
    page.click("#look-form button")
    assert words("Your request is waiting") in page.inner_text("main")
    page.click("button[value=cancel]")
    page.click("button[value=yes]")
    assert words("It is cancelled") in page.inner_text("main")
    assert find(programme, code) is None
    assert page.evaluate("document.documentElement.dir") == locale.direction
