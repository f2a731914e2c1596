"""The desk's commands as staff type them: what they do, say, and give as an exit code."""

import io
import json
import os
from dataclasses import asdict

import pytest

from quietdesk import code as codes
from quietdesk import envelope as envelopes
from quietdesk import reply as replies
from quietdesk import request, settings
from quietdesk.code import b64
from quietdesk.errors import QuietdeskError
from quietdesk.openings import Opening
from quietdesk.staff import ceremony, cli, commands, keyring, terminal
from quietdesk.staff.terminal import Here
from tests.test_silence import leaks
from tests.world import NOON, PASSPHRASE, WEEK

CODE = "7K3M-9QXT-2B6H-W3ZD"
HOSTILE = "Eva\x1b[2J\u202e<b>=1+1"


@pytest.fixture
def office(world, tmp_path):
    """A programme with published openings, and a device whose keyring lies in a file."""
    folder = tmp_path / "office"
    keyring.save(folder / "device.keyring", keyring.lock(world.device))
    (folder / "pass").write_text(PASSPHRASE + "\n")
    world.schedule().publish(NOON)
    return world, folder


@pytest.fixture
def run(office, capsys, monkeypatch):
    """Runs a command line at NOON, and gives its exit code, output and complaints."""
    world, folder = office

    def run(*words, stdin="", now=NOON, keyring="device.keyring"):
        told = {
            "QUIETDESK_STORE": world.spec,
            "QUIETDESK_KEYRING": str(folder / keyring),
            "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
            "QUIETDESK_PASSPHRASE_FILE": str(folder / "pass"),
        }
        at = Here(settings.read(os.environ | told), world.city, now)
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        args = cli.build_parser().parse_args([*map(str, words)])
        capsys.readouterr()
        try:
            status = args.run(at, args)
        except QuietdeskError as error:
            status = str(error)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def seats(world, opening):
    return world.store.seats([str(opening)])[str(opening)]


def opened(world, name, now=NOON):
    return next(item for item in world.desk().pull(now) if item.request.name == name)


def ask(world, *names, **typed):
    for name in names:
        world.store.put(world.sealed(name=[name], **typed))
    return [opened(world, name).id[:8] for name in names]


def told(world, item):
    """What the resident reads with the code, by the key in the request."""
    held = opened(world, item.request.name).envelope
    return replies.read(envelopes.open_reply(held.reply, item.reply_key, held.id))


# --- Placing -------------------------------------------------------------------------------------


def test_place_proposes_asks_and_places(office, run):
    world, _ = office
    (id,) = ask(world, "Ana")

    refused = run("place", id, stdin="n\n")
    placed = run("place", id, stdin="y\n")

    assert refused[0] == 1
    assert "Nothing was placed." in refused[2]
    assert (placed[0], placed[1].splitlines()[-1]) == (0, "Placed 1.")
    item = opened(world, "Ana")
    assert str(item.opening) in placed[1]
    assert told(world, item).opening == item.opening


def test_place_all_places_everybody_who_waits_the_oldest_first(office, run):
    world, _ = office
    ask(world, "Ana", "Boris", "Chen")

    status, out, _ = run("place", "--all", "--yes")

    assert (status, out.splitlines()[-1]) == (0, "Placed 3.")
    assert {item.state for item in world.desk().pull(NOON)} == {"placed"}
    assert run("place", "--all", "--yes")[0] == 0  # nobody is left


def test_staff_may_name_another_free_time(office, run):
    world, _ = office
    (id,) = ask(world, "Ana")
    chosen = "east-harlem.2026-12-08.1000.desk"

    assert run("place", id, "--at", chosen, "--yes")[0] == 0
    assert str(opened(world, "Ana").opening) == chosen
    for wrong in ("nowhere", "east-harlem.2026-12-08.1015", "corona.2026-11-17.0900"):
        assert "no free opening of that name" in run("place", id, "--at", wrong, "--yes")[0]


def test_time_named_for_several_is_refused(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris")

    status, _, _ = run("place", *ids, "--at", "corona.2026-12-08.1000.desk", "--yes")

    assert status == "--at is for one request"
    assert {item.state for item in world.desk().pull(NOON)} == {"waiting"}


def test_one_without_a_fitting_time_stops_no_other(office, run):
    world, _ = office
    ask(world, "Ana")
    (night,) = ask(world, "Boris", windows=["sun-eve"])

    status, out, _ = run("place", "--all", "--yes")

    assert (status, out.splitlines()[-1]) == (1, "Placed 1.")
    assert f"{night} Boris: no free time fits" in out


def test_second_scheduler_is_told_and_loses_nothing(office, run, monkeypatch):
    """Somebody places Ana while this desk asks for a yes."""
    world, _ = office
    ask(world, "Ana", "Boris")
    theirs = Opening.parse("east-harlem.2026-12-08.1000.desk")

    def meanwhile(question):
        world.desk().place(opened(world, "Ana"), theirs, NOON)
        return True

    monkeypatch.setattr(commands, "agreed", meanwhile)
    status, out, err = run("place", "--all")

    assert (status, out.splitlines()[-1]) == (1, "Placed 1.")
    assert "Ana: " in err
    assert opened(world, "Ana").opening == theirs
    assert opened(world, "Boris").state == "placed"


def test_last_seat_that_went_meanwhile_is_told_with_what_to_do(office, run, monkeypatch):
    world, _ = office
    (id,) = ask(world, "Ana")
    opening = "east-harlem.2026-12-08.1000.desk"

    def meanwhile(question):
        world.store.set_seats({opening: 0})
        return True

    monkeypatch.setattr(commands, "agreed", meanwhile)
    status, _, err = run("place", id, "--at", opening)

    assert status == 1
    assert "no seat left" in err
    assert "run place again" in err
    assert opened(world, "Ana").state == "waiting"


# --- Waiting and answering -----------------------------------------------------------------------


def test_wait_keeps_a_request_and_says_when_to_look_again(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris")

    status, out, _ = run("wait", ids[0])

    assert (status, out.splitlines()[-1]) == (0, "Answered 1.")
    assert f"{ids[0]} Ana: waits; looks again on 2026-11-28" in out
    assert told(world, opened(world, "Ana")).look_again.isoformat() == "2026-11-28"
    assert run("wait", "--all")[1].splitlines()[-1] == "Answered 2."


def test_request_at_the_end_of_its_60_days_is_not_kept(office, run):
    world, folder = office
    (id,) = ask(world, "Ana")
    now = NOON
    for _ in range(7):
        keyring_now = keyring.unlock((folder / "device.keyring").read_bytes(), PASSPHRASE)
        ceremony.top_up(world.store, folder / "device.keyring", keyring_now, world.city, now)
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, now)
        assert run("wait", id, now=now)[0] == 0
        now += WEEK

    status, out, err = run("wait", id, now=now)

    assert (status, out.splitlines()[-1]) == (1, "Answered 0.")
    assert "destroyed before the day to look again" in err


def test_reply_no_place_is_what_the_resident_reads(office, run):
    world, _ = office
    (id,) = ask(world, "Ana")

    status, out, _ = run("reply", "no-place", id)

    assert status == 0
    assert "answered: no place" in out
    assert told(world, opened(world, "Ana")).state == "none"


def test_done_erases_several_and_gives_a_seat_back(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris")
    before = seats(world, "corona.2026-12-03.1300.desk")
    run("place", ids[0], "--at", "corona.2026-12-03.1300.desk", "--yes")

    assert run("done", *ids, stdin="n\n")[0] == 1
    status, out, _ = run("done", *ids, "--yes")

    assert status == 0
    assert out.splitlines() == [f"Erased {id}." for id in ids]
    assert list(world.desk().pull(NOON)) == []
    assert seats(world, "corona.2026-12-03.1300.desk") == before


@pytest.mark.parametrize("command", [("place",), ("wait",), ("reply", "no-place"), ("done",)])
def test_ids_that_name_nobody_are_said(office, run, command):
    world, _ = office
    ask(world, "Ana")

    assert "first 8 digits" in run(*command, "abc")[0]
    assert "no request" in run(*command, "0" * 32)[0]
    assert opened(world, "Ana").state == "waiting"


@pytest.mark.parametrize("words", [("place",), ("wait",), ("place", "--all", "00112233")])
def test_command_without_or_with_both_ways_to_choose_is_wrong_usage(words):
    with pytest.raises(SystemExit) as ended:
        cli.build_parser().parse_args(words)
    assert ended.value.code == 2


# --- Pull ----------------------------------------------------------------------------------------


def test_pull_lists_states_and_places(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris", "Chen")
    run("place", ids[0], "--at", "corona.2026-12-03.1300.desk", "--yes")
    run("reply", "no-place", ids[1])

    _, text, _ = run("pull")
    _, lines, _ = run("pull", "--json")

    assert "2026-12-03 13:00, Corona (corona.2026-12-03.1300.desk)" in text
    assert text.splitlines()[-1] == "1 waiting, 1 placed, 1 answered: no place."
    states = {row["name"]: row["state"] for row in map(json.loads, lines.splitlines())}
    assert states == {"Ana": "placed", "Boris": "none", "Chen": "waiting"}


def test_pull_nags_before_requests_are_destroyed(office, run):
    world, _ = office
    ask(world, "Ana", "Boris")

    assert run("pull")[2] == ""
    _, _, err = run("pull", now=NOON + 1.3 * WEEK)

    assert "2 that still wait are destroyed on 2026-11-30" in err


def test_no_name_reaches_the_terminal_as_it_was_typed(office, run):
    world, _ = office
    item = world.sealed(name=["Eva"])
    world.store.put(item)

    held = opened(world, "Eva")
    parts = envelopes.Parts(
        json.dumps({**_visit(held), "name": HOSTILE}, ensure_ascii=False).encode().ljust(1024),
        _contact(held),
    )
    bundle = world.bundle()
    world.store.replace(
        held.envelope, envelopes.reseal(held.envelope, parts, bundle, "", item.reply)
    )

    for words in (("pull",), ("place", "--all", "--yes"), ("wait", held.id[:8])):
        _, out, err = run(*words)
        assert "Eva" in out
        assert "\x1b" not in out + err
        assert "\u202e" not in out + err


def _visit(item):
    values = asdict(item.request)
    return {key: values[key] for key in values if key not in ("reach", "phone", "phone_owner")}


def _contact(item):
    return request.pack(item.request, item.reply_key).contact


# --- Entering ------------------------------------------------------------------------------------

ASKED = {"centers": ["corona"], "windows": ["any"], "people": 2, "visit_type": "new",
         "language": "ht", "name": "Marie Zubrowkaplant"}  # fmt: skip


def test_enter_reads_fields_from_stdin_and_prints_the_code(office, run):
    world, folder = office

    status, out, _ = run("enter", stdin=json.dumps(ASKED))

    assert status == 0
    first, second = out.splitlines()
    code = codes.parse(first.removeprefix("Code: "))
    assert second == "Look again on 2026-11-28."
    item = opened(world, ASKED["name"])
    assert item.envelope.id == codes.derive(code, "demo").id
    assert item.envelope.lane == "K"
    everything = b"".join(path.read_bytes() for path in folder.parent.rglob("*") if path.is_file())
    assert leaks(everything, ["Zubrowkaplant", code]) == []


def test_enter_takes_a_time(office, run):
    world, _ = office
    opening = "corona.2026-12-03.1300"
    before = seats(world, opening)

    status, out, _ = run("enter", stdin=json.dumps({**ASKED, "opening": opening}))

    assert status == 0
    assert "2026-12-03 13:00, Corona" in out
    assert seats(world, opening) == before - 1


def test_enter_names_every_problem(office, run):
    world, _ = office

    status, _, err = run("enter", stdin=json.dumps({**ASKED, "people": 99, "name": ""}))

    assert status == 1
    assert "people: Write a number from 1 to 6." in err
    assert "name: " in err
    assert list(world.desk().pull(NOON)) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 50_000])
def test_enter_of_what_is_no_object_is_said(office, run, text):
    status, _, err = run("enter", stdin=text)

    assert status == 1
    assert "one JSON object" in err


# --- Openings ------------------------------------------------------------------------------------


def test_openings_are_published_once_and_again_changes_nothing(office, run):
    assert run("openings", "publish")[1].startswith("0 openings are new, 0 are gone, 0 have")
    status, out, _ = run("openings", "publish", now=NOON + WEEK / 7)

    assert status == 0
    assert "0 openings are new, 72 are gone" in out  # Thursday's


def test_taking_is_switched_off_and_on(office, run):
    world, _ = office

    assert "Nobody can take times" in run("openings", "publish", "--taking", "off")[1]
    assert "Nobody can take times" in run("openings", "publish")[1]
    assert not world.schedule().published()[""].taking
    assert "Nobody" not in run("openings", "publish", "--taking", "on")[1]
    assert world.schedule().published()[""].taking


def test_openings_list_says_what_is_left_and_for_whom(run):
    run("enter", stdin=json.dumps({**ASKED, "opening": "corona.2026-12-03.1300"}))

    _, text, _ = run("openings", "list")
    _, lines, _ = run("openings", "list", "--json")

    rows = {row["opening"]: row for row in map(json.loads, lines.splitlines())}
    assert len(rows) == len(text.splitlines()) == 1224
    assert rows["corona.2026-12-03.1300"] == {
        "opening": "corona.2026-12-03.1300", "center": "corona", "day": "2026-12-03",
        "time": "13:00", "who": "residents", "seats": 2, "left": 1,
    }  # fmt: skip
    assert rows["corona.2026-12-03.1300.desk"]["who"] == "desk"


def test_closing_a_day_gives_others_times_and_lists_who_must_be_called(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris")
    (looks,) = ask(world, "Chen", reach=[], phone=[], phone_owner=[])
    for id in (*ids, looks):
        run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")
        world.store.set_seats({"corona.2026-12-03.1300.desk": 9})

    refused = run("openings", "close", "corona", "2026-12-03", stdin="n\n")
    status, out, _ = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert refused[0] == 1
    assert status == 0
    assert "12 are gone" in out
    for id, name in zip(ids, ("Ana", "Boris"), strict=True):
        assert f"call {id} {name}: text 7185550123 (mine)" in out
        assert opened(world, name).opening.day.isoformat() != "2026-12-03"
    assert f"{looks} Chen only looks with the code" in out
    assert not any("corona.2026-12-03" in line for line in run("openings", "list")[1].splitlines())
    # Publishing again does not open the day.
    run("openings", "publish")
    assert not any("corona.2026-12-03" in line for line in run("openings", "list")[1].splitlines())


def test_closing_a_day_without_another_time_keeps_people_waiting(office, run):
    world, _ = office
    (id,) = ask(world, "Ana", windows=["sun-eve"])
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")

    status, out, _ = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert status == 0
    assert "no free time fits" in out
    item = opened(world, "Ana")
    assert (item.state, told(world, item).state) == ("waiting", "waiting")


def test_closed_day_is_opened_again_and_the_seats_that_are_taken_stay_taken(office, run):
    world, _ = office
    (id,) = ask(world, "Ana", windows=["sun-eve"])
    opening = "corona.2026-12-03.1300.desk"
    before = seats(world, opening)
    run("place", id, "--at", opening, "--yes")
    world.schedule().close("corona", Opening.parse(opening).day, NOON)
    assert seats(world, opening) == 0

    status, out, _ = run("openings", "reopen", "corona", "2026-12-03")

    assert status == 0
    assert "12 openings are new" in out
    assert seats(world, opening) == before - 1


def test_unknown_center_and_odd_days_are_refused(office, run):
    status, _, _ = run("openings", "close", "nowhere", "2026-12-03", "--yes")

    assert status == "there is no center of that name"
    for day in ("tomorrow", "2026-02-30", "20261203x"):
        with pytest.raises(SystemExit):
            cli.build_parser().parse_args(["openings", "close", "corona", day])


def test_nothing_published_is_said_with_what_to_do(world, capsys):
    told = {"QUIETDESK_STORE": world.spec, "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key)}
    args = cli.build_parser().parse_args(["openings", "list"])

    assert args.run(Here(settings.read(told), world.city, NOON), args) == 0
    assert "quietdesk openings publish" in capsys.readouterr().out


def test_terminal_shows_no_controls():
    assert terminal.shown(HOSTILE) == "Eva\ufffd[2J\ufffd<b>=1+1"
