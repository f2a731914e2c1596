"""The YAML of a city's folder, and values that are each asked for with what they must be. What is
wrong is a BadCity that names the file and the place in it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

import yaml

from quietdesk import textfile
from quietdesk.errors import BadCity

ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two entries of one name; here that is a mistake."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice} is there twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML file of the profile, as a mapping. Raises BadCity."""
    try:
        data = yaml.load(textfile.read(path), _Loader)  # noqa: S506 - it is a SafeLoader
    except FileNotFoundError:
        raise BadCity(f"{path.name} is missing from {path.parent}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadCity(f"{path.name} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise BadCity(f"{path.name} must be a mapping of names to values")
    return data


class Checked:
    """One file's values, each asked for with what it must be."""

    def __init__(self, path: Path, values: Mapping[str, Any] | None = None, where: str = ""):
        self.path = path
        self.values = read_yaml(path) if values is None else values
        self.where = where

    def valid(self, key: str, kind: type, test: Callable[[Any], bool], must: str) -> Any:
        value = self.values.get(key)
        if (
            not isinstance(value, kind)
            or (kind is int and isinstance(value, bool))
            or not test(value)
        ):
            raise BadCity(f"{self.path.name}: {self.where}{key} must be {must}")
        return value

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        must = f"text like {pattern.pattern}" if pattern else "text that is not empty"
        test = pattern.fullmatch if pattern else str.strip
        return cast(str, self.valid(key, str, lambda value: bool(test(value)), must))

    def flag(self, key: str) -> bool:
        """A word that may be left out: false then."""
        return key in self.values and cast(
            bool, self.valid(key, bool, lambda _: True, "true or false")
        )

    def number(self, key: str, least: int, most: int) -> int:
        must = f"a whole number from {least} to {most}"
        return cast(int, self.valid(key, int, lambda value: least <= value <= most, must))

    def ids(self, key: str) -> list[str]:
        def test(value: list[Any]) -> bool:
            return (
                bool(value)
                and len(set(value)) == len(value)
                and all(isinstance(item, str) and ID.fullmatch(item) for item in value)
            )

        return cast(list[str], self.valid(key, list, test, "a list of different short names"))

    def names(self, key: str, count: int) -> list[str]:
        def test(value: list[Any]) -> bool:
            return len(value) == count and all(isinstance(item, str) for item in value)

        return cast(list[str], self.valid(key, list, test, f"a list of {count} names"))

    def some(self, key: str, allowed: tuple[str, ...]) -> list[str]:
        def test(value: list[Any]) -> bool:
            return (
                bool(value)
                and all(isinstance(item, str) for item in value)
                and len(set(value)) == len(value)
                and set(value) <= {*allowed}
            )

        return cast(list[str], self.valid(key, list, test, "some of " + ", ".join(allowed)))

    def days(self, key: str) -> list[str]:
        # YAML reads 2026-12-03 as a date by itself.
        given = self.valid(key, list, lambda value: all(type(it) is date for it in value), "dates")
        return [it.isoformat() for it in given]

    def mapping(self, key: str) -> dict[str, Any]:
        return cast(dict[str, Any], self.valid(key, dict, bool, "a mapping"))

    def rows(self, key: str) -> "list[Checked]":
        rows = self.valid(key, list, bool, "a list of entries")
        checked = []
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise BadCity(f"{self.path.name}: {self.where}{key} {number} must be a mapping")
            checked.append(Checked(self.path, row, f"{self.where}{key} {number}: "))
        ids = [row.values.get("id", row.values.get("tag")) for row in checked]
        names = [str(it) for it in ids if it is not None]
        if len(set(names)) != len(names):
            raise BadCity(f"{self.path.name}: two of the {key} have the same name")
        return checked
