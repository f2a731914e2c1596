"""Views for somebody on the telephone or at the door: the form, and the slip with the code.

Every answer to what was typed is a redirect: a page that is the answer to a form is kept with that
form by browsers that reopen their windows, in a file.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from quietdesk import codes
from quietdesk.errors import (
    Conflict,
    Invalid,
    Locked,
    NoDay,
    NoSeats,
    QuietdeskError,
    StoreBusy,
    StoreUnavailable,
    Unsure,
)
from quietdesk.openings import Opening
from quietdesk.request import FIELDS
from quietdesk.staff import words
from quietdesk.staff.console.at import At, distinct
from quietdesk.staff.console.forms import Form, Sent, one
from quietdesk.staff.console.queue import OTHER_TIMES
from quietdesk.staff.console.session import Draft, Session, Slip
from quietdesk.web import Answer


def form(at: At, _: Sent) -> Answer:
    """The empty form: nothing is carried over to the next person. Forms of which nobody knows
    whether they were kept wait beside it."""
    at.desk.swap(lambda it: replace(it, slip=None, draft=None))
    return _form_page(at, at.session(), None)


def again(at: At, sent: Sent) -> Answer:
    """The form as it was typed, with what is wrong with it."""
    session = at.session()
    draft = session.unsure.get(one(sent.query, "form"), session.draft)
    return at.to("/enter") if draft is None else _form_page(at, session, draft)


def enter(at: At, sent: Sent) -> Answer:
    """Ask for somebody. What was typed is gone with the answer; the code stays to be shown. One
    form at a time, and none waits for another: the store may take long, and threads are few."""
    form = one(sent.form, "form")
    before = at.desk.swap(lambda it: _begun(it, form))
    if before.entering is not None:
        if form and before.entering == form:  # as a double click sends it
            return at.to("/sending")
        draft = _draft(before, sent, StoreBusy("another form is being sent"))
        at.desk.swap(lambda it: _drafted(it, draft))
        return at.to("/again")
    try:
        return _enter(at, before, sent, form)
    finally:
        with suppress(Locked):
            at.desk.swap(lambda it: replace(it, entering=None))


def _begun(session: Session, form: str) -> Session:
    """With that form being sent, if none is. A slip that is there then is of that form."""
    if session.entering is not None:
        return session
    slip = session.slip if session.slip and session.slip.form == form else None
    return replace(session, entering=form, slip=slip)


def _left(session: Session, before: Session) -> Draft | None:
    """The draft that stays: what another tab sent meanwhile."""
    return None if session.draft is before.draft else session.draft


def _enter(at: At, session: Session, sent: Sent, form: str) -> Answer:
    # The same form again is answered with the same slip.
    if session.slip is None or not form or session.slip.form != form:
        known = _known(session, form)
        code, tried = (known.code, known.tried) if known else (codes.new(), ())
        typed = {name: values for name, values in sent.form.items() if name in FIELDS}
        try:
            at.sure()
            entered = session.work.enter(typed, code, tried).entered
        except QuietdeskError as error:
            draft = _draft(session, sent, error.with_traceback(None), code)
            at.desk.swap(lambda it: _drafted(it, draft))
            return at.to("/again")
        made = Slip(form, entered)
        at.desk.swap(
            lambda it: replace(
                it, slip=made, draft=_left(it, session), unsure=_without(it.unsure, form)
            )
        )
        _look(at, session, entered.id)
    return at.to("/slip")


def sending(at: At, _: Sent) -> Answer:
    """What became of a form that was sent twice at once, or that it is still being sent."""
    session = at.session()
    if session.entering is not None:
        return at.page("sending.html")
    return at.to("/slip" if session.slip or not session.draft else "/again")


def slip(at: At, _: Sent) -> Answer:
    """The code, to read out or to print."""
    slip = at.session().slip
    if slip is None:
        return at.to("/enter")
    note = words.SAID.get(slip.entered.note, "")
    return at.page("slip.html", entered=slip.entered, note=note)


def _known(session: Session, form: str) -> Draft | None:
    """What is known of a form that was sent before and not taken. One form has one code until it is
    taken: the first try may be kept, under a code that nobody was told."""
    draft = session.draft if session.draft and session.draft.form == form else None
    return session.unsure.get(form, draft) if form else None


def _draft(session: Session, sent: Sent, error: QuietdeskError, code: str = "") -> Draft:
    """What was typed, with why it was not taken."""
    form = one(sent.form, "form") or secrets.token_hex(8)
    known = _known(session, form)
    tried = known.tried if known else ()
    code = code or (known.code if known else codes.new())
    if isinstance(error, Unsure):
        tried = (*tried, *([error.opening] if error.opening not in tried else []))
    elif isinstance(error, Conflict) and not isinstance(error, NoSeats | NoDay):
        code, tried = codes.new(), ()  # somebody erased what was kept: this one begins anew
    return Draft(form, sent.form, error, code, tried)


def _drafted(session: Session, draft: Draft) -> Session:
    unsure = {**session.unsure, draft.form: draft} if draft.tried else session.unsure
    if not draft.tried:
        unsure = _without(unsure, draft.form)
    return replace(session, draft=draft, unsure=unsure)


def _without(unsure: Mapping[str, Draft], form: str) -> Mapping[str, Draft]:
    return {number: draft for number, draft in unsure.items() if number != form}


def _look(at: At, session: Session, id: bytes) -> None:
    """Into the queue, when the store answers; else the next pull does it."""
    with suppress(StoreUnavailable):
        became = {id.hex(): session.work.look(id)}
        at.desk.swap(lambda it: replace(it, queue=it.queue.changed(became)))


def _form_page(at: At, session: Session, draft: Draft | None) -> Answer:
    typed: Form = draft.typed if draft else {"children": ["0"]}
    error = draft.error if draft else None
    problems = error.fields if isinstance(error, Invalid) else {}
    what, next = ("", "") if error is None or problems else words.said(error)
    try:
        times = distinct(list(session.work.free()))[:OTHER_TIMES]
    except StoreUnavailable:
        if error is None:
            raise
        # What was typed is shown all the same, with the time that was chosen.
        chosen = one(typed, "opening")
        times = [Opening.parse(chosen)] if chosen else []
    return at.page(
        "enter.html",
        400 if error else 200,
        typed=typed,
        problems={name: at.pages.wrong(name, problems[name]) for name in problems},
        what=what,
        next=next,
        form=draft.form if draft else secrets.token_hex(8),
        times=times,
        unsure=[] if draft else list(session.unsure.values()),
    )
