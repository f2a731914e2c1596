"""Views for somebody on the telephone or at the door: the form, and the slip with the code.

Every answer to what was typed is a redirect: a page that is the answer to a form is kept with that
form by browsers that reopen their windows, in a file.
"""

import secrets
from contextlib import suppress
from dataclasses import replace

from quietdesk import codes
from quietdesk.errors import Invalid, QuietdeskError, StoreUnavailable
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
    return _form_page(at, {"children": ["0"]}, None)


def again(at: At, _: Sent) -> Answer:
    """The form as it was typed, with what is wrong with it."""
    draft = at.session().draft
    if draft is None:
        return at.pages.to("/enter")
    return _form_page(at, draft.typed, draft.error)


def enter(at: At, sent: Sent) -> Answer:
    """Ask for somebody. What was typed is gone with the answer; the code stays to be shown."""
    form = one(sent.form, "form")
    with at.desk.entering:
        session = at.session()
        # The same form again, as a double click sends it, is answered with the same slip.
        if session.slip is None or not form or session.slip.form != form:
            code = _code(session.draft)
            typed = {name: values for name, values in sent.form.items() if name in FIELDS}
            try:
                entered = session.work.enter(typed, code).entered
            except QuietdeskError as error:
                draft = Draft(sent.form, error.with_traceback(None), code)
                at.desk.swap(lambda it: replace(it, draft=draft))
                return at.pages.to("/again")
            at.desk.swap(lambda it: replace(it, slip=Slip(form, entered)))
            _look(at, session, entered.id)
        at.desk.swap(lambda it: replace(it, draft=None))
    return at.pages.to("/slip")


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


def _form_page(at: At, typed: Form, error: QuietdeskError | None) -> Answer:
    problems = error.fields if isinstance(error, Invalid) else {}
    what, next = ("", "") if error is None or problems else words.said(error)
    try:
        times = distinct(list(at.session().work.free()))[:OTHER_TIMES]
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
