"""The pages that people read: facts of the city profile put into Markdown. It reads YAML and runs
while the site is built, never in a function.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from quietdesk import city as cities
from quietdesk.city import City
from quietdesk.errors import BadCity
from quietdesk.keys import MAX_AGE
from quietdesk.pages import CONFIRM, Pages, Words


class Facts(dict[str, Any]):
    """Facts by name. It notes which unverified ones a page used, so that the page says so."""

    def __init__(self, values: Mapping[str, tuple[Any, bool]]):
        super().__init__({name: value for name, (value, _) in values.items()})
        self.unverified = {name for name, (_, verified) in values.items() if not verified}
        self.owed: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if name in self.unverified:
            self.owed.add(name)
        return value


class Guide:
    """Puts the facts of the city profile into the Markdown of one page."""

    def __init__(self, pages: Pages, folder: Path):
        self._pages = pages
        self._papers = cities.read_yaml(folder / "documents.yml")
        self._values = _facts(cities.read_yaml(folder / "facts.yml"), self._papers)
        self._env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)

    def markdown(self, text: str, lang: str, where: str) -> str:
        """The Markdown with its `{{ }}` filled in. Raises BadCity for a fact that does not exist,
        and for an unverified one that the page does not mark with `{{ confirm('name') }}`."""
        pages, facts = self._pages, Facts(self._values)
        _, words = pages.speak(lang)

        def confirm(*names: str) -> Markup:
            facts.owed -= set(names)
            if not facts.unverified & set(names):
                return Markup("")
            mark = words(CONFIRM)
            return Markup('<span class="confirm">{}</span>').format(mark)

        def part(template: str, **values: Any) -> Markup:
            rendered = pages.part(template, lang, **values)
            # One line, no indent: Markdown must take it for HTML, not for code.
            lines = (line.strip() for line in rendered.splitlines())
            return Markup("".join(line for line in lines if line))  # noqa: S704

        try:
            filled = self._env.from_string(text).render(
                facts=facts,
                programme=pages.city,
                phone=pages.phone(),
                longest_days=MAX_AGE.days,
                confirm=confirm,
                papers=lambda half: part("papers.html", half=half, groups=self.papers(half, words)),
                centers=lambda: part("centers.html"),
                languages=lambda: part("languages.html"),
            )
        except Exception as error:  # a template may fail in any way; the build must name the page
            raise BadCity(f"{where}: {error}") from error
        if facts.owed:
            raise BadCity(f"{where}: mark as unverified with confirm(): {sorted(facts.owed)}")
        return filled

    def papers(self, half: str, words: Words) -> list[dict[str, Any]]:
        """The papers of one half, `identity` or `residency`, by group, in words."""
        return [
            {
                "id": group,
                "title": words(GROUPS.get(group, group)),
                "closed": group in CLOSED_GROUPS,
                "papers": [_paper(paper, words) for paper in papers.values()],
            }
            for group, papers in self._papers[half].items()
        ]


GROUPS = {
    "us_passport": "U.S. passport",
    "foreign_passport": "Passport from another country",
    "us_immigration_papers": "Papers from U.S. immigration",
    "us_government_id": "U.S. government cards and papers",
    "stand_alone": "One paper that is enough alone",
    "us_driver_license": "U.S. driver license",
    "foreign_driver_license": "Driver license from another country",
    "foreign_id": "Other papers from another country",
    "work_and_school": "Work and school",
    "immigration_custody_papers": "Papers to ask the staff about",
    "bills": "Bills and statements",
    "home": "Your home",
    "letters": "Letters",
    "work_tax_court": "Work, tax and court",
    "federal_papers": "Federal papers",
    "no_address_or_safety": "No fixed address, or an address that is not safe to show",
}
# Groups whose heading opens them, so that nobody's eyes fall on them by chance.
CLOSED_GROUPS = ("us_immigration_papers", "immigration_custody_papers", "federal_papers")


def _paper(paper: Mapping[str, Any], words: Words) -> dict[str, Any]:
    points = []
    if paper.get("id"):
        points.append(words("{points} for identity", points=paper["id"]))
    if paper.get("res"):
        points.append(words("{points} for address", points=paper["res"]))
    notes = []
    if paper.get("photo") is True:
        notes.append(words("Has your photo."))
    if paper.get("dob") is True:
        notes.append(words("Shows your birth date."))
    if paper.get("max_age_days"):
        notes.append(words("Not older than {days} days.", days=paper["max_age_days"]))
    if paper.get("until"):
        notes.append(words("Good until {day}.", day=words(paper["until"])))
    if paper.get("superseded_by"):
        notes.append(words("Does not count beside a stronger paper of the same kind."))
    if paper.get("confidence"):
        notes.append(words("We are not sure of this. Ask first."))
    label = words(paper["label"])
    return {"label": label, "points": points or [words("Ask the staff")], "notes": notes}


def _facts(data: Mapping[str, Any], papers: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    """Name to value and whether somebody has verified it; the rules for papers are facts too."""
    facts = {name: (row["value"], bool(row["verified"])) for name, row in data["facts"].items()}
    verified = bool(papers["verified"])
    needs, ages = papers["needs"], papers["ages"]
    for name in ("identity_points", "residency_points", "total_points"):
        facts[name] = (needs[name], verified)
    facts["minimum_age"] = (ages["minimum"], verified)
    facts["caretaker_through"] = (ages["caretaker_required_through"], verified)
    facts["photo_waiver_through"] = (ages["photo_waiver"]["through_age"], verified)
    facts["card_years_young"] = (ages["card_years"]["under_14"], verified)
    facts["card_years"] = (ages["card_years"]["from_14"], verified)
    return facts


def write_profile(city: Path, words: Path, target: Path) -> City:
    """Compiles the city profile into `target`, if it changed, and gives the City in it."""
    data = cities.compile_profile(city, words)
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    if not target.exists() or target.read_text("utf-8") != text:
        # Never half a file: a server may be reading it.
        fresh = target.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(target)
    return cities.from_data(json.loads(text))
