"""Papers and what a programme asks for: what a set of papers still lacks.

It is advice and never a promise: staff decide. The build asks it whether the papers that a page
suggests are enough; on the page site/script/judge.js counts the same way, and tests compare the
two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Paper:
    """One kind of paper. `counts` maps a need (`identity`, `residency`, or the name of a list) to
    points, or to 1; None in `photo` and `dob` means that nobody knows. A `doubtful` paper never
    makes a set enough; it makes the answer "ask". When not `rated`, nobody knows how much it
    counts, and `counts` has the most that it could."""

    id: str
    half: str
    group: str
    label: str
    counts: Mapping[str, int]
    photo: bool | None
    dob: bool | None
    superseded_by: tuple[str, ...] = ()
    doubtful: bool = False
    rated: bool = True
    max_age_days: int | None = None
    until: str = ""


@dataclass(frozen=True, slots=True)
class Ages:
    """Years. Through `caretaker_through` a caretaker must come; through `waiver_through` one who
    proves the relationship stands in for the photo (-1: never)."""

    minimum: int
    caretaker_through: int
    waiver_through: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What one programme asks for. Any one of `ways` is enough: need to how much of it, and
    together with `total` points in all (0: not asked). With `once` a paper counts in one list only,
    whichever is best."""

    model: str
    verified: bool
    ways: tuple[Mapping[str, int], ...]
    total: int
    once: bool
    photo: bool
    dob: bool
    ages: Ages
    papers: Mapping[str, Paper]
    easy: tuple[str, ...]
    lists: Mapping[str, str]
    titles: Mapping[str, str]
    closed: frozenset[str]

    def texts(self) -> Iterator[str]:
        """Every English text of the file that people read."""
        for paper in self.papers.values():
            yield paper.label
            if paper.until:
                yield paper.until
        yield from self.lists.values()
        yield from self.titles.values()

    def data(self) -> dict[str, Any]:
        """What judge.js needs, as JSON-able values. Of photo and birth date: 0 no, 1 nobody knows,
        2 yes."""
        return {
            "ways": [dict(way) for way in self.ways],
            "total": self.total,
            "once": self.once,
            "photo": self.photo,
            "dob": self.dob,
            "ages": [self.ages.minimum, self.ages.caretaker_through, self.ages.waiver_through],
            "easy": list(self.easy),
            "papers": {
                paper.id: [
                    dict(paper.counts),
                    RANK[paper.photo],
                    RANK[paper.dob],
                    int(paper.doubtful),
                    *paper.superseded_by,
                ]
                for paper in self.papers.values()
            },
        }


RANK = {False: 0, None: 1, True: 2}  # what is known of a photo or a birth date, for comparing


def lacking(
    rules: Rules, papers: list[Paper], waived: bool, *, doubts: bool
) -> tuple[dict[str, int], list[Paper]]:
    """The least that is lacking, over every way and every counting: need to how much of it, with
    `total`, `photo` and `dob` among the needs; and the papers counted. `waived`: a caretaker stands
    in for the photo. With `doubts`, all that is not known turns out well."""
    usable = [paper for paper in papers if doubts or not paper.doubtful]
    known = 1 if doubts else 2
    best: tuple[dict[str, int], list[Paper]] | None = None
    for counted in _countings(usable):
        for way in rules.ways:
            short = _matched(counted, way) if rules.once else _summed(counted, way)
            if rules.total:
                have = sum(sum(paper.counts.values()) for paper in counted)
                short["total"] = rules.total - have - sum(short.values())
            if rules.photo and not waived:
                short["photo"] = int(not any(RANK[paper.photo] >= known for paper in counted))
            if rules.dob:
                short["dob"] = int(not any(RANK[paper.dob] >= known for paper in counted))
            short = {need: lacking for need, lacking in short.items() if lacking > 0}
            if best is None or sum(short.values()) < sum(best[0].values()):
                best = short, counted
    assert best is not None  # noqa: S101 - rules have a way, and papers a counting
    return best


def _countings(papers: list[Paper]) -> list[list[Paper]]:
    """The sets that may count together: of a paper and one that supersedes it, only one does."""
    for weak in papers:
        for strong in papers:
            if strong.id not in weak.superseded_by:
                continue
            without = _countings([paper for paper in papers if paper is not weak])
            if _always_better(strong, weak, papers):
                return without
            return without + _countings([paper for paper in papers if paper is not strong])
    return [papers]


def _always_better(strong: Paper, weak: Paper, papers: list[Paper]) -> bool:
    """Whether `weak` can be left out without a look: `strong` gives at least as much, and excludes
    nothing that `weak` does not exclude."""
    return (
        strong.doubtful <= weak.doubtful
        and RANK[strong.photo] >= RANK[weak.photo]
        and RANK[strong.dob] >= RANK[weak.dob]
        and all(strong.counts.get(need, 0) >= points for need, points in weak.counts.items())
        and all(
            other is weak or other is strong or excludes(other, weak)
            for other in papers
            if excludes(other, strong)
        )
    )


def _summed(papers: list[Paper], way: Mapping[str, int]) -> dict[str, int]:
    """What is lacking when a paper counts for everything it can."""
    return {
        need: max(0, least - sum(paper.counts.get(need, 0) for paper in papers))
        for need, least in way.items()
    }


def _matched(papers: list[Paper], way: Mapping[str, int]) -> dict[str, int]:
    """What is lacking when a paper counts in one list only: as many places are filled as can be
    (augmenting paths)."""
    holds: dict[str, str] = {}

    def place(need: str, seen: set[str]) -> bool:
        for paper in papers:
            if need in paper.counts and paper.id not in seen:
                seen.add(paper.id)
                if paper.id not in holds or place(holds[paper.id], seen):
                    holds[paper.id] = need
                    return True
        return False

    return {
        need: least - sum(place(need, set()) for _ in range(least)) for need, least in way.items()
    }


def excludes(one: Paper, other: Paper) -> bool:
    """Whether only one of the two can count."""
    return one.id in other.superseded_by or other.id in one.superseded_by
