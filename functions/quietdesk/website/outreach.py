"""Links, QR codes and sheets for organisers, made while the site is built or by a command.

It hides how a link is written, how a QR code is drawn and how a sheet is laid out. A link holds a
language and a center and nothing else: no person, no day, no mark to count by.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import segno
from markupsafe import Markup

from quietdesk.city import Center, City, Locale
from quietdesk.errors import BadSetting
from quietdesk.pages import Offer, Pages
from quietdesk.pages.speech import Words

# What a sheet is called, and how many of it are on a page.
KINDS = {"poster": "Poster", "handbill": "Handbills", "cards": "Slips to write codes on"}
HANDBILLS = 4  # in two languages two, each with a side in each
QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks
# Whole, or links from the root of the site would miss it; plain http only where it does not travel.
_SITE = re.compile(
    r"(https://[a-z0-9.-]+(?::\d+)?|http://(?:localhost|127\.0\.0\.1)(?::\d+)?)/?", re.I
)


@dataclass(frozen=True, slots=True)
class Link:
    """An address of the form with a center ticked, in a language; without a center, of the page
    that takes a code. A center that the site does not list is reached by its path."""

    lang: str
    center: Center | None = None

    @property
    def path(self) -> str:
        """The part after the website's own address: `/bn/request/at/corona/`."""
        if self.center is None:
            return f"/{self.lang}/my-request/"
        if self.center.path:
            return f"/api/request/{self.lang}/{self.center.path}"
        return f"/{self.lang}/request/at/{self.center.id}/"

    def address(self, site: str) -> str:
        """What the QR code holds; `site` as `site_address` gives it."""
        return site + self.path

    def shown(self, site: str) -> str:
        """What people read and type: browsers put https:// before it by themselves."""
        return self.address(site).removeprefix("https://")

    def pieces(self, site: str) -> list[str]:
        """The same, where a line may end."""
        return re.findall(r"[^/]*/+|[^/]+", self.shown(site))


def site_address(text: str) -> str:
    """The address of the website, without a slash at the end; "" for "". Raises BadSetting."""
    found = _SITE.fullmatch(text)
    if text and not found:
        raise BadSetting(
            f"the website's address must be https:// and a name, with nothing after it, not {text}"
        )
    return found[1] if found else ""


def second(city: City, lang: str) -> Locale | None:
    """The other language of the sheets in two languages that the site has: its first one, and
    beside that its second. The command makes any pair."""
    return next((locale for locale in city.locales if locale.tag != lang), None)


class Sheets:
    """Everything that organisers print, for one website."""

    def __init__(self, pages: Pages, site: str):
        self._pages = pages
        self._site = site

    def page(self, kind: str, langs: tuple[str, ...], center: Center | None = None) -> str:
        """A sheet as a page of the website, in one or two languages. Cards need no center."""
        tail = f"{center.id}/" if center else ""
        name = f"organisers/{kind}/{tail}".removesuffix("/")
        return self._render("sheet.html", kind, langs, center, name=name)

    def file(self, kind: str, langs: tuple[str, ...], center: Center | None, styles: str) -> str:
        """A sheet as one file that needs no other; `styles` is the text of sheets.css."""
        inside = Markup(styles)  # noqa: S704 - our own file
        return self._render("sheet_file.html", kind, langs, center, styles=inside)

    def picture(self, link: Link) -> str:
        """The QR code as a file of its own, a millimetre a module."""
        file = io.BytesIO()
        code = _code(link.address(self._site))
        code.save(file, kind="svg", border=QUIET_ZONE, light="#fff", unit="mm", **_PLAIN)
        return file.getvalue().decode()

    def _render(
        self, template: str, kind: str, langs: tuple[str, ...], center: Center | None, **more: Any
    ) -> str:
        spoken = [self._spoken(lang, None if kind == "cards" else center) for lang in langs]
        _, words, _, _ = spoken[0]
        title = words(KINDS[kind])
        return self._pages.part(
            template,
            langs[0],
            title=title + f": {center.name}" if center else title,
            kind=kind,
            center=center,
            site=self._site,
            spoken=spoken,
            both=_Both([(locale, words) for locale, words, _, _ in spoken]),
            copies=HANDBILLS // len(langs) if kind == "handbill" else 1,
            **more,
        )

    def _spoken(self, lang: str, center: Center | None) -> tuple[Locale, Words, Link, Markup]:
        words = self._pages.speak(lang)
        link = Link(words.locale.tag, center)
        code = _code(link.address(self._site))
        drawn = code.svg_inline(border=QUIET_ZONE, light="#fff", omitsize=True, **_PLAIN)
        return words.locale, words, link, Markup(drawn)  # noqa: S704 - paths and numbers


class _Both:
    """A label in each language of a sheet, as Words gives it in one."""

    def __init__(self, spoken: list[tuple[Locale, Words]]):
        self._spoken = spoken

    def __call__(self, text: str) -> Markup:
        said = (
            Markup('<span lang="{}" dir="{}">{}</span>').format(it.tag, it.direction, words(text))
            for it, words in self._spoken
        )
        return Markup(" / ").join(said)


_PLAIN: dict[str, Any] = {"svgclass": None, "lineclass": None}  # the page's styles do the rest


@cache  # a code stands on many sheets, and takes longer than the rest of them
def _code(address: str) -> segno.QRCode:
    # Level Q: a quarter of a worn or badly copied code may be unreadable.
    return segno.make_qr(address, error="q", boost_error=False)


def built(pages: Pages, site: str) -> Iterator[tuple[str, str]]:
    """What the website has beside its Markdown pages: path and text of each file."""
    city, sheets = pages.city, Sheets(pages, site)
    for locale in city.locales:
        tag = locale.tag
        for center in city.listed:
            path = Link(tag, center).path.lstrip("/")
            yield f"{path}index.html", pages.form(tag, offer=Offer(center=center.id))
        if site:
            other = second(city, tag)
            pairs = [((tag,), ""), *([((tag, other.tag), f"{other.tag}/")] if other else [])]
            for langs, tail in pairs:
                yield f"{tag}/organisers/cards/{tail}index.html", sheets.page("cards", langs)
                for center in city.listed:
                    for kind in ("poster", "handbill"):
                        path = f"{tag}/organisers/{kind}/{center.id}/{tail}index.html"
                        yield path, sheets.page(kind, langs, center)
            for center in city.listed:
                path = f"{tag}/organisers/qr/{center.id}.svg"
                yield path, sheets.picture(Link(tag, center))


def write(pages: Pages, site: str, folder: Path) -> None:
    """Writes what `built` gives into the folder of the website."""
    for path, text in built(pages, site):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


def overview(pages: Pages, lang: str, site: str) -> str:
    """For the organisers page: each center with its links, the page's language first."""
    city = pages.city
    locales = sorted(city.locales, key=lambda locale: locale.tag != lang)
    centers = [(it, [(each, Link(each.tag, it)) for each in locales]) for it in city.listed]
    return pages.part(
        "organisers.html",
        lang,
        site=site,
        centers=centers,
        kinds=KINDS,
        second=second(city, lang),
    )
