"""A table of routes over WSGI: which view a call finds, what it is told, and what is sent."""

from io import BytesIO
from threading import Barrier, Thread

import pytest

from quietdesk import wsgi
from quietdesk.web import Answer, Call, Route
from tests.waiting import CEILING


def told(call: Call, context: str) -> Answer:
    said = ",".join(f"{name}={value}" for name, value in call.captured.items())
    return Answer.of(200, "text/plain", f"{context}:{said}")


def other(call: Call, context: str) -> Answer:
    return Answer.of(200, "text/plain", "other")


ROUTES = [
    Route("GET", "/", told),
    Route("GET", "/times", told),
    Route("POST", "/times", other),
    Route("GET", "/times/<path>/", told),
    Route("GET", "/times/<path>", told),
    Route("GET", "/times/<lang>/at/<center>", told),
]
ROUTER = wsgi.Router(ROUTES)

FOUND = [
    ("GET", "/", {}),
    ("GET", "/times", {}),
    ("POST", "/times", {}),
    ("GET", "/times/one", {"path": "one"}),
    ("GET", "/times/one/", {"path": "one"}),
    ("GET", "/times/at", {"path": "at"}),
    ("GET", "/times/<b>|", {"path": "<b>|"}),
    ("GET", "/times/普通", {"path": "普通"}),
    ("GET", "/times/es/at/corona", {"lang": "es", "center": "corona"}),
]
NOT_FOUND = [
    ("HEAD", "/times"),
    ("OPTIONS", "/times"),
    ("PUT", "/times"),
    ("POST", "/times/one"),
    ("GET", ""),
    ("GET", "*"),
    ("GET", "//"),
    ("GET", "//times"),
    ("GET", "/times/"),
    ("GET", "/times//"),
    ("GET", "/times\n"),
    ("GET", "/times/one\n"),
    ("GET", '/times/"'),
    ("GET", "/times/\ufffd"),
    ("GET", "/times/es/at/corona/"),
    ("GET", "/times/es//corona"),
]


@pytest.mark.parametrize(("method", "path", "captured"), FOUND)
def test_a_call_finds_its_view_and_what_its_path_says(method, path, captured):
    found = ROUTER.find(Call(method, path, body=b"kept"))

    assert found is not None
    view, call = found
    assert view is (told if method == "GET" else other)
    assert (call.captured, call.body) == (captured, b"kept")


@pytest.mark.parametrize(("method", "path"), NOT_FOUND)
def test_a_call_that_the_table_does_not_have_finds_nothing(method, path):
    assert ROUTER.find(Call(method, path)) is None


def environ(**more: object) -> dict[str, object]:
    return {"REQUEST_METHOD": "POST", "PATH_INFO": "/times", "wsgi.input": BytesIO(b"")} | more


def test_a_call_is_what_was_sent():
    body = b"name=\xff"
    sent = environ(
        PATH_INFO="//caf\xc3\xa9/\xff",
        QUERY_STRING="a=1&a=%ff",
        CONTENT_TYPE="text/plain",
        CONTENT_LENGTH=str(len(body)),
        HTTP_X_MANY="1, 2",
        HTTP_COOKIE="a=1",
        **{"wsgi.input": BytesIO(body + b"the next request")},
    )

    call = wsgi.read(sent)

    assert (call.method, call.path, call.query) == ("POST", "//café/\ufffd", "a=1&a=%ff")
    assert call.headers == {"content-type": "text/plain", "content-length": "6", "x-many": "1, 2"}
    assert call.body == body


def test_a_call_without_a_body_has_an_empty_one():
    assert wsgi.read(environ()).body == b""


def test_nothing_of_a_call_or_an_answer_is_in_its_repr():
    call = Call("POST", "/planted", "planted", {"planted": "planted"}, b"planted")

    assert "planted" not in f"{call!r}{call}{Answer.html(200, 'planted')!r}"


def sent(answer: Answer, method: str = "GET") -> tuple[str, list[tuple[str, str]], bytes]:
    seen = {}

    def start_response(status, headers, exc_info=None):
        seen.update(status=status, headers=headers)

    body = b"".join(wsgi.send(answer, environ(REQUEST_METHOD=method), start_response))
    return seen["status"], seen["headers"], body


def test_an_answer_is_sent_with_its_headers_and_length():
    answer = Answer.html(201, "é").saying("Retry-After", "120")

    assert sent(answer) == (
        "201 CREATED",
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Retry-After", "120"),
            ("Content-Length", "2"),
        ],
        "é".encode(),
    )


def test_head_is_sent_the_length_and_no_body():
    status, headers, body = sent(Answer.html(404, "page"), "HEAD")

    assert (status[:3], dict(headers)["Content-Length"], body) == ("404", "4", b"")


def test_headers_of_an_answer_stand_before_those_of_every_answer():
    answer = Answer.html(200, "").under({"Cache-Control": "no-store", "Content-Type": "x"})

    assert answer.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
    }


def test_two_calls_are_answered_at_the_same_time_each_with_its_own():
    """Neither view answers before the other has begun: with one at a time this would not end."""
    both = Barrier(2, timeout=CEILING)

    def waiting(call: Call, context: str) -> Answer:
        both.wait()
        return Answer.of(200, "text/plain", call.captured["name"])

    router, answers = wsgi.Router([Route("GET", "/<name>", waiting)]), {}

    def ask(name: str) -> None:
        found = router.find(Call("GET", f"/{name}"))
        assert found
        answers[name] = found[0](found[1], "").body

    threads = [Thread(target=ask, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {"one": b"one", "other": b"other"}


def test_who_called_is_not_in_a_call():
    """WSGI says who; what is not there can be neither logged nor asked for."""
    called = {"REMOTE_ADDR": "198.51.100.7", "REMOTE_HOST": "phone.example", "REMOTE_PORT": "4711"}
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "wsgi.input": BytesIO()}

    call = wsgi.read({**asked, **called})

    told = str([call.path, call.query, call.headers, call.body, call.captured])
    assert [it for it in called.values() if it in told] == []
