"""Who may ask the console, and that locking leaves nothing behind."""

import gc
import http.client
import re
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from io import BytesIO
from urllib.parse import urlencode

import pytest

from quietdesk import settings, weeks
from quietdesk.clock import believe
from quietdesk.errors import (
    BadKeyring,
    StoreUnavailable,
)
from quietdesk.openings import Opening
from quietdesk.staff import words
from quietdesk.staff.commands.serving import unlocking
from quietdesk.staff.commands.terminal import Here
from quietdesk.staff.console.entrance import Entrance
from quietdesk.staff.console.forms import Sent
from quietdesk.staff.console.server import Console
from quietdesk.staff.device import keyring, safefile
from quietdesk.web import Call
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.console.staff import (
    HOST,
    ORIGIN,
    PORT,
    TOKEN,
    TYPED,
    Failing,
    Staff,
    accept,
    made,
    names,
    opened,
    put,
    readable,
)
from tests.test_silence import leaks
from tests.waiting import CEILING
from tests.world import ASKED, NOON, PASSPHRASE, ROOT

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


def test_word_and_token_are_of_256_bits_and_others_each_time():
    """What is short is tried out by another program of this computer within the day."""
    entrance = Entrance(lambda: NOON)
    words, tokens = set(), set()
    for _ in range(3):
        words.add(word := entrance.word())
        assert entrance.exchange(word)
        tokens.add(entrance.token)

    assert [len(unb64(it)) for it in words | tokens] == [32] * 6


def test_unknown_paths_and_methods_are_not_found(staff):
    staff.unlock()

    for method, path in (("GET", "/nothing"), ("GET", "/touch"), ("PUT", "/"), ("HEAD", "/x")):
        assert staff.ask(method, path).status == 404
    assert (files("quietdesk.staff.console") / "assets/../server.py").is_file()
    assert staff.get("/assets/../server.py").status == 404


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

    assert words.said(error)[0] in page.text and "Passphrase" in page.text
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
    def kept():
        gc.collect()
        return [it for it in gc.get_objects() if isinstance(it, Call | Sent)]

    before = len(kept())  # the errors of another test hold what they were raised over

    staff.post("/unlock", follow=False, passphrase=PASSPHRASE)

    assert len(kept()) == before


def test_locked_desk_does_nothing(staff, world):
    id = put(world, name=["Marisol"])
    staff.unlock()
    staff.post("/lock")

    for path, form in (("/answer", {"id": id, "do": "none"}), ("/pull", {})):
        answer = staff.post(path, **form)
        assert "The desk was locked. Nothing was changed." in answer.text
        assert "Nothing was changed" not in staff.get("/").text  # it is said once
    assert staff.post("/touch").status == 409
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


def test_clock_that_is_put_back_keeps_no_idle_desk_open(staff, world, clock):
    staff.unlock()
    clock.now -= timedelta(hours=9)
    staff.console.tick()
    assert not staff.console.locked
    left = f'data-left="{world.city.lock_minutes * 60}"'
    assert left in staff.get("/look").body

    clock.now += timedelta(minutes=world.city.lock_minutes)
    staff.console.tick()
    assert staff.console.locked


@pytest.mark.parametrize(("path", "method", "stays"), [
    ("/", "GET", True), ("/openings", "GET", True), ("/touch", "POST", True),
    ("/look", "GET", False), ("/sending", "GET", False),
    ("/assets/desk.css", "GET", False), ("/nothing", "GET", False),
])  # fmt: skip
def test_only_people_keep_the_desk_open(staff, world, clock, path, method, stays):
    staff.unlock()
    for _ in range(2):
        clock.now += timedelta(minutes=world.city.lock_minutes - 1)
        staff.ask(method, path, follow=False)  # and not to a page that somebody is shown

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
    clock.now = weeks.destroyed_at(
        weeks.epoch_at(NOON, world.city.zone).plus(-1), world.city.zone, world.city.serve_days
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


@pytest.fixture
def office(world, tmp_path, clock):
    """A console as `quietdesk desk` makes it, on the machine of the store."""
    path = tmp_path / "device.keyring"
    safefile.save(path, keyring.lock(world.device))
    told = {"QUIETDESK_STORE": world.spec, "QUIETDESK_KEYRING": str(path)}
    told |= {"QUIETDESK_CUSTODIANS": b64(world.custodian.public_key)}
    at = Here(settings.read(told), world.city, NOON)
    unlock, doubt = unlocking(at, clock)
    console = Console(world.store, world.city, path, unlock, clock, doubt=doubt)
    yield Staff(console), path
    console.close()


@pytest.mark.parametrize("days", [15, -15])
def test_unlocking_by_a_clock_that_moved_deletes_nothing_and_the_page_says_so(
    office, world, clock, days
):
    staff, path = office
    believe(world.store, NOON)
    before = set(keyring.epochs(path.read_bytes()))
    clock.now += timedelta(days=days)

    page = staff.unlock()

    assert "This computer’s clock has moved, and nothing else says what day it is." in page.text
    assert before <= set(keyring.epochs(path.read_bytes()))


def test_nothing_is_published_by_a_clock_that_moved(office, world, clock, publish):
    """The seats of days that it calls over would be forgotten, with who has taken them."""
    publish()
    staff, _ = office
    believe(world.store, NOON)
    clock.now += timedelta(days=15)
    day = Opening.parse("corona.2026-12-03.1300.desk")
    before = world.store.seats([day])
    staff.unlock()

    for page in (
        staff.post("/publish"),
        staff.post("/reopen", center="corona", day="2026-12-03"),
        staff.post("/closing", center="corona", day="2026-12-04"),
    ):
        assert "clock has moved" in page.text and "quietdesk sweep" in page.text
    assert world.store.seats([day]) == before
    assert before[day] > 0


@pytest.mark.parametrize("days", [3, -3])
def test_nothing_is_sealed_by_a_clock_that_moved(office, world, clock, days):
    staff, _ = office
    sealed = world.sealed()
    world.store.put(sealed)
    believe(world.store, NOON)
    clock.now += timedelta(days=days)
    staff.unlock()
    id = sealed.id.hex()

    for page in (
        staff.post("/answer", id=id, do="wait"),
        staff.post("/answer", id=id, do="none"),
        staff.post("/answer", id=id, do="corona.2026-12-03.1300.desk"),
        staff.post("/propose", id=id),
        staff.post("/enter", form="1", **ASKED),
    ):
        assert "clock has moved" in page.text
    assert [it.envelope for it in world.desk().pull(NOON)] == [sealed]


def test_what_is_dealt_with_is_erased_whatever_the_clock_says(office, world, clock):
    staff, _ = office
    sealed = world.sealed()
    world.store.put(sealed)
    believe(world.store, NOON)
    clock.now += timedelta(days=3)
    staff.unlock()

    staff.post("/answer", id=sealed.id.hex(), do="erase")
    page = staff.ask("GET", "/sure?n=1")
    staff.post("/sure", number=page.fields("number"))

    assert list(world.desk().pull(NOON)) == []


@pytest.mark.parametrize("days", [15, -60])
def test_what_a_clock_that_moved_hides_is_not_said_to_be_nothing(office, world, clock, days):
    staff, _ = office
    world.store.put(world.sealed())
    believe(world.store, NOON)
    clock.now += timedelta(days=days)

    page = staff.unlock()

    assert "No requests are waiting" not in page.text
    assert "clock has moved" in page.text


def test_unlocking_by_a_clock_that_goes_on_deletes_what_is_over_and_says_nothing(
    office, world, clock
):
    staff, path = office
    clock.now += timedelta(days=15)
    believe(world.store, clock.now - timedelta(hours=1))

    page = staff.unlock()

    assert "clock" not in page.text.lower()
    assert Epoch(2026, 47) not in keyring.epochs(path.read_bytes())


def test_keys_that_cannot_be_saved_are_said_and_the_queue_is_shown(staff, world, clock, tmp_path):
    put(world, name=["Marisol"])
    clock.now += timedelta(weeks=1)
    (tmp_path / "device.keyring.new").mkdir()

    page = staff.unlock()

    assert "could not be made ready" in page.text and "Marisol" in page.text


@pytest.mark.process
def test_served_desk_prints_its_address_and_locks_when_stopped(world, tmp_path):
    """As `quietdesk desk` runs it, in a process of its own."""
    put(world, name=["Marisol"])
    path = tmp_path / "device.keyring"
    safefile.save(path, keyring.lock(world.device))
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE, world.spec, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]{43})\n", child.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=CEILING)
        connection.request("GET", f"/{address[2]}")
        came = connection.getresponse()
        token = came.getheader("Location").strip("/")
        assert came.status == 303 and token != address[2] and came.read() == b""
        headers = {"Origin": f"http://127.0.0.1:{address[1]}"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode({"passphrase": PASSPHRASE})
        connection.request("POST", f"/{token}/unlock", body, headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Server")) == (303, None)
        answer.read()
        with socket.socket() as elsewhere:  # another address of this machine, as a network has
            assert elsewhere.connect_ex(("127.0.0.2", int(address[1]))) != 0
        connection.close()
    finally:
        child.terminate()
        said, failed = child.communicate(timeout=CEILING)

    assert child.returncode == 0 and failed == ""
    assert "Marisol" not in said and PASSPHRASE not in said


SERVE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from quietdesk.staff.device import keyring, safefile
from quietdesk.staff.console import server as console
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
