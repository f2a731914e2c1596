"""Clients that are slow, silent or many: everybody else is answered all the same.

Over real sockets. The server's clock stands still until a test moves it.
"""

import http.client
import resource
import socket
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from math import inf
from threading import Event

import pytest
from waitress.buffers import TempfileBasedBuffer

from quietdesk import connections, envelopes, local
from quietdesk.connections import Limits
from tests.serving import beside, serving
from tests.waiting import CEILING, until

LIMITS = Limits(connections=12, header=10, request=20, answer=30, idle=40)
HOST = b"Host: 127.0.0.1\r\n"
BODY = b"POST /api/requests HTTP/1.1\r\n" + HOST + b"Content-Length: 4000\r\n\r\n"
# What a client has sent of a request that never comes.
BEGUN = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "half of the headers": b"GET / HTTP/1.1\r\n" + HOST + b"Accept: ",
    "half a body": BODY + b"{" * 100,
}
BIG = b"x" * 12_000_000  # more than the system keeps for who does not read
ALL = b"GET /whole HTTP/1.1\r\n" + HOST + b"\r\n"


class Running:
    """A server with an application that says `ok`, something big, or waits for a test."""

    def __init__(self, stack, limits):
        self.now, self.calls = 0.0, []
        self.begun, self.goes_on = Event(), Event()
        reserved = local.reserve("127.0.0.1", 0)
        self.server = local.listen(self._app, reserved, limits, lambda: self.now)
        self._port, self._stack = self.server.effective_port, stack
        stack.enter_context(beside(self.server))
        stack.callback(self.goes_on.set)

    def _app(self, environ, start_response):
        self.calls.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/slow":
            self.begun.set()
            assert self.goes_on.wait(CEILING)
        body = BIG if environ["PATH_INFO"] == "/big" else b"ok"
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def connect(self, sent=b""):
        """A connection that the server knows, with so much sent to it."""
        it = self._stack.enter_context(socket.create_connection(("127.0.0.1", self._port), CEILING))
        until(lambda: self.channel_of(it))
        if sent:
            it.sendall(sent)
        return it

    def channel_of(self, client):
        """What the server holds for a client, None when it let go of it."""
        there = list(self.server.active_channels.values())
        return next((it for it in there if it.addr == client.getsockname()), None)

    def begin(self, what):
        """A connection that has sent so much of a request, and that the server has read it."""
        it = self.connect(BEGUN[what])
        if BEGUN[what]:
            until(lambda: self.channel_of(it).request)
        if what == "half a body":
            until(lambda: self.channel_of(it).request.headers_finished)
        return it

    def unread(self):
        """A connection that asks for much and fetches none of it."""
        it = self.connect(b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n")
        until(
            lambda: (
                (c := self.channel_of(it)).total_outbufs_len and not c.requests and c.since < inf
            )
        )
        return it


@pytest.fixture
def running():
    with ExitStack() as stack:
        yield Running(stack, LIMITS)


def answered(client):
    """Whether a client is answered when it asks for something small."""
    client.sendall(ALL)
    return read(client).endswith(b"ok")


def read(client):
    """What is sent to a client until it has a small answer whole, or the connection ends."""
    got = b""
    try:
        while not got.endswith(b"ok") and (more := client.recv(65536)):
            got += more
    except ConnectionError:
        pass
    return got


def ended(running, client):
    """Waits until the server has ended a connection."""
    return until(lambda: running.channel_of(client) is None)


# --- Many ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", BEGUN)
def test_pages_lists_and_posts_are_answered_beside_five_hundred_connections(
    open_world, tmp_path, what
):
    (tmp_path / "en").mkdir()
    (tmp_path / "en/index.html").write_text("A page of the site.")
    body = envelopes.write(open_world.sealed())

    with ExitStack() as stack, serving(open_world, tmp_path, clock=lambda: 0.0) as served:
        host, port = served.url.removeprefix("http://").split(":")
        for _ in range(500):
            it = stack.enter_context(socket.create_connection((host, int(port)), CEILING))
            it.sendall(BEGUN[what])
        connection = http.client.HTTPConnection(host, int(port), timeout=CEILING)
        said = []
        for method, path, sent in (
            ("GET", "/en/", None),
            ("GET", "/api/openings", None),
            ("POST", "/api/requests", body),
            ("GET", "/healthz", None),
        ):
            kind = {"Content-Type": "application/json"} if sent else {}
            connection.request(method, path, sent, kind)
            answer = connection.getresponse()
            said.append((answer.status, bool(answer.read())))
        connection.close()

    assert said == [(200, True), (200, True), (201, True), (200, True)]


@pytest.mark.parametrize("what", [*BEGUN, "an unread answer"])
def test_who_is_waited_for_longest_makes_room(running, what):
    def one():
        running.now += 1
        return running.unread() if what == "an unread answer" else running.begin(what)

    waiting = [one() for _ in range(LIMITS.connections)]

    running.now += 1
    late = running.connect()

    assert answered(late)
    assert ended(running, waiting[0])
    assert all(running.channel_of(it) for it in waiting[1:])


def test_who_sends_a_byte_now_and_then_makes_room_before_who_just_came(running):
    """Else the new ones, which have not said anything yet, would go first."""
    first = running.begin("half a line")
    others = []
    for _ in range(LIMITS.connections - 1):
        running.now += 0.1
        others.append(running.connect())
    running.now += 0.1
    seen = len(running.channel_of(first).request.header_plus)
    first.sendall(b"T")
    until(lambda: len(running.channel_of(first).request.header_plus) > seen)

    assert answered(running.connect())
    assert ended(running, first)
    assert all(running.channel_of(it) for it in others)


def test_who_is_being_answered_makes_no_room(running):
    slow = running.connect(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
    assert running.begun.wait(CEILING)
    running.now += 1
    for _ in range(LIMITS.connections):
        running.connect()
    running.now += 1000

    assert answered(running.connect())
    running.goes_on.set()
    assert read(slow).endswith(b"ok")


# --- Slow ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        ("nothing", LIMITS.idle),
        ("half a line", LIMITS.header),
        ("half of the headers", LIMITS.header),
        ("half a body", LIMITS.request),
        ("an unread answer", LIMITS.answer),
    ],
)
def test_who_is_late_is_let_go_of_and_nobody_else(running, what, seconds):
    def one():
        return running.unread() if what == "an unread answer" else running.begin(what)

    early = one()
    running.now += 1
    later = one()
    running.now = seconds + 0.5  # the first is late now, and the second is not

    assert ended(running, early)
    assert running.channel_of(later)


@pytest.mark.parametrize("what", ["half a line", "half of the headers", "half a body"])
def test_sending_a_byte_now_and_then_wins_no_time(running, what):
    slow = running.begin(what)
    for _ in range(3):
        running.now += LIMITS.request / 4
        with suppress(ConnectionError):  # it may be let go of already
            slow.sendall(b"a")
    running.now = LIMITS.request + 1

    assert ended(running, slow)


def test_fetching_a_byte_now_and_then_wins_no_time(running):
    slow = running.unread()
    left = running.channel_of(slow).total_outbufs_len
    running.now += LIMITS.answer - 1
    while running.channel_of(slow).total_outbufs_len == left:
        slow.recv(65536)
    running.now += 2

    assert ended(running, slow)


def test_connection_that_asks_again_in_time_is_kept(running):
    client = running.connect()
    for _ in range(3):
        running.now += LIMITS.idle - 1
        assert answered(client)


def test_slow_answer_of_ours_is_waited_for(running):
    client = running.connect(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
    assert running.begun.wait(CEILING)
    other = running.connect()
    running.now += 1000
    assert ended(running, other)

    running.goes_on.set()

    assert read(client).endswith(b"ok")


# --- Much at once --------------------------------------------------------------------------------


def test_second_request_before_the_first_is_answered_is_not_read(running):
    """Hundreds fit into one packet, and their answers into no memory."""
    client = running.connect(ALL * 100)

    assert ended(running, client)
    assert running.calls == ["/whole"]


def test_one_client_holds_no_thread_with_answers_that_it_does_not_fetch(running):
    for _ in range(local.THREADS):
        running.connect((b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n") * 20)
    until(lambda: running.calls.count("/big") == local.THREADS)

    assert answered(running.connect())


def test_nothing_that_is_sent_or_waits_to_be_fetched_is_written_to_a_file(running, monkeypatch):
    """As waitress does of more than a megabyte: an answer may hold a code."""
    made = []
    monkeypatch.setattr(TempfileBasedBuffer, "newfile", lambda self: made.append(1) or BytesIO())
    body = b"POST /whole HTTP/1.1\r\n" + HOST + b"Content-Length: 262144\r\n\r\n" + b"a" * 262144

    running.unread()

    assert read(running.connect(body)).endswith(b"ok")
    assert made == []


def test_headers_without_end_are_refused(running):
    line = b"X-Long: " + b"a" * connections.HEADER_BYTES + b"\r\n"
    client = running.connect(b"GET / HTTP/1.1\r\n" + line)

    head = client.recv(65536)

    assert head.startswith(b"HTTP/1.0 431 ") and ended(running, client)


def test_nothing_is_logged_for_those_who_wait_for_a_thread(running, caplog):
    waits = [
        running.connect(b"GET /slow HTTP/1.1\r\n" + HOST + b"\r\n")
        for _ in range(local.THREADS + 3)
    ]
    until(lambda: running.calls.count("/slow") == local.THREADS)
    until(lambda: len(running.server.task_dispatcher.queue) == 3)
    running.goes_on.set()

    assert all(read(it).endswith(b"ok") for it in waits)
    assert caplog.records == []


# --- Files ---------------------------------------------------------------------------------------


@contextmanager
def files(monkeypatch, soft, hard, refuses=False):
    """A process that may open so many files."""
    set_to = []

    def setrlimit(_, pair):
        if refuses:
            raise ValueError("not allowed to raise it")
        set_to.append(pair)

    with monkeypatch.context() as patched:
        patched.setattr(resource, "getrlimit", lambda _: (soft, hard))
        patched.setattr(resource, "setrlimit", setrlimit)
        yield set_to


@pytest.mark.parametrize(
    ("soft", "hard", "places", "raised"),
    [
        (1024, 524_288, 1000, [(2128, 524_288)]),
        (1024, resource.RLIM_INFINITY, 1000, [(2128, resource.RLIM_INFINITY)]),
        (1024, 1024, 448, [(1024, 1024)]),
        (256, 256, 64, [(256, 256)]),
        (4096, 4096, 1000, []),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1000, []),
    ],
)
def test_there_are_as_many_places_as_this_process_may_open_files(
    monkeypatch, soft, hard, places, raised
):
    with files(monkeypatch, soft, hard) as set_to:
        assert connections._places(1000) == places
    assert set_to == raised


def test_limit_that_cannot_be_raised_leaves_the_places_that_there_are(monkeypatch):
    with files(monkeypatch, 1024, 524_288, refuses=True):
        assert connections._places(1000) == 448


def test_without_poll_there_are_as_many_places_as_select_takes(monkeypatch):
    monkeypatch.setattr(connections, "_POLLS", False)

    assert connections._places(1000) == 480
