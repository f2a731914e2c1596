"""The functions on the internet: HTTP, its headers, and what may be logged.

Nothing here lists or searches envelopes. A log line is a fixed text with a lane, a status and a
duration: never an event, body, header, address, code, id or exception text.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets as random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk import keys, openings, request
from quietdesk import reply as replies
from quietdesk.city import City
from quietdesk.code import Secrets, unb64
from quietdesk.envelope import Envelope
from quietdesk.errors import (
    BadBundle,
    BadCode,
    BadEnvelope,
    BadSignature,
    CannotOpen,
    Conflict,
    Invalid,
    NoSeats,
    StoreUnavailable,
    TracesRemain,
)
from quietdesk.keys import Bundle, Epoch, Trust
from quietdesk.openings import DESK, Listing, Opening
from quietdesk.pages import Pages
from quietdesk.reply import Reply
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
CHECK_BYTES = envelopes.WIRE_BYTES + 512  # an envelope, and what to do with it
CACHE_SECONDS = 60  # for the times; nobody's data

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_HTML = "text/html; charset=utf-8"
_CALENDAR = "text/calendar; charset=utf-8"
_FORM_FIELDS = {*request.FIELDS, "lang", "step", "code", "week"}
_STATUS = {
    "too_large": 413,
    "media_type": 415,
    "not_found": 404,
    "conflict": 409,
    "gone": 409,
    "closed": 503,
    "unavailable": 503,
}

# Powertools keeps the event at hand in an attribute of a class, for all functions and threads of a
# process. Lambda calls one at a time; a server with threads must too, or one person would be
# answered with another's form.
_ONE_AT_A_TIME = Lock()

Answer = Response[Any]
Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]


def submit(
    city: City, pages: Pages, store: Store, trust: Trust, clock: Callable[[], datetime]
) -> Handler:
    """The `submit` function: takes API Gateway HTTP API events (payload 2.0) and answers in that
    format. It never raises: what nobody foresaw is answered with 500 and a fixed page."""
    intake = _Submit(city, pages, store, trust, clock)
    app = APIGatewayHttpResolver()

    @app.post("/api/requests")
    def post_request() -> Answer:
        return intake.post(app.current_event.raw_event)

    @app.get("/api/keys/<queue>/<epoch>")
    def get_key(queue: str, epoch: str) -> Answer:
        return intake.key(queue, epoch)

    @app.get("/api/openings")
    def get_openings() -> Answer:
        return intake.openings("")

    @app.get("/api/openings/<path>")
    def get_openings_of(path: str) -> Answer:
        return intake.openings(path)

    @app.get("/api/request/<lang>")
    def get_form(lang: str) -> Answer:
        return intake.form(lang, "")

    @app.get("/api/request/<lang>/<path>")
    def get_form_of(lang: str, path: str) -> Answer:
        return intake.form(lang, path)

    @app.get("/api/request/<lang>/at/<center>")
    def get_form_at(lang: str, center: str) -> Answer:
        return intake.form(lang, "", center)

    return _guarded(app, pages)


def check(
    city: City, pages: Pages, store: Store, trust: Trust, clock: Callable[[], datetime]
) -> Handler:
    """The `check` function: see, cancel or move the request of a code. Events as in `submit`."""
    intake = _Check(city, pages, store, trust, clock)
    app = APIGatewayHttpResolver()

    @app.post("/api/requests/check")
    def post_check() -> Answer:
        return intake.post(app.current_event.raw_event)

    return _guarded(app, pages)


def _guarded(app: APIGatewayHttpResolver, pages: Pages) -> Handler:
    """The handler of an app: with every header, one at a time, silent, and it never raises."""
    log = Logger(service="quietdesk", level="INFO", location=None, timestamp=None)

    @app.not_found
    def not_found(_: Exception) -> Answer:
        return _html(404, pages.not_found())

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def broken(_: Exception) -> Answer:
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
    """What both functions know: the programme, its published documents, and the plain form."""

    moving = False

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

    # --- What both routes do with a POST ---

    def post(self, event: Mapping[str, Any]) -> Answer:
        """What a phone posts: JSON from its script, or a form from a phone without scripts."""
        kind = str(event.get("headers", {}).get("content-type", "")).partition(";")[0].strip()
        if kind == _FORM:
            try:
                typed = _form(_body(event, FORM_BYTES))
            except BadEnvelope as error:
                return _html(_STATUS.get(error.code, 400), self._pages.broken())
            first = (next(iter(typed.pop(it, [])), "") for it in ("lang", "step", "code"))
            return self._by_form(typed, *first)
        if kind != _JSON:
            return self._refused("media_type")
        try:
            return self._by_script(event)
        except BadEnvelope as error:
            return self._refused(error.code)
        except NoSeats:
            return self._refused("gone")
        except Conflict:
            return self._refused("conflict")
        except (BadBundle, BadSignature):
            return self._refused("closed")
        except StoreUnavailable:
            return self._refused("unavailable")

    def _by_script(self, event: Mapping[str, Any]) -> Answer:
        raise NotImplementedError

    def _by_form(self, typed: dict[str, list[str]], lang: str, step: str, given: str) -> Answer:
        raise NotImplementedError

    # --- Envelopes ---

    def _admitted(self, envelope: Envelope) -> Envelope:
        """The envelope in its lane and with its end, if it may come in now. Raises BadEnvelope."""
        now, zone = self._clock(), self._city.zone
        if envelope.queue != self._city.queue:
            raise BadEnvelope("queue")
        epoch, born = Epoch.parse(envelope.epoch), Epoch.parse(envelope.born)
        if born not in keys.accepted(now, zone):
            raise BadEnvelope("epoch")
        if envelope.opening:
            if self._offered(envelope.opening).epoch != epoch:
                raise BadEnvelope("epoch")
        elif epoch != born:
            raise BadEnvelope("epoch")
        bundle = self._bundle(epoch)
        if {envelope.visit.kid, envelope.contact.kid} != {kid for kid, _ in bundle.keys.values()}:
            raise BadEnvelope("epoch")
        return self._in_lane(envelope, "P")

    def _in_lane(self, envelope: Envelope, lane: str) -> Envelope:
        epoch, born = Epoch.parse(envelope.epoch), Epoch.parse(envelope.born)
        end = keys.expires(epoch, born, self._city.zone, self._city.serve_days)
        return envelopes.admitted(envelope, lane, end)

    def _offered(self, text: str) -> Opening:
        """The opening of that id, if a resident may take it now. Raises BadEnvelope."""
        try:
            opening = Opening.parse(text)
        except ValueError:
            raise BadEnvelope("opening") from None
        center = self._city.center(opening.center)
        if center is None or center.path != opening.path:  # as of today's centers.yml
            raise BadEnvelope("gone")
        listing = self._listing(opening.path)[0]
        if opening not in listing.takeable(self._clock(), self._city.zone):
            raise BadEnvelope("gone")
        return opening

    def _listing(self, path: str) -> tuple[Listing, str, str]:
        """The published list of a path, and the two signed documents. Nothing where none is to be
        believed: then the page is the request form."""
        name = openings.listing_name(self._city.queue, path)
        held = None if path == DESK else self._store.read(name)
        devices = self._store.read("devices")
        if held is None or devices is None:
            return openings.NOTHING, "", ""
        try:
            listing = openings.verify_listing(
                held[0], devices[0], self._trust, self._city.queue, path
            )
        except BadSignature:
            return openings.NOTHING, "", ""
        return listing, held[0].decode(), devices[0].decode()

    def _free(self, listing: Listing) -> list[Opening]:
        takeable = listing.takeable(self._clock(), self._city.zone)
        left = self._store.seats([str(opening) for opening in takeable])
        return [opening for opening in takeable if left[str(opening)] > 0]

    def _times(self, path: str) -> list[Opening]:
        """The free openings of a path, for a page; none while the store does not answer."""
        try:
            return self._free(self._listing(path)[0])
        except StoreUnavailable:
            return []

    def _bundle(self, epoch: Epoch) -> Bundle:
        held = self._store.read(keys.bundle_name(self._city.queue, epoch))
        if held is None:
            raise BadBundle("stale")
        return keys.verify_bundle(held[0], self._trust, self._city.queue, self._clock(), epoch)

    def _current(self) -> Epoch:
        return keys.epoch_at(self._clock(), self._city.zone)

    def _look_again(self, epoch: Epoch) -> date:
        city = self._city
        return keys.look_again(
            epoch, self._clock(), city.zone, city.serve_days, city.answer_by_days
        )

    def _refused(self, code: str) -> Answer:
        body = {"error": code, "phone": self._city.phone}
        status = _STATUS.get(code, 400)
        answer = _answer(status, _JSON, json.dumps(body))
        return _later(answer) if status == 503 else answer

    # --- The plain form, for phones without scripts: fill in, read back, send ---

    def _plain(self, typed: dict[str, list[str]], lang: str, step: str, code: str) -> Answer:
        """One step of the form. `code` is what came with it, or a fresh one."""
        week = self._week(next(iter(typed.pop("week", [])), ""))
        path = _path_of(next(iter(typed.get("opening", [])), ""))
        shown = codes.parse(code) if self.moving else ""

        def form(problems: Mapping[str, str] = {}, notice: str = "") -> str:
            times = self._times(path)
            return self._pages.form(lang, typed, problems, notice, times, path, shown)

        def review(code: str, notice: str = "") -> str:
            return self._pages.review(lang, asked, typed, code, str(week), notice, self.moving)

        if step == "change":
            return _html(200, form())
        try:
            asked = request.parse(typed, self._city)
            if step != "send":
                return _html(200, review(code))
            code = codes.parse(code)
            reply = self._keep(asked, code, week)
        except BadCode:
            return _html(400, review(codes.new()))
        except Invalid as error:
            return _html(400, form(error.fields))
        except (NoSeats, BadEnvelope):
            return _html(409, form({"opening": "gone"}))
        except Conflict:
            return _html(409, form(notice="kept" if self.moving else "conflict"))
        except (BadBundle, BadSignature):
            return _later(_html(503, form(notice="closed")))
        except StoreUnavailable:
            # It may have been kept and only the answer lost: the same code and week go out again.
            return _later(_html(503, review(code, "unsure")))
        if reply is None:
            return _html(200, self._pages.found(lang, "nothing", "", Reply("none")))
        return _html(200 if self.moving else 201, self._pages.done(lang, code, reply))

    def _week(self, text: str) -> Epoch:
        """The week that the form was read back in, while it is accepted; else the current one."""
        weeks = keys.accepted(self._clock(), self._city.zone)
        return next((week for week in weeks if str(week) == text), weeks[0])

    def _keep(self, asked: request.Request, code: str, born: Epoch) -> Reply | None:
        """Seal and store; gives the reply in the envelope. None when there is nothing to move."""
        secrets = codes.derive(code, self._city.deployment)
        parts = request.pack(asked, secrets.reply)
        epoch, reply = born, replies.waiting(self._look_again(born))
        if asked.opening:
            opening = self._offered(asked.opening)
            center = self._city.center(opening.center)
            if center is None:
                raise BadEnvelope("opening")
            epoch, reply = opening.epoch, replies.placed(opening, center)
        sealed = envelopes.seal(
            parts, self._bundle(epoch), secrets, asked.opening, born, replies.write(reply)
        )
        return reply if self._store_it(self._in_lane(sealed, "N"), secrets.auth) else None

    def _store_it(self, envelope: Envelope, auth: bytes) -> bool:
        raise NotImplementedError


class _Submit(_Intake):
    """The routes of `submit`: it writes new envelopes and reads public documents."""

    def key(self, queue: str, week: str) -> Answer:
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

    def openings(self, path: str) -> Answer:
        """The signed list of times of a path, the signed list of devices, and which of the times
        have a seat left. An unknown path is answered as one without times."""
        try:
            listing, signed, devices = self._listing(path)
            free = [str(opening) for opening in self._free(listing)]
        except StoreUnavailable:
            return self._refused("unavailable")
        body = {
            "look_again": self._look_again(self._current()).isoformat(),
            "openings": signed,
            "devices": devices,
            "free": free,
        }
        return _cached(_answer(200, _JSON, json.dumps(body)))

    def form(self, lang: str, path: str, center: str = "") -> Answer:
        """The request page with the times that are free now; those of everybody where a path is
        over or never was. A center that the site does not list is not chosen."""
        if lang not in {locale.tag for locale in self._city.locales}:
            return _html(404, self._pages.not_found())
        try:
            listing = self._listing(path)[0]
            if listing is openings.NOTHING and path:
                path, listing = "", self._listing("")[0]
            free = self._free(listing)
        except StoreUnavailable:
            path, free = "", []
        if center not in {it.id for it in self._city.listed}:
            center = ""
        page = self._pages.form(lang, openings=free, path=path, center=center)
        return _cached(_html(200, page))

    def _by_script(self, event: Mapping[str, Any]) -> Answer:
        envelope = envelopes.read(_body(event, envelopes.WIRE_BYTES))
        self._store_it(self._admitted(envelope), b"")
        day = {"look_again": self._look_again(Epoch.parse(envelope.epoch)).isoformat()}
        return _answer(201, _JSON, json.dumps(day))

    def _by_form(self, typed: dict[str, list[str]], lang: str, step: str, given: str) -> Answer:
        return self._plain(typed, lang, step, given if step == "send" else codes.new())

    def _store_it(self, envelope: Envelope, auth: bytes) -> bool:
        if envelope.opening:
            self._store.take(envelope)
        else:
            self._store.put(envelope)
        return True


class _Check(_Intake):
    """The routes of `check`: it finds one envelope by its id, never more."""

    moving = True

    def _by_script(self, event: Mapping[str, Any]) -> Answer:
        """See, cancel or move, with what derives from the code."""
        try:
            return self._sealed(self._do(json.loads(_body(event, CHECK_BYTES))))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadEnvelope("malformed") from None

    def _do(self, asked: Mapping[str, Any]) -> bytes | None:
        """The reply that stands in the store after it, or None when there is nothing."""
        if type(asked["v"]) is not int or asked["v"] != 1:
            raise BadEnvelope("version")
        if asked["do"] == "see":
            held = self._find(unb64(asked["id"], 16))
            return held.reply if held else None
        auth = unb64(asked["auth"], 32)
        if asked["do"] == "cancel":
            id = unb64(asked["id"], 16)
            self._cancel(id, auth)
            held = self._find(id)
            return held.reply if held else None
        if asked["do"] != "move":
            raise BadEnvelope("malformed")
        fresh = envelopes.read(json.dumps(asked["envelope"]).encode())
        return fresh.reply if self._store_it(self._admitted(fresh), auth) else None

    def _sealed(self, reply: bytes | None) -> Answer:
        """Always 284 bytes: the reply, or as many random ones. Only the code tells which."""
        nothing = random.token_bytes(envelopes.REPLY_BYTES)  # made in either case: it takes time
        body = reply if reply is not None and len(reply) == len(nothing) else nothing
        return Response(
            status_code=200, content_type="application/octet-stream", body=body, headers={}
        )

    def _find(self, id: bytes) -> Envelope | None:
        """The envelope of that id in any live week: one question, whether there is one or not."""
        now = self._clock()
        weeks = [str(it) for it in keys.live(now, self._city.zone, self._city.serve_days)]
        return self._store.find(self._city.queue, id, weeks, now)

    def _cancel(self, id: bytes, auth: bytes) -> bool:
        """Erase it, if `auth` is its secret; whether there was one to erase. A desk that wrote at
        the same time does not keep it alive: it is looked for again, once."""
        for last in (False, True):
            held = self._find(id)
            if held is None or not _may(held, auth):
                return False
            try:
                with suppress(TracesRemain):  # it is erased; the next sweep clears the rest
                    self._store.erase(held, stub=True)
                return True
            except Conflict:
                if last:
                    raise
        return False

    def _store_it(self, envelope: Envelope, auth: bytes) -> bool:
        """Puts the envelope in the place of the one of its id. False when there is none."""
        held = self._find(envelope.id)
        if held is None or not _may(held, auth) or held.auth_hash != envelope.auth_hash:
            return False
        with suppress(TracesRemain):
            self._store.replace(held, envelope)
        return True

    # --- Without scripts ---

    def _by_form(self, typed: dict[str, list[str]], lang: str, step: str, given: str) -> Answer:
        try:
            code = codes.parse(given)
        except BadCode:
            return _html(400, self._pages.my_request(lang, given, bad=True))
        if step in ("review", "change", "send"):
            return self._plain(typed, lang, step, code)
        try:
            return self._step(lang, step, code, codes.derive(code, self._city.deployment))
        except Conflict:
            return _html(409, self._pages.my_request(lang, code, notice="kept"))
        except StoreUnavailable:
            return _later(_html(503, self._pages.my_request(lang, code, notice="not_now")))

    def _step(self, lang: str, step: str, code: str, secrets: Secrets) -> Answer:
        if step == "yes":
            state = "cancelled" if self._cancel(secrets.id, secrets.auth) else "nothing"
            return _html(200, self._pages.found(lang, state, "", Reply("none")))
        held = self._find(secrets.id)
        sealed = held.reply if held else random.token_bytes(envelopes.REPLY_BYTES)
        try:
            # Also tried on random bytes, so that known and unknown codes take as long.
            reply = replies.read(envelopes.open_reply(sealed, secrets.reply, secrets.id))
        except CannotOpen:
            return _html(200, self._pages.found(lang, "nothing", "", Reply("none")))
        if step == "calendar" and reply.opening:
            answer = _answer(200, _CALENDAR, self._pages.calendar(lang, reply.opening))
            answer.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
            return answer
        if step == "move":
            path = reply.opening.path if reply.opening and reply.opening.path != DESK else ""
            page = self._pages.form(lang, openings=self._times(path), path=path, code=code)
            return _html(200, page)
        state = "cancel" if step == "cancel" else reply.state
        return _html(200, self._pages.found(lang, state, code, reply))


def _may(held: Envelope, auth: bytes) -> bool:
    return hmac.compare_digest(held.auth_hash, hashlib.sha256(auth).digest())


def _path_of(opening: str) -> str:
    try:
        return Opening.parse(opening).path
    except ValueError:
        return ""


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


def _cached(answer: Answer) -> Answer:
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return answer


def _answer(status: int, kind: str, body: str) -> Answer:
    return Response(status_code=status, content_type=kind, body=body, headers={})


def _html(status: int, page: str) -> Answer:
    return _answer(status, _HTML, page)


def _later(answer: Answer) -> Answer:
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
