"""Which text a page shows in a language, and how far its translation can be believed.

A page is one Markdown file a language. A file of the same name in the city's own `pages` folder
replaces the one that ships. English is the source; a translation says from which English it was
made (`source_hash`) and who has looked at it (`status`), and whether it is older is computed from
that, never declared. What cannot be shown in a language is shown in English, and the page says so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from quietdesk import textfile
from quietdesk.errors import BadCity

ENGLISH = "en"
# An old promise is worse than one that nobody has translated: these are never shown stale.
NEVER_STALE = ("privacy",)
STATUSES = ("draft", "unreviewed", "reviewed", "stale")


class State(StrEnum):
    """How far a translation can be believed."""

    MISSING = "missing"  # there is none, or a draft that nobody should read yet
    STALE = "stale"  # made from another English than today's
    UNREVIEWED = "unreviewed"  # from today's English, but nobody qualified has looked at it
    REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True)
class Text:
    """One Markdown file: front matter and what follows."""

    path: Path
    meta: Mapping[str, Any]
    body: str

    @property
    def status(self) -> str:
        return str(self.meta.get("status", ""))

    @property
    def hash(self) -> str:
        return source_hash(self.body)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a language shows under the name of a page: a text, the language it is written in, and
    what the page must say about it: keys of quietdesk.pages.english.NOTES."""

    text: Text
    lang: str
    notes: tuple[str, ...]


def source_hash(body: str) -> str:
    """The hash by which a translation names the text that it was made from."""
    return hashlib.sha256(body.strip().encode()).hexdigest()


def read_text(path: Path) -> Text:
    """A Markdown file with front matter between two lines of `---`. Raises BadCity."""
    try:
        parts = textfile.read(path).split("---\n", 2)
    except ValueError:
        raise BadCity(f"{path}: the file is no text in UTF-8") from None
    try:
        meta = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except yaml.YAMLError as error:
        raise BadCity(f"{path}: the front matter is not YAML: {error}") from None
    if not isinstance(meta, dict):
        raise BadCity(f"{path}: the file must begin with front matter between lines of ---")
    return Text(path, meta, parts[2])


class Sources:
    """The pages that ship, in the folder `pages`, with those of the folder `own` in their place.
    `tags` are the languages of the site."""

    def __init__(self, pages: Path, own: Path, tags: Sequence[str]):
        self._folders = (own, pages)
        self._read: dict[tuple[str, str], Text | None] = {}
        self.tags = tuple(tags)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the pages, which are those of the English ones."""
        found = {path.stem for it in self._folders for path in (it / ENGLISH).glob("*.md")}
        return tuple(sorted(found))

    def written(self, tag: str, name: str) -> Text | None:
        """The text of that language, whatever its state."""
        if (tag, name) not in self._read:
            own, _ = self._folders
            # Of a page that the city wrote itself, what ships is no translation.
            replaced = (own / ENGLISH / f"{name}.md").exists()
            folders = (own,) if replaced else self._folders
            paths = (folder / tag / f"{name}.md" for folder in folders)
            path = next((path for path in paths if path.exists()), None)
            self._read[tag, name] = read_text(path) if path else None
        return self._read[tag, name]

    def english(self, name: str) -> Text:
        """The English text, from which the others are made."""
        text = self.written(ENGLISH, name)
        if text is None:
            raise BadCity(f"there is no English page {name}.md")
        return text

    def state(self, tag: str, name: str) -> State:
        """How far the translation of a page can be believed."""
        text = self.written(tag, name)
        if text is None or text.status not in STATUSES or text.status == "draft":
            return State.MISSING
        if text.status == "stale" or text.meta.get("source_hash") != self.english(name).hash:
            return State.STALE
        return State(text.status)

    def shown(self, tag: str, name: str) -> Shown:
        """What the site shows in that language."""
        text, state = self.written(tag, name), self.state(tag, name)
        if tag == ENGLISH:
            return Shown(self.english(name), ENGLISH, ())
        if text is None or state is State.MISSING or (state is State.STALE and name in NEVER_STALE):
            return Shown(self.english(name), ENGLISH, ("english",))
        notes = ("older",) if state is State.STALE else ()
        reviewed = text.status == "reviewed"
        return Shown(text, tag, notes if reviewed else (*notes, "unreviewed"))
