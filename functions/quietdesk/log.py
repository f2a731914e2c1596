"""What the functions write into their log: a line when something went wrong, a line when the timer
has swept, and none for an answer that went well.

Lambda takes a line for INFO when its `timestamp` is not RFC 3339 or its `level` is none of Lambda's
own words, and drops it at WARN. So each line has both; beside them a fixed text, counts, durations
and the class of an error of ours. No other key gets through, whoever adds it. The time is told to
the full minute, so that a log tells no arrival more exactly.
"""

import json
import logging
import sys
from contextlib import suppress
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from quietdesk import errors

FOREIGN = "Foreign"  # the class of every error that is not ours: its name may be anybody's words
_OURS = frozenset(
    it
    for it in vars(errors).values()
    if isinstance(it, type) and issubclass(it, errors.QuietdeskError)
)
_MINUTE = "%Y-%m-%dT%H:%M:00Z"
_KEYS = ("level", "timestamp", "message", "error", "status", "milliseconds", "weeks")
_LAMBDAS = {"WARNING": "WARN"}  # Lambda's word where Python has another


def info(text: str, **figures: int) -> None:
    """Write that something was done. `text` is a constant, as it is below."""
    _logger().info(text, extra=figures)


def warning(text: str, cause: BaseException | None, **figures: int) -> None:
    """Write that something was refused that should not have been, and the class of the cause."""
    _logger().warning(text, extra={"error": cause and name(cause), **figures})


def error(text: str, cause: BaseException | None, **figures: int) -> None:
    """Write that something failed which nobody foresaw, and the class of the cause."""
    _logger().error(text, extra={"error": cause and name(cause), **figures})


def name(cause: BaseException) -> str:
    """The class of an error, by the name that it has in quietdesk.errors, or FOREIGN."""
    return next((it.__name__ for it in type(cause).__mro__ if it in _OURS), FOREIGN)


def only_ours() -> None:
    """From now on what libraries log, and what they warn of, goes nowhere: it may quote what they
    were given. For a process that does nothing but answer."""
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(True)


class _Stderr(logging.Handler):
    """Writes to stderr as it is now. Where that is closed a line is lost: Python's own handler
    would print what is just being handled, with its text."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


@cache
def _logger() -> Logger:
    return Logger(
        service="quietdesk",
        logger_handler=_Stderr(),
        datefmt=_MINUTE,
        utc=True,
        json_serializer=_line,
    )


def _line(said: dict[str, Any]) -> str:
    # Powertools would add where it was said, a stack, and the id under which AWS traces a call: a
    # phone can choose that, and it holds the second of the call.
    kept = {key: said[key] for key in _KEYS if said.get(key) is not None}
    kept["level"] = _LAMBDAS.get(kept["level"], kept["level"])
    return json.dumps(kept, separators=(",", ":"))
