"""What MkDocs calls while it builds. The work is done in quietdesk.pages and quietdesk.website."""

import os
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import TableOfContents

from quietdesk import settings, textfile
from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.website import outreach, styles
from quietdesk.website.addresses import Addresses
from quietdesk.website.guide import Guide
from quietdesk.website.profile import write_profile
from quietdesk.website.sources import ENGLISH, Shown, Sources

ROOT = Path(__file__).parents[1]


class Build:
    """What one build works with."""

    pages: Pages
    guide: Guide
    site: str  # its address, or ""
    sources: Sources
    addresses: Addresses


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Compiles the city profile, so that the functions and this build say the same."""
    chosen = settings.read(os.environ)
    folder = ROOT / chosen.city
    city = write_profile(folder, ROOT / "site/words", ROOT / chosen.profile)
    tags = [locale.tag for locale in city.locales]
    Build.pages = Pages(city, chosen.custodians, chosen.threshold)
    Build.site = outreach.site_address(config.site_url or "")
    Build.guide = Guide(Build.pages, folder, Build.site)
    Build.sources = Sources(Path(config.docs_dir), folder / "pages", tags)
    Build.addresses = Addresses(config.site_url or "", Build.sources)
    config.site_name = city.name
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every page in every language of the site: its translation, or English in its place."""
    for file in list(files.documentation_pages()):
        if "/" in file.src_uri:
            files.remove(file)
    for tag in Build.sources.tags:
        for name in Build.sources.names:
            path = str(Build.sources.shown(tag, name).text.path)
            files.append(File.generated(config, f"{tag}/{name}.md", abs_src_path=path))
    return files


def on_env(env: Any, config: MkDocsConfig, files: Files) -> Any:
    """Leaves out what no page loads: of the theme, all but its main styles."""
    for file in list(files):
        main = file.src_uri.startswith("assets/stylesheets/main") and file.src_uri.endswith(".css")
        ours = (Path(config.docs_dir) / file.src_uri).exists()
        if file.src_uri.startswith("assets/") and not main and not ours:
            files.remove(file)
    return env


def on_page_read_source(page: Page, **_: Any) -> str | None:
    """The page as its writer's editor saved it."""
    path = page.file.abs_src_path
    return textfile.read(Path(path)) if path else None


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Facts into the text."""
    shown = _shown(page)
    lang = shown.lang if shown else ENGLISH
    return Build.guide.markdown(markdown, lang, page.file.src_uri)


def on_page_context(
    context: dict[str, Any], page: Page, config: MkDocsConfig, **_: Any
) -> dict[str, Any]:
    """Language, direction, and what stands above and below."""
    lang, name = _locale(page)
    shown, addresses = _shown(page), Build.addresses
    notes = shown.notes if shown else ()
    around = Build.pages.around(lang, name, notes)
    # The theme says nothing by itself, so it needs no partial for our language.
    config.theme["language"] = ENGLISH
    config.theme["direction"] = around["locale"].direction
    page.toc = TableOfContents([])  # else the theme adds a second link to skip to the text
    context["desk"] = around | {
        "text_lang": shown.lang if shown else lang,
        "english": addresses.address(ENGLISH, name) if "older" in notes else "",
        "alternates": addresses.alternates(name if shown else "index"),
        "canonical": addresses.canonical(lang, name) if shown else "",
        "share": addresses.share(lang, name) if shown else {},
    }
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
    """The page for an address that does not exist, and the sitemap."""
    if template_name == "404.html":
        return Build.pages.not_found()
    return Build.addresses.sitemap() if template_name.startswith("sitemap") else output


def on_post_build(config: MkDocsConfig) -> None:
    """What is beside the Markdown pages and not in the sitemap: forms with a center ticked, and
    sheets to print; and the styles without what no page uses. A fact that no page uses is one that
    nobody keeps right: it stops the build."""
    if unused := Build.guide.unused():
        raise BadCity(f"facts.yml: no page uses {', '.join(unused)}")
    outreach.write(Build.pages, Build.site, Path(config.site_dir))
    styles.slim(Path(config.site_dir), ROOT / "site/script")


def _locale(page: Page) -> tuple[str, str]:
    """Language and name of a page: `es/privacy.md` is (es, privacy)."""
    lang, _, name = page.file.src_uri.removesuffix(".md").rpartition("/")
    return (lang or Build.pages.city.locales[0].tag), name


def _shown(page: Page) -> Shown | None:
    """What the page shows; nothing for the one above all languages."""
    return Build.sources.shown(*_locale(page)) if "/" in page.file.src_uri else None
