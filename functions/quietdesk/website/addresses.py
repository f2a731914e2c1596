"""The addresses of pages: the same page in other languages, the sitemap, links to pass on.

An address is only written out where the site knows its own (SITE_URL). Nothing in it says who
passed it on.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from quietdesk.website.sources import ENGLISH, Sources

# The form and what follows it: no search engine needs them, and they say so (page.html).
UNLISTED = ("request", "my-request")
_XMLNS = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
)


class Addresses:
    """The addresses of a site. `base` is its own address, "" while nobody knows it."""

    def __init__(self, base: str, sources: Sources):
        self._base = base.rstrip("/")
        self._sources = sources

    def address(self, tag: str, name: str) -> str:
        """The address of a page; without the site's own it begins with a slash."""
        return f"{self._base}/{tag}/" + ("" if name == "index" else f"{name}/")

    def alternates(self, name: str) -> list[tuple[str, str]]:
        """Language and address of a page in each language that has a translation to show, and
        `x-default` for everybody else."""
        if not self._base:
            return []
        has = [tag for tag in self._sources.tags if self._sources.shown(tag, name).lang == tag]
        default = f"{self._base}/" if name == "index" else self.address(ENGLISH, name)
        return [*((tag, self.address(tag, name)) for tag in has), ("x-default", default)]

    def canonical(self, tag: str, name: str) -> str:
        """The address that a search engine should keep: the English page's for one that shows its
        text. "" where there is nothing to say."""
        lang = self._sources.shown(tag, name).lang
        return self.address(lang, name) if self._base or lang != tag else ""

    def share(self, tag: str, name: str) -> Mapping[str, str]:
        """What passes on the home page: the plain address, a text message, a WhatsApp message."""
        if not self._base or name != "index":
            return {}
        address = self.address(tag, name)
        said = quote(address, safe="")
        return {
            "address": address,
            "sms": f"sms:?&body={said}",  # the one form that iPhones and Android phones both read
            "whatsapp": f"https://wa.me/?text={said}",
        }

    def sitemap(self) -> str:
        """The sitemap (sitemaps.org, with Google's alternates); "" without an address."""
        if not self._base:
            return ""
        names = [name for name in self._sources.names if name not in UNLISTED]
        entries = [_entry(f"{self._base}/", self.alternates("index"))]
        for name in names:
            alternates = self.alternates(name)
            entries += [_entry(at, alternates) for tag, at in alternates if tag != "x-default"]
        body = "\n".join(entries)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {_XMLNS}>\n{body}\n</urlset>\n'


def _entry(address: str, alternates: Sequence[tuple[str, str]]) -> str:
    links = "".join(
        f'\n<xhtml:link rel="alternate" hreflang="{tag}" href={quoteattr(at)}/>'
        for tag, at in alternates
    )
    return f"<url><loc>{address}</loc>{links}\n</url>"
