"""The words of one language: what it says for an English text, a code, or a value of the form."""

from markupsafe import Markup, escape

from quietdesk.city import City
from quietdesk.pages.english import (
    CHOICES,
    NOTHING,
    NOTICES,
    OWN_NAMES,
    PARTS,
    PROBLEMS,
    SCRIPT_WORDS,
)
from quietdesk.request import (
    ANY,
    DAYS,
    MAX_CENTERS,
    NAME_LETTERS,
    PARTS_OF_DAY,
    PHONE_OWNERS,
    REACH,
)


class Words:
    """The words of one language. Called with English text, it gives safe HTML; `{values}` in the
    text are filled in and escaped."""

    def __init__(self, city: City, tag: str):
        self.city = city
        self.locale = city.locale(tag)
        self._words = city.words.get(tag, {})

    def __call__(self, text: str, /, **values: object) -> Markup:
        return escape(self._words.get(text, text)).format(**values)

    def has(self, text: str) -> bool:
        """Whether this language has words of its own for the text."""
        return text in self._words

    @property
    def phone(self) -> Markup:
        """The programme's phone number, which keeps its direction in any text."""
        return Markup('<bdi dir="ltr">{}</bdi>').format(self.city.phone)


def problem(words: Words, field: str, code: str) -> Markup:
    """The problem with a field, in words. Any code has some."""
    general = PROBLEMS[""]
    text = PROBLEMS.get(field, {}).get(code) or general.get(code, general["other"])
    return words(
        text,
        most_centers=MAX_CENTERS,
        most_people=words.city.max_people,
        most_letters=NAME_LETTERS,
    )


def notice(words: Words, key: str, now: str = "") -> Markup:
    """A notice above a form; `now` is what a reply says. Nothing for the key ""."""
    return words(NOTICES[key], phone=words.phone, now=now) if key else Markup("")


def choices(words: Words) -> dict[str, dict[str, Markup]]:
    """For each field with choices: value to what the page calls it."""
    city = words.city
    named = {
        "centers": {ANY: words("Any place")}
        | {center.id: escape(center.name) for center in city.listed},
        "windows": {ANY: words("Any day and time")}
        | {
            f"{day}-{part}": words(
                "{day}: {part}", day=words.locale.weekdays[n], part=words(PARTS[part])
            )
            for n, day in enumerate(DAYS)
            for part in PARTS_OF_DAY
        },
    }
    listed = {
        "visit_type": city.visit_types,
        "language": city.languages,
        "access": city.access,
        "reach": REACH,
        "phone_owner": PHONE_OWNERS,
    }
    for field, values in listed.items():
        named[field] = {value: _choice(words, field, value) for value in values}
    return named


def of_script(words: Words) -> dict[str, Markup]:
    """All that the browser's script can say, by the keys it knows."""
    said = {key: words(text, phone=words.phone) for key, text in SCRIPT_WORDS.items()}
    for field, codes in PROBLEMS.items():
        for code in codes:
            said[f"problem {field or 'any'} {code}"] = problem(words, field, code)
    return said | {f"nothing {field}": words(text) for field, text in NOTHING.items()}


def _choice(words: Words, field: str, value: str) -> Markup:
    names = {locale.tag: locale.name for locale in words.city.locales} | OWN_NAMES
    if field == "language" and value in names:
        return escape(names[value])
    return words(CHOICES[field].get(value, value))
