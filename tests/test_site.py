"""The website as MkDocs builds it. tests/browser has what a browser makes of it."""

import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from quietdesk.pages import EXIT, MENU, MORE
from tests.serving import build_site
from tests.test_pages import NEVER_SAID, visible
from tests.world import ROOT

PAGES = ROOT / "site/pages"
NAMES = [name for name, _ in (*MENU, *MORE)]
# What the page does when it goes to the network, or shows something from it.
LOADING = {("link", "href"), ("script", "src"), ("img", "src"), ("form", "action"),
           ("iframe", "src"), ("source", "src"), ("use", "href"), ("object", "data")}  # fmt: skip


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    return build_site(tmp_path_factory.mktemp("built") / "site", (b"a custodian",))


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


def html_files(site):
    files = sorted(site.rglob("*.html"))
    assert len(files) >= 2 + 2 * len(NAMES)
    return files


def front_matter(path):
    _, head, body = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


# --- What is built -------------------------------------------------------------------------------


def test_nothing_is_left_to_fill_in(site):
    for file in html_files(site):
        html = file.read_text("utf-8")
        assert "{{" not in html, file
        assert "{%" not in html, file


def test_no_page_loads_anything_from_elsewhere(site):
    for file in html_files(site):
        for tag, attrs in Elements(file.read_text("utf-8")).tags:
            for name, value in attrs.items():
                if (tag, name) in LOADING and attrs.get("rel") != "alternate":
                    assert not urlsplit(value).netloc, (file, tag, value)


def test_no_page_says_a_forbidden_word(site):
    for file in html_files(site):
        assert NEVER_SAID.findall(visible(file.read_text("utf-8"))) == [], file


def test_styles_load_nothing(site):
    for file in site.rglob("*.css"):
        found = re.findall(r"url\(\s*[\"']?([^\"')]{0,40})", file.read_text("utf-8"))
        assert [address for address in found if not address.startswith("data:")] == []
        assert "@import" not in file.read_text("utf-8")


def test_no_page_has_a_script_or_style_inside(site):
    for file in html_files(site):
        elements = Elements(file.read_text("utf-8"))
        assert elements.inline == [], file
        for _, attrs in elements.tags:
            assert not [name for name in attrs if name == "style" or name.startswith("on")], file


def test_only_the_form_and_the_papers_have_a_script(site):
    own = {"request": "form", "my-request": "form", "documents": "documents"}
    for file in html_files(site):
        scripts = [
            attrs for tag, attrs in Elements(file.read_text("utf-8")).tags if tag == "script"
        ]
        name = next((own[part] for part in file.parts if part in own), "")
        expected = [{"type": "module", "src": f"/assets/{name}.js"}] if name else []
        assert scripts == expected, file


def test_form_has_no_theme(site):
    assert "stylesheets/main" not in (site / "en/request/index.html").read_text("utf-8")


def test_no_script_of_the_theme_is_served(site):
    served = sorted(str(file.relative_to(site)) for file in site.rglob("*.js"))
    assert served == ["assets/documents.js", "assets/form.js"]


def test_every_page_has_language_direction_banner_exit_and_one_heading(site):
    for file in html_files(site):
        elements = Elements(file.read_text("utf-8"))
        first = elements.tags[0]
        folder = file.relative_to(site).parts[0]
        assert first[0] == "html"
        assert first[1]["lang"] == (folder if folder in ("en", "es") else "en"), file
        assert first[1]["dir"] == "ltr"
        classes = [attrs.get("class") for _, attrs in elements.tags]
        assert classes.count("demo") == 1, file
        exits = [attrs for tag, attrs in elements.tags if attrs.get("class") == "exit"]
        assert [(link["href"], link["rel"]) for link in exits] == [(EXIT, "nofollow noreferrer")]
        outside = file.read_text("utf-8").partition("<template")[0]
        assert outside.count("<h1") == 1, file


def test_language_links_lead_to_the_same_page(site):
    for name in NAMES:
        tail = "" if name == "index" else f"{name}/"
        html = (site / "en" / tail / "index.html").read_text("utf-8")
        assert f'<a href="/es/{tail}" lang="es"' in html


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


def test_spanish_pages_say_that_nobody_has_reviewed_them(site):
    for file in (site / "es").rglob("*.html"):
        assert "Esta traducción todavía no ha sido revisada" in file.read_text("utf-8"), file


def test_every_page_exists_in_every_language_from_the_english_of_today():
    for path in (PAGES / "en").glob("*.md"):
        _, english = front_matter(path)
        other, _ = front_matter(PAGES / "es" / path.name)

        assert other["status"] in ("unreviewed", "reviewed")
        assert other["source_hash"] == hashlib.sha256(english.strip().encode()).hexdigest(), path


def test_every_page_uses_the_same_facts_and_links_as_the_english():
    for path in (PAGES / "en").glob("*.md"):
        english, spanish = (
            sorted(re.findall(r"{{.*?}}|\]\([^)]*\)", front_matter(PAGES / tag / path.name)[1]))
            for tag in ("en", "es")
        )
        assert english == spanish, path


def test_pages_have_no_number_of_their_own():
    for path in PAGES.rglob("*.md"):
        text = re.sub(r"{{.*?}}|^\d\. |{ #[\w-]+ }", "", front_matter(path)[1], flags=re.MULTILINE)
        assert not re.search(r"\d", text), path


def test_fact_that_no_page_uses_stops_the_build(tmp_path, monkeypatch, capfd):
    city = shutil.copytree(ROOT / "site/city", tmp_path / "city")
    with (city / "facts.yml").open("a") as facts:
        facts.write("  left_over: {value: 3, verified: true}\n")
    monkeypatch.setenv("QUIETDESK_CITY", str(city))

    with pytest.raises(subprocess.CalledProcessError):
        build_site(tmp_path / "site", (b"a custodian",))
    assert "facts.yml: no page uses left_over" in capfd.readouterr().err


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


def test_git_does_not_ignore_the_sources():
    ignored = subprocess.run(["git", "check-ignore", "site/", "site/pages/index.md"], cwd=ROOT)

    assert ignored.returncode == 1
