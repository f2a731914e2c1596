"""What organisers print, in Chromium: one page on either paper, nothing cut off, QR codes read."""

import io
import re
from dataclasses import replace

import pytest
import zxingcpp
from PIL import Image, ImageDraw

from quietdesk.pages import Pages
from quietdesk.website import outreach
from quietdesk.website.outreach import Link, Sheets
from tests.browser.locales import TAGS as EACH_TAG
from tests.serving import ADDRESS, serving
from tests.tongues import with_tongues
from tests.world import ROOT, compiled_city

CITY = with_tongues(compiled_city())
TAGS = [locale.tag for locale in CITY.locales]
STYLES = (ROOT / "site/pages/assets/sheets.css").read_text("utf-8")
# As long as a center's name, address and id may well be.
LONG = replace(
    CITY.listed[0],
    id="washington-heights-credit-union",
    name="Neighborhood Trust Federal Credit Union",
    address="1112 St. Nicholas Avenue, Washington Heights, Manhattan 10032",
)
PHOTOCOPY = 200  # of 255: what a copier makes white

# What is cut off by its leaf or card, wider than itself, or on top of its neighbour.
CUT = """() => {
  const cut = [], name = (it) => `${it.className || it.tagName}: ${it.textContent.trim()}`
  for (const leaf of document.querySelectorAll('.leaf, .card')) {
    const edge = leaf.getBoundingClientRect()
    if (leaf.scrollHeight > leaf.clientHeight + 1) cut.push(`too high: ${name(leaf)}`)
    for (const it of leaf.querySelectorAll('*:not(svg *, wbr, br)')) {
      const box = it.getBoundingClientRect()
      if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 ||
          box.bottom > edge.bottom + 1) cut.push(`outside: ${name(it)}`)
      if (it.scrollWidth > it.clientWidth + 1 && it.clientWidth) cut.push(`too wide: ${name(it)}`)
    }
    const boxes = [...leaf.children].map((it) => [it, it.getBoundingClientRect()])
    for (const [a, one] of boxes) for (const [b, other] of boxes) {
      if (a !== b && one.left < other.right - 1 && other.left < one.right - 1 &&
          one.top < other.bottom - 1 && other.top < one.bottom - 1) cut.push(`over: ${name(a)}`)
    }
  }
  return cut
}"""


@pytest.fixture(scope="session")
def sheets():
    return Sheets(Pages(CITY, (), 1), ADDRESS)


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 1100})
    yield context.new_page()
    context.close()


def pages_of(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def codes_in(png):
    """What a phone reads in a picture."""
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)), zxingcpp.BarcodeFormat.QRCode)
    return [(code.text, code.ec_level) for code in found]


@pytest.mark.parametrize("second", ["", "ur", pytest.param("en", marks=pytest.mark.slow)])
@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", outreach.KINDS)
def test_sheet_is_one_page_on_letter_and_on_a4_and_shows_all_of_its_text(
    sheets, page, kind, tag, second
):
    langs = tuple(dict.fromkeys(filter(None, (tag, second))))
    for center in (CITY.center("corona"), LONG):
        page.set_content(sheets.file(kind, langs, None if kind == "cards" else center, STYLES))

        assert page.evaluate(CUT) == [], center.id
    for paper in ("Letter", "A4"):
        assert pages_of(page.pdf(format=paper)) == 1, paper


@pytest.mark.parametrize("langs", [("es",), ("ur", "en")])
@pytest.mark.parametrize("kind", ["poster", "handbill"])
def test_codes_on_a_sheet_lead_to_its_center_in_its_language(sheets, page, kind, langs):
    page.set_content(sheets.file(kind, langs, LONG, STYLES))

    found = codes_in(page.locator(".sheet").screenshot())

    each = 1 if kind == "poster" else 4 // len(langs)
    assert sorted(found) == sorted((Link(tag, LONG).address(ADDRESS), "Q") for tag in langs * each)


def test_every_address_can_be_read_from_its_picture_even_from_a_bad_copy(page):
    """Two dozen, from the shortest to the longest, each copied and with a stain on it."""
    sites = ("https://a.co", ADDRESS, "https://" + "a-long-name." * 4 + "example.org")
    centers = (replace(LONG, id="x"), LONG, replace(LONG, id="c" * 32), replace(LONG, path="word"))
    tags = (min(TAGS, key=len), max(TAGS, key=len))
    links = [Link(tag, center) for tag in tags for center in centers]
    for site in sites:
        made = Sheets(Pages(CITY, (), 1), site)
        for link in links:
            page.set_content(made.picture(link).partition("?>")[2])
            taken = page.locator("svg").screenshot()

            assert codes_in(taken) == [(link.address(site), "Q")]
            copy = (
                Image.open(io.BytesIO(taken)).convert("L").point(lambda it: 255 * (it > PHOTOCOPY))
            )
            middle, stain = copy.width // 2, copy.width // 12
            ImageDraw.Draw(copy).rectangle([middle, middle, middle + stain, middle + stain], fill=0)
            assert zxingcpp.read_barcodes(copy)[0].text == link.address(site)


def test_code_has_its_quiet_zone_and_is_large_enough_on_paper(sheets, page):
    for kind, tag in (("poster", "en"), ("handbill", "en"), ("handbill", "ur")):
        page.set_content(sheets.file(kind, (tag,), LONG, STYLES))
        millimetres = page.locator(".qr svg").first.bounding_box()["width"] * 25.4 / 96
        modules = float(page.locator(".qr svg").first.get_attribute("viewBox").split()[2])
        dark = page.locator(".qr svg path").nth(1).get_attribute("d")

        assert millimetres * (modules - 8) / modules >= 25
        assert dark.startswith("M4 4.5h7")


def test_boxes_for_a_code_go_from_left_to_right_on_every_card(sheets, page):
    for tag in TAGS:
        page.set_content(sheets.file("cards", (tag,), None, STYLES))

        left = (
            page.locator(".card")
            .first.locator("i")
            .evaluate_all(
                "boxes => boxes.map((box) => Math.round(box.getBoundingClientRect().left))"
            )
        )

        assert left == sorted(left)
        assert len(set(left)) == 16


# --- On the website ------------------------------------------------------------------------------


@pytest.fixture
def there(programme, site_with_address):
    with serving(programme, site_with_address) as running:
        yield running.url


@pytest.mark.parametrize("tag", EACH_TAG)
def test_sheets_of_the_website_print_alone_and_fit_a_small_phone(
    visit, there, site_with_address, tag
):
    page = visit(viewport={"width": 320, "height": 640})
    page.add_init_script(
        "window.refused = []; addEventListener('securitypolicyviolation',"
        " (event) => refused.push(event.blockedURI + ' ' + event.violatedDirective))"
    )
    found = [
        *site_with_address.glob(f"{tag}/organisers/index.html"),
        *site_with_address.glob(f"{tag}/organisers/cards/**/index.html"),
        *site_with_address.glob(f"{tag}/organisers/*/corona/**/index.html"),
    ]
    assert len(found) == 1 + 3 * 2
    for file in found:
        address = f"/{file.parent.relative_to(site_with_address)}/"
        page.goto(there + address)

        assert page.evaluate("refused") == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
        if page.locator(".sheet").count():
            for paper in ("Letter", "A4"):
                assert pages_of(page.pdf(format=paper)) == 1, (address, paper)
            page.emulate_media(media="print")
            around = page.locator(".top, .bottom, .leave, .no-print, .demo, h1")
            assert not [it for it in around.all() if it.is_visible()]
            page.emulate_media(media="null")


def test_organisers_page_leads_to_every_sheet_by_hand(visit, there):
    """A person with a phone and no scripts: the page, a poster, and the form it leads to."""
    page = visit(java_script_enabled=False, clock=False, viewport={"width": 360, "height": 740})
    page.goto(f"{there}/es/organisers/")
    page.click("a[href='/es/organisers/poster/corona/']")
    [(address, _)] = codes_in(page.locator(".sheet").screenshot(scale="device"))
    page.goto(there + address.removeprefix(ADDRESS))

    assert page.locator("input[name=centers]:checked").get_attribute("value") == "corona"
    assert page.locator("html").get_attribute("lang") == "es"


def test_sitemap_names_neither_forms_with_a_center_nor_sheets(site_with_address):
    text = (site_with_address / "sitemap.xml").read_text("utf-8")

    assert f"{ADDRESS}/en/organisers/" in text
    assert "/at/" not in text
    assert "/poster/" not in text


def test_times_of_the_center_in_the_link_come_first_and_are_open(world, served, visit):
    world.publisher().publish(served.clock.now)
    page = visit()
    page.goto(f"{served.url}/es/request/at/flushing-library/")
    page.wait_for_selector("#times details")

    assert page.locator("#times details").first.locator(".place").inner_text() == "Flushing Library"
    assert page.locator("#times details[open]").count() == 1
    assert page.locator("#times details").first.get_attribute("open") is not None
    assert page.locator("#times details[open] input").count() > 0
    assert page.locator("input[name=centers]:checked").get_attribute("value") == "flushing-library"
