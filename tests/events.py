"""API Gateway HTTP API events (payload 2.0) for tests, and the function that answers them."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import unescape
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from quietdesk import events, intake
from quietdesk.events import Handler
from tests import gateway
from tests.world import ASKED, NOON, World

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
OURS = {"Sec-Fetch-Site": "same-origin"}  # what browsers of today say of a form on a page of ours
CLOCK = "x-test-now"  # a header that tells tests/lambda_entry.py the time


def submit(world: World, now: datetime = NOON) -> Handler:
    return events.handler(intake.SUBMIT, world.programme(lambda: now))


def check(world: World, now: datetime = NOON) -> Handler:
    return events.handler(intake.CHECK, world.programme(lambda: now))


def event(
    method: str, path: str, body: bytes = b"", kind: str = "", headers: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The event of one HTTP request."""
    environ = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
    environ |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))} if body or kind else {}
    path, _, query = path.partition("?")
    asked = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query}
    return gateway.event_of({**environ, **asked, "wsgi.input": BytesIO(body)})


def post(
    handler: Handler, body: bytes, kind: str = JSON, said: Mapping[str, str] = OURS
) -> dict[str, Any]:
    return handler(event("POST", "/api/requests", body, kind, said), None)


def get(handler: Handler, path: str) -> dict[str, Any]:
    return handler(event("GET", path), None)


def fill_in(
    handler: Handler,
    step: str,
    lang: str = "en",
    said: Mapping[str, str] = OURS,
    **more: Sequence[str],
) -> dict[str, Any]:
    """One step of the plain form. `said` is what the browser says of who sent it."""
    typed = {**ASKED, "lang": [lang], "step": [step], **more}
    return post(handler, urlencode(typed, doseq=True).encode(), FORM, said)


def post_check(handler: Handler, **values: object) -> dict[str, Any]:
    """What a phone with scripts asks of `check`."""
    body = json.dumps({"v": 1, **values}).encode()
    return handler(event("POST", "/api/requests/check", body, JSON), None)


def by_code(
    handler: Handler,
    step: str,
    code: str,
    lang: str = "en",
    said: Mapping[str, str] = OURS,
    **more: Any,
) -> dict[str, Any]:
    """One step of a phone without scripts."""
    typed = urlencode({"lang": lang, "step": step, "code": code, **more}, doseq=True).encode()
    return handler(event("POST", "/api/requests/check", typed, FORM, said), None)


def sealed_reply(answer: Mapping[str, Any]) -> bytes:
    """The bytes of an answer of `check`."""
    assert answer["isBase64Encoded"]
    return base64.b64decode(answer["body"])


def text(answer: Mapping[str, Any]) -> str:
    """What a person reads in a page: without its tags."""
    return unescape(re.sub(r"<[^>]*>", "", str(answer["body"])))


def visible(answer: Mapping[str, Any]) -> str:
    """The same without what the page hides in its own lines."""
    body = re.sub(r"<(\w+)[^>]* hidden>.*?</\1>", "", str(answer["body"]), flags=re.DOTALL)
    return text({"body": body})


def error(answer: Mapping[str, Any]) -> str:
    assert answer["statusCode"] >= 400, "it was not refused"
    return str(json.loads(answer["body"])["error"])
