"""The same request, sent to the local server and, as an event, to the function under Lambda's own
runtime client, gets the same answer: status, headers and bytes.

Not shown here: API Gateway itself, which nobody can run at home. Its rules are in test_gateway.py.
"""

import base64
import http.client
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from quietdesk import codes, envelopes, intake
from quietdesk.pages import CHECK, SUBMIT
from quietdesk.web import FORM, HEADERS, JSON
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests import gateway
from tests.events import OURS
from tests.runtime_api import programme_on_lambda
from tests.serving import serving
from tests.waiting import CEILING
from tests.world import ASKED, NOON, BrokenStore, make_world

# What chance puts into an answer: the code, in the form and in the sentence that shows it. The
# clocks stand still on both sides, so the days are equal without help.
CODE = re.compile(rb"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b")
SERVERS_OWN = {"date", "connection"}
AROUND = (("Host", "desk.example"), ("Connection", "close"))
KNOWN = "7K3M-9QXT-2B6H-W3ZD"  # the code of a request that waits
CACHED = ("/api/openings", "/api/request/", "/api%2Fopenings", "/%61pi/openings")


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("fidelity"), custodian=custodian)
    made.publisher().publish(NOON)
    made.store.put(made.sealed(code=KNOWN))
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def empty_site(tmp_path_factory):
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def near(world, empty_site):
    """The URL of the local server."""
    with serving(world, empty_site) as served:
        yield served.url


@pytest.fixture(scope="module")
def function(another_process, world, tmp_path_factory):
    """The function under awslambdaric, over the same store."""
    with programme_on_lambda(world, tmp_path_factory.mktemp("lambda") / "lambda.log") as running:
        yield running


@dataclass(frozen=True)
class Case:
    """A request, as it is sent, and the status of its answer."""

    status: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    in_chunks: bool = False

    def wire(self) -> bytes:
        body, length = self.body, [("Content-Length", str(len(self.body)))]
        if self.in_chunks:
            length = [("Transfer-Encoding", "chunked")]
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        headers = [*AROUND, *self.headers, *(length if body else ())]
        lines = [f"{self.method} {self.target} HTTP/1.1", *map(": ".join, headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def event(self) -> dict[str, Any]:
        """The event that API Gateway makes of it."""
        path, _, query = self.target.partition("?")
        headers = [*AROUND, *self.headers]
        return gateway.event_v2(self.method, unquote(path), query, headers, self.body)


def asked(url: str, case: Case) -> tuple[int, list[tuple[str, str]], bytes]:
    """The answer of the local server; of its headers all but the server's own."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=CEILING) as connection:
        connection.sendall(case.wire())
        with http.client.HTTPResponse(connection, method=case.method) as answer:
            answer.begin()
            body = answer.read()
    headers = [(name.lower(), value) for name, value in answer.getheaders()]
    kept = sorted(header for header in headers if header[0] not in SERVERS_OWN)
    return answer.status, kept, body


def given(function, case: Case, event: Mapping[str, Any] | None = None):
    """The answer that API Gateway sends of what the function gives for the event."""
    answer = gateway.answer_v2(function(event or case.event(), None))
    headers = [(name.lower(), value) for name, value in answer.headers]
    length = ("content-length", str(len(answer.body)))
    body = b"" if case.method == "HEAD" else answer.body
    return answer.status, sorted([*headers, length]), body


def alike(answer):
    """An answer without the code that chance put into it."""
    status, headers, body = answer
    return status, headers, CODE.sub(b"CODE", body)


def stored(world):
    return len(list(world.store.pull("main", [Epoch(2026, 47)], NOON)))


def get(status: int, target: str, *headers: tuple[str, str]) -> Case:
    return Case(status, "GET", target, headers)


def post(status: int, body: bytes, *kinds: str, to: str = SUBMIT) -> Case:
    headers = (*OURS.items(), *(("Content-Type", kind) for kind in kinds))
    return Case(status, "POST", to, headers, body)


def check(status: int, body: bytes, *kinds: str) -> Case:
    return post(status, body, *kinds, to=CHECK)


def form(status: int, to: str = SUBMIT, **typed: Any) -> Case:
    body = urlencode({**ASKED, "lang": "es", **typed}, doseq=True).encode()
    return post(status, body, FORM, to=to)


def by_code(status: int, step: str, code: str = KNOWN, **typed: Any) -> Case:
    typed = {"lang": "es", "step": step, "code": code, **typed}
    return check(status, urlencode(typed, doseq=True).encode(), FORM)


def question(status: int, **values: Any) -> Case:
    return check(status, json.dumps({"v": 1, **values}).encode(), JSON)


SECRETS = codes.derive(KNOWN, "demo")
ID, AUTH = b64(SECRETS.id), b64(SECRETS.auth)
KEY = "/api/keys/main/current"

# Of every route one address, and what it answers when nothing is posted.
ADDRESSES = {
    ("POST", "/api/requests"): (415, "/api/requests"),
    ("GET", "/api/keys/<queue>/<epoch>"): (200, KEY),
    ("GET", "/api/openings"): (200, "/api/openings"),
    ("GET", "/api/openings/<path>"): (200, "/api/openings/nowhere"),
    ("GET", "/api/request/<lang>"): (200, "/api/request/es"),
    ("GET", "/api/request/<lang>/<path>"): (200, "/api/request/es/nowhere"),
    ("GET", "/api/request/<lang>/<path>/"): (200, "/api/request/es/nowhere/"),
    ("GET", "/api/request/<lang>/at/<center>"): (200, "/api/request/es/at/corona"),
    ("POST", "/api/requests/check"): (415, "/api/requests/check"),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW")
EVERY_METHOD = {
    f"{method} {target}": Case(status if method == own else 404, method, target)
    for (own, _), (status, target) in ADDRESSES.items()
    for method in METHODS
}
PATHS = [
    get(404, "/api"),
    get(404, "/api/"),
    get(404, "/api/nothing"),
    get(404, "/API/openings"),
    get(404, "/api/openings/"),
    get(404, "/api/openings//"),
    get(404, "/api//openings"),
    get(404, "//api/openings"),
    get(404, "/api/./openings"),
    get(404, "/api/x/../openings"),
    get(404, "/api/openings/nowhere/"),
    get(404, "/api/openings/a/b"),
    get(200, "/api/openings/NOWHERE"),
    get(200, "/api/openings/desk"),
    get(200, "/api/openings/a;b=c"),
    get(200, "/api/openings/a%20b"),
    get(200, "/api/openings/%E6%99%AE%E9%80%9A"),
    get(404, "/api/openings/%E0%A6%BF"),
    get(404, "/api/openings/%F0%9F%98%80"),
    get(404, "/api/openings/%22"),
    get(404, "/api/openings/%ff"),
    get(404, "/api/openings/%00"),
    get(404, "/api/openings/nowhere%0A"),
    get(404, "/api/openings%0A"),
    get(404, "/api/openings%0D%0A"),
    get(404, "/api/openings%2F"),
    get(200, "/api%2Fopenings"),
    get(200, "/api/openings%2Fnowhere"),
    get(200, "/%61pi/openings"),
    get(404, "/api/openings%3Fa"),
    get(404, "/api/%ff%00%e0"),
    get(404, "/api/keys"),
    get(404, "/api/keys/main"),
    get(404, "/api/keys/main/"),
    get(404, "/api/keys//current"),
    get(404, "/api/keys/main/current/"),
    get(200, "/api/keys/main/%63urrent"),
    get(404, "/api/keys/main/%2563urrent"),
    get(200, "/api/keys/main/2026-W48"),
    get(404, "/api/keys/main/2026-W99"),
    get(404, "/api/keys/main/next"),
    get(404, "/api/keys/main/CURRENT"),
    get(404, "/api/keys/other/current"),
    get(404, "/api/keys/" + "x" * 5000 + "/current"),
    get(404, "/api/request"),
    get(404, "/api/request/"),
    get(404, "/api/request/xx"),
    get(404, "/api/request/ES"),
    get(404, "/api/request/es/"),
    get(404, "/api/request/%3Cb%3E"),
    get(200, "/api/request/ar"),
    get(200, "/api/request/es/%3Cb%3E"),
    get(200, "/api/request/es/at"),
    get(200, "/api/request/es/at/"),
    get(200, "/api/request/es/at/nowhere"),
    get(404, "/api/request/es/at/corona/"),
    get(404, "/api/request/es/at//corona"),
    get(404, "/api/request/xx/at/corona"),
    get(404, "/api/requests/"),
    get(404, "/api/requests/check/"),
    Case(404, "POST", "/api/requests/"),
    Case(404, "POST", "//api/requests"),
    Case(404, "POST", "/api/requests/check/"),
    Case(404, "POST", "/api/requests/CHECK"),
    get(200, f"{KEY}?"),
    get(200, f"{KEY}?a=1&a=2&b=%ff&="),
    get(200, f"{KEY}?lang=es?%00#"),
    get(200, "/api/openings?path=nowhere"),
    Case(415, "POST", "/api/requests?lang=es"),
]
HEADED = [
    get(200, KEY, ("Accept", "a"), ("Accept", "b"), ("X-Many", "1"), ("x-many", "2")),
    get(200, KEY, ("Cookie", "a=1; b=2"), ("Cookie", "c=3")),
    get(200, KEY, ("X-Name", "\xff\xe0")),
    get(200, KEY, ("X-Empty", "")),
    get(200, KEY, ("X-Long", "x" * 9000)),
    get(200, KEY, ("X_Under_Score", "1"), ("X.Dot", "2"), ("1", "3")),
    get(200, KEY, ("ACCEPT-ENCODING", "gzip, br")),
    get(200, KEY, ("Range", "bytes=0-1")),
    get(200, KEY, ("If-None-Match", "*"), ("If-Modified-Since", "Wed, 18 Nov 2026 17:00:00 GMT")),
    get(200, KEY, ("Origin", "https://elsewhere.example")),
    get(200, KEY, ("X-HTTP-Method-Override", "DELETE")),
    get(200, KEY, ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Host", "elsewhere.example")),
    get(200, KEY, ("Accept", "text/html"), ("Accept-Language", "es")),
    get(200, KEY, ("Authorization", "Basic YTpi")),
    get(200, KEY, ("Content-Type", JSON)),
    get(404, "/api/nothing", ("Origin", "https://elsewhere.example"), ("Cookie", "a=1")),
    Case(404, "OPTIONS", SUBMIT,
         (("Origin", "https://elsewhere.example"), ("Access-Control-Request-Method", "POST"))),
]  # fmt: skip
POSTED = {
    "junk": post(400, b"{", JSON),
    "null": post(400, b"null", JSON),
    "numbers without end": post(400, b"[" * 5000, JSON),
    "another version": post(400, b'{"v":2}', JSON),
    "bad UTF-8 as JSON": post(400, b'{"v":"\xff"}', JSON),
    "bad UTF-8 in a form": post(400, b"name=\xff", FORM),
    "bad UTF-8 in a form, with a percent sign": post(400, b"name=%ff", FORM),
    "a field that no form has": post(400, b"nationality=x", FORM),
    "more fields than a form has": post(400, b"&".join([b"name=x"] * 101), FORM),
    "JSON as long as it may be": post(400, b" " * 8192, JSON),
    "oversized JSON": post(413, b" " * 8193, JSON),
    "oversized form": post(413, b"name=" + b"x" * 16_384, FORM),
    "much oversized": post(413, b" " * 60_000, JSON),
    "a lot too much": post(413, b" " * 65_536, JSON),
    "far too much": post(413, b" " * 65_537, JSON),
    "far too much of a form": post(413, b"x" * 65_537, FORM),
    "far too much, to no address": post(404, b"x" * 70_000, JSON, to="/api/nothing"),
    "far too much, by another method": Case(404, "PUT", SUBMIT, (), b"x" * 70_000),
    "in chunks": replace(post(400, b"{", JSON), in_chunks=True),
    "a form in chunks": replace(form(200, step=["review"]), in_chunks=True),
    "far too much, in chunks": replace(post(413, b"x" * 65_537, JSON), in_chunks=True),
    "after a word from us": Case(
        400, "POST", SUBMIT, (("Content-Type", JSON), ("Expect", "100-continue")), b"{"
    ),
    "text": post(415, b"hello", "text/plain"),
    "bytes": post(415, b"\xff", "application/octet-stream"),
    "no kind": post(415, b"hello"),
    "an empty kind": post(415, b"hello", ""),
    "half a kind": post(415, b"hello", "application/"),
    "kind with a parameter": post(400, b"{", f"{JSON}; charset=utf-8"),
    "kind with blanks": post(400, b"{", f"  {JSON} ;x=y"),
    "kind in upper-case": post(415, b"{", JSON.upper()),
    "kind in upper-case, of a form": post(415, b"name=x", FORM.title()),
    "kind of a form with files": post(415, b"--x--", "multipart/form-data; boundary=x"),
    "a kind like ours": post(415, b"{", "application/json-patch+json"),
    "repeated kind": post(415, b"{", JSON, JSON),
    "two kinds": post(415, b"{", JSON, FORM),
    "no body": post(415, b""),
    "no body, JSON": post(400, b"", JSON),
    "no body, form": post(400, b"", FORM),
    "form to read back": form(200, step=["review"]),
    "form to read back, in Bengali": form(200, step=["review"], lang="bn", name=["রহিমা ১"]),
    "form in a language that is none": form(200, step=["review"], lang=["<b>"]),
    "form with a week that is none": form(200, step=["review"], week=["2026-W99"]),
    "form with problems": form(400, step=["review"], people=["many"], name=["<b>"]),
    "form with a time that is none": form(400, step=["review"], opening=["nowhere"]),
    "form without a step": form(200),
    "form to change": form(200, step=["change"]),
    "form to send, with a code that is none": form(400, step=["send"], code=["hello"]),
    "form to send, with a code of another": form(409, step=["send"], code=[KNOWN], name=["Other"]),
    "see": question(200, do="see", id=ID),
    "cancel with another's secret": question(200, do="cancel", id=ID, auth=b64(bytes(32))),
    "move nothing": question(400, do="move", auth=AUTH, envelope={}),
    "do what nobody can": question(400, do="everything", id=ID, auth=AUTH),
    "an id that is too short": question(400, do="see", id=b64(bytes(15))),
    "junk to check": check(400, b"[1]", JSON),
    "bytes to check": check(400, b"\xff", JSON),
    "text to check": check(415, b"x", "text/plain"),
    "much to check": check(413, b" " * 9000, JSON),
    "a code that is none": by_code(400, "see", "hello <b>"),
    "a code": by_code(200, "see", KNOWN.lower()),
    "a code of nothing": by_code(200, "see", "0000-0000-0000-0000"),
    "cancel?": by_code(200, "cancel"),
    "cancel nothing": by_code(200, "yes", "0000-0000-0000-0000"),
    "calendar of what has no time": by_code(200, "calendar"),
    "move": by_code(200, "move"),
    "move to nowhere": by_code(400, "review", **{**ASKED, "opening": "nowhere"}),
    "move what is gone": by_code(409, "send", "0000-0000-0000-0000", **ASKED, shown="x"),
    "a step that is none": by_code(200, "dance"),
}
CASES = (
    EVERY_METHOD
    | {f"{case.method} {case.target[:60]}": case for case in PATHS}
    | {f"header {case.headers[0][0]}, {n}": case for n, case in enumerate(HEADED)}
    | POSTED
)


def has_what_every_answer_has(case, answer):
    sent = dict(answer[1])
    times = case.target.startswith(CACHED) and answer[0] == 200
    cached = {"Cache-Control": "public, max-age=60" if times else "no-store"}
    return all(sent[name.lower()] == text for name, text in (HEADERS | cached).items())


@pytest.mark.parametrize("name", CASES)
def test_answers_are_alike(near, function, name):
    case = CASES[name]

    here, there = asked(near, case), given(function, case)

    assert alike(here) == alike(there)
    assert here[0] == case.status
    assert has_what_every_answer_has(case, here)


WITH_BODY = [name for name in POSTED if POSTED[name].body and b"\xff" not in POSTED[name].body]


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_in_base64_and_as_text_is_the_same_body(function, name):
    case = CASES[name]
    encoded = {"body": base64.b64encode(case.body).decode(), "isBase64Encoded": True}
    as_text = {"body": case.body.decode(), "isBase64Encoded": False}

    one, other = (given(function, case, case.event() | body) for body in (encoded, as_text))

    assert alike(one) == alike(other)
    assert one[0] == case.status


def test_every_route_is_asked_in_well_over_a_hundred_ways():
    assert set(ADDRESSES) == {(it.method, it.pattern) for it in [*intake.SUBMIT, *intake.CHECK]}
    assert len(CASES) > 200
    assert {case.status for case in CASES.values()} >= {200, 400, 404, 409, 413, 415}


def test_what_nobody_has_is_as_many_bytes_to_both_and_others_each_time(near, function):
    case = question(200, do="see", id=b64(bytes(16)))

    here, there, again = asked(near, case), given(function, case), given(function, case)

    assert here[:2] == there[:2] == again[:2]
    assert len(here[2]) == len(there[2]) == envelopes.REPLY_BYTES
    assert len({here[2], there[2], again[2]}) == 3


def test_an_envelope_kept_by_one_is_a_retry_to_the_other(near, function, world):
    case, before = post(201, envelopes.write(world.sealed()), JSON), stored(world)

    first, again, here = given(function, case), given(function, case), asked(near, case)

    assert first == again == here
    assert (first[0], json.loads(first[2])) == (201, {"look_again": "2026-11-28"})
    assert stored(world) == before + 1


def test_a_conflict_is_one_to_both(near, function, world):
    code = codes.new()
    asked(near, post(201, envelopes.write(world.sealed(code=code)), JSON))
    other = post(409, envelopes.write(world.sealed(code=code, name=["Other"])), JSON)

    here, there = asked(near, other), given(function, other)

    assert here == there
    assert here[0] == 409


def test_plain_form_sent_here_and_again_there_is_stored_once(near, function, world):
    case, before = form(201, step=["send"], code=[codes.new()]), stored(world)

    first, again = given(function, case), asked(near, case)

    assert first == again
    assert first[0] == 201
    assert stored(world) == before + 1


def test_plain_form_with_other_answers_is_a_conflict_to_both(near, function):
    code = codes.new()
    given(function, form(201, step=["send"], code=[code]))
    other = form(409, step=["send"], code=[code], name=["Other"])

    here, there = asked(near, other), given(function, other)

    assert here == there
    assert here[0] == 409


@pytest.mark.process
def test_both_ask_to_come_back_when_the_store_is_closed(world, empty_site, tmp_path):
    """There are keys for four weeks; a year on the form is closed, and says when to retry."""
    late = NOON.replace(year=2027)
    case = form(503, step=["send"], code=[codes.new()])

    with (
        serving(world, empty_site) as served,
        programme_on_lambda(world, tmp_path / "log", late) as function,
    ):
        served.clock.now = late
        here, there = asked(served.url, case), given(function, case)

    assert alike(here) == alike(there)
    assert (here[0], dict(here[1])["retry-after"]) == (503, "120")


@pytest.mark.process
def test_what_nobody_foresaw_is_the_same_page_to_both(world, empty_site, tmp_path, capfd):
    broken, log = replace(world, store=BrokenStore()), tmp_path / "log"
    cases = [
        post(500, envelopes.write(world.sealed()), JSON),
        form(500, step=["send"], code=[KNOWN]),
        by_code(500, "see"),
        get(500, "/api/openings"),
    ]
    with (
        serving(broken, empty_site) as served,
        programme_on_lambda(world, log, handler="unforeseen") as function,
    ):
        answers = [(case, asked(served.url, case), given(function, case)) for case in cases]

    for case, here, there in answers:
        assert here == there
        assert here[0] == 500
        assert has_what_every_answer_has(case, here)
        assert b"broken in" not in here[2]
    assert "broken in" not in log.read_text() + "".join(capfd.readouterr())
