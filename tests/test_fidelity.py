"""The function answers alike on one machine and under Lambda's own runtime client.

Not shown here: API Gateway itself, which nobody can run at home.
"""

import json
import re
from urllib.parse import urlencode

import pytest

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk.code import b64
from tests.events import FORM, JSON, event, submit
from tests.runtime_api import on_lambda
from tests.world import ASKED, NOON, make_world

CODE = re.compile(r'(name="code" value=")[0-9A-Z-]{19}')


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("fidelity"), custodian=custodian)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def environment(world):
    return {
        "QUIETDESK_STORE": world.spec,
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
        "TEST_NOW": NOON.isoformat(),
    }


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("lambda") / "lambda.log"


@pytest.fixture(scope="module")
def far(environment, log):
    """The function under awslambdaric."""
    with on_lambda("tests.lambda_entry.handler", environment, log) as function:
        yield function


@pytest.fixture(scope="module")
def near(world):
    """The function in this process, as the local server calls it."""
    return submit(world)


def form(**typed):
    return urlencode({**ASKED, "lang": "es", **typed}, doseq=True).encode()


def post(body, kind=JSON, headers={}):  # noqa: B006 - never changed
    return event("POST", "/api/requests", body, kind, headers)


BAD_BASE64 = {**post(b"name=x", FORM), "body": "%%%"}
REQUESTS = {
    "junk": post(b"{"),
    "bad UTF-8 as JSON": post(b'{"v":"\xff"}'),
    "bad UTF-8 in a form": post(b"name=%ff", FORM),
    "bad base64": BAD_BASE64,
    "oversized JSON": post(b" " * 9000),
    "oversized form": post(b"name=" + b"x" * 20_000, FORM),
    "another kind": post(b"hello", "text/plain"),
    "no kind": post(b"hello", ""),
    "no body": event("POST", "/api/requests"),
    "form to read back": post(form(step=["review"]), FORM),
    "form with problems": post(form(step=["review"], people=["many"], name=["<b>"]), FORM),
    "form to change": post(form(step=["change"]), FORM),
    "form in Bengali": post(form(step=["review"], name=["রহিমা ١"]), FORM),
    "repeated headers": post(b"{", JSON, {"x-many": "one,two", "accept": "a, b"}),
    "cookies": post(b"{", JSON, {"cookie": "a=1; b=2"}),
    "query": event("GET", "/api/keys/main/current?a=1&a=2"),
    "current key": event("GET", "/api/keys/main/current"),
    "key of a week": event("GET", "/api/keys/main/2026-W48"),
    "key of no week": event("GET", "/api/keys/main/next"),
    "unknown address": event("GET", "/api/nothing"),
    "unknown method": event("DELETE", "/api/requests"),
    "strange address": event("GET", "/api/\xe0\xa4\xa0"),
    "not even HTTP": {},
}  # fmt: skip


def alike(answer):
    """An answer without the code that chance put into it."""
    return {**answer, "body": CODE.sub(r"\1", answer["body"])}


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_are_alike(near, far, name):
    here, there = near(REQUESTS[name], None), far(REQUESTS[name], None)

    assert alike(here) == alike(there)
    assert here["headers"]["Cache-Control"] == "no-store"


def test_a_request_kept_by_one_is_a_retry_to_the_other(near, far, world):
    body = envelopes.write(world.sealed())

    first, again = far(post(body), None), near(post(body), None)

    assert first == again
    assert first["statusCode"] == 201
    assert [e.lane for e in world.store.pull("main", ["2026-W47"], NOON) if e.digest]


def test_a_conflict_is_one_to_both(near, far, world):
    code = codes.new()
    assert near(post(envelopes.write(world.sealed(code=code))), None)["statusCode"] == 201
    other = post(envelopes.write(world.sealed(code=code, name=["Other"])))

    assert near(other, None) == far(other, None)
    assert near(other, None)["statusCode"] == 409


def test_the_plain_form_sent_here_and_again_there_is_stored_once(near, far, world):
    sent = post(form(step=["send"], code=[codes.new()]), FORM)
    before = len(list(world.store.pull("main", ["2026-W47"], NOON)))

    first, again = far(sent, None), near(sent, None)

    assert first == again
    assert first["statusCode"] == 201
    assert len(list(world.store.pull("main", ["2026-W47"], NOON))) == before + 1


def test_nothing_of_a_request_is_in_the_log_of_lambdas_client(far, log):
    planted = "plantedlambda81"
    for body, kind in ((form(name=[planted], step=["review"]), FORM), (planted.encode(), JSON)):
        far(post(body, kind, {"user-agent": planted, "cookie": planted}), None)
    far({"planted": planted}, None)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines
    assert planted not in log.read_text()
    assert {line["message"] for line in lines} == {"answered"}


def test_why_the_function_never_raises(environment, tmp_path):
    """Lambda's client writes the text of an exception into the log, with all that it quotes."""
    with on_lambda("tests.lambda_entry.broken", environment, tmp_path / "log") as function:
        answer = function({"planted": "planted82"}, None)

    assert answer["statusCode"] == 500
    assert "planted82" in (tmp_path / "log").read_text()


def test_a_call_past_its_deadline_is_answered_and_the_next_one_too(environment, tmp_path):
    with on_lambda("tests.lambda_entry.slow", environment, tmp_path / "log", 3) as function:
        answers = [function({}, None), function({}, None)]

    assert [answer["statusCode"] for answer in answers] == [503, 503]
