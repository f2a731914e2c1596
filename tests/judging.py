"""What a set of papers comes to, as the page's script says it (site/script/judge.js), written a
second time: each finds the other's mistakes. Both keep tests/vectors/documents.json.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from quietdesk.website.papers import Paper, Rules, excludes, lacking

MOST_ADDED = 3  # papers in one suggestion, and suggestions in one answer


@dataclass(frozen=True, slots=True)
class Answer:
    """judge.js says what each is."""

    state: str
    missing: Mapping[str, int]
    ask: tuple[str, ...]
    beside: Mapping[str, str]
    add: tuple[tuple[str, ...], ...]
    caretaker: bool


def judge(rules: Rules, chosen: Collection[str], age: int, caretaker: bool) -> Answer:
    """What these papers come to for somebody of `age` years who comes with a caretaker or not.
    Raises KeyError for a paper that the rules do not have."""
    if age < rules.ages.minimum:
        return Answer("young", {}, (), {}, (), False)
    papers = _in_order(rules, chosen)
    waived = caretaker and age <= rules.ages.waiver_through
    sure, counted = lacking(rules, papers, waived, doubts=False)
    hoped = sure
    if sure:
        hoped, counted = lacking(rules, papers, waived, doubts=True)
    missing = dict(hoped)
    ask = [need for need in sure if hoped.get(need, 0) < sure[need]]
    if sure:
        ask += [paper.id for paper in counted if paper.doubtful]
    required = age <= rules.ages.caretaker_through
    if required and not caretaker:
        missing["caretaker"] = 1
    state = "missing" if missing else "ask" if sure else "enough"
    stands_in = (
        waived and rules.photo and not any(paper.photo and not paper.doubtful for paper in counted)
    )
    return Answer(
        state,
        missing,
        tuple(ask),
        _beside(papers, counted),
        tuple(_additions(rules, papers, waived)) if sure else (),
        required or stands_in,
    )


def _in_order(rules: Rules, chosen: Collection[str]) -> list[Paper]:
    """The papers of these ids, as the file orders them."""
    for id in chosen:
        rules.papers[id]
    return [paper for paper in rules.papers.values() if paper.id in chosen]


def _beside(papers: list[Paper], counted: list[Paper]) -> dict[str, str]:
    """Each paper left out of the counting, and the first counted one that excludes it."""
    found = {}
    for paper in papers:
        if paper not in counted:
            for other in counted:
                if excludes(other, paper):
                    found[paper.id] = other.id
                    break
    return found


def _additions(rules: Rules, papers: list[Paper], waived: bool) -> Iterator[tuple[str, ...]]:
    """The smallest sets of easy papers that make this enough, without any doubt."""
    offered = [
        rules.papers[id]
        for id in rules.easy
        if not any(paper.id == id or excludes(paper, rules.papers[id]) for paper in papers)
    ]
    for size in range(1, MOST_ADDED + 1):
        found = 0
        for extra in combinations(offered, size):
            if not lacking(rules, [*papers, *extra], waived, doubts=False)[0]:
                yield tuple(paper.id for paper in extra)
                found += 1
                if found == MOST_ADDED:
                    return
        if found:
            return
