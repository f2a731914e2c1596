"""What the README promises, with the real command, the real time and files on disk."""

import json
import shutil
import socket
import subprocess
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from quietdesk import clock, settings, weeks
from quietdesk.city import City
from quietdesk.errors import BadCustodian
from quietdesk.signed import Trust
from quietdesk.staff.commands import demo
from quietdesk.staff.commands import keys as commands
from quietdesk.staff.commands.terminal import Here
from quietdesk.staff.device import keyring
from quietdesk.store import open_store
from quietdesk.website.profile import compile_profile
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.process import QUIETDESK, environment, quietdesk, quietdesk_run, stop
from tests.waiting import CEILING, free_port
from tests.world import ASKED, CHEAP, ROOT, make_world

pytestmark = pytest.mark.process


def ask(port, name):
    """A request by the plain form; gives its code."""
    url = f"http://127.0.0.1:{port}/api/requests"
    form = {**ASKED, "name": name, "lang": "en"}
    review = send(url, form | {"step": "review"})
    code = review.partition('name="code" value="')[2][:19]
    send(url, form | {"step": "send", "code": code})
    return code


def send(url, form):
    data = urlencode(form, doseq=True).encode()
    with urllib.request.urlopen(url, data, timeout=CEILING) as answer:  # noqa: S310 - our own server
        return answer.read().decode()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A machine on which two people asked and the server was started twice, then stopped."""
    folder = tmp_path_factory.mktemp("newcomer")
    port = free_port()
    with (folder / "first.log").open("wb") as log, quietdesk_run(folder, port, log) as run:
        ask(port, "Ana")
        first = stop(run)
    with (folder / "second.log").open("wb") as log, quietdesk_run(folder, port, log) as run:
        ask(port, "Boris")
        ask(port, "রহিমা")
        second = stop(run)
    # Read now: another test erases one of them.
    names = {row["name"] for row in pulled(folder)}
    return folder, port, (first, second), names


def pulled(folder):
    run = quietdesk(folder, "pull", "--json", passphrase=demo.PASSPHRASE)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_run_says_where_it_is_what_it_keeps_and_what_to_try_next(desk):
    folder, port, _, _ = desk
    said = (folder / "first.log").read_text()

    for part in (
        f"http://127.0.0.1:{port}",
        str(folder),
        demo.PASSPHRASE,
        "quietdesk pull",
        "Ctrl-C",
    ):
        assert part in said


def test_ctrl_c_stops_it_cleanly(desk):
    folder, _, codes, _ = desk

    assert codes == (0, 0)
    for log in ("first.log", "second.log"):
        assert "Traceback" not in (folder / log).read_text()
        assert "Stopped." in (folder / log).read_text()


def test_second_start_keeps_keys_and_requests(desk):
    folder, _, _, names = desk

    assert names == {"Ana", "Boris", "রহিমা"}
    listed = quietdesk(folder, "keys", "list").stdout.splitlines()
    device, weeks = listed[0].split()[1].rstrip(","), listed[1:]
    assert len(weeks) == 2 * 6
    assert all("key made; destroyed on" in line for line in weeks[::2])
    assert all(line.startswith(f"    {device}  proved on ") for line in weeks[1::2])


def test_pull_gives_one_json_object_a_line_with_the_fields_of_the_form_and_an_id(desk):
    folder, _, _, _ = desk

    for row in pulled(folder):
        assert set(row) == {
            "id", "state", "centers", "windows", "opening", "people", "children", "visit_type",
            "language", "access", "name", "reach", "phone", "phone_owner",
        }  # fmt: skip
        assert row["phone"] == "7185550123"


def test_pull_lists_requests_for_people_too(desk):
    folder, _, _, _ = desk

    run = quietdesk(folder, "pull", passphrase=demo.PASSPHRASE)

    assert "Corona" in run.stdout
    assert "7185550123 (mine)" in run.stdout
    for word in ("epoch", "envelope", "wrap", "kid", "HPKE", "bundle"):
        assert word not in run.stdout + run.stderr


def test_done_asks_before_it_erases(desk):
    folder, _, _, _ = desk
    ids = {row["id"]: row["name"] for row in pulled(folder)}
    chosen = next(id for id, name in ids.items() if name == "Ana")

    kept = quietdesk(folder, "done", chosen[:8], says="n\n")
    assert (kept.returncode, {row["id"] for row in pulled(folder)}) == (1, {*ids})

    erased = quietdesk(folder, "done", chosen, "--yes")
    assert (erased.returncode, {row["id"] for row in pulled(folder)}) == (0, {*ids} - {chosen})

    again = quietdesk(folder, "done", chosen, "--yes")
    assert again.returncode == 1
    assert "no request has that id" in again.stderr


def test_wrong_passphrase_says_what_and_what_to_do(desk):
    folder, _, _, _ = desk

    run = quietdesk(folder, "pull", passphrase="not the passphrase")

    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "quietdesk: the passphrase does not unlock this keyring",
        "quietdesk: hint: type it again. If it is right, put a copy of the keyring back, or move it"
        " away",
    ]


def test_times_are_published_before_anybody_asks(desk):
    folder, _, _, _ = desk

    run = quietdesk(folder, "openings", "list", "--json")

    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert (run.returncode, run.stderr) == (0, "")
    assert {row["who"] for row in rows} >= {"residents", "desk"}
    assert any(row["left"] for row in rows if row["who"] == "residents")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["place", "00000000", "--yes"], 1, "no request that opens has that id"),
        (["place", "--all", "--at", "nowhere"], 1, "--at is for one request"),
        (["wait", "abc"], 1, "at least the first 8 digits"),
        (["reply", "no-place", "00000000"], 1, "no request that opens has that id"),
        (["openings", "close", "nowhere", "2030-12-03"], 1, "no center of that name"),
        (["openings", "close", "corona", "2020-12-03"], 1, "that day is over"),
        (["openings", "close", "corona", "soon"], 2, "a day such as 2026-12-03 is needed"),
        (["enter"], 1, "one JSON object with the form's fields is needed"),
        (["enter", "Ana"], 2, "unrecognized arguments"),
        (["place"], 2, "required"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_what_is_refused_is_said_and_gives_an_exit_code(desk, words, status, said):
    folder, _, _, _ = desk

    run = quietdesk(folder, *words, passphrase=demo.PASSPHRASE)

    assert run.returncode == status
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_sweep_and_forget_say_what_they_did(desk):
    folder, _, _, _ = desk

    assert "No week's keys were due" in quietdesk(folder, "sweep").stdout
    assert "keys of 12 weeks" in quietdesk(folder, "keys", "forget").stdout


def test_files_are_readable_by_their_owner_only(desk):
    folder, _, _, _ = desk

    for name in ("device.keyring", "custodian.keyring", "requests.db"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_demo_keys_are_refused_in_production(desk, monkeypatch):
    folder, _, _, _ = desk
    monkeypatch.setenv("QUIETDESK_STAGE", "production")
    monkeypatch.setenv("QUIETDESK_THRESHOLD", "2")

    for command in (["pull"], ["run", "--port", str(free_port())], ["keys", "mint"]):
        run = quietdesk(folder, *command, passphrase=demo.PASSPHRASE)

        assert run.returncode == 1, command
        assert "demo" in run.stderr


def test_port_in_use_is_said_in_a_line(desk):
    folder, _, _, _ = desk
    port = free_port()
    with (folder / "third.log").open("wb") as log, quietdesk_run(folder, port, log):
        run = quietdesk(folder, "run", "--port", str(port))

    assert run.returncode == 1
    assert f"port {port} is in use" in run.stderr


def test_staff_make_their_own_keys_with_the_commands_of_the_manual(tmp_path):
    """docs/operations.md, "Real keys on one machine", in the demo's deployment."""
    words = "a long enough passphrase"
    new = ["custodian", "new", str(tmp_path / "one.keyring"), "--deployment", "demo"]
    made = quietdesk(tmp_path, *new, passphrase=words)
    (tmp_path / "custodians.txt").write_text(made.stdout.split()[-1] + "\n")

    device = quietdesk(tmp_path, "device", "new", "--deployment", "demo", passphrase=words)
    device_id = device.stdout.split()[1]
    custodian = ["--custodian", str(tmp_path / "one.keyring")]
    refused = quietdesk(tmp_path, "device", "admit", device_id, *custodian, says="n\n")
    early = quietdesk(tmp_path, "keys", "mint", *custodian, passphrase=words)
    admitted = quietdesk(
        tmp_path, "device", "admit", device_id, *custodian, says="y\n", passphrase=words
    )
    minted = quietdesk(tmp_path, "keys", "mint", "--weeks", "3", *custodian, passphrase=words)

    assert [made.returncode, device.returncode, admitted.returncode, minted.returncode] == [0] * 4
    assert (refused.returncode, early.returncode) == (1, 1)
    assert "no admitted device" in early.stderr
    words_there = [line for line in device.stdout.splitlines() if line.startswith("Words:")]
    assert words_there[0] in admitted.stdout
    assert minted.stdout.count("key made") == 3
    again = quietdesk(tmp_path, "device", "new", passphrase=words)
    assert (again.returncode, again.stdout) == (0, device.stdout), "it replaces nothing"


def test_short_passphrase_is_refused(tmp_path):
    new = ["custodian", "new", str(tmp_path / "one.keyring"), "--deployment", "demo"]
    run = quietdesk(tmp_path, *new, passphrase="short")

    assert run.returncode == 1
    assert "at least 15 letters" in run.stderr
    assert not (tmp_path / "one.keyring").exists()


def test_every_command_has_help(tmp_path):
    for words in ([], ["pull"], ["done"], ["keys", "mint"], ["device", "admit"], ["run"]):
        assert quietdesk(tmp_path, *words, "--help").returncode == 0
    assert environment(tmp_path)["QUIETDESK_KEYRING"].startswith(str(tmp_path))


def test_any_command_deletes_the_keys_of_ended_weeks_without_a_passphrase(tmp_path):
    device = keyring.new("device", Trust((), 1, "demo"), "a passphrase nobody types", CHEAP)
    current = weeks.epoch_at(datetime.now(UTC), ZoneInfo("America/New_York"))
    device = device.topped_up([Epoch(2020, 1), current.plus(-4), current])
    keyring.save(tmp_path / "device.keyring", keyring.lock(device))

    # Without the store nothing but this computer's clock says that they are over.
    early = quietdesk(tmp_path, "keys", "forget")
    with closing(open_store(f"sqlite:{tmp_path / 'requests.db'}")) as store:
        clock.believe(store, datetime.now(UTC))
    run = quietdesk(tmp_path, "keys", "forget")

    assert (early.returncode, run.returncode) == (1, 0)
    assert "2 wait to be deleted" in early.stdout and "key day" in early.stderr
    assert keyring.epochs((tmp_path / "device.keyring").read_bytes()) == [current]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull"], "there is no keyring at"),
        (["done", "00112233"], "there is no store at"),
        (["place", "--all"], "there is no keyring at"),
        (["wait", "--all"], "there is no keyring at"),
        (["openings", "publish"], "there is no keyring at"),
        (["openings", "list"], "there is no store at"),
        (["sweep"], "there is no store at"),
        (["keys", "list"], "there is no store at"),
        (["keys", "mint"], "there is no store at"),
        (["device", "admit", "0011223344556677"], "there is no store at"),
    ],
)
def test_wrong_folder_is_said_and_nothing_is_made_there(tmp_path, words, said):
    run = quietdesk(tmp_path / "elsewhere", *words)

    assert run.returncode == 1
    assert said in run.stderr
    assert str(tmp_path / "elsewhere") in run.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("port", ["-5", "0", "99999", "http"])
def test_port_that_is_none_is_refused(tmp_path, port):
    run = quietdesk(tmp_path, "run", "--port", port)

    assert run.returncode == 2
    assert (
        "a number from 1 to 65535 is needed" in run.stderr or "expected one argument" in run.stderr
    )


def test_host_that_is_not_here_is_said(tmp_path):
    run = quietdesk(tmp_path, "run", "--host", "203.0.113.1", "--port", str(free_port()))

    assert run.returncode == 1
    assert "cannot listen on 203.0.113.1" in run.stderr


def test_second_run_finds_the_port_taken_before_it_builds(desk, tmp_path):
    folder, _, _, _ = desk
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = quietdesk(folder, "run", "--port", port)

    assert run.returncode == 1
    assert f"port {port} is in use" in run.stderr
    assert "Building" not in run.stdout


def test_terminal_that_cannot_write_a_name_shows_numbers_and_no_trace(desk):
    folder, _, _, _ = desk
    (folder / "passphrase.txt").write_text(demo.PASSPHRASE + "\n")
    env = environment(folder) | {
        "QUIETDESK_PASSPHRASE_FILE": str(folder / "passphrase.txt"),
        "PYTHONIOENCODING": "ascii",
    }
    run = subprocess.run(
        [*QUIETDESK, "pull"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=CEILING
    )

    assert run.returncode == 0
    assert r"\u09b0\u09b9\u09bf\u09ae\u09be" in run.stdout
    assert run.stderr == ""


def test_store_without_its_keyrings_is_said_and_none_are_made_beside_it(tmp_path):
    make_world(tmp_path, now=datetime.now(UTC)).store.close()

    run = quietdesk(tmp_path, "run", "--port", str(free_port()))

    assert run.returncode == 1
    assert "custodian.keyring is gone" in run.stderr
    assert f"delete {tmp_path}/ to start afresh" in run.stderr
    assert list(tmp_path.glob("*.keyring")) == []


def test_keys_of_another_custodian_are_said_at_the_start(tmp_path):
    world = make_world(tmp_path, now=datetime.now(UTC))
    world.store.close()
    made = new_custodian(tmp_path, "custodian.keyring", "demo")
    device = keyring.new("device", Trust((made.public_key,), 1, "demo"), demo.PASSPHRASE, CHEAP)
    keyring.save(tmp_path / "device.keyring", keyring.lock(device))

    run = quietdesk(tmp_path, "run", "--port", str(free_port()))

    assert run.returncode == 1
    assert "needed signatures" in run.stderr
    assert "not of the custodians" in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull"], "nobody typed a passphrase"),
        (["--store", "nonsense", "done", "00112233"], "QUIETDESK_STORE must be"),
        (["--store", "sqlite:/proc/nowhere/x.db", "done", "00112233"], "there is no store at"),
        (["done", "zzzz"], "at least the first 8 digits"),
        (["done", "zzzzzzzz"], "no request has that id"),
        (["device", "admit", "abc"], "no device abc has uploaded keys"),
        (["keys", "mint", "--weeks", "many"], "a number from 1 to 11 is needed"),
        (
            ["keys", "mint", "--custodian", "/nowhere"],
            "there is no custodian's keyring at /nowhere",
        ),
    ],
)
def test_odd_input_is_answered_in_a_line_and_never_with_a_trace(desk, words, said):
    folder, _, _, _ = desk

    run = quietdesk(folder, *words)

    assert run.returncode in (1, 2)
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_files_that_cannot_be_read_or_written_are_named(desk, tmp_path, monkeypatch):
    folder, _, _, _ = desk
    junk = tmp_path / "junk"
    junk.write_bytes(bytes(range(128, 200)))

    monkeypatch.setenv("QUIETDESK_PASSPHRASE_FILE", str(junk))
    unreadable = quietdesk(folder, "pull")
    new = ["custodian", "new", "/proc/nowhere/x", "--deployment", "demo"]
    nowhere = quietdesk(folder, *new, passphrase="a long enough passphrase")

    for run, said in ((unreadable, "QUIETDESK_PASSPHRASE_FILE"), (nowhere, "/proc/nowhere")):
        assert run.returncode == 1
        assert said in run.stderr
        assert "Traceback" not in run.stderr


def test_reader_that_has_enough_is_no_error(desk):
    folder, _, _, _ = desk
    run = subprocess.Popen(
        [*QUIETDESK, "keys", "list"],
        cwd=ROOT,
        env=environment(folder) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    run.stdout.close()

    said = run.stderr.read()
    run.stderr.close()
    assert run.wait(CEILING) == 1
    assert said == b""


def new_custodian(folder, name, deployment):
    made = keyring.new("custodian", Trust((), 1, deployment), demo.PASSPHRASE, CHEAP)
    keyring.save(folder / name, keyring.lock(made))
    return made


def test_demo_custodian_signs_nothing_for_another_deployment(tmp_path):
    """Its passphrase is printed at every start; pinning it, by mistake or not, must not help."""
    city = tmp_path / "city"
    shutil.copytree(ROOT / "site/city", city)
    programme = city / "programme.yml"
    programme.write_text(programme.read_text().replace("deployment: demo", "deployment: somewhere"))
    data = compile_profile(city, ROOT / "site/words")
    demo_one = new_custodian(tmp_path, "demo.keyring", "demo")
    real_one = new_custodian(tmp_path, "real.keyring", "somewhere")
    at = Here(
        settings.read(
            {
                "QUIETDESK_STAGE": "production",
                "QUIETDESK_THRESHOLD": "2",
                "QUIETDESK_CUSTODIANS": f"{b64(demo_one.public_key)} {b64(real_one.public_key)}",
                "QUIETDESK_PASSPHRASE_FILE": str(tmp_path / "words"),
            }
        ),
        City.from_data(data),
        datetime.now(UTC),
    )
    (tmp_path / "words").write_text(demo.PASSPHRASE + "\n")
    words = [tmp_path / "words"] * 2

    assert commands.custodians(at, [tmp_path / "real.keyring"])[0].id == real_one.id
    with pytest.raises(
        BadCustodian, match=r"demo\.keyring: it is not a custodian's keyring for somewhere"
    ):
        commands.custodians(at, [tmp_path / "real.keyring", tmp_path / "demo.keyring"], words)


def test_device_signs_nothing_as_a_custodian_and_a_custodian_opens_nothing(desk):
    folder, _, _, _ = desk
    swapped = ["keys", "mint", "--weeks", "9", "--custodian", str(folder / "device.keyring")]

    mint = quietdesk(folder, *swapped, passphrase=demo.PASSPHRASE)
    env = environment(folder) | {"QUIETDESK_KEYRING": str(folder / "custodian.keyring")}
    pull = subprocess.run(
        [*QUIETDESK, "pull"],
        cwd=ROOT,
        env=env,
        input="",
        capture_output=True,
        text=True,
        timeout=CEILING,
    )

    assert (mint.returncode, pull.returncode) == (1, 1)
    assert "is not a custodian's keyring" in mint.stderr
    assert "is not a device's keyring" in pull.stderr


def test_setting_does_not_change_whom_a_keyring_believes(desk, tmp_path):
    folder, _, _, _ = desk
    stranger = new_custodian(tmp_path, "stranger.keyring", "demo")
    env = environment(folder) | {
        "QUIETDESK_CUSTODIANS": b64(stranger.public_key),
        "QUIETDESK_PASSPHRASE_FILE": str(folder / "passphrase.txt"),
    }
    (folder / "passphrase.txt").write_text(demo.PASSPHRASE + "\n")

    run = subprocess.run(
        [*QUIETDESK, "pull"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=CEILING
    )

    assert run.returncode == 1
    assert "not the custodians this keyring believes" in run.stderr
