"""The pages that people read: facts of the city profile put into Markdown. It reads YAML and runs
while the site is built, never in a function.
"""

from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from quietdesk.errors import BadCity
from quietdesk.pages import Pages, speech, visits
from quietdesk.pages.english import CONFIRM
from quietdesk.pages.speech import Words
from quietdesk.website import documents, documents_page, outreach
from quietdesk.website.facts import Facts, read_facts
from quietdesk.weeks import MAX_AGE

# A search and no map of ours: it needs the address alone, so nothing can grow old beside it, and no
# profile can lead people to a map that follows them. It is asked for only when somebody presses it.
MAP = "https://www.openstreetmap.org/search?query="
# CENTER_ACCESS of quietdesk.city, in words.
ACCESS = {
    "step_free": "A way in without steps",
    "elevator": "An elevator",
    "toilet": "A toilet without steps",
    "seats": "Seats to wait on",
    "quiet": "A quiet place",
}


class Guide:
    """Puts the facts of the city profile into the Markdown of one page. `site` is the website's
    address as outreach.site_address gives it."""

    def __init__(self, pages: Pages, folder: Path, site: str = ""):
        self._pages = pages
        self._site = site
        self._rules = documents.read(folder / "documents.yml")
        self._stated, ruled = read_facts(folder)
        self._values = self._stated | ruled
        self._used: set[str] = set()
        self._env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)

    def markdown(self, text: str, lang: str, where: str) -> str:
        """The Markdown with its `{{ }}` filled in; `{{ words('Send') }}` is what that button says
        in this language. Raises BadCity for a fact that does not exist, and for an unverified
        one that the page does not mark with `{{ confirm('name') }}`."""
        pages, rules, facts = self._pages, self._rules, Facts(self._values)
        words = pages.speak(lang)

        def confirm(*names: str) -> Markup:
            if not facts.mark(*names):
                return Markup("")
            return Markup('<span class="confirm">{}</span>').format(words(CONFIRM))

        def part(template: str, **values: Any) -> Markup:
            return in_line(pages.part(template, lang, **values))

        def in_line(rendered: str) -> Markup:
            # One line, no indent: Markdown must take it for HTML, not for code.
            lines = (line.strip() for line in rendered.splitlines())
            return Markup("".join(line for line in lines if line))  # noqa: S704

        try:
            filled = self._env.from_string(text).render(
                facts=facts,
                programme=pages.city,
                phone=words.phone,
                longest_days=MAX_AGE.days,
                confirm=confirm,
                words=words,
                papers=lambda name: part(
                    "papers.html", **documents_page.part_of(name, rules, words)
                ),
                centers=lambda: part("centers.html", centers=self.centers(words)),
                languages=lambda: part("languages.html"),
                outreach=lambda: in_line(outreach.overview(pages, lang, self._site)),
            )
        except Exception as error:  # a template may fail in any way; the build must name the page
            raise BadCity(f"{where}: {error}") from error
        if facts.owed:
            raise BadCity(f"{where}: mark as unverified with confirm(): {sorted(facts.owed)}")
        self._used |= facts.used
        return filled

    def unused(self) -> list[str]:
        """The facts of facts.yml that no page used so far."""
        return sorted(set(self._stated) - self._used)

    def centers(self, words: Words) -> list[dict[str, Any]]:
        """What the page of centers shows of each one that is listed, in words."""
        languages = speech.choices(words)["language"]

        def days(given: tuple[str, ...]) -> list[str]:
            return [words.locale.day(date.fromisoformat(day)) for day in sorted(given)]

        return [
            {
                "name": center.name,
                "address": center.address,
                "hours": visits.hours(center, words),
                "verified": center.verified,
                "dates": days(center.dates),
                "closed": days(center.closed),
                "access": [words(ACCESS[name]) for name in center.access],
                "transit": center.transit,
                "languages": [(tag, languages[tag]) for tag in center.languages],
                "map": MAP + quote(center.address),
            }
            for center in self._pages.city.listed
        ]
