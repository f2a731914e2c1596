"""The same bytes, sent to the local server and to the function under Lambda's own runtime client,
get the same answers.

Not shown here: API Gateway itself, which nobody can run at home. Its rules are in test_gateway.py.
"""

import http.client
import json
import re
import socket
from urllib.parse import urlencode

import pytest
from infra import template

from quietdesk import codes, envelopes, gateway, intake
from quietdesk.web import HEADERS
from quietdesk.wire import b64
from tests.events import FORM, JSON, event, submit
from tests.events import check as check_of
from tests.runtime_api import on_lambda, over_http
from tests.serving import serving
from tests.world import ASKED, NOON, ROOT, make_world

# What chance puts into an answer: the code, in the form and in the sentence that shows it. The
# clocks stand still on both sides, so the days are equal without help.
CODE = re.compile(rb"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b")
SERVERS_OWN = {"date", "connection"}
PLANTED = "plantedlambda81"
KNOWN = "7K3M-9QXT-2B6H-W3ZD"  # the code of a request that waits
CACHED = ("/api/openings", "/api/request/")


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("fidelity"), custodian=custodian)
    made.publisher().publish(NOON)
    made.store.put(made.sealed(code=KNOWN))
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
def empty_site(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def near(world, empty_site):
    """The URL of the local server."""
    with serving(world, empty_site) as served:
        yield served.url


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("lambda") / "lambda.log"


@pytest.fixture(scope="module")
def function(environment, log):
    """The function under awslambdaric, over the same store."""
    with on_lambda("tests.lambda_entry.handler", environment, log) as running:
        yield running


@pytest.fixture(scope="module")
def far(function):
    """The URL of that function."""
    with over_http(function) as url:
        yield url


def raw(method, target, *lines, body=b""):
    """A request, byte by byte."""
    lines = [line if isinstance(line, bytes) else line.encode() for line in lines]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    first = [f"{method} {target} HTTP/1.1".encode(), b"Host: desk.example", b"Connection: close"]
    return b"\r\n".join([*first, *lines, b"", body])


def post(body, *kinds):
    return raw("POST", "/api/requests", *(f"Content-Type: {kind}" for kind in kinds), body=body)


def check(body, kind=JSON):
    return raw("POST", "/api/requests/check", f"Content-Type: {kind}", body=body)


def by_code(step, code=KNOWN, **typed):
    return check(
        urlencode({"lang": "es", "step": step, "code": code, **typed}, True).encode(), FORM
    )


def form(**typed):
    return post(urlencode({**ASKED, "lang": "es", **typed}, doseq=True).encode(), FORM)


def ask(url, request):
    """Status, headers and body of the answer; of the headers all but the server's own."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection, method=request.partition(b" ")[0].decode())
        answer.begin()
        body = answer.read()
    headers = [(name.lower(), value) for name, value in answer.getheaders()]
    kept = sorted(header for header in headers if header[0] not in SERVERS_OWN)
    return answer.status, kept, body


def alike(answer):
    """An answer without the code that chance put into it."""
    status, headers, body = answer
    return status, headers, CODE.sub(b"CODE", body)


def stored(world):
    return len(list(world.store.pull("main", ["2026-W47"], NOON)))


REQUESTS = {
    "junk": (post(b"{", JSON), 400),
    "bad UTF-8 as JSON": (post(b'{"v":"\xff"}', JSON), 400),
    "bad UTF-8 in a form": (post(b"name=\xff", FORM), 400),
    "bad UTF-8 in a form, with a percent sign": (post(b"name=%ff", FORM), 400),
    "oversized JSON": (post(b" " * 8193, JSON), 413),
    "oversized form": (post(b"name=" + b"x" * 16_384, FORM), 413),
    "much oversized": (post(b" " * 60_000, JSON), 413),
    "text": (post(b"hello", "text/plain"), 415),
    "bytes": (post(b"\xff", "application/octet-stream"), 415),
    "no kind": (post(b"hello"), 415),
    "kind with a parameter": (post(b"{", f"{JSON}; charset=utf-8"), 400),
    "repeated kind": (post(b"{", JSON, JSON), 415),
    "no body": (post(b""), 415),
    "no body, JSON": (post(b"", JSON), 400),
    "no body, form": (post(b"", FORM), 400),
    "form to read back": (form(step=["review"]), 200),
    "form to read back, in Bengali": (form(step=["review"], lang="bn", name=["রহিমা ১"]), 200),
    "form with problems": (form(step=["review"], people=["many"], name=["<b>"]), 400),
    "form to change": (form(step=["change"]), 200),
    "form with a code that is none": (form(step=["send"], code=["hello"]), 400),
    "repeated headers": (
        raw("GET", "/api/keys/main/current", "Accept: a", "Accept: b", "X-Many: 1", "x-many: 2"),
        200,
    ),
    "cookies": (raw("GET", "/api/keys/main/current", "Cookie: a=1; b=2", "Cookie: c=3"), 200),
    "bytes in a header": (raw("GET", "/api/keys/main/current", b"X-Name: \xff\xe0"), 200),
    "query": (raw("GET", "/api/keys/main/current?a=1&a=2&b=%ff&="), 200),
    "key of a week": (raw("GET", "/api/keys/main/2026-W48"), 200),
    "key of no week": (raw("GET", "/api/keys/main/next"), 404),
    "key of another queue": (raw("GET", "/api/keys/other/current"), 404),
    "percent signs in an address": (raw("GET", "/api/keys/main/%63urrent"), 200),
    "percent signs twice": (raw("GET", "/api/keys/main/%2563urrent"), 404),
    "bytes in an address": (raw("GET", "/api/%ff%00%e0"), 404),
    "unknown address": (raw("GET", "/api/nothing"), 404),
    "HEAD": (raw("HEAD", "/api/keys/main/current"), 404),
    "times": (raw("GET", "/api/openings"), 200),
    "times of no path": (raw("GET", "/api/openings/nowhere"), 200),
    "page with times": (raw("GET", "/api/request/es"), 200),
    "page with times in no language": (raw("GET", "/api/request/%3Cb%3E"), 404),
    "a request that is there": (
        check(
            json.dumps({"v": 1, "do": "see", "id": b64(codes.derive(KNOWN, "demo").id)}).encode()
        ),
        200,
    ),
    "junk to check": (check(b"[1]"), 400),
    "bytes to check": (check(b"\xff"), 400),
    "text to check": (check(b"x", "text/plain"), 415),
    "much to check": (check(b" " * 9000), 413),
    "a code that is none": (by_code("see", "hello <b>"), 400),
    "a code": (by_code("see", KNOWN.lower()), 200),
    "a code of nothing": (by_code("see", "0000-0000-0000-0000"), 200),
    "cancel?": (by_code("cancel"), 200),
    "move": (by_code("move"), 200),
    "move to nowhere": (by_code("review", **{**ASKED, "opening": "nowhere"}), 400),
    "GET check": (raw("GET", "/api/requests/check"), 404),
    **{f"unknown method {method}": (raw(method, "/api/requests"), 404)
       for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")},
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_answers_are_alike(near, far, name):
    request, status = REQUESTS[name]

    here, there = ask(near, request), ask(far, request)

    assert alike(here) == alike(there)
    assert here[0] == status
    sent = dict(here[1])
    assert {header: sent[header.lower()] for header in HEADERS} == HEADERS
    times = any(path.encode() in request for path in CACHED) and status == 200
    assert sent["cache-control"] == ("public, max-age=60" if times else "no-store")


def test_an_envelope_kept_by_one_is_a_retry_to_the_other(near, far, world):
    request, before = post(envelopes.write(world.sealed()), JSON), stored(world)

    first, again, here = ask(far, request), ask(far, request), ask(near, request)

    assert first == again == here
    assert (first[0], json.loads(first[2])) == (201, {"look_again": "2026-11-28"})
    assert stored(world) == before + 1


def test_a_conflict_is_one_to_both(near, far, world):
    code = codes.new()
    ask(near, post(envelopes.write(world.sealed(code=code)), JSON))
    other = post(envelopes.write(world.sealed(code=code, name=["Other"])), JSON)

    here, there = ask(near, other), ask(far, other)

    assert here == there
    assert here[0] == 409


def test_plain_form_sent_here_and_again_there_is_stored_once(near, far, world):
    request, before = form(step=["send"], code=[codes.new()]), stored(world)

    first, again = ask(far, request), ask(near, request)

    assert first == again
    assert first[0] == 201
    assert stored(world) == before + 1


def test_plain_form_with_other_answers_is_a_conflict_to_both(near, far):
    code = codes.new()
    ask(far, form(step=["send"], code=[code]))
    other = form(step=["send"], code=[code], name=["Other"])

    here, there = ask(near, other), ask(far, other)

    assert here == there
    assert here[0] == 409


def test_both_ask_to_come_back_when_the_store_is_closed(world, environment, empty_site, tmp_path):
    """There are keys for four weeks; a year on the form is closed, and says when to retry."""
    late = NOON.replace(year=2027)
    sent = form(step=["send"], code=[codes.new()])
    told = environment | {"TEST_NOW": late.isoformat()}

    with (
        serving(world, empty_site) as served,
        on_lambda("tests.lambda_entry.handler", told, tmp_path / "log") as function,
        over_http(function) as far,
    ):
        served.clock.now = late
        here, there = ask(served.url, sent), ask(far, sent)

    assert alike(here) == alike(there)
    assert (here[0], dict(here[1])["retry-after"]) == (503, "120")


EVENTS = {
    "bad base64": event("POST", "/api/requests", b"x", FORM)
    | {"body": "%%%", "isBase64Encoded": True},
    "base64 of bytes that are no text": event("POST", "/api/requests", b"\xff", JSON),
    "null for a body": event("POST", "/api/requests", b"", JSON) | {"body": None},
    "not even HTTP": {},
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_that_no_request_makes_are_answered_alike(world, function, name):
    here, there = submit(world)(EVENTS[name], None), function(EVENTS[name], None)

    assert gateway.answer_v2(here) == gateway.answer_v2(there)
    assert here["statusCode"] == (500 if name == "not even HTTP" else 400)


def test_more_than_the_local_server_reads_is_too_large_to_both(near, far):
    """It answers in its own words: it refuses by the length, before anything could reach a disk."""
    head = raw("POST", "/api/requests", f"Content-Type: {JSON}", "Content-Length: 70000")

    here, there = ask(near, head), ask(far, post(b" " * 70_000, JSON))

    assert (here[0], there[0]) == (413, 413)


def test_nothing_of_a_request_is_in_the_log_of_lambdas_client(function, far, log):
    for lines in (
        [f"Content-Type: {FORM}"],
        [f"Content-Type: {JSON}"],
        [f"Content-Type: text/{PLANTED}", f"User-Agent: {PLANTED}", f"Cookie: a={PLANTED}"],
    ):
        for body in (PLANTED.encode(), urlencode({**ASKED, "name": PLANTED}, doseq=True).encode()):
            ask(far, raw("POST", f"/api/requests?{PLANTED}", *lines, body=body))
    ask(far, raw("DELETE", f"/api/{PLANTED}"))
    ask(far, raw("GET", f"/api/keys/{PLANTED}/{PLANTED}"))
    function({"planted": PLANTED}, None)

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["message"] for line in lines} == {"answered"}
    assert PLANTED not in log.read_text()


def test_handler_that_raises_is_a_500_that_quotes_nothing(
    world, environment, empty_site, tmp_path, monkeypatch
):
    """And why ours never does: Lambda's client writes the text of an exception into the log."""

    def raising(*_):
        raise ValueError(PLANTED)

    monkeypatch.setattr(intake, "submit", lambda *_: raising)
    sent, log = post(PLANTED.encode(), JSON), tmp_path / "log"
    with (
        serving(world, empty_site) as served,
        on_lambda("tests.lambda_entry.broken", environment, log) as function,
        over_http(function) as far,
    ):
        here, there = ask(served.url, sent), ask(far, sent)

    # The local server has a page for people; API Gateway has its own words.
    assert (here[0], there[0]) == (500, 500)
    assert there[2] == b'{"message":"Internal Server Error"}'
    assert PLANTED not in f"{here}{there}"
    assert PLANTED in log.read_text()


def test_request_whose_answer_came_too_late_is_stored_once_and_can_be_sent_again(
    near, world, environment, tmp_path
):
    """Only Lambda has a deadline. It kills the process, and the next call gets a new one."""
    body, before = envelopes.write(world.sealed()), stored(world)
    late = raw("POST", "/api/requests", f"Content-Type: {JSON}", "X-Late: 1", body=body)

    with (
        on_lambda("tests.lambda_entry.late", environment, tmp_path / "log", 3) as function,
        over_http(function) as far,
    ):
        first, again = ask(far, late), ask(far, post(body, JSON))

    assert (first[0], first[2]) == (503, b'{"message":"Service Unavailable"}')
    assert stored(world) == before + 1
    assert again == ask(near, post(body, JSON))
    assert again[0] == 201


# --- Events as AWS writes them --------------------------------------------------------------------

# HTTP API, payload format 2.0, with every field that its guide shows (API Gateway developer guide,
# "Create AWS Lambda proxy integrations for HTTP APIs"). Made by hand: nobody has recorded one yet.
CORPUS = json.loads((ROOT / "tests" / "vectors" / "events.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CORPUS, ids=[it["case"] for it in CORPUS])
def test_events_as_aws_writes_them_are_answered_alike_and_nothing_of_them_is_said(
    world, function, log, case
):
    path = case["event"]["rawPath"]
    here = (check_of if path.endswith("/check") else submit)(world)(case["event"], None)
    there = function(case["event"], None)

    assert here["statusCode"] == there["statusCode"] == case["status"]
    assert here["headers"] == there["headers"]
    assert {"Content-Security-Policy", "Referrer-Policy"} <= set(here["headers"])
    said = json.dumps([here, there]) + log.read_text()
    own = PLANTED in case["event"].get("body", "") or case["event"]["isBase64Encoded"]
    for told in ("203.0.113.7", "Amazon CloudFront", "abc123", *([] if own else [PLANTED])):
        assert told not in said


def test_the_corpus_has_an_event_of_every_route():
    routes = {it["event"]["routeKey"] for it in CORPUS}
    rendered = template.render(template.read())
    paths = rendered["Resources"]["Api"]["Properties"]["Body"]["paths"]

    assert {f"{verb} {path}" for verb, path in ROUTES} <= routes
    assert {path for _, path in ROUTES} == set(paths)


ROUTES = [
    ("POST", "/api/requests"),
    ("GET", "/api/keys/{queue}/{epoch}"),
    ("GET", "/api/openings"),
    ("GET", "/api/openings/{path}"),
    ("GET", "/api/request/{lang}"),
    ("GET", "/api/request/{lang}/{path}"),
    ("GET", "/api/request/{lang}/{path}/"),
    ("GET", "/api/request/{lang}/at/{center}"),
    ("POST", "/api/requests/check"),
]
