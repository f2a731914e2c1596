"""How much a phone must fetch before a page can be read: counted in the built files.

Sizes are of Brotli, which CloudFront and every browser since 2017 have; with gzip they are about a
fifth larger.
"""

import re
from functools import cache
from html.parser import HTMLParser

import brotli
import pytest

from quietdesk.pages.english import MENU

PAGE_BYTES, PAGE_REQUESTS = 15_000, 4
FORM_BYTES = 45_000
FORMS = ("request", "my-request")
LOADED = {"link": "href", "script": "src", "img": "src"}
LOADED_RELS = ("stylesheet", "icon", "preload", "modulepreload", "manifest")
# What an old phone's browser, of 2018 or before, does not know, and would need.
TOO_NEW = re.compile(
    r":(is|where|has)\(|@(layer|container|property|import|scope)\b|&|\b(min|max|clamp)\("
    r"|\b(aspect-ratio|inset|inset-(inline|block)[\w-]*|(margin|padding)-(inline|block))\s*:"
    r"|\b\d+(dvh|svh|lvh|cqw)\b|\bcolor-mix\("
)
NEW_TAGS = {"dialog", "search", "slot", "menu", "picture", "selectlist"}


class Page(HTMLParser):
    """What a page loads first, and its tags."""

    def __init__(self, html):
        super().__init__()
        self.loads, self.tags = [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        address = attrs.get(LOADED.get(tag, ""))
        if address and (tag != "link" or attrs.get("rel") in LOADED_RELS):
            self.loads.append(address)


@pytest.fixture
def built(site_with_address):
    """A website that knows its address has all that another has, and the sheets."""
    return site_with_address


@cache  # the built files do not change, and a thousand pages share a few of them
def compressed(path):
    return len(brotli.compress(path.read_bytes(), quality=11))


def first_load(site, path):
    """The files of a first visit to a page."""
    loads = Page(path.read_text("utf-8")).loads
    files = [
        site / address.lstrip("/") if address.startswith("/") else (path.parent / address).resolve()
        for address in loads
    ]
    return [path, *files]


def is_form(path):
    return bool({*FORMS} & {*path.parts})


def pages(site):
    """Pages to read: neither forms, nor sheets to print."""
    found = (path for path in site.rglob("*.html") if not is_form(path))
    return [path for path in found if len(path.relative_to(site).parts) <= 3]


def test_every_page_of_information_is_light(built):
    for path in pages(built):
        # The page of papers is complete before its helper's script comes.
        files = [file for file in first_load(built, path) if file.suffix != ".js"]

        assert len(files) <= PAGE_REQUESTS, path
        assert sum(map(compressed, files)) <= PAGE_BYTES, path


def test_form_is_light_in_every_language(built):
    # One form with a center ticked stands for all of a language.
    forms = [
        path
        for path in built.rglob("*.html")
        if is_form(path) and ("at" not in path.parts or "corona" in path.parts)
    ]

    assert len(forms) > 2 * len(FORMS)
    for path in forms:
        assert sum(map(compressed, first_load(built, path))) <= FORM_BYTES, path


def test_every_page_has_an_icon_so_that_browsers_ask_for_none(built):
    for path in built.rglob("*.html"):
        assert "/assets/favicon.svg" in Page(path.read_text("utf-8")).loads, path
    assert (built / "assets/favicon.svg").exists()


def test_nothing_is_served_that_no_page_loads(site_with_address):
    site = site_with_address
    loaded = {file.resolve() for path in site.rglob("*.html") for file in first_load(site, path)}
    served = {path.resolve() for path in (site / "assets").rglob("*") if path.is_file()}

    assert served - loaded == set()


def test_weight_counts_what_a_page_loads(site):
    files = first_load(site, site / "en/index.html")

    assert {file.suffix for file in files} == {".html", ".css", ".svg"}
    assert all(file.exists() for file in files)
    assert len(pages(site)) >= 2 * (len(MENU) - len(FORMS))


def test_styles_need_no_new_browser(built):
    for path in built.rglob("*.css"):
        css = re.sub(r"/\*.*?\*/|url\([^)]*\)", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert [found[0] for found in TOO_NEW.finditer(css)] == [], path
        for rule in re.findall(r"{([^{}]*)}", css):
            # Between the items of a flex box a gap came in 2020; in a grid it is old.
            assert "gap:" not in rule or "grid" in rule, (path, rule)


@pytest.mark.parametrize(
    "css",
    [
        "a:is(b)", "a:has(b)", "a{&:hover{}}", "@layer x", "a{aspect-ratio: 1}", "a{inset: 0}",
        "a{margin-inline: auto}", "a{width: min(1px, 2px)}", "a{height: 100dvh}",
    ],
)  # fmt: skip
def test_what_is_too_new_is_seen(css):
    assert TOO_NEW.search(css)


def test_pages_have_no_element_that_an_old_browser_does_not_know(built):
    for path in built.rglob("*.html"):
        assert Page(path.read_text("utf-8")).tags & NEW_TAGS == set(), path
