"""The form of phones without scripts: fill in, read back, send. It is the same for a new request
and for one that is moved. What was typed comes back in every answer, since nothing is kept between
two of them.

Here, and only here, a function sees what a person typed. It seals it before anything is stored.
"""

from collections.abc import Mapping
from dataclasses import replace

from quietdesk import codes, envelopes, replies, request, weeks
from quietdesk.codes import Secrets
from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    BadBundle,
    BadCode,
    BadEnvelope,
    BadSignature,
    Conflict,
    Invalid,
    NoSeats,
    StoreUnavailable,
)
from quietdesk.intake import entry, held, offer
from quietdesk.intake.answers import later
from quietdesk.intake.held import Held
from quietdesk.intake.posted import Form, Sender
from quietdesk.openings import Opening
from quietdesk.pages import Filled, Offer
from quietdesk.programme import Programme
from quietdesk.replies import Reply
from quietdesk.request import Request
from quietdesk.web import Answer
from quietdesk.weeks import Epoch


def answer(form: Form, programme: Programme) -> Answer:
    """A step of the form. When `moving`, it is for the request of `form.code`, which is a code.

    A code counts only from a page of ours: who put one into another page knows it, and would see
    and cancel the visit. What was typed is kept, and gets a code of its own."""
    if form.sender is not Sender.OURS:
        form = replace(form, code="", shown="", moving=False)
    # Nothing is sent that another site filled in before somebody has read it here.
    elsewhere = form.sender is Sender.ELSEWHERE
    notice = "elsewhere" if elsewhere else ""
    path = offer.typed_path(form.path) or offer.path_of(offer.opening_of(form.first("opening")))
    form = replace(form, path=path)
    if form.step == "change":
        return _again(form, programme, 200, notice=notice)
    try:
        asked = request.parse(form.typed, programme.city)
    except Invalid as error:
        return _again(form, programme, 400, error.fields, notice)
    if form.step != "send" or elsewhere:
        form = replace(form, code=form.code or codes.new())
        return _read_back(form, asked, programme, 200, notice)
    if form.sender is Sender.UNSAID:
        return _sent(replace(form, code=codes.new()), asked, programme)
    try:
        form = replace(form, code=codes.parse(form.code))
    except BadCode:
        return _read_back(replace(form, code=codes.new()), asked, programme, 400)
    return _sent(form, asked, programme)


def begun(form: Form, there: Held, programme: Programme) -> Answer:
    """The empty form that moves a request; it keeps its time unless another is chosen."""
    path = offer.path_of(there.reply.opening)
    fresh = replace(form, typed={}, path=path, shown=there.shown)
    return _filled_in(fresh, there, programme, 200)


def _again(
    form: Form,
    programme: Programme,
    status: int,
    problems: Mapping[str, str] = {},
    notice: str = "",
) -> Answer:
    """The form with what was typed, and what is wrong with it."""
    there = held.standing(programme, form.code) if form.moving else None
    return _filled_in(form, there, programme, status, problems, notice)


def _filled_in(
    form: Form,
    there: Held | None,
    programme: Programme,
    status: int,
    problems: Mapping[str, str] = {},
    notice: str = "",
) -> Answer:
    times = offer.times(programme, form.path)
    keep = there.reply.opening if there else None
    if times is None and not keep and "opening" not in problems:
        # Not dropped because we cannot look.
        keep = offer.opening_of(form.first("opening"))
    filled, shown = Filled(form.typed, problems, notice), form.shown
    if there and notice == "changed":
        filled, shown = replace(filled, now=there.reply), there.shown
    carried = {"code": form.code, "week": form.week, "shown": shown}
    page = programme.pages.form(
        form.lang,
        filled,
        Offer(times, form.path, keep if keep and offer.ahead(programme, keep) else None),
        {name: value for name, value in carried.items() if value},
        # What was read back under a code may have been sent: only `check` can look.
        form.moving or bool(form.code),
    )
    return Answer.html(status, page)


def _read_back(
    form: Form, asked: Request, programme: Programme, status: int, notice: str = ""
) -> Answer:
    """The answers in words, to be sent or changed."""
    week = _week(form, programme)
    carried = {"code": form.code, "week": str(week), "path": form.path, "shown": form.shown}
    page = programme.pages.review(form.lang, asked, form.typed, carried, notice, form.moving)
    return Answer.html(status, page)


def _sent(form: Form, asked: Request, programme: Programme) -> Answer:
    secrets = codes.derive(form.code, programme.city.deployment)
    try:
        reply = (_move if form.moving else _put)(form, asked, secrets, programme)
    except Invalid as error:  # it fits no part: only packing tells
        return _again(form, programme, 400, error.fields)
    except (NoSeats, BadEnvelope):
        return _again(form, programme, 409, {"opening": "gone"})
    except Conflict as error:
        if form.moving:
            notice = "changed" if isinstance(error, _Changed) else "kept"
            return _again(form, programme, 409, notice=notice)
        # Something of this code is there; `check` may put this in its place.
        return _read_back(replace(form, moving=True), asked, programme, 409, "replace")
    except (BadBundle, BadSignature) as error:
        return later(_again(form, programme, 503, notice="closed")).because(error)
    except StoreUnavailable as error:
        # It may have been kept and only the answer lost: the same code and week go out again.
        again = "unsure" if form.sender is Sender.OURS else "unsure_twice"
        return later(_read_back(form, asked, programme, 503, again)).because(error)
    pages = programme.pages
    if reply is None:
        # What was typed for a request that is gone makes a new one.
        filled, times = Filled(form.typed, {}, "lost"), offer.times(programme, form.path)
        return Answer.html(409, pages.form(form.lang, filled, Offer(times, form.path)))
    fresh = form.sender is not Sender.OURS
    done = pages.done(form.lang, form.code, reply, fresh)
    return Answer.html(200 if form.moving else 201, done)


# --- Sending: seal, and store --------------------------------------------------------------------


def _put(form: Form, asked: Request, secrets: Secrets, programme: Programme) -> Reply:
    """Store a new request; gives the reply in the envelope."""
    week = _week(form, programme)
    digest = envelopes.digest(request.pack(asked, secrets.reply), secrets)
    try:
        first = Epoch.parse(form.week)
    except ValueError:
        first = week
    if first != week and _kept(asked, secrets, digest, first, programme):
        return _first_reply(asked, first, programme)[1]  # sent again after its week was over
    try:
        entry.keep(programme, _sealed(asked, secrets, week, programme))
    except (BadEnvelope, BadBundle, BadSignature):
        if not _kept(asked, secrets, digest, week, programme):
            raise
    return _first_reply(asked, week, programme)[1]


def _kept(
    asked: Request, secrets: Secrets, digest: bytes, born: Epoch, programme: Programme
) -> bool:
    epoch = _first_reply(asked, born, programme)[0]
    return programme.store.kept(programme.city.queue, epoch, secrets.id, digest)


class _Changed(Conflict):
    """Another reply stands in the store than the one that the person saw."""


def _move(form: Form, asked: Request, secrets: Secrets, programme: Programme) -> Reply | None:
    """Put this in the place of the request of the code; None when there is none."""
    week = _week(form, programme)
    wanted = _first_reply(asked, week, programme)[1]
    for last in (False, True):
        there = held.under(programme, secrets)
        if there is None and not form.shown:  # of a new form that was changed before it was sent
            entry.keep(programme, _sealed(asked, secrets, week, programme))
            return wanted
        if there is None or not held.may(there.envelope, secrets.auth):
            return None
        # Not when it says what this would make of it: then this form was sent before.
        if form.shown not in ("", there.shown) and there.reply != wanted:
            raise _Changed("the desk answered after the person looked")
        try:
            fresh = _sealed(asked, secrets, week, programme, there.envelope.opening)
            held.replace(programme, there.envelope, fresh)
            return wanted
        except Conflict:
            if last:
                raise
    return None


def _week(form: Form, programme: Programme) -> Epoch:
    """The week that the answers were read back in, while it is accepted; else the current one."""
    accepted = weeks.accepted(programme.clock(), programme.city.zone)
    return next((it for it in accepted if str(it) == form.week), accepted[0])


def _sealed(
    asked: Request, secrets: Secrets, born: Epoch, programme: Programme, kept: Opening | None = None
) -> Envelope:
    """The sealed request in its lane; `kept` is the opening that it may keep. Raises BadEnvelope,
    BadBundle and BadSignature."""
    if asked.opening:
        offer.require(programme, asked.opening, kept)
    epoch, reply = _first_reply(asked, born, programme)
    parts = request.pack(asked, secrets.reply)
    bundle = entry.bundle(programme, epoch)
    sealed = envelopes.seal(parts, bundle, secrets, asked.opening, born, replies.write(reply))
    return entry.in_lane(programme, sealed, "N")


def _first_reply(asked: Request, born: Epoch, programme: Programme) -> tuple[Epoch, Reply]:
    """The week that a request is sealed to, and what its code shows at first."""
    if not asked.opening:
        return born, replies.waiting(entry.look_again(programme, born))
    center = programme.city.center(asked.opening.center)
    if center is None:
        raise BadEnvelope("gone")
    return asked.opening.epoch, replies.placed(asked.opening, center)
