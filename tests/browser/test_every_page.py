"""Every page in Chromium, under the headers that are really sent."""

import re
from itertools import combinations
from urllib.parse import urlsplit

import pytest

from quietdesk.pages.english import MENU, MORE
from tests.serving import go

SMALL = {"viewport": {"width": 320, "height": 640}}


def addresses(site):
    """The path of each built page, and one that does not exist."""
    files = sorted(site.rglob("*.html"))
    paths = [f"/{file.relative_to(site)}".removesuffix("index.html") for file in files]
    return [*(path for path in paths if path != "/404.html"), "/no/such/page/"]


def test_every_page_loads_cleanly_and_fits_a_small_phone(visit, url, site):
    """No violation of the policy, no failed or foreign request, no cookie, nothing wider than 320
    pixels. One form with a center ticked stands for all of a language."""
    page = visit(**SMALL)
    page.add_init_script(
        "window.refused = []; addEventListener('securitypolicyviolation',"
        " (event) => refused.push(event.blockedURI + ' ' + event.violatedDirective))"
    )
    asked, failed, said = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    # Aborted: the icon, when the next page is opened before it has come.
    page.on(
        "requestfailed",
        lambda request: request.failure == "net::ERR_ABORTED" or failed.append(request.url),
    )
    # 304: with so many pages a style is asked for again, and is still the same.
    page.on(
        "response",
        lambda answer: answer.ok or answer.status == 304 or failed.append(answer.url),
    )
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    for path in addresses(site):
        if "/at/" in path and "/at/corona/" not in path:
            continue
        go(page, url + path)

        assert page.evaluate("refused") == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path

    assert page.context.cookies() == []
    missing = f"{url}/no/such/page/"
    assert [address for address in failed if address != missing] == []
    assert [text for text in said if "404" not in text] == []
    assert {urlsplit(address).netloc for address in asked} == {urlsplit(url).netloc}


def test_everything_on_the_form_can_be_reached_and_ticked_by_keyboard(visit, url):
    page = visit(**SMALL)
    page.goto(f"{url}/en/request/")
    reached = set()
    page.focus(".exit")
    for _ in range(120):
        page.keyboard.press("Tab")
        name, value, kind = page.evaluate(
            "(({name = '', value = '', type = ''}) => [name, value, type])(document.activeElement)"
        )
        if kind == "checkbox":
            before = page.evaluate("document.activeElement.checked")
            page.keyboard.press("Space")
            assert page.evaluate("document.activeElement.checked") is not before
        elif kind == "radio":
            page.keyboard.press("ArrowDown")
            assert page.evaluate("document.activeElement.checked")
        elif kind in ("text", "tel"):
            page.keyboard.type("2")
        elif kind == "submit":
            reached.add("submit")
            break
        if name:
            reached.add((name, value) if kind == "checkbox" else name)

    every = page.evaluate(
        "[...document.querySelectorAll('#request-form input:not([type=hidden])')]"
        ".filter((input) => input.checkVisibility())"  # no times are published here
        ".map(({name, value, type}) => type == 'checkbox' ? [name, value] : name)"
    )
    wanted = {tuple(item) if isinstance(item, list) else item for item in every} | {"submit"}
    assert wanted - reached == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(visit, url, scheme):
    """Contrast of 4.5 for every text of the form and of the papers, as WCAG 1.4.3 asks."""
    page = visit(color_scheme=scheme)
    for path in (
        "/en/request/",
        "/es/documents/",
        "/es/my-request/",
        "/en/centers/",
        "/api/request/en",
        "/",
    ):
        page.goto(url + path)
        weak = page.evaluate(CONTRAST)
        assert weak == [], path


CONTRAST = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const behind = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const color = numbers(getComputedStyle(it).backgroundColor)
      if (color.length < 4 || color[3] > 0) return color
    }
    return [255, 255, 255]
  }
  const weak = []
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    if (!own || !element.checkVisibility()) continue
    const [a, b] = [numbers(getComputedStyle(element).color), behind(element)].map(light)
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) weak.push([element.className, element.textContent.slice(0, 40), ratio])
  }
  return weak
}"""


@pytest.mark.parametrize("lang", ["es", "ur", "zh-Hant"])
def test_languages_are_easy_to_hit_on_a_small_phone(visit, url, city, lang):
    """Every name is on the page, none hidden, 44 pixels high, none over another."""
    page = visit(viewport={"width": 360, "height": 640})
    for path in (f"/{lang}/", f"/{lang}/request/"):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        boxes = [link.bounding_box() for link in page.locator(".languages a").all()]
        assert len(boxes) == len(city.locales)
        assert min(box["height"] for box in boxes) >= 44
        for one, other in combinations(boxes, 2):
            beside = (
                one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            )
            below = (
                one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
            )
            assert beside or below


def test_what_a_page_is_about_is_seen_at_once_on_a_small_phone(visit, url, city):
    """Its heading begins on the first screen, under the chooser of twelve languages, the sign of
    a demonstration and the note of a translation that nobody has reviewed."""
    page = visit(viewport={"width": 360, "height": 640})
    for locale in city.locales:
        for name in ("", "documents/", "privacy/", "request/"):
            page.goto(f"{url}/{locale.tag}/{name}")
            top = page.evaluate("document.querySelector('h1').getBoundingClientRect().top")
            assert 200 < top < 600, (locale.tag, name)


def test_on_a_phone_the_menu_is_below_the_page_and_one_tap_away(visit, url):
    page = visit(java_script_enabled=False, clock=False, viewport={"width": 360, "height": 640})
    page.goto(f"{url}/en/privacy/")
    shown = [it.inner_text() for it in page.locator(".menu a").all() if it.is_visible()]
    assert shown == ["Ask for an appointment", "More pages"]

    page.click(".menu >> text=More pages")
    assert page.locator("#pages").is_visible()
    box = page.locator("#pages").bounding_box()
    assert box and 0 <= box["y"] < 640
    assert [it.inner_text() for it in page.locator("#pages a").all() if it.is_visible()] == [
        title for _, title in (*MENU, *MORE)
    ]
    page.click("#pages >> text=Papers to bring")
    assert page.url == f"{url}/en/documents/"


def test_on_a_wide_screen_the_menu_is_above_the_page(visit, url):
    page = visit(clock=False, viewport={"width": 1000, "height": 700})
    page.goto(f"{url}/en/privacy/")

    for place, pages in ((".menu a", MENU), ("#pages a", MORE)):
        shown = [it.inner_text() for it in page.locator(place).all() if it.is_visible()]
        assert shown == [title for _, title in pages]


@pytest.mark.parametrize("tag", ["en", "ar"])
def test_names_of_languages_keep_apart_in_pages_of_either_direction(visit, url, tag):
    page = visit(**SMALL)
    page.goto(f"{url}/{tag}/")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.languages a')].map((it) => it.getBoundingClientRect())"
    )
    gaps = [
        max(left["left"], right["left"]) - min(left["right"], right["right"])
        for left, right in combinations(boxes, 2)
        if left["top"] == right["top"]
    ]

    assert len(gaps) >= 6
    assert min(gaps) >= 16


def test_every_language_fits_a_small_phone_without_scripts_and_pictures(visit, url, city):
    page = visit(clock=False, java_script_enabled=False, **SMALL)
    page.route("**/*.svg", lambda route: route.abort())
    for locale in city.locales:
        for path in ("", "documents/", "privacy/", "request/"):
            page.goto(f"{url}/{locale.tag}/{path}")
            assert page.locator("h1").is_visible()
            width = page.locator("html").bounding_box()["width"]
            edges = [page.locator(it).bounding_box() for it in (".top", "#main", ".bottom")]
            assert all(0 <= it["x"] and it["x"] + it["width"] <= width <= 320 for it in edges)


def test_right_to_left_pages_begin_at_the_right(visit, url):
    page = visit(**SMALL)
    for path in ("/ur/", "/ur/request/", "/ar/documents/"):
        page.goto(url + path)
        assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
        name = page.locator(".site-name").bounding_box()
        assert name["x"] + name["width"] > 290


def test_home_page_prints_on_one_sheet(visit, url, city):
    page = visit()
    for locale in city.locales:
        page.goto(f"{url}/{locale.tag}/")
        sheets = page.pdf(format="Letter")
        assert len(re.findall(rb"/Type\s*/Page\b", sheets)) == 1, locale.tag


def test_nothing_moves_for_who_asked_for_less_motion(visit, url):
    page = visit(reduced_motion="reduce")
    page.goto(f"{url}/en/documents/")

    moving = page.evaluate(
        "[...document.querySelectorAll('*')].map((it) => getComputedStyle(it).transitionDuration)"
        ".filter((time) => time != '0s')"
    )
    assert moving == []


def test_each_script_has_its_own_fonts_wherever_its_language_stands(visit, url):
    """Nastaliq needs room between the lines; a Spanish name among Urdu is not written in it."""
    page = visit(**SMALL)
    page.goto(f"{url}/ur/")

    def first_font(selector):
        style = "(it) => [getComputedStyle(it).fontFamily, getComputedStyle(it).lineHeight]"
        family, height = page.eval_on_selector(selector, style)
        return family.split(",")[0].strip('"'), height

    assert first_font("body") == ("Noto Nastaliq Urdu", "39.6px")
    assert first_font(".languages [lang=es]")[0] == "system-ui"
    assert first_font(".languages [lang=bn]")[0] == "Noto Sans Bengali"
    orders = page.eval_on_selector_all(
        ".languages a", "(all) => all.map((it) => getComputedStyle(it).fontFamily)"
    )
    assert len({*orders}) == 7  # zh-Hans, zh-Hant, ko, bn, ar, ur and everybody else
