import xml.etree.ElementTree as ElementTree

import pytest

from quietdesk.website.addresses import Addresses
from quietdesk.website.sources import Sources
from tests.world import ROOT

PAGES = ROOT / "site/pages"
BASE = "https://desk.example"
URL = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
LINK = "{http://www.w3.org/1999/xhtml}link"


@pytest.fixture
def sources(tmp_path):
    """Every page in English and Spanish, none in a third language."""
    return Sources(PAGES, tmp_path, ("en", "es", "xx"))


def test_alternates_are_absolute_and_leave_out_languages_without_a_translation(sources):
    found = Addresses(f"{BASE}/", sources).alternates("privacy")

    assert found == [
        ("en", f"{BASE}/en/privacy/"), ("es", f"{BASE}/es/privacy/"),
        ("x-default", f"{BASE}/en/privacy/"),
    ]  # fmt: skip


def test_home_of_who_has_no_language_yet_is_the_chooser(sources):
    assert Addresses(BASE, sources).alternates("index")[-1] == ("x-default", f"{BASE}/")


def test_page_in_english_in_place_of_a_translation_names_the_english_as_the_real_one(sources):
    addresses = Addresses(BASE, sources)

    assert addresses.canonical("xx", "privacy") == f"{BASE}/en/privacy/"
    assert addresses.canonical("es", "privacy") == f"{BASE}/es/privacy/"
    assert Addresses("", sources).canonical("xx", "privacy") == "/en/privacy/"


def test_site_that_does_not_know_its_address_names_none(sources):
    addresses = Addresses("", sources)

    assert addresses.alternates("privacy") == []
    assert addresses.canonical("es", "privacy") == ""
    assert addresses.share("es", "index") == {}
    assert addresses.sitemap() == ""


def test_sitemap_has_every_page_in_every_language_with_the_others_beside_it(sources):
    root = ElementTree.fromstring(Addresses(BASE, sources).sitemap())  # noqa: S314 (ours)

    found = {url.findtext(f"{URL}loc"): url.findall(LINK) for url in root}
    names = {path.stem for path in (PAGES / "en").glob("*.md")} - {"request", "my-request"}
    tails = {"" if name == "index" else f"{name}/" for name in names}
    pages = {f"{BASE}/{tag}/{tail}" for tag in ("en", "es") for tail in tails}
    assert found.keys() == {f"{BASE}/"} | pages
    for links in found.values():
        assert [link.get("hreflang") for link in links] == ["en", "es", "x-default"]
        assert all(link.get("href").startswith(BASE) for link in links)


def test_links_that_pass_on_the_home_page_carry_its_address_and_nothing_else(sources):
    said = "https%3A%2F%2Fdesk.example%2Fes%2F"

    assert Addresses(BASE, sources).share("es", "index") == {
        "address": f"{BASE}/es/",
        "sms": f"sms:?&body={said}",
        "whatsapp": f"https://wa.me/?text={said}",
    }
    assert Addresses(BASE, sources).share("es", "privacy") == {}
