"""One machine, one process: the built site, the functions and the timer over one store.

The functions get the same HTTP API events as on Lambda. Nothing is logged but what intake logs.
"""

import base64
import logging
import signal
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.headers import Headers

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask
from whitenoise import WhiteNoise

from quietdesk.errors import QuietdeskError
from quietdesk.intake import HEADERS, Handler
from quietdesk.pages import Pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TIMER_SECONDS = 3600
BODY_BYTES = 64 * 1024  # more than any answer of ours needs; the functions set tighter limits


def application(site: Path, submit: Handler, pages: Pages) -> "WSGIApplication":
    """The WSGI application: `/api/` goes to the function, all else is a file of the built site,
    or the fixed 404 page. It never raises."""

    def plain(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if str(environ["PATH_INFO"]).startswith("/api/"):
            answer = submit(event_v2(environ), None)
            return _send(answer, environ, start_response)
        return _send(_page(404, pages.not_found()), environ, start_response)

    def add_headers(headers: Headers, path: str, url: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value

    files = WhiteNoise(
        plain,
        root=site,
        index_file=True,
        max_age=60,
        allow_all_origins=False,
        add_headers_function=add_headers,
    )

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            return files(environ, start_response)  # type: ignore[no-any-return]
        except Exception:  # the server would log the path and the text of the exception
            return _send(_page(500, pages.broken()), environ, start_response)

    return guarded


def event_v2(environ: "WSGIEnvironment") -> dict[str, Any]:
    """An API Gateway HTTP API event, payload format 2.0, as AWS documents it: header names in
    lower case, form bodies in base64, no address of the caller."""
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.lower().replace("_", "-")] = environ[name]
    body = environ.get("wsgi.input", BytesIO()).read(int(environ.get("CONTENT_LENGTH") or 0))
    text = headers.get("content-type", "").startswith(("application/json", "text/"))
    try:
        decoded, is_base64 = (body.decode(), False) if text else ("", True)
    except UnicodeDecodeError:
        is_base64 = True
    path = unquote(str(environ["PATH_INFO"]))
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": headers,
        "requestContext": {
            "http": {"method": environ["REQUEST_METHOD"], "path": path, "protocol": "HTTP/1.1"},
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode() if is_base64 else decoded,
        "isBase64Encoded": is_base64,
    }


def listen(app: "WSGIApplication", host: str, port: int) -> Any:
    """A waitress server that accepts connections. Raises QuietdeskError when the port is taken."""
    logging.getLogger("waitress").disabled = True
    HTTPChannel.error_task_class = _FixedErrorTask
    try:
        return create_server(
            app, host=host, port=port, threads=4, ident=None, max_request_body_size=BODY_BYTES
        )
    except OSError:
        raise QuietdeskError(f"port {port} is in use; choose another with PORT=") from None


def serve(server: Any, timer: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, with the timer once an hour beside it."""
    stopping = Event()

    def run_timer() -> None:
        while not stopping.wait(TIMER_SECONDS):
            timer()

    def stop(_: int, __: FrameType | None) -> None:
        raise SystemExit

    beside = Thread(target=run_timer, name="timer")
    beside.start()
    signal.signal(signal.SIGTERM, stop)
    try:
        server.run()
    finally:
        stopping.set()
        server.close()
        beside.join()


class _FixedErrorTask(ErrorTask):  # type: ignore[misc]
    """The answer to what is not HTTP: waitress' own would quote the line it could not read."""

    def execute(self) -> None:
        body = b"Bad request"
        self.status = "400 Bad Request"
        self.response_headers.extend([*HEADERS.items(), ("Content-Type", "text/plain")])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def _page(status: int, html: str) -> dict[str, Any]:
    headers = {**HEADERS, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"}
    return {"statusCode": status, "headers": headers, "body": html}


def _send(
    answer: Mapping[str, Any], environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    body = str(answer["body"]).encode()
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body)
    headers = [(name, str(value)) for name, value in answer["headers"].items()]
    headers.append(("Content-Length", str(len(body))))
    start_response(
        f"{answer['statusCode']} {_REASONS.get(answer['statusCode'], 'Answer')}", headers
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


_REASONS = {200: "OK", 201: "Created", 404: "Not Found", 503: "Service Unavailable"}
