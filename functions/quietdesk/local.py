"""One machine, one process: the built site, the functions and the timer over one store.

The functions get the same HTTP API events as on Lambda. Nothing is logged but what intake logs.
"""

import errno
import logging
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask
from whitenoise import WhiteNoise

from quietdesk import gateway
from quietdesk.errors import QuietdeskError
from quietdesk.intake import Handler
from quietdesk.pages import CHECK, Pages
from quietdesk.web import HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TIMER_SECONDS = 3600
_AT = re.compile(r"/([^/]+)/request/at(?:/.*)?", re.DOTALL)
BODY_BYTES = 64 * 1024  # more than any answer of ours needs; the functions set tighter limits


def application(site: Path, submit: Handler, check: Handler, pages: Pages) -> "WSGIApplication":
    """The WSGI application: `/api/` goes to the functions, all else is a file of the built site,
    or the fixed 404 page. It never raises."""

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if path.startswith("/api/"):
            function = check if path == CHECK else submit
            return gateway.send(function(gateway.event_of(environ), None), environ, start_response)
        if form := _AT.fullmatch(path):
            # A center that the site does not list, or no more: the form with nothing ticked.
            if form[1] in {locale.tag for locale in pages.city.locales}:
                return gateway.send(_moved(f"/{form[1]}/request/"), environ, start_response)
        return gateway.send(_page(404, pages.not_found()), environ, start_response)

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
        except Exception:  # the server would log the path and the text of the exception
            return gateway.send(_page(500, pages.broken()), environ, start_response)

    return guarded


def reserve(host: str, port: int) -> socket.socket:
    """A socket bound to that address. Raises QuietdeskError when it cannot be had."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise QuietdeskError(f"port {port} is in use; choose another with PORT=") from None
        raise QuietdeskError(f"this machine cannot listen on {host}, port {port}") from None


def listen(app: "WSGIApplication", reserved: socket.socket) -> Any:
    """A waitress server on a reserved socket. It quotes nobody and logs nothing of its own."""
    logging.getLogger("waitress").disabled = True
    HTTPChannel.error_task_class = _FixedErrorTask
    return create_server(
        app, sockets=[reserved], threads=4, ident=None, max_request_body_size=BODY_BYTES
    )


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
        except Exception:  # fixed words: an error may name a file, or quote what it holds
            print("quietdesk: the timer failed; it tries again the next time", file=sys.stderr)


class _FixedErrorTask(ErrorTask):  # type: ignore[misc]
    """The answer to what is not HTTP: waitress' own would quote the line it could not read."""

    def execute(self) -> None:
        body = b"Bad request"
        self.status = f"{self.request.error.code} {self.request.error.reason}"
        self.response_headers.extend([*HEADERS.items(), ("Content-Type", "text/plain")])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def _page(status: int, html: str) -> dict[str, Any]:
    headers = {**HEADERS, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
    return {"statusCode": status, "headers": headers, "body": html}


def _moved(path: str) -> dict[str, Any]:
    headers = {**HEADERS, "Cache-Control": "no-store", "Location": path}
    return {"statusCode": 302, "headers": headers, "body": ""}
