"""What is hidden is not gone: of a request a page holds only what it shows, and what will be asked
for again."""

import pytest
from playwright.sync_api import expect

from quietdesk import codes
from quietdesk.openings import Opening
from tests.browser.conftest import OPENING
from tests.shots import fill_in
from tests.world import NOON

NAME, NUMBER = "Zubaydaqnok", "7185559876"
SAID = "Tuesday, November 24"

# Text, attributes and templates; what stands in fields now and what a browser would restore.
EVERYTHING = """() => [
  document.documentElement.outerHTML, document.title, location.href, JSON.stringify(history.state),
  ...[...document.querySelectorAll('input')].flatMap((it) => [it.value, it.defaultValue]),
].join('\\n')"""

pytestmark = pytest.mark.usefixtures("taking")


@pytest.fixture
def code(programme):
    """The code of a time that was taken."""
    made = codes.new()
    programme.store.put(programme.taken(Opening.parse(OPENING), code=made))
    return made


def look(page, url, code):
    page.goto(f"{url}/en/my-request/")
    page.fill("#f-code", code)
    page.click("#look-form button")
    page.wait_for_selector("#mine dl")


def begin_to_move(page, url, code):
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#keep:not([hidden])")


def write(page, name=NAME):
    page.check("#f-opening")  # none of the times
    fill_in(page)
    page.fill("input[name=name]", name)
    page.fill("input[name=phone]", NUMBER)


def read_back(page):
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")


def send(page):
    read_back(page)
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")


def held(page, *words):
    """Which of the words the page holds anywhere."""
    everything = page.evaluate(EVERYTHING)
    return [word for word in words if word in everything]


def test_search_finds_what_a_page_holds_while_it_is_needed(page):
    write(page)
    read_back(page)

    assert held(page, NAME, NUMBER) == [NAME, NUMBER]


def test_page_with_the_code_holds_nothing_of_what_was_sent(page):
    write(page)
    send(page)

    assert held(page, NAME, NUMBER) == []


def test_answer_that_was_corrected_is_nowhere_any_more(page):
    write(page, name="Firstwritten")
    read_back(page)
    page.click("#review [data-do=change]")
    assert page.inner_html("#review") == ""
    page.fill("input[name=name]", NAME)
    read_back(page)

    assert held(page, "Firstwritten", NAME) == [NAME]


def test_answers_are_read_back_nowhere_when_the_time_was_gone(page, programme):
    other = Opening.parse("corona.2026-11-25.1000")
    page.click("#times details:has-text('Corona') summary")
    page.check(f"input[name=opening][value='{other}']")
    page.fill("input[name=people]", "1")
    page.check("input[name=visit_type][value=new]")
    page.fill("input[name=name]", NAME)
    read_back(page)
    left = programme.store.seats([other])[other]
    programme.store.set_seats({other: 0})
    page.click("#review [data-do=send]")
    page.wait_for_selector("#problem-opening:not([hidden])")
    programme.store.set_seats({other: left})

    assert page.inner_html("#review") == ""


def test_page_that_shows_a_visit_does_not_hold_its_code(page, url, code):
    look(page, url, code)

    assert held(page, SAID, code, code.replace("-", "")) == [SAID]


def test_visit_that_was_moved_away_from_is_nowhere(page, url, code):
    begin_to_move(page, url, code)
    assert SAID in page.inner_text("#keep")
    write(page)
    send(page)

    assert held(page, NAME, NUMBER) == []
    assert SAID not in page.text_content("#keep")
    assert page.input_value("#keep input") == ""
    assert page.inner_html("#mine") == page.inner_html("#review") == ""


def test_request_that_was_cancelled_is_nowhere(page, url, code, programme):
    """After it was begun to be moved, and the desk came between."""
    begin_to_move(page, url, code)
    write(page)
    id = codes.derive(code, "demo").id
    desk = programme.desk()
    desk.wait(next(it for it in desk.pull(NOON) if it.envelope.id == id), NOON)
    read_back(page)
    page.click("#review [data-do=send]")
    expect(page.locator("#message")).to_contain_text("somebody changed the request")
    assert held(page, NAME, NUMBER) == [NAME, NUMBER], "they may still be sent"
    page.click("#mine [data-do=cancel]")
    page.click("#mine [data-do=yes]")
    expect(page.locator("#mine h1")).to_have_text("It is cancelled")

    assert held(page, NAME, NUMBER, code, SAID) == []
    assert page.is_hidden("#keep")


@pytest.mark.parametrize("shown", ["code", "visit", "move"])
def test_page_that_a_browser_keeps_for_going_back_holds_nothing_and_starts_anew(
    page, url, code, shown
):
    if shown == "code":
        write(page)
        send(page)
        code = codes.parse(page.inner_text("#done [data-fill=code]"))
    elif shown == "visit":
        look(page, url, code)
    else:
        begin_to_move(page, url, code)
        write(page)
        read_back(page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert held(page, NAME, NUMBER, code, code.split("-")[0], SAID) == []

    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")

    assert page.is_visible("#look-form" if shown != "code" else "#request-form")


def test_what_keeps_a_form_off_the_disk_is_not_cleared_with_the_rest(page):
    write(page)
    send(page)
    page.click("#done [data-do=clear]")

    kept = "all => all.map((it) => it.value)"
    assert page.eval_on_selector_all("form input[type=password]", kept) == ["x"]
