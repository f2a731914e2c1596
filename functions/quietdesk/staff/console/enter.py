"""Views for somebody on the telephone or at the door: the form, and the slip with the code.

Every answer to what was typed is a redirect: a page that is the answer to a form is kept with that
form by browsers that reopen their windows, in a file.
"""

import secrets
from contextlib import suppress
from dataclasses import replace

from quietdesk import codes
from quietdesk.errors import Invalid, Locked, QuietdeskError, StoreBusy, StoreUnavailable
from quietdesk.openings import Opening
from quietdesk.request import FIELDS
from quietdesk.staff import words
from quietdesk.staff.console.at import At, distinct
from quietdesk.staff.console.forms import Form, Sent, one
from quietdesk.staff.console.queue import OTHER_TIMES
from quietdesk.staff.console.session import Draft, Session, Slip
from quietdesk.web import Answer


def form(at: At, _: Sent) -> Answer:
    """The empty form: nothing is carried over to the next person."""
    at.desk.swap(lambda it: replace(it, slip=None, draft=None))
    return _form_page(at, at.session(), {"children": ["0"]}, None)


def again(at: At, _: Sent) -> Answer:
    """The form as it was typed, with what is wrong with it."""
    session = at.session()
    if session.draft is None:
        return at.pages.to("/enter")
    return _form_page(at, session, session.draft.typed, session.draft.error)


def enter(at: At, sent: Sent) -> Answer:
    """Ask for somebody. What was typed is gone with the answer; the code stays to be shown. One
    form at a time, and none waits for another: the store may take long, and threads are few."""
    form = one(sent.form, "form")
    before = at.desk.swap(lambda it: _begun(it, form))
    if before.entering is not None:
        if form and before.entering == form:  # as a double click sends it
            return at.pages.to("/sending")
        busy = Draft(sent.form, StoreBusy("another form is being sent"), codes.new())
        at.desk.swap(lambda it: replace(it, draft=busy))
        return at.pages.to("/again")
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
        code = _code(session.draft)
        typed = {name: values for name, values in sent.form.items() if name in FIELDS}
        try:
            entered = session.work.enter(typed, code).entered
        except QuietdeskError as error:
            draft = Draft(sent.form, error.with_traceback(None), code)
            at.desk.swap(lambda it: replace(it, draft=draft))
            return at.pages.to("/again")
        made = Slip(form, entered)
        at.desk.swap(lambda it: replace(it, slip=made, draft=_left(it, session)))
        _look(at, session, entered.id)
    return at.pages.to("/slip")


def sending(at: At, _: Sent) -> Answer:
    """What became of a form that was sent twice at once, or that it is still being sent."""
    session = at.session()
    if session.entering is not None:
        return at.page("sending.html")
    return at.pages.to("/slip" if session.slip or not session.draft else "/again")


def slip(at: At, _: Sent) -> Answer:
    """The code, to read out or to print."""
    slip = at.session().slip
    if slip is None:
        return at.pages.to("/enter")
    return at.page("slip.html", entered=slip.entered)


def _code(draft: Draft | None) -> str:
    """A fresh code; where the store did not answer, the first try may have been kept: the same."""
    return draft.code if draft and isinstance(draft.error, StoreUnavailable) else codes.new()


def _look(at: At, session: Session, id: bytes) -> None:
    """Into the queue, when the store answers; else the next pull does it."""
    with suppress(StoreUnavailable):
        became = {id.hex(): session.work.look(id)}
        at.desk.swap(lambda it: replace(it, queue=it.queue.changed(became)))


def _said(error: QuietdeskError) -> tuple[str, str]:
    """What went wrong, and what to do. Where the store did not answer, the code is still here."""
    if type(error) is StoreUnavailable:
        return words.SAID["unsure"], words.SAID["send_again"]
    return words.said(error)


def _form_page(at: At, session: Session, typed: Form, error: QuietdeskError | None) -> Answer:
    problems = error.fields if isinstance(error, Invalid) else {}
    what, next = ("", "") if error is None or problems else _said(error)
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
        form=secrets.token_hex(8),
        times=times,
    )
