"""What every answer of the functions has in common: headers, the status of each code of a refusal,
and what may be logged.

A log line is a fixed text with a status and a duration: never an event, body, header, address,
code, id or exception text.
"""

import json
import time
from collections.abc import Callable

from aws_lambda_powertools import Logger

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
    """What goes around every view: it gives the answer every header, writes a line into the log and
    never raises. What nobody foresaw is a fixed page with 500."""
    log = Logger(service="quietdesk", location=None, timestamp=None)

    def answered(view: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        try:
            programme.store.begin()
            answer = view()
        except Exception:  # what it says must reach no log
            answer = broken(programme)
        answer = answer.under(NO_STORE)
        milliseconds = round((time.perf_counter() - started) * 1000)
        # In the cloud the log keeps what went wrong only: a line an answer would say when each
        # resident was here.
        say = log.warning if answer.status >= 500 else log.info
        say("answered", status=answer.status, milliseconds=milliseconds)
        return answer

    return answered


def broken(programme: Programme) -> Answer:
    return Answer.html(500, programme.pages.broken())


def not_found(_: Call, programme: Programme) -> Answer:
    """The view of every address that is in no table."""
    return Answer.html(404, programme.pages.not_found())


def refused(programme: Programme, code: str) -> Answer:
    """The answer to our script when something went wrong: a code, and whom to call."""
    status = STATUS.get(code, 400)
    body = {"error": code, "phone": programme.city.phone}
    answer = Answer.json(status, json.dumps(body))
    return later(answer) if status == 503 else answer


def later(answer: Answer) -> Answer:
    return answer.saying("Retry-After", str(RETRY_AFTER_SECONDS))


def cached(answer: Answer) -> Answer:
    return answer.saying("Cache-Control", f"public, max-age={CACHE_SECONDS}")
