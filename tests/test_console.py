"""The desk's console: who may ask it, what it shows, and that locking leaves nothing behind."""

import gc
import http.client
import re
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from jinja2 import Environment

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk import keys, request
from quietdesk import reply as replies
from quietdesk.errors import (
    BadKeyring,
    BadSetting,
    CannotOpen,
    ClockWrong,
    NotAllowed,
    QuietdeskError,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TracesRemain,
)
from quietdesk.openings import Opening
from quietdesk.pages import Words
from quietdesk.staff import keyring, session, view
from quietdesk.staff.console import Console
from quietdesk.staff.desk import Desk, Opened
from quietdesk.staff.publisher import Publisher
from quietdesk.staff.signin import Code
from quietdesk.staff.view import SAID, shown
from tests.hostile import FIELDS, PAYLOADS, malformed, sealed_reply, sealed_with
from tests.serving import Clock
from tests.test_pages import NEVER_SAID
from tests.test_silence import leaks
from tests.world import ASKED, NOON, PASSPHRASE, ROOT

TOKEN, PORT = "a-token-of-the-test", 43210
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
PLACE = "Open at"


class Answer:
    """What the console answered."""

    def __init__(self, status, headers, body):
        self.status = int(status.split()[0])
        self.headers = dict(headers)
        self.body = body.decode()

    @property
    def text(self):
        """What a person reads: without tags, and without what closed menus offer."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body)).split())

    def fields(self, name):
        """The values of the page's inputs and buttons of that name."""
        tags = re.findall(rf'<(?:input|button)[^>]* name="{name}"[^>]*>', self.body)
        return [unescape(re.search(r'value="([^"]*)"', tag)[1]) for tag in tags]

    def chosen(self, id):
        """The answer that is chosen for a request on the page of proposals."""
        select = re.search(rf'<select id="c-{id}".*?</select>', self.body, re.DOTALL)[0]
        return re.search(r'<option value="([^"]*)" selected', select)[1]


class Staff:
    """A browser that shows the console, with nothing but HTTP."""

    def __init__(self, console, token=TOKEN):
        self.console = console
        self.base = f"/{token}"
        self._app = console.app(TOKEN, PORT)

    def ask(self, method, path, form=None, follow=True, **headers):
        path, _, query = path.partition("?")
        body = urlencode(form or {}, doseq=True).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"{self.base}{path}",
            "QUERY_STRING": query,
            "wsgi.input": BytesIO(body),
            "HTTP_HOST": HOST,
        }
        if method == "POST":
            kind = "application/x-www-form-urlencoded"
            environ |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}
            environ["HTTP_ORIGIN"] = ORIGIN
        environ |= {f"HTTP_{name.upper()}": text for name, text in headers.items() if text}
        for name in [name for name, text in headers.items() if not text]:
            environ.pop(f"HTTP_{name.upper()}", None)
        said = []
        answer = self._app(environ, lambda status, headers: said.append((status, headers)))
        got = Answer(*said[0], b"".join(answer))
        if follow and got.status == 303:
            self.wait()
            return self.get(urlsplit(got.headers["Location"]).path.removeprefix(self.base))
        return got

    def wait(self):
        """Until the work in the background is done."""
        self.console._worker.submit(lambda: None).result()

    def get(self, path="/", **more):
        return self.ask("GET", path, **more)

    def post(self, path, follow=True, **form):
        return self.ask("POST", path, form, follow)

    def unlock(self, passphrase=PASSPHRASE):
        return self.post("/unlock", passphrase=passphrase)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def console(world, tmp_path, clock):
    yield from made(world, tmp_path, clock)


def made(world, folder, clock, store=None, lang="en"):
    path = folder / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    made = Console(
        store or world.store,
        world.city,
        path,
        lambda passphrase: keyring.unlock(path.read_bytes(), passphrase),
        clock,
        lang,
    )
    yield made
    made.close()


@pytest.fixture
def staff(console):
    return Staff(console)


@pytest.fixture
def publish(world):
    """Publishes the openings of the coming weeks."""

    def publish():
        publisher = Publisher(world.store, world.city, world.trust, world.device)
        publisher.publish(NOON)
        return publisher

    return publish


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    """What nobody foresaw is answered with a page of fixed words; here it fails the test."""
    unforeseen = []
    answer = Console._problem

    def problem(self, error, retry=False):
        if not isinstance(error, QuietdeskError | OSError):
            unforeseen.append(error)
        return answer(self, error, retry)

    monkeypatch.setattr(Console, "_problem", problem)
    yield unforeseen
    assert unforeseen == []


class Failing:
    """A store that does not answer to one of its methods."""

    def __init__(self, store, method, error):
        self.__dict__.update(store=store, method=method, error=error, asked=0)

    def __getattr__(self, name):
        if name == self.method:
            return self._fail
        return getattr(self.store, name)

    def _fail(self, *_):
        self.__dict__["asked"] += 1
        raise self.error


def put(world, lane="P", **typed):
    envelope = replace(world.sealed(**typed), lane=lane)
    world.store.put(envelope)
    return envelope.id.hex()


def opened(world, now=NOON):
    return {it.id: it for it in world.desk().pull(now) if isinstance(it, Opened)}


def readable():
    """What lies in this process's memory that only an unlocked desk has."""
    gc.collect()
    kinds = Opened | Desk | session.Session | session.Job | session.Entered
    return [it for it in gc.get_objects() if isinstance(it, kinds)]


def names(page):
    """The names in the rows of a page, as a person reads them."""
    return [
        unescape(it) for it in re.findall(r'class="name"><bdi class="told">(.*?)</bdi>', page.body)
    ]


def accept(staff, page, **changed):
    """Accept what a page proposes, with other answers for some."""
    form = {f"c-{id}": choice for id, choice in changed.items()}
    return staff.post("/accept", number=page.fields("number")[0], **form)


NO_PHONE = {"reach": [], "phone": [], "phone_owner": []}
TYPED = {**ASKED, "opening": [""]}

# --- Who may ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": f"evil.example:{PORT}"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": ""}, 403),
        ({"host": f"{HOST},{HOST}"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://localhost:43210"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_and_origins_are_refused(staff, world, method, headers, status):
    put(world, name=["Marisol"])
    staff.unlock()

    answer = staff.ask(method, "/" if method == "GET" else "/pull", **headers)

    assert answer.status == status
    assert "Marisol" not in answer.body and TOKEN not in answer.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "", "sec_fetch_site": ""}, 403),
        ({"origin": "", "sec_fetch_site": "cross-site"}, 403),
        ({"origin": "", "sec_fetch_site": "same-site"}, 403),
        ({"origin": "", "sec_fetch_site": "none"}, 403),
        ({"origin": "", "sec_fetch_site": "same-origin"}, 204),
        ({"origin": ORIGIN}, 204),
        ({"host": "localhost:43210", "origin": "http://localhost:43210"}, 204),
    ],
)
def test_only_a_page_of_ours_may_post(staff, headers, status):
    staff.unlock()

    assert staff.ask("POST", "/touch", **headers).status == status


@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
@pytest.mark.parametrize("path", ["/", "/look", "/openings", "/assets/desk.css"])
def test_without_the_token_there_is_nothing(console, token, path):
    Staff(console).unlock()

    answer = Staff(console, token).get(path)

    assert answer.status == 404
    assert "Queue" not in answer.body and TOKEN not in answer.body


def test_unknown_paths_and_methods_are_not_found(staff):
    staff.unlock()

    for method, path in (("GET", "/nothing"), ("GET", "/touch"), ("PUT", "/"), ("HEAD", "/x")):
        assert staff.ask(method, path).status == 404
    assert staff.get("/assets/../console.py").status == 404


def test_every_answer_has_the_headers(staff, world):
    id = put(world)
    answers = [staff.get(), staff.post("/unlock", follow=False, passphrase="wrong")]
    answers += [staff.post("/unlock", follow=False, passphrase=PASSPHRASE)]
    answers += [staff.get(path) for path in ("/look", "/", "/openings", "/enter", "/nothing")]
    answers += [staff.get("/assets/desk.css"), staff.get("/assets/desk.js")]
    answers += [staff.post("/request", one=id), staff.post("/touch"), staff.post("/lock")]
    answers += [staff.ask("GET", "/", host="evil.example"), Staff(staff.console, "no").get()]

    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Set-Cookie" not in answer.headers


def test_pages_load_nothing_from_elsewhere_and_have_no_script_inside(staff, world):
    put(world)
    staff.unlock()

    for path in ("/", "/openings", "/enter"):
        page = staff.get(path).body
        linked = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        assert all(it.startswith((staff.base, "#", "data:,")) for it in linked)
        assert re.findall(r"<script[^>]*>[^<]+|<style|style=| on[a-z]+=", page) == []


def test_form_that_is_none_changes_nothing(staff, world):
    put(world)
    staff.unlock()
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": f"{staff.base}/sure", "HTTP_HOST": HOST,
        "HTTP_ORIGIN": ORIGIN, "CONTENT_LENGTH": "7", "wsgi.input": BytesIO(b"a=%ff%fe"),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }  # fmt: skip
    said = []
    staff._app(environ, lambda status, _: said.append(status))

    assert said[0].startswith("400")


# --- Unlock and lock -----------------------------------------------------------------------------


def test_desk_opens_with_the_passphrase(staff, world):
    id = put(world, name=["Marisol"])

    assert "Passphrase" in staff.get().text
    page = staff.unlock()

    assert "Marisol" in page.text and id[:8] in page.text


def test_wrong_passphrase_opens_nothing(staff, world):
    put(world, name=["Marisol"])

    page = staff.unlock("wrong")

    assert "does not unlock" in page.text
    assert staff.console.locked
    again = staff.get()
    assert "Marisol" not in again.body and "does not unlock" not in again.text


@pytest.mark.parametrize("error", [BadKeyring("damaged"), FileNotFoundError("device.keyring")])
def test_keyring_that_cannot_be_used_is_said(staff, monkeypatch, error):
    def unlock(_):
        raise error

    monkeypatch.setattr(staff.console, "_unlock", unlock)

    page = staff.unlock()

    assert view.said(error)[0] in page.text and "Passphrase" in page.text
    assert staff.console.locked


def test_store_that_does_not_answer_can_be_asked_again(world, tmp_path, clock):
    put(world, name=["Marisol"])
    failing = Failing(world.store, "pull", StoreUnavailable("down"))
    (console,) = [next(made(world, tmp_path, clock, failing))]
    staff = Staff(console)

    page = staff.unlock()
    failing.__dict__["method"] = ""
    again = staff.post("/pull")

    assert "The store does not answer" in page.text and "Try again" in page.text
    assert "Marisol" in again.text
    console.close()


def test_lock_leaves_nothing_readable(staff, world, publish):
    before = len(readable())
    publish()
    ids = [put(world, name=["Marisol"], phone=["7185550167"]) for _ in range(3)]
    staff.unlock()
    staff.post("/request", one=ids[0])
    staff.post("/propose", id=ids)
    staff.post("/answer", id=ids[0], do="wait")
    staff.post("/enter", **TYPED)
    assert len(readable()) > before

    page = staff.post("/lock")

    assert len(readable()) == before
    assert "Passphrase" in page.text
    for path in ("/", "/look", "/slip", "/openings", "/enter"):
        assert not {"Marisol", ASKED["name"][0], "7185550167"} & set(staff.get(path).text.split())


def test_passphrase_is_not_kept(staff):
    staff.post("/unlock", follow=False, passphrase=PASSPHRASE)

    held = BaseRouter.current_event.raw_event
    assert held["rawPath"] == "/unlock" and held["body"] == ""
    assert staff.console._call.form == {}


def test_locked_desk_does_nothing(staff, world):
    id = put(world, name=["Marisol"])
    staff.unlock()
    staff.post("/lock")

    for path, form in (("/answer", {"id": id, "do": "none"}), ("/pull", {}), ("/touch", {})):
        answer = staff.post(path, **form)
        assert answer.status == 409 and "Nothing was changed" in answer.text
    assert opened(world)[id].state == "waiting"


def test_desk_that_nobody_touches_locks_itself(staff, world, clock):
    staff.unlock()
    idle = timedelta(minutes=world.city.lock_minutes)

    clock.now += idle - timedelta(seconds=1)
    staff.console.tick()
    assert not staff.console.locked

    clock.now += timedelta(seconds=1)
    staff.console.tick()
    assert staff.console.locked


def test_idle_desk_is_locked_even_before_its_timer_looks(staff, world, clock):
    put(world, name=["Marisol"])
    staff.unlock()

    clock.now += timedelta(minutes=world.city.lock_minutes)

    assert "Marisol" not in staff.get().body


@pytest.mark.parametrize(("path", "method", "stays"), [
    ("/", "GET", True), ("/openings", "GET", True), ("/touch", "POST", True),
    ("/look", "GET", False), ("/assets/desk.css", "GET", False), ("/nothing", "GET", False),
])  # fmt: skip
def test_only_people_keep_the_desk_open(staff, world, clock, path, method, stays):
    staff.unlock()
    for _ in range(2):
        clock.now += timedelta(minutes=world.city.lock_minutes - 1)
        staff.ask(method, path)

    assert staff.console.locked is not stays


def test_page_says_how_long_it_may_be_shown(staff, world, clock):
    staff.unlock()
    clock.now += timedelta(minutes=4)

    assert f'data-left="{(world.city.lock_minutes - 4) * 60}"' in staff.get("/look").body
    assert f'data-left="{world.city.lock_minutes * 60}"' in staff.get("/").body


def test_no_setting_keeps_a_desk_open_for_longer_than_half_an_hour(world, tmp_path, clock):
    patient = replace(world, city=replace(world.city, lock_minutes=240))
    (console,) = [next(made(patient, tmp_path, clock))]
    Staff(console).unlock()

    clock.now += timedelta(minutes=30)
    console.tick()

    assert console.locked


def test_open_desk_locks_on_a_key_day(staff, world, clock):
    """So that what is destroyed is not readable for as long as somebody works."""
    clock.now = keys.destroyed_at(
        keys.epoch_at(NOON, world.city.zone).plus(-1), world.city.zone, world.city.serve_days
    ) - timedelta(minutes=1)
    staff.unlock()

    clock.now += timedelta(seconds=30)
    staff.console.tick()
    assert not staff.console.locked

    clock.now += timedelta(seconds=30)
    staff.console.tick()
    assert staff.console.locked


def test_request_that_is_over_leaves_the_screen(staff, world, clock):
    envelope = world.sealed(name=["Marisol"])
    world.store.put(replace(envelope, expires=int(NOON.timestamp()) + 60))
    put(world, name=["Rosa"])
    assert sorted(names(staff.unlock())) == ["Marisol", "Rosa"]

    clock.now += timedelta(seconds=61)

    assert names(staff.get()) == ["Rosa"]


def test_nothing_readable_is_written_to_disk(staff, world, publish, tmp_path):
    publish()
    planted = {"name": "Zubrowkaplant রহিমা", "phone": "+15559876123"}
    ids = [put(world, name=[planted["name"]], phone=[planted["phone"]]) for _ in range(4)]
    staff.unlock()
    accept(staff, staff.post("/propose", id=ids[:2]))
    staff.post("/answer", id=ids[2], do="wait")
    staff.post("/contact", one=ids[2])
    staff.post("/enter", **{**TYPED, "name": planted["name"], "phone": planted["phone"]})
    slip = staff.get("/slip")
    code = "".join(re.findall(r"<span>([0-9A-Z]{4})</span>", slip.body))
    assert len(code) == 16
    staff.post("/lock")

    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert {"device.keyring", "requests.db"} <= {path.name for path in files}
    for path in files:
        assert leaks(path.read_bytes(), [*planted.values(), code, PASSPHRASE]) == [], path


def test_desk_makes_keys_for_coming_weeks_ready(staff, world, clock, tmp_path):
    path = tmp_path / "device.keyring"
    before = keyring.epochs(path.read_bytes())
    clock.now += timedelta(weeks=2)

    staff.unlock()

    assert len(set(keyring.epochs(path.read_bytes())) - set(before)) == 2


def test_keys_that_cannot_be_saved_are_said_and_the_queue_is_shown(staff, world, clock, tmp_path):
    put(world, name=["Marisol"])
    clock.now += timedelta(weeks=1)
    (tmp_path / "device.keyring.new").mkdir()

    page = staff.unlock()

    assert "could not be made ready" in page.text and "Marisol" in page.text


def test_served_desk_prints_its_address_and_locks_when_stopped(world, tmp_path):
    """As `quietdesk desk` runs it, in a process of its own."""
    put(world, name=["Marisol"])
    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE, world.spec, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]{43})/", child.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=30)
        headers = {"Origin": f"http://127.0.0.1:{address[1]}"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode({"passphrase": PASSPHRASE})
        connection.request("POST", f"/{address[2]}/unlock", body, headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Server")) == (303, None)
        answer.read()
        with socket.socket() as elsewhere:  # another address of this machine, as a network has
            assert elsewhere.connect_ex(("127.0.0.2", int(address[1]))) != 0
        connection.close()
    finally:
        child.terminate()
        said, failed = child.communicate(timeout=30)

    assert child.returncode == 0 and failed == ""
    assert "Marisol" not in said and PASSPHRASE not in said


SERVE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from quietdesk.staff import console, keyring
from quietdesk.store import open_store
from tests.world import NOON, compiled_city

path = Path(sys.argv[2])
made = console.Console(
    open_store(sys.argv[1]), compiled_city(), path,
    lambda passphrase: keyring.unlock(path.read_bytes(), passphrase), lambda: NOON,
)
try:
    console.run(made, open_browser=False)
except SystemExit:
    assert made.locked
"""


# --- The queue -----------------------------------------------------------------------------------


def test_queue_is_read_lane_by_lane_the_oldest_week_first(staff, world):
    week = keys.epoch_at(NOON, world.city.zone)
    for name, lane in (("Nadia", "N"), ("Karim", "K"), ("Pedro", "P"), ("Vera", "V")):
        put(world, lane, name=[name])
    earlier = NOON - timedelta(weeks=1)
    key = codes.derive(codes.new(), world.city.deployment)
    asked = request.parse({**ASKED, "name": ["Paula"]}, world.city)
    old = envelopes.seal(
        request.pack(asked, key.reply),
        world.bundle(),
        key,
        born=keys.epoch_at(earlier, world.city.zone),
    )
    world.store.put(envelopes.admitted(old, "P", keys.expires(week, week, world.city.zone, 7)))

    assert names(staff.unlock()) == ["Vera", "Paula", "Pedro", "Karim", "Nadia"]


@pytest.mark.parametrize(
    ("field", "value", "typed"),
    [
        ("center", "flushing-library", {"centers": ["flushing-library"]}),
        ("window", "tue-eve", {"windows": ["tue-eve"]}),
        ("language", "ht", {"language": ["ht"]}),
        ("access", "large_print", {"access": ["large_print"]}),
        ("visit_type", "renew", {"visit_type": ["renew"]}),
        ("people", "5", {"people": ["5"]}),
    ],
)
def test_filter_shows_only_what_matches(staff, world, field, value, typed):
    put(world, name=["Marisol"], **typed)
    put(world, name=["Rosa"])
    assert sorted(names(staff.unlock())) == ["Marisol", "Rosa"]

    assert names(staff.get(f"/?{field}={value}")) == ["Marisol"]
    assert sorted(names(staff.get(f"/?{field}="))) == ["Marisol", "Rosa"]


def test_value_that_no_page_offers_filters_nothing(staff, world):
    put(world, name=["Marisol"])
    staff.unlock()

    query = urlencode({"center": "<b>", "people": "9" * 5000, "page": "-1", "state": "x"})

    page = staff.get(f"/?{query}")
    assert "<b>" not in page.body and page.status == 200


def test_state_is_a_filter_and_each_is_counted(staff, world, publish):
    publish()
    placed, none, waits = (put(world, name=[name]) for name in ("Pia", "Nora", "Wanda"))
    desk, items = world.desk(), opened(world)
    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    desk.place(items[placed], next(iter(free)), NOON)
    desk.refuse(items[none], NOON)

    page = staff.unlock()

    assert names(page) == ["Wanda"]
    assert "Waiting (1)" in page.text and "All (3)" in page.text
    assert names(staff.get("/?state=placed")) == ["Pia"]
    assert names(staff.get("/?state=none")) == ["Nora"]
    assert sorted(names(staff.get("/?state=all"))) == ["Nora", "Pia", "Wanda"]
    assert waits[:8] in page.text


def test_fifty_requests_are_on_a_page(staff, world):
    for number in range(120):
        put(world, name=[f"N{number}"])
    first = staff.unlock()

    pages = [first, staff.get("/?page=2"), staff.get("/?page=3"), staff.get("/?page=99")]

    assert [len(names(page)) for page in pages] == [50, 50, 20, 20]
    assert len({name for page in pages for name in names(page)}) == 120
    assert "51 to 100 of 120" in pages[1].text


def test_contact_is_hidden_until_asked_for(staff, world):
    id = put(world, name=["Marisol"], phone=["(718) 555-0167"])
    pages = [staff.unlock(), staff.post("/request", one=id)]
    assert all("5550167" not in page.body for page in pages)

    page = staff.post("/contact", one=id)

    assert "7185550167" in page.text and "Text message" in page.text and "It is mine" in page.text


def test_who_gave_no_number_has_no_contact_to_show(staff, world):
    id = put(world, **NO_PHONE)
    staff.unlock()

    page = staff.post("/request", one=id)

    assert "looks with the code" in page.text and "Show contact" not in page.text


def test_same_phone_number_twice_is_flagged(staff, world):
    first = put(world, name=["Marisol"], phone=["718 555 0167"])
    put(world, name=["Rosa"], phone=["(718) 555-0167"])
    put(world, name=["Ana"], phone=["718 555 0168"])
    put(world, name=["Bea"], **NO_PHONE)
    put(world, name=["Eva"], **NO_PHONE)

    page = staff.unlock()
    rows = page.body.split("<tr>")[2:]

    flagged = [names(Answer("200", [], row.encode()))[0] for row in rows if 'class="flag"' in row]
    assert sorted(flagged) == ["Marisol", "Rosa"]
    assert "Rosa" in staff.post("/request", one=first).text


def test_what_does_not_open_is_counted_by_reason_and_stops_nobody(staff, world):
    put(world, name=["Marisol"])
    for envelope in malformed(world).values():
        world.store.put(envelope)

    page = staff.unlock()

    assert names(page) == ["Marisol"]
    assert f"Requests that do not open: {len(malformed(world))}" in page.text
    assert "what is inside is not a request of our form" in page.text
    assert not NEVER_SAID.search(page.text)


def test_destroyed_weeks_are_counted_with_their_name(staff, world):
    put(world)
    week = str(keys.epoch_at(NOON, world.city.zone))
    world.store.destroy_keys(world.city.queue, week)

    page = staff.unlock()

    assert (
        f"1: the key of its week is destroyed; the person has to ask again (week {week})"
        in page.text
    )


@pytest.mark.parametrize("error", ["the key does not open this", "a text of next year"])
def test_every_reason_has_words(error):
    why, week = view.reason(CannotOpen(error))

    assert view.REASONS[why] and week == ""


def test_request_sent_in_two_weeks_is_shown_once_and_counted(staff, world):
    code = codes.new()
    world.store.put(world.sealed(code=code, name=["Marisol"]))
    world.store.put(world.sealed(code=code, name=["Marisol"], now=NOON + timedelta(weeks=1)))

    page = staff.unlock()

    assert names(page) == ["Marisol"] and "1: it was sent in two weeks" in page.text


def test_fetching_again_shows_new_ones_and_forgets_cancelled_ones(staff, world):
    gone = put(world, name=["Marisol"])
    staff.unlock()
    world.store.erase(opened(world)[gone].envelope)
    put(world, name=["Rosa"])

    assert names(staff.get()) == ["Marisol"]
    assert names(staff.post("/pull")) == ["Rosa"]


def test_fetching_again_opens_only_what_is_new(staff, world, monkeypatch):
    put(world)
    staff.unlock()
    put(world)
    count = Counter()
    opens = Desk.open

    def counted(self, envelope):
        count["opened"] += 1
        return opens(self, envelope)

    monkeypatch.setattr(Desk, "open", counted)
    staff.post("/pull")

    assert count["opened"] == 1


def test_desk_nags_before_requests_are_destroyed(staff, world, clock):
    ids = [put(world) for _ in range(2)]
    assert "Still waiting, and destroyed" not in staff.unlock().text
    staff.post("/lock")

    clock.now = NOON + timedelta(days=10)
    page = staff.unlock()
    assert "Still waiting, and destroyed on Monday, November 30: 2." in page.text

    done = staff.post("/answer", due="1", do="wait")
    assert "Kept waiting: 2" in done.text
    assert "Still waiting, and destroyed" not in staff.get().text
    assert all(opened(world, NOON + timedelta(days=15))[id].state == "waiting" for id in ids)


def test_desk_says_who_was_told_to_look_again_by_today(staff, world, clock):
    id = put(world)
    staff.unlock()
    staff.post("/answer", id=id, do="wait")  # until Saturday, November 28
    assert "Told to look again by today" not in staff.get().text
    staff.post("/lock")

    clock.now = NOON + timedelta(days=10)
    assert "Told to look again by today, and still without an answer: 1." in staff.unlock().text
    assert "Kept waiting: 1" in staff.post("/answer", promised="1", do="wait").text
    assert "Told to look again by today" not in staff.get().text


def test_desk_speaks_another_language(world, tmp_path, clock):
    spanish = replace(world.city, words={"en": {}, "es": {"Queue": "Lista", "Waiting": "Espera"}})
    (console,) = [next(made(replace(world, city=spanish), tmp_path, clock, lang="es"))]

    page = Staff(console).unlock()

    assert 'lang="es"' in page.body and "Lista" in page.text and "Espera (0)" in page.text
    console.close()


# --- Places and answers --------------------------------------------------------------------------


def test_desk_proposes_and_places_who_is_accepted(staff, world, publish):
    publish()
    ids = [put(world, name=[f"N{n}"]) for n in range(3)]
    staff.unlock()

    page = staff.post("/propose", id=ids)
    assert all(opened(world)[id].state == "waiting" for id in ids)
    proposed = {id: page.chosen(id) for id in ids}
    done = accept(staff, page)

    assert "Placed: 3" in done.text
    assert {id: opened(world)[id].envelope.opening for id in ids} == proposed
    assert sorted(names(staff.get("/?state=placed"))) == ["N0", "N1", "N2"]


def test_proposals_can_be_changed(staff, world, publish):
    publish()
    ids = [put(world, name=[f"N{n}"], windows=["any"]) for n in range(4)]
    staff.unlock()
    page = staff.post("/propose", id=ids)
    other = re.findall(r'<option value="(corona[^"]*)"', page.body)[-1]

    done = accept(staff, page, **{ids[0]: other, ids[1]: "wait", ids[2]: "none", ids[3]: "leave"})

    assert "Placed: 1 Kept waiting: 1 Answered that there is no place: 1" in done.text
    items = opened(world)
    assert items[ids[0]].envelope.opening == other
    assert [items[id].state for id in ids[1:]] == ["waiting", "none", "waiting"]
    assert items[ids[1]].reply.look_again and not items[ids[3]].reply.look_again


def test_everything_that_matches_is_proposed_with_one_click(staff, world, publish):
    publish()
    for number in range(70):
        put(world, name=[f"N{number}"], windows=["any"])
    put(world, name=["Other"], language=["ht"])
    staff.unlock()

    page = staff.post("/propose", all="1", state="waiting", language="bn")
    second = staff.post("/accept", number=page.fields("number")[0], page="2")
    done = accept(staff, second)

    assert "Requests that get a place: 70 of 70" in page.text
    assert (len(names(page)), len(names(second))) == (50, 20)
    assert "Placed: 70" in done.text
    assert Counter(item.state for item in opened(world).values()) == {"placed": 70, "waiting": 1}


def test_change_on_one_page_of_proposals_is_kept_on_the_next(staff, world, publish):
    publish()
    for number in range(60):
        put(world, name=[f"N{number}"], windows=["any"])
    staff.unlock()
    page = staff.post("/propose", all="1")
    id = re.search(r'name="c-([0-9a-f]+)"', page.body)[1]

    second = staff.post("/accept", number=page.fields("number")[0], page="2", **{f"c-{id}": "none"})
    accept(staff, second)

    assert [it.id for it in opened(world).values() if it.state == "none"] == [id]


def test_nothing_fits_is_left_as_it_is(staff, world):
    id = put(world)
    staff.unlock()

    page = staff.post("/propose", id=id)
    accept(staff, page)

    assert page.chosen(id) == "leave" and "Nothing fits" in page.text
    assert opened(world)[id].envelope.rev == 1


def test_second_scheduler_is_a_shown_conflict_and_loses_nothing(staff, world, publish):
    publisher = publish()
    ids = [put(world, name=[f"N{n}"]) for n in range(3)]
    staff.unlock()
    page = staff.post("/propose", id=ids)
    theirs = next(it for it in publisher.free(NOON) if it.center == "flushing-library")
    world.desk().place(opened(world)[ids[1]], theirs, NOON)

    done = accept(staff, page)

    assert "Placed: 2" in done.text and "Not done: 1" in done.text
    assert "Somebody else changed it meanwhile" in done.text and names(done) == ["N1"]
    assert opened(world)[ids[1]].opening == theirs
    assert opened(world)[ids[0]].state == opened(world)[ids[2]].state == "placed"
    assert "Flushing Library" in staff.post("/request", one=ids[1]).text
    # What is on the screen is what is in the store: another try works.
    again = staff.post("/answer", id=ids[1], do=page.chosen(ids[1]))
    assert "Placed: 1" in again.text


def test_cancelled_request_is_a_shown_conflict(staff, world, publish):
    publish()
    ids = [put(world, name=[f"N{n}"]) for n in range(3)]
    staff.unlock()
    page = staff.post("/propose", id=ids)
    world.store.erase(opened(world)[ids[0]].envelope, stub=True)

    done = accept(staff, page)

    assert "the person cancelled it" in done.text and "Placed: 2" in done.text
    assert sorted(names(staff.get("/?state=all"))) == ["N1", "N2"]
    assert ids[0] not in opened(world)


def test_seat_that_is_gone_is_a_shown_conflict(staff, world, publish):
    publish()
    ids = [put(world, name=[f"N{n}"]) for n in range(2)]
    staff.unlock()
    page = staff.post("/propose", id=ids)
    wanted = page.chosen(ids[0])
    world.store.set_seats({wanted: 0})

    done = accept(staff, page, **{ids[1]: "wait"})

    assert "no free seat any more" in done.text and "Kept waiting: 1" in done.text
    assert opened(world)[ids[0]].state == "waiting"
    assert staff.post("/propose", id=ids[0]).chosen(ids[0]) not in ("leave", wanted)


def test_week_without_a_key_is_a_shown_conflict(staff, world, publish):
    publish()
    id = put(world)
    staff.unlock()
    far = Opening(NOON.date() + timedelta(weeks=8), "09:00", "corona", "desk")
    world.store.set_seats({str(far): 1})

    done = staff.post("/answer", id=id, do=str(far))

    assert "There is no key for the week of that visit yet" in done.text
    assert opened(world)[id].state == "waiting"


def test_store_that_stops_answering_is_said_with_how_many_were_not_done(
    world, tmp_path, clock, publish
):
    publish()
    failing = Failing(world.store, "replace", StoreUnavailable("down"))
    (console,) = [next(made(world, tmp_path, clock, failing))]
    staff, ids = Staff(console), [put(world) for _ in range(5)]
    staff.unlock()

    done = accept(staff, staff.post("/propose", id=ids))

    assert "The store does not answer" in done.text
    assert "Not answered, and as they were: 5" in done.text
    assert failing.asked == 1
    console.close()


def test_traces_that_remain_are_no_failure(staff, world, monkeypatch):
    id = put(world)
    staff.unlock()
    erase = world.store.erase

    def traced(envelope, stub=False):
        erase(envelope, stub)
        raise TracesRemain("somebody reads")

    monkeypatch.setattr(world.store, "erase", traced)
    done = staff.post("/sure", number=staff.post("/answer", id=id, do="erase").fields("number")[0])

    assert "Erased: 1" in done.text
    assert "No request" in staff.get("/?state=all").text


def test_request_too_long_to_hold_a_place_is_said(staff, world, publish):
    publish()
    envelope = sealed_with(world, "name", "W" * 1000)
    world.store.put(envelope)
    staff.unlock()

    done = accept(staff, staff.post("/propose", id=envelope.id.hex()))

    assert "It is too long to be changed" in done.text
    assert opened(world)[envelope.id.hex()].state == "waiting"


def test_one_request_gets_a_place_of_its_own_page(staff, world, publish):
    publish()
    id = put(world, centers=["corona"], windows=["mon-am"])
    staff.unlock()

    page = staff.post("/request", one=id)
    options = re.findall(r'<option value="([^"]+)"', page.body)
    fitting = [Opening.parse(it) for it in options if Opening.parse(it).center == "corona"]
    other = next(it for it in options if not it.startswith("corona"))
    assert fitting[0].day.weekday() == 0 and fitting[0].part_of_day == "am"

    done = staff.post("/answer", id=id, do=other)

    assert "Placed: 1" in done.text and opened(world)[id].envelope.opening == other


def test_what_waits_is_told_when_to_look_again(staff, world):
    ids = [put(world) for _ in range(2)]
    staff.unlock()

    done = staff.post("/answer", id=ids, do="wait")

    again = NOON.date() + timedelta(days=world.city.answer_by_days)
    assert "Kept waiting: 2" in done.text
    assert {opened(world)[id].reply.look_again for id in ids} == {again}
    assert "Looks again on Saturday, November 28" in staff.get().text


def test_request_that_would_be_over_first_is_not_kept_waiting(staff, world):
    week = keys.epoch_at(NOON, world.city.zone)
    key = codes.derive(codes.new(), world.city.deployment)
    asked = request.parse(ASKED, world.city)
    old = envelopes.seal(request.pack(asked, key.reply), world.bundle(), key, born=week.plus(-8))
    end = int(NOON.timestamp()) + 86_400
    world.store.put(envelopes.admitted(old, "P", end))
    staff.unlock()

    done = staff.post("/answer", id=old.id.hex(), do="wait")

    assert "would be destroyed before that day" in done.text


def test_answering_that_there_is_no_place(staff, world):
    ids = [put(world) for _ in range(3)]
    staff.unlock()

    done = staff.post("/answer", id=ids[:2], do="none")

    assert "Answered that there is no place: 2" in done.text
    assert Counter(it.state for it in opened(world).values()) == {"none": 2, "waiting": 1}
    assert {opened(world)[id].reply for id in ids[:2]} == {replies.Reply("none")}


@pytest.mark.parametrize("answer", ["wait", "none", "erase"])
def test_who_would_lose_a_place_is_asked_about_first(staff, world, publish, answer):
    publish()
    id = put(world, name=["Marisol"])
    staff.unlock()
    accept(staff, staff.post("/propose", id=id))
    opening = opened(world)[id].envelope.opening
    left = world.store.seats([opening])[opening]

    page = staff.post("/answer", id=id, do=answer)
    assert opened(world)[id].state == "placed"
    assert "Of these have a place, and lose it: 1" in page.text
    staff.post("/sure", number=page.fields("number")[0])

    assert id not in opened(world) or opened(world)[id].state != "placed"
    assert world.store.seats([opening])[opening] == left + 1


def test_erasing_asks_first(staff, world):
    ids = [put(world) for _ in range(2)]
    staff.unlock()

    page = staff.post("/answer", id=ids[0], do="erase")
    assert set(opened(world)) == set(ids)
    done = staff.post("/sure", number=page.fields("number")[0])

    assert "Erased: 1" in done.text and set(opened(world)) == {ids[1]}


def test_old_page_of_questions_or_proposals_does_nothing(staff, world, publish):
    publish()
    ids = [put(world) for _ in range(2)]
    staff.unlock()
    question = staff.post("/answer", id=ids[0], do="erase")
    staff.post("/answer", id=ids[1], do="erase")
    plan = staff.post("/propose", id=ids[0])
    staff.post("/propose", id=ids[1])

    pages = [staff.post("/sure", number=question.fields("number")[0]), accept(staff, plan)]

    assert all("That page was an old one" in page.text for page in pages)
    assert [it.envelope.rev for it in opened(world).values()] == [1, 1]


def test_nothing_ticked_does_nothing(staff, world):
    id = put(world)
    staff.unlock()

    for path in ("/propose", "/answer"):
        assert "No request was chosen" in staff.post(path, do="none").text
    assert "No request was chosen" in staff.post("/answer", id="00" * 16, do="none").text
    assert opened(world)[id].envelope.rev == 1


def test_many_are_answered_in_the_background_with_progress(staff, world, monkeypatch):
    ids = [put(world) for _ in range(30)]
    staff.unlock()
    going, at_half = Event(), Event()
    refuse = Desk.refuse

    def slow(self, item, now):
        if len([id for id in ids if staff.console._session.items[id].state == "none"]) == 12:
            at_half.set()
            assert going.wait(30)
        return refuse(self, item, now)

    monkeypatch.setattr(Desk, "refuse", slow)
    staff.post("/answer", follow=False, id=ids, do="none")
    assert at_half.wait(30)
    page = staff.get()
    going.set()
    staff.wait()

    assert "12 of 30" in page.text and 'value="12" max="30"' in page.body
    assert "http-equiv" in page.body
    assert "Answered that there is no place: 30" in staff.get("/look").text


def test_lock_stops_the_work_and_leaves_every_request_whole(staff, world, monkeypatch):
    before = len(readable())
    ids = [put(world) for _ in range(30)]
    staff.unlock()
    going, at_half = Event(), Event()
    refuse, count = Desk.refuse, Counter()

    def slow(self, item, now):
        count["refused"] += 1
        if count["refused"] == 12:
            at_half.set()
            assert going.wait(30)
        return refuse(self, item, now)

    monkeypatch.setattr(Desk, "refuse", slow)
    staff.post("/answer", follow=False, id=ids, do="none")
    assert at_half.wait(30)
    staff.post("/lock", follow=False)
    going.set()
    staff.wait()

    assert Counter(it.state for it in opened(world).values()) == {"none": 12, "waiting": 18}
    assert len(readable()) == before


# --- Openings ------------------------------------------------------------------------------------


def test_openings_are_previewed_then_published(staff, world):
    staff.unlock()

    before = staff.get("/openings")
    number = re.search(r"adds (\d+), removes 0 and changes 0", before.text)[1]
    assert Publisher(world.store, world.city, world.trust, world.device).free(NOON) == {}
    after = staff.post("/publish")

    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    assert int(number) == len(free) > 0
    assert "What is published is up to date" in after.text


def test_capacity_is_shown_for_each_center_part_of_day_and_day(staff, world, publish):
    publisher = publish()
    monday = Opening.parse("corona.2026-11-23.0900.desk")
    id = put(world)
    world.desk().place(opened(world)[id], monday, NOON)
    staff.unlock()

    page = staff.get("/openings?week=2026-W48")

    row = next(row for row in page.body.split("<tr>") if "Corona" in row and "Morning" in row)
    cells = re.findall(r"<strong>(\d+)</strong>/(\d+)", row)
    assert cells == [("11", "12"), *[("12", "12")] * 4]
    assert monday in publisher.free(NOON)


def test_taking_by_residents_is_switched(staff, world, publish):
    publisher = publish()
    staff.unlock()

    assert "Residents cannot take" in staff.post("/publish", taking="off").text
    assert not publisher.published()[""].taking
    assert "Residents can take" in staff.post("/publish", taking="on").text
    assert publisher.published()[""].taking


def placed_on_the_same_day(world, publish, **more):
    """A phone user, one who only looks with the code, and one elsewhere; all on one Monday."""
    publish()
    ids = {
        "Callista": put(world, name=["Callista"], phone=["7185550167"], windows=["any"]),
        "Quieta": put(world, name=["Quieta"], windows=["any"], **NO_PHONE),
        "Elsa": put(world, name=["Elsa"], centers=["any"]),
    }
    spots = (
        "corona.2026-11-23.0900",
        "corona.2026-11-23.1000.desk",
        "flushing-library.2026-11-23.0900",
    )
    for id, spot in zip(ids.values(), spots, strict=True):
        world.desk().place(opened(world)[id], Opening.parse(spot), NOON)
    return ids


def test_closing_a_day_gives_other_times_and_says_whom_to_call(staff, world, publish):
    ids = placed_on_the_same_day(world, publish)
    staff.unlock()

    page = staff.post("/closing", center="corona", day="2026-11-23")
    assert sorted(names(page)) == ["Callista", "Quieta"]
    assert all(opened(world)[id].opening.day == date(2026, 11, 23) for id in ids.values())
    done = accept(staff, page)

    assert "Corona is closed on Monday, November 23" in done.text and "Placed: 2" in done.text
    calls, doors = done.body.split("Nobody can tell these people in time")
    assert "Callista" in calls and "7185550167" in calls and "Elsa" not in done.body
    assert "Quieta" in doors and "Callista" not in doors
    items = opened(world)
    assert items[ids["Elsa"]].opening.day == date(2026, 11, 23)
    for name in ("Callista", "Quieta"):
        moved = items[ids[name]].opening
        assert (moved.center, moved.day) != ("corona", date(2026, 11, 23))
    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    assert [it for it in free if (it.center, it.day) == ("corona", date(2026, 11, 23))] == []
    assert "Corona : closed on Monday, November 23" in staff.get("/openings").text
    assert "7185550167" not in staff.get("/look").body


def test_who_fits_nowhere_else_waits(staff, world, publish):
    ids = placed_on_the_same_day(world, publish)
    staff.unlock()
    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    world.store.set_seats({str(it): 0 for it in free if it.center == "corona"})

    page = staff.post("/closing", center="corona", day="2026-11-23")
    assert page.chosen(ids["Callista"]) == "wait" and "Leave as it is" not in page.text
    done = accept(staff, page)

    assert "Kept waiting: 2" in done.text and "7185550167" in done.text
    assert opened(world)[ids["Callista"]].state == "waiting"


def test_who_took_a_time_since_the_last_fetch_is_found_when_the_day_closes(staff, world, publish):
    placed_on_the_same_day(world, publish)
    staff.unlock()
    page = staff.post("/closing", center="corona", day="2026-11-23")
    late = put(world, name=["Latika"], windows=["any"])
    world.desk().place(opened(world)[late], Opening.parse("corona.2026-11-23.1100"), NOON)

    done = accept(staff, page)
    assert "Still with a place there on that day: 1" in done.text
    rest = staff.post("/closing", center="corona", day="2026-11-23")

    assert names(rest) == ["Latika"]
    accept(staff, rest)
    assert opened(world)[late].opening.day != date(2026, 11, 23)


def test_closing_a_day_without_visits_closes_it(staff, world, publish):
    publisher = publish()
    staff.unlock()

    page = staff.post("/closing", center="corona", day="2026-11-24")
    assert "Nobody has a place there on that day" in page.text
    accept(staff, page)

    assert ("corona", date(2026, 11, 24)) in publisher.published()[""].closed


@pytest.mark.parametrize("form", [{}, {"center": "corona"}, {"center": "x", "day": "2026-11-24"},
                                  {"center": "corona", "day": "tomorrow"}])  # fmt: skip
def test_closing_needs_a_center_and_a_day(staff, publish, form):
    publisher = publish()
    staff.unlock()

    assert "Choose a center and a day" in staff.post("/closing", **form).text
    assert publisher.published()[""].closed == frozenset()


def test_list_that_is_not_signed_stops_the_openings_and_says_so(staff, world, publish):
    publish()
    name = f"openings#{world.city.queue}"
    _, seq = world.store.read(name)
    world.store.publish(name, b"{}", seq)
    put(world, name=["Marisol"])
    staff.unlock()

    page = staff.get("/openings")

    assert page.status == 409 and "is not signed by whom it must be" in page.text
    assert "Marisol" in staff.get().text


# --- Enter ---------------------------------------------------------------------------------------


def code_on(page):
    return "".join(re.findall(r"<span>([0-9A-Z]{4})</span>", page.body))


def test_who_is_entered_gets_a_code_that_finds_the_request(staff, world):
    staff.unlock()

    page = staff.post("/enter", **TYPED)

    code = codes.parse(code_on(page))
    item = opened(world)[codes.derive(code, world.city.deployment).id.hex()]
    assert item.request.name == ASKED["name"][0] and item.envelope.lane == "K"
    assert "Saturday, November 28" in page.text
    assert names(staff.get()) == [ASKED["name"][0]]


def test_who_is_entered_can_take_a_free_time(staff, world, publish):
    publish()
    staff.unlock()
    form = staff.get("/enter")
    time = re.findall(r'<option value="([^"]+)"', form.body)[0]

    page = staff.post("/enter", **{**TYPED, "opening": time})

    code = codes.parse(code_on(page))
    item = opened(world)[codes.derive(code, world.city.deployment).id.hex()]
    assert item.envelope.opening == time and item.state == "placed"
    # The slip is in the language of the visit.
    assert Words(world.city, "bn")("You have an appointment") in page.text
    assert world.city.center(item.opening.center).address in page.text


def test_nothing_is_carried_over_to_the_next_person(staff, world):
    staff.unlock()
    slip = staff.post("/enter", **TYPED)
    assert code_on(staff.get("/slip")) == code_on(slip)

    form = staff.get("/enter")

    assert ASKED["name"][0] not in form.body and ASKED["phone"][0] not in form.body
    assert "checked" not in form.body and code_on(slip) not in form.body
    assert code_on(staff.get("/slip")) == ""


def test_code_is_gone_when_staff_go_on(staff, world):
    staff.unlock()
    staff.post("/enter", **TYPED)

    staff.get("/")

    assert code_on(staff.get("/slip")) == ""


def test_form_that_needs_another_look_keeps_everything_typed(staff, world):
    staff.unlock()

    page = staff.post("/enter", **{**TYPED, "people": "many", "name": ""})

    assert page.status == 400
    assert "Write a whole number, such as 1." in page.text and "Write a name" in page.text
    assert 'value="many"' in page.body and 'value="(718) 555-0123"' in page.body
    assert re.search(r'name="centers" value="corona"[^>]* checked', page.body)
    assert opened(world) == {}


def test_time_that_was_just_taken_keeps_everything_typed(staff, world, publish):
    publish()
    staff.unlock()
    time = re.findall(r'<option value="([^"]+)"', staff.get("/enter").body)[0]
    world.store.set_seats({time: 0})

    page = staff.post("/enter", **{**TYPED, "opening": time})

    assert "no free seat any more" in page.text
    assert ASKED["name"][0] in page.body and 'value="(718) 555-0123"' in page.body
    assert opened(world) == {}


def test_no_page_is_the_answer_to_what_was_typed(staff):
    """Browsers that reopen their windows keep the form that a page is the answer to, in a file."""
    assert staff.post("/unlock", follow=False, passphrase="wrong").status == 303
    assert staff.post("/unlock", follow=False, passphrase=PASSPHRASE).status == 303
    staff.wait()
    assert staff.post("/enter", follow=False, name="Marisol").status == 303
    assert "Marisol" in staff.get("/again").body
    assert "Marisol" not in staff.get("/enter").body
    assert "Marisol" not in staff.get("/again").body
    assert staff.post("/enter", follow=False, **TYPED).status == 303


def test_form_sent_twice_enters_once_and_shows_the_same_code(staff, world):
    staff.unlock()
    form = staff.get("/enter").fields("form")[0]

    pages = [staff.post("/enter", form=form, **TYPED) for _ in range(2)]

    assert len({code_on(page) for page in pages}) == 1 and code_on(pages[0])
    assert len(opened(world)) == 1


def test_slip_says_nothing_of_who_gets_it_but_the_code(staff, world, publish):
    publish()
    staff.unlock()
    time = re.findall(r'<option value="([^"]+)"', staff.get("/enter").body)[0]

    for opening in ("", time):
        slip = staff.post("/enter", **{**TYPED, "opening": opening})

        assert len(code_on(slip)) == 16
        for typed in (ASKED["name"][0], ASKED["phone"][0], "7185550123"):
            assert typed not in unescape(slip.body)
        staff.get("/enter")


def test_slip_is_in_the_persons_language_and_the_desk_keeps_its_own(world, tmp_path, clock):
    text = "Nobody may ask you for money for an appointment."
    city = replace(world.city, words={"en": {}, "es": {text: "Nadie puede pedirle dinero."}})
    (console,) = [next(made(replace(world, city=city), tmp_path, clock))]
    staff = Staff(console)
    staff.unlock()

    page = staff.post("/enter", **{**TYPED, "language": "es"})

    assert "Nadie puede pedirle dinero." in page.text and "sábado 28 de noviembre" in page.text
    assert "To look again on Saturday, November 28" in page.text and "Next person" in page.text
    console.close()


def test_form_asks_the_residents_fields_and_no_other(staff):
    staff.unlock()

    named = set(re.findall(r' name="([a-z_]+)"', staff.get("/enter").body.split("<main")[1]))

    assert named - {"form"} == set(request.FIELDS)


# --- What residents may write --------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes, counted; and its text."""

    def __init__(self, page):
        super().__init__()
        self.count = Counter()
        self.said = ""
        self.feed(page.body)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.count[tag, tuple(sorted(name for name, _ in attrs))] += 1

    def handle_data(self, data):
        self.said += data


HARMLESS = []  # the elements of the pages about harmless text, found once


def pages_about(staff, world, text):
    """Every page that shows a request, with that text in each field of one."""
    ids = []
    for field in FIELDS:
        envelope = sealed_with(world, field, text)
        world.store.put(envelope)
        ids.append(envelope.id.hex())
    pages = [staff.unlock(), *(staff.post("/contact", one=id) for id in ids)]
    pages.append(staff.post("/propose", id=ids))
    pages.append(staff.post("/answer", id=ids, do="erase"))
    for id in ids:
        world.store.erase(opened(world)[id].envelope)
    pages.append(staff.post("/sure", number=pages[-1].fields("number")[0]))
    return pages


@pytest.mark.parametrize("name", PAYLOADS)
def test_hostile_text_is_shown_as_text(staff, world, publish, name):
    """The pages have exactly the elements that they have for harmless text."""
    publish()
    if not HARMLESS:
        HARMLESS.extend(Tags(page).count for page in pages_about(staff, world, "harmless"))
        staff.post("/lock")

    pages = pages_about(staff, world, PAYLOADS[name])

    assert [Tags(page).count for page in pages] == HARMLESS
    for page in pages:
        said = Tags(page).said
        assert {it for it in said if not it.isprintable()} <= {"\n", "\u200c", "\u200d"}
        for address in re.findall(r'(?:href|src|action|formaction)="([^"]*)"', page.body):
            assert re.fullmatch(r"[\w/.\-?=&;,#:]*", address)
    shown_once = str(shown(PAYLOADS[name][:20]))
    assert shown_once.removesuffix("</bdi>") in pages[0].body


def test_hostile_text_that_is_typed_for_somebody_comes_back_as_text(staff, world):
    """Read out by telephone, or pasted: the form shows it again with what is wrong."""
    staff.unlock()
    typed = {**TYPED, "people": "many", "phone": "none"}
    harmless = {
        element
        for name in ("harmless", "")
        for element in Tags(staff.post("/enter", **{**typed, "name": name})).count
    }

    for text in PAYLOADS.values():
        page = staff.post("/enter", **{**typed, "name": text, "phone": text})

        assert page.status == 400
        assert set(Tags(page).count) <= harmless, text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("রহিমা", "রহিমা"),
        ("محمد", "محمد"),
        ("ক্\u200dষ", "ক্\u200dষ"),
        ("a\u202eb\x00c\nd", "a\ufffdb\ufffdc\ufffdd"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("=1+1", "=1+1"),
    ],
)
def test_text_is_shown_apart_and_without_controls(text, kept):
    assert shown(text) == f'<bdi class="told">{kept}</bdi>'


def test_no_request_name_or_phone_is_in_an_address(staff, world, publish):
    publish()
    ids = [put(world, name=["Zubrowka"], phone=["7185550167"]) for _ in range(60)]
    pages = [staff.unlock(), staff.post("/contact", one=ids[0]), staff.post("/request", one=ids[1])]
    pages += [staff.post("/propose", all="1"), staff.post("/answer", id=ids, do="erase")]
    pages += [staff.get("/openings"), staff.post("/answer", id=ids[:2], do="wait")]

    for page in pages:
        found = re.findall(r'(?:href|src|action|formaction|url)="?([^" >]*)', page.body)
        addresses = [unescape(address) for address in found]
        assert addresses
        for address in addresses:
            assert not any(id[:8] in address for id in ids)
            assert "Zubrowka" not in address and "5550167" not in address
            assert set(parse_qs(urlsplit(address).query)) <= {
                "state", "center", "window", "language", "access", "visit_type", "people", "page",
                "week",
            }  # fmt: skip


def test_nothing_but_the_filters_is_sent_in_an_address(staff, world, publish):
    publish()
    ids = [put(world) for _ in range(3)]
    pages = [staff.get(), staff.unlock(), staff.post("/request", one=ids[0])]
    pages += [staff.post("/contact", one=ids[0]), staff.post("/propose", id=ids)]
    pages += [staff.post("/answer", id=ids, do="erase"), staff.get("/openings")]
    pages += [staff.get("/enter")]

    forms = {form for page in pages for form in re.findall(r"<form[^>]*>", page.body)}

    sent_in_an_address = [form for form in forms if 'method="post"' not in form]
    assert len(forms) > 10
    assert [re.findall(r'class="([^"]*)"', form) for form in sent_in_an_address] == [["filters"]]


@pytest.mark.parametrize("day", ["9999-12-31", "2040-01-01", "0001-01-01"])
def test_reply_that_its_sender_wrote_stops_nobody(staff, world, publish, day):
    publish()
    hostile = sealed_reply(world, {"state": "waiting", "look_again": day})
    world.store.put(hostile)
    id = put(world, name=["Marisol"])
    staff.unlock()

    page = staff.post("/propose", id=[id, hostile.id.hex()])

    assert "Placed: 2" in accept(staff, page).text


# --- Words ---------------------------------------------------------------------------------------


def test_every_error_has_words_and_something_to_do():
    for kind in errors_of(QuietdeskError):
        what, then = view.said(kind.__new__(kind))
        assert what.endswith(".") and then
    assert view.said(OSError())[0] != view.said(ValueError())[0]


def errors_of(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from errors_of(below)


def test_no_page_of_the_desk_says_a_forbidden_word():
    folder = Path(view.__file__).parent / "templates"
    said = [
        re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", it.read_text())
        for it in folder.glob("*.html")
    ]
    env = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in folder.glob("*.html"):
        for _, _, text in env.extract_translations(path.read_text("utf-8"), ("_",)):
            said.append(str(text[0] if isinstance(text, tuple) else text))
    tables = (view.REASONS, view.TROUBLES, view.LANES, view.STATES,
              view.REACH_BY, view.NOTICES, view.REFUSED)  # fmt: skip
    said += [text for table in tables for text in table.values()]
    said += [text for pair in SAID.values() for text in pair]

    assert [text for text in said if NEVER_SAID.search(text)] == []


def test_somebody_entered_again_after_a_lost_answer_is_stored_once(staff, world, monkeypatch):
    """The store wrote, and only its answer was lost; staff send the same answers again."""
    staff.unlock()
    put = world.store.put

    def lost(envelope):
        put(envelope)
        raise StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put", lost)
        first = staff.post("/enter", form="one", **TYPED)
    again = staff.post("/enter", form="two", **TYPED)

    assert "The store does not answer" in first.text and not code_on(first)
    assert len(opened(world)) == 1
    assert codes.derive(code_on(again), "demo").id.hex() in opened(world)


# --- Signing in to the cloud ---------------------------------------------------------------------


class Signing:
    """A sign-in that goes on as a test tells it."""

    def __init__(self):
        self.running, self.code, self.error, self.stopped = True, None, None, False

    def stop(self):
        self.stopped = True


@pytest.fixture
def signing(world, tmp_path, clock):
    """A desk whose store is in the cloud, and the sign-ins that it began."""
    begun = []
    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    failing = Failing(world.store, "", StoreRefused("no"))
    console = Console(
        failing,
        world.city,
        path,
        lambda passphrase: keyring.unlock(path.read_bytes(), passphrase),
        clock,
        begin_sign_in=lambda: begun.append(Signing()) or begun[-1],
    )
    yield Staff(console), begun, failing
    console.close()
    assert all(it.stopped or not it.running for it in begun[-1:])


def test_locked_desk_signs_in_with_a_code_in_the_browser(signing):
    staff, begun, _ = signing
    assert "Sign in to the cloud" in staff.get().text

    first = staff.post("/sign-in")
    assert "One moment" in first.text and "refresh" in first.body
    begun[0].code = Code("https://city.example/device?user_code=ABCD-EFGH", "ABCD-EFGH")
    shown = staff.get("/sign-in")
    again = staff.post("/sign-in")
    begun[0].running = False
    done = staff.get("/sign-in")

    assert 'href="https://city.example/device?user_code=ABCD-EFGH" target="_blank"' in shown.body
    assert "only if it shows the same code as here. https" in shown.text
    assert "ABCD-EFGH" in again.text and len(begun) == 1
    assert "You are signed in." in done.text and "refresh" not in done.body
    assert staff.console.locked


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StoreRefused("denied"), "Nobody confirmed the code in time, or it was denied."),
        (BadSetting("no portal"), "A setting of this computer is not right."),
        (StoreUnavailable("down"), "does not answer"),
    ],
)
def test_sign_in_that_did_not_succeed_is_said_and_can_be_tried_again(signing, error, text):
    staff, begun, _ = signing
    staff.post("/sign-in")
    begun[0].running, begun[0].error = False, error

    assert text in staff.get("/sign-in").text
    staff.post("/sign-in")
    assert len(begun) == 2


def test_who_is_not_signed_in_any_more_finds_the_button_where_it_is_said(signing):
    staff, _, failing = signing
    failing.__dict__["method"] = "pull"

    refused = staff.unlock()

    assert "does not accept your sign-in" in refused.text
    assert f'action="{staff.base}/sign-in"' in refused.body


def test_desk_on_one_machine_has_nobody_to_sign_in(staff):
    assert "Sign in to the cloud" not in staff.get().text
    assert staff.post("/sign-in").status == 404
    assert "Passphrase" in staff.get("/sign-in").text


def test_only_a_page_of_ours_begins_a_sign_in(signing):
    staff, begun, _ = signing

    assert staff.ask("POST", "/sign-in", origin="http://evil.example").status == 403
    assert staff.ask("POST", "/sign-in", origin="").status == 403
    assert begun == []


@pytest.mark.parametrize(
    ("kind", "what", "then"),
    [
        (StoreRefused, "does not accept your sign-in", "quietdesk sign-in"),
        (NotAllowed, "your role may not do this", "Ask who gives out the roles"),
        (ClockWrong, "clock is wrong", "Set the date"),
        (StoreBusy, "The store is busy", "Try again in a moment"),
    ],
)
def test_cloud_that_refuses_is_said_and_what_was_typed_is_kept(
    world, tmp_path, clock, publish, kind, what, then
):
    publish()
    failing = Failing(world.store, "", kind("no"))
    (console,) = [next(made(world, tmp_path, clock, failing))]
    staff = Staff(console)
    staff.unlock()
    failing.__dict__["method"] = "read"  # nothing can be entered, and no times be read

    typed = {**TYPED, "name": ["Marisol"], "opening": ["corona.2026-12-03.1000.desk"]}
    refused = staff.post("/enter", form="one", **typed)

    assert refused.status == 400 and what in refused.text and then in refused.text
    assert refused.fields("name") == ["Marisol"]
    assert '<option value="corona.2026-12-03.1000.desk" selected' in refused.body
    assert what in staff.get("/enter").text  # where nothing is typed yet there is only the reason
    failing.__dict__["method"] = ""
    assert code_on(staff.post("/enter", form="two", **typed))
    console.close()


def test_closed_day_is_opened_again(staff, publish):
    publisher = publish()
    staff.unlock()
    accept(staff, staff.post("/closing", center="corona", day="2026-11-24"))
    assert "Open it again" in staff.get("/openings").text

    page = staff.post("/reopen", center="corona", day="2026-11-24")

    assert page.status == 200 and "Open it again" not in page.text
    assert publisher.published()[""].closed == frozenset()
    assert "Choose a center and a day" in staff.post("/reopen", center="corona", day="x").text
