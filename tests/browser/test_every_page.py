"""Every page in Chromium, under the headers that are really sent."""

from urllib.parse import urlsplit

import pytest

SMALL = {"viewport": {"width": 320, "height": 640}}


def addresses(site):
    """The path of each built page, and one that does not exist."""
    files = sorted(site.rglob("*.html"))
    paths = [f"/{file.relative_to(site)}".removesuffix("index.html") for file in files]
    return [*(path for path in paths if path != "/404.html"), "/no/such/page/"]


def test_every_page_loads_cleanly_and_fits_a_small_phone(visit, url, site):
    """No violation of the policy, no failed or foreign request, no cookie, nothing wider than 320
    pixels."""
    page = visit(**SMALL)
    page.add_init_script(
        "window.refused = []; addEventListener('securitypolicyviolation',"
        " (event) => refused.push(event.blockedURI + ' ' + event.violatedDirective))"
    )
    asked, failed, said = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("response", lambda response: response.ok or failed.append(response.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    for path in addresses(site):
        page.goto(url + path, wait_until="networkidle")

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
