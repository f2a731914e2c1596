"""What a text has that a translation must keep or must not have: facts, links and marks, digits,
placeholders, words of another language, characters of another script.
"""

import hashlib
import re
from string import Formatter

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


def words_in(text: str) -> list[str]:
    """The words of a text, of whatever script."""
    return _WORD.findall(text)


def marks(body: str) -> list[str]:
    """Facts, targets of links and marks of a Markdown text, sorted."""
    return sorted(_MARK.findall(body))


def without_values(text: str) -> str:
    """A string without its placeholders."""
    return _VALUE.sub("", text)


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


def placeholders(text: str) -> list[str]:
    """The names that a string fills in, sorted."""
    try:
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    except ValueError:
        return ["a brace that nothing closes"]


def difference(wanted: list[str], found: list[str]) -> str:
    """What the second list lacks and adds, in words."""
    lacks = [it for it in dict.fromkeys(wanted) if found.count(it) < wanted.count(it)]
    more = [it for it in dict.fromkeys(found) if found.count(it) > wanted.count(it)]
    said = [f"lacks {' '.join(lacks)}"] * bool(lacks) + [f"adds {' '.join(more)}"] * bool(more)
    return " and ".join(said)
