"""One machine: files, functions and errors, all with the same headers."""

import gzip
import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread

import pytest
from waitress import buffers

from quietdesk import local
from quietdesk.errors import BadRecord, StoreUnavailable
from quietdesk.web import HEADERS
from tests.serving import Served, beside, serving
from tests.waiting import CEILING


def ask(
    served: Served, method: str, path: str, headers: Mapping[str, str] = {}
) -> tuple[http.client.HTTPResponse, bytes]:
    host = served.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=CEILING)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def has_headers(answer):
    return {name: answer.getheader(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html"),
        ("/es/", 200, "text/html"),
        ("/en/request/", 200, "text/html"),
        ("/en/request/at/corona/", 200, "text/html"),
        ("/xx/request/at/corona/", 404, "text/html"),
        ("/assets/form.js", 200, "text/javascript"),
        ("/assets/form.css", 200, "text/css"),
        ("/api/keys/main/current", 200, "application/json"),
        ("/healthz", 200, "text/plain"),
        ("/healthz/", 404, "text/html"),
        ("/nothing", 404, "text/html"),
        ("/api/nothing", 404, "text/html"),
        ("/en/request/x.css", 404, "text/html"),
        ("/../../../etc/passwd", 404, "text/html"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "text/html"),
    ],
)
def test_every_answer_has_the_headers(served, path, status, kind):
    answer, body = ask(served, "GET", path)

    assert (answer.status, answer.getheader("Content-Type").partition(";")[0]) == (status, kind)
    assert has_headers(answer)
    assert answer.getheader("Server") is None
    assert answer.getheader("Access-Control-Allow-Origin") is None
    assert answer.getheader("Set-Cookie") is None
    assert body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/en", 302), ("GET", "/en/request", 302), ("POST", "/en/", 405), ("PUT", "/en/", 405)],
)
def test_redirects_and_refusals_have_the_headers_too(served, method, path, status):
    answer, _ = ask(served, method, path)

    assert answer.status == status
    assert has_headers(answer)


@pytest.mark.parametrize("tail", ["at/nowhere/", "at/nowhere", "at/corona/more/", "at/", "at"])
def test_form_of_an_unknown_center_leads_to_the_form_of_that_language(served, tail):
    answer, _ = ask(served, "GET", f"/es/request/{tail}")

    assert (answer.status, answer.getheader("Location")) == (302, "/es/request/")
    assert has_headers(answer)


def test_page_that_is_not_there_is_said_in_every_language(served, city):
    _, body = ask(served, "GET", "/nothing")

    for locale in city.locales:
        assert locale.name in body.decode()


def test_head_has_headers_and_no_body(served):
    answer, body = ask(served, "HEAD", "/nothing")

    assert (answer.status, body) == (404, b"")


def test_what_is_not_http_is_answered_with_fixed_words(served):
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=CEILING) as raw:
        raw.sendall(b"planted words / HTTP/1.1\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ") or head.startswith(b"HTTP/1.1 400 ")
    assert body == b"Bad request"
    assert b"planted" not in answer


def test_what_nobody_foresaw_is_a_page_with_the_headers(world, tmp_path, log, capfd):
    def broken(environ, start_response):
        raise RuntimeError("planted words")

    (tmp_path / "site").mkdir()
    app = local.application(tmp_path / "site", world.programme().pages, broken)
    seen = {}

    def start_response(status, headers, exc_info=None):
        seen.update(headers, status=status)

    environ = {"PATH_INFO": "/api/requests", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "0"}
    body = b"".join(app(environ, start_response))

    assert seen["status"].startswith("500")
    assert seen.items() >= HEADERS.items()
    assert b"planted" not in body
    line = json.loads(log.getvalue())
    assert (line["level"], line["error"], line["status"]) == ("ERROR", "Foreign", 500)
    assert "planted" not in "".join(capfd.readouterr()) + log.getvalue()


def test_what_breaks_while_an_answer_is_sent_is_in_the_log(log, capfd):
    """Which only the server meets: it would print the path, and the text of the error."""

    def broken(environ, start_response):
        start_response("200 OK", [])
        raise RuntimeError("planted words")
        yield b""

    server = local.listen(broken, local.reserve("127.0.0.1", 0))
    with beside(server):
        served = Served(f"http://127.0.0.1:{server.effective_port}")
        answer, body = ask(served, "GET", "/planted")

    assert (answer.status, body) == (500, b"Bad request")
    line = json.loads(log.getvalue())
    assert (line["level"], line["error"], line["status"]) == ("ERROR", "Foreign", 500)
    assert "planted" not in "".join(capfd.readouterr()) + log.getvalue()


@pytest.mark.parametrize("size", [local.BODY_BYTES, 600 * 1024, 4 * 1024 * 1024])
def test_nothing_that_is_posted_waits_in_a_file(monkeypatch, size):
    """The server would put a long body into one: readable, if it is the form without scripts."""
    files = []

    def filed(*_):
        files.append(1)
        raise AssertionError("a body in a file")

    monkeypatch.setattr(buffers, "TempfileBasedBuffer", filed)
    server = local.listen(lambda *_: [], local.reserve("127.0.0.1", 0))
    with beside(server):
        with socket.create_connection(("127.0.0.1", server.effective_port), CEILING) as raw:
            head = f"POST /api/requests HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
            with suppress(ConnectionError):  # it need not read what it refuses
                raw.sendall(head.encode() + b"a" * size)
                raw.recv(1)

    assert files == []


class Waiting:
    """A store whose counting of seats waits until a test lets it go."""

    def __init__(self, store):
        self._store, self.begun, self.goes_on = store, Event(), Event()

    def __getattr__(self, name):
        return getattr(self._store, name)

    def seats(self, openings):
        self.begun.set()
        assert self.goes_on.wait(CEILING)
        return self._store.seats(openings)


def test_one_is_answered_while_another_waits(world, tmp_path):
    store, answers = Waiting(world.store), []
    with serving(replace(world, store=store), tmp_path) as served:
        waits = Thread(target=lambda: answers.append(ask(served, "GET", "/api/openings")))
        waits.start()
        assert store.begun.wait(CEILING)

        answer, _ = ask(served, "GET", "/api/keys/main/current")

        assert (answer.status, answers) == (200, [])
        store.goes_on.set()
        waits.join()

    assert [answer.status for answer, _ in answers] == [200]


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, (200, b"ok")), (StoreUnavailable("planted"), (503, b"The store does not answer."))],
)
def test_health_says_whether_the_store_answers_and_nothing_else(
    world, tmp_path, monkeypatch, error, said
):
    def fails(_):
        raise error

    if error:
        monkeypatch.setattr(world.store, "read", fails)
    with serving(world, tmp_path) as served:
        answer, body = ask(served, "GET", "/healthz")

    assert (answer.status, body) == said
    assert has_headers(answer) and answer.getheader("Cache-Control") == "no-store"


def test_pages_go_compressed_to_who_takes_it_and_answers_of_functions_never(world, tmp_path):
    page = b"<p>A page of the site that says the same again and again.</p>\n" * 40
    (tmp_path / "en").mkdir()
    (tmp_path / "en/index.html").write_bytes(page)
    (tmp_path / "en/tiny.txt").write_bytes(b"x")
    local.compress(tmp_path)

    with serving(world, tmp_path) as served:
        got = {
            (path, takes): ask(served, "GET", path, {"Accept-Encoding": takes})
            for path in ("/en/", "/en/tiny.txt", "/api/openings")
            for takes in ("gzip, br", "identity")
        }
        plain = ask(served, "GET", "/en/index.html.gz")[0]

    kinds = {asked: answer.getheader("Content-Encoding") for asked, (answer, _) in got.items()}
    assert [asked for asked, kind in kinds.items() if kind] == [("/en/", "gzip, br")]
    assert gzip.decompress(got["/en/", "gzip, br"][1]) == got["/en/", "identity"][1] == page
    assert all(has_headers(answer) for answer, _ in got.values())
    assert {
        answer.getheader("Vary") for (path, _), (answer, _) in got.items() if path == "/en/"
    } == {"Accept-Encoding"}
    assert plain.status == 404


def test_timer_goes_on_whatever_it_meets_and_quotes_nothing(log, capfd):
    stopping, calls = Event(), []

    def timer():
        calls.append(1)
        if len(calls) == 4:
            stopping.set()
        raise OSError("planted words") if len(calls) % 2 else BadRecord("planted words")

    local.again_and_again(timer, stopping, seconds=0.001)

    assert len(calls) == 4
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    text = "the timer failed; it tries again the next time"
    assert [it["message"] for it in lines] == [text] * 4
    assert [it["error"] for it in lines] == ["Foreign", "BadRecord"] * 2
    assert "planted" not in "".join(capfd.readouterr()) + log.getvalue()
