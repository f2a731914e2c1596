"""How true the translations are: what is missing, what is old, what differs from the English.

Each check gives a list of problems in words, for the command `quietdesk translations` and for the
tests. They read the sources, not the built site: there the facts are still names, so that whatever
else differs from the English is the translator's. No check can tell whether a translation is good;
that takes a person, and the back-translations (docs/translating.md).
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any

from quietdesk import city as cities
from quietdesk.website import words
from quietdesk.website.sources import ENGLISH, STATUSES, Sources, State, Text, read_text

# Words of French that are spelled otherwise in Haitian Creole, or are not in it at all.
FRENCH = frozenset(
    "les des du aux et un une vous votre vos notre nos nous est sont dans pour avec sur sans qui "
    "que cette ces cet leur leurs être avoir avez pouvez peut faire quand où il elle ils elles pas "
    "plus tous toutes chaque carte rendez-vous demande adresse papiers numéro téléphone nom temps "
    "enfant enfants gratuit gratuite ville langue aujourd'hui jour jours heure heures mois année"
    .split()
)  # fmt: skip
_ELISIONS = ("l'", "d'", "c'", "qu'", "n'", "s'", "j'")
# A run of this many English words is a piece that nobody translated.
ENGLISH_RUN = 4
_FILLED_IN = re.compile(r"{{.*?}}|{ *[#.:][^}]*}", re.DOTALL)
_LINK = re.compile(r"\]\([^)]*\)")
_MARK = re.compile(r"{{.*?}}|\]\([^)]*\)|{ *[#.:][^}]*}", re.DOTALL)
_NUMBERING = re.compile(r"^\d+\. ", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_VALUE = re.compile(r"{\w*}")


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
        self._site, self._city = site, city
        rows = cities.read_yaml(city / "languages.yml")["locales"]
        self.languages = tuple(
            Language(row["tag"], row["name"], bool(row.get("draft")), bool(row.get("desk")))
            for row in rows
            if row["tag"] != ENGLISH
        )
        tags = [ENGLISH, *(language.tag for language in self.languages)]
        self.sources = Sources(site / "pages", city / "pages", tags)
        self.glossary = cities.read_yaml(site / "words/glossary.yml")

    def language(self, tag: str) -> Language:
        """The language of that tag."""
        return next(language for language in self.languages if language.tag == tag)

    def texts(self, tag: str) -> list[str]:
        """The English texts that a language must translate, beside the pages."""
        desk = words.of_desk() if self.language(tag).desk else []
        return [words.NOTE, *self._of_site, *words.of_city(self._city), *desk]

    @cached_property
    def _of_site(self) -> list[str]:
        return words.of_site()

    def catalog(self, tag: str) -> dict[str, str]:
        """English text to translation, of what ships and of the city's own words."""
        found: dict[str, str] = {}
        for path in self._files(tag):
            if path.exists():
                found |= words.catalog(path)
        return found

    def _files(self, tag: str) -> tuple[Path, Path]:
        return self._site / f"words/{tag}.po", self._city / f"words/{tag}.po"

    def used(self, tag: str) -> set[str]:
        """The texts that a .po file may translate; the city that ships is never another's fault."""
        return {*self.texts(tag), *words.of_city(self._site / "city")}

    def translated(self, tag: str) -> Iterator[tuple[str, Text, Text]]:
        """Name, English text and translation of each page that has one."""
        for name in self.sources.names:
            if text := self.sources.written(tag, name):
                yield name, self.sources.english(name), text

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words of the English pages and texts."""
        texts = [plain(self.sources.english(name).body) for name in self.sources.names]
        texts += [*self._of_site, *words.of_desk(), *words.of_city(self._city)]
        return frozenset(word.lower() for text in texts for word in _WORD.findall(text))

    def update(self) -> list[Path]:
        """Brings every .po file up to date, makes those that are missing, and gives those that
        changed. Another city than the one that ships gets files of its own, for what is new."""
        changed = []
        ships = {*words.of_city(self._site / "city")}
        for language in self.languages:
            shipped, own = self._files(language.tag)
            texts = self.texts(language.tag)
            if self._city.resolve() == (self._site / "city").resolve():
                files = {shipped: texts}
            elif shipped.exists():
                files = {own: [it for it in words.of_city(self._city) if it not in ships]}
            else:
                files = {own: texts}
            changed += [path for path, it in files.items() if words.update(path, it, language.name)]
        return changed

    def problems(self, tag: str) -> list[str]:
        """What every check says of a language."""
        return [problem for check in CHECKS for problem in check(self, tag)]

    def table(self) -> list[str]:
        """Lines of a table: a row a language, a column a page, and how many strings are missing."""
        names = self.sources.names
        wide = [max(len(name), len(State.UNREVIEWED)) for name in names]
        lines = ["  ".join([f"{'':8}", *map(str.ljust, names, wide), "strings missing"])]
        for language in self.languages:
            states = (self.sources.state(language.tag, name) for name in names)
            cells = [state.value.ljust(width) for state, width in zip(states, wide, strict=True)]
            missing = str(len(list(missing_strings(self, language.tag))))
            draft = "  (draft, not on the site)" if language.draft else ""
            lines.append("  ".join([f"{language.tag:8}", *cells, missing + draft]))
        return lines


# --- Checks --------------------------------------------------------------------------------------


def missing_pages(site: Translations, tag: str) -> Iterator[str]:
    """Pages that nobody has translated, or whose translation is a draft."""
    for name in site.sources.names:
        if site.sources.state(tag, name) is State.MISSING:
            yield f"{tag}/{name}.md is missing, or a draft"


def missing_strings(site: Translations, tag: str) -> Iterator[str]:
    """Texts without a translation."""
    catalog = site.catalog(tag)
    reviewed = all(text.status == "reviewed" for _, _, text in site.translated(tag))
    for text in site.texts(tag):
        if not catalog.get(text) and not (text == words.NOTE and reviewed):
            yield f"{tag}.po has no translation of {text!r}"


def left_over_strings(site: Translations, tag: str) -> Iterator[str]:
    """Translations of texts that nothing uses."""
    for text in site.catalog(tag).keys() - site.used(tag):
        yield f"{tag}.po translates {text!r}, which nothing says any more"


def states(site: Translations, tag: str) -> Iterator[str]:
    """Front matter that cannot be true: see docs/decisions/0009-translations.md."""
    for name, english, text in site.translated(tag):
        where, status = f"{tag}/{name}.md", text.status
        fresh = text.meta.get("source_hash") == english.hash
        if not text.meta.get("title"):
            yield f"{where} has no title"
        if status not in STATUSES:
            yield f"{where}: status must be one of {', '.join(STATUSES)}"
        elif status in ("unreviewed", "reviewed") and not fresh:
            yield (
                f"{where} is older than the English: translate what changed and write"
                f" source_hash: {english.hash}, or mark it status: stale"
            )
        elif status == "stale" and fresh:
            yield f"{where} is marked stale, but it was made from the English of today"
        if status == "reviewed":
            if not text.meta.get("reviewed_by"):
                yield f"{where}: reviewed_by must name a role or an organisation"
            if not isinstance(text.meta.get("reviewed_on"), date):
                yield f"{where}: reviewed_on must be a day such as 2026-12-03"


def facts_and_links(site: Translations, tag: str) -> Iterator[str]:
    """Facts, links and marks that are not those of the English page."""
    for name, english, text in site.translated(tag):
        wanted, found = (sorted(_MARK.findall(it.body)) for it in (english, text))
        if wanted != found:
            yield f"{tag}/{name}.md: {_difference(wanted, found)}"


def placeholders(site: Translations, tag: str) -> Iterator[str]:
    """Translations that do not fill in the values of the English."""
    for key, said in site.catalog(tag).items():
        wanted, found = _placeholders(key), _placeholders(said)
        if said and wanted != found:
            yield f"{tag}.po: {key!r}: {_difference(wanted, found)}"


def numbers(site: Translations, tag: str) -> Iterator[str]:
    """Digits on pages: a number is a fact, and stands in facts.yml."""
    for name, _, text in site.translated(tag):
        for digits in bare_digits(text.body):
            yield f"{tag}/{name}.md has the number {digits}, which is no fact"


def untranslated(site: Translations, tag: str) -> Iterator[str]:
    """Runs of English words."""
    allowed = tuple(site.glossary["stays_english"])
    latin = site.language(tag).latin

    def runs(said: str) -> list[str]:
        return english_runs(said, allowed, site.vocabulary if latin else None)

    for name, _, text in site.translated(tag):
        for run in runs(plain(f"{text.meta.get('title', '')}\n\n{text.body}")):
            yield f"{tag}/{name}.md has English left: {run}"
    # A paper's own name stands in brackets: people must find it on the paper.
    papers = {*words.of_city(site._city)}
    for key, said in site.catalog(tag).items():
        for run in runs(re.sub(r"[(（][^)）]*[)）]", "", said) if key in papers else said):
            yield f"{tag}.po: {key!r} has English left: {run}"


def glossary(site: Translations, tag: str) -> Iterator[str]:
    """Locked words that are not used where the English uses theirs."""
    locked = site.glossary["languages"].get(tag, {})
    excepted = site.glossary["exceptions"].get(tag, {})
    catalog, labels = site.catalog(tag), {*words.of_city(site._city)}
    for term, forms in site.glossary["terms"].items():
        stems = locked.get(term)
        if not stems:
            yield f"glossary.yml has no word for {term!r} in {tag}"
            continue
        used = re.compile(rf"\b({'|'.join(forms)})\b", re.IGNORECASE)
        for name, english, text in site.translated(tag):
            if used.search(plain(english.body)) and not _has(plain(text.body), stems):
                yield f"{tag}/{name}.md does not say {' or '.join(stems)} for {term!r}"
        for key, said in catalog.items():
            free = key in labels or key in excepted.get(term, ())
            if said and not free and used.search(_VALUE.sub("", key)) and not _has(said, stems):
                yield f"{tag}.po: {key!r} does not say {' or '.join(stems)} for {term!r}"


def spelling(site: Translations, tag: str) -> Iterator[str]:
    """French in Haitian Creole; characters of the other Chinese script."""
    find = {"ht": french_words, "zh-Hans": traditional, "zh-Hant": simplified}.get(tag)
    if find is None:
        return
    for name, _, text in site.translated(tag):
        if found := find(plain(text.body)):
            yield f"{tag}/{name}.md: {' '.join(found)}"
    for key, said in site.catalog(tag).items():
        if found := find(said):
            yield f"{tag}.po: {key!r}: {' '.join(found)}"


Check = Callable[[Translations, str], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    missing_pages, missing_strings, left_over_strings, states, facts_and_links, placeholders,
    numbers, untranslated, glossary, spelling,
)  # fmt: skip


def back_translations(site: Translations, tag: str, folder: Path) -> Iterator[str]:
    """What is wrong with the English that a second person made from a translation, in the folder
    `tag` of `folder`: missing, made from an older translation, or with other facts."""
    for name, english, text in site.translated(tag):
        path = folder / tag / f"{name}.md"
        if not path.exists():
            yield f"{tag}/{name}.md has no back-translation"
            continue
        back = read_text(path)
        if back.meta.get("source_hash") != text.hash:
            yield (
                f"the back-translation of {tag}/{name}.md is of an older text; write"
                f" source_hash: {text.hash} when it is done again"
            )
        wanted, found = (sorted(_MARK.findall(it.body)) for it in (english, back))
        if wanted != found:
            yield f"the back-translation of {tag}/{name}.md: {_difference(wanted, found)}"
        for digits in bare_digits(back.body):
            yield f"the back-translation of {tag}/{name}.md has the number {digits}"
    path = folder / tag / "words.po"
    backs = words.catalog(path) if path.exists() else {}
    notes = words.comments(path) if path.exists() else {}
    for key, said in site.catalog(tag).items():
        if not said or key == words.NOTE:
            continue
        if not backs.get(key):
            yield f"{tag}.po: {key!r} has no back-translation"
        elif string_mark(said) not in notes[key]:
            mark = string_mark(said)
            yield f"{tag}.po: the back-translation of {key!r} is not of today's text: # {mark}"
        elif _placeholders(key) != _placeholders(backs[key]):
            yield f"{tag}.po: the back-translation of {key!r} fills in other values"


def left_to_fill_in(built: Path) -> Iterator[str]:
    """Pages of the built site in which something was not filled in."""
    for path in sorted(built.rglob("*.html")):
        html = path.read_text("utf-8")
        if "{{" in html or "{%" in html:
            yield f"{path.relative_to(built)} has something left to fill in"


# --- What a text has -----------------------------------------------------------------------------


def plain(body: str) -> str:
    """The prose of a Markdown text: without facts, targets of links, and marks."""
    text = _LINK.sub("]", _FILLED_IN.sub(" ", body))
    return re.sub(r"[*#\[\]>`]|<[^>]*>", "", text)


def bare_digits(body: str) -> list[str]:
    """Digits of any script in a Markdown text that come from no fact and number no list."""
    return re.findall(r"\d+", _NUMBERING.sub("", _LINK.sub("]", _FILLED_IN.sub(" ", body))))


def english_runs(
    said: str, allowed: tuple[str, ...], vocabulary: frozenset[str] | None
) -> list[str]:
    """Runs of English words in a translation. Where the language has Latin letters of its own, a
    run is made of words of the English site, its `vocabulary`; elsewhere of any Latin words."""
    for phrase in allowed:
        said = said.replace(phrase, " | ")
    runs = []
    for piece in re.split(r"[^\w\s'’-]|\n\n", _VALUE.sub(" | ", said)):
        run: list[str] = []
        for word in [*_WORD.findall(piece), ""]:
            if word.lower() in vocabulary if vocabulary is not None else word.isascii() and word:
                run.append(word)
            else:
                if len(run) >= ENGLISH_RUN:
                    runs.append(" ".join(run))
                run = []
    return runs


def french_words(said: str) -> list[str]:
    """Words of a text in Haitian Creole that are French."""
    found = _WORD.findall(said.replace("’", "'"))
    return [it for it in found if it.lower() in FRENCH or it.lower().startswith(_ELISIONS)]


def traditional(said: str) -> list[str]:
    """Characters that a text in simplified Chinese does not have: those that the standard of
    traditional Chinese has and the standard of simplified Chinese lacks."""
    return [it for it in said if _in(it, "big5") and not _in(it, "gb2312")]


def simplified(said: str) -> list[str]:
    """Characters that a text in traditional Chinese does not have."""
    return [it for it in said if _in(it, "gb2312") and not _in(it, "big5")]


def string_mark(said: str) -> str:
    """The comment by which the back-translation of a string names what it was made from."""
    return f"of {hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _in(character: str, charset: str) -> bool:
    if not "\u4e00" <= character <= "\u9fff":
        return False
    try:
        return bool(character.encode(charset))
    except UnicodeEncodeError:
        return False


def _has(said: str, stems: Any) -> bool:
    return any(stem.lower() in said.lower() for stem in stems)


def _placeholders(text: str) -> list[str]:
    try:
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    except ValueError:
        return ["a brace that nothing closes"]


def _difference(wanted: list[str], found: list[str]) -> str:
    lacks = [it for it in dict.fromkeys(wanted) if found.count(it) < wanted.count(it)]
    more = [it for it in dict.fromkeys(found) if found.count(it) > wanted.count(it)]
    said = [f"lacks {' '.join(lacks)}"] * bool(lacks) + [f"adds {' '.join(more)}"] * bool(more)
    return " and ".join(said)
