"""The translations of a site: which texts want translating, and what each language has of them.

They are read from the sources, not from the built site. What is wrong with them is in
quietdesk.website.faults.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from quietdesk.website import words
from quietdesk.website.checked import read_yaml
from quietdesk.website.prose import plain, words_in
from quietdesk.website.sources import ENGLISH, Sources, Text


@dataclass(frozen=True, slots=True)
class Language:
    """A row of languages.yml: `latin` tells whether it is written in Latin letters."""

    tag: str
    name: str
    draft: bool
    desk: bool

    @property
    def latin(self) -> bool:
        return unicodedata.name(self.name[0]).startswith("LATIN")


class Translations:
    """The translations of one site. `site` is the folder that holds pages and words, `city` the
    city profile."""

    def __init__(self, site: Path, city: Path):
        self._site, self.city = site, city
        rows = read_yaml(city / "languages.yml")["locales"]
        self.languages = tuple(
            Language(row["tag"], row["name"], bool(row.get("draft")), bool(row.get("desk")))
            for row in rows
            if row["tag"] != ENGLISH
        )
        tags = [ENGLISH, *(language.tag for language in self.languages)]
        self.sources = Sources(site / "pages", city / "pages", tags)
        self.glossary = read_yaml(site / "words/glossary.yml")

    def language(self, tag: str) -> Language:
        """The language of that tag."""
        return next(language for language in self.languages if language.tag == tag)

    def texts(self, tag: str) -> list[str]:
        """The English texts that a language must translate, beside the pages."""
        desk = self._of_desk if self.language(tag).desk else []
        return [words.NOTE, *self._of_site, *self._of_city, *desk]

    @cached_property
    def _of_site(self) -> list[str]:
        return words.of_site()

    @cached_property
    def _of_desk(self) -> list[str]:
        return words.of_desk()

    @cached_property
    def _of_city(self) -> list[str]:
        return words.of_city(self.city)

    @cached_property
    def _of_city_that_ships(self) -> list[str]:
        return words.of_city(self._site / "city")

    def catalog(self, tag: str) -> dict[str, str]:
        """English text to translation, of what ships and of the city's own words."""
        found: dict[str, str] = {}
        for path in self._files(tag):
            if path.exists():
                found |= words.catalog(path)
        return found

    def _files(self, tag: str) -> tuple[Path, Path]:
        return self._site / f"words/{tag}.po", self.city / f"words/{tag}.po"

    def used(self, tag: str) -> set[str]:
        """The texts that a .po file may translate; the city that ships is never another's fault."""
        return {*self.texts(tag), *self._of_city_that_ships}

    def translated(self, tag: str) -> Iterator[tuple[str, Text, Text]]:
        """Name, English text and translation of each page that has one."""
        for name in self.sources.names:
            if text := self.sources.written(tag, name):
                yield name, self.sources.english(name), text

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words of the English pages and texts."""
        texts = [plain(self.sources.english(name).body) for name in self.sources.names]
        texts += [*self._of_site, *self._of_desk, *self._of_city]
        return frozenset(word.lower() for text in texts for word in words_in(text))

    def update(self) -> list[Path]:
        """Brings every .po file up to date, makes those that are missing, and gives those that
        changed. Another city than the one that ships gets files of its own, for what is new."""
        changed = []
        ships = {*self._of_city_that_ships}
        for language in self.languages:
            shipped, own = self._files(language.tag)
            texts = self.texts(language.tag)
            if self.city.resolve() == (self._site / "city").resolve():
                files = {shipped: texts}
            elif shipped.exists():
                files = {own: [it for it in self._of_city if it not in ships]}
            else:
                files = {own: texts}
            changed += [path for path, it in files.items() if words.update(path, it, language.name)]
        return changed
