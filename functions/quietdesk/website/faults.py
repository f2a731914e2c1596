"""What is wrong with the translations: what is missing, what is old, what differs from the English.

Each check gives a list of problems in words, for the command `quietdesk translations` and for the
tests. They read the sources, not the built site: there the facts are still names, so that whatever
else differs from the English is the translator's. No check can tell whether a translation is good;
that takes a person, and the back-translations (docs/translating.md).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from quietdesk.website import prose, words
from quietdesk.website.prose import plain
from quietdesk.website.sources import STATUSES, State, read_text
from quietdesk.website.translations import Translations


def problems(site: Translations, tag: str) -> list[str]:
    """What every check says of a language."""
    return [problem for check in CHECKS for problem in check(site, tag)]


def table(site: Translations) -> list[str]:
    """Lines of a table: a row a language, a column a page, and how many strings are missing."""
    names = site.sources.names
    wide = [max(len(name), len(State.UNREVIEWED)) for name in names]
    lines = ["  ".join([f"{'':8}", *map(str.ljust, names, wide), "strings missing"])]
    for language in site.languages:
        states = (site.sources.state(language.tag, name) for name in names)
        cells = [state.value.ljust(width) for state, width in zip(states, wide, strict=True)]
        missing = str(len(list(missing_strings(site, language.tag))))
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
        wanted, found = prose.marks(english.body), prose.marks(text.body)
        if wanted != found:
            yield f"{tag}/{name}.md: {prose.difference(wanted, found)}"


def placeholders(site: Translations, tag: str) -> Iterator[str]:
    """Translations that do not fill in the values of the English."""
    for key, said in site.catalog(tag).items():
        wanted, found = prose.placeholders(key), prose.placeholders(said)
        if said and wanted != found:
            yield f"{tag}.po: {key!r}: {prose.difference(wanted, found)}"


def numbers(site: Translations, tag: str) -> Iterator[str]:
    """Digits on pages: a number is a fact, and stands in facts.yml."""
    for name, _, text in site.translated(tag):
        for digits in prose.bare_digits(text.body):
            yield f"{tag}/{name}.md has the number {digits}, which is no fact"


def untranslated(site: Translations, tag: str) -> Iterator[str]:
    """Runs of English words."""
    allowed = tuple(site.glossary["stays_english"])
    latin = site.language(tag).latin

    def runs(said: str) -> list[str]:
        return prose.english_runs(said, allowed, site.vocabulary if latin else None)

    for name, _, text in site.translated(tag):
        for run in runs(plain(f"{text.meta.get('title', '')}\n\n{text.body}")):
            yield f"{tag}/{name}.md has English left: {run}"
    # A paper's own name stands in brackets: people must find it on the paper.
    papers = {*words.of_city(site.city)}
    for key, said in site.catalog(tag).items():
        for run in runs(re.sub(r"[(（][^)）]*[)）]", "", said) if key in papers else said):
            yield f"{tag}.po: {key!r} has English left: {run}"


def glossary(site: Translations, tag: str) -> Iterator[str]:
    """Locked words that are not used where the English uses theirs."""
    locked = site.glossary["languages"].get(tag, {})
    excepted = site.glossary["exceptions"].get(tag, {})
    catalog, labels = site.catalog(tag), {*words.of_city(site.city)}
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
            if (
                said
                and not free
                and used.search(prose.without_values(key))
                and not _has(said, stems)
            ):
                yield f"{tag}.po: {key!r} does not say {' or '.join(stems)} for {term!r}"


def spelling(site: Translations, tag: str) -> Iterator[str]:
    """French in Haitian Creole; characters of the other Chinese script."""
    find = {
        "ht": prose.french_words,
        "zh-Hans": prose.traditional,
        "zh-Hant": prose.simplified,
    }.get(tag)
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
        wanted, found = prose.marks(english.body), prose.marks(back.body)
        if wanted != found:
            yield f"the back-translation of {tag}/{name}.md: {prose.difference(wanted, found)}"
        for digits in prose.bare_digits(back.body):
            yield f"the back-translation of {tag}/{name}.md has the number {digits}"
    path = folder / tag / "words.po"
    backs = words.catalog(path) if path.exists() else {}
    notes = words.comments(path) if path.exists() else {}
    for key, said in site.catalog(tag).items():
        if not said or key == words.NOTE:
            continue
        if not backs.get(key):
            yield f"{tag}.po: {key!r} has no back-translation"
        elif prose.string_mark(said) not in notes[key]:
            mark = prose.string_mark(said)
            yield f"{tag}.po: the back-translation of {key!r} is not of today's text: # {mark}"
        elif prose.placeholders(key) != prose.placeholders(backs[key]):
            yield f"{tag}.po: the back-translation of {key!r} fills in other values"


def left_to_fill_in(built: Path) -> Iterator[str]:
    """Pages of the built site in which something was not filled in."""
    for path in sorted(built.rglob("*.html")):
        html = path.read_text("utf-8")
        if "{{" in html or "{%" in html:
            yield f"{path.relative_to(built)} has something left to fill in"


def _has(said: str, stems: Iterable[str]) -> bool:
    return any(stem.lower() in said.lower() for stem in stems)
