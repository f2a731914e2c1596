"""Events of API Gateway, answered: those that AWS writes, those that no request makes, and what
Lambda does that no other server does."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from infra import template

from quietdesk import envelopes, intake
from quietdesk.web import FORM, JSON
from quietdesk.weeks import Epoch
from tests import gateway
from tests.events import check, event, submit
from tests.runtime_api import LATE, programme_on_lambda
from tests.waiting import until
from tests.world import ASKED, NOON, ROOT, make_world

PLANTED = "plantedlambda81"


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("events"), custodian=custodian)
    made.publisher().publish(NOON)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("lambda") / "lambda.log"


@pytest.fixture(scope="module")
def function(another_process, world, log):
    """The function under awslambdaric, over the same store."""
    with programme_on_lambda(world, log) as running:
        yield running


def stored(world):
    return len(list(world.store.pull("main", [Epoch(2026, 47)], NOON)))


ODD = {
    "bad base64": (400, {"body": "%%%", "isBase64Encoded": True}),
    "base64 of bytes that are no text": (400, {"body": "/w==", "isBase64Encoded": True}),
    "null for a body": (400, {"body": None}),
    "null for headers": (415, {"headers": None}),
    "no headers": (415, {"headers": {}}),
    "no query": (400, {"rawQueryString": None}),
    "no path": (500, {"rawPath": None}),
}
ODD_EVENTS = {
    name: (status, event("POST", "/api/requests", b"x", JSON) | more)
    for name, (status, more) in ODD.items()
} | {"not even HTTP": (500, {})}


@pytest.mark.parametrize("name", ODD_EVENTS)
def test_events_that_no_request_makes_are_answered_here_as_on_lambda(world, function, name):
    status, odd = ODD_EVENTS[name]

    here, there = submit(world)(odd, None), function(odd, None)

    assert gateway.answer_v2(here) == gateway.answer_v2(there)
    assert here["statusCode"] == status
    assert {"Content-Security-Policy", "Cache-Control"} <= set(here["headers"])


def test_nothing_of_a_request_is_in_the_log_of_lambdas_client(function, log):
    kinds = [FORM, JSON, f"text/{PLANTED}"]
    bodies = [PLANTED.encode(), urlencode({**ASKED, "name": PLANTED}, doseq=True).encode()]
    around = {"User-Agent": PLANTED, "Cookie": f"a={PLANTED}"}
    for kind in kinds:
        for body in bodies:
            function(event("POST", f"/api/requests?{PLANTED}", body, kind, around), None)
    function(event("DELETE", f"/api/{PLANTED}"), None)
    function(event("GET", f"/api/keys/{PLANTED}/{PLANTED}"), None)
    function({"planted": PLANTED}, None)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["message"] for line in lines} == {"answered"}
    assert PLANTED not in log.read_text()


@pytest.mark.process
def test_handler_that_raises_is_a_500_that_quotes_nothing(world, tmp_path):
    """And why ours never does: Lambda's client writes the text of an exception into the log."""
    log = tmp_path / "log"
    with programme_on_lambda(world, log, handler="broken") as function:
        answer = function(event("POST", "/api/requests", PLANTED.encode(), JSON), None)

    assert gateway.answer_v2(answer).body == b'{"message":"Internal Server Error"}'
    assert PLANTED not in str(answer)
    assert PLANTED in log.read_text()


@pytest.mark.process
def test_request_whose_answer_came_too_late_is_stored_once_and_can_be_sent_again(world, tmp_path):
    """Only Lambda has a deadline. It kills the process, and the next call gets a new one."""
    body, before = envelopes.write(world.sealed()), stored(world)
    late = event("POST", "/api/requests", body, JSON, {"X-Late": "1"})

    with (
        programme_on_lambda(world, tmp_path / "log", handler="late") as function,
        ThreadPoolExecutor(1) as beside,
    ):
        first = beside.submit(function, late, None)
        until(lambda: stored(world) > before)
        function.end()
        again = function(event("POST", "/api/requests", body, JSON), None)

    assert first.result() == LATE
    assert stored(world) == before + 1
    assert again["statusCode"] == 201


# --- Events as AWS writes them --------------------------------------------------------------------

# HTTP API, payload format 2.0, with every field that its guide shows (API Gateway developer guide,
# "Create AWS Lambda proxy integrations for HTTP APIs"). Made by hand: nobody has recorded one yet.
CORPUS = json.loads((ROOT / "tests" / "vectors" / "events.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CORPUS, ids=[it["case"] for it in CORPUS])
def test_events_as_aws_writes_them_are_answered_alike_and_nothing_of_them_is_said(
    world, function, log, case
):
    path = case["event"]["rawPath"]
    here = (check if path.endswith("/check") else submit)(world)(case["event"], None)
    there = function(case["event"], None)

    assert here["statusCode"] == there["statusCode"] == case["status"]
    assert here["headers"] == there["headers"]
    assert {"Content-Security-Policy", "Referrer-Policy"} <= set(here["headers"])
    said = json.dumps([here, there]) + log.read_text()
    own = PLANTED in case["event"].get("body", "") or case["event"]["isBase64Encoded"]
    for told in ("203.0.113.7", "Amazon CloudFront", "abc123", *([] if own else [PLANTED])):
        assert told not in said


def test_the_corpus_and_the_template_have_every_route():
    routes = {(it["event"]["routeKey"]) for it in CORPUS}
    rendered = template.render(template.read())
    paths = rendered["Resources"]["Api"]["Properties"]["Body"]["paths"]
    ours = {
        (it.method, it.pattern.replace("<", "{").replace(">", "}"))
        for it in [*intake.SUBMIT, *intake.CHECK]
    }

    assert {f"{method} {path}" for method, path in ours} <= routes
    assert {path for _, path in ours} == set(paths)
