"""One machine, one process: the built site, the functions and the timer over one store.

The functions' routes are those of Lambda. What goes wrong is written to stderr in the same lines.
"""

import errno
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor

from quietdesk import bundles, log, weeks, wsgi
from quietdesk.connections import LIMITS, Limits, Server
from quietdesk.errors import QuietdeskError, StoreUnavailable
from quietdesk.intake import CHECK, SUBMIT
from quietdesk.intake.answers import answering, not_found
from quietdesk.pages import Pages
from quietdesk.programme import Programme
from quietdesk.web import HEADERS, NO_STORE, Answer, Call, Route, unread
from quietdesk.wsgi import Router

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEALTH = "/healthz"
TIMER_SECONDS = 3600
THREADS = 4
_AT = re.compile(r"/([^/]+)/request/at(?:/.*)?", re.DOTALL)
# Views refuse far less, in a page or a code.
BODY_BYTES = 256 * 1024


def health(_: Call, programme: Programme) -> Answer:
    """Whether the store answers, for who watches over this machine. It counts and names nobody."""
    city = programme.city
    week = weeks.epoch_at(programme.clock(), city.zone)
    try:
        programme.store.read(bundles.name(city.queue, week))
    except StoreUnavailable as error:
        return Answer.of(503, "text/plain", "The store does not answer.").because(error)
    return Answer.of(200, "text/plain", "ok")


def functions(programme: Programme) -> "WSGIApplication":
    """The functions, all routes in one table. Threads answer beside each other: what they share is
    the programme, whose values nobody changes and whose store is made to be shared."""
    routes = [*SUBMIT, *CHECK, Route("GET", HEALTH, health)]
    router, answered = Router(routes), answering(programme)

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def viewed() -> Answer:
            call = wsgi.read(environ)
            view, call = router.find(call) or (not_found, call)
            return view(call, programme)

        return wsgi.send(answered(viewed), environ, start_response)

    return application


def application(site: Path, pages: Pages, functions: "WSGIApplication") -> "WSGIApplication":
    """The WSGI application: `/api/` and the health go to the functions, all else is a file of the
    built site, or the fixed 404 page. It never raises."""

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        # Waitress makes one slash of those at the beginning; an address of ours has one.
        several = str(environ.get("REQUEST_URI", "")).startswith("//")
        if (path.startswith("/api/") or path == HEALTH) and not several:
            return functions(environ, start_response)
        answer = Answer.html(404, pages.not_found())
        if form := _AT.fullmatch(path):
            # A center that the site does not list, or no more: the form with nothing ticked.
            if form[1] in {locale.tag for locale in pages.city.locales}:
                answer = Answer.redirect(302, f"/{form[1]}/request/")
        return wsgi.send(answer.under(NO_STORE), environ, start_response)

    files = WhiteNoise(
        plain,
        root=site,
        index_file=True,
        max_age=60,
        allow_all_origins=False,
    )

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            # Here, so that no answer goes without: WhiteNoise redirects and refuses by itself.
            there = {name.lower() for name, _ in headers}
            more = [(name, text) for name, text in HEADERS.items() if name.lower() not in there]
            return start_response(status, [*headers, *more], exc_info)

        try:
            return files(environ, start)  # type: ignore[no-any-return]
        except Exception as error:  # the server would log the path and the text of the exception
            log.error("answered", error, status=500)
            answer = Answer.html(500, pages.broken()).under(NO_STORE)
            return wsgi.send(answer, environ, start_response)

    return guarded


def reserve(host: str, port: int) -> socket.socket:
    """A socket bound to that address. Raises QuietdeskError when it cannot be had."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise QuietdeskError(f"port {port} is in use; choose another with PORT=") from None
        raise QuietdeskError(f"this machine cannot listen on {host}, port {port}") from None


def listen(
    app: "WSGIApplication",
    reserved: socket.socket,
    limits: Limits = LIMITS,
    clock: Callable[[], float] = time.monotonic,
) -> Server:
    """A waitress server on a reserved socket. It quotes nobody and logs nothing of its own."""
    HTTPChannel.error_task_class = _FixedErrorTask
    return Server(
        app,
        reserved,
        limits,
        clock,
        threads=THREADS,
        max_request_body_size=BODY_BYTES + 1,  # of which waitress refuses the last byte too
    )


def compress(site: Path) -> None:
    """Put a gzip file beside each of the built site that gets smaller: who takes it is sent that.
    Answers of the functions are never compressed, since their size would tell what is in them."""
    compressor = Compressor(use_brotli=False, quiet=True)
    for path in [it for it in site.rglob("*") if it.is_file()]:
        if compressor.should_compress(path.name):
            compressor.compress(str(path))


def serve(server: Any, timer: Callable[[], None], seconds: float = TIMER_SECONDS) -> None:
    """Serve until Ctrl-C or SIGTERM, with the timer beside it every so many seconds."""
    stopping = Event()

    def stop(_: int, __: FrameType | None) -> None:
        raise SystemExit

    beside = Thread(target=again_and_again, args=(timer, stopping, seconds), name="timer")
    beside.start()
    signal.signal(signal.SIGTERM, stop)
    try:
        server.run()
    finally:
        stopping.set()
        server.close()
        beside.join()


def again_and_again(timer: Callable[[], None], stopping: Event, seconds: float) -> None:
    """Call the timer until `stopping`. Whatever it raises, it is called the next time too: keys
    must not outlive their day because a disk was full once."""
    while not stopping.wait(seconds):
        try:
            timer()
        except Exception as error:  # its text may name a file, or quote what it holds
            log.error("the timer failed; it tries again the next time", error)


class _FixedErrorTask(ErrorTask):  # type: ignore[misc]
    """The answer to what is not HTTP: waitress' own would quote the line it could not read."""

    def execute(self) -> None:
        answer = unread(self.request.error.code)
        if raised := sys.exc_info()[1]:  # then this is made while that is being handled
            log.error("answered", raised, status=answer.status)
        self.status = f"{answer.status} {self.request.error.reason}"
        self.response_headers.extend(answer.headers.items())
        self.set_close_on_finish()
        self.content_length = len(answer.body)
        self.write(answer.body)
