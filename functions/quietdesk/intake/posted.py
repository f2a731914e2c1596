"""What phones post: JSON from our script, or a form from a phone without scripts. Media types,
sizes and fields; whatever is inside is somebody's text until it was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qs

from quietdesk import request
from quietdesk.errors import (
    BadBundle,
    BadEnvelope,
    BadSignature,
    Conflict,
    NoSeats,
    StoreUnavailable,
)
from quietdesk.intake.answers import STATUS, refused
from quietdesk.programme import Programme
from quietdesk.web import FORM, JSON, Answer, Call, View

FORM_BYTES = 16_384
FORM_VALUES = 100
CARRIED = ("lang", "step", "code", "week", "path", "shown")
_FORM_FIELDS = {*request.FIELDS, *CARRIED}


class Sender(Enum):
    """Whose page sent a form, as far as the browser says. A page that is not ours can send a code
    that somebody else knows."""

    OURS = "ours"
    ELSEWHERE = "elsewhere"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """What a phone without scripts sent: what was `typed` into the fields of a request, and what
    the page carried beside them, as text that anybody may have changed. `week` is the one it was
    read back in, `path` whose times it shows, `shown` the hash of the reply that the person saw
    before moving the request of the code. `moving` when it was sent to `check`."""

    sender: Sender
    typed: Mapping[str, Sequence[str]]
    lang: str
    step: str
    code: str
    week: str
    path: str
    shown: str
    moving: bool = False

    def first(self, field: str) -> str:
        """The first value of a field of the request, or ""."""
        return next(iter(self.typed.get(field, ())), "")


def answer(
    call: Call,
    programme: Programme,
    by_script: View[Programme],
    by_form: Callable[[Form, Programme], Answer],
) -> Answer:
    """What is answered to a POST, whichever of the two sent it. To a script what went wrong is a
    code; a form that cannot be one of ours gets the page for what nobody foresaw."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip()
    if kind == FORM:
        try:
            form = _form(bounded(call, FORM_BYTES), sender(call, programme))
        except BadEnvelope as error:
            return Answer.html(STATUS.get(error.code, 400), programme.pages.broken())
        return by_form(form, programme)
    if kind != JSON:
        return refused(programme, "media_type")
    try:
        return by_script(call, programme)
    except BadEnvelope as error:
        return refused(programme, error.code)
    except NoSeats:
        return refused(programme, "gone")
    except Conflict:
        return refused(programme, "conflict")
    except (BadBundle, BadSignature) as error:
        return refused(programme, "closed", error)
    except StoreUnavailable as error:
        return refused(programme, "unavailable", error)


def bounded(call: Call, most: int) -> bytes:
    """The body, of at most so many bytes. Raises BadEnvelope."""
    if len(call.body) > most:
        raise BadEnvelope("too_large")
    return call.body


def sender(call: Call, programme: Programme) -> Sender:
    """Browsers of today say whether it was a page of ours, older ones only of which address it was,
    the oldest nothing; and `null` is what any page can say that hides its address."""
    site = call.headers.get("sec-fetch-site")
    if site is not None:
        return Sender.OURS if site == "same-origin" else Sender.ELSEWHERE
    origin = call.headers.get("origin", "null")
    if origin == "null":
        return Sender.UNSAID
    ours = programme.address or f"http://{call.headers.get('host', '')}"
    return Sender.OURS if origin == ours else Sender.ELSEWHERE


def _form(body: bytes, sent_by: Sender) -> Form:
    """The fields of a form. A browser showing our page sends no other field."""
    try:
        sent = parse_qs(
            body.decode("ascii"), max_num_fields=FORM_VALUES, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise BadEnvelope("malformed") from None
    if not set(sent) <= _FORM_FIELDS:
        raise BadEnvelope("malformed")
    first = {name: next(iter(sent.get(name, ())), "") for name in CARRIED}
    return Form(
        sender=sent_by,
        typed={name: sent[name] for name in sent if name in request.FIELDS},
        lang=first["lang"],
        step=first["step"],
        code=first["code"],
        week=first["week"],
        path=first["path"],
        shown=first["shown"],
    )
