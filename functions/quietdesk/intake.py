"""The functions on the internet: HTTP, its headers, and what may be logged.

Nothing here lists or searches envelopes. A log line is a fixed text with a lane, a status and a
duration: never an event, body, header, address, code, id or exception text.
"""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk import keys, request
from quietdesk.city import City
from quietdesk.envelope import Envelope
from quietdesk.errors import (
    BadBundle,
    BadCode,
    BadEnvelope,
    BadSignature,
    Conflict,
    Invalid,
    StoreUnavailable,
)
from quietdesk.keys import Bundle, Epoch, Trust
from quietdesk.pages import Pages
from quietdesk.store import Store

# Sent with every page and every answer, by the local server and by CloudFront alike.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), clipboard-read=(), clipboard-write=(self), display-capture=(), geolocation=(), "
        "microphone=(), payment=(), usb=()"
    ),
}
RETRY_AFTER_SECONDS = 120
FORM_BYTES = 16_384
FORM_VALUES = 100

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_HTML = "text/html; charset=utf-8"
_FORM_FIELDS = {*request.FIELDS, "lang", "step", "code", "week"} - {"opening"}
_STATUS = {
    "too_large": 413,
    "media_type": 415,
    "not_found": 404,
    "conflict": 409,
    "closed": 503,
    "unavailable": 503,
}

# Powertools keeps the event at hand in an attribute of a class, for all functions and threads of a
# process. Lambda calls one at a time; a server with threads must too, or one person would be
# answered with another's form.
_ONE_AT_A_TIME = Lock()

Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]


def submit(
    city: City, pages: Pages, store: Store, trust: Trust, clock: Callable[[], datetime]
) -> Handler:
    """The `submit` function: takes API Gateway HTTP API events (payload 2.0) and answers in that
    format. It never raises: what nobody foresaw is answered with 500 and a fixed page."""
    intake = _Intake(city, pages, store, trust, clock)
    app = APIGatewayHttpResolver()
    log = Logger(service="quietdesk", level="INFO", location=None, timestamp=None)

    @app.post("/api/requests")
    def post_request() -> Response[str]:
        return intake.post(app.current_event.raw_event)

    @app.get("/api/keys/<queue>/<epoch>")
    def get_key(queue: str, epoch: str) -> Response[str]:
        return intake.key(queue, epoch)

    @app.not_found
    def not_found(_: Exception) -> Response[str]:
        return _html(404, pages.not_found())

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def broken(_: Exception) -> Response[str]:
        return _html(500, pages.broken())

    def handle(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        started = time.perf_counter()
        with _ONE_AT_A_TIME:
            try:
                answer: dict[str, Any] = app.resolve(event, context)  # type: ignore[arg-type]
            except Exception:  # an event that is not even HTTP; what it says must reach no log
                answer = {"statusCode": 500, "body": pages.broken(), "isBase64Encoded": False}
                answer["headers"] = {"Content-Type": _HTML}
        answer["headers"] = {**HEADERS, "Cache-Control": "no-store", **answer["headers"]}
        milliseconds = round((time.perf_counter() - started) * 1000)
        log.info("answered", status=answer["statusCode"], milliseconds=milliseconds)
        return answer

    return handle


class _Intake:
    """What the routes do, given what they work with."""

    def __init__(
        self,
        city: City,
        pages: Pages,
        store: Store,
        trust: Trust,
        clock: Callable[[], datetime],
    ):
        self._city = city
        self._pages = pages
        self._store = store
        self._trust = trust
        self._clock = clock

    def key(self, queue: str, week: str) -> Response[str]:
        """The signed bundle of a week, or of the current one."""
        try:
            epoch = self._current() if week == "current" else Epoch.parse(week)
            held = self._store.read(keys.bundle_name(queue, epoch))
            document = None if held is None else held[0].decode()
        except UnicodeDecodeError:  # what was published is damaged
            return self._refused("closed")
        except ValueError:
            return self._refused("not_found")
        except StoreUnavailable:
            return self._refused("unavailable")
        return self._refused("not_found") if document is None else _answer(200, _JSON, document)

    def post(self, event: Mapping[str, Any]) -> Response[str]:
        """A request: the envelope as JSON, or the plain form."""
        kind = str(event.get("headers", {}).get("content-type", "")).partition(";")[0].strip()
        if kind == _FORM:
            return self._plain(event)
        if kind != _JSON:
            return self._refused("media_type")
        try:
            self._store.put(self._admitted(envelopes.read(_body(event, envelopes.WIRE_BYTES))))
        except BadEnvelope as error:
            return self._refused(error.code)
        except Conflict:
            return self._refused("conflict")
        except (BadBundle, BadSignature):
            return self._refused("closed")
        except StoreUnavailable:
            return self._refused("unavailable")
        day = {"look_again": self._look_again().isoformat()}
        return _answer(201, _JSON, json.dumps(day))

    def _admitted(self, envelope: Envelope) -> Envelope:
        """The envelope ready for the store, if it is sealed to the keys in use now."""
        now = self._clock()
        epoch = Epoch.parse(envelope.epoch)
        if envelope.queue != self._city.queue:
            raise BadEnvelope("queue")
        if epoch not in keys.accepted(now, self._city.zone) or envelope.born != envelope.epoch:
            raise BadEnvelope("epoch")
        if envelope.opening:
            raise BadEnvelope("opening")  # none is published yet
        bundle = self._bundle(epoch)
        if {envelope.visit.kid, envelope.contact.kid} != {kid for kid, _ in bundle.keys.values()}:
            raise BadEnvelope("epoch")
        return self._in_lane(envelope, "P")

    def _in_lane(self, envelope: Envelope, lane: str) -> Envelope:
        epoch, born = Epoch.parse(envelope.epoch), Epoch.parse(envelope.born)
        end = keys.expires(epoch, born, self._city.zone, self._city.serve_days)
        return envelopes.admitted(envelope, lane, end)

    def _plain(self, event: Mapping[str, Any]) -> Response[str]:
        """One step of the form for phones without scripts: fill in, read back, send."""
        try:
            typed = _form(_body(event, FORM_BYTES))
        except BadEnvelope as error:
            return _html(_STATUS.get(error.code, 400), self._pages.broken())
        lang = next(iter(typed.pop("lang", [])), "")
        step = next(iter(typed.pop("step", [])), "")
        given = next(iter(typed.pop("code", [])), "")
        week = self._week(next(iter(typed.pop("week", [])), ""))
        if step == "change":
            return _html(200, self._pages.form(lang, typed))
        try:
            asked = request.parse(typed, self._city)
            if step != "send":
                return _html(200, self._pages.review(lang, asked, typed, codes.new(), str(week)))
            code = codes.parse(given)
            self._seal_and_put(asked, code, week)
        except BadCode:
            return _html(400, self._pages.review(lang, asked, typed, codes.new(), str(week)))
        except Invalid as error:
            return _html(400, self._pages.form(lang, typed, error.fields))
        except Conflict:
            return _html(409, self._pages.form(lang, typed, notice="conflict"))
        except (BadBundle, BadSignature):
            return _later(_html(503, self._pages.form(lang, typed, notice="closed")))
        except StoreUnavailable:
            # It may have been kept and only the answer lost: the same code and week go out again.
            page = self._pages.review(lang, asked, typed, code, str(week), "unsure")
            return _later(_html(503, page))
        return _html(201, self._pages.done(lang, code, self._look_again()))

    def _week(self, text: str) -> Epoch:
        """The week that the form was read back in, while it is accepted; else the current one."""
        weeks = keys.accepted(self._clock(), self._city.zone)
        return next((week for week in weeks if str(week) == text), weeks[0])

    def _seal_and_put(self, asked: request.Request, code: str, week: Epoch) -> None:
        secrets = codes.derive(code, self._city.deployment)
        parts = request.pack(asked, secrets.reply)
        envelope = envelopes.seal(parts, self._bundle(week), secrets)
        self._store.put(self._in_lane(envelope, "N"))

    def _bundle(self, epoch: Epoch) -> Bundle:
        held = self._store.read(keys.bundle_name(self._city.queue, epoch))
        if held is None:
            raise BadBundle("stale")
        return keys.verify_bundle(held[0], self._trust, self._city.queue, self._clock(), epoch)

    def _current(self) -> Epoch:
        return keys.epoch_at(self._clock(), self._city.zone)

    def _look_again(self) -> date:
        today = self._clock().astimezone(self._city.zone).date()
        return today + timedelta(days=self._city.answer_by_days)

    def _refused(self, code: str) -> Response[str]:
        body = {"error": code, "phone": self._city.phone}
        status = _STATUS.get(code, 400)
        answer = _answer(status, _JSON, json.dumps(body))
        return _later(answer) if status == 503 else answer


def _body(event: Mapping[str, Any], most: int) -> bytes:
    """The body of an event, at most so many bytes. API Gateway sends form bodies as base64."""
    body = str(event.get("body") or "")
    if len(body) > most * 4 // 3 + 4:
        raise BadEnvelope("too_large")
    try:
        data = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except (binascii.Error, ValueError):
        raise BadEnvelope("malformed") from None
    if len(data) > most:
        raise BadEnvelope("too_large")
    return data


def _form(body: bytes) -> dict[str, list[str]]:
    """The fields of a plain form. A browser showing our page sends no other field."""
    try:
        typed = parse_qs(
            body.decode("ascii"), max_num_fields=FORM_VALUES, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise BadEnvelope("malformed") from None
    if not set(typed) <= _FORM_FIELDS:
        raise BadEnvelope("malformed")
    return typed


def _answer(status: int, kind: str, body: str) -> Response[str]:
    return Response(status_code=status, content_type=kind, body=body, headers={})


def _html(status: int, page: str) -> Response[str]:
    return _answer(status, _HTML, page)


def _later(answer: Response[str]) -> Response[str]:
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
