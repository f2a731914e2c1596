"""The facts that pages state: those of facts.yml, and the rules of documents.yml, which are facts
too.

A fact that nobody has verified must be marked on every page that uses it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from quietdesk.errors import BadCity
from quietdesk.website.checked import read_yaml

Stated = dict[str, tuple[Any, bool]]  # name to value, and whether somebody has verified it


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


def read_facts(folder: Path) -> tuple[Stated, Stated]:
    """The facts of facts.yml, and those of documents.yml, in a city profile. Raises BadCity."""
    stated = _stated(read_yaml(folder / "facts.yml"))
    ruled = _ruled(read_yaml(folder / "documents.yml"))
    if twice := sorted(set(stated) & set(ruled)):
        raise BadCity(f"facts.yml: documents.yml has these facts already: {', '.join(twice)}")
    return stated, ruled


def _stated(data: Mapping[str, Any]) -> Stated:
    """The facts of facts.yml."""
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


def _ruled(papers: Mapping[str, Any]) -> Stated:
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
