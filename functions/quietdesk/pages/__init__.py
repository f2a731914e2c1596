"""The pages that people see, and the form, made of templates, words and what was typed.

Of what functions load only this needs Jinja2. A page is text only: nothing here logs or keeps what
a resident typed.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quietdesk import weeks
from quietdesk.city import City, Locale
from quietdesk.openings import Opening
from quietdesk.pages import speech, visits
from quietdesk.pages.english import BROKEN, MENU, MORE, NOT_FOUND, NOTE, NOTES, NOTHING, QUESTIONS
from quietdesk.pages.speech import Words
from quietdesk.replies import Reply
from quietdesk.request import FIELDS, MANY, MAX_CENTERS, Request
from quietdesk.wire import b64

# One for all programmes, since what it compiles depends on none: values come with each page.
_TEMPLATES = Environment(
    loader=PackageLoader("quietdesk"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# In every form that posts. Chromium writes what was posted into the files it restores tabs from,
# but not of a form with a password in it that is not empty, whatever it is. Without a name, hidden
# and disabled, it is neither sent nor taken for a sign-in (docs/decisions/0020).
UNKEPT = Markup('<input type="password" value="x" autocomplete="off" hidden disabled>')
_TEMPLATES.globals["unkept"] = UNKEPT

# Where "Leave this page" goes: a page that says nothing about the person.
EXIT = "https://www.weather.gov/"

SUBMIT, CHECK = "/api/requests", "/api/requests/check"


@dataclass(frozen=True, slots=True, repr=False)
class Filled:
    """What goes into the form: everything `typed`, a code of request.parse for each field that has
    a problem, a key of NOTICES or "", and for some notices the reply that stands `now`."""

    typed: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    problems: Mapping[str, str] = dataclasses.field(default_factory=dict)
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
        words = self.speak(lang)
        return _render(
            "form.html",
            words,
            notice=speech.notice(words, filled.notice, visits.said(words, filled.now)),
            action=CHECK if moving else SUBMIT,
            name=f"request/at/{offer.center}" if offer.center else "request",
            page=_page_of(lang, offer),
            **self._fields(words, filled, offer, carried),
        )

    def my_request(
        self, lang: str, typed_code: str = "", bad: bool = False, notice: str = ""
    ) -> str:
        """The page that asks for the code; `bad` when what was typed is none."""
        words = self.speak(lang)
        return _render(
            "my_request.html",
            words,
            name="my-request",
            notice=speech.notice(words, notice),
            typed_code=typed_code,
            bad_code=bad,
            action=CHECK,
            page=f"/{lang}/my-request/",
            **self._fields(words, Filled(), Offer(), {"code": ""}),
        )

    def found(
        self,
        lang: str,
        state: str,
        code: str,
        reply: Reply,
        today: date | None = None,
        notice: str = "",
    ) -> str:
        """What stands under a code, for phones without scripts. `state` is the reply's, or nothing,
        cancel (the question) or cancelled; `notice` a key of NOTICES or ""."""
        words = self.speak(lang)
        day = reply.look_again
        return _render(
            "found.html",
            words,
            name="my-request",
            state=state,
            notice=speech.notice(words, notice),
            code=code,
            visit=visits.visit(words, reply) if reply.opening else None,
            day=words.locale.day(day) if day else "",
            late=bool(day and today and day < today),
        )

    def _fields(
        self, words: Words, filled: Filled, offer: Offer, carried: Mapping[str, str]
    ) -> dict[str, Any]:
        typed, problems, keep = filled.typed, filled.problems, offer.keep
        typed_in = bool(typed)
        if not typed and words.locale.tag in self.city.languages:
            typed = {"language": [words.locale.tag], "children": ["0"]}
        ticked = next(iter(typed.get("opening", ())), "")
        if offer.center and not typed_in:
            typed = {**typed, "centers": [offer.center]}
        return {
            "typed": typed,
            "typed_in": typed_in,
            "problems": {
                field: speech.problem(words, field, problems[field])
                for field in QUESTIONS
                if field in problems
            },
            "questions": QUESTIONS,
            "choices": speech.choices(words),
            "custodians": self._custodians,
            "threshold": self._threshold,
            "script_words": speech.of_script(words),
            "most_centers": MAX_CENTERS,
            "openings": offer.openings,
            "times": visits.offered(
                words, [it for it in offer.openings or () if it != keep], offer.center
            ),
            "path": offer.path,
            "preset": offer.center,
            "keep": keep,
            "keep_said": visits.where(words, keep) if keep else "",
            # What is not free any more cannot stay ticked; who moves keeps the time, unless asked.
            "ticked": str(keep or "") if "opening" in problems or not typed_in else ticked,
            "carried": {**carried, **({"path": offer.path} if offer.path else {})},
            "addresses": {it.id: visits.address(words, it) for it in self.city.centers},
        }

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
        words = self.speak(lang)
        fields = [(f, v) for f in FIELDS for v in typed.get(f, ())]
        answers = _answers(words, request)
        return _render(
            "review.html",
            words,
            answers=answers,
            carried=[*fields, *((name, value) for name, value in carried.items() if value)],
            notice=speech.notice(words, notice),
            action=CHECK if moving else SUBMIT,
        )

    def done(self, lang: str, code: str, reply: Reply, fresh: bool = False) -> str:
        """The page that shows the code, once; `fresh` when it is another than the one sent."""
        words = self.speak(lang)
        return _render(
            "done.html",
            words,
            code=code,
            notice=speech.notice(words, "new_code" if fresh else ""),
            visit=visits.visit(words, reply) if reply.opening else None,
            day=words.locale.day(reply.look_again) if reply.look_again else "",
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
        words = self.speak(lang)
        values = _common(words) | {"name": name}
        said = [words(NOTES[note]) for note in notes if NOTES[note] != NOTE or words.has(NOTE)]
        return {
            "top": Markup(_TEMPLATES.get_template("top.html").render(values)),  # noqa: S704
            "bottom": Markup(_TEMPLATES.get_template("bottom.html").render(values)),  # noqa: S704
            "script": "/assets/documents.js" if name == "documents" else "",
            "locale": words.locale,
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

    def _neutral(self, locales: tuple[Locale, ...], title: str, text: str) -> str:
        spoken = [(locale, Words(self.city, locale.tag)) for locale in locales]
        first = spoken[0][1]
        return _render("neutral.html", first, spoken=spoken, title=title, text=text, name="")

    def speak(self, lang: str) -> Words:
        """The words of a tag; of the first language for a tag that the programme does not have."""
        return Words(self.city, self.city.locale(lang).tag)

    def part(self, template: str, lang: str, **values: Any) -> str:
        """A piece of a page, from a template, with the words and facts that every page has."""
        return _render(template, self.speak(lang), **values)


def _answers(words: Words, request: Request) -> list[tuple[Markup, list[Markup]]]:
    """The questions of a request with its answers, in words."""
    choices = speech.choices(words)
    rows = []
    if request.opening:
        visit = visits.visit(words, Reply("placed", None, request.opening))
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


def _common(words: Words) -> dict[str, Any]:
    """What every page has: words, facts and links."""
    return {
        "_": words,
        "city": words.city,
        "locale": words.locale,
        "menu": MENU,
        "path": "",
        "more": MORE,
        "exit": EXIT,
        "phone": words.phone,
        "look_again_in": weeks.look_again_in(words.city.serve_days, words.city.answer_by_days),
        "note": words(NOTE) if words.has(NOTE) else "",
        "hours": partial(visits.hours, words=words),
    }


def _render(template: str, words: Words, **values: Any) -> str:
    common = _common(words) | {"name": "request"}
    return _TEMPLATES.get_template(template).render(common | values)
