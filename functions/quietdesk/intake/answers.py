"""What every answer of the functions has in common: headers, the status of each code of a refusal,
and which of them are logged: what went wrong on our side, with the status, the duration and the
class of the error.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace

from quietdesk import log
from quietdesk.programme import Programme
from quietdesk.web import NO_STORE, Answer, Call

RETRY_AFTER_SECONDS = 120
CACHE_SECONDS = 60  # for the times; nobody's data
STATUS = {
    "too_large": 413,
    "media_type": 415,
    "not_found": 404,
    "conflict": 409,
    "gone": 409,
    "closed": 503,
    "unavailable": 503,
}


def answering(programme: Programme) -> Callable[[Callable[[], Answer]], Answer]:
    """What goes around every view: it gives the answer every header, writes a line into the log if
    something went wrong, and never raises. What nobody foresaw is a fixed page with 500."""

    def answered(view: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        try:
            programme.store.begin()
            answer = view()
        except Exception as error:  # what it says must reach no log
            answer = broken(programme).because(error)
        answer = answer.under(NO_STORE)
        # What went wrong only: a line an answer would say when each resident was here.
        if answer.status >= 500 or answer.cause:
            say = log.error if answer.status == 500 else log.warning
            milliseconds = round((time.perf_counter() - started) * 1000)
            say("answered", answer.cause, status=answer.status, milliseconds=milliseconds)
        return answer

    return answered


def broken(programme: Programme) -> Answer:
    return Answer.html(500, programme.pages.broken())


def not_found(_: Call, programme: Programme) -> Answer:
    """The view of every address that is in no table."""
    return Answer.html(404, programme.pages.not_found())


def refused(programme: Programme, code: str, cause: Exception | None = None) -> Answer:
    """The answer to our script when something went wrong: a code, and whom to call. `cause` is what
    went wrong, where that was on our side."""
    status = STATUS.get(code, 400)
    body = {"error": code, "phone": programme.city.phone}
    answer = replace(Answer.json(status, json.dumps(body)), cause=cause)
    return later(answer) if status == 503 else answer


def later(answer: Answer) -> Answer:
    return answer.saying("Retry-After", str(RETRY_AFTER_SECONDS))


def cached(answer: Answer) -> Answer:
    return answer.saying("Cache-Control", f"public, max-age={CACHE_SECONDS}")
