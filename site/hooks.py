"""What MkDocs calls while it builds. Everything it does is in quietdesk.pages."""

import os
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import TableOfContents

import quietdesk
from quietdesk import settings
from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.site import outreach
from quietdesk.site.guide import Guide, write_profile

ROOT = Path(__file__).parents[1]
DATA = Path(quietdesk.__file__).with_name("data.json")


class Build:
    """What one build works with."""

    pages: Pages
    guide: Guide
    site: str  # its address, or ""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Compiles the city profile, so that the functions and this build say the same."""
    chosen = settings.read(os.environ)
    folder = ROOT / chosen.city
    city = write_profile(folder, ROOT / "site/words", DATA)
    Build.pages = Pages(city, chosen.custodians, chosen.threshold)
    Build.site = outreach.site_address(config.site_url or "")
    Build.guide = Guide(Build.pages, folder, Build.site)
    config.site_name = city.name
    return config


def on_env(env: Any, config: MkDocsConfig, files: Files) -> Any:
    """Leaves out what no page loads: the theme's scripts and the maps of its styles."""
    for file in list(files):
        if file.src_uri.startswith("assets/javascripts/") or file.src_uri.endswith(".map"):
            files.remove(file)
    return env


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Facts into the text."""
    return Build.guide.markdown(markdown, _locale(page)[0], page.file.src_uri)


def on_page_context(
    context: dict[str, Any], page: Page, config: MkDocsConfig, **_: Any
) -> dict[str, Any]:
    """Language, direction, and what stands above and below."""
    lang, name = _locale(page)
    config.theme["language"] = lang
    page.toc = TableOfContents([])  # else the theme adds a second link to skip to the text
    context["desk"] = Build.pages.around(lang, name, page.meta, config.site_url or "")
    return context


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """The form is its own page, without the theme; the theme's pages get their direction."""
    lang, name = _locale(page)
    if name == "request":
        return Build.pages.form(lang)
    if name == "my-request":
        return Build.pages.my_request(lang)
    return Build.pages.directed(output, lang)


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """The page for an address that does not exist; a sitemap only where the site's address is
    known."""
    if template_name == "404.html":
        return Build.pages.not_found()
    if template_name.startswith("sitemap") and not config.site_url:
        return ""
    return output


def on_post_build(config: MkDocsConfig) -> None:
    """What is beside the Markdown pages and not in the sitemap: forms with a center ticked, and
    sheets to print. A fact that no page uses is one that nobody keeps right: it stops the build."""
    if unused := Build.guide.unused():
        raise BadCity(f"facts.yml: no page uses {', '.join(unused)}")
    outreach.write(Build.pages, Build.site, Path(config.site_dir))


def _locale(page: Page) -> tuple[str, str]:
    """Language and name of a page: `es/privacy.md` is (es, privacy)."""
    lang, _, name = page.file.src_uri.removesuffix(".md").rpartition("/")
    return (lang or Build.pages.city.locales[0].tag), name
