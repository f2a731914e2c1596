"""The functions on the internet: HTTP, its headers, and what may be logged.

Nothing here lists or searches envelopes. A log line is a fixed text with a lane, a status and a
duration: never an event, body, header, address, code, id or exception text.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from secrets import token_bytes
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from quietdesk import codes, envelopes, keys, openings, replies, request
from quietdesk.city import City
from quietdesk.codes import Secrets
from quietdesk.envelopes import Envelope
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
from quietdesk.pages import Filled, Offer, Pages
from quietdesk.replies import Reply
from quietdesk.store import Store
from quietdesk.web import HEADERS
from quietdesk.wire import b64, unb64

RETRY_AFTER_SECONDS = 120
FORM_BYTES = 16_384
FORM_VALUES = 100
CHECK_BYTES = envelopes.WIRE_BYTES + 512  # an envelope, and what to do with it
CACHE_SECONDS = 60  # for the times; nobody's data

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_HTML = "text/html; charset=utf-8"
_CALENDAR = "text/calendar; charset=utf-8"
CARRIED = ("lang", "step", "code", "week", "path", "shown")
_FORM_FIELDS = {*request.FIELDS, *CARRIED}
STATUS = {
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

    @app.get("/api/request/<lang>/<path>/")  # as people type it
    @app.get("/api/request/<lang>/<path>")
    def get_form_of(lang: str, path: str) -> Answer:
        return intake.form(lang, path)

    @app.get("/api/request/<lang>/at/<center>")
    def get_form_at(lang: str, center: str) -> Answer:
        return intake.form(lang, "", center)

    return _guarded(app, pages, store)


def check(
    city: City, pages: Pages, store: Store, trust: Trust, clock: Callable[[], datetime]
) -> Handler:
    """The `check` function: see, cancel or move the request of a code. Events as in `submit`."""
    intake = _Check(city, pages, store, trust, clock)
    app = APIGatewayHttpResolver()

    @app.post("/api/requests/check")
    def post_check() -> Answer:
        return intake.post(app.current_event.raw_event)

    return _guarded(app, pages, store)


def _guarded(app: APIGatewayHttpResolver, pages: Pages, store: Store) -> Handler:
    """The handler of an app: with every header, one at a time, silent, and it never raises."""
    log = Logger(service="quietdesk", location=None, timestamp=None)

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
                store.begin()
                answer: dict[str, Any] = app.resolve(event, context)  # type: ignore[arg-type]
            except Exception:  # an event that is not even HTTP; what it says must reach no log
                answer = {"statusCode": 500, "body": pages.broken(), "isBase64Encoded": False}
                answer["headers"] = {"Content-Type": _HTML}
        answer["headers"] = {**HEADERS, "Cache-Control": "no-store", **answer["headers"]}
        milliseconds = round((time.perf_counter() - started) * 1000)
        # In the cloud the log keeps what went wrong only: a line an answer would say when each
        # resident was here.
        say = log.warning if answer["statusCode"] >= 500 else log.info
        say("answered", status=answer["statusCode"], milliseconds=milliseconds)
        return answer

    return handle


@dataclass(frozen=True, slots=True, repr=False)
class _Carried:
    """What the plain form carries beside its fields, as text that anybody may have changed:
    `week` is the one it was read back in, `path` whose times it shows, `shown` the hash of the
    reply that the person saw before moving the request of the code."""

    lang: str
    step: str
    code: str
    week: str
    path: str
    shown: str


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """A request that is in the store, and its reply as the code opens it."""

    envelope: Envelope
    reply: Reply

    @property
    def shown(self) -> str:
        """What tells this reply from any other."""
        return b64(hashlib.sha256(self.envelope.reply).digest())


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
                return _html(STATUS.get(error.code, 400), self._pages.broken())
            carried = _Carried(**{it: _first(typed, it) for it in CARRIED})
            fields = {it: typed[it] for it in typed if it in request.FIELDS}
            return self._by_form(fields, carried)
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

    def _by_form(self, typed: dict[str, list[str]], at: "_Carried") -> Answer:
        raise NotImplementedError

    # --- Envelopes ---

    def _admitted(self, envelope: Envelope, held: str = "") -> Envelope:
        """The envelope in its lane and with its end, if it may come in now; `held` is the opening
        of the request it replaces. Raises BadEnvelope."""
        now, zone = self._clock(), self._city.zone
        if envelope.queue != self._city.queue:
            raise BadEnvelope("queue")
        epoch, born = Epoch.parse(envelope.epoch), Epoch.parse(envelope.born)
        if born not in keys.accepted(now, zone):
            raise BadEnvelope("epoch")
        if envelope.opening:
            if self._offered(envelope.opening, held).epoch != epoch:
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

    def _offered(self, text: str, held: str = "") -> Opening:
        """The opening of that id, if a resident may take it now, or may keep it: `held` is what
        they have, from whomever. Raises BadEnvelope."""
        try:
            opening = Opening.parse(text)
        except ValueError:
            raise BadEnvelope("opening") from None
        if text == held and self._ahead(opening):
            return opening
        if opening not in self._takeable(self._listing(opening.path)[0]):
            raise BadEnvelope("gone")
        return opening

    def _ahead(self, opening: Opening) -> bool:
        return opening.starts(self._city.zone) > self._clock()

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

    def _takeable(self, listing: Listing) -> list[Opening]:
        """What residents may take of a list, as of today's centers.yml."""
        paths = {center.id: center.path for center in self._city.centers}
        takeable = listing.takeable(self._clock(), self._city.zone)
        return [it for it in takeable if paths.get(it.center) == it.path]

    def _free(self, listing: Listing) -> list[Opening]:
        takeable = self._takeable(listing)
        left = self._store.seats([str(opening) for opening in takeable])
        return [opening for opening in takeable if left[str(opening)] > 0]

    def _times(self, path: str) -> list[Opening] | None:
        """The free openings of a path, for a page; None while the store does not answer."""
        try:
            return self._free(self._listing(path)[0])
        except StoreUnavailable:
            return None

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
        status = STATUS.get(code, 400)
        answer = _answer(status, _JSON, json.dumps(body))
        return _later(answer) if status == 503 else answer

    # --- The plain form, for phones without scripts: fill in, read back, send ---

    def _plain(self, typed: dict[str, list[str]], at: _Carried) -> Answer:
        """One step of the form: `change` and `review` show it and read it back, `send` sends it."""
        weeks = keys.accepted(self._clock(), self._city.zone)
        week = next((it for it in weeks if str(it) == at.week), weeks[0])
        path = _path(at.path) or _path_of(_first(typed, "opening"))

        def form(status: int, problems: Mapping[str, str] = {}, notice: str = "") -> Answer:
            return self._form_again(status, Filled(typed, problems, notice), at, path)

        def review(status: int, code: str, notice: str = "", moving: bool = False) -> Answer:
            carried = {"code": code, "week": str(week), "path": path, "shown": at.shown}
            page = self._pages.review(at.lang, asked, typed, carried, notice, moving or self.moving)
            return _html(status, page)

        if at.step == "change":
            return form(200)
        try:
            asked = request.parse(typed, self._city)
            if at.step != "send":
                return review(200, at.code or codes.new())
            code = codes.parse(at.code)
            reply = self._send(asked, code, week, at)
        except BadCode:
            return review(400, codes.new())
        except Invalid as error:
            return form(400, error.fields)
        except (NoSeats, BadEnvelope):
            return form(409, {"opening": "gone"})
        except Conflict as error:
            if self.moving:
                return form(409, notice="changed" if isinstance(error, _Changed) else "kept")
            # Something of this code is there; `check` may put this in its place.
            return review(409, code, "replace", moving=True)
        except (BadBundle, BadSignature):
            return _later(form(503, notice="closed"))
        except StoreUnavailable:
            # It may have been kept and only the answer lost: the same code and week go out again.
            return _later(review(503, code, "unsure"))
        if reply is None:
            # What was typed for a request that is gone makes a new one.
            page = self._pages.form(
                at.lang, Filled(typed, {}, "lost"), Offer(self._times(path), path)
            )
            return _html(409, page)
        return _html(200 if self.moving else 201, self._pages.done(at.lang, code, reply))

    def _form_again(self, status: int, filled: Filled, at: _Carried, path: str) -> Answer:
        held, times = self._standing(at.code), self._times(path)
        keep = held.reply.opening if held else None
        if times is None and not keep and "opening" not in filled.problems:
            keep = _opening(_first(filled.typed, "opening"))  # not dropped because we cannot look
        shown = at.shown
        if held and filled.notice == "changed":
            filled, shown = replace(filled, now=held.reply), held.shown
        carried = {"code": at.code, "week": at.week, "shown": shown}
        page = self._pages.form(
            at.lang,
            filled,
            Offer(times, path, keep if keep and self._ahead(keep) else None),
            {it: value for it, value in carried.items() if value},
            # What was read back under a code may have been sent: only `check` can look.
            self.moving or bool(at.code),
        )
        return _html(status, page)

    def _standing(self, code: str) -> _Held | None:
        """The request that is moved, as far as we can look."""
        return None

    def _send(self, asked: request.Request, code: str, week: Epoch, at: _Carried) -> Reply | None:
        """Seal and store; gives the reply in the envelope. None when there is nothing to move."""
        raise NotImplementedError

    def _seal(
        self, asked: request.Request, secrets: Secrets, born: Epoch, held: str = ""
    ) -> Envelope:
        """The sealed request in its lane. Raises BadEnvelope, BadBundle and BadSignature."""
        if asked.opening:
            self._offered(asked.opening, held)
        epoch, reply = self._first_reply(asked, born)
        parts = request.pack(asked, secrets.reply)
        sealed = envelopes.seal(
            parts, self._bundle(epoch), secrets, asked.opening, born, replies.write(reply)
        )
        return self._in_lane(sealed, "N")

    def _put(self, envelope: Envelope) -> None:
        if envelope.opening:
            self._store.take(envelope)
        else:
            self._store.put(envelope)

    def _first_reply(self, asked: request.Request, born: Epoch) -> tuple[Epoch, Reply]:
        """The week that a request is sealed to, and what its code shows at first."""
        if not asked.opening:
            return born, replies.waiting(self._look_again(born))
        opening = Opening.parse(asked.opening)
        center = self._city.center(opening.center)
        if center is None:
            raise BadEnvelope("gone")
        return opening.epoch, replies.placed(opening, center)


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
            listing, signed, devices = self._listing(path.lower())
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
        path = _path(path)
        try:
            listing = self._listing(path)[0]
            if listing is openings.NOTHING and path:
                path, listing = "", self._listing("")[0]
            free = self._free(listing)
        except StoreUnavailable:  # a page without times, which nobody else should get to see
            return _html(200, self._pages.form(lang, offer=Offer(None, path)))
        if center not in {it.id for it in self._city.listed}:
            center = ""
        return _cached(_html(200, self._pages.form(lang, offer=Offer(free, path, center=center))))

    def _by_script(self, event: Mapping[str, Any]) -> Answer:
        envelope = envelopes.read(_body(event, envelopes.WIRE_BYTES))
        try:
            self._put(self._admitted(envelope))
        except (BadEnvelope, BadBundle, BadSignature):
            # A retry: what was taken in once is answered as before, whatever is offered now.
            if not self._store.kept(envelope.queue, envelope.epoch, envelope.id, envelope.digest):
                raise
        day = {"look_again": self._look_again(Epoch.parse(envelope.epoch)).isoformat()}
        return _answer(201, _JSON, json.dumps(day))

    def _by_form(self, typed: dict[str, list[str]], at: _Carried) -> Answer:
        return self._plain(typed, at)

    def _send(self, asked: request.Request, code: str, week: Epoch, at: _Carried) -> Reply | None:
        secrets = codes.derive(code, self._city.deployment)
        digest = envelopes.digest(request.pack(asked, secrets.reply), secrets)
        try:
            first = Epoch.parse(at.week)
        except ValueError:
            first = week
        if first != week and self._kept(asked, secrets, digest, first):
            return self._first_reply(asked, first)[1]  # sent again after its week was over
        try:
            self._put(self._seal(asked, secrets, week))
        except (BadEnvelope, BadBundle, BadSignature):
            if not self._kept(asked, secrets, digest, week):
                raise
        return self._first_reply(asked, week)[1]

    def _kept(self, asked: request.Request, secrets: Secrets, digest: bytes, born: Epoch) -> bool:
        epoch = self._first_reply(asked, born)[0]
        return self._store.kept(self._city.queue, str(epoch), secrets.id, digest)


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
        shown = unb64(asked["shown"], 32) if "shown" in asked else b""
        return self._move(envelopes.read(json.dumps(asked["envelope"]).encode()), auth, shown)

    def _move(self, fresh: Envelope, auth: bytes, shown: bytes) -> bytes | None:
        """Puts a phone's envelope in the place of the one of its id. `shown` is SHA-256 of the
        reply that the person saw. Raises Conflict when another one stands there."""
        for last in (False, True):
            held = self._find(fresh.id)
            if held is None or not _may(held, auth) or held.auth_hash != fresh.auth_hash:
                return None
            if (held.visit, held.contact) == (fresh.visit, fresh.contact):
                return held.reply  # a retry
            if shown and shown != hashlib.sha256(held.reply).digest():
                raise Conflict("the reply changed since it was read")
            try:
                self._replace(held, self._admitted(fresh, held.opening))
                return fresh.reply
            except Conflict:
                if last:
                    raise
        return None

    def _replace(self, held: Envelope, fresh: Envelope) -> None:
        with suppress(TracesRemain):  # it is done; the next sweep clears the rest
            self._store.replace(held, fresh)

    def _sealed(self, reply: bytes | None) -> Answer:
        """Always 284 bytes: the reply, or as many random ones. Only the code tells which."""
        nothing = token_bytes(envelopes.REPLY_BYTES)  # made in either case: it takes time
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
        """Erase whatever has that id, if `auth` is its secret; whether there was something. A desk
        that wrote at the same time does not keep it alive: it is looked for again, once."""
        erased, met = False, 0
        while (held := self._find(id)) and _may(held, auth):
            try:
                with suppress(TracesRemain):  # it is erased; the next sweep clears the rest
                    self._store.erase(held, stub=True)
                erased = True
            except Conflict:
                met += 1
                if met > 1:
                    raise
        return erased

    # --- Without scripts ---

    def _by_form(self, typed: dict[str, list[str]], at: _Carried) -> Answer:
        try:
            code = codes.parse(at.code)
        except BadCode:
            return _html(400, self._pages.my_request(at.lang, at.code, bad=True))
        if at.step in ("review", "change", "send"):
            return self._plain(typed, replace(at, code=code))
        secrets = codes.derive(code, self._city.deployment)
        try:
            if at.step == "yes":
                state = "cancelled" if self._cancel(secrets.id, secrets.auth) else "nothing"
                return _html(200, self._pages.found(at.lang, state, "", Reply("none")))
            return self._step(at, code, self._held(secrets))
        except Conflict:
            return _html(409, self._pages.my_request(at.lang, code, notice="kept"))
        except StoreUnavailable:
            return _later(_html(503, self._pages.my_request(at.lang, code, notice="not_now")))

    def _step(self, at: _Carried, code: str, held: _Held | None) -> Answer:
        if held is None:
            return _html(200, self._pages.found(at.lang, "nothing", "", Reply("none")))
        reply, opening = held.reply, held.reply.opening
        if at.step == "calendar" and opening:
            answer = _answer(200, _CALENDAR, self._pages.calendar(at.lang, opening))
            answer.headers["Content-Disposition"] = 'attachment; filename="appointment.ics"'
            return answer
        if at.step == "move":
            path = _path_of(str(opening)) if opening else ""
            return self._form_again(200, Filled(), replace(at, code=code, shown=held.shown), path)
        state = "cancel" if at.step == "cancel" else reply.state
        today = self._clock().astimezone(self._city.zone).date()
        return _html(200, self._pages.found(at.lang, state, code, reply, today))

    def _standing(self, code: str) -> _Held | None:
        try:
            return self._held(codes.derive(code, self._city.deployment))
        except StoreUnavailable:
            return None

    def _held(self, secrets: Secrets) -> _Held | None:
        """The request of a code; None when there is none, or none that the code opens."""
        held = self._find(secrets.id)
        sealed = held.reply if held else token_bytes(envelopes.REPLY_BYTES)
        try:
            # Also tried on random bytes, so that known and unknown codes take as long.
            reply = replies.read(envelopes.open_reply(sealed, secrets.reply, secrets.id))
        except CannotOpen:
            return None
        return _Held(held, reply) if held else None

    def _send(self, asked: request.Request, code: str, week: Epoch, at: _Carried) -> Reply | None:
        secrets = codes.derive(code, self._city.deployment)
        wanted = self._first_reply(asked, week)[1]
        for last in (False, True):
            held = self._held(secrets)
            if held is None and not at.shown:  # of a new form that was changed before it was sent
                self._put(self._seal(asked, secrets, week))
                return wanted
            if held is None or not _may(held.envelope, secrets.auth):
                return None
            # Not when it says what this would make of it: then this form was sent before.
            if at.shown not in ("", held.shown) and held.reply != wanted:
                raise _Changed("the desk answered after the person looked")
            try:
                sealed = self._seal(asked, secrets, week, held.envelope.opening)
                self._replace(held.envelope, sealed)
                return wanted
            except Conflict:
                if last:
                    raise
        return None


class _Changed(Conflict):
    """Another reply stands in the store than the one that the person saw."""


def _may(held: Envelope, auth: bytes) -> bool:
    return hmac.compare_digest(held.auth_hash, hashlib.sha256(auth).digest())


def _first(typed: Mapping[str, Sequence[str]], field: str) -> str:
    return next(iter(typed.get(field, ())), "")


def _opening(text: str) -> Opening | None:
    try:
        return Opening.parse(text)
    except ValueError:
        return None


def _path_of(text: str) -> str:
    opening = _opening(text)
    return opening.path if opening and opening.path != DESK else ""


def _path(text: str) -> str:
    """A path as somebody typed it, or none."""
    path = text.strip("/").lower()
    return path if openings.PATH.fullmatch(path) and path != DESK else ""


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
