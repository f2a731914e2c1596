"""What the functions write into their log: lines that Lambda keeps, and nothing of who asked."""

import json
import logging
import time
import warnings
from io import StringIO

import pytest

from quietdesk import errors
from quietdesk import log as own
from tests.runtime_api import level

PLANTED = "plantedlog23"
KEYS = {"level", "timestamp", "message", "error", "status", "milliseconds", "weeks"}


def line(log):
    return json.loads(log.getvalue())


@pytest.fixture
def new_york(monkeypatch):
    """A computer whose own zone is not UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "minute"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (59.999, "1970-01-01T00:00:00Z"),
        (60.0, "1970-01-01T00:01:00Z"),
        (1795975199.75, "2026-11-29T17:59:00Z"),
    ],
)
def test_time_of_a_line_is_told_to_the_full_minute_and_in_utc(log, new_york, seconds, minute):
    record = logging.LogRecord("quietdesk", logging.ERROR, "", 0, "failed", None, None)
    record.created = seconds
    own._logger().handle(record)

    assert line(log)["timestamp"] == minute


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (lambda: own.info("done", weeks=2), "INFO"),
        (lambda: own.warning("answered", None, status=503), "WARN"),
        (lambda: own.error("answered", None, status=500), "ERROR"),
    ],
)
def test_lambda_takes_a_line_for_what_it_is(log, say, said):
    say()

    assert level(log.getvalue()) == line(log)["level"] == said


def test_lambda_takes_a_line_without_a_valid_time_or_level_for_info(log):
    """The rule by which lines were lost, and what it looks like: so the tests here can fail."""
    own.error("failed", None)
    whole = line(log)

    assert level(json.dumps(whole)) == "ERROR"
    for odd in (None, "", "2026-11-30", "2026-11-29 17:59:00,123+0000", 1795975199):
        assert level(json.dumps({**whole, "timestamp": odd})) == "INFO"
    for odd in (None, "", "WARNING", 40):
        assert level(json.dumps({**whole, "level": odd})) == "INFO"
    del whole["timestamp"]
    assert level(json.dumps(whole)) == level("ERROR failed") == level("[]") == "INFO"


class Ours(errors.StoreBusy):
    """As a module makes one for itself."""


@pytest.mark.parametrize(
    ("cause", "named"),
    [
        (errors.BadBundle("stale"), "BadBundle"),
        (errors.StoreUnavailable(PLANTED), "StoreUnavailable"),
        (Ours(PLANTED), "StoreBusy"),
        (ValueError(PLANTED), "Foreign"),
        (type(PLANTED, (Exception,), {})(), "Foreign"),
        (type(PLANTED, (errors.Conflict,), {})(), "Conflict"),
        (type("StoreBusy", (Exception,), {"__module__": "quietdesk.errors"})(), "Foreign"),
        (KeyboardInterrupt(), "Foreign"),
    ],
)
def test_of_an_error_the_class_is_said_if_it_is_ours_and_nothing_else(log, cause, named):
    own.error("failed", cause)

    assert line(log)["error"] == named
    assert PLANTED not in log.getvalue()


def test_no_other_key_gets_through_whoever_adds_it(log, monkeypatch):
    """A phone can choose the id under which AWS traces its call; it holds the second, too."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root=1-692c1f2f-{PLANTED};Sampled=0")
    logger = own._logger()
    logger.append_keys(request=PLANTED)
    try:
        raise ValueError(PLANTED)
    except ValueError as caught:
        logger.exception("failed", extra={"body": PLANTED, "weeks": 3})
        cause = caught
    finally:
        logger.remove_keys(["request"])
    own.error("failed", cause, status=500)

    lines = [json.loads(it) for it in log.getvalue().splitlines()]
    assert [set(it) - KEYS for it in lines] == [set(), set()]
    assert (lines[0]["weeks"], lines[1]["status"]) == (3, 500)
    assert PLANTED not in log.getvalue() and "692c1f2f" not in log.getvalue()


class Broken(StringIO):
    def write(self, _):
        raise BrokenPipeError


def closed():
    stream = StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [closed, Broken])
def test_where_no_line_can_be_written_it_is_lost_without_a_word(monkeypatch, capfd, stream):
    """Python's own handlers would print what is just being handled, with its text."""
    raised = []
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", stream())
        try:
            raise RuntimeError(PLANTED)
        except RuntimeError as error:
            try:
                own.error("answered", error, status=500)
            except Exception as another:
                raised.append(another)

    assert raised == []
    assert [*capfd.readouterr()] == ["", ""]


@pytest.fixture
def own_logging():
    """What a process of the functions does to logging is undone after the test."""
    root, show = logging.getLogger(), warnings.showwarning
    handlers = root.handlers[:]
    root.handlers = []  # `only_ours` closes those that it takes away
    yield root
    logging.captureWarnings(False)
    root.handlers, warnings.showwarning = handlers, show


def test_what_libraries_say_goes_nowhere_and_ours_goes_on(log, own_logging, capfd):
    said = StringIO()
    own_logging.addHandler(logging.StreamHandler(said))
    own.only_ours()

    logging.getLogger("botocore").error("%s", PLANTED)
    logging.warning(PLANTED)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        own.only_ours()
        warnings.warn(PLANTED, stacklevel=1)
    own.warning("answered", None, status=503)

    assert PLANTED not in said.getvalue() + "".join(capfd.readouterr()) + log.getvalue()
    assert line(log)["status"] == 503
