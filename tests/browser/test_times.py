"""Times and My request in Chromium: what is shown, what may go wrong, and what stays behind."""

import json

import pytest
from playwright.sync_api import expect

from quietdesk import codes
from quietdesk.openings import Opening
from quietdesk.pages import EXIT
from tests.browser.conftest import OPENING, PHONE
from tests.shots import fill_in
from tests.world import ASKED, NOON

pytestmark = pytest.mark.usefixtures("taking")


def take(page, opening=OPENING):
    page.click("#times details:has-text('Corona') summary")
    page.check(f"input[name=opening][value='{opening}']")


def about_me(page):
    page.fill("input[name=people]", "1")
    page.check("input[name=visit_type][value=new]")
    page.fill("input[name=name]", "Ana")


def send(page):
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    return codes.parse(page.inner_text("#done [data-fill=code]"))


def look(page, url, code, lang="en"):
    page.goto(f"{url}/{lang}/my-request/")
    page.fill("#f-code", code)
    page.click("#look-form button")
    page.wait_for_selector("#mine h1")


@pytest.fixture
def code(page):
    """The code of a time that was taken."""
    take(page)
    about_me(page)
    return send(page)


def find(programme, code):
    id = codes.derive(code, "demo").id
    return next((it for it in programme.desk().pull(NOON) if it.envelope.id == id), None)


# --- Taking --------------------------------------------------------------------------------------


def test_taken_time_is_read_back_and_sealed(page, programme):
    take(page)
    about_me(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    assert page.locator("#review dd").all_inner_texts()[:3] == [
        "Corona",
        "34-33 Junction Blvd, Queens 11372 (confirm with the programme)",
        "Tuesday, November 24, 10:00 AM",
    ]
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    made = codes.parse(page.inner_text("#done [data-fill=code]"))

    item = find(programme, made)
    assert (str(item.opening), item.request.centers) == (OPENING, ("corona",))
    assert str(item.reply.opening) == OPENING


def test_who_takes_none_says_when_to_come_and_reads_the_day_in_the_reply(page, programme):
    fill_in(page)
    made = send(page)

    item = find(programme, made)
    assert item.state == "waiting"
    assert item.reply.look_again.isoformat() == "2026-11-28"


def test_going_back_to_none_asks_for_wishes_again(page):
    take(page)
    assert not page.is_visible("#wishes")
    page.check("#f-opening")

    assert page.is_visible("input[name=windows][value=mon-am]")


def test_time_that_somebody_else_took_is_said_beside_it_and_nothing_typed_is_lost(page, programme):
    other = "corona.2026-11-25.1000"
    take(page, other)
    about_me(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    seat = Opening.parse(other)
    left = programme.store.seats([seat])[seat]
    programme.store.set_seats({seat: 0})
    page.click("#review [data-do=send]")
    page.wait_for_selector("#problem-opening:not([hidden])")

    assert "This time is not free now" in page.inner_text("#problem-opening")
    expect(page.locator("#problems")).to_be_focused()
    assert page.input_value("input[name=name]") == "Ana"
    # The list that shows it may be a minute old.
    assert page.locator(f"input[name=opening][value='{other}']").count() == 0
    assert page.is_checked("#f-opening")
    programme.store.set_seats({seat: left})


def test_times_that_no_admitted_device_signed_are_not_shown(visit, url):
    page = visit(**PHONE)

    def forge(route):
        answer = route.fetch()
        body = answer.json()
        listing = json.loads(body["openings"])
        listing["sigs"][0]["sig"] = "A" * 86
        route.fulfill(json={**body, "openings": json.dumps(listing)})

    page.route("**/api/openings", forge)
    page.goto(f"{url}/en/request/", wait_until="networkidle")

    assert page.locator("#times details").count() == 0
    assert not page.is_visible("#q-opening")
    assert page.is_visible("input[name=centers][value=corona]")
    assert not page.is_visible("#times-link")
    fill_in(page)
    assert send(page)


def test_times_that_cannot_be_had_leave_the_request_form(visit, url):
    page = visit(**PHONE)
    page.route("**/api/openings", lambda route: route.abort())
    page.goto(f"{url}/en/request/", wait_until="networkidle")
    fill_in(page)

    assert send(page)


def test_forged_week_key_for_a_visit_closes_the_form(page):
    take(page)
    about_me(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")

    def this_weeks(route):
        route.fulfill(response=route.fetch(url=route.request.url.replace("2026-W48", "current")))

    page.route("**/api/keys/main/2026-W48", this_weeks)
    page.click("#review [data-do=send]")
    page.wait_for_selector("#message:not([hidden])")

    assert "closed" in page.inner_text("#message")


def test_times_are_reached_by_keyboard(page):
    """All times are one group of radio buttons: Tab reaches it, arrows walk through it."""
    page.focus("#times summary >> nth=0")
    page.keyboard.press("Enter")
    while page.evaluate("document.activeElement.id") != "f-opening":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")

    assert page.evaluate("document.activeElement.checked")
    assert page.evaluate("document.activeElement.value").startswith("bronx-library.")
    assert not page.is_visible("#wishes")


# --- The code ------------------------------------------------------------------------------------


def test_what_is_not_a_code_is_said_beside_it_and_stays(visit, url):
    page = visit(**PHONE)
    page.goto(f"{url}/en/my-request/")
    page.fill("#f-code", "7K3M")
    page.click("#look-form button")

    expect(page.locator("#f-code")).to_be_focused()
    assert "This is not a code" in page.inner_text("#problem-code")
    assert page.input_value("#f-code") == "7K3M"
    assert page.get_attribute("#f-code", "aria-invalid") == "true"


def test_code_itself_never_leaves_the_phone(page, url, code):
    sent = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    look(page, url, code)

    assert "You have an appointment" in page.inner_text("#mine")
    for form in (code, code.replace("-", ""), code.lower()):
        assert form not in " ".join(sent)


def test_calendar_file_is_made_on_the_phone(page, url, code):
    look(page, url, code)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_download() as download:
        page.click("#mine [data-do=calendar]")

    text = download.value.path().read_text()
    assert download.value.suggested_filename == "appointment.ics"
    assert "SUMMARY:Appointment\n" in text
    assert "DTSTART:20261124T100000\n" in text
    assert "Corona" not in text
    assert [address for address in asked if address.startswith("http")] == []


def test_printed_slip_has_the_visit_and_the_code_and_no_buttons(page, code):
    page.emulate_media(media="print")

    assert page.is_visible("#done [data-fill=code]")
    assert page.is_visible("#done [data-fill=address]")
    assert not page.is_visible("#done [data-do=print]")
    assert not page.is_visible(".exit")
    assert code[:4] in page.inner_text("#done")


def test_keeping_it_goes_back_to_the_visit(page, url, code, programme):
    look(page, url, code)
    page.click("#mine [data-do=cancel]")
    page.click("#mine [data-do=keep]")
    page.wait_for_selector("#mine dl")

    assert find(programme, code)


def test_request_that_is_gone_meanwhile_is_not_moved(page, url, code, programme):
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#times details")
    programme.store.erase(find(programme, code).envelope)
    page.check("#f-opening")
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#message:not([hidden])")

    assert "no request for this code any more" in page.inner_text("#message")
    assert page.is_visible("#review dl")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    fresh = codes.parse(page.inner_text("#done [data-fill=code]"))
    assert fresh != code
    assert find(programme, fresh).request.name == ASKED["name"][0]


@pytest.mark.parametrize("answer", ["abort", "503", "500"])
def test_lookup_that_fails_says_so_and_keeps_the_code(visit, url, answer):
    page = visit(**PHONE)

    def fail(route):
        if answer == "abort":
            route.abort()
        else:
            route.fulfill(status=int(answer), body='{"error":"unavailable"}')

    page.route("**/api/requests/check", fail)
    page.goto(f"{url}/en/my-request/")
    page.fill("#f-code", "7K3M-9QXT-2B6H-W3ZD")
    page.click("#look-form button")
    page.wait_for_selector("#message:not([hidden])")

    assert "311" in page.inner_text("#message")
    assert page.input_value("#f-code") == "7K3M-9QXT-2B6H-W3ZD"


def test_cancelling_that_fails_does_not_say_that_it_is_cancelled(page, url, code):
    look(page, url, code)
    page.click("#mine [data-do=cancel]")
    page.route("**/api/requests/check", lambda route: route.abort())
    page.click("#mine [data-do=yes]")
    page.wait_for_selector("#message:not([hidden])")

    assert "We do not know what became of it" in page.inner_text("#message")
    assert "It is cancelled" not in page.inner_text("main")


def test_answer_of_another_request_does_not_open(page, url, code):
    """Who changes answers on the way can hide a visit, never put another in its place."""
    page.route("**/api/requests/check", lambda route: route.fulfill(status=200, body=b"x" * 284))
    look(page, url, code)

    assert "We find nothing for this code" in page.inner_text("#mine")


def test_page_clears_itself_after_three_idle_minutes(page, url, code):
    look(page, url, code)
    page.clock.run_for(185_000)

    assert page.is_visible("#done h1")
    assert "Corona" not in page.inner_text("main")
    assert page.input_value("#f-code") == ""


def test_leaving_takes_everything_with_it(page, url, code):
    look(page, url, code)
    page.route(EXIT, lambda route: route.fulfill(body="weather"))
    page.click("#leave")
    page.wait_for_url(EXIT)
    page.go_back()

    assert "Corona" not in page.content().partition('id="done"')[0].partition('id="mine"')[2]


def test_shift_three_times_leaves_like_the_link(page, url, code):
    look(page, url, code)
    page.route(EXIT, lambda route: route.fulfill(body="weather"))
    for _ in range(3):
        page.keyboard.press("Shift")

    page.wait_for_url(EXIT)


def test_writing_capitals_or_waiting_between_does_not_leave(page, url):
    page.route(EXIT, lambda route: route.fulfill(body="weather"))
    page.focus("input[name=name]")
    for letter in "ANA":
        page.keyboard.press(f"Shift+{letter}")
    for _ in range(3):
        page.keyboard.press("Shift")
        page.clock.run_for(4_000)

    assert page.url == f"{url}/en/request/"
    assert page.input_value("input[name=name]") == "ANA"


def test_nothing_is_written_into_the_address_the_history_or_any_storage(page, url, code):
    look(page, url, code)
    page.click("#mine [data-do=cancel]")

    assert page.url == f"{url}/en/my-request/"
    kept = page.evaluate(
        "[localStorage.length, sessionStorage.length, document.cookie, history.state]"
    )
    assert kept == [0, 0, "", None]
    assert page.evaluate("history.length") == 3  # the blank page, the request, and this one


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_every_panel_fits_the_screen(visit, url, width, programme):
    page = visit(viewport={"width": width, "height": 700})

    def fits():
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.goto(f"{url}/es/request/")
    page.wait_for_selector("#times details")
    for summary in page.locator("#times summary").all():
        summary.click()
    fits()
    page.check("input[name=opening][value='corona.2026-11-27.1000']")
    about_me(page)
    page.check("input[name=language][value=es]")
    made = send(page)
    fits()
    look(page, url, made, "es")
    fits()
    page.click("#mine [data-do=cancel]")
    fits()
    page.click("#mine [data-do=yes]")
    page.wait_for_selector("#mine h1:has-text('cancelada')")
    fits()


# --- Without scripts -----------------------------------------------------------------------------


def test_plain_phone_sees_the_times_takes_one_and_moves_it(visit, url, programme):
    page = visit(clock=False, java_script_enabled=False, **PHONE)
    page.goto(f"{url}/es/request/")
    page.click("#times-link a")
    page.click("#times summary >> nth=0")
    page.check("input[name=opening] >> nth=1")
    about_me(page)
    page.check("input[name=language][value=es]")
    page.click("#request-form button[type=submit]")
    page.click("button[value=send]")
    made = codes.parse(page.inner_text("[data-fill=code]"))
    assert find(programme, made).state == "placed"

    page.goto(f"{url}/es/my-request/")
    page.fill("#f-code", made)
    page.click("#look-form button")
    page.click("button[value=move]")
    page.check("#f-opening")
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.click("button[value=send]")

    assert codes.parse(page.inner_text("[data-fill=code]")) == made
    assert find(programme, made).state == "waiting"
    assert made not in page.url


# --- What came between ---------------------------------------------------------------------------


def test_moving_keeps_the_time_unless_another_is_taken(page, url, code, programme):
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#keep:not([hidden])")
    assert page.inner_text("#keep") == "Keep this time: Corona: Tuesday, November 24, 10:00 AM"
    assert page.is_checked("#keep input")
    about_me(page)
    page.fill("input[name=people]", "3")
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")

    item = find(programme, code)
    assert (str(item.opening), item.request.people) == (OPENING, 3)


def test_what_the_desk_did_meanwhile_is_shown_and_what_was_typed_stays(page, url, code, programme):
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#keep:not([hidden])")
    about_me(page)
    programme.desk().wait(find(programme, code), NOON)
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")

    said = "somebody changed the request at the same time"
    expect(page.locator("#message")).to_contain_text(said)
    assert "Your request is waiting" in page.inner_text("#mine")
    page.click("#mine [data-do=move]")
    assert page.input_value("input[name=name]") == "Ana"
    page.click("#times details:has-text('Corona') summary")
    page.check(f"input[name=opening][value='{OPENING}']")
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    assert str(find(programme, code).opening) == OPENING


def test_answers_changed_after_a_lost_answer_are_one_request(page, programme):
    def lose(route):
        route.fetch()  # it arrives
        route.abort()  # and its answer does not

    before = len(list(programme.desk().pull(NOON)))
    page.route("**/api/requests", lose)
    take(page)
    about_me(page)
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#message:not([hidden])")
    page.unroute("**/api/requests")
    page.click("#review [data-do=change]")
    page.fill("input[name=people]", "4")
    made = send(page)

    assert find(programme, made).request.people == 4
    assert len(list(programme.desk().pull(NOON))) == before + 1


def test_phone_that_cannot_look_lets_our_computer_look_when_told(page, url, code):
    page.goto(f"{url}/en/my-request/")
    page.evaluate("void (crypto.subtle.deriveBits = () => { throw new Error() })")
    page.fill("#f-code", code)
    page.click("#look-form button")
    page.wait_for_selector("#message [data-do=plain]")
    assert "This phone cannot look by itself" in page.inner_text("#message")

    with page.expect_navigation():
        page.click("#message [data-do=plain]")
    assert "Tuesday, November 24" in page.inner_text("main")


def test_moving_goes_on_without_locking_under_the_same_code(page, url, code, programme):
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#keep:not([hidden])")
    about_me(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    page.evaluate("void (crypto.subtle.encrypt = () => { throw new Error() })")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#message [data-do=plain]")
    with page.expect_navigation():
        page.click("#message [data-do=plain]")

    assert "Ana" in page.inner_text("main dl")
    page.click("button[value=send]")
    assert codes.parse(page.inner_text("[data-fill=code]")) == code
    assert find(programme, code).request.name == "Ana"


def test_day_to_look_again_is_told_in_days_when_it_cannot_be_had(page, url, code, programme):
    page.route("**/api/openings", lambda route: route.abort())
    look(page, url, code)
    page.click("#mine [data-do=move]")
    page.check("#f-opening")
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")

    assert "Look again in 6 days." in page.inner_text("#done")
    assert "Look again on" not in page.inner_text("#done")


def test_code_can_be_typed_again_at_once(page, url):
    look(page, url, codes.new())
    page.click("#mine [data-do=again]")

    expect(page.locator("#page-title")).to_be_focused()
