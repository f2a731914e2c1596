"""The document helper in Chromium: what it says, that nothing leaves the page, and paper."""

import gzip
import re

import pytest

from quietdesk.pages import EXIT
from tests.world import ROOT

PHONE = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture
def papers(visit, url):
    """Opens the documents page of a language."""

    def open_page(lang="en", **options):
        page = visit(**PHONE, **options)
        page.goto(f"{url}/{lang}/documents/", wait_until="networkidle")
        return page

    return open_page


def box(page, paper):
    return page.locator(f"tr[data-paper={paper}] input")


def tick(page, *papers):
    for paper in papers:
        if not box(page, paper).is_visible():
            row = page.locator(f"tr[data-paper={paper}]")
            page.locator("details", has=row).locator("summary").click()
        box(page, paper).check()


def lines(page, part):
    return page.locator(f"#answer [data-part={part}] li").all_inner_texts()


def seen_rows(page):
    return page.evaluate(
        "[...document.querySelectorAll('tr[data-paper]')].filter((row) =>"
        " row.checkVisibility({contentVisibilityAuto: true}) && row.offsetHeight > 0).length"
    )


@pytest.mark.parametrize("lang", ["en", "es"])
def test_answer_is_said_in_the_language_of_the_page(papers, city, lang):
    page = papers(lang)

    def words(text, **values):
        return city.words.get(lang, {}).get(text, text).format(**values)

    assert page.inner_text("#answer h2") == words("Tick the papers that you have.")
    assert page.text_content("#said") == ""

    tick(page, "consular_id")
    assert page.inner_text("#answer h2") == words("Still missing:")
    points = [words(f"Points for {half}: {{number}}", number=1) for half in ("identity", "address")]
    assert lines(page, "missing") == points
    assert page.text_content("#said") == f"{words('Still missing:')} {' · '.join(points)}"
    assert words("Bank or credit card statement") in lines(page, "add")[0]
    assert words("Birth certificate from another country") in lines(page, "add")[0]

    tick(page, "foreign_birth_certificate", "pay_stub")
    assert page.inner_text("#answer h2") == words("It seems enough.")
    assert lines(page, "bring")[2].split("\n") == [
        words("Pay stub"),
        words("Not older than {days} days.", days=60),
    ]
    assert words("The staff at the desk decide.") in page.inner_text("#answer")
    note = "Nobody has checked this list with the programme. Call {phone} to be sure."
    assert words(note, phone=city.phone) in page.inner_text("#answer")


def test_what_hangs_on_a_doubt_is_for_the_staff(papers):
    page = papers()

    tick(page, "access_a_ride", "us_birth_certificate", "lease")
    assert page.text_content("#said").strip() == "We cannot tell. Ask the staff."
    assert lines(page, "ask") == ["Does one of these papers have your photo?"]

    tick(page, "street_vendor_license")
    assert "Does this paper count? NYC street vendor license" in lines(page, "ask")
    tick(page, "school_id_dob")
    assert page.text_content("#said").strip() == "It seems enough."
    assert lines(page, "ask") == []
    assert "NYC street vendor license" not in lines(page, "bring")


def test_weaker_twin_is_named_and_not_on_the_list(papers):
    page = papers()

    tick(page, "us_passport", "us_passport_expired_3y", "lease")

    assert lines(page, "beside") == [
        "“U.S. passport or card that expired less than 3 years ago” does not count beside "
        "“U.S. passport or passport card, not expired”."
    ]
    assert len(lines(page, "bring")) == 2


def test_age_changes_the_answer(papers):
    page = papers()
    tick(page, "us_birth_certificate", "us_transcript_dob", "lease")
    assert lines(page, "missing") == ["A paper with your photo"]

    page.check("[data-age='14'][data-caretaker]")
    assert page.text_content("#said").strip() == "It seems enough."
    assert lines(page, "bring")[-1].startswith("An adult who cares for you must come too")
    page.check("[data-age='9']")
    assert page.inner_text("#answer h2") == "The card is for people of 10 years or older."
    assert lines(page, "bring") == []


def test_nothing_ticked_is_sent_stored_or_in_the_address(papers):
    page = papers()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    address, visited = page.url, page.evaluate("history.length")

    tick(page, "green_card", "ice_order_of_supervision", "consular_id")
    page.check("[data-age='10']")
    page.click("[data-do=read]")
    page.evaluate("window.print = () => {}")
    page.click("[data-do=print]")
    page.wait_for_load_state("networkidle")

    assert asked == []
    assert (page.url, page.evaluate("history.length")) == (address, visited)
    kept = page.evaluate(
        "(async () => [localStorage.length, sessionStorage.length, document.cookie,"
        " (await indexedDB.databases()).length, (await caches.keys()).length,"
        " history.state, window.name])()"
    )
    assert kept == [0, 0, "", 0, 0, None, ""]


def is_clear(page):
    return page.evaluate(
        "!document.querySelector('tr input:checked, #answer li:is([data-part=bring] li)')"
        " && !document.querySelector('details[open]')"
        " && !document.documentElement.classList.contains('only-answer')"
        " && document.querySelector('#said').textContent === ''"
    )


def test_start_over_clears_everything(papers):
    page = papers()
    tick(page, "green_card", "lease")
    page.check("[data-age='10']")

    page.click("[data-do=clear]")

    assert is_clear(page)
    assert page.locator("input[name=age]").last.is_checked()
    assert page.evaluate("document.activeElement.textContent") == "Do your papers seem enough?"


@pytest.mark.parametrize("back", ["go_back", "reload"])
def test_coming_back_finds_nothing_ticked(papers, url, back):
    page = papers()
    tick(page, "green_card", "lease")

    if back == "go_back":
        page.goto(f"{url}/en/privacy/")
    getattr(page, back)(wait_until="networkidle")

    assert is_clear(page)


def test_page_that_is_kept_for_going_back_is_cleared_first(papers):
    page = papers()
    tick(page, "green_card", "lease")

    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")

    assert is_clear(page)


@pytest.mark.parametrize("by", ["link", "key"])
def test_leaving_goes_away_and_takes_the_page_out_of_the_history(papers, url, by):
    page = papers()
    page.route(f"{EXIT}**", lambda route: route.fulfill(body="<title>Away</title>"))
    page.goto(f"{url}/en/", wait_until="networkidle")
    page.goto(f"{url}/en/documents/", wait_until="networkidle")
    tick(page, "green_card")

    if by == "link":
        page.click("#leave")
    for _ in range(3 if by == "key" else 0):
        page.keyboard.press("Shift")

    page.wait_for_url(EXIT)
    page.go_back()
    assert page.url == f"{url}/en/"


def test_every_group_is_closed_until_it_is_opened(papers):
    page = papers()

    assert page.locator("details").count() == 16
    assert page.locator("details[open]").count() == 0
    assert not page.get_by_text("green card").is_visible()


def test_without_scripts_the_page_is_a_whole_table(papers):
    page = papers(java_script_enabled=False, clock=False)

    assert page.locator("tr[data-paper]").count() == 102
    assert page.locator("article input:visible").count() == 0
    for hidden in ("#helper", "#verdict", "#answer"):
        assert not page.locator(hidden).is_visible()
    assert page.get_by_text("Pay stub").is_visible()
    assert not page.get_by_text("green card").is_visible()
    page.locator("summary", has_text="Other federal papers").first.click()
    assert page.get_by_text("green card").is_visible()


def test_whole_table_is_printed_even_what_is_folded(visit, url):
    page = visit(**PHONE)
    page.route("**/documents.js", lambda route: route.abort())  # as on a phone without scripts
    page.goto(f"{url}/en/documents/")
    assert seen_rows(page) < 102

    page.emulate_media(media="print")

    assert seen_rows(page) == 102
    assert page.locator("td", has_text="for identity").first.is_visible()


def test_printed_sheet_is_the_list_the_rule_and_the_phone_line(papers, city):
    page = papers("es")
    tick(page, "consular_id", "school_id_dob", "school_id_no_dob", "pay_stub", "w2_1099_1095")
    page.check("[data-age='10']")
    sheets = re.findall(rb"/Type ?/Page[^s]", page.pdf(format="Letter"))
    assert len(sheets) == 1

    page.emulate_media(media="print")
    shown = page.inner_text("body")
    for text in (
        "Lleve estos",
        "Talón de pago",
        "No debe tener más de 60 días.",
        "La regla",
        city.phone,
    ):
        assert text in shown
    assert seen_rows(page) == 0
    for part in ("#helper", "#verdict", ".menu", "[data-do=print]", "[data-part=add]"):
        assert not page.locator(part).first.is_visible()


def test_helper_works_by_keyboard(papers):
    page = papers()
    page.focus("input[name=age]:checked")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.caretaker") == ""
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")

    assert box(page, "us_passport").is_checked()
    assert page.text_content("#said") == "Still missing: Points for address: 1"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.do") == "read":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Still missing:"


def test_what_has_the_focus_is_not_under_the_bar(papers):
    page = papers()
    tick(page, "us_passport")
    page.locator("summary").nth(8).click()
    page.focus("summary >> nth=8")
    for _ in range(12):
        page.keyboard.press("Tab")
        below, bar = page.evaluate(
            "[document.activeElement.getBoundingClientRect().bottom,"
            " document.querySelector('#verdict').getBoundingClientRect().top]"
        )
        assert below <= bar


def test_open_tables_stay_inside_their_box_on_the_smallest_phone(visit, url):
    page = visit(viewport={"width": 320, "height": 640})
    for lang in ("en", "es"):
        page.goto(f"{url}/{lang}/documents/", wait_until="networkidle")
        page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")

        wide = page.evaluate(
            "[...document.querySelectorAll('details table')].filter((it) =>"
            " it.getBoundingClientRect().right"
            " > it.parentElement.getBoundingClientRect().right).length"
        )
        assert wide == 0


def test_script_and_its_rules_are_small(papers):
    page = papers()
    script = (ROOT / "site/pages/assets/documents.js").read_bytes()
    rules = page.evaluate("document.querySelector('#rules').content.textContent").encode()

    assert len(gzip.compress(script)) < 3000
    assert len(gzip.compress(rules)) < 2000
