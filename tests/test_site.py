"""The website as MkDocs builds it. tests/browser has what a browser makes of it."""

import re
import shutil
import subprocess
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import yaml

from quietdesk.pages import EXIT, UNKEPT
from quietdesk.pages.english import MENU, MORE
from quietdesk.pages.speech import Words
from quietdesk.website.faults import left_to_fill_in
from quietdesk.website.sources import source_hash
from tests.serving import ADDRESS, build_site
from tests.test_pages import NEVER_SAID, visible
from tests.world import NO_WORDS, ROOT

PAGES = ROOT / "site/pages"
NAMES = [name for name, _ in (*MENU, *MORE)]
# What a page loads, or shows from the network; not what it names or links to.
LOADING = {("link", "href"), ("script", "src"), ("img", "src"), ("form", "action"),
           ("iframe", "src"), ("source", "src"), ("use", "href"), ("object", "data")}  # fmt: skip


class Elements(HTMLParser):
    """The start tags of a page and the text inside <script> and <style>."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.inline, self._open = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open and data.strip():
            self.inline.append((self._open, data))


@pytest.fixture(scope="session", params=["without", "with an address"])
def built(request, site, city, site_with_address):
    """The website, and its locales by their tags."""
    folder = site if request.param == "without" else site_with_address
    return folder, {locale.tag: locale for locale in city.locales}


def html_files(site):
    files = sorted(site.rglob("*.html"))
    assert len(files) >= 2 + 2 * len(NAMES)
    return files


def written(site, file):
    """Whether a page comes from a text: not a form with a center ticked, nor a sheet to print."""
    return len(file.relative_to(site).parts) <= 3


def front_matter(path):
    _, head, body = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


# --- What is built -------------------------------------------------------------------------------


def test_every_page_is_there_in_every_language(built):
    site, locales = built
    names = {path.stem for path in (PAGES / "en").glob("*.md")}

    found = {str(file.relative_to(site)) for file in html_files(site) if written(site, file)}

    pages = {"index.html" if name == "index" else f"{name}/index.html" for name in names}
    expected = {f"{tag}/{page}" for tag in locales for page in pages}
    assert found == expected | {"index.html", "404.html"}


def test_nothing_is_left_to_fill_in(built):
    assert list(left_to_fill_in(built[0])) == []


def test_no_page_loads_anything_from_elsewhere(built):
    site, _ = built
    for file in html_files(site):
        for tag, attrs in Elements(file.read_text("utf-8")).tags:
            for name, value in attrs.items():
                if (tag, name) in LOADING and attrs.get("rel") not in ("alternate", "canonical"):
                    assert not urlsplit(value).netloc, (file, tag, value)


def test_no_page_says_a_forbidden_word(built):
    site, _ = built
    for file in html_files(site):
        assert NEVER_SAID.findall(visible(file.read_text("utf-8"))) == [], file


def test_styles_load_nothing(built):
    site, _ = built
    for file in site.rglob("*.css"):
        found = re.findall(r"url\(\s*[\"']?([^\"')]{0,40})", file.read_text("utf-8"))
        assert [address for address in found if not address.startswith("data:")] == []
        assert "@import" not in file.read_text("utf-8")


def test_no_page_has_a_script_or_style_inside(built):
    site, _ = built
    for file in html_files(site):
        elements = Elements(file.read_text("utf-8"))
        assert elements.inline == [], file
        for _, attrs in elements.tags:
            assert not [name for name in attrs if name == "style" or name.startswith("on")], file


def test_only_the_form_and_the_papers_have_a_script(built):
    site, _ = built
    own = {"request": "form", "my-request": "form", "documents": "documents"}
    for file in html_files(site):
        scripts = [
            attrs for tag, attrs in Elements(file.read_text("utf-8")).tags if tag == "script"
        ]
        name = next((own[part] for part in file.parts if part in own), "")
        expected = [{"type": "module", "src": f"/assets/{name}.js"}] if name else []
        assert scripts == expected, file


def test_form_has_no_theme(built):
    site, _ = built
    assert "stylesheets/main" not in (site / "en/request/index.html").read_text("utf-8")


def test_no_form_that_is_built_is_written_down_by_a_browser(built):
    site, _ = built
    found = {
        file: re.findall(r"<form\b.*?</form>", file.read_text("utf-8"), re.DOTALL)
        for file in html_files(site)
    }

    assert len([file for file, forms in found.items() if forms]) > 24
    for file, forms in found.items():
        assert [form[:80] for form in forms if UNKEPT not in form] == [], file


def test_no_script_of_the_theme_is_served(built):
    site, _ = built
    served = sorted(str(file.relative_to(site)) for file in site.rglob("*.js"))
    assert served == ["assets/documents.js", "assets/form.js"]


def test_every_page_has_language_direction_banner_exit_and_one_heading(built):
    site, locales = built
    for file in html_files(site):
        elements = Elements(file.read_text("utf-8"))
        locale = locales.get(file.relative_to(site).parts[0], locales["en"])
        tag, attrs = elements.tags[0]
        assert (tag, attrs["lang"], attrs["dir"]) == ("html", locale.tag, locale.direction), file
        body = next(attrs for tag, attrs in elements.tags if tag == "body")
        assert body.get("dir") in (None, locale.direction), file
        classes = [attrs.get("class") for _, attrs in elements.tags]
        assert classes.count("demo") == 1, file
        exits = [attrs for tag, attrs in elements.tags if attrs.get("class") == "exit"]
        assert [(link["href"], link["rel"]) for link in exits] == [(EXIT, "nofollow noreferrer")]
        outside = file.read_text("utf-8").partition("<template")[0]
        assert outside.count("<h1") == 1, file


def test_every_english_page_is_in_the_list_of_pages_and_the_reverse():
    assert sorted(path.stem for path in (PAGES / "en").glob("*.md")) == sorted(NAMES)


def test_menu_is_short_enough_for_a_phone():
    assert len(MENU) <= 7


def test_every_page_leads_to_every_other(site):
    addresses = {f"/en/{name}/" for name in NAMES} - {"/en/index/"} | {"/en/"}
    for name in NAMES:
        html = (site / "en" / ("" if name == "index" else name) / "index.html").read_text("utf-8")
        links = {attrs.get("href") for tag, attrs in Elements(html).tags if tag == "a"}
        assert addresses - links == set(), name


def test_home_names_every_page_in_its_own_words():
    _, home = front_matter(PAGES / "en/index.md")

    assert {*re.findall(r"\]\(([\w-]+)\.md", home), "index"} == set(NAMES)


def test_center_links_to_a_map_of_its_address_and_tells_the_map_nothing_else(site):
    html = (site / "en/centers/index.html").read_text("utf-8")
    maps = [attrs for tag, attrs in Elements(html).tags if "map" in attrs.get("href", "")]

    address = (
        "https://www.openstreetmap.org/search?query=34-33%20Junction%20Blvd%2C%20Queens%2011372"
    )
    assert address in [link["href"] for link in maps]
    assert {link["rel"] for link in maps} == {"nofollow noreferrer"}


def test_every_page_links_to_itself_in_every_language_by_its_own_name(built):
    site, locales = built
    for file in filter(partial(written, site), html_files(site)):
        html = file.read_text("utf-8")
        lang, _, tail = str(file.relative_to(site)).removesuffix("index.html").partition("/")
        for tag, locale in locales.items():
            href = f"/{tag}/{tail if lang in locales else ''}"
            assert (
                f'<a href="{href}" lang="{tag}" hreflang="{tag}" dir="{locale.direction}"' in html
            )
            assert f">{locale.name}</a>" in html


def test_pages_that_nobody_has_reviewed_say_so():
    for path in (PAGES / "es").glob("*.md"):
        assert front_matter(path)[0]["status"] == "unreviewed"


def test_unreviewed_note_is_on_every_spanish_page(site):
    for file in (site / "es").rglob("*.html"):
        assert "Esta traducción todavía no ha sido revisada" in file.read_text("utf-8"), file


def test_pages_name_their_address_and_those_in_other_languages(site_with_address):
    html = (site_with_address / "es/privacy/index.html").read_text("utf-8")

    assert f'<link rel="canonical" href="{ADDRESS}/es/privacy/">' in html
    assert f'<link rel="alternate" hreflang="es" href="{ADDRESS}/es/privacy/">' in html
    assert f'hreflang="x-default" href="{ADDRESS}/en/privacy/">' in html
    assert f"{ADDRESS}/es/privacy/" in (site_with_address / "sitemap.xml").read_text()


def test_site_that_does_not_know_its_address_writes_none(site):
    assert not (site / "sitemap.xml").exists()
    for file in html_files(site):
        html = file.read_text("utf-8")
        assert 'rel="alternate"' not in html
        assert "wa.me" not in html


def test_home_page_can_be_passed_on(site_with_address, city):
    for locale in city.locales:
        html = (site_with_address / locale.tag / "index.html").read_text("utf-8")
        address = f"{ADDRESS}/{locale.tag}/"
        said = Words(city, locale.tag)("Or copy this address:")
        assert f'<p>{said} <bdi dir="ltr">{address}</bdi></p>' in html
        assert f'href="https://wa.me/?text={quote(address, safe="")}"' in html


def test_preview_of_a_page_tells_little(built, city):
    site, locales = built
    titles = {it["Information and appointments"] for it in city.words.values() if it}
    for file in (file for tag in locales for file in (site / tag).rglob("index.html")):
        if file.parent.name in ("request", "my-request") or not written(site, file):
            continue
        metas = [attrs for tag, attrs in Elements(file.read_text("utf-8")).tags if tag == "meta"]
        said = {it.get("property", it.get("name")): it.get("content") for it in metas}
        assert said["og:title"] in {"Information and appointments", *titles}
        assert said["og:description"] == said["description"]
        assert "og:image" not in said


@pytest.mark.process
def test_thirteenth_language_is_a_row_a_folder_and_a_file(tmp_path):
    """A made-up language from right to left, with pages and words of its own."""
    city = tmp_path / "city"
    shutil.copytree(ROOT / "site/city", city)
    languages = city / "languages.yml"
    row = (
        '  - {tag: qaa, name: Qaaq, direction: rtl, day_pattern: "{weekday} {day} {month}", '
        'time_pattern: "{hour}:{minute}", dates: {weekdays: [a, b, c, d, e, f, g], '
        "months: [h, i, j, k, l, m, n, o, p, q, r, s]}}\n"
    )
    text = languages.read_text("utf-8")
    head, _, tail = text.rpartition("# The languages a resident")
    languages.write_text(f"{head}{row}# The languages a resident{tail}", "utf-8")
    (city / "words").mkdir(exist_ok=True)
    (city / "words/qaa.po").write_text(f'{NO_WORDS}\nmsgid "Privacy"\nmsgstr "Qavirp"\n', "utf-8")
    _, english = front_matter(PAGES / "en/privacy.md")
    page = city / "pages/qaa/privacy.md"
    page.parent.mkdir(parents=True)
    page.write_text(
        f"---\ntitle: Qap\nstatus: unreviewed\nsource_hash: {source_hash(english)}\n---\n# Qaaqap\n"
    )

    site = build_site(tmp_path / "built", (b"a custodian",), city, f"{ADDRESS}/")

    html = (site / "qaa/privacy/index.html").read_text("utf-8")
    assert '<html lang="qaa" dir="rtl"' in html
    assert ">Qaaqap</h1>" in html
    assert '<article id="main" class="md-content page">' in html
    assert ">Qaaq</a>" in (site / "en/privacy/index.html").read_text("utf-8")
    # A page that it lacks is English, says so, and is not passed off as a translation.
    html = (site / "qaa/documents/index.html").read_text("utf-8")
    assert re.search(r'<article [^>]*lang="en" dir="ltr">', html)
    assert "We have no translation of this page" in html
    assert f'<link rel="canonical" href="{ADDRESS}/en/documents/">' in html
    assert 'hreflang="qaa" href="https' not in html


@pytest.mark.process
def test_page_of_the_city_replaces_the_one_that_ships(tmp_path):
    city = tmp_path / "city"
    shutil.copytree(ROOT / "site/city", city)
    (city / "pages/en").mkdir(parents=True)
    (city / "pages/en/privacy.md").write_text(
        "---\ntitle: Ours\n---\n# Ours\n\n{{ confirm('city_record') }} [Home](index.md)\n"
    )

    site = build_site(tmp_path / "built", (b"a custodian",), city)

    assert ">Ours</h1>" in (site / "en/privacy/index.html").read_text("utf-8")
    # What was translated is another page now, and an old promise is not shown.
    assert ">Ours</h1>" in (site / "es/privacy/index.html").read_text("utf-8")
    assert 'lang="en" dir="ltr">' in (site / "es/privacy/index.html").read_text("utf-8")


def test_pages_have_no_number_of_their_own():
    for path in PAGES.rglob("*.md"):
        text = re.sub(r"{{.*?}}|^\d\. |{ #[\w-]+ }", "", front_matter(path)[1], flags=re.MULTILINE)
        assert not re.search(r"\d", text), path


@pytest.mark.process
def test_fact_that_no_page_uses_stops_the_build(tmp_path, capfd):
    city = shutil.copytree(ROOT / "site/city", tmp_path / "city")
    with (city / "facts.yml").open("a") as facts:
        facts.write("  left_over: {value: 3, verified: true}\n")

    with pytest.raises(subprocess.CalledProcessError):
        build_site(tmp_path / "site", (b"a custodian",), city)
    assert "facts.yml: no page uses left_over" in capfd.readouterr().err


@pytest.mark.process
def test_no_mkdocs_configuration_can_delete_the_sources():
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*mkdocs*.y*ml"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert found == ["mkdocs.yml"]
    text = re.sub(r"!ENV.*", "''", (ROOT / "mkdocs.yml").read_text("utf-8"))
    config = yaml.safe_load(text)
    docs, target = (Path(ROOT, config[key]).resolve() for key in ("docs_dir", "site_dir"))

    assert ROOT / "build" in target.parents
    assert docs not in (target, *target.parents)
    assert target not in docs.parents


@pytest.mark.process
def test_git_does_not_ignore_the_sources():
    ignored = subprocess.run(["git", "check-ignore", "site/", "site/pages/index.md"], cwd=ROOT)

    assert ignored.returncode == 1
