"""The page of papers: its rows and choices in words, and what its script says. The script,
site/script/documents.js, has no words of its own.
"""

from typing import Any

from markupsafe import Markup, escape

from quietdesk.pages.speech import Words
from quietdesk.website.documents import HALVES
from quietdesk.website.facts import ltr
from quietdesk.website.papers import Paper, Rules

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


def part_of(name: str, rules: Rules, words: Words) -> dict[str, Any]:
    """What papers.html needs for one part of the documents page: `start`, a half, `answer`."""
    if name not in ("start", *HALVES, "answer"):
        raise ValueError(f"papers has no part {name!r}")
    groups: dict[str, list[dict[str, Any]]] = {}
    for paper in rules.papers.values():
        if paper.half == name:
            groups.setdefault(paper.group, []).append(_paper(paper, rules, words))
    return {
        "part": name,
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
        "script_words": _script_words(rules, words),
    }


def _script_words(rules: Rules, words: Words) -> dict[str, Markup]:
    rooms = {name: _FILL.format(name) for name in ("paper", "other", "number")}
    said = {key: words(text, age=rules.ages.minimum, **rooms) for key, text in PAPER_WORDS.items()}
    for name, label in rules.lists.items():
        said[f"need {name}"] = words(NEED_LIST, list=words(label), **rooms)
    return said


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
