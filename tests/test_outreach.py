"""Links, QR codes and sheets: what they hold, and what they never hold."""

import gzip
import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from quietdesk.city import Center
from quietdesk.errors import BadSetting
from quietdesk.pages import Pages
from quietdesk.staff.commands import main as cli
from quietdesk.website import outreach
from quietdesk.website.outreach import KINDS, Link, Sheets
from tests.events import get, submit
from tests.test_pages import NEVER_SAID, visible
from tests.world import NOON, ROOT

SITE = "https://help.example.org"
HIDDEN = Center("hall", "Union Hall", "1 Street", (), True, path="some-word")


@pytest.fixture(scope="module")
def pages(city):
    return Pages(replace(city, centers=(*city.centers, HIDDEN)), (b"one",), 1)


@pytest.fixture(scope="module")
def built(pages):
    return dict(outreach.built(pages, SITE))


def addresses_on(html):
    """What a page leads to or shows as an address."""
    return re.findall(r'href="([^"]*)"', html)


# --- Links ---------------------------------------------------------------------------------------


def test_link_holds_a_language_and_a_center_and_nothing_else(city):
    for locale in city.locales:
        for center in city.listed:
            address = urlsplit(Link(locale.tag, center).address(SITE))

            assert address.path == f"/{locale.tag}/request/at/{center.id}/"
            assert (address.query, address.fragment) == ("", "")


def test_link_to_a_center_that_is_not_listed_is_its_path():
    assert Link("es", HIDDEN).path == "/api/request/es/some-word"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ""),
        ("https://help.example.org/", SITE),
        ("https://help.example.org:8443", "https://help.example.org:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_address_of_the_site_is_a_name(text, address):
    assert outreach.site_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "help.example.org", "http://help.example.org", "https://", "https://a@help.example.org",
        "https://help.example.org/en/", "https://help.example.org/?from=poster",
        "https://help.example.org/#x", "javascript:alert(1)", "https://[", "https://a.example:no",
        "https://help.example.org/\n", "https://a b.example", 'https://a".example',
    ],
)  # fmt: skip
def test_address_that_would_make_bad_codes_is_refused(text):
    with pytest.raises(BadSetting):
        outreach.site_address(text)


# --- The form with a center ticked ---------------------------------------------------------------


def test_form_of_each_center_is_built_in_every_language(built, pages):
    for locale in pages.city.locales:
        for center in pages.city.listed:
            html = built[f"{locale.tag}/request/at/{center.id}/index.html"]

            assert html.startswith("<!doctype html>")
            assert re.search(rf'name="centers" value="{center.id}"[^>]* checked', html)
            assert len(re.findall(r'name="centers"[^>]* checked', html)) == 1
            assert f'data-center="{center.id}"' in html
            assert f'data-page="/{locale.tag}/request/at/{center.id}/"' in html
            assert f'<link rel="canonical" href="/{locale.tag}/request/">' in html
            for other in pages.city.locales:
                assert f'<a href="/{other.tag}/request/at/{center.id}/" lang="{other.tag}"' in html


def test_form_without_a_center_is_as_it_was(pages):
    html = pages.form("en")

    assert 'data-center=""' in html
    assert "canonical" not in html
    assert not re.search(r'name="centers"[^>]* checked', html)


def test_center_that_is_not_listed_is_nowhere_on_the_website(built, pages):
    everything = {**built, "organisers": outreach.overview(pages, "en", SITE)}

    for path, text in everything.items():
        for trace in (HIDDEN.id + "/", HIDDEN.name, HIDDEN.address, HIDDEN.path):
            assert trace not in path, path
            assert trace not in text, path


def test_without_scripts_the_times_of_the_center_are_first_and_open(world):
    world.publisher().publish(NOON)
    answer = get(submit(world), "/api/request/es/at/flushing-library")

    first = re.search(r"<details( open)?>\s*<summary><bdi[^>]*>([^<]*)<", answer["body"])
    assert (first[1], first[2]) == (" open", "Flushing Library")
    assert answer["body"].count("<details open>") == 1
    assert re.search(r'name="centers" value="flushing-library"[^>]* checked', answer["body"])


@pytest.mark.parametrize("center", ["nowhere", "hall", "any"])
def test_unknown_center_gives_the_form_with_nothing_ticked(world, center):
    answer = get(submit(world), f"/api/request/es/at/{center}")

    assert answer["statusCode"] == 200
    assert 'data-center=""' in answer["body"]
    assert not re.search(r'name="centers"[^>]* checked', answer["body"])


# --- Sheets --------------------------------------------------------------------------------------


def test_every_language_has_every_sheet_alone_and_with_one_other_language(built, pages):
    for locale in pages.city.locales:
        other = outreach.second(pages.city, locale.tag)
        folder = f"{locale.tag}/organisers"
        for tail in ("index.html", f"{other.tag}/index.html"):
            assert f"{folder}/cards/{tail}" in built
            for center in pages.city.listed:
                assert f"{folder}/poster/{center.id}/{tail}" in built
                assert f"{folder}/handbill/{center.id}/{tail}" in built
        for center in pages.city.listed:
            assert f"{folder}/qr/{center.id}.svg" in built


def test_second_language_is_the_first_of_the_site_and_beside_it_the_next(city):
    first, second = city.locales[:2]

    assert outreach.second(city, first.tag) == second
    for locale in city.locales[1:]:
        assert outreach.second(city, locale.tag) == first
    assert outreach.second(replace(city, locales=(first,)), first.tag) is None


def test_poster_says_what_it_must_in_each_of_its_languages(pages):
    center = pages.city.listed[0]
    html = Sheets(pages, SITE).page("poster", ("en", "es"), center)
    _, sheet = html.split('<div class="sheet')
    for tag in ("en", "es"):
        words = pages.speak(tag)
        for text in (
            "A city ID card",
            "For people who live in the city.",
            "Free. No question on immigration status.",
            "Ask for an appointment",
            "It is not a permit to work.",
            "It is not a driver license.",
            "It does not change your immigration status.",
            "Nobody may ask you for money for an appointment.",
            "This is an independent kit. It is not a government website.",
            "Demonstration. No office receives this.",
            "(confirm with the programme)",
        ):
            assert words(text) in sheet, (tag, text)
        address = f"help.example.org/{tag}/request/at/{center.id}/"
        assert address in sheet.replace("<wbr>", "")
    assert sheet.count(center.address) == 2
    assert sheet.partition("<footer")[0].count(pages.speak("en").phone) == 2
    assert sheet.count('<div class="qr" role="img" aria-label="') == 2


def test_handbills_are_four_or_in_two_languages_two_pairs(pages):
    center, sheets = pages.city.listed[0], Sheets(pages, SITE)

    one = sheets.page("handbill", ("es",), center)
    two = sheets.page("handbill", ("es", "en"), center)

    assert re.findall(r'class="leaf" lang="(\w+)"', one) == ["es"] * 4
    assert re.findall(r'class="leaf" lang="(\w+)"', two) == ["es", "en", "es", "en"]


def test_cards_have_sixteen_boxes_from_left_to_right_and_no_code(pages):
    html = Sheets(pages, SITE).page("cards", ("es", "en"))

    assert html.count('<section class="card">') == 8
    assert html.count('<div class="boxes" dir="ltr">') == 8
    assert html.count("<i></i>") == 8 * 16
    assert "<svg" not in html


def test_no_sheet_shows_a_forbidden_word_or_has_anything_but_its_address(built):
    for path, text in built.items():
        if "/organisers/" in path:
            assert NEVER_SAID.findall(visible(text)) == [], path
            assert not re.search(r"[?&]\w+=|style=|<script|<style", text), path


def test_sheet_as_a_file_needs_no_other(pages):
    styles = (ROOT / "site/pages/assets/sheets.css").read_text("utf-8")

    html = Sheets(pages, SITE).file("poster", ("es",), HIDDEN, styles)

    assert addresses_on(html) == []
    assert "src=" not in html
    assert styles in html
    assert "help.example.org/api/request/es/some-word" in html.replace("<wbr>", "")


def test_without_the_address_of_the_site_no_sheet_is_built_and_the_page_says_so(pages):
    paths = [path for path, _ in outreach.built(pages, "")]
    html = outreach.overview(pages, "en", "")

    assert paths
    assert [path for path in paths if "/organisers/" in path] == []
    assert "The sheets to print need the address of this website" in html
    assert addresses_on(html)
    assert not [address for address in addresses_on(html) if "/organisers/" in address]


# --- The page ------------------------------------------------------------------------------------


def test_page_leads_only_to_what_is_built(built, pages):
    for locale in pages.city.locales:
        html = outreach.overview(pages, locale.tag, SITE)

        for address in addresses_on(html):
            path = address.strip("/")
            assert path in built or f"{path}/index.html" in built, address
        for center in pages.city.listed:
            for other in pages.city.locales:
                assert f'href="{Link(other.tag, center).path}"' in html


def test_page_stays_light_with_twelve_languages_and_twenty_centers(city):
    like = city.listed[0]
    centers = tuple(replace(like, id=f"center-number-{n}", name=f"Center {n}") for n in range(20))
    locales = tuple(replace(city.locales[1], tag=f"x{chr(97 + n)}") for n in range(12))
    made = Pages(replace(city, centers=centers, locales=locales), (), 1)

    html = outreach.overview(made, "xa", SITE)

    assert html.count('hreflang="') == 20 * 11
    assert len(gzip.compress(html.encode())) < 5_000


# --- The command ---------------------------------------------------------------------------------


@pytest.fixture
def poster(tmp_path, monkeypatch):
    """Runs `quietdesk poster` and gives its exit code and the file."""
    monkeypatch.setenv("QUIETDESK_KEYRING", str(tmp_path / "none.keyring"))
    out = tmp_path / "sheet.html"

    def run(*words):
        return cli.main(["poster", "--site", SITE, "--out", str(out), *words]), out

    return run


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (("--center", "corona", "--lang", "es"), "help.example.org/es/request/at/corona/"),
        (("--center", "corona", "--lang", "es", "--second", "en", "--kind", "handbill"), "A city"),
        (("--lang", "es", "--kind", "cards"), "help.example.org/es/my-request/"),
    ],
)
def test_command_makes_a_file(poster, words, holds, capsys):
    code, out = poster(*words)

    assert code == 0
    assert str(out) in capsys.readouterr().out
    assert holds in out.read_text("utf-8").replace("<wbr>", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lang", "es"), "--center must be one of: bronx-library"),
        (("--center", "nowhere", "--lang", "es"), "--center must be one of"),
        (("--path", "nowhere", "--lang", "es"), "0 centers have that path"),
        (("--center", "corona", "--lang", "xx"), "there are no words in xx"),
        (("--center", "corona", "--lang", "es", "--second", "xx"), "there are no words in xx"),
        (("--center", "corona", "--lang", "es", "--kind", "cards"), "leave out --center"),
    ],
)
def test_command_refuses_what_it_cannot_make(poster, words, said, capsys):
    code, out = poster(*words)

    assert code == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_command_replaces_a_file_only_when_told(poster, capsys):
    words = ("--center", "corona", "--lang", "es")
    _, out = poster(*words)
    out.write_text("mine")

    assert poster(*words)[0] == 1
    assert out.read_text() == "mine"
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert poster(*words, "--overwrite")[0] == 0
    assert out.read_text("utf-8").startswith("<!doctype html>")


def test_command_wants_an_address(tmp_path, capsys):
    out = str(tmp_path / "sheet.html")
    for site in ([], ["--site", "help.example.org"], ["--site", "https://a.example/?x=1"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["poster", "--center", "corona", "--lang", "es", "--out", out, *site])

        assert stopped.value.code == 2
        assert "--site" in capsys.readouterr().err


def test_every_kind_has_a_name_and_can_be_asked_for(city):
    assert set(KINDS) == {"poster", "handbill", "cards"}
