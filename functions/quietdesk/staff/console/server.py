"""The desk's console: a web page that a staff computer serves to itself, and to nobody else.

Who may ask is decided here, before any page is looked for. What is opened lives in one value in
this process's memory, and locking lets go of it. Nothing readable is written to disk, into an
address, a cookie or a log.
"""

import gc
import webbrowser
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from quietdesk import local, wsgi
from quietdesk.city import City
from quietdesk.clock import Doubt
from quietdesk.errors import Locked, QuietdeskError, StoreRefused
from quietdesk.staff import words
from quietdesk.staff.console import forms, queue
from quietdesk.staff.console.at import At
from quietdesk.staff.console.background import Background
from quietdesk.staff.console.entrance import WORD_MINUTES, Entrance
from quietdesk.staff.console.forms import Sent, Spot
from quietdesk.staff.console.pages import Pages
from quietdesk.staff.console.routes import LINES, Line
from quietdesk.staff.console.session import Session, Unlocked
from quietdesk.staff.device.keyring import Keyring
from quietdesk.staff.work import Work
from quietdesk.store import Store
from quietdesk.web import NO_STORE, Answer, Call, Route, View

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from quietdesk.staff.device.signin import Waiting  # boto3 is slow to import

MOST_LOCK_MINUTES = 30
TICK_SECONDS = 1.0

_ASKED_AGAIN = {"/", "/look", "/sending"}  # pages ask for these by themselves: nothing is lost
_ASSETS = {"desk.css": "text/css; charset=utf-8", "desk.js": "text/javascript; charset=utf-8"}
_REFUSED = {403: "elsewhere", 404: "no_page", 410: "used_address"}  # a code of SAID


def run(console: "Console", open_browser: bool) -> None:
    """Serve the console on a free port of this computer until Ctrl-C, then lock it."""
    with local.reserve("127.0.0.1", 0) as reserved:
        port = reserved.getsockname()[1]
        server = local.listen(console.app(port), reserved)

        def again(word: str) -> None:
            print("Somebody asked for an address of the desk that was used or has run out.")
            print(f"Another, which opens once: http://127.0.0.1:{port}/{word}", flush=True)

        console.entrance.told = again
        address = f"http://127.0.0.1:{port}/{console.entrance.word()}"
        print(f"The desk is open at {address}")
        print(f"That address opens once, within {WORD_MINUTES} minutes.")
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
    `begin_sign_in` begins to sign its people in. `doubt` says why the clock was not believed in the
    last unlocking. Threads may call all of it at once."""

    def __init__(
        self,
        store: Store,
        city: City,
        keyring_path: Path,
        unlock: Callable[[str], Keyring],
        clock: Callable[[], datetime],
        lang: str = "en",
        begin_sign_in: "Callable[[], Waiting] | None" = None,
        doubt: Callable[[], Doubt] = lambda: Doubt.NONE,
    ):
        self._store = store
        self._city = city
        self._keyring_path = keyring_path
        self._unlock = unlock
        self._doubt = doubt
        self._clock = clock
        self._idle = timedelta(minutes=min(city.lock_minutes, MOST_LOCK_MINUTES))
        self._begin_sign_in = begin_sign_in
        self.entrance = Entrance(clock)
        may_sign_in = begin_sign_in is not None
        self._pages = Pages(city, lang, clock, self._idle, may_sign_in, self.entrance)
        self._background = Background(clock)
        self._swapping = Lock()  # around the next four lines; nothing waits inside it
        self._desk: Unlocked | None = None
        self._locks = 0  # how often somebody locked: an unlocking that began before ends locked
        self._refusal = ("", "")
        self._signing: Waiting | None = None
        self._unlocking = Lock()  # one at a time: it rewrites the keyring's file
        self._router = wsgi.Router(self._routes())

    def app(self, port: int) -> "WSGIApplication":
        """The WSGI application, for that port of this computer. Every address begins with the
        token, so that no other program or page knows one. It never raises."""
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

        def application(
            environ: "WSGIEnvironment", start_response: "StartResponse"
        ) -> Iterable[bytes]:
            try:
                self.tick()
                answer = self._admitted(wsgi.read(environ), hosts)
            except Exception as error:  # the server would print it, with what it holds
                answer = self._pages.failed(self._desk, error)
            return wsgi.send(answer.under(NO_STORE), environ, start_response)

        return application

    @property
    def locked(self) -> bool:
        """Whether nothing is readable here."""
        return self._desk is None

    def lock(self) -> None:
        """Let go of the keyring and of everything that was opened, also where a passphrase is just
        being checked."""
        with self._swapping:
            self._locks += 1
            before, self._desk = self._desk, None
        _let_go(before)

    def tick(self) -> None:
        """Lock when nobody has touched the desk for so long, and on a key day: no open desk keeps
        what is destroyed."""
        desk, now = self._desk, self._clock()
        if desk:
            desk.touched = min(desk.touched, now)  # a clock that was put back keeps nothing open
        if desk and (now - desk.touched >= self._idle or now >= desk.key_day):
            with self._swapping:
                if self._desk is desk:  # and not one that was unlocked meanwhile
                    self._desk = None
            _let_go(desk)

    def close(self) -> None:
        """Lock, and stop the work in the background."""
        self.lock()
        if self._signing:
            self._signing.stop()
        self._background.close()

    def _open(self, desk: Unlocked, locks: int) -> None:
        """That desk in the place of the one that is there. Raises Locked when somebody locked since
        there were so many `locks`."""
        with self._swapping:
            if self._locks != locks:
                raise Locked("the desk was locked meanwhile")
            before, self._desk = self._desk, desk
        _let_go(before)

    # --- From the socket to a view ---------------------------------------------------------------

    def _routes(self) -> list[Route[None]]:
        views = {(line.method, line.path): self._unlocked_only(line) for line in LINES} | {
            ("POST", "/unlock"): self._unlock_with,
            ("POST", "/lock"): self._lock_now,
            ("POST", "/sign-in"): self._sign_in,
            ("GET", "/sign-in"): self._sign_in_page,
        }
        for name, kind in _ASSETS.items():
            text = files("quietdesk.staff.console").joinpath("assets", name).read_text("utf-8")
            views["GET", f"/assets/{name}"] = _fixed(Answer.of(200, kind, text))
        return [Route(method, path, self._read(view)) for (method, path), view in views.items()]

    def _admitted(self, call: Call, hosts: set[str]) -> Answer:
        """The answer to a call from a page of ours; a refusal for any other."""
        host, origin = call.headers.get("host", ""), call.headers.get("origin")
        given, slash, rest = call.path.removeprefix("/").partition("/")
        if host not in hosts or (origin is not None and origin != f"http://{host}"):
            return _refused(403)
        if call.method == "GET" and not slash:
            return self._come_in(given)
        if not self.entrance.admits(given):
            return _refused(404)
        same = origin is not None or call.headers.get("sec-fetch-site") == "same-origin"
        if call.method == "POST" and not same:
            return _refused(403)
        found = self._router.find(replace(call, path=f"/{rest}"))
        if found is None:
            return _refused(404)
        view, call = found
        answer = view(call, None)
        # Somebody came in meanwhile: what was made may link to their token.
        return answer if self.entrance.admits(given) else _refused(404)

    def _come_in(self, word: str) -> Answer:
        """To the pages, with a token of one's own, for a word that is good; it finds them locked,
        since who had the token before may have been let in by mistake."""
        if self.entrance.exchange(word):
            self.lock()
            return self._pages.to("/")
        return _refused(410 if self.entrance.was_good(word) else 404)

    def _read(self, view: Callable[[Sent], Answer]) -> View[None]:
        """A view of what a page of ours sent."""

        def answer(call: Call, _: None) -> Answer:
            try:
                sent = forms.read(call, call.path)
            except ValueError:
                what = words.SAID["unreadable"]
                return self._pages.problem(self._desk, 400, what)
            return view(sent)

        return answer

    def _unlocked_only(self, line: Line) -> Callable[[Sent], Answer]:
        # No page is the answer to a form; what a script asks for is no page.
        posted = line.method == "POST" and line.path != "/touch"

        def answer(sent: Sent) -> Answer:
            desk, spot = self._desk, forms.spot_in(sent.query, self._city)
            if desk is None:
                lost = sent.path not in _ASKED_AGAIN
                if posted:
                    return self._too_late("locked", spot)
                return self._locked_page(spot, "locked" if lost else None)
            at = self._at(desk, spot)
            try:
                try:
                    return self._shown(at, line, sent)
                except Locked:
                    raise
                except Exception as error:
                    if not posted:
                        raise
                    return self._failed(at, error)
            except Locked:  # by another page, or because nobody was there
                return self._too_late("", spot) if posted else self._locked_page(spot, "")

        return answer

    def _failed(self, at: At, error: Exception) -> Answer:
        """To the page that says what went wrong with a form. Raises Locked."""
        error.__traceback__ = error.__context__ = error.__cause__ = None  # they hold what was read
        at.desk.swap(lambda it: replace(it, problem=error))
        return at.to("/problem")

    def _too_late(self, lost: str, spot: Spot) -> Answer:
        """To the way in, which says once what came too late; "" where nobody can say what was done
        of it."""
        with self._swapping:
            self._refusal = words.SAID.get(lost, ""), ""
        return self._pages.to(spot.address("/"))

    def _shown(self, at: At, line: Line, sent: Sent) -> Answer:
        if line.touches:
            at.desk.touched = self._clock()
        job = at.desk.swap(lambda it: it if line.keeps else _moved_on(it)).job
        if job and job.running and not line.beside:
            if line.method == "POST":
                at.say("working")
                return at.to("/look")
            return at.page("progress.html", job=job)
        answer = line.view(at, sent)
        if answer.body:
            at.desk.peek()  # what was readable when the view began is not sent after the lock
        return answer

    def _at(self, desk: Unlocked, spot: Spot) -> At:
        return At(
            desk, self._city, self._pages, self._clock, self._background, self._keyring_path, spot
        )

    # --- Views of a desk that may be locked ------------------------------------------------------

    def _unlock_with(self, sent: Sent) -> Answer:
        spot = forms.spot_in(sent.query, self._city)
        locks = self._locks  # as it was when somebody pressed: the check takes a second, or waits
        try:
            with self._unlocking:
                keyring, doubt = self._unlock(forms.one(sent.form, "passphrase")), self._doubt()
            work = Work(self._store, self._city, keyring.trust, self._clock, keyring)
            desk = Unlocked(work, self._city, self._clock(), doubt)
            self._open(desk, locks)
            return queue.pull(self._at(desk, spot), sent)
        except (QuietdeskError, OSError) as error:
            with self._swapping:
                self._refusal = words.said(error)
            return self._pages.to(spot.address("/"))

    def _lock_now(self, _: Sent) -> Answer:
        self.lock()
        return self._pages.to("/")

    def _locked_page(self, spot: Spot, lost: str | None = None) -> Answer:
        """The way in. `lost` is a code of SAID for what came too late, "" where nobody can say what
        was done of it; without it, the page says why the last passphrase was refused, once."""
        what, next = words.SAID.get(lost or "", ""), ""
        if lost is None:
            with self._swapping:
                (what, next), self._refusal = self._refusal, ("", "")
        status = 200 if lost is None else 409
        may = self._begin_sign_in is not None
        return self._pages.page(
            None, "locked.html", status, spot, what=what, next=next, may_sign_in=may
        )

    def _sign_in(self, _: Sent) -> Answer:
        """Sign in to the cloud, which has nothing to do with whether the desk is locked."""
        if self._begin_sign_in is None:
            return _refused(404)
        with self._swapping:
            if self._signing is None or not self._signing.running:
                self._signing = self._begin_sign_in()
        return self._pages.to("/sign-in")

    def _sign_in_page(self, _: Sent) -> Answer:
        signing = self._signing
        if signing is None:
            return self._pages.to("/")
        running = signing.running  # read first: what it leaves behind is there when it is over
        what, next = words.said(signing.error) if not running and signing.error else ("", "")
        if isinstance(signing.error, StoreRefused):
            what, next = words.SAID["not_confirmed"], ""
        return self._pages.page(
            self._desk, "signin.html", running=running, code=signing.code, what=what, next=next
        )


def _let_go(desk: Unlocked | None) -> None:
    if desk:
        desk.lock()
    gc.collect()  # now, not some time later: errors and their traces refer to each other


def _moved_on(session: Session) -> Session:
    """Without what is shown once, when staff go on to another page."""
    if session.job and session.job.running:
        return session
    return replace(session, job=None, slip=None, draft=None, problem=None)


def _refused(status: int) -> Answer:
    # Nothing of ours is in it: who asks may be another page, or another program.
    text = f"{status} {HTTPStatus(status).phrase}. {words.SAID[_REFUSED[status]]}"
    return Answer.of(status, "text/plain", text)


def _fixed(answer: Answer) -> Callable[[Sent], Answer]:
    return lambda _: answer
