"""The desk's console: a web page that a staff computer serves to itself, and to nobody else.

What is opened lives in one object in this process's memory, and locking lets go of it. Nothing
readable is written to disk, into an address, a cookie or a log.
"""

import base64
import gc
import hmac
import re
import secrets
import webbrowser
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from quietdesk import code as codes
from quietdesk import gateway, keys, local
from quietdesk.city import City
from quietdesk.envelope import Envelope
from quietdesk.errors import (
    BadBundle,
    BadKeyring,
    BadSetting,
    BadSignature,
    CannotOpen,
    Conflict,
    Invalid,
    KeyDestroyed,
    NoKeyring,
    NoSeats,
    NotAdmitted,
    OpeningMismatch,
    QuietdeskError,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TooLong,
    TooOld,
    TracesRemain,
    WrongPassphrase,
)
from quietdesk.intake import HEADERS
from quietdesk.keys import WEEKS_AHEAD, Epoch
from quietdesk.openings import Listing, Opening
from quietdesk.pages import PARTS, QUESTIONS, Pages, Words
from quietdesk.request import ANY, DAYS, FIELDS, PARTS_OF_DAY, WINDOWS
from quietdesk.staff import ceremony, desk, queue
from quietdesk.staff.desk import Desk, Opened
from quietdesk.staff.keyring import Keyring
from quietdesk.staff.queue import Filter
from quietdesk.staff.schedule import Schedule
from quietdesk.store import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_LOCK_MINUTES = 30
ROWS = 50  # requests on a page
AT_ONCE = 20  # so many are answered without a page that shows the progress
TIMES = 30  # times to choose from, for one request
OTHER_TIMES = 60  # further ones on the request's own page, and on that for who is on the telephone
TICK_SECONDS = 1.0
FORM_VALUES = 2000

# What can become of a request without a time. Any other answer is the id of an opening.
WAIT, NONE, ERASE, LEAVE = "wait", "none", "erase", "leave"

# What went wrong, and what to do. The first class in an error's ancestry that stands here counts.
SAID: dict[type[Exception], tuple[str, str]] = {
    WrongPassphrase: (
        "The passphrase does not unlock this computer’s keyring.",
        "Type it again.",
    ),
    NoKeyring: (
        "There is no keyring on this computer.",
        "Stop the desk and make one with: quietdesk device new",
    ),
    BadKeyring: (
        "This computer’s keyring is damaged, or made for another programme.",
        "Stop the desk and make a new one with: quietdesk device new",
    ),
    NotAdmitted: (
        "Custodians have not admitted this computer yet.",
        "Read its words to a custodian, who admits it.",
    ),
    BadSetting: (
        "A setting of this computer is not right.",
        "Stop the desk. The settings are listed in docs/operations.md.",
    ),
    NoSeats: (
        "That time has no free seat any more. Nothing was changed.",
        "Choose another time.",
    ),
    Conflict: (
        "Somebody else changed this meanwhile. Nothing of theirs was overwritten.",
        "Look at it again, and repeat what is still needed.",
    ),
    TooOld: (
        "The request would be destroyed before that day. Nothing was changed.",
        "Find an earlier place for it, or answer that there is none.",
    ),
    BadSignature: (
        "Something in the store is not signed by whom it must be. Nothing was changed.",
        "Stop working and tell a custodian.",
    ),
    BadBundle: (
        "The key of that week cannot be used. Nothing was changed.",
        "Choose another week, and tell a custodian.",
    ),
    CannotOpen: (
        "There is no key for that week. Nothing was changed.",
        "Choose an earlier time. Custodians make keys with: quietdesk keys mint",
    ),
    TracesRemain: (
        "It was done. Erased bytes stay in the file of the store while somebody reads it.",
        "The next hourly sweep clears them.",
    ),
    StoreBusy: (
        "The store is busy. Nothing was changed.",
        "Try again in a moment.",
    ),
    StoreRefused: (
        "The cloud does not accept your sign-in any more. Nothing was changed.",
        "Sign in again, then repeat what you did.",
    ),
    StoreUnavailable: (
        "The store does not answer. Nothing was changed.",
        "Check the disk and the network, then try again.",
    ),
    OSError: (
        "A file of this computer cannot be read or written.",
        "Check the disk, then try again.",
    ),
    Exception: (
        "This did not work, and it is not your mistake.",
        "Go back to the queue and look whether it was done.",
    ),
}

# Why a request does not open. Nothing in these words comes from the request itself.
REASONS = {
    "destroyed": "the key of its week is destroyed; the person has to ask again",
    "moved": "the time outside is not the one inside; somebody may have changed it",
    "twice": "it was sent in two weeks; the first one is shown",
    "the key does not open this": "it is damaged, or was not locked by our page",
    "the parts do not hold a request": "what is inside is not a request of our form",
    "this week's keys were made before this device was admitted": (
        "its week’s keys were made before this computer was admitted"
    ),
    "this device has no key for that week": "this computer has no key for its week",
    "its row in the store is damaged": "its row in the store is damaged",
    "": "it does not open on this computer",
}

# Why one of many requests was not answered as asked.
TROUBLES = {
    "gone": "It is not there any more: the person cancelled it, or somebody erased it.",
    "changed": "Somebody else changed it meanwhile. Nothing of theirs was overwritten; "
    "the queue shows it as it is now.",
    "seat": "That time has no free seat any more. The request is as it was.",
    "too_old": "It would be destroyed before that day. Find an earlier place, or answer that there "
    "is none.",
    "no_key": "There is no key for the week of that visit yet. The request is as it was.",
    "too_long": "It is too long to be changed. Nothing was changed.",
}

LANES = {
    "V": "vouched for",
    "P": "locked on their phone",
    "K": "entered by staff",
    "N": "sent without a script",
}
STATES = {"waiting": "Waiting", "placed": "Has a place", "none": "No place"}
REACH_BY = {"text": "Text message", "call": "Call", "voicemail": "Voice message"}
NOTICES = {
    "locked": "The desk was locked. Nothing was changed.",
    "old": "That page was an old one. Nothing was changed; this is how it stands.",
    "nobody": "No request was chosen. Tick some first.",
    "no_day": "Choose a center and a day.",
    "published": "Published.",
    "form": "What was sent could not be read. Nothing was changed.",
}
REFUSED = {
    403: "Only a page of this desk, on this computer, may ask for that.",
    404: "There is no page at this address.",
}

Form = Mapping[str, Sequence[str]]
Steps = Generator[None, None, None]
Answer = Response[str]

_HTML = "text/html; charset=utf-8"
_ASSETS = {"desk.css": "text/css; charset=utf-8", "desk.js": "text/javascript; charset=utf-8"}
# `no-referrer` would make browsers send `Origin: null` with our own forms. To others nothing goes.
_HEADERS = {**HEADERS, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
# Asking for these is no sign that somebody is there: pages do so by themselves.
_UNTOUCHED = {"/look"}
# Somebody on the telephone does not wait for work in the background.
_BESIDE = {"/enter", "/again", "/slip", "/touch"}
# What is shown once stays for these: a browser may ask for it again.
_SHOWING = {"/look", "/slip", "/touch", "/enter", "/again"}


def shown(text: str) -> Markup:
    """A resident's text as a page may show it: apart from what is around it, and without controls
    and marks that reorder or hide. Joiners stay, since Bengali and Urdu need them."""
    kept = (it if it.isprintable() or it in "\u200c\u200d" else "\ufffd" for it in text)
    return Markup('<bdi class="told">{}</bdi>').format("".join(kept))


def run(console: "Console", open_browser: bool) -> None:
    """Serve the console on a free port of this computer until Ctrl-C, then lock it."""
    token = secrets.token_urlsafe(32)
    stopping = Event()
    beside = Thread(target=local.every_hour, args=(console.tick, stopping, TICK_SECONDS))
    with local.reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        server = local.listen(console.app(token, port), reserved)
        address = f"http://127.0.0.1:{port}/{token}/"
        print(f"The desk is open at {address}")
        print("Only this computer reaches it. Ctrl-C locks it and stops.", flush=True)
        beside.start()
        try:
            if open_browser:
                webbrowser.open(address)
            local.serve(server, console.tick)
        finally:
            stopping.set()
            beside.join()
            console.close()


class Console:
    """The console of one staff computer. `unlock` gives the keyring for a passphrase, without the
    keys of ended weeks, or raises WrongPassphrase or another QuietdeskError; `keyring_path` is
    where the keyring is saved when it gets keys for coming weeks."""

    def __init__(
        self,
        store: Store,
        city: City,
        keyring_path: Path,
        unlock: Callable[[str], Keyring],
        clock: Callable[[], datetime],
        lang: str = "en",
    ):
        self._store = store
        self._city = city
        self._keyring_path = keyring_path
        self._unlock = unlock
        self._clock = clock
        self._idle = timedelta(minutes=min(city.lock_minutes, MOST_LOCK_MINUTES))
        self._session: _Session | None = None
        self._refusal = ("", "")
        # One request at a time: Powertools keeps the event at hand in an attribute of a class, and
        # work in the background changes what pages show.
        self._guard = RLock()
        self._worker = ThreadPoolExecutor(1, "desk")
        self._call = _Call("", {}, {})
        self._view = _View(city, lang)
        self._resolver = self._routes()

    def app(self, token: str, port: int) -> "WSGIApplication":
        """The WSGI application, for that port of this computer. Every address begins with the
        token, so that no other program or page knows one. It never raises."""
        self._view.base = f"/{token}"
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

        def application(
            environ: "WSGIEnvironment", start_response: "StartResponse"
        ) -> Iterable[bytes]:
            result = self._answer(gateway.event_of(environ), token, hosts)
            return gateway.send(result, environ, start_response)

        return application

    @property
    def locked(self) -> bool:
        """Whether nothing is readable here."""
        return self._session is None

    def lock(self) -> None:
        """Let go of the keyring and of everything that was opened."""
        with self._guard:
            if self._session:
                self._session.over = True  # work in the background stops at the next request
            self._session = None
        gc.collect()  # now, not some time later: errors and their traces refer to each other

    def tick(self) -> None:
        """Lock when nobody has touched the desk for so long, and on a key day: no open desk keeps
        what is destroyed."""
        with self._guard:
            session, now = self._session, self._clock()
            if session and (now - session.touched >= self._idle or now >= session.key_day):
                self.lock()

    def close(self) -> None:
        """Lock, and stop the work in the background."""
        self.lock()
        self._worker.shutdown()

    # --- From the socket to a view ---------------------------------------------------------------

    def _routes(self) -> APIGatewayHttpResolver:
        resolver = APIGatewayHttpResolver()
        views: Mapping[tuple[str, str], Callable[[_Session, _Call], Answer]] = {
            ("GET", "/"): self._queue,
            ("GET", "/look"): self._look,
            ("POST", "/touch"): lambda _, __: Response(status_code=204, body=""),
            ("POST", "/pull"): self._pull,
            ("POST", "/request"): self._request,
            ("POST", "/contact"): self._request,
            ("POST", "/answer"): self._answer_requests,
            ("POST", "/sure"): self._sure,
            ("POST", "/propose"): self._propose,
            ("POST", "/accept"): self._accept,
            ("GET", "/openings"): self._openings,
            ("POST", "/publish"): self._publish,
            ("POST", "/closing"): self._closing,
            ("GET", "/enter"): self._enter_form,
            ("POST", "/enter"): self._enter,
            ("GET", "/again"): self._enter_again,
            ("GET", "/slip"): self._slip,
        }
        for (method, path), view in views.items():
            resolver.route(path, method)(self._unlocked_only(view))
        for name, kind in _ASSETS.items():
            text = files("quietdesk.staff").joinpath("assets", name).read_text("utf-8")
            resolver.route(f"/assets/{name}", "GET")(_fixed(kind, text))
        resolver.route("/unlock", "POST")(self._unlock_with)
        resolver.route("/lock", "POST")(self._lock)

        @resolver.not_found
        def not_found(_: Exception) -> Answer:
            return self._refused(404)

        @resolver.exception_handler(Exception)  # type: ignore[untyped-decorator]
        def broken(error: Exception) -> Answer:
            return self._problem(error)

        return resolver

    def _answer(self, event: dict[str, Any], token: str, hosts: set[str]) -> dict[str, Any]:
        with self._guard:
            try:
                self.tick()
                answer = self._admitted(event, token, hosts)
            except Exception as error:  # the server would print it, with what it holds
                answer = self._written(self._problem(error))
            finally:
                self._call = _Call("", {}, {})
        answer["headers"] = {**answer["headers"], **_HEADERS}
        return answer

    def _admitted(self, event: dict[str, Any], token: str, hosts: set[str]) -> dict[str, Any]:
        """The answer to a request from a page of ours; a refusal for any other."""
        headers, path = event["headers"], str(event["rawPath"]).removeprefix("/")
        host, origin = headers.get("host", ""), headers.get("origin")
        method = event["requestContext"]["http"]["method"]
        given, _, rest = path.partition("/")
        if host not in hosts or (origin is not None and origin != f"http://{host}"):
            return self._written(self._refused(403))
        if not hmac.compare_digest(given.encode(), token.encode()):
            return self._written(self._refused(404))
        same = origin is not None or headers.get("sec-fetch-site") == "same-origin"
        if method == "POST" and not same:
            return self._written(self._refused(403))
        try:
            self._call = _Call(f"/{rest}", _query(event), _form(event))
        except ValueError:
            page = self._page("problem.html", 400, what=NOTICES["form"], next="", retry=False)
            return self._written(page)
        # Powertools would hold the body, with a passphrase or a name, until the next one.
        event = {**event, "rawPath": f"/{rest}", "body": "", "isBase64Encoded": False}
        answer: dict[str, Any] = self._resolver.resolve(event, None)  # type: ignore[arg-type]
        return answer

    def _unlocked_only(self, view: Callable[["_Session", "_Call"], Answer]) -> Callable[[], Answer]:
        def answer() -> Answer:
            session, call = self._session, self._call
            if session is None:
                return self._locked_page(call.path not in ("/", "/look"))
            if call.path not in _UNTOUCHED:
                session.touched = self._clock()
            if session.job and session.job.running and call.path not in _BESIDE:
                return self._page("progress.html", job=session.job)
            if call.path not in _SHOWING:
                session.job = session.entered = session.draft = None
            return view(session, call)

        return answer

    def _unlock_with(self) -> Answer:
        typed = _one(self._call.form, "passphrase")
        try:
            keyring = self._unlock(typed)
        except (QuietdeskError, OSError) as error:
            self._refusal = _said(error)
            return self._to("/")
        session = _Session(self._store, self._city, keyring, self._guard, self._clock)
        self.lock()
        self._session = session
        return self._pull(session, self._call)

    def _lock(self) -> Answer:
        self.lock()
        return self._to("/")

    # --- Views -----------------------------------------------------------------------------------

    def _look(self, session: "_Session", call: "_Call") -> Answer:
        job = session.job
        if job and job.error:
            return self._problem(job.error, retry=job.kind == "pull")
        if job and job.outcome:
            return self._page("outcome.html", outcome=job.outcome)
        return self._queue(session, _Call("/", {}, {}))

    def _pull(self, session: "_Session", call: "_Call") -> Answer:
        job = _Job("pull")
        return self._start(session, job, session.pull(job, self._keyring_path), AT_ONCE + 1)

    def _queue(self, session: "_Session", call: "_Call", notice: str = "") -> Answer:
        now = self._clock()
        taken = self._view.filter(call.query)
        everything = session.ordered(now)
        matching = [item for item in everything if taken.takes(item)]
        pages = max(1, -(-len(matching) // ROWS))
        page = _number(_one(call.query, "page"), pages)
        kept = self._view.filter_values(taken)
        due = queue.due(everything, now)
        return self._page(
            "queue.html",
            notice=notice,
            session=session,
            rows=matching[(page - 1) * ROWS : page * ROWS],
            matching=len(matching),
            total=len(everything),
            kept=kept,
            address=f"{self._view.base}/?{urlencode({**kept, 'page': ''})}",
            first=(page - 1) * ROWS + 1,
            page=page,
            pages=pages,
            near=_near(page, pages),
            due=sorted(Counter(queue.ends(item, self._city) for item in due).items()),
        )

    def _request(self, session: "_Session", call: "_Call") -> Answer:
        item = session.items.get(_one(call.form, "one"))
        if item is None:
            return self._queue(session, call, TROUBLES["gone"])
        now = self._clock()
        free = session.schedule.free(now)
        fitting = _distinct(queue.fitting(item, free, self._city, now))[:TIMES]
        others = [it for it in _distinct(list(free)) if it not in fitting][:OTHER_TIMES]
        same = [
            it
            for it in session.ordered(now)
            if it.request.phone and it.request.phone == item.request.phone and it is not item
        ]
        return self._page(
            "request.html",
            item=item,
            contact=call.path == "/contact",
            fitting=fitting,
            others=others,
            same=same,
            ends=queue.ends(item, self._city),
            due=bool(queue.due([item], now)),
        )

    def _answer_requests(self, session: "_Session", call: "_Call") -> Answer:
        """Answer what is ticked. What takes something from somebody asks first."""
        chosen, answer = self._chosen(session, call), _one(call.form, "do")
        if not chosen or not answer:
            return self._queue(session, call, NOTICES["nobody"])
        if answer not in (WAIT, NONE, ERASE):
            Opening.parse(answer)
        placed = sum(item.state == "placed" for item in chosen)
        if answer == ERASE or (answer in (WAIT, NONE) and placed):
            session.asked = _Asked(session.next(), answer, tuple(item.id for item in chosen))
            return self._page("sure.html", asked=session.asked, placed=placed, items=chosen[:ROWS])
        return self._answer_all(session, [(item.id, answer) for item in chosen])

    def _sure(self, session: "_Session", call: "_Call") -> Answer:
        asked, session.asked = session.asked, None
        if asked is None or _one(call.form, "number") != str(asked.number):
            return self._queue(session, call, NOTICES["old"])
        return self._answer_all(session, [(id, asked.answer) for id in asked.ids])

    def _answer_all(self, session: "_Session", todo: Sequence[tuple[str, str]]) -> Answer:
        job = _Job("answer", len(todo), _Outcome())
        return self._start(session, job, session.answer(job, todo), len(todo))

    def _propose(self, session: "_Session", call: "_Call") -> Answer:
        chosen = [item for item in self._chosen(session, call) if item.state != "placed"]
        if not chosen:
            return self._queue(session, call, NOTICES["nobody"])
        return self._plan_page(session, session.propose(chosen), 1)

    def _plan_page(self, session: "_Session", plan: "_Plan", page: int) -> Answer:
        now = self._clock()
        free = session.free(plan.closing)
        items = [session.items[id] for id in plan.choices if id in session.items]
        pages = max(1, -(-len(items) // ROWS))
        page = min(page, pages)
        rows = []
        for item in items[(page - 1) * ROWS : page * ROWS]:
            fitting = _distinct(queue.fitting(item, free, self._city, now))[:TIMES]
            choice = plan.choices[item.id]
            if choice not in (LEAVE, WAIT, NONE) and Opening.parse(choice) not in fitting:
                fitting.append(Opening.parse(choice))
            rows.append((item, choice, sorted(fitting)))
        without = sum(choice in (LEAVE, WAIT, NONE) for choice in plan.choices.values())
        return self._page(
            "plan.html",
            plan=plan,
            rows=rows,
            total=len(items),
            without=without,
            page=page,
            pages=pages,
        )

    def _accept(self, session: "_Session", call: "_Call") -> Answer:
        """Keep what was changed on this page of the proposals; then another page, or do it all."""
        plan = session.plan
        if plan is None or _one(call.form, "number") != str(plan.number):
            return self._queue(session, call, NOTICES["old"])
        for id in plan.choices:
            choice = _one(call.form, f"c-{id}", plan.choices[id])
            if choice not in (LEAVE, WAIT, NONE):
                Opening.parse(choice)
            plan.choices[id] = choice
        if page := _one(call.form, "page"):
            return self._plan_page(session, plan, _number(page, len(plan.choices)))
        session.plan = None
        todo = [(id, choice) for id, choice in plan.choices.items() if choice != LEAVE]
        job = _Job("answer", len(todo), _Outcome(plan.closing))
        if plan.closing:
            steps = session.close(job, *plan.closing, todo)
        else:
            steps = session.answer(job, todo)
        return self._start(session, job, steps, len(todo))

    def _openings(self, session: "_Session", call: "_Call", notice: str = "") -> Answer:
        now = self._clock()
        published = session.schedule.published()
        current = keys.epoch_at(now, self._city.zone)
        weeks = [current.plus(n) for n in range(WEEKS_AHEAD + 1)]
        asked = _one(call.query, "week")
        # From tomorrow on there is something to take: on a Sunday, that is next week.
        tomorrow = now.astimezone(self._city.zone).date() + timedelta(days=1)
        first = Epoch(*tomorrow.isocalendar()[:2])
        week = next((it for it in weeks if str(it) == asked), first)
        days = [date.fromisocalendar(week.year, week.week, n) for n in range(1, 8)]
        listing = published[""]
        return self._page(
            "openings.html",
            notice=notice,
            weeks=[(str(it), date.fromisocalendar(it.year, it.week, 1)) for it in weeks],
            week=str(week),
            days=days,
            table=self._capacity(published.values(), week, days),
            there=any(it.seats for it in published.values()),
            taking=listing.taking,
            changes=session.schedule.preview(now),
            closed=sorted(listing.closed, key=lambda it: (it[1], it[0])),
            tomorrow=tomorrow,
        )

    def _capacity(
        self, listings: Iterable[Listing], week: Epoch, days: Sequence[date]
    ) -> list[tuple[str, str, list[tuple[int, int] | None]]]:
        """Center, part of day, and for each day how many seats are left of how many."""
        seats = {it: n for each in listings for it, n in each.seats.items() if it.epoch == week}
        left = self._store.seats([str(it) for it in seats])
        cells: dict[tuple[str, str, date], tuple[int, int]] = {}
        for it, count in seats.items():
            free, every = cells.get((it.center, it.part_of_day, it.day), (0, 0))
            cells[it.center, it.part_of_day, it.day] = (free + left[str(it)], every + count)
        there = {(center, part) for center, part, _ in cells}
        return [
            (center.id, part, [cells.get((center.id, part, day)) for day in days])
            for center in self._city.centers
            for part in PARTS_OF_DAY
            if (center.id, part) in there
        ]

    def _publish(self, session: "_Session", call: "_Call") -> Answer:
        taking = {"on": True, "off": False}.get(_one(call.form, "taking"))
        session.schedule.publish(self._clock(), taking)
        return self._openings(session, call, NOTICES["published"])

    def _closing(self, session: "_Session", call: "_Call") -> Answer:
        """Before a day is closed: who has a place on it, and another time for each."""
        center = self._city.center(_one(call.form, "center"))
        try:
            day = date.fromisoformat(_one(call.form, "day"))
        except ValueError:
            center = None
        if center is None:
            return self._openings(session, call, NOTICES["no_day"])
        plan = session.propose(session.placed_on(center.id, day), (center.id, day))
        return self._plan_page(session, plan, 1)

    def _enter_form(self, session: "_Session", call: "_Call") -> Answer:
        session.entered = session.draft = None
        return self._form_page(session, {"children": ["0"]}, None)

    def _enter_again(self, session: "_Session", call: "_Call") -> Answer:
        if session.draft is None:
            return self._to("/enter")
        return self._form_page(session, session.draft.typed, session.draft.error)

    def _form_page(self, session: "_Session", typed: Form, error: QuietdeskError | None) -> Answer:
        problems = error.fields if isinstance(error, Invalid) else {}
        what, next = ("", "") if error is None or problems else _said(error)
        return self._page(
            "enter.html",
            400 if error else 200,
            typed=typed,
            problems={name: self._view.problem(name, problems[name]) for name in problems},
            what=what,
            next=next,
            form=secrets.token_hex(8),
            times=_distinct(list(session.schedule.free(self._clock())))[:OTHER_TIMES],
        )

    def _enter(self, session: "_Session", call: "_Call") -> Answer:
        """Every answer is a redirect: a page that is the answer to a form is kept with that form
        by browsers that reopen their windows, in a file."""
        form = _one(call.form, "form")
        # The same form again, as a double click sends it, is answered with the same slip.
        if session.entered is None or not form or session.entered.form != form:
            try:
                session.enter(call.form, form)
            except QuietdeskError as error:
                session.draft = _Draft(call.form, error)
                return self._to("/again")
        session.draft = None
        return self._to("/slip")

    def _slip(self, session: "_Session", call: "_Call") -> Answer:
        if session.entered is None:
            return self._to("/enter")
        return self._page("slip.html", entered=session.entered)

    # --- What views share ------------------------------------------------------------------------

    def _chosen(self, session: "_Session", call: "_Call") -> list[Opened]:
        now = self._clock()
        if _one(call.form, "due"):
            return queue.due(session.ordered(now), now)
        if _one(call.form, "all"):
            taken = self._view.filter(call.form)
            return [item for item in session.ordered(now) if taken.takes(item)]
        return [session.items[id] for id in call.form.get("id", ()) if id in session.items]

    def _start(self, session: "_Session", job: "_Job", steps: Steps, count: int) -> Answer:
        session.job = job
        if count > AT_ONCE:
            self._worker.submit(session.work, job, steps)
        else:
            session.work(job, steps)
        return self._to("/look")

    def _page(self, template: str, status: int = 200, **values: Any) -> Answer:
        session = self._session
        left = self._idle - (self._clock() - session.touched) if session else None
        html = self._view.render(
            template,
            left=max(1, int(left.total_seconds())) if left else 0,
            whole=int(self._idle.total_seconds()),
            **values,
        )
        return Response(status_code=status, content_type=_HTML, body=html, headers={})

    def _locked_page(self, lost: bool) -> Answer:
        (what, next), self._refusal = self._refusal, ("", "")
        what = NOTICES["locked"] if lost else what
        return self._page("locked.html", 409 if lost else 200, what=what, next=next)

    def _problem(self, error: Exception, retry: bool = False) -> Answer:
        known = isinstance(error, QuietdeskError | OSError)
        what, next = _said(error)
        return self._page("problem.html", 409 if known else 500, what=what, next=next, retry=retry)

    def _refused(self, status: int) -> Answer:
        # Nothing of ours is in it: who asks may be another page, or another program.
        text = f"{status} {gateway.reason(status)}. {REFUSED[status]}"
        return Response(status_code=status, content_type="text/plain", body=text, headers={})

    def _to(self, path: str) -> Answer:
        headers: dict[str, str | list[str]] = {"Location": f"{self._view.base}{path}"}
        return Response(status_code=303, content_type=_HTML, body="", headers=headers)

    def _written(self, answer: Answer) -> dict[str, Any]:
        headers = {**answer.headers, "Content-Type": answer.content_type or _HTML}
        return {"statusCode": answer.status_code, "headers": headers, "body": answer.body}


# --- What is readable while the desk is unlocked -------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """What a page of ours asked: the path after the token, and the fields of address and form."""

    path: str
    query: Form
    form: Form


@dataclass(frozen=True, slots=True)
class _Asked:
    """An answer to many requests that takes something away, and waits for a yes."""

    number: int
    answer: str
    ids: tuple[str, ...]


@dataclass(slots=True)
class _Plan:
    """What is proposed for each request: an opening's id, WAIT, NONE or LEAVE. `closing` is the
    center and day that will be closed, when that is why."""

    number: int
    choices: dict[str, str]
    closing: tuple[str, date] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class _Entered:
    """Somebody who was entered: the code to read out and what to look for with it."""

    form: str
    code: str
    look_again: date
    opening: Opening | None
    language: str


@dataclass(frozen=True, slots=True, repr=False)
class _Draft:
    """What was typed for somebody, and why it was not taken."""

    typed: Form
    error: QuietdeskError


@dataclass(frozen=True, slots=True, repr=False)
class _Moved:
    """A request whose day was closed: the visit it had, and how it stands now."""

    item: Opened
    had: Opening


@dataclass(slots=True, repr=False)
class _Outcome:
    """What became of the requests that were answered. `troubles` holds short id, name and a key of
    TROUBLES; who must be called about a closed day is in `calls`, who cannot be, in `doors`."""

    closing: tuple[str, date] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[_Moved] = field(default_factory=list)
    doors: list[_Moved] = field(default_factory=list)
    left: int = 0
    untried: int = 0
    stopped: tuple[str, str] | None = None


@dataclass(slots=True, repr=False)
class _Job:
    """Work on many requests, one after the other."""

    kind: str
    total: int | None = None
    outcome: _Outcome | None = None
    done: int = 0
    running: bool = True
    error: Exception | None = None


class _Session:
    """The unlocked keyring and everything opened with it. Locking drops this object."""

    def __init__(
        self,
        store: Store,
        city: City,
        keyring: Keyring,
        guard: RLock,
        clock: Callable[[], datetime],
    ):
        self._store = store
        self._city = city
        self._guard = guard
        self._clock = clock
        self._use(keyring)
        now = clock()
        zone, serve_days = city.zone, city.serve_days
        live = keys.live(now, zone, serve_days)
        self.key_day = min(keys.destroyed_at(epoch, zone, serve_days) for epoch in live)
        self.touched = now
        self.over = False
        self.pulled: datetime | None = None
        self.items: dict[str, Opened] = {}
        self.unopened: Counter[tuple[str, str]] = Counter()
        self.topped = True
        self.job: _Job | None = None
        self.plan: _Plan | None = None
        self.asked: _Asked | None = None
        self.entered: _Entered | None = None
        self.draft: _Draft | None = None
        self._number = 0
        self._changed()

    def _use(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._desk = Desk(self._store, self._city, keyring.trust, keyring)
        self.schedule = Schedule(self._store, self._city, keyring.trust, keyring)

    def _changed(self) -> None:
        self._order: list[Opened] | None = None
        self._next_end = 0

    def next(self) -> int:
        """A number by which a page is told from an older one."""
        self._number += 1
        return self._number

    def ordered(self, now: datetime) -> list[Opened]:
        """Every request that is not over, in the order of the queue."""
        if self._order is None or now.timestamp() >= self._next_end:
            live = [it for it in self.items.values() if it.envelope.expires > now.timestamp()]
            self.items = {item.id: item for item in live}
            self._order = queue.ordered(live)
            self._next_end = min((it.envelope.expires for it in live), default=2**63)
            self.counts = Counter(item.state for item in live)
            self._shared = queue.shared_phones(live)
        return self._order

    def shares_phone(self, item: Opened) -> bool:
        """Whether another request has the same phone number."""
        return item.request.phone in self._shared

    def placed_on(self, center: str, day: date) -> list[Opened]:
        """Who has a place at a center on a day."""
        placed = [(item, item.opening) for item in self.ordered(self._clock())]
        return [item for item, it in placed if it and (it.center, it.day) == (center, day)]

    def free(self, closing: tuple[str, date] | None = None) -> dict[Opening, int]:
        """The openings with a seat left, as if that center were closed on that day already."""
        free = self.schedule.free(self._clock())
        return {it: left for it, left in free.items() if (it.center, it.day) != closing}

    def propose(self, items: Sequence[Opened], closing: tuple[str, date] | None = None) -> _Plan:
        """Make a plan for the items. Who has to leave a closed day and fits nowhere else waits."""
        now = self._clock()
        stand = [it for it in self.ordered(now) if it.state == "placed" and it not in items]
        proposals = queue.propose(items, self.free(closing), self._city, now, stand)
        otherwise = WAIT if closing else LEAVE
        choices = {it.item.id: str(it.opening) if it.opening else otherwise for it in proposals}
        self.plan = _Plan(self.next(), choices, closing)
        return self.plan

    # --- Work, step by step ---------------------------------------------------------------------

    def work(self, job: _Job, steps: Steps) -> None:
        """Do the steps of a job, until they are done or the desk locks."""
        try:
            # Asked before each step: the desk may have locked before the first.
            while not self.over and next(steps, False) is None:
                job.done += 1
        except Exception as error:  # it is shown where the result would be
            job.error = error.with_traceback(None)
        finally:
            job.running = False

    def pull(self, job: _Job, keyring_path: Path) -> Steps:
        """Open everything that waits. What is open already and did not change stays open."""
        now = self._clock()
        sealed = list(desk.waiting(self._store, self._city, now))
        job.total = len(sealed)
        items: dict[str, Opened] = {}
        unopened: Counter[tuple[str, str]] = Counter()
        for envelope in sealed:
            try:
                item = self._opened(envelope)
            except CannotOpen as error:
                unopened[_reason(error)] += 1
            else:
                if item.id in items:
                    unopened["twice", ""] += 1
                else:
                    items[item.id] = item
            yield
        with self._guard:
            self.items, self.unopened, self.pulled = items, unopened, now
            self.plan = self.asked = None
            self._changed()
        try:
            full = ceremony.top_up(self._store, keyring_path, self._keyring, self._city, now)
        except (QuietdeskError, OSError):  # the requests are open all the same
            self.topped = False
        else:
            self.topped = True
            if full is not self._keyring:
                self._use(full)

    def answer(self, job: _Job, todo: Iterable[tuple[str, str]]) -> Steps:
        """Give each request its answer. One that cannot have it never stops the others."""
        outcome = job.outcome or _Outcome()
        for id, choice in todo:
            item = self.items.get(id)
            if outcome.stopped:
                outcome.untried += 1
            elif item is None:
                outcome.counts["gone"] += 1
            else:
                try:
                    self._answer(item, choice, outcome)
                except StoreUnavailable as error:
                    # Each further one would wait as long for the same refusal.
                    outcome.stopped = _said(error)
                    outcome.untried += 1
            yield

    def close(self, job: _Job, center: str, day: date, todo: Sequence[tuple[str, str]]) -> Steps:
        """Close a center for a day, answer those who had a place there, and see who came since."""
        self.schedule.close(center, day, self._clock())
        yield from self.answer(job, todo)
        # Nobody can take a time there any more; who did so since the last pull is found now.
        for envelope in desk.waiting(self._store, self._city, self._clock()):
            if envelope.opening.startswith(f"{center}.{day.isoformat()}."):
                with suppress(CannotOpen), self._guard:
                    self._keep(self._opened(envelope))
        if job.outcome:
            job.outcome.left = len(self.placed_on(center, day))

    def enter(self, typed: Form, form: str) -> None:
        """Ask for somebody. What was typed is gone with the answer; the code stays to be shown."""
        fields = {name: values for name, values in typed.items() if name in FIELDS}
        code, look_again = self._desk.enter(fields, self._clock())
        id = codes.derive(code, self._city.deployment).id
        envelope = self._find(id)
        if envelope is None:
            raise Conflict("what was entered is gone already")
        item = self._keep(self._desk.open(envelope))
        language = item.request.language
        self.entered = _Entered(form, code, look_again, item.opening, language)

    def _opened(self, envelope: Envelope) -> Opened:
        known = self.items.get(envelope.id.hex())
        return known if known and known.envelope == envelope else self._desk.open(envelope)

    def _keep(self, item: Opened) -> Opened:
        with self._guard:
            self.items[item.id] = item
            self._changed()
        return item

    def _drop(self, item: Opened) -> None:
        with self._guard:
            self.items.pop(item.id, None)
            self._changed()

    def _find(self, id: bytes) -> Envelope | None:
        now = self._clock()
        weeks = keys.live(now, self._city.zone, self._city.serve_days)
        return self._store.find(self._city.queue, id, [str(week) for week in weeks], now)

    def _answer(self, item: Opened, choice: str, outcome: _Outcome) -> None:
        try:
            fresh = self._do(item, choice)
        except NoSeats:
            why = "seat"
        except Conflict:
            why = self._looked_at_again(item)
        except TooOld:
            why = "too_old"
        except TooLong:
            why = "too_long"
        except (CannotOpen, BadBundle, BadSignature):
            why = "no_key"
        else:
            outcome.counts[choice if choice in (WAIT, NONE, ERASE) else "placed"] += 1
            if fresh and outcome.closing and item.opening:
                self._tell(_Moved(fresh, item.opening), item, outcome)
            return
        outcome.troubles.append((item.id[:8], item.request.name, why))

    def _do(self, item: Opened, choice: str) -> Opened | None:
        now = self._clock()
        if choice == ERASE:
            # Traces that remain in the file are the next sweep's work: it is erased already.
            with suppress(TracesRemain):
                self._desk.erase(item)
            self._drop(item)
            return None
        if choice == WAIT:
            return self._keep(self._desk.wait(item, now))
        if choice == NONE:
            return self._keep(self._desk.refuse(item, now))
        return self._keep(self._desk.place(item, Opening.parse(choice), now))

    def _looked_at_again(self, item: Opened) -> str:
        """The request as it is in the store now takes the place of the one we had."""
        envelope = self._find(item.envelope.id)
        if envelope is None:
            self._drop(item)
            return "gone"
        try:
            self._keep(self._desk.open(envelope))
        except CannotOpen as error:
            self._drop(item)
            self.unopened[_reason(error)] += 1
        return "changed"

    def _tell(self, moved: _Moved, before: Opened, outcome: _Outcome) -> None:
        if moved.item.request.reach:
            outcome.calls.append(moved)
        elif moved.had.day < queue.earliest(before, self._city, self._clock()):
            outcome.doors.append(moved)


# --- Words and pages -----------------------------------------------------------------------------


class _View:
    """Puts what is there into words and pages, in one language."""

    def __init__(self, city: City, lang: str):
        self.base = ""
        self._city = city
        self._pages = Pages(city, (), 1)
        self._locale = city.locale(lang)
        self._words = Words(city, self._locale.tag)
        self._choices = self._pages.choices(self._words, self._locale)
        self._env = Environment(
            loader=PackageLoader("quietdesk.staff"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters["shown"] = shown
        self._env.globals |= {
            "_": self._words,
            "city": city,
            "locale": self._locale,
            "choices": self._choices,
            "questions": QUESTIONS,
            "parts": PARTS,
            "lanes": LANES,
            "states": STATES,
            "reasons": REASONS,
            "reach_by": REACH_BY,
            "troubles": TROUBLES,
            "called": self._called,
            "windows": self._windows,
            "visit": self._visit,
            "center_name": self._center_name,
            "by_day": self._by_day,
            "code_groups": lambda code: code.split("-"),
            "clock": lambda at: at.astimezone(city.zone).strftime("%H:%M"),
            "speak": self._speak,
        }

    def render(self, template: str, **values: Any) -> str:
        """The page."""
        return self._env.get_template(template).render({"base": self.base, **values})

    def problem(self, name: str, code: str) -> Markup:
        """What is wrong with a field of the form, in words."""
        return self._pages.problem(self._words, name, code)

    def filter(self, given: Form) -> Filter:
        """The filter in an address or a form. Values that no page of ours offers are left out;
        without any, it shows what waits."""

        def one(name: str, allowed: Iterable[str]) -> str:
            value = _one(given, name)
            return value if value in allowed else ""

        everything = _one(given, "state") == "all"
        return Filter(
            "" if everything else one("state", STATES) or "waiting",
            one("center", [center.id for center in self._city.centers]),
            one("window", WINDOWS),
            one("language", self._city.languages),
            one("access", self._city.access),
            one("visit_type", self._city.visit_types),
            _number(_one(given, "people"), self._city.max_people, 0),
        )

    def filter_values(self, taken: Filter) -> dict[str, str]:
        """The filter as the fields of an address or a form."""
        values = {
            "state": taken.state or "all",
            "center": taken.center,
            "window": taken.window,
            "language": taken.language,
            "access": taken.access,
            "visit_type": taken.visit_type,
            "people": str(taken.people or ""),
        }
        return {name: value for name, value in values.items() if value}

    def _called(self, name: str, value: str) -> Markup:
        """What the form calls an answer. One that our form does not have is shown as it is."""
        if name == "centers" and value != ANY:
            return self._center_name(value)
        choices = self._choices[name]
        return choices[value] if value in choices else shown(value)

    def _windows(self, values: Sequence[str]) -> Markup:
        """Windows in few words: `Monday: Morning, Afternoon; Saturday`."""
        if not values or ANY in values:
            return self._choices["windows"][ANY] if values else Markup("")
        said = []
        for n, day in enumerate(DAYS):
            parts = [part for part in PARTS_OF_DAY if f"{day}-{part}" in values]
            if len(parts) == len(PARTS_OF_DAY):
                said.append(escape(self._locale.weekdays[n]))
            elif parts:
                listed = Markup(", ").join(self._words(PARTS[part]) for part in parts)
                said.append(self._words("{day}: {part}", day=self._locale.weekdays[n], part=listed))
        said += [shown(value) for value in values if value not in WINDOWS]
        return Markup("; ").join(said)

    def _visit(self, opening: Opening) -> Markup:
        """Where and when a visit is."""
        return self._words(
            "{day}, {time}, {center}",
            day=self._locale.day(opening.day),
            time=self._locale.time(opening.at),
            center=self._center_name(opening.center),
        )

    def _center_name(self, id: str) -> Markup:
        center = self._city.center(id)
        return shown(center.name if center else id)

    def _by_day(self, times: Iterable[Opening]) -> list[tuple[str, list[tuple[str, str]]]]:
        """Days, and for each the id and the words of its times, for a list to choose from."""
        grouped: dict[date, list[tuple[str, str]]] = {}
        for it in sorted(times):
            center = self._city.center(it.center)
            text = f"{self._locale.time(it.at)}, {center.name if center else it.center}"
            grouped.setdefault(it.day, []).append((str(it), text))
        return [(self._locale.day(day), rows) for day, rows in grouped.items()]

    def _speak(self, language: str) -> dict[str, Any]:
        """What a slip needs to be in the person's own language, if the programme has it."""
        tags = [locale.tag for locale in self._city.locales]
        locale = self._city.locale(language) if language in tags else self._locale
        return {"locale": locale, "words": Words(self._city, locale.tag)}


def _said(error: Exception) -> tuple[str, str]:
    return next(SAID[kind] for kind in type(error).__mro__ if kind in SAID)


def _reason(error: CannotOpen) -> tuple[str, str]:
    """A key of REASONS, and the week if that is destroyed."""
    if isinstance(error, KeyDestroyed):
        return "destroyed", error.epoch
    if isinstance(error, OpeningMismatch):
        return "moved", ""
    return (str(error) if str(error) in REASONS else ""), ""


def _distinct(times: Sequence[Opening]) -> list[Opening]:
    """The first opening of each time and center: staff choose a time, not whose seat it is."""
    first: dict[tuple[date, str, str], Opening] = {}
    for it in times:
        first.setdefault((it.day, it.at, it.center), it)
    return list(first.values())


def _near(page: int, pages: int) -> list[int]:
    """The first and the last page, and those around this one."""
    return sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})


def _number(text: str, most: int, least: int = 1) -> int:
    return min(max(int(text), least), most) if re.fullmatch("[0-9]{1,6}", text) else least


def _one(given: Form, name: str, default: str = "") -> str:
    return next(iter(given.get(name, ())), default)


def _query(event: Mapping[str, Any]) -> Form:
    return parse_qs(str(event.get("rawQueryString", "")), max_num_fields=FORM_VALUES)


def _form(event: Mapping[str, Any]) -> Form:
    """The fields of a form, as a browser sends them. Raises ValueError."""
    body = str(event.get("body", ""))
    text = base64.b64decode(body).decode("ascii") if event["isBase64Encoded"] else body
    return parse_qs(text, max_num_fields=FORM_VALUES, encoding="utf-8", errors="strict")


def _fixed(kind: str, text: str) -> Callable[[], Answer]:
    return lambda: Response(status_code=200, content_type=kind, body=text, headers={})
