"""The desk's console: a web page that a staff computer serves to itself, and to nobody else.

What is opened lives in one object in this process's memory, and locking lets go of it. Nothing
readable is written to disk, into an address, a cookie or a log.
"""

import base64
import gc
import hmac
import secrets
import webbrowser
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from quietdesk import codes, gateway, local, weeks
from quietdesk.city import City
from quietdesk.errors import Invalid, QuietdeskError, StoreRefused, StoreUnavailable
from quietdesk.openings import Listing, Opening
from quietdesk.request import PARTS_OF_DAY
from quietdesk.staff import queue
from quietdesk.staff.desk import Opened
from quietdesk.staff.keyring import Keyring
from quietdesk.staff.session import (
    ERASE,
    LEAVE,
    NONE,
    WAIT,
    Asked,
    Draft,
    Job,
    Outcome,
    Plan,
    Session,
    Steps,
)
from quietdesk.staff.view import NOTICES, REFUSED, TROUBLES, Form, View, number, one, said
from quietdesk.store import Store
from quietdesk.web import HEADERS
from quietdesk.weeks import WEEKS_AHEAD, Epoch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from quietdesk.staff.signin import Waiting  # boto3 is slow to import

MOST_LOCK_MINUTES = 30
ROWS = 50  # requests on a page
AT_ONCE = 20  # so many are answered without a page that shows the progress
TIMES = 30  # times to choose from, for one request
OTHER_TIMES = 60  # further ones on the request's own page, and on that for who is on the telephone
TICK_SECONDS = 1.0
FORM_VALUES = 2000

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


def run(console: "Console", open_browser: bool) -> None:
    """Serve the console on a free port of this computer until Ctrl-C, then lock it."""
    token = secrets.token_urlsafe(32)
    with local.reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        server = local.listen(console.app(token, port), reserved)
        address = f"http://127.0.0.1:{port}/{token}/"
        print(f"The desk is open at {address}")
        print("Only this computer reaches it. Ctrl-C locks it and stops.", flush=True)
        try:
            if open_browser:
                webbrowser.open(address)
            local.serve(server, console.tick, TICK_SECONDS)
        finally:
            console.close()


class Console:
    """The console of one staff computer. `unlock` gives the keyring for a passphrase, without the
    keys of ended weeks, or raises WrongPassphrase or another QuietdeskError; `keyring_path` is
    where the keyring is saved when it gets keys for coming weeks. Where the store is in the cloud,
    `begin_sign_in` begins to sign its people in."""

    def __init__(
        self,
        store: Store,
        city: City,
        keyring_path: Path,
        unlock: Callable[[str], Keyring],
        clock: Callable[[], datetime],
        lang: str = "en",
        begin_sign_in: "Callable[[], Waiting] | None" = None,
    ):
        self._store = store
        self._city = city
        self._keyring_path = keyring_path
        self._unlock = unlock
        self._clock = clock
        self._idle = timedelta(minutes=min(city.lock_minutes, MOST_LOCK_MINUTES))
        self._session: Session | None = None
        self._refusal = ("", "")
        self._begin_sign_in = begin_sign_in
        self._signing: Waiting | None = None
        # One request at a time: Powertools keeps the event at hand in an attribute of a class, and
        # work in the background changes what pages show.
        self._guard = RLock()
        self._worker = ThreadPoolExecutor(1, "desk")
        self._call = _Call("", {}, {})
        self._view = View(city, lang)
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
        if self._signing:
            self._signing.stop()
        self._worker.shutdown()

    # --- From the socket to a view ---------------------------------------------------------------

    def _routes(self) -> APIGatewayHttpResolver:
        resolver = APIGatewayHttpResolver()
        views: Mapping[tuple[str, str], Callable[[Session, _Call], Answer]] = {
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
            ("POST", "/reopen"): self._reopen,
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
        resolver.route("/sign-in", "POST")(self._sign_in)
        resolver.route("/sign-in", "GET")(self._sign_in_page)

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
            page = self._page(
                "problem.html", 400, what=NOTICES["form"], next="", retry=False, sign_in=False
            )
            return self._written(page)
        # Powertools would hold the body, with a passphrase or a name, until the next one.
        event = {**event, "rawPath": f"/{rest}", "body": "", "isBase64Encoded": False}
        answer: dict[str, Any] = self._resolver.resolve(event, None)  # type: ignore[arg-type]
        return answer

    def _unlocked_only(self, view: Callable[["Session", "_Call"], Answer]) -> Callable[[], Answer]:
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
        typed = one(self._call.form, "passphrase")
        try:
            keyring = self._unlock(typed)
        except (QuietdeskError, OSError) as error:
            self._refusal = said(error)
            return self._to("/")
        session = Session(self._store, self._city, keyring, self._guard, self._clock)
        self.lock()
        self._session = session
        return self._pull(session, self._call)

    def _lock(self) -> Answer:
        self.lock()
        return self._to("/")

    def _sign_in(self) -> Answer:
        """Sign in to the cloud, which has nothing to do with whether the desk is locked."""
        if self._begin_sign_in is None:
            return self._refused(404)
        if self._signing is None or not self._signing.running:
            self._signing = self._begin_sign_in()
        return self._to("/sign-in")

    def _sign_in_page(self) -> Answer:
        signing = self._signing
        if signing is None:
            return self._to("/")
        running = signing.running  # read first: what it leaves behind is there when it is over
        what, next = said(signing.error) if not running and signing.error else ("", "")
        if isinstance(signing.error, StoreRefused):
            what, next = NOTICES["not_signed_in"], ""
        return self._page("signin.html", running=running, code=signing.code, what=what, next=next)

    # --- Views -----------------------------------------------------------------------------------

    def _look(self, session: "Session", call: "_Call") -> Answer:
        job = session.job
        if job and job.error:
            return self._problem(job.error, retry=job.kind == "pull")
        if job and job.outcome:
            return self._page("outcome.html", outcome=job.outcome)
        return self._queue(session, _Call("/", {}, {}))

    def _pull(self, session: "Session", call: "_Call") -> Answer:
        job = Job("pull")
        return self._start(session, job, session.pull(job, self._keyring_path), AT_ONCE + 1)

    def _queue(self, session: "Session", call: "_Call", notice: str = "") -> Answer:
        now = self._clock()
        taken = self._view.filter(call.query)
        everything = session.ordered(now)
        matching = [item for item in everything if taken.takes(item)]
        pages = max(1, -(-len(matching) // ROWS))
        page = number(one(call.query, "page"), pages)
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
            promised=len(queue.promised(everything, self._city, now)),
        )

    def _request(self, session: "Session", call: "_Call") -> Answer:
        item = session.items.get(one(call.form, "one"))
        if item is None:
            return self._queue(session, call, TROUBLES["gone"])
        now = self._clock()
        free = session.publisher.free(now)
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

    def _answer_requests(self, session: "Session", call: "_Call") -> Answer:
        """Answer what is ticked. What takes something from somebody asks first."""
        chosen, answer = self._chosen(session, call), one(call.form, "do")
        if not chosen or not answer:
            return self._queue(session, call, NOTICES["nobody"])
        if answer not in (WAIT, NONE, ERASE):
            Opening.parse(answer)
        placed = sum(item.state == "placed" for item in chosen)
        if answer == ERASE or (answer in (WAIT, NONE) and placed):
            session.asked = Asked(session.next(), answer, tuple(item.id for item in chosen))
            return self._page("sure.html", asked=session.asked, placed=placed, items=chosen[:ROWS])
        return self._answer_all(session, [(item.id, answer) for item in chosen])

    def _sure(self, session: "Session", call: "_Call") -> Answer:
        asked, session.asked = session.asked, None
        if asked is None or one(call.form, "number") != str(asked.number):
            return self._queue(session, call, NOTICES["old"])
        return self._answer_all(session, [(id, asked.answer) for id in asked.ids])

    def _answer_all(self, session: "Session", todo: Sequence[tuple[str, str]]) -> Answer:
        job = Job("answer", len(todo), Outcome())
        return self._start(session, job, session.answer(job, todo), len(todo))

    def _propose(self, session: "Session", call: "_Call") -> Answer:
        chosen = [item for item in self._chosen(session, call) if item.state != "placed"]
        if not chosen:
            return self._queue(session, call, NOTICES["nobody"])
        return self._plan_page(session, session.propose(chosen), 1)

    def _plan_page(self, session: "Session", plan: "Plan", page: int) -> Answer:
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

    def _accept(self, session: "Session", call: "_Call") -> Answer:
        """Keep what was changed on this page of the proposals; then another page, or do it all."""
        plan = session.plan
        if plan is None or one(call.form, "number") != str(plan.number):
            return self._queue(session, call, NOTICES["old"])
        for id in plan.choices:
            choice = one(call.form, f"c-{id}", plan.choices[id])
            if choice not in (LEAVE, WAIT, NONE):
                Opening.parse(choice)
            plan.choices[id] = choice
        if page := one(call.form, "page"):
            return self._plan_page(session, plan, number(page, len(plan.choices)))
        session.plan = None
        todo = [(id, choice) for id, choice in plan.choices.items() if choice != LEAVE]
        job = Job("answer", len(todo), Outcome(plan.closing))
        if plan.closing:
            steps = session.close(job, *plan.closing, todo)
        else:
            steps = session.answer(job, todo)
        return self._start(session, job, steps, len(todo))

    def _openings(self, session: "Session", call: "_Call", notice: str = "") -> Answer:
        now = self._clock()
        published = session.publisher.published()
        current = weeks.epoch_at(now, self._city.zone)
        ahead = [current.plus(n) for n in range(WEEKS_AHEAD + 1)]
        asked = one(call.query, "week")
        # From tomorrow on there is something to take: on a Sunday, that is next week.
        tomorrow = now.astimezone(self._city.zone).date() + timedelta(days=1)
        first = Epoch.of(tomorrow)
        week = next((it for it in ahead if str(it) == asked), first)
        days = week.days
        listing = published[""]
        return self._page(
            "openings.html",
            notice=notice,
            weeks=[(str(it), it.days[0]) for it in ahead],
            week=str(week),
            days=days,
            table=self._capacity(published.values(), week, days),
            there=any(it.seats for it in published.values()),
            taking=listing.taking,
            changes=session.publisher.preview(now),
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

    def _publish(self, session: "Session", call: "_Call") -> Answer:
        taking = {"on": True, "off": False}.get(one(call.form, "taking"))
        session.publisher.publish(self._clock(), taking)
        return self._openings(session, call, NOTICES["published"])

    def _reopen(self, session: "Session", call: "_Call") -> Answer:
        day = _day(one(call.form, "day"))
        if day:
            session.publisher.reopen(one(call.form, "center"), day, self._clock())
        return self._openings(session, call, NOTICES["published" if day else "no_day"])

    def _closing(self, session: "Session", call: "_Call") -> Answer:
        """Before a day is closed: who has a place on it, and another time for each."""
        center, day = self._city.center(one(call.form, "center")), _day(one(call.form, "day"))
        if center is None or day is None:
            return self._openings(session, call, NOTICES["no_day"])
        plan = session.propose(session.placed_on(center.id, day), (center.id, day))
        return self._plan_page(session, plan, 1)

    def _enter_form(self, session: "Session", call: "_Call") -> Answer:
        session.entered = session.draft = None
        return self._form_page(session, {"children": ["0"]}, None)

    def _enter_again(self, session: "Session", call: "_Call") -> Answer:
        if session.draft is None:
            return self._to("/enter")
        return self._form_page(session, session.draft.typed, session.draft.error)

    def _form_page(self, session: "Session", typed: Form, error: QuietdeskError | None) -> Answer:
        problems = error.fields if isinstance(error, Invalid) else {}
        what, next = ("", "") if error is None or problems else said(error)
        try:
            times = _distinct(list(session.publisher.free(self._clock())))[:OTHER_TIMES]
        except StoreUnavailable:
            if error is None:
                raise
            # What was typed is shown all the same, with the time that was chosen.
            chosen = one(typed, "opening")
            times = [Opening.parse(chosen)] if chosen else []
        return self._page(
            "enter.html",
            400 if error else 200,
            typed=typed,
            problems={name: self._view.problem(name, problems[name]) for name in problems},
            what=what,
            next=next,
            form=secrets.token_hex(8),
            times=times,
        )

    def _enter(self, session: "Session", call: "_Call") -> Answer:
        """Every answer is a redirect: a page that is the answer to a form is kept with that form
        by browsers that reopen their windows, in a file."""
        form = one(call.form, "form")
        # The same form again, as a double click sends it, is answered with the same slip.
        if session.entered is None or not form or session.entered.form != form:
            draft = session.draft
            # Where the store did not answer, the first try may have been kept: the same code again.
            code = (
                draft.code if draft and isinstance(draft.error, StoreUnavailable) else codes.new()
            )
            try:
                session.enter(call.form, form, code)
            except QuietdeskError as error:
                session.draft = Draft(call.form, error, code)
                return self._to("/again")
        session.draft = None
        return self._to("/slip")

    def _slip(self, session: "Session", call: "_Call") -> Answer:
        if session.entered is None:
            return self._to("/enter")
        return self._page("slip.html", entered=session.entered)

    # --- What views share ------------------------------------------------------------------------

    def _chosen(self, session: "Session", call: "_Call") -> list[Opened]:
        now = self._clock()
        if one(call.form, "due"):
            return queue.due(session.ordered(now), now)
        if one(call.form, "promised"):
            return queue.promised(session.ordered(now), self._city, now)
        if one(call.form, "all"):
            taken = self._view.filter(call.form)
            return [item for item in session.ordered(now) if taken.takes(item)]
        return [session.items[id] for id in call.form.get("id", ()) if id in session.items]

    def _start(self, session: "Session", job: "Job", steps: Steps, count: int) -> Answer:
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
        may = self._begin_sign_in is not None
        status = 409 if lost else 200
        return self._page("locked.html", status, what=what, next=next, may_sign_in=may)

    def _problem(self, error: Exception, retry: bool = False) -> Answer:
        known = isinstance(error, QuietdeskError | OSError)
        what, next = said(error)
        values = {
            "what": what,
            "next": next,
            "retry": retry,
            "sign_in": isinstance(error, StoreRefused) and self._begin_sign_in is not None,
        }
        return self._page("problem.html", 409 if known else 500, **values)

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


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """What a page of ours asked: the path after the token, and the fields of address and form."""

    path: str
    query: Form
    form: Form


def _distinct(times: Sequence[Opening]) -> list[Opening]:
    """The first opening of each time and center: staff choose a time, not whose seat it is."""
    first: dict[tuple[date, str, str], Opening] = {}
    for it in times:
        first.setdefault((it.day, it.at, it.center), it)
    return list(first.values())


def _near(page: int, pages: int) -> list[int]:
    """The first and the last page, and those around this one."""
    return sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _query(event: Mapping[str, Any]) -> Form:
    return parse_qs(str(event.get("rawQueryString", "")), max_num_fields=FORM_VALUES)


def _form(event: Mapping[str, Any]) -> Form:
    """The fields of a form, as a browser sends them. Raises ValueError."""
    body = str(event.get("body", ""))
    text = base64.b64decode(body).decode("ascii") if event["isBase64Encoded"] else body
    return parse_qs(text, max_num_fields=FORM_VALUES, encoding="utf-8", errors="strict")


def _fixed(kind: str, text: str) -> Callable[[], Answer]:
    return lambda: Response(status_code=200, content_type=kind, body=text, headers={})
