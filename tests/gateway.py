"""API Gateway, played for tests: HTTP becomes an event, and what is returned becomes HTTP.

The event is that of HTTP APIs, payload format 2.0; a WSGI server stands in for AWS.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from quietdesk.events import Handler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_JSON = "application/json"
_TEXT = {_JSON, "application/javascript", "application/xml"}  # and text/*


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to the caller. A name may stand in `headers` twice: each cookie is a header."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


FAILED = Answer(500, (("Content-Type", _JSON),), b'{"message":"Internal Server Error"}')


def event_v2(
    method: str, path: str, query: str, headers: Iterable[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """The event of a request. The path is without its percent signs, the query is as it was sent.

    Cookies stand apart from the headers; what there is none of is not in the event. A body that is
    not text, or that says it is and is not UTF-8, is in base64.
    """
    joined: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    cookies = [part for cookie in joined.pop("cookie", "").split(";") if (part := cookie.strip())]
    asked: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        asked[name] = f"{asked[name]},{value}" if name in asked else value
    text = _text(body, joined.get("content-type", ""))
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        **({"cookies": cookies} if cookies else {}),
        "headers": joined,
        **({"queryStringParameters": asked} if asked else {}),
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                # AWS says here who called. We have no use for it, so it is not even in memory:
                # what is not there can be neither logged nor asked for.
                "sourceIp": "",
                "userAgent": "",
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        **({"body": base64.b64encode(body).decode() if text is None else text} if body else {}),
        "isBase64Encoded": bool(body) and text is None,
    }


def answer_v2(result: Any) -> Answer:
    """The answer that AWS makes of what a function returned, if it can be written as JSON.

    Without a `statusCode` the whole result is the body of a 200. FAILED if the result is not in the
    format.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        result = {
            "statusCode": 200,
            "headers": {"Content-Type": _JSON},
            "body": result if isinstance(result, str) else json.dumps(result),
        }
    try:
        status, body = int(result["statusCode"]), result.get("body") or ""
        headers = [(str(name), str(value)) for name, value in (result.get("headers") or {}).items()]
        headers += [("Set-Cookie", str(cookie)) for cookie in result.get("cookies") or []]
        encoded = result.get("isBase64Encoded")
        data = base64.b64decode(body, validate=True) if encoded else body.encode()
    except (AttributeError, TypeError, ValueError):
        return FAILED
    if not 200 <= status <= 599:
        return FAILED
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "text/plain; charset=utf-8"))
    return Answer(status, tuple(headers), data)


def event_of(environ: "WSGIEnvironment") -> dict[str, Any]:
    """The event of a WSGI request. Repeated headers have been joined by the server already."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-"), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    ]
    body = environ.get("wsgi.input", BytesIO()).read(int(environ.get("CONTENT_LENGTH") or 0))
    # WSGI gives the bytes of the path as if they were Latin-1, with the percent signs resolved.
    path = str(environ["PATH_INFO"]).encode("latin-1").decode(errors="replace")
    method = str(environ["REQUEST_METHOD"])
    return event_v2(method, path, str(environ.get("QUERY_STRING", "")), headers, body)


def application(function: Handler) -> "WSGIApplication":
    """A function behind API Gateway, as a WSGI application."""

    def asked(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return send(function(event_of(environ), None), environ, start_response)

    return asked


def send(
    result: Any, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Answer a WSGI request with what a function returned."""
    answer = answer_v2(result)
    length = ("Content-Length", str(len(answer.body)))
    start_response(f"{answer.status} {reason(answer.status)}", [*answer.headers, length])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


def reason(status: int) -> str:
    """The words that go with a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Answer"


def _text(body: bytes, kind: str) -> str | None:
    """The body as text, if it is of a kind that travels as text."""
    media = kind.partition(";")[0].strip().lower()
    if media not in _TEXT and not media.startswith("text/"):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
