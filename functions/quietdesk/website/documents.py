"""The file documents.yml: its format, checked to the last name, and the rules that it states.

docs/another-city.md has the format.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from quietdesk.errors import BadCity
from quietdesk.website.checked import read_yaml
from quietdesk.website.papers import Ages, Paper, Rules, lacking

HALVES = ("identity", "residency")
MODELS = ("points", "one_of", "n_of_lists")

_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
_TOP = {
    "schema", "programme", "as_of", "verified", "photo_dob_basis", "model", "needs", "lists",
    "ages", "expired_allowed", "originals_only", "values_note", "titles", "closed", "easy", *HALVES,
}  # fmt: skip
_PAPER = {
    "id", "res", "lists", "photo", "dob", "max_age_days", "until", "superseded_by", "label", "src",
    "confidence", "show", "current", "stay_days", "served_days", "card_address",
}  # fmt: skip
_POINT_KEYS = {"identity": "id", "residency": "res"}


def read(path: Path) -> Rules:
    """The rules in a documents.yml. Raises BadCity with what is wrong and where."""
    return parse(read_yaml(path))


def parse(data: Mapping[str, Any]) -> Rules:
    """The rules in what such a file holds. Raises BadCity."""
    _only(data, _TOP, "")
    model = _one_of(data, "model", MODELS, "")
    _must(
        "verified" in data and (data["verified"] is None or isinstance(data["verified"], dict)),
        "verified must be null, or say by whom, on what day and from what source",
    )
    if data["verified"] is not None:
        _only(data["verified"], {"by", "day", "source"}, "verified: ", every=True)
    lists = _texts(data, "lists") if model != "points" else {}
    _must(model != "points" or "lists" not in data, "lists are not for the model points")
    needs = _mapping(data, "needs", "")
    ways, total, once = _ways(needs, model, lists)
    titles = _texts(data, "titles")
    papers = _papers(data, ways[0] if model == "points" else lists, model, titles)
    closed = frozenset(_names(data.get("closed", []), titles, "closed", "groups"))
    _names(data.get("expired_allowed", []), papers, "expired_allowed", "papers")
    easy = tuple(_names(data.get("easy"), papers, "easy", "papers"))
    rules = Rules(
        model,
        data["verified"] is not None,
        ways,
        total,
        once,
        _flag(needs, "photo_document", "needs: "),
        _flag(needs, "dob_document", "needs: "),
        _ages(_mapping(data, "ages", "")),
        papers,
        easy,
        lists,
        titles,
        closed,
    )
    _check_easy(rules, data)
    return rules


def _ways(
    needs: dict[str, Any], model: str, lists: Mapping[str, str]
) -> tuple[tuple[dict[str, int], ...], int, bool]:
    """The ways, the points in all, and whether a paper counts once."""
    shared = {"photo_document", "dob_document"}
    if model == "points":
        points = [f"{half}_points" for half in (*HALVES, "total")]
        _only(needs, {*points, *shared}, "needs: ", every=True)
        identity, residency, total = (_number(needs, key, 0, 99, "needs: ") for key in points)
        _must(
            total >= identity + residency, "needs: total_points must not be less than its two parts"
        )
        return ({"identity": identity, "residency": residency},), total, False
    _only(needs, {model, "paper_counts", *shared}, "needs: ", every=True)
    once = _one_of(needs, "paper_counts", ("once", "in_each_list"), "needs: ") == "once"
    given = needs[model] if model == "one_of" else [needs[model]]
    _must(isinstance(given, list) and bool(given), f"needs: {model} must be a list of sets")
    for way in given:
        _must(isinstance(way, dict) and bool(way), f"needs: {model} must map lists to numbers")
        _names(list(way), lists, f"needs: {model}", "lists")
        for name in way:
            _number(way, name, 1, 9, f"needs: {model}: ")
    unused = set(lists) - {name for way in given for name in way}
    _must(not unused, f"lists: nothing needs {', '.join(sorted(unused))}")
    return tuple(given), 0, once


def _papers(
    data: Mapping[str, Any], needs: Mapping[str, Any], model: str, titles: Mapping[str, str]
) -> dict[str, Paper]:
    papers: dict[str, Paper] = {}
    groups: list[str] = []
    for half in HALVES:
        for group, rows in _mapping(data, half, "").items():
            _must(group not in groups, f"{half}: the group {group} is there twice")
            groups.append(group)
            for id in _mapping(data[half], group, f"{half}: "):
                where = f"{half}: {group}: {id}: "
                _name(id, where)
                _must(id not in papers, f"{where}there is another paper of this name")
                row = _mapping(rows, id, f"{half}: {group}: ")
                papers[id] = _paper(id, half, group, row, needs, model, where)
    _must(
        set(titles) == set(groups),
        "titles must have each group once, and no other: "
        + ", ".join(sorted(set(titles) ^ set(groups))),
    )
    for paper in papers.values():
        where = f"{paper.half}: {paper.group}: {paper.id}: "
        _names(list(paper.superseded_by), papers, f"{where}superseded_by", "papers")
        _must(
            paper.id not in _above(papers, paper.id),
            f"{where}superseded_by must not lead back to the paper itself",
        )
    return papers


def _above(papers: Mapping[str, Paper], id: str) -> set[str]:
    """What supersedes a paper, and what supersedes that."""
    found: set[str] = set()
    left = [*papers[id].superseded_by]
    while left:
        above = left.pop()
        if above not in found:
            found.add(above)
            left += papers[above].superseded_by if above in papers else ()
    return found


def _paper(
    id: str,
    half: str,
    group: str,
    row: dict[str, Any],
    needs: Mapping[str, Any],
    model: str,
    where: str,
) -> Paper:
    _only(row, _PAPER, where)
    doubtful = "confidence" in row or row.get("show") == "ask_staff"
    rated = True
    counts: dict[str, int] = {}
    if model == "points":
        own = _POINT_KEYS[half]
        _must("lists" not in row, f"{where}lists are not for the model points")
        _must(own in row, f"{where}{own} must be a number of points, or null")
        for need, key in _POINT_KEYS.items():
            if key not in row:
                continue
            if row[key] is None:
                doubtful, rated, counts[need] = True, False, needs[need]
            else:
                counts[need] = _number(row, key, 1, 99, where)
    else:
        _must(not {"id", "res"} & set(row), f"{where}id and res are for the model points")
        counts = dict.fromkeys(_names(row.get("lists"), needs, f"{where}lists", "lists"), 1)
        _must(bool(counts), f"{where}lists must name a list")
    if "confidence" in row:
        _one_of(row, "confidence", ("medium", "low", "unknown"), where)
    if "show" in row:
        _one_of(row, "show", ("ask_staff", "collapsed"), where)
    days = row.get("max_age_days")
    if days is not None:
        _number(row, "max_age_days", 1, 3660, where)
    if "until" in row:
        _text(row, "until", where)
    above = row.get("superseded_by", [])
    _must(isinstance(above, list), f"{where}superseded_by must be a list of papers")
    return Paper(
        id,
        half,
        group,
        _text(row, "label", where),
        counts,
        _three_valued(row, "photo", half, where),
        _three_valued(row, "dob", half, where),
        tuple(above),
        doubtful,
        rated,
        days,
        row.get("until", ""),
    )


def _ages(ages: dict[str, Any]) -> Ages:
    where = "ages: "
    allowed = {"minimum", "caretaker_required_through", "photo_waiver", "card_years"}
    _only(ages, allowed, where, every=True)
    minimum = _number(ages, "minimum", 0, 99, where)
    through = _number(ages, "caretaker_required_through", minimum - 1, 99, where)
    if ages["photo_waiver"] is None:
        return Ages(minimum, through, -1)
    waiver = _mapping(ages, "photo_waiver", where)
    where += "photo_waiver: "
    _only(waiver, {"through_age", "requires"}, where, every=True)
    _must(
        waiver["requires"] == ["caretaker", "proof_of_relationship"],
        f"{where}requires must be [caretaker, proof_of_relationship]",
    )
    return Ages(minimum, through, _number(waiver, "through_age", through, 99, where))


def _check_easy(rules: Rules, data: Mapping[str, Any]) -> None:
    """What is suggested must help, and must not be a paper that few would want to be asked for."""
    for id in rules.easy:
        paper = rules.papers[id]
        _must(
            not paper.doubtful
            and paper.group not in rules.closed
            and "show" not in data[paper.half][paper.group][id],
            f"easy: {id} must not be doubtful, nor in a closed group, nor have a show",
        )
    short, _ = lacking(rules, [rules.papers[id] for id in rules.easy], False, doubts=False)
    _must(not short, f"easy: all together are not enough: {', '.join(short)}")


def _must(holds: bool, problem: str) -> None:
    if not holds:
        raise BadCity(f"documents.yml: {problem}")


def _only(
    values: Mapping[str, Any], allowed: Collection[str], where: str, *, every: bool = False
) -> None:
    """No other names than these, so that a mistyped one is noticed; with `every`, all of them."""
    other = {*map(str, values)} - {*allowed}
    _must(not other, f"{where}nothing is called {', '.join(sorted(other))}")
    lacking = {*allowed} - {*values}
    _must(not every or not lacking, f"{where}{', '.join(sorted(lacking))} must be there")


def _mapping(values: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = values.get(key)
    _must(isinstance(value, dict) and bool(value), f"{where}{key} must be a mapping")
    return dict(value or {})


def _text(values: Mapping[str, Any], key: str, where: str) -> str:
    value = values.get(key)
    _must(isinstance(value, str) and bool(value.strip()), f"{where}{key} must be text")
    return str(value)


def _name(name: Any, where: str) -> None:
    holds = isinstance(name, str) and bool(_ID.fullmatch(name))
    _must(holds, f"{where}the name must be text like {_ID.pattern}")


def _texts(data: Mapping[str, Any], key: str) -> dict[str, str]:
    given = _mapping(data, key, "")
    for name in given:
        _name(name, f"{key}: {name}: ")
    return {name: _text(given, name, f"{key}: ") for name in given}


def _number(values: Mapping[str, Any], key: str, least: int, most: int, where: str) -> int:
    value = values.get(key)
    holds = type(value) is int and least <= value <= most
    _must(holds, f"{where}{key} must be a whole number from {least} to {most}")
    return int(value or 0)


def _flag(values: Mapping[str, Any], key: str, where: str) -> bool:
    value = values.get(key)
    _must(isinstance(value, bool), f"{where}{key} must be true or false")
    return bool(value)


def _one_of(values: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = values.get(key)
    _must(value in allowed, f"{where}{key} must be one of {', '.join(allowed)}")
    return str(value)


def _names(names: Any, known: Collection[str], where: str, kind: str) -> list[str]:
    """Different names, each of something that is there."""
    holds = isinstance(names, list) and len({*map(str, names)}) == len(names)
    _must(holds, f"{where} must be a list of different {kind}")
    unknown = [str(name) for name in names if name not in known]
    _must(not unknown, f"{where} names {kind} that are not there: {', '.join(unknown)}")
    return list(names)


def _three_valued(row: dict[str, Any], key: str, half: str, where: str) -> bool | None:
    # A paper for the address shows neither, unless its row says so.
    value = row.get(key, False if half == "residency" else None)
    holds = (key in row or half == "residency") and (isinstance(value, bool) or value == "unknown")
    _must(holds, f"{where}{key} must be true, false or unknown")
    return None if value == "unknown" else bool(value)
