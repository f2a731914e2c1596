"""The view of `check`: see, cancel or move the request of a code. It finds one envelope by its id,
never more, and its answers to our script do not tell whether there is one.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace

from quietdesk import codes, envelopes
from quietdesk.envelopes import Envelope
from quietdesk.errors import BadCode, BadEnvelope, Conflict, StoreUnavailable, TracesRemain
from quietdesk.intake import entry, held, plain, posted
from quietdesk.intake.answers import later
from quietdesk.intake.held import Held
from quietdesk.intake.posted import Form, Sender
from quietdesk.pages import visits
from quietdesk.programme import Programme
from quietdesk.replies import Reply
from quietdesk.web import Answer, Call
from quietdesk.wire import unb64

BYTES = envelopes.WIRE_BYTES + 512  # an envelope, and what to do with it
_CALENDAR = "text/calendar; charset=utf-8"


def post(call: Call, programme: Programme) -> Answer:
    """What to do with a request: from our script, which does not send the code, or from the form
    without scripts, which does."""
    return posted.answer(call, programme, by_script=_by_script, by_form=_by_code)


# --- From our script: with what derives from the code --------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class _Asked:
    """What a phone asks for: see, cancel or move. `shown` is SHA-256 of the reply that the person
    saw, `fresh` what is to stand in the place of the request."""

    do: str
    id: bytes
    auth: bytes = b""
    shown: bytes = b""
    fresh: Envelope | None = None


def _by_script(call: Call, programme: Programme) -> Answer:
    """Always 284 bytes: the reply, or as many random ones. Only the code tells which."""
    # Read first: whatever is raised after that is no fault of who asked.
    asked = _read(posted.bounded(call, BYTES))
    reply = _done(asked, programme)
    nothing = held.nothing()  # made in either case: it takes time
    body = reply if reply is not None and len(reply) == len(nothing) else nothing
    return Answer(200, {"Content-Type": "application/octet-stream"}, body)


def _read(body: bytes) -> _Asked:
    """What was posted. Raises BadEnvelope."""
    try:
        asked = json.loads(body)
        if type(asked["v"]) is not int or asked["v"] != 1:
            raise BadEnvelope("version")
        do = asked["do"]
        if do == "see":
            return _Asked(do, unb64(asked["id"], 16))
        auth = unb64(asked["auth"], 32)
        if do == "cancel":
            return _Asked(do, unb64(asked["id"], 16), auth)
        if do != "move":
            raise BadEnvelope("malformed")
        shown = unb64(asked["shown"], 32) if "shown" in asked else b""
        fresh = envelopes.read(json.dumps(asked["envelope"]).encode())
        return _Asked(do, fresh.id, auth, shown, fresh)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadEnvelope("malformed") from None


def _done(asked: _Asked, programme: Programme) -> bytes | None:
    """The reply that stands in the store after what was asked, or None when there is nothing."""
    if asked.fresh:
        return _move(asked.fresh, asked.auth, asked.shown, programme)
    if asked.do == "cancel":
        _cancel(asked.id, asked.auth, programme)
    return _reply(asked.id, programme)


def _reply(id: bytes, programme: Programme) -> bytes | None:
    there = held.find(programme, id)
    return there.reply if there else None


def _cancel(id: bytes, auth: bytes, programme: Programme) -> bool:
    """Erase whatever has that id, if `auth` is its secret; whether there was something. A desk that
    wrote at the same time does not keep it alive: it is looked for again, once."""
    erased, met = False, 0
    while (there := held.find(programme, id)) and held.may(there, auth):
        try:
            with suppress(TracesRemain):  # it is erased; the next sweep clears the rest
                programme.store.erase(there, stub=True)
            erased = True
        except Conflict:
            met += 1
            if met > 1:
                raise
    return erased


def _move(fresh: Envelope, auth: bytes, shown: bytes, programme: Programme) -> bytes | None:
    """Puts a phone's envelope in the place of the one of its id. `shown` is SHA-256 of the reply
    that the person saw. Raises Conflict when another one stands there."""
    for last in (False, True):
        there = held.find(programme, fresh.id)
        if there is None or not held.may(there, auth) or there.auth_hash != fresh.auth_hash:
            return None
        if (there.visit, there.contact) == (fresh.visit, fresh.contact):
            return there.reply  # a retry
        if shown and shown != hashlib.sha256(there.reply).digest():
            raise Conflict("the reply changed since it was read")
        try:
            held.replace(programme, there, entry.admitted(programme, fresh, there.opening))
            return fresh.reply
        except Conflict:
            if last:
                raise
    return None


# --- Without scripts: with the code --------------------------------------------------------------


def _by_code(form: Form, programme: Programme) -> Answer:
    pages = programme.pages
    filled_in = form.step in ("review", "change", "send")
    if filled_in and form.sender is not Sender.OURS:
        return plain.answer(form, programme)  # as a new request
    if form.sender is Sender.ELSEWHERE:
        return Answer.html(403, pages.my_request(form.lang, notice="type_it"))
    try:
        form = replace(form, code=codes.parse(form.code), moving=True)
    except BadCode:
        return Answer.html(400, pages.my_request(form.lang, form.code, bad=True))
    if filled_in:
        return plain.answer(form, programme)
    secrets = codes.derive(form.code, programme.city.deployment)
    try:
        if form.step == "yes":
            erased = _cancel(secrets.id, secrets.auth, programme)
            return _found(form, programme, "cancelled" if erased else "nothing")
        return _step(form, held.under(programme, secrets), programme)
    except Conflict:
        return Answer.html(409, pages.my_request(form.lang, form.code, notice="kept"))
    except StoreUnavailable as error:
        page = pages.my_request(form.lang, form.code, notice="not_now")
        return later(Answer.html(503, page)).because(error)


def _step(form: Form, there: Held | None, programme: Programme) -> Answer:
    """See the request, or begin to do something with it."""
    if there is None:
        return _found(form, programme, "nothing")
    opening = there.reply.opening
    if form.step == "calendar" and opening:
        file = visits.calendar(programme.pages.speak(form.lang), opening)
        answer = Answer.of(200, _CALENDAR, file)
        return answer.saying("Content-Disposition", 'attachment; filename="appointment.ics"')
    # Whose code it is shows in nothing: what is written for it would be read by who planted it.
    unsafe = form.step == "move" and form.sender is not Sender.OURS
    if form.step == "move" and not unsafe:
        return plain.begun(form, there, programme)
    state = "cancel" if form.step == "cancel" else there.reply.state
    today = programme.clock().astimezone(programme.city.zone).date()
    notice = "cannot_move" if unsafe else ""
    page = programme.pages.found(form.lang, state, form.code, there.reply, today, notice)
    return Answer.html(403 if unsafe else 200, page)


def _found(form: Form, programme: Programme, state: str) -> Answer:
    return Answer.html(200, programme.pages.found(form.lang, state, "", Reply("none")))
