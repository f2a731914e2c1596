"""The pages that people read: facts of the city profile put into Markdown, and what a translation
was made from. It reads YAML and runs while the site is built, never in a function.
"""

import hashlib
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
from quietdesk.site import documents
from quietdesk.site.documents import Paper, Rules


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
        papers = cities.read_yaml(folder / "documents.yml")
        self._rules = documents.parse(papers)
        self._values = _facts(cities.read_yaml(folder / "facts.yml"), papers)
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
                papers=lambda name: part("papers.html", **self._papers(name, words)),
                centers=lambda: part("centers.html"),
                languages=lambda: part("languages.html"),
            )
        except Exception as error:  # a template may fail in any way; the build must name the page
            raise BadCity(f"{where}: {error}") from error
        if facts.owed:
            raise BadCity(f"{where}: mark as unverified with confirm(): {sorted(facts.owed)}")
        return filled

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
        slots = {name: _SLOT.format(name) for name in ("paper", "other", "number")}
        said = {
            key: words(text, age=self._rules.ages.minimum, **slots)
            for key, text in PAPER_WORDS.items()
        }
        for name, label in self._rules.lists.items():
            said[f"need {name}"] = words(NEED_LIST, list=words(label), **slots)
        return said


# What the documents page's script says, with slots that it fills.
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
_SLOT = Markup('<bdi data-slot="{}"></bdi>')
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
    label = words(paper.label)
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


def _facts(data: Mapping[str, Any], papers: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    """Name to value and whether somebody has verified it; the rules for papers are facts too."""
    facts = {name: (row["value"], bool(row["verified"])) for name, row in data["facts"].items()}
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


def source_hash(body: str) -> str:
    """The hash by which a translation names the English text that it was made from."""
    return hashlib.sha256(body.strip().encode()).hexdigest()


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
