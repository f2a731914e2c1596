"""The pages that people see: the words for every code, the form, and facts put into Markdown.

English text is the key of every translation (gettext style); what a language lacks shows English.
The functions need nothing here but Jinja2. `Guide` is the build's side and reads YAML. A page is
text only: nothing here logs or keeps what a resident typed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quietdesk.city import Center, City, Locale
from quietdesk.openings import Opening
from quietdesk.replies import Reply
from quietdesk.request import (
    ANY,
    DAYS,
    FIELDS,
    MANY,
    MAX_CENTERS,
    NAME_LETTERS,
    PARTS_OF_DAY,
    PHONE_OWNERS,
    REACH,
    Request,
)
from quietdesk.wire import b64

# Where "Leave this page" goes: a page that says nothing about the person.
EXIT = "https://www.weather.gov/"

SUBMIT, CHECK = "/api/requests", "/api/requests/check"
CONFIRM = "(confirm with the programme)"
DAYS_SHOWN = 12  # of each center, on a page without scripts

# The pages, file name and title: those of the menu above every page, few enough for a phone, and
# the others, whose links stand below every page.
MENU = (
    ("index", "Home"),
    ("who-can-apply", "Who can apply"),
    ("documents", "Papers to bring"),
    ("privacy", "Your privacy"),
    ("request", "Ask for an appointment"),
    ("my-request", "My request"),
)
MORE = (
    ("centers", "Where to go"),
    ("at-the-office", "At the office"),
    ("the-card", "What the card does"),
    ("help", "Help and interpreters"),
    ("questions", "Questions and answers"),
    ("scams", "Stay safe from scams"),
    ("leaving", "How to leave this page quickly"),
    ("organisers", "For organisers"),
)

# In gettext's manner ("translator-credits"): shown only where a translation of this key exists.
_NOTE = "translation-note"
# What a page says about its own translation.
NOTES = {
    "unreviewed": _NOTE,
    "older": "This translation is older than the English page. Some things may have changed.",
    "english": "We have no translation of this page that is up to date. Here it is in English.",
}

QUESTIONS = {
    "opening": "Take a free time",
    "centers": "Where can you come?",
    "windows": "When can you come?",
    "people": "How many people want a card?",
    "children": "How many of them are children aged 10 to 13?",
    "visit_type": "What do you need?",
    "language": "Which language do you want to speak at the visit?",
    "access": "What would help you at the visit? (optional)",
    "name": "What should we call you?",
    "reach": "May we contact you? (optional)",
    "phone": "Phone number",
    "phone_owner": "Whose phone is it?",
}

PARTS = {"am": "Morning", "pm": "Afternoon", "eve": "Evening"}
CHOICES = {
    "visit_type": {
        "new": "A first card",
        "renew": "Renew a card",
        "replace": "Replace a lost or stolen card",
        "update": "Change something on a card",
    },
    "access": {
        "step_free": "A way in without steps",
        "seated_wait": "A seat while I wait",
        "large_print": "Large print",
        "quiet": "A quiet place",
        "sign_language": "A sign language interpreter",
        "helper": "I will bring someone to help me",
    },
    "reach": {
        "text": "You may send me a text message",
        "call": "You may call me",
        "voicemail": "You may leave me a voice message",
    },
    "phone_owner": {
        "mine": "It is mine",
        "shared": "I share it with other people",
        "helper": "It belongs to someone who helps me",
    },
    "language": {"ase": "American Sign Language", "other": "Another language"},
}
# A language is called by its own name, whatever the language of the page.
_OWN_NAMES = {
    "en": "English", "es": "Español", "cmn": "普通话 / 國語 (Mandarin)",
    "yue": "廣東話 / 广东话 (Cantonese)", "ru": "Русский", "bn": "বাংলা", "ht": "Kreyòl ayisyen",
    "ko": "한국어", "ar": "العربية", "ur": "اردو", "fr": "Français", "pl": "Polski",
}  # fmt: skip

# What is read back when nothing was ticked.
NOTHING = {"access": "Nothing special", "reach": "No. I will look with my code."}

# Codes of request.parse in words. A field without words of its own for a code uses "".
PROBLEMS: dict[str, dict[str, str]] = {
    "": {
        "missing": "Answer this question.",
        "unknown": "Choose one of the answers shown here.",
        "too_many": "Choose fewer answers.",
        "too_long": "Write something shorter.",
        "number": "Write a whole number, such as 1.",
        "range": "Write a smaller or larger number.",
        "phone": "Write a phone number with 7 to 15 digits.",
        "choose": "Tick how we may use this, or leave it empty.",
        "other": "Look at this answer again.",
    },
    "centers": {
        "missing": "Tick one or more places, or “Any place”.",
        "too_many": "Tick {most_centers} places or fewer, or “Any place”.",
    },
    "windows": {"missing": "Tick one or more times, or “Any day and time”."},
    "opening": {"gone": "This time is not free now. Choose another one, or say when you can come."},
    "people": {
        "missing": "Write how many people want a card.",
        "range": "Write a number from 1 to {most_people}.",
    },
    "children": {"range": "Write a number that is not larger than the number of people."},
    "visit_type": {"missing": "Choose what you need."},
    "language": {"missing": "Choose a language."},
    "name": {
        "missing": "Write a name that we can call you. A nickname is fine.",
        "too_long": "Write a shorter name, {most_letters} letters at most.",
    },
    "reach": {
        "choose": "You wrote a phone number. Tick how we may use it, or take the number out."
    },
    "phone": {"missing": "Write the phone number that we may use, or untick the boxes above."},
    "phone_owner": {"missing": "Choose whose phone it is."},
}

NOTICES = {
    "unavailable": "We cannot take requests right now. Nothing was kept. What you wrote is still "
    "here. Try again in a few minutes, or call {phone}.",
    "unsure": "We cannot take requests right now. We do not know if yours was kept. Press Send "
    "again in a few minutes: it will not be counted twice. Or call {phone}.",
    "closed": "Requests are closed right now, because we cannot be sure that only the office could "
    "read them. Nothing was kept. Please call {phone}.",
    "not_now": "We cannot look right now. We do not know what became of it. "
    "Try again in a few minutes, or call {phone}.",
    "kept": "This did not work: somebody changed the request at the same time. Look again.",
    "replace": "A request of yours was already sent with this code. Press Send again to put these "
    "answers in its place. Or call {phone}.",
    "changed": "This was not sent. The office has answered since you looked. Your request says "
    "now: {now}. If you send this, it takes the place of that answer.",
    "lost": "There is no request for this code any more. Nothing was changed. What you wrote is "
    "still here. If you send it, it is a new request with a new code.",
}

# The states of a reply, as headings.
STATES = {
    "waiting": "Your request is waiting",
    "placed": "You have an appointment",
    "none": "There is no place for you yet",
}

# What the script says; it has no words of its own.
SCRIPT_WORDS = {
    **{key: NOTICES[key] for key in ("unavailable", "unsure", "closed", "not_now", "kept", "lost")},
    "locking": "Locking your answers on this phone…",
    "sending": "Sending your locked request…",
    "offline": "We could not reach our computer. We do not know if your request arrived. "
    "Press Send again: it will not be counted twice. Or call {phone}.",
    "not_ready": "We could not get what is needed to lock your answers. Check your connection and "
    "try again, or call {phone}. What you wrote is still here.",
    "refused": "Our computer did not take this request. Nothing was kept. "
    "Try again, or call {phone}.",
    "week_over": "A new week has begun since you opened this page. Press Send again.",
    "your_time": "Your time",
    "appointment": "Appointment",
    "looking": "Looking…",
    "look_failed": "We could not reach our computer. Check your connection and try again, or call "
    "{phone}.",
    "ask_where": "Ask where: call {phone}.",
    "copied": "Copied. Paste it only where others do not look.",
    "copy_failed": "This browser does not let us copy. The code is marked now: copy it by hand.",
}


NOT_FOUND = ("Page not found", "There is no page at this address.")
BROKEN = (
    "Something went wrong",
    "This did not work, and it is not your mistake. Go back and try again, or call {phone}.",
)


def _ics(text: str) -> str:
    """A text in a calendar file (RFC 5545 section 3.3.11)."""
    for letter in "\\;,":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("\n", "\\n")


class Words:
    """The words of one language. Called with English text, it gives safe HTML; `{values}` in the
    text are filled in and escaped."""

    def __init__(self, city: City, tag: str):
        self._words = city.words.get(tag, {})

    def __call__(self, text: str, /, **values: object) -> Markup:
        return escape(self._words.get(text, text)).format(**values)

    def has(self, text: str) -> bool:
        """Whether this language has words of its own for the text."""
        return text in self._words


@dataclass(frozen=True, slots=True, repr=False)
class Filled:
    """What goes into the form: everything `typed`, a code of request.parse for each field that has
    a problem, a key of NOTICES or "", and for some notices the reply that stands `now`."""

    typed: Mapping[str, Sequence[str]] = default(default_factory=dict)
    problems: Mapping[str, str] = default(default_factory=dict)
    notice: str = ""
    now: Reply | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The times on the form: those that are free (None where that is not known, as on the built
    page), those of a `path` if one was given out; one to `keep` that is not free to others; and the
    `center` that comes first, ticked on a fresh form."""

    openings: Sequence[Opening] | None = None
    path: str = ""
    keep: Opening | None = None
    center: str = ""


def _page_of(lang: str, offer: Offer) -> str:
    """Where the page of the form can be had anew."""
    if offer.path:
        return f"/api/request/{lang}/{offer.path}"
    return f"/{lang}/request/at/{offer.center}/" if offer.center else f"/{lang}/request/"


class Pages:
    """The pages of one programme. `custodians` are the public keys (SPKI in DER) that phones
    trust, `threshold` how many of them must sign."""

    def __init__(self, city: City, custodians: tuple[bytes, ...], threshold: int):
        self.city = city
        self._custodians = " ".join(b64(key) for key in custodians)
        self._threshold = threshold
        self._env = Environment(
            loader=PackageLoader("quietdesk"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def form(
        self,
        lang: str,
        filled: Filled = Filled(),
        offer: Offer = Offer(),
        carried: Mapping[str, str] = {},
        moving: bool = False,
    ) -> str:
        """The request page. `carried` are fields to come back unchanged; with a `code` in them the
        form is for phones without scripts, and `moving`, it moves the request of that code."""
        locale, words = self.speak(lang)
        return self._render(
            "form.html",
            locale,
            notice=self._notice(words, filled.notice, self._said(locale, words, filled.now)),
            action=CHECK if moving else SUBMIT,
            name=f"request/at/{offer.center}" if offer.center else "request",
            page=_page_of(lang, offer),
            **self._fields(locale, words, filled, offer, carried),
        )

    def my_request(
        self, lang: str, typed_code: str = "", bad: bool = False, notice: str = ""
    ) -> str:
        """The page that asks for the code; `bad` when what was typed is none."""
        locale, words = self.speak(lang)
        return self._render(
            "my_request.html",
            locale,
            name="my-request",
            notice=self._notice(words, notice),
            typed_code=typed_code,
            bad_code=bad,
            action=CHECK,
            page=f"/{lang}/my-request/",
            **self._fields(locale, words, Filled(), Offer(), {"code": ""}),
        )

    def found(
        self, lang: str, state: str, code: str, reply: Reply, today: date | None = None
    ) -> str:
        """What stands under a code, for phones without scripts. `state` is the reply's, or nothing,
        cancel (the question) or cancelled."""
        locale, _ = self.speak(lang)
        day = reply.look_again
        return self._render(
            "found.html",
            locale,
            name="my-request",
            state=state,
            code=code,
            visit=self.visit(locale, reply) if reply.opening else None,
            day=locale.day(day) if day else "",
            late=bool(day and today and day < today),
        )

    def calendar(self, lang: str, opening: Opening) -> str:
        """A calendar file (RFC 5545) of an hour titled "Appointment", without place or name. Its
        time is the clock's at the place, whatever zone the phone is in."""
        _, words = self.speak(lang)
        starts = datetime.combine(opening.day, time.fromisoformat(opening.at))
        ends = starts + timedelta(hours=1)
        lines = (
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//quietdesk//EN", "BEGIN:VEVENT",
            f"UID:{starts:%Y%m%dT%H%M}@appointment.invalid", f"DTSTAMP:{starts:%Y%m%dT%H%M%S}Z",
            f"DTSTART:{starts:%Y%m%dT%H%M%S}", f"DTEND:{ends:%Y%m%dT%H%M%S}",
            f"SUMMARY:{_ics(words('Appointment').unescape())}", "END:VEVENT", "END:VCALENDAR",
        )  # fmt: skip
        return "".join(line + "\r\n" for line in lines)

    def visit(self, locale: Locale, reply: Reply) -> dict[str, str]:
        """Where and when a visit is, in words: name, address, day, time."""
        opening = reply.opening
        if opening is None:
            raise ValueError("only a placed reply has a visit")
        center = self.city.center(opening.center)
        ask = self.speak(locale.tag)[1]("Ask where: call {phone}.", phone=self.phone())
        return {
            "name": reply.name or (center.name if center else ask),
            "address": reply.address or (self._address(locale, center) if center else ""),
            "day": locale.day(opening.day),
            "time": locale.time(opening.at),
        }

    def _address(self, locale: Locale, center: Center) -> str:
        """The address, with a mark while nobody has confirmed it."""
        mark = "" if center.verified else f" {Words(self.city, locale.tag)(CONFIRM)}"
        return center.address + mark

    def _fields(
        self,
        locale: Locale,
        words: Words,
        filled: Filled,
        offer: Offer,
        carried: Mapping[str, str],
    ) -> dict[str, Any]:
        typed, problems = filled.typed, filled.problems
        typed_in = bool(typed)
        if not typed and locale.tag in self.city.languages:
            typed = {"language": [locale.tag], "children": ["0"]}
        ticked = next(iter(typed.get("opening", ())), "")
        if offer.center and not typed_in:
            typed = {**typed, "centers": [offer.center]}
        return {
            "typed": typed,
            "typed_in": typed_in,
            "problems": {
                field: self.problem(words, field, problems[field])
                for field in QUESTIONS
                if field in problems
            },
            "questions": QUESTIONS,
            "choices": self.choices(words, locale),
            "custodians": self._custodians,
            "threshold": self._threshold,
            "script_words": self._script_words(words),
            "most_centers": MAX_CENTERS,
            "openings": offer.openings,
            "times": self._times(
                locale, words, [it for it in offer.openings or () if it != offer.keep], offer.center
            ),
            "path": offer.path,
            "preset": offer.center,
            "keep": offer.keep,
            "keep_said": self._where(locale, words, offer.keep) if offer.keep else "",
            # What is not free any more cannot stay ticked; who moves keeps the time, unless asked.
            "ticked": str(offer.keep or "") if "opening" in problems or not typed_in else ticked,
            "carried": {**carried, **({"path": offer.path} if offer.path else {})},
            "addresses": {it.id: self._address(locale, it) for it in self.city.centers},
        }

    def _where(self, locale: Locale, words: Words, opening: Opening) -> Markup:
        visit = self.visit(locale, Reply("placed", None, opening))
        values = {"place": visit["name"], "day": visit["day"], "time": visit["time"]}
        return words("{place}: {day}, {time}", **values)

    def _said(self, locale: Locale, words: Words, reply: Reply | None) -> Markup:
        """What a reply says, in one line."""
        if reply is None:
            return Markup("")
        return (
            self._where(locale, words, reply.opening)
            if reply.opening
            else words(STATES[reply.state])
        )

    def _times(
        self, locale: Locale, words: Words, openings: Sequence[Opening], preset: str
    ) -> list[tuple[Center, Markup, list[tuple[str, list[tuple[str, str]]]]]]:
        """For each center that has free times: the first in words, and the next days, each with
        (opening, time in words). The preset center comes first, then the one that is free first."""
        by_center: dict[str, dict[date, list[Opening]]] = {}
        for opening in openings:
            by_center.setdefault(opening.center, {}).setdefault(opening.day, []).append(opening)
        shown = []
        for id, days in by_center.items():
            if center := self.city.center(id):
                rows = [
                    (locale.day(day), [(str(it), locale.time(it.at)) for it in of_day])
                    for day, of_day in list(days.items())[:DAYS_SHOWN]
                ]
                first = words("{day}, {time}", day=rows[0][0], time=rows[0][1][0][1])
                shown.append((center, first, rows))
        return sorted(shown, key=lambda row: row[0].id != preset)

    def review(
        self,
        lang: str,
        request: Request,
        typed: Mapping[str, Sequence[str]],
        carried: Mapping[str, str],
        notice: str = "",
        moving: bool = False,
    ) -> str:
        """The answers read back in words, to be sent or changed; for phones without scripts. What
        is `carried` has the code and the week, so that what is sent twice is the same request. When
        `moving`, it is the request of that code."""
        locale, words = self.speak(lang)
        fields = [(f, v) for f in FIELDS for v in typed.get(f, ())]
        answers = self._answers(words, locale, request)
        return self._render(
            "review.html",
            locale,
            answers=answers,
            carried=[*fields, *((name, value) for name, value in carried.items() if value)],
            notice=self._notice(words, notice),
            action=CHECK if moving else SUBMIT,
        )

    def done(self, lang: str, code: str, reply: Reply) -> str:
        """The page that shows the code, once."""
        locale, _ = self.speak(lang)
        return self._render(
            "done.html",
            locale,
            code=code,
            visit=self.visit(locale, reply) if reply.opening else None,
            day=locale.day(reply.look_again) if reply.look_again else "",
        )

    def not_found(self) -> str:
        """A page for an address that does not exist, in every language."""
        return self._neutral(self.city.locales, *NOT_FOUND)

    def broken(self, lang: str = "") -> str:
        """A page for what nobody foresaw, in one language or in all."""
        return self._neutral(
            tuple(locale for locale in self.city.locales if locale.tag == lang)
            or self.city.locales,
            *BROKEN,
        )

    def busy(self) -> str:
        """A page without style for who is stopped before any function of ours: in every language,
        short, since a firewall keeps at most 4,096 bytes of it."""
        page = Markup('<!doctype html><meta charset="utf-8">')
        for locale in self.city.locales:
            said = Words(self.city, locale.tag)(BROKEN[1], phone=self.city.phone)
            line = Markup('<p lang="{}" dir="{}">{}</p>')
            page += line.format(locale.tag, locale.direction, said)
        return str(page)

    def around(self, lang: str, name: str, notes: Sequence[str]) -> dict[str, Any]:
        """What the theme puts around a page: `top` and `bottom`, `site_name`, `notes` (keys of
        NOTES, put into words), `script` (the address of the page's own, or ""), and the words for
        links that pass the page on."""
        locale, words = self.speak(lang)
        values = self._common(locale, words) | {"name": name}
        said = [words(NOTES[note]) for note in notes if NOTES[note] != _NOTE or words.has(_NOTE)]
        return {
            "top": Markup(self._env.get_template("top.html").render(values)),  # noqa: S704
            "bottom": Markup(self._env.get_template("bottom.html").render(values)),  # noqa: S704
            "script": "/assets/documents.js" if name == "documents" else "",
            "locale": locale,
            "notes": said,
            "in_english": words("Read this page in English"),
            "site_name": words(self.city.name),
            "preview": words("Information and appointments"),
            "about": words("Information and appointments. You need no account."),
            "pass_on": words("Pass this page on"),
            "by_text": words("By text message"),
            "by_whatsapp": words("By WhatsApp"),
            "or_copy": words("Or copy this address:"),
        }

    def directed(self, page: str, lang: str) -> str:
        """A page of the theme with language and direction where a browser looks for them."""
        locale = self.city.locale(lang)
        start = f'<html lang="{locale.tag}" dir="{locale.direction}"'
        return re.sub(r'<html lang="[^"]*"', start, page, count=1)

    def problem(self, words: Words, field: str, code: str) -> Markup:
        """The problem with a field, in words. Any code has some."""
        general = PROBLEMS[""]
        text = PROBLEMS.get(field, {}).get(code) or general.get(code, general["other"])
        return words(
            text,
            most_centers=MAX_CENTERS,
            most_people=self.city.max_people,
            most_letters=NAME_LETTERS,
        )

    def choices(self, words: Words, locale: Locale) -> dict[str, dict[str, Markup]]:
        """For each field with choices: value to what the page calls it."""
        city = self.city
        named = {
            "centers": {ANY: words("Any place")}
            | {center.id: escape(center.name) for center in city.listed},
            "windows": {ANY: words("Any day and time")}
            | {
                f"{day}-{part}": words(
                    "{day}: {part}", day=locale.weekdays[n], part=words(PARTS[part])
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
            named[field] = {value: self._choice(words, field, value) for value in values}
        return named

    def _choice(self, words: Words, field: str, value: str) -> Markup:
        names = {locale.tag: locale.name for locale in self.city.locales} | _OWN_NAMES
        if field == "language" and value in names:
            return escape(names[value])
        return words(CHOICES[field].get(value, value))

    def _answers(
        self, words: Words, locale: Locale, request: Request
    ) -> list[tuple[Markup, list[Markup]]]:
        choices = self.choices(words, locale)
        rows = []
        if request.opening:
            visit = self.visit(locale, Reply("placed", None, Opening.parse(request.opening)))
            said = [escape(visit[key]) for key in ("name", "address")]
            said.append(words("{day}, {time}", day=visit["day"], time=visit["time"]))
            rows.append((words("Your time"), said))
        left_out = {"opening"} | ({"centers", "windows"} if request.opening else set())
        left_out |= set() if request.reach else {"phone", "phone_owner"}
        for field in FIELDS:
            if field in left_out:
                continue
            value = getattr(request, field)
            if field in MANY:
                said = [choices[field][item] for item in value]
            elif field in choices:
                said = [choices[field][value]]
            else:
                said = [escape(str(value))]
            rows.append((words(QUESTIONS[field]), said or [words(NOTHING[field])]))
        return rows

    def _script_words(self, words: Words) -> dict[str, Markup]:
        said = {key: words(text, phone=self.phone()) for key, text in SCRIPT_WORDS.items()}
        for field, codes in PROBLEMS.items():
            for code in codes:
                said[f"problem {field or 'any'} {code}"] = self.problem(words, field, code)
        return said | {f"nothing {field}": words(text) for field, text in NOTHING.items()}

    def _neutral(self, locales: tuple[Locale, ...], title: str, text: str) -> str:
        spoken = [(locale, Words(self.city, locale.tag)) for locale in locales]
        return self._render(
            "neutral.html", locales[0], spoken=spoken, title=title, text=text, name=""
        )

    def speak(self, lang: str) -> tuple[Locale, Words]:
        """The locale of a tag and its words."""
        locale = self.city.locale(lang)
        return locale, Words(self.city, locale.tag)

    def _notice(self, words: Words, notice: str, now: str = "") -> Markup:
        return words(NOTICES[notice], phone=self.phone(), now=now) if notice else Markup("")

    def hours(self, center: Center, locale: Locale, words: Words) -> list[Markup | str]:
        """When a center is open, in lines: `Monday – Friday: 9:00 AM – 5:00 PM`."""
        return [
            words("{day}: {part}", day=day, part=span) if day else span
            for hours in center.hours
            for day, span in locale.hours(hours)
        ]

    def phone(self) -> Markup:
        """The programme's phone number, which keeps its direction in any text."""
        return Markup('<bdi dir="ltr">{}</bdi>').format(self.city.phone)

    def part(self, template: str, lang: str, **values: Any) -> str:
        """A piece of a page, from a template, with the words and facts that every page has."""
        return self._render(template, self.city.locale(lang), **values)

    def _common(self, locale: Locale, words: Words) -> dict[str, Any]:
        return {
            "_": words,
            "city": self.city,
            "locale": locale,
            "menu": MENU,
            "path": "",
            "more": MORE,
            "exit": EXIT,
            "phone": self.phone(),
            "note": words(_NOTE) if words.has(_NOTE) else "",
            "hours": partial(self.hours, locale=locale, words=words),
        }

    def _render(self, template: str, locale: Locale, **values: Any) -> str:
        common = self._common(locale, Words(self.city, locale.tag)) | {"name": "request"}
        return self._env.get_template(template).render(common | values)
