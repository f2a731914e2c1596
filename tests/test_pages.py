import re
from dataclasses import replace
from datetime import date

import pytest

from quietdesk import pages, request
from quietdesk.openings import Opening
from quietdesk.pages import UNKEPT, Filled, Offer, Pages, speech, visits
from quietdesk.pages.speech import Words
from quietdesk.replies import Reply, waiting
from quietdesk.website import words
from tests.world import ASKED, ROOT

CODES = ("missing", "unknown", "too_many", "too_long", "number", "range", "phone", "choose")
CODE = "7K3M-9QXT-2B6H-W3ZD"
CARRIED = {"code": CODE, "week": "2026-W47"}
VISIT = Reply("placed", None, Opening.parse("corona.2026-12-03.0930"))
HOSTILE = "\"><script>alert(1)</script>'{{ 7*7 }}{x}&amp;"
NEVER_SAID = re.compile(
    r"\b(epochs?|envelopes?|wraps?|wrapped|kids?|HPKE|bundles?|anonymous|an[oó]nim[oa]s?"
    r"|guaranteed?|garantizad[oa]s?)\b|100 ?%",
    re.IGNORECASE,
)


@pytest.fixture
def made(city):
    return Pages(city, (b"one", b"two"), 2)


def all_texts():
    return {*words.of_site(), *words.of_desk(), *words.of_city(ROOT / "site/city")}


def visible(html):
    """The text that people see or hear; not names of classes and addresses."""
    said = re.findall(r'(?:aria-label|data-say|content|alt|title)="([^"]*)"', html)
    return re.sub(r"<[^>]*>", " ", html) + " ".join(said)


# --- Words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", request.FIELDS)
@pytest.mark.parametrize("code", [*CODES, "a code of next year"])
def test_every_code_of_every_field_has_words_in_every_language(city, made, field, code):
    for locale in city.locales:
        said = speech.problem(Words(city, locale.tag), field, code)

        assert len(said) > 5
        assert "{" not in said
    said = {speech.problem(Words(city, it.tag), field, code) for it in city.locales}
    assert len(said) == len(city.locales)


def test_words_that_people_must_not_read_are_nowhere():
    catalogs = (words.catalog(path) for path in (ROOT / "site/words").glob("*.po"))
    texts = all_texts() | {text for catalog in catalogs for text in catalog.values()}
    texts |= {path.read_text("utf-8") for path in (ROOT / "site/pages").rglob("*.md")}

    assert [text for text in texts if NEVER_SAID.search(text)] == []
    assert NEVER_SAID.search("your envelope is 100% safe")


def test_what_pages_say_of_a_button_is_what_the_button_says():
    said = {
        text
        for path in (ROOT / "site/pages").rglob("*.md")
        for text in re.findall(r'words\("([^"]*)"\)', path.read_text("utf-8"))
    }

    assert said
    assert said - all_texts() == set()


def test_missing_translation_shows_english(city):
    assert Words(city, "es")("A text of next year") == "A text of next year"


# --- The form ------------------------------------------------------------------------------------


def test_form_asks_the_allowed_fields_and_no_other(made):
    names = set(re.findall(r' name="(\w+)"', made.form("en").partition("<form")[2]))

    assert names == {*request.FIELDS, "lang", "step"}


def test_every_value_on_the_form_is_one_that_parse_takes(city, made):
    html = made.form("en")
    for field in ("centers", "windows", "access", "reach", "visit_type", "phone_owner"):
        values = re.findall(rf'name="{field}" value="([^"]*)"', html)

        assert values
        for value in values:
            request.parse({**ASKED, field: [value], "phone": [ASKED["phone"][0]]}, city)


@pytest.mark.parametrize("field", ["name", "people", "children", "phone"])
def test_typed_text_stays_and_cannot_become_markup(made, field):
    html = made.form("es", Filled({field: [HOSTILE]}, {field: "missing"}, "unavailable"))

    assert "<script>alert" not in html
    assert "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;{{ 7*7 }}{x}&amp;amp;" in html


def test_ticked_answers_stay(made):
    html = made.form("en", Filled(ASKED, {"name": "missing"}))

    checked = re.findall(r'name="(\w+)" value="([\w-]+)"[^>]* checked', html)

    assert set(checked) == {
        (field, value)
        for field, values in ASKED.items()
        for value in values
        if field not in ("people", "children", "name", "phone")
    }


def test_fresh_form_lets_nobody_be_contacted(made):
    checked = re.findall(r'name="(\w+)" value="([\w-]+)"[^>]* checked', made.form("es"))

    assert checked == [("language", "es")]


def test_problems_are_beside_the_field_and_in_a_summary_that_has_the_focus(made):
    html = made.form("en", Filled({}, {"people": "range", "name": "missing"}))

    assert html.count("Write a number from 1 to 6.") == 2 + 1  # the third is for the script
    assert re.search(r'<div id="problems"[^>]* autofocus>', html)
    assert re.search(r'href="#f-people".*href="#f-name"', html, re.DOTALL)
    assert re.search(r'<input id="f-name"[^>]*aria-describedby="hint-name problem-name"', html)
    assert re.search(r'<input id="f-name"[^>]*aria-invalid="true"', html)
    assert "<title>There is a problem: " in html


@pytest.mark.parametrize("notice", ["unavailable", "closed", "replace"])
def test_notice_names_the_phone_line(made, city, notice):
    for locale in city.locales:
        html = made.form(locale.tag, Filled(ASKED, notice=notice))
        box = re.search(r'<div id="message"[^>]* autofocus>(.*?)</div>', html, re.DOTALL)

        assert f'<bdi dir="ltr">{city.phone}</bdi>' in box[1]
        assert "রহিমা" in html


def test_form_tells_the_script_whom_to_trust(made, city):
    html = made.form("en")

    assert 'data-custodians="b25l dHdv" data-threshold="2"' in html
    assert f'data-queue="{city.queue}" data-deployment="{city.deployment}"' in html


def test_unknown_language_gets_the_first_one(made):
    assert '<html lang="en" dir="ltr">' in made.form("xx")


# --- What follows --------------------------------------------------------------------------------


def test_answers_are_read_back_in_words(made, city):
    asked = request.parse(ASKED, city)

    html = made.review("es", asked, ASKED, CARRIED)

    for said in ("Corona", "lunes: Mañana", "sábado: Tarde", "বাংলা", "রহিমা", "7185550123"):
        assert f"<dd><bdi>{said}</bdi></dd>" in html
    assert '<button type="submit" name="step" value="send"' in html
    assert '<button type="submit" name="step" value="change"' in html


def test_who_gives_no_number_reads_that_nobody_contacts_them(made, city):
    typed = {**ASKED, "reach": [], "phone": [], "phone_owner": []}

    html = made.review("en", request.parse(typed, city), typed, CARRIED)

    assert "<dd><bdi>No. I will look with my code.</bdi></dd>" in html
    assert "<dt>Phone number</dt>" not in html


def test_review_carries_everything_typed_and_the_code(made, city):
    typed = {**ASKED, "name": ['<b>"রহিমা"']}
    html = made.review("es", request.parse(typed, city), typed, CARRIED)

    carried = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)

    expected = [(f, v) for f in request.FIELDS if f in typed for v in typed[f]]
    escaped = [(f, v.replace("<b>", "&lt;b&gt;").replace('"', "&#34;")) for f, v in expected]
    assert carried == [("lang", "es"), *escaped, *CARRIED.items()]


def test_done_shows_the_code_in_groups_and_the_day_in_words(made):
    html = made.done("es", CODE, waiting(date(2026, 12, 3)))

    assert re.findall(r"<span>(\w{4})</span>", html) == CODE.split("-")
    assert "jueves 3 de diciembre" in html


def test_taken_time_is_shown_with_place_day_and_time_in_words(made):
    html = visible(made.done("es", CODE, VISIT))

    for text in (
        "Corona",
        "Queens 11372 (confirme con el programa)",
        "jueves 3 de diciembre",
        "9:30 a. m.",
        "311",
    ):
        assert text in html


def test_center_that_is_not_listed_is_named_by_the_reply(made, city):
    hall = Reply("placed", None, Opening.parse("hall.2026-12-03.1300.partner"), "Hall", "1 Street")

    html = visible(made.found("en", "placed", CODE, hall))

    assert "Hall" in html
    assert "1 Street" in html


def test_times_show_the_first_of_each_center_and_keep_what_was_chosen(made):
    ids = ("corona.2026-12-01.0930", "corona.2026-12-01.1300", "corona.2026-12-02.0930")
    openings = [Opening.parse(id) for id in (*ids, "east-harlem.2026-12-04.1000")]

    html = made.form("en", Filled({**ASKED, "opening": [ids[1]]}), Offer(openings))

    assert "First free time: Tuesday, December 1, 9:30 AM" in html
    assert "First free time: Friday, December 4, 10:00 AM" in html
    assert html.index("Tuesday, December 1, 9:30") < html.index("Friday, December 4")
    assert re.findall(r'name="opening" value="([^"]*)"[^>]*checked', html) == [ids[1]]
    assert html.count("<details open>") == 1


def test_without_free_times_the_page_asks_when_you_can_come(made):
    html = made.form("en", offer=Offer([]))

    assert re.search(r'<fieldset id="q-opening"[^>]* hidden>', html)
    assert "Where can you come?" in html


def test_calendar_file_says_appointment_and_a_time_and_nothing_else(made):
    opening = Opening.parse("corona.2026-12-03.2330")

    assert visits.calendar(made.speak("es"), opening).split("\r\n") == [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//quietdesk//EN", "BEGIN:VEVENT",
        "UID:20261203T2330@appointment.invalid", "DTSTAMP:20261203T233000Z",
        "DTSTART:20261203T233000", "DTEND:20261204T003000", "SUMMARY:Cita",
        "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip


def test_every_form_posts_to_our_functions_and_the_browser_keeps_nothing_of_it(city, made):
    """What a form sends by GET stands in an address: in a history, a log, a referrer."""
    asked = request.parse(ASKED, city)
    typed = {**ASKED, "opening": [""]}
    pages = [
        made.form("en"),
        made.form("en", carried={"code": CODE}, moving=True),
        made.review("en", asked, typed, CARRIED),
        made.review("en", asked, typed, CARRIED, moving=True),
        made.my_request("en", CODE),
        made.done("en", CODE, VISIT),
        *(made.found("en", state, CODE, VISIT) for state in ("placed", "cancel")),
    ]

    for page in pages:
        forms = re.findall(r"<form[^>]*>", page)
        assert forms
        for form in forms:
            assert 'method="post"' in form and 'autocomplete="off"' in form, form
            assert re.search(r' action="/api/requests(/check)?"', form), form
        assert not re.search(r"formaction|formmethod", page)
        assert page.count(UNKEPT) == len(forms)


TEMPLATES = sorted((ROOT / "functions/quietdesk").rglob("templates/*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_form_of_a_template_that_posts_is_one_that_browsers_do_not_write_down(path):
    """The console's too: a passphrase of its own does the same."""
    said = path.read_text("utf-8")
    forms = re.findall(r"<form\b.*?</form>", said, re.DOTALL | re.IGNORECASE)

    assert len(forms) == len(re.findall(r"<form\b", said, re.IGNORECASE)), "a form has no end"
    for form in forms:
        if re.match(r'<form[^>]* method="get"', form):
            continue
        assert "{{ unkept }}" in form or 'type="password"' in form, form[:80]


def test_what_keeps_a_form_from_being_written_down_is_neither_sent_nor_seen_nor_filled_in():
    """Chromium asks for a password field with something in it, whatever it is; a field that is
    named or enabled is one whose neighbour a browser would offer to keep as a user name."""
    field = UNKEPT

    assert re.fullmatch(r"<input( [a-z]+(=\"[a-z]+\")?)+>", field)
    assert 'type="password"' in field and 'value="x"' in field
    assert " hidden" in field and " disabled" in field and "name" not in field


def test_pages_that_cannot_lock_say_that_our_computer_can_read(city, made):
    asked = request.parse(ASKED, city)
    pages = [
        made.form("en"),
        made.form("en", carried={"code": CODE}, moving=True),
        made.review("en", asked, ASKED, CARRIED),
    ]

    for page in pages:
        assert "Your answers are not locked on this phone." in visible(page)
        assert "can read them" in visible(page)


def test_neutral_pages_speak_every_language(made, city):
    for html in (made.not_found(), made.broken()):
        for locale in city.locales:
            assert f'<section class="neutral" lang="{locale.tag}" dir="{locale.direction}">' in html
            assert f'href="/{locale.tag}/"' in html
    assert made.broken("es").count("<section") == 1


def every_page(made, city):
    asked = request.parse(ASKED, city)
    for locale in city.locales:
        tag = locale.tag
        yield made.form(tag)
        yield made.form(tag, Filled(ASKED, dict.fromkeys(request.FIELDS, "missing"), "lost"))
        yield made.review(tag, asked, ASKED, CARRIED)
        yield made.done(tag, CODE, waiting(date(2026, 12, 3)))
        yield made.done(tag, CODE, VISIT)
        yield made.form(
            tag, Filled(), Offer([VISIT.opening], "partner", VISIT.opening), CARRIED, moving=True
        )
        yield made.my_request(tag, "nonsense", bad=True)
        for state in ("waiting", "placed", "none", "nothing", "cancel", "cancelled"):
            yield made.found(tag, state, CODE, VISIT)
        yield made.broken(tag)
    yield made.not_found()


def test_every_page_has_banner_exit_phone_and_language(made, city):
    tags = "|".join(locale.tag for locale in city.locales)
    for html in every_page(made, city):
        assert re.search(rf'<html lang="({tags})" dir="(ltr|rtl)">', html)
        assert 'class="demo"' in html
        assert f'<a id="leave" class="exit" href="{pages.EXIT}" rel="nofollow noreferrer">' in html
        assert f'<bdi dir="ltr">{city.phone}</bdi>' in html


def test_banner_goes_when_an_office_receives_the_requests(city):
    made = Pages(replace(city, run_by="The office"), (b"one",), 1)

    for html in every_page(made, city):
        assert 'class="demo"' not in html


def test_no_page_says_a_forbidden_word(made, city):
    for html in every_page(made, city):
        assert NEVER_SAID.findall(visible(html)) == []


def test_phone_that_knows_no_day_is_told_one_on_which_the_request_is_still_there(made):
    """Asked for on a Sunday, and kept until the second Monday: ten days would be too late."""
    assert "Look again in 6 days." in made.form("en")
