"""The pages of the desk: what is there, put into words and answers, in one language."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quietdesk.city import City
from quietdesk.errors import QuietdeskError, StoreRefused
from quietdesk.openings import Opening
from quietdesk.pages import UNKEPT, speech
from quietdesk.pages.english import PARTS, QUESTIONS
from quietdesk.pages.speech import Words
from quietdesk.request import ANY, DAYS, PARTS_OF_DAY, WINDOWS
from quietdesk.staff import words
from quietdesk.staff.console.entrance import Entrance
from quietdesk.staff.console.forms import START, Spot
from quietdesk.staff.console.session import Unlocked
from quietdesk.web import Answer


def shown(text: str) -> Markup:
    """A resident's text as a page may show it: also apart from what is around it."""
    return Markup('<bdi class="told">{}</bdi>').format(words.shown(text))


# One for all languages, since what it compiles depends on none: values come with each page.
_TEMPLATES = Environment(
    loader=PackageLoader("quietdesk.staff.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["shown"] = shown
_TEMPLATES.globals["unkept"] = UNKEPT


class Pages:
    """Puts what is there into words and answers, in one language. `idle` is how long an unlocked
    desk may be shown untouched; `may_sign_in` when its store is in the cloud."""

    def __init__(
        self,
        city: City,
        lang: str,
        clock: Callable[[], datetime],
        idle: timedelta,
        may_sign_in: bool,
        entrance: Entrance,
    ):
        self._entrance = entrance
        self._city = city
        self._clock = clock
        self._idle = idle
        self._may_sign_in = may_sign_in
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
            "said": words.SAID,
            "said_of": words.said,
            "lanes": words.LANES,
            "states": words.STATES,
            "reach_by": words.REACH_BY,
            "called": self._called,
            "windows": self._windows,
            "visit": self._visit,
            "center_name": self._center_name,
            "by_day": self._by_day,
            "code_groups": lambda code: code.split("-"),
            "clock": lambda at: at.astimezone(city.zone).strftime("%H:%M"),
            "speak": self._speak,
        }

    @property
    def base(self) -> str:
        """What every address begins with."""
        return f"/{self._entrance.token}"

    def page(
        self,
        desk: Unlocked | None,
        template: str,
        status: int = 200,
        spot: Spot = START,
        notice: str = "",
        **values: Any,
    ) -> Answer:
        """A page; `desk` is the unlocked one on it, which will lock when nobody touches it. `spot`
        goes along in its addresses."""
        left = self._idle - (self._clock() - desk.touched) if desk else None
        html = _TEMPLATES.get_template(template).render(
            **self._values,
            base=self.base,
            to=lambda path, **more: self.base + spot.address(path, **more),
            queue_at=self.base + spot.queue,
            notice=notice,
            left=max(1, int(left.total_seconds())) if left else 0,
            whole=int(self._idle.total_seconds()),
            **values,
        )
        return Answer.html(status, html)

    def to(self, path: str) -> Answer:
        """To another page of ours, with what it is asked in no history."""
        return Answer.redirect(303, f"{self.base}{path}")

    def failed(
        self, desk: Unlocked | None, error: Exception, retry: bool = False, spot: Spot = START
    ) -> Answer:
        """What went wrong, and what to do."""
        known = isinstance(error, QuietdeskError | OSError)
        what, next = words.said(error)
        refused = isinstance(error, StoreRefused)
        return self.problem(desk, 409 if known else 500, what, next, retry, refused, spot)

    def problem(
        self,
        desk: Unlocked | None,
        status: int,
        what: str,
        next: str = "",
        retry: bool = False,
        refused: bool = False,
        spot: Spot = START,
    ) -> Answer:
        """What went wrong, and what to do; `retry` is to pull again, `refused` to sign in again."""
        sign_in = refused and self._may_sign_in
        return self.page(
            desk, "problem.html", status, spot, what=what, next=next, retry=retry, sign_in=sign_in
        )

    def wrong(self, name: str, code: str) -> Markup:
        """What is wrong with a field of the form, in words."""
        return speech.problem(self._words, name, code)

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
