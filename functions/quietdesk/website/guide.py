"""The pages that people read: facts of the city profile put into Markdown. It reads YAML and runs
while the site is built, never in a function.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape

from quietdesk import city as cities
from quietdesk.city import City, Locale
from quietdesk.errors import BadCity
from quietdesk.keys import MAX_AGE
from quietdesk.pages import CONFIRM, Pages, Words
from quietdesk.website import documents, outreach
from quietdesk.website.documents import Paper, Rules

# A search and no map of ours: it needs the address alone, so nothing can grow old beside it, and no
# profile can lead people to a map that follows them. It is asked for only when somebody presses it.
MAP = "https://www.openstreetmap.org/search?query="


def ltr(text: str) -> Markup:
    """A text that keeps its direction in any other."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(text)


class Facts(dict[str, Any]):
    """Facts by name. It notes which ones a page used, and which of them are unverified, so that the
    page says so. A fact that is `true` has no value to show: pages say it in words."""

    def __init__(self, values: Mapping[str, tuple[Any, bool]]):
        super().__init__({name: value for name, (value, _) in values.items()})
        self.unverified = {name for name, (_, verified) in values.items() if not verified}
        self.used: set[str] = set()
        self.owed: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is True:
            raise BadCity(f"{name} is true: say it in words and mark it with confirm()")
        self.used.add(name)
        if name in self.unverified:
            self.owed.add(name)
        # Such as $10, whose sign would change sides between words from right to left.
        return ltr(value) if isinstance(value, str) else value

    def mark(self, *names: str) -> bool:
        """The page marks these facts; whether any of them is unverified."""
        if unknown := set(names) - set(self):
            raise BadCity(f"there is no fact {', '.join(sorted(unknown))}")
        self.used |= set(names)
        self.owed -= set(names)
        return bool(self.unverified & set(names))


class Guide:
    """Puts the facts of the city profile into the Markdown of one page. `site` is the website's
    address as outreach.site_address gives it."""

    def __init__(self, pages: Pages, folder: Path, site: str = ""):
        self._pages = pages
        self._site = site
        papers = cities.read_yaml(folder / "documents.yml")
        self._rules = documents.parse(papers)
        self._stated = _stated(cities.read_yaml(folder / "facts.yml"))
        ruled = _ruled(papers)
        if twice := sorted(set(self._stated) & set(ruled)):
            raise BadCity(f"facts.yml: documents.yml has these facts already: {', '.join(twice)}")
        self._values = self._stated | ruled
        self._used: set[str] = set()
        self._env = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)

    def markdown(self, text: str, lang: str, where: str) -> str:
        """The Markdown with its `{{ }}` filled in; `{{ words('Send') }}` is what that button says
        in this language. Raises BadCity for a fact that does not exist, and for an unverified
        one that the page does not mark with `{{ confirm('name') }}`."""
        pages, facts = self._pages, Facts(self._values)
        locale, words = pages.speak(lang)

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
                phone=pages.phone(),
                longest_days=MAX_AGE.days,
                confirm=confirm,
                words=words,
                papers=lambda name: part("papers.html", **self._papers(name, words)),
                centers=lambda: part("centers.html", centers=self.centers(locale, words)),
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

    def centers(self, locale: Locale, words: Words) -> list[dict[str, Any]]:
        """What the page of centers shows of each one that is listed, in words."""
        languages = self._pages.choices(words, locale)["language"]

        def days(given: tuple[str, ...]) -> list[str]:
            return [locale.day(date.fromisoformat(day)) for day in sorted(given)]

        return [
            {
                "name": center.name,
                "address": center.address,
                "hours": self._pages.hours(center, locale, words),
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

    def _papers(self, part: str, words: Words) -> dict[str, Any]:
        """What papers.html needs for one part of the documents page: `start`, a half, `answer`."""
        if part not in ("start", *documents.HALVES, "answer"):
            raise ValueError(f"papers has no part {part!r}")
        rules = self._rules
        groups: dict[str, list[dict[str, Any]]] = {}
        for paper in rules.papers.values():
            if paper.half == part:
                groups.setdefault(paper.group, []).append(_paper(paper, rules, words))
        return {
            "part": part,
            "rules": rules,
            "ages": _ages(rules, words),
            "ways": [
                [(words(rules.lists[name]), number) for name, number in way.items()]
                for way in rules.ways
                if rules.lists
            ],
            "groups": [
                {
                    "id": group,
                    "title": words(rules.titles[group]),
                    "closed": group in rules.closed,
                    "papers": papers,
                }
                for group, papers in groups.items()
            ],
            "script_words": self._script_words(words),
        }

    def _script_words(self, words: Words) -> dict[str, Markup]:
        rooms = {name: _FILL.format(name) for name in ("paper", "other", "number")}
        said = {
            key: words(text, age=self._rules.ages.minimum, **rooms)
            for key, text in PAPER_WORDS.items()
        }
        for name, label in self._rules.lists.items():
            said[f"need {name}"] = words(NEED_LIST, list=words(label), **rooms)
        return said


# CENTER_ACCESS of quietdesk.city, in words.
ACCESS = {
    "step_free": "A way in without steps",
    "elevator": "An elevator",
    "toilet": "A toilet without steps",
    "seats": "Seats to wait on",
    "quiet": "A quiet place",
}

# What the documents page's script says, with room that it fills.
PAPER_WORDS = {
    "none": "Tick the papers that you have.",
    "enough": "It seems enough.",
    "missing": "Still missing:",
    "ask": "We cannot tell. Ask the staff.",
    "young": "The card is for people of {age} years or older.",
    "need identity": "Points for identity: {number}",
    "need residency": "Points for address: {number}",
    "need total": "Points in all: {number}",
    "need photo": "A paper with your photo",
    "need dob": "A paper that shows your birth date",
    "ask photo": "Does one of these papers have your photo?",
    "ask dob": "Does one of these papers show your birth date?",
    "ask paper": "Does this paper count? {paper}",
    "beside": "“{paper}” does not count beside “{other}”.",
    "caretaker": "An adult who cares for you must come too, with their own ID and a paper that "
    "shows how you are related.",
}
_LINES = escape("<<<")  # at the bottom of a passport's page; mirrored they would be another sign
_FILL = Markup('<bdi data-fill="{}"></bdi>')
NEED_LIST = "Papers of the list “{list}”: {number}"


def _paper(paper: Paper, rules: Rules, words: Words) -> dict[str, Any]:
    """A row: `counts` says for what it counts, `when` on which conditions, `notes` the rest."""
    counts = []
    if rules.model != "points":
        counts = [words(rules.lists[name]) for name in paper.counts]
    elif paper.rated:
        if "identity" in paper.counts:
            counts.append(words("{points} for identity", points=paper.counts["identity"]))
        if "residency" in paper.counts:
            counts.append(words("{points} for address", points=paper.counts["residency"]))
    when, notes = [], []
    if paper.max_age_days:
        when.append(words("Not older than {days} days.", days=paper.max_age_days))
    if paper.until:
        when.append(words("Good until {day}.", day=words(paper.until)))
    if paper.photo:
        notes.append(words("Has your photo."))
    if paper.dob:
        notes.append(words("Shows your birth date."))
    if paper.superseded_by:
        notes.append(words("Does not count beside a stronger paper of the same kind."))
    if paper.doubtful:
        notes.append(words("We are not sure of this. Ask first."))
    label = Markup(words(paper.label).replace(_LINES, ltr("<<<")))  # noqa: S704
    counts = counts or [words("Ask the staff")]
    return {"id": paper.id, "label": label, "counts": counts, "when": when, "notes": notes}


def _ages(rules: Rules, words: Words) -> list[dict[str, Any]]:
    """The groups to choose from: an `age` of each, whether a caretaker comes, and what it is
    called. The last is for everybody else."""
    ages, groups = rules.ages, []
    alone = max(ages.minimum, ages.caretaker_through + 1)

    def add(age: int, caretaker: bool, label: Markup) -> None:
        groups.append({"age": age, "caretaker": caretaker, "label": label})

    if ages.minimum:
        add(ages.minimum - 1, False, words("Younger than {age}", age=ages.minimum))
    if ages.caretaker_through >= ages.minimum:
        label = words(
            "{least} to {most} years old", least=ages.minimum, most=ages.caretaker_through
        )
        add(ages.minimum, True, label)
    if ages.waiver_through >= alone:
        label = words(
            "{least} to {most} years old, and an adult who cares for them comes too",
            least=alone,
            most=ages.waiver_through,
        )
        add(alone, True, label)
    add(alone, False, words("Everybody else from {least} years", least=alone))
    return groups


def _stated(data: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    """The facts of facts.yml: name to value and whether somebody has verified it."""
    if set(data) != {"facts"} or not isinstance(data["facts"], dict):
        raise BadCity("facts.yml must have the one key facts, with a fact a line")
    facts = {}
    for name, row in data["facts"].items():
        if not isinstance(row, dict):
            raise BadCity(f"facts.yml: {name} must be like {{value: 3, verified: false}}")
        if unknown := sorted(map(str, set(row) - {"value", "verified", "source"})):
            raise BadCity(f"facts.yml: {name} has an unknown key: {', '.join(unknown)}")
        value, verified = row.get("value"), row.get("verified")
        if not (value is True or (type(value) in (int, str) and value != "")):
            raise BadCity(f"facts.yml: {name}: value must be text, a whole number, or true")
        if not isinstance(verified, bool):
            raise BadCity(f"facts.yml: {name}: verified must be true or false")
        facts[str(name)] = (value, verified)
    return facts


def _ruled(papers: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    """The rules for papers and ages in documents.yml, which are facts too."""
    facts = {}
    verified = bool(papers["verified"])
    needs, ages = papers["needs"], papers["ages"]
    for name in ("identity_points", "residency_points", "total_points"):
        if name in needs:  # those of the model points
            facts[name] = (needs[name], verified)
    facts["minimum_age"] = (ages["minimum"], verified)
    facts["caretaker_through"] = (ages["caretaker_required_through"], verified)
    if ages["photo_waiver"]:
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
