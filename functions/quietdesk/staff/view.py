"""The words of the console, and its pages: what the desk says, in one language."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quietdesk.city import City
from quietdesk.errors import (
    BadBundle,
    BadKeyring,
    BadSetting,
    BadSignature,
    CannotOpen,
    ClockWrong,
    Conflict,
    KeyDestroyed,
    NoKeyring,
    NoSeats,
    NotAdmitted,
    NotAllowed,
    OpeningMismatch,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TooOld,
    TracesRemain,
    WrongPassphrase,
)
from quietdesk.openings import Opening
from quietdesk.pages import speech
from quietdesk.pages.english import PARTS, QUESTIONS
from quietdesk.pages.speech import Words
from quietdesk.request import ANY, DAYS, PARTS_OF_DAY, WINDOWS
from quietdesk.staff import desk
from quietdesk.staff.queue import Filter

# What went wrong, and what to do. The first class in an error's ancestry that stands here counts.
SAID: dict[type[Exception], tuple[str, str]] = {
    WrongPassphrase: (
        "The passphrase does not unlock this computer’s keyring.",
        "Type it again.",
    ),
    NoKeyring: (
        "There is no keyring on this computer.",
        "Stop the desk and make one with: quietdesk device new",
    ),
    BadKeyring: (
        "This computer’s keyring is damaged, or made for another programme.",
        "Stop the desk and make a new one with: quietdesk device new",
    ),
    NotAdmitted: (
        "Custodians have not admitted this computer yet.",
        "Read its words to a custodian, who admits it.",
    ),
    BadSetting: (
        "A setting of this computer is not right.",
        "Stop the desk. The settings are listed in docs/operations.md.",
    ),
    NoSeats: (
        "That time has no free seat any more. Nothing was changed.",
        "Choose another time.",
    ),
    Conflict: (
        "Somebody else changed this meanwhile. Nothing of theirs was overwritten.",
        "Look at it again, and repeat what is still needed.",
    ),
    TooOld: (
        "The request would be destroyed before that day. Nothing was changed.",
        "Find an earlier place for it, or answer that there is none.",
    ),
    BadSignature: (
        "Something in the store is not signed by whom it must be. Nothing was changed.",
        "Stop working and tell a custodian.",
    ),
    BadBundle: (
        "The key of that week cannot be used. Nothing was changed.",
        "Choose another week, and tell a custodian.",
    ),
    CannotOpen: (
        "There is no key for that week. Nothing was changed.",
        "Choose an earlier time. Custodians make keys with: quietdesk keys mint",
    ),
    TracesRemain: (
        "It was done. Erased bytes stay in the file of the store while somebody reads it.",
        "The next hourly sweep clears them.",
    ),
    StoreBusy: (
        "The store is busy. Nothing was changed.",
        "Try again in a moment.",
    ),
    StoreRefused: (
        "The cloud does not accept your sign-in any more. Nothing was changed.",
        "Leave this page open. In another window, sign in with: quietdesk sign-in. "
        "Then repeat what you did.",
    ),
    NotAllowed: (
        "You are signed in, and your role may not do this. Nothing was changed.",
        "Ask who gives out the roles. To sign in again does not help.",
    ),
    ClockWrong: (
        "This computer’s clock is wrong, so the cloud does not answer it. Nothing was changed.",
        "Set the date, the time and the time zone, then try again.",
    ),
    StoreUnavailable: (
        "The store does not answer. Nothing was changed.",
        "Check the disk and the network, then try again.",
    ),
    OSError: (
        "A file of this computer cannot be read or written.",
        "Check the disk, then try again.",
    ),
    Exception: (
        "This did not work, and it is not your mistake.",
        "Go back to the queue and look whether it was done.",
    ),
}

# Why a request does not open. Nothing in these words comes from the request itself.
REASONS = {
    "destroyed": "the key of its week is destroyed; the person has to ask again",
    "moved": "the time outside is not the one inside; somebody may have changed it",
    "twice": "it was sent in two weeks; the first one is shown",
    "the key does not open this": "it is damaged, or was not locked by our page",
    "the parts do not hold a request": "what is inside is not a request of our form",
    "this week's keys were made before this device was admitted": (
        "its week’s keys were made before this computer was admitted"
    ),
    "this device has no key for that week": "this computer has no key for its week",
    "its row in the store is damaged": "its row in the store is damaged",
    "": "it does not open on this computer",
}

# Why one of many requests was not answered as asked.
TROUBLES = {
    "gone": "It is not there any more: the person cancelled it, or somebody erased it.",
    "changed": "Somebody else changed it meanwhile. Nothing of theirs was overwritten; "
    "the queue shows it as it is now.",
    "seat": "That time has no free seat any more. The request is as it was.",
    "too_old": "It would be destroyed before that day. Find an earlier place, or answer that there "
    "is none.",
    "no_key": "There is no key for the week of that visit yet. The request is as it was.",
    "too_long": "It is too long to be changed. Nothing was changed.",
}

LANES = {
    "V": "vouched for",
    "P": "locked on their phone",
    "K": "entered by staff",
    "N": "sent without a script",
}
STATES = {"waiting": "Waiting", "placed": "Has a place", "none": "No place"}
REACH_BY = {"text": "Text message", "call": "Call", "voicemail": "Voice message"}
NOTICES = {
    "locked": "The desk was locked. Nothing was changed.",
    "old": "That page was an old one. Nothing was changed; this is how it stands.",
    "nobody": "No request was chosen. Tick some first.",
    "no_day": "Choose a center and a day.",
    "published": "Published.",
    "not_signed_in": "Nobody confirmed the code in time, or it was denied.",
    "form": "What was sent could not be read. Nothing was changed.",
}
REFUSED = {
    403: "Only a page of this desk, on this computer, may ask for that.",
    404: "There is no page at this address.",
}

Form = Mapping[str, Sequence[str]]


def shown(text: str) -> Markup:
    """A resident's text as a page may show it: also apart from what is around it."""
    return Markup('<bdi class="told">{}</bdi>').format(desk.shown(text))


# One for all languages, since what it compiles depends on none: values come with each page.
_TEMPLATES = Environment(
    loader=PackageLoader("quietdesk.staff"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["shown"] = shown


class View:
    """Puts what is there into words and pages, in one language."""

    def __init__(self, city: City, lang: str):
        self.base = ""
        self._city = city
        self._locale = city.locale(lang)
        self._words = Words(city, self._locale.tag)
        self._choices = speech.choices(self._words)
        self._values: dict[str, Any] = {  # what every page may use
            "_": self._words,
            "city": city,
            "locale": self._locale,
            "choices": self._choices,
            "questions": QUESTIONS,
            "parts": PARTS,
            "lanes": LANES,
            "states": STATES,
            "reasons": REASONS,
            "reach_by": REACH_BY,
            "troubles": TROUBLES,
            "called": self._called,
            "windows": self._windows,
            "visit": self._visit,
            "center_name": self._center_name,
            "by_day": self._by_day,
            "code_groups": lambda code: code.split("-"),
            "clock": lambda at: at.astimezone(city.zone).strftime("%H:%M"),
            "speak": self._speak,
        }

    def render(self, template: str, **values: Any) -> str:
        """The page."""
        return _TEMPLATES.get_template(template).render(
            {**self._values, "base": self.base, **values}
        )

    def problem(self, name: str, code: str) -> Markup:
        """What is wrong with a field of the form, in words."""
        return speech.problem(self._words, name, code)

    def filter(self, given: Form) -> Filter:
        """The filter in an address or a form. Values that no page of ours offers are left out;
        without any, it shows what waits."""

        def offered(name: str, allowed: Iterable[str]) -> str:
            value = one(given, name)
            return value if value in allowed else ""

        everything = one(given, "state") == "all"
        return Filter(
            "" if everything else offered("state", STATES) or "waiting",
            offered("center", [center.id for center in self._city.centers]),
            offered("window", WINDOWS),
            offered("language", self._city.languages),
            offered("access", self._city.access),
            offered("visit_type", self._city.visit_types),
            number(one(given, "people"), self._city.max_people, 0),
        )

    def filter_values(self, taken: Filter) -> dict[str, str]:
        """The filter as the fields of an address or a form."""
        values = {
            "state": taken.state or "all",
            "center": taken.center,
            "window": taken.window,
            "language": taken.language,
            "access": taken.access,
            "visit_type": taken.visit_type,
            "people": str(taken.people or ""),
        }
        return {name: value for name, value in values.items() if value}

    def _called(self, name: str, value: str) -> Markup:
        """What the form calls an answer. One that our form does not have is shown as it is."""
        if name == "centers" and value != ANY:
            return self._center_name(value)
        choices = self._choices[name]
        return choices[value] if value in choices else shown(value)

    def _windows(self, values: Sequence[str]) -> Markup:
        """Windows in few words: `Monday: Morning, Afternoon; Saturday`."""
        if not values or ANY in values:
            return self._choices["windows"][ANY] if values else Markup("")
        said = []
        for n, day in enumerate(DAYS):
            parts = [part for part in PARTS_OF_DAY if f"{day}-{part}" in values]
            if len(parts) == len(PARTS_OF_DAY):
                said.append(escape(self._locale.weekdays[n]))
            elif parts:
                listed = Markup(", ").join(self._words(PARTS[part]) for part in parts)
                said.append(self._words("{day}: {part}", day=self._locale.weekdays[n], part=listed))
        said += [shown(value) for value in values if value not in WINDOWS]
        return Markup("; ").join(said)

    def _visit(self, opening: Opening) -> Markup:
        """Where and when a visit is."""
        return self._words(
            "{day}, {time}, {center}",
            day=self._locale.day(opening.day),
            time=self._locale.time(opening.at),
            center=self._center_name(opening.center),
        )

    def _center_name(self, id: str) -> Markup:
        center = self._city.center(id)
        return shown(center.name if center else id)

    def _by_day(self, times: Iterable[Opening]) -> list[tuple[str, list[tuple[str, str]]]]:
        """Days, and for each the id and the words of its times, for a list to choose from."""
        grouped: dict[date, list[tuple[str, str]]] = {}
        for it in sorted(times):
            center = self._city.center(it.center)
            text = f"{self._locale.time(it.at)}, {center.name if center else it.center}"
            grouped.setdefault(it.day, []).append((str(it), text))
        return [(self._locale.day(day), rows) for day, rows in grouped.items()]

    def _speak(self, language: str) -> dict[str, Any]:
        """What a slip needs to be in the person's own language, if the programme has it."""
        tags = [locale.tag for locale in self._city.locales]
        locale = self._city.locale(language) if language in tags else self._locale
        return {"locale": locale, "words": Words(self._city, locale.tag)}


def said(error: Exception) -> tuple[str, str]:
    return next(SAID[kind] for kind in type(error).__mro__ if kind in SAID)


def reason(error: CannotOpen) -> tuple[str, str]:
    """A key of REASONS, and the week if that is destroyed."""
    if isinstance(error, KeyDestroyed):
        return "destroyed", error.epoch
    if isinstance(error, OpeningMismatch):
        return "moved", ""
    return (str(error) if str(error) in REASONS else ""), ""


def number(text: str, most: int, least: int = 1) -> int:
    return min(max(int(text), least), most) if re.fullmatch("[0-9]{1,6}", text) else least


def one(given: Form, name: str, default: str = "") -> str:
    return next(iter(given.get(name, ())), default)
