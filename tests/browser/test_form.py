"""The form in Chromium: asks, reads back, locks, sends, and leaves nothing behind."""

import json

import pytest
from playwright.sync_api import expect

from quietdesk import codes
from quietdesk.pages import EXIT
from tests.shots import fill_in
from tests.world import ASKED, NOON

PHONE = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture
def page(visit, url):
    opened = visit(**PHONE)
    opened.goto(f"{url}/es/request/")
    expect(opened.locator("#script-note")).to_be_visible()
    return opened


def read_back(page):
    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")


def send(page):
    page.click("#review [data-do=send]")


def ask(page):
    read_back(page)
    send(page)
    page.wait_for_selector("#done [data-fill=code]")
    return codes.parse(page.inner_text("#done [data-fill=code]"))


def typed_name(page):
    return page.input_value("input[name=name]")


def waiting(programme):
    return {item.envelope.id: item.request for item in programme.desk().pull(NOON)}


# --- Asking --------------------------------------------------------------------------------------


def test_request_locked_on_the_phone_opens_at_the_desk(page, programme):
    code = ask(page)

    request = waiting(programme)[codes.derive(code, "demo").id]
    assert (request.name, request.language) == (ASKED["name"][0], "bn")
    assert (request.phone, request.reach) == ("7185550123", ("text",))
    assert "sábado 28 de noviembre" in page.inner_text("#done")


def test_what_is_posted_holds_nothing_readable(page):
    sent = []
    page.on("request", lambda it: sent.append(f"{it.method} {it.url} {it.post_data}"))

    code = ask(page)

    assert len([it for it in sent if it.startswith("POST")]) == 1
    for readable in ("Corona", "718555", code, code.replace("-", ""), code.lower()):
        assert [it for it in sent if readable in it] == []


def test_answers_are_read_back_in_words(page):
    read_back(page)

    said = page.locator("#review dd").all_inner_texts()
    assert said == [
        "Corona", "lunes: Mañana", "sábado: Tarde", "2", "1", "Una primera tarjeta", "বাংলা",
        "Una entrada sin escalones", ASKED["name"][0], "Pueden enviarme un mensaje de texto",
        "7185550123", "Es mío",
    ]  # fmt: skip


def test_change_goes_back_to_everything_typed(page):
    read_back(page)
    page.click("#review [data-do=change]")

    assert typed_name(page) == ASKED["name"][0]
    assert page.is_checked("input[name=centers][value=corona]")


def test_problems_are_summed_up_with_the_focus_and_lead_to_their_fields(page):
    page.fill("input[name=people]", "many")
    page.click("#request-form button[type=submit]")

    expect(page.locator("#problems")).to_be_focused()
    assert page.title().startswith("Hay un problema: ")
    assert page.inner_text("#problem-people") == "Escriba un número entero, como 1."
    assert page.get_attribute("#f-people", "aria-invalid") == "true"
    assert not page.is_visible("#problem-language")
    page.click("#problems a[href='#f-people']")
    expect(page.locator("#f-people")).to_be_focused()
    assert "#" not in page.url

    fill_in(page)
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    assert not page.is_visible("#problems")


# --- What can go wrong ---------------------------------------------------------------------------


def test_retry_after_a_lost_answer_posts_the_same_bytes_and_counts_once(page, programme):
    bodies = []

    def lose_the_answer(route):
        bodies.append(route.request.post_data)
        if len(bodies) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/requests", lose_the_answer)
    before = len(waiting(programme))
    read_back(page)
    send(page)
    expect(page.locator("#message")).to_contain_text("No sabemos si su solicitud llegó")
    expect(page.locator("#message")).to_be_focused()
    send(page)
    page.wait_for_selector("#done [data-fill=code]")

    assert bodies == [bodies[0]] * 2
    assert len(waiting(programme)) == before + 1


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (503, "unavailable", "no podemos recibir solicitudes"),
        (400, "epoch", "Empezó una nueva semana"),
        (400, "malformed", "no aceptó esta solicitud"),
        (409, "conflict", "no aceptó esta solicitud"),
        (500, "", "No sabemos si su solicitud llegó"),
    ],
)
def test_refusal_is_said_in_words_and_can_be_tried_again(page, status, error, said):
    answers = [{"status": status, "body": json.dumps({"error": error})}]
    page.route(
        "**/api/requests",
        lambda route: route.fulfill(**answers.pop()) if answers else route.continue_(),
    )
    read_back(page)
    send(page)
    expect(page.locator("#message")).to_contain_text(said)
    assert typed_name(page) == ASKED["name"][0]

    send(page)

    page.wait_for_selector("#done [data-fill=code]")


@pytest.mark.parametrize("answer", [{"status": 404}, {"body": "{}"}, {"body": "not json"}])
def test_form_closes_with_the_phone_line_when_the_key_is_not_right(visit, url, answer):
    page = visit(**PHONE)
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.route("**/api/keys/**", lambda route: route.fulfill(**answer))
    page.goto(f"{url}/en/request/")

    expect(page.locator("#message")).to_contain_text("Requests are closed right now")
    assert "311" in page.inner_text("#message")
    assert not page.is_visible("#request-form")
    assert "POST" not in sent


def test_form_closes_when_too_few_custodians_are_trusted(visit, url):
    page = visit(**PHONE)

    def ask_for_two(route):
        answer = route.fetch()
        html = answer.text().replace('data-threshold="1"', 'data-threshold="2"')
        route.fulfill(response=answer, body=html)

    page.route("**/en/request/", ask_for_two)
    page.goto(f"{url}/en/request/")

    expect(page.locator("#message")).to_contain_text("Requests are closed right now")


def test_what_was_typed_stays_when_the_list_of_pages_is_looked_at(page):
    page.fill("input[name=name]", "Rosa")

    page.click(".menu >> text=Más páginas")

    assert page.locator("#pages").is_visible()
    assert typed_name(page) == "Rosa"
    page.go_back()
    assert typed_name(page) == "Rosa"


def test_without_a_network_the_form_stays_open_and_keeps_what_was_typed(visit, url):
    page = visit(**PHONE)
    page.route("**/api/keys/**", lambda route: route.abort())
    page.goto(f"{url}/en/request/")
    fill_in(page)
    page.click("#request-form button[type=submit]")
    expect(page.locator("#message")).to_contain_text("Check your connection")
    assert typed_name(page) == ASKED["name"][0]

    page.unroute("**/api/keys/**")
    page.click("#request-form button[type=submit]")

    page.wait_for_selector("#review dl")


def test_when_locking_fails_the_plain_form_is_offered_and_never_chosen(page):
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.evaluate("void (crypto.subtle.deriveBits = () => { throw new Error() })")
    read_back(page)
    send(page)

    expect(page.locator("#message")).to_contain_text("No se pudieron cerrar con llave")
    assert typed_name(page) == ASKED["name"][0]
    assert "POST" not in sent
    with page.expect_navigation():
        page.click("#message [data-do=plain]")
    assert ASKED["name"][0] in page.inner_text("main dl")


def test_old_browser_keeps_the_plain_form(visit, url):
    page = visit(**PHONE)
    page.add_init_script("delete window.BigInt")
    page.goto(f"{url}/en/request/", wait_until="networkidle")

    assert page.is_visible("#plain-note")
    assert not page.is_visible("#script-note")


# --- Leaving nothing behind ----------------------------------------------------------------------

TRACES = """() => [localStorage.length, sessionStorage.length, document.cookie, history.state,
  location.pathname + location.search + location.hash]"""


def test_code_is_shown_once_and_nothing_stays(page, url):
    code = ask(page)
    assert typed_name(page) == ""
    assert ASKED["name"][0] not in page.inner_html("#done")
    assert page.evaluate(TRACES) == [0, 0, "", None, "/es/request/"]

    page.click("#done [data-do=clear]")
    assert code not in page.content()
    page.goto(f"{url}/es/")
    page.go_back(wait_until="networkidle")

    assert page.is_visible("#request-form")
    assert typed_name(page) == ""
    assert code not in page.content()


def test_code_can_be_copied_under_the_real_headers(page):
    page.context.grant_permissions(["clipboard-write"])
    code = ask(page)

    page.click("#done [data-do=copy]")

    expect(page.locator("#progress")).to_contain_text("Copiado")
    page.set_content("<textarea></textarea>")
    page.focus("textarea")
    page.keyboard.press("ControlOrMeta+V")
    assert page.input_value("textarea") == code


def test_where_copying_is_not_allowed_the_code_is_marked(page):
    page.evaluate("void (navigator.clipboard.writeText = async () => { throw new Error() })")
    code = ask(page)

    page.click("#done [data-do=copy]")

    expect(page.locator("#progress")).to_contain_text("cópielo a mano")
    assert codes.parse(page.evaluate("getSelection().toString()")) == code


def test_leaving_blanks_the_page_and_goes_elsewhere_without_a_way_back(page):
    page.route(f"{EXIT}**", lambda route: route.fulfill(body="weather"))
    fill_in(page)
    before = page.evaluate("history.length")

    page.click(".exit")

    page.wait_for_url(EXIT)
    assert page.evaluate("history.length") == before


def test_page_is_clear_after_going_away_and_back(page, url):
    fill_in(page)
    page.goto(f"{url}/es/privacy/")
    page.go_back(wait_until="networkidle")

    assert typed_name(page) == ""
    assert not page.is_checked("input[name=centers][value=corona]")


def test_page_that_a_browser_keeps_for_going_back_is_emptied_first(page):
    """Headless Chromium keeps none; browsers of people do, with everything that stands in it."""
    read_back(page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")

    assert typed_name(page) == ""
    assert ASKED["name"][0] not in page.content()


def test_paused_page_warns_and_then_clears_itself(page):
    fill_in(page)
    page.clock.run_for(121_000)
    expect(page.locator("#idle")).to_be_visible()
    page.click("#idle-stay")
    expect(page.locator("#idle")).to_be_hidden()
    page.clock.run_for(121_000)
    assert typed_name(page) == ASKED["name"][0]

    page.clock.run_for(60_000)

    assert typed_name(page) == ""
    expect(page.locator("#done")).to_contain_text("Esta página está borrada")


def test_page_of_ones_own_phone_is_not_cleared(page):
    fill_in(page)
    page.check("#own")
    page.clock.run_for(300_000)

    assert typed_name(page) == ASKED["name"][0]
    assert not page.is_visible("#idle")


# --- Without scripts -----------------------------------------------------------------------------


def test_plain_form_keeps_what_was_typed_and_shows_the_code(visit, url, programme):
    page = visit(clock=False, java_script_enabled=False, **PHONE)
    page.goto(f"{url}/es/request/")
    expect(page.locator("#plain-note")).to_be_visible()
    page.fill("input[name=name]", '<b>"রহিমা"')
    page.click("#request-form button")
    expect(page.locator("#problems")).to_be_visible()
    assert typed_name(page) == '<b>"রহিমা"'

    fill_in(page)
    page.click("#request-form button")
    page.click("button[value=change]")
    assert typed_name(page) == ASKED["name"][0]
    page.click("#request-form button")
    page.click("button[value=send]")

    code = codes.parse(page.inner_text("[data-fill=code]"))
    assert codes.derive(code, "demo").id in waiting(programme)
