"""Riverton: a made-up programme of another kind, which the same code serves. docs/another-city.md
walks through its folder."""

import re
from html import unescape

import pytest

from quietdesk.city import City
from quietdesk.pages import Pages
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.website import faults
from quietdesk.website.profile import compile_profile
from quietdesk.website.translations import Translations
from tests.events import fill_in, get, submit, text
from tests.serving import build_site
from tests.world import CHEAP, NOON, PASSPHRASE, ROOT, World, make_custodian

RIVERTON = ROOT / "tests/cities/riverton"


@pytest.fixture(scope="module")
def city():
    return City.from_data(compile_profile(RIVERTON, ROOT / "site/words"))


@pytest.fixture(scope="module")
def built(another_process, tmp_path_factory):
    return build_site(tmp_path_factory.mktemp("riverton") / "site", (b"a custodian",), RIVERTON)


def read(path):
    return unescape(re.sub(r"<[^>]*>", " ", path.read_text("utf-8")))


def test_three_languages_are_built_one_of_which_does_not_ship(built, city):
    assert [locale.tag for locale in city.locales] == ["en", "es", "pt"]
    assert not (ROOT / "site/pages/pt").exists()
    for locale in city.locales:
        names = {path.parent.name for path in (built / locale.tag).glob("*/index.html")}
        assert {"privacy", "documents", "request", "centers"} <= names
    assert '<html lang="pt" dir="ltr"' in (built / "pt/the-card/index.html").read_text("utf-8")


def test_pages_of_the_folder_take_the_place_of_those_that_ship(built):
    english, spanish, portuguese = (
        read(built / tag / "the-card/index.html") for tag in ("en", "es", "pt")
    )

    assert "Riverton Neighbours makes this card." in english
    assert "Riverton Neighbours hace esta tarjeta." in spanish
    assert "A Riverton Neighbours faz este cartão." in portuguese
    assert "museums" not in english


def test_page_that_a_language_lacks_is_english_and_says_so(built):
    page = (built / "pt/privacy/index.html").read_text("utf-8")

    assert 'lang="en" dir="ltr"' in page
    assert "Não temos uma tradução atualizada desta página." in page
    assert "5 days after the week ends" in page


def test_spanish_that_ships_stays_where_the_english_was_not_replaced(built):
    notice = "No tenemos una traducción al día"
    assert notice not in read(built / "es/questions/index.html")
    assert "¿" in read(built / "es/questions/index.html")
    # The page of papers is another one here, so the translation that ships is none of it.
    assert 'lang="en" dir="ltr"' in (built / "es/documents/index.html").read_text("utf-8")
    assert notice in read(built / "es/documents/index.html")


def test_papers_are_those_of_the_model_one_of(built):
    said = read(built / "en/documents/index.html")

    assert "Strong papers: 1" in said
    assert "Passport from any country" in said
    assert "points in all" not in said
    assert "Nobody has checked this list" not in said


def test_nobody_is_told_that_it_is_a_demonstration(built):
    for path in built.rglob("*.html"):
        assert "Demonstration. No office receives this." not in path.read_text("utf-8"), path


def test_centers_have_their_access_transit_and_days(built):
    said = read(built / "en/centers/index.html")

    wanted = ("Bus 3 to Main Street", "A way in without steps", "Saturday, December 5", "Português")
    for fact in wanted:
        assert fact in said
    assert "confirm with the programme" not in said


def test_form_takes_a_time_of_this_city(tmp_path, city, store_spec):
    world = riverton(city, store_spec)
    world.publisher().publish(NOON)
    handler = submit(world)

    page = get(handler, "/api/request/pt")
    free = re.findall(r'name="opening" value="(main-street[^"]+)"', page["body"])
    done = fill_in(
        handler, "send", lang="pt", code=["7K3M-9QXT-2B6H-W3ZD"], opening=[free[0]],
        language=["pt"], centers=[], windows=[], access=[],
    )  # fmt: skip

    assert "Escolha um horário livre" in text(page)
    assert done["statusCode"] == 201
    assert "Você tem uma marcação" in text(done)
    (item,) = world.desk().pull(NOON)
    assert (str(item.opening), item.request.language) == (free[0], "pt")
    world.store.close()


def test_command_names_what_the_languages_of_the_folder_lack():
    site = Translations(ROOT / "site", RIVERTON)

    assert "pt/privacy.md is missing, or a draft" in faults.problems(site, "pt")
    assert not [it for it in faults.problems(site, "es") if "the-card" in it]


def riverton(city, spec):
    from quietdesk.signed import Trust
    from quietdesk.store import open_store

    store, custodians = open_store(spec, patient=True), [make_custodian(), make_custodian()]
    trust = Trust(tuple(it.public_key for it in custodians), 2, city.deployment)
    device = keyring.new("device", trust, PASSPHRASE, CHEAP)
    device = device.topped_up(upload.coming(city, NOON))
    upload.upload_wrap_keys(store, device, city, NOON)
    ceremony.admit(store, city, trust, custodians, device.public_key, NOON)
    ceremony.mint(store, city, trust, custodians, 4, NOON)
    return World(city, store, trust, custodians[0], device, spec)


def test_pages_are_the_programmes_own(city):
    pages = Pages(city, (b"one", b"two"), 2)

    html = pages.form("en")
    assert 'data-deployment="riverton"' in html
    assert 'data-max-people="4"' in html
