"""The desk's commands as staff type them: what they do, say, and give as an exit code."""

import errno
import io
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

import pytest

from quietdesk import clock, codes, envelopes, record, replies, settings, sweep, weeks
from quietdesk.clock import Dates, Doubt
from quietdesk.errors import (
    BadCustodian,
    BadSetting,
    ClockNotBelieved,
    Conflict,
    KeyDestroyed,
    KeyringBusy,
    NoDeviceReady,
    NoStore,
    NoSuchDevice,
    PassphraseUnfit,
    QuietdeskError,
    StoreUnavailable,
    TooFewCustodians,
    TooOld,
    TracesRemain,
    WrongPassphrase,
)
from quietdesk.openings import Opening
from quietdesk.record import Line
from quietdesk.request import Rest
from quietdesk.signed import Trust, signed_document
from quietdesk.staff.commands import keys, openings, requests, terminal
from quietdesk.staff.commands.keys import custodians
from quietdesk.staff.commands.main import _forgot, main
from quietdesk.staff.commands.parser import build_parser
from quietdesk.staff.commands.terminal import Here, passphrase_in
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.device import keyring, safefile, upload
from quietdesk.staff.words import shown
from quietdesk.store import open_store
from quietdesk.store.sqlite import Sqlite
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests import hostile
from tests.test_keyring import DAMAGE, damaged
from tests.test_silence import leaks
from tests.world import ASKED, CHEAP, NOON, PASSPHRASE, WEEK, another_device, put_over

CODE = "7K3M-9QXT-2B6H-W3ZD"
PLANTED = "besideplant81"
HOSTILE = "Eva\x1b[2J\u202e<b>=1+1"


@pytest.fixture
def office(open_world, tmp_path):
    """A programme with published openings, and a device whose keyring lies in a file."""
    folder = tmp_path / "office"
    keyring.save(folder / "device.keyring", keyring.lock(open_world.device))
    (folder / "pass").write_text(PASSPHRASE + "\n")
    return open_world, folder


def settings_of(office, keyring="device.keyring"):
    """The settings of an office."""
    world, folder = office
    return {
        "QUIETDESK_STORE": world.spec,
        "QUIETDESK_KEYRING": str(folder / keyring),
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
        "QUIETDESK_PASSPHRASE_FILE": str(folder / "pass"),
    }


@pytest.fixture
def run(office, capsys, monkeypatch):
    """Runs a command line at NOON, and gives its exit code, output and complaints."""
    world, _ = office

    def run(*words, stdin="", now=NOON, keyring="device.keyring"):
        at = Here(settings.read(os.environ | settings_of(office, keyring)), world.city, now)
        typed = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8"))
        args = build_parser().parse_args([*map(str, words)])
        capsys.readouterr()
        try:
            status = args.run(at, args)
        except QuietdeskError as error:
            status = str(error)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def seats(world, opening):
    """How many seats are left; `opening` is an id, as people type it."""
    return world.store.seats([Opening.parse(opening)])[Opening.parse(opening)]


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


# --- A clock that is not believed -----------------------------------------------------------------

SOMEBODY = json.dumps(ASKED)


@pytest.mark.parametrize("days", [3, -3])
@pytest.mark.parametrize("words", ["place ID --yes", "wait ID", "reply no-place ID", "enter"])
def test_nothing_is_sealed_by_a_clock_that_moved(office, run, words, days):
    """To a week whose keys are gone, perhaps, or with a day to look again that is over."""
    world, _ = office
    (id,) = ask(world, "Ana")
    clock.believe(world.store, NOON)
    before = opened(world, "Ana").envelope

    status, out, _ = run(
        *words.replace("ID", id).split(), stdin=SOMEBODY, now=NOON + timedelta(days=days)
    )

    assert "this computer's clock is 3 days away" in str(status)
    assert "Code:" not in out
    assert [it.envelope for it in world.desk().pull(NOON)] == [before]


def test_what_is_dealt_with_is_erased_whatever_the_clock_says(office, run):
    world, _ = office
    (id,) = ask(world, "Ana")
    clock.believe(world.store, NOON)

    status, _, _ = run("done", id, "--yes", now=NOON + timedelta(days=3))

    assert (status, list(world.desk().pull(NOON))) == (0, [])


@pytest.mark.parametrize("more", [(), ("--json",)], ids=" ".join)
def test_what_a_clock_that_is_ahead_hides_is_counted(office, run, more):
    world, _ = office
    ask(world, "Ana", "Ben")
    clock.believe(world.store, NOON)

    status, out, told = run("pull", *more, now=NOON + timedelta(days=15))

    assert status == 1
    assert "No requests are waiting" not in out
    assert "2 requests are over or too far ahead" in told
    assert "asks you the day" in told
    assert "that clock is not believed" in told


def test_what_a_clock_that_is_behind_hides_is_counted_beside_what_it_shows(office, run):
    world, _ = office
    ask(world, "Ana")
    world.store.put(world.sealed(NOON + 3 * WEEK, name=["Ben"]))
    clock.believe(world.store, NOON)

    status, out, told = run("pull", now=NOON - 2 * WEEK)

    assert (status, out.splitlines()[-1]) == (1, "1 waiting.")
    assert "1 requests are over or too far ahead" in told


def test_who_was_sent_by_a_clock_that_was_ahead_stops_nobody_else(office, run):
    world, _ = office
    world.store.put(world.sealed(NOON + WEEK, name=["Ana"]))
    ask(world, "Ben")

    status, out, told = run("wait", "--all")

    assert (status, out.splitlines()[-1]) == (1, "Answered 1.")
    assert "Ana: it was first sealed in week 2026-W48, which has not begun by this clock" in told


def test_what_is_over_by_a_clock_that_is_right_is_hidden_from_nobody(office, run):
    """The timer has not come yet."""
    world, _ = office
    ask(world, "Ana")
    there = NOON + timedelta(days=15)
    clock.believe(world.store, there)

    assert run("pull", now=there)[:2] == (0, "No requests are waiting.\n")


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

    monkeypatch.setattr(requests, "agreed", meanwhile)
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
        world.store.set_seats({Opening.parse(opening): 0})
        return True

    monkeypatch.setattr(requests, "agreed", meanwhile)
    status, _, err = run("place", id, "--at", opening)

    assert status == 1
    assert "no seat left" in err
    assert "hint: choose another time" in err
    assert opened(world, "Ana").state == "waiting"


def test_request_that_is_cancelled_meanwhile_is_told_and_stays_cancelled(office, run, monkeypatch):
    world, _ = office
    ana, _ = ask(world, "Ana", "Boris")

    def meanwhile(question):
        world.store.erase(opened(world, "Ana").envelope)
        return True

    monkeypatch.setattr(requests, "agreed", meanwhile)
    status, out, err = run("place", "--all")

    assert (status, out.splitlines()[-1]) == (1, "Placed 1.")
    assert f"quietdesk: {ana} Ana: " in err
    (left,) = world.desk().pull(NOON)
    assert (left.request.name, left.state) == ("Boris", "placed")


def test_request_that_is_too_long_for_a_time_stops_no_other(office, run):
    """Anybody can seal one by hand that fills its part to the last byte."""
    world, _ = office
    world.store.put(hostile.sealed_with(world, "name", "x" * 1024))
    ask(world, "Ana", "Boris")

    status, out, err = run("place", "--all", "--yes")

    assert (status, out.splitlines()[-1]) == (1, "Placed 2.")
    assert "it is too long to be changed" in err
    assert {opened(world, name).state for name in ("Ana", "Boris")} == {"placed"}


def fail_at_the_second(monkeypatch, method):
    """The store goes away after one request was answered."""
    answer, calls = getattr(Placing, method), []

    def failing(*args):
        calls.append(args)
        if len(calls) > 1:
            raise StoreUnavailable("down")
        return answer(*args)

    monkeypatch.setattr(Placing, method, failing)
    return calls


def test_store_that_goes_away_half_way_is_said_with_what_is_done(office, run, monkeypatch):
    world, _ = office
    ask(world, "Ana", "Boris", "Chen")
    calls = fail_at_the_second(monkeypatch, "place")

    status, out, err = run("place", "--all", "--yes")

    assert (status, out.splitlines()[-1]) == ("down", "Placed 1.")
    assert "1 were done, 1 are as they were" in err and "not known whether this was done" in err
    assert len(calls) == 2
    states = sorted(item.state for item in world.desk().pull(NOON))
    assert states == ["placed", "waiting", "waiting"]


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
        upload.top_up(world.store, folder / "device.keyring", keyring_now, world.city, now)
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, now)
        assert run("wait", id, now=now)[0] == 0
        now += WEEK
        clock.believe(world.store, now)

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


def test_done_names_who_changed_meanwhile_and_erases_the_others(office, run, monkeypatch):
    world, _ = office
    ids = ask(world, "Ana", "Boris")

    def meanwhile(question):
        world.desk().wait(opened(world, "Ana"), NOON)
        return True

    monkeypatch.setattr(requests, "agreed", meanwhile)
    status, out, err = run("done", *ids)

    assert (status, out) == (1, f"Erased {ids[1]}.\n")
    assert f"quietdesk: {ids[0]}: " in err
    assert [item.request.name for item in world.desk().pull(NOON)] == ["Ana"]


def junk(world, opening=None):
    envelope = hostile.spoiled(world.taken(Opening.parse(opening)) if opening else world.sealed())
    (world.store.take if opening else world.store.put)(envelope)
    return envelope.id.hex()


def test_junk_is_listed_with_its_week_its_reason_and_its_seat(office, run):
    world, _ = office
    ask(world, "Ana")
    free, held = junk(world), junk(world, "corona.2026-12-03.1300")

    status, out, _ = run("junk", "list")
    read = [json.loads(line) for line in run("junk", "list", "--json")[1].splitlines()]

    assert status == 0 and f"{free[:8]}  week 2026-W47, holds no seat; " in out
    assert f"{held[:8]}  week 2026-W49, holds a seat: 2026-12-03 13:00" in out
    assert "No computer opens 2; seats they hold: 1. Others: 0." in out
    assert [(it["id"], it["junk"]) for it in read] == [(free, True), (held, True)]
    assert read[1]["seat"] == {"center": "corona", "day": "2026-12-03", "time": "13:00"}


def test_junk_erase_asks_with_the_seats_and_gives_them_back(office, run):
    world, _ = office
    ask(world, "Ana")
    before = seats(world, "corona.2026-12-03.1300")
    ids = [junk(world), junk(world, "corona.2026-12-03.1300")]

    refused = run("junk", "erase", "--all", stdin="n\n")
    assert refused[0] == 1 and "Nothing was erased." in refused[2]
    assert "Erase 2 that no computer opens? Seats that come back: 1." in refused[2]
    assert "It cannot be taken back." in refused[2]
    assert seats(world, "corona.2026-12-03.1300") == before - 1
    one = run("junk", "erase", ids[0][:8], stdin="y\n")
    rest = run("junk", "erase", "--all", "--yes")

    assert one[:2] == (0, f"Erased {ids[0][:8]}.\nErased 1. Seats that came back: 0.\n")
    assert rest[:2] == (0, f"Erased {ids[1][:8]}.\nErased 1. Seats that came back: 1.\n")
    assert seats(world, "corona.2026-12-03.1300") == before
    assert [item.request.name for item in world.desk().pull(NOON)] == ["Ana"]
    assert run("junk", "erase", "--all", "--yes")[0] == 0  # nothing is left


def test_junk_erase_leaves_what_only_this_computer_does_not_open(office, run):
    world, folder = office
    (id,) = ask(world, "Ana")
    device = another_device(world)
    keyring.save(folder / "new.keyring", keyring.lock(device))
    here = {"keyring": "new.keyring"}

    listed, named = run("junk", "list", **here), run("junk", "erase", id, "--yes", **here)

    assert "not erased here" in listed[1] and "No computer opens 0; " in listed[1]
    assert named[0] == 1 and "another computer may open it" in named[2]
    assert run("junk", "erase", "--all", "--yes", **here)[0] == 0
    assert opened(world, "Ana").id.startswith(id)


def test_junk_erase_says_at_which_one_the_store_went_away(office, run, monkeypatch):
    world, _ = office
    for _ in range(3):
        junk(world)
    fail_at_the_second(monkeypatch, "erase")

    status, out, err = run("junk", "erase", "--all", "--yes")

    assert (status, out.splitlines()[-1]) == ("down", "Erased 1. Seats that came back: 0.")
    assert "1 were done, 1 are as they were" in err and "not known whether this was done" in err


@pytest.mark.parametrize("verb", ["reply", "wait"])
def test_what_was_answered_is_said_also_when_the_store_goes_away(office, run, monkeypatch, verb):
    world, _ = office
    ids = ask(world, "Ana", "Boris", "Chen")
    fail_at_the_second(monkeypatch, {"reply": "refuse", "wait": "wait"}[verb])

    status, out, _ = run(verb, *(["no-place"] if verb == "reply" else []), *ids)

    assert (status, out.splitlines()[-1]) == ("down", "Answered 1.")


def test_queue_is_read_once_however_many_are_done(office, run, monkeypatch):
    world, _ = office
    ids = ask(world, "Ana", "Boris", "Chen")
    pull, pulls = Sqlite.pull, []
    monkeypatch.setattr(Sqlite, "pull", lambda *given: pulls.append(1) or pull(*given))

    status, out, _ = run("done", *ids, "--yes")

    assert (status, out.splitlines()) == (0, [f"Erased {id}." for id in ids])
    assert len(pulls) == 1


@pytest.mark.parametrize("words", [("wait",), ("place", "--yes"), ("reply", "no-place")])
def test_queue_is_read_once_however_many_are_answered(office, run, monkeypatch, words):
    world, _ = office
    ids = ask(world, "Ana", "Boris", "Chen")
    pull, pulls = Sqlite.pull, []
    monkeypatch.setattr(Sqlite, "pull", lambda *given: pulls.append(1) or pull(*given))

    status, _, _ = run(words[0], *words[1:], *ids)

    assert (status, len(pulls)) == (0, 1)


def test_request_named_twice_is_erased_once_and_the_next_too(office, run):
    world, _ = office
    ana, boris = ask(world, "Ana", "Boris")

    status, out, _ = run("done", ana, ana.upper(), boris, "--yes")

    assert (status, out.splitlines()) == (0, [f"Erased {ana}.", f"Erased {boris}."])


def test_traces_in_the_file_are_said_after_all_are_erased(office, run, monkeypatch):
    world, _ = office
    ids = ask(world, "Ana", "Boris")
    erase = type(world.store).erase

    def leaving_traces(store, envelope):
        erase(store, envelope)
        raise TracesRemain("deleted bytes remain")

    monkeypatch.setattr(type(world.store), "erase", leaving_traces)
    status, out, _ = run("done", *ids, "--yes")

    assert status == "deleted bytes remain"
    assert out.splitlines() == [f"Erased {id}." for id in ids]
    assert list(world.desk().pull(NOON)) == []


@pytest.mark.parametrize("command", [("place",), ("wait",), ("reply", "no-place"), ("done",)])
def test_ids_that_name_nobody_are_said(office, run, command):
    world, _ = office
    ask(world, "Ana")

    assert "first 8 digits" in run(*command, "abc")[0]
    assert "no request" in run(*command, "0" * 32)[0]
    assert opened(world, "Ana").state == "waiting"


@pytest.mark.parametrize(
    "words",
    [
        ("place",),
        ("wait",),
        ("place", "--all", "00112233"),
        ("done",),
        ("reply", "no-place"),
        ("reply", "no-place", "--all"),
        ("reply", "come", "00112233"),
        ("openings", "publish", "--taking", "maybe"),
        ("enter", "Ana"),
        ("enter", "--name", "Ana"),
    ],
    ids=" ".join,
)
def test_wrong_usage(words):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(words)
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


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_what_a_newer_release_sealed_beside_is_shown_to_nobody(office, run, words):
    world, _ = office
    beside = f'{{"f":3,"{PLANTED}":"{PLANTED}"}}'
    world.store.put(world.sealed(rest=Rest(beside, beside), name=["Ana"]))

    status, out, err = run("pull", *words)

    assert "Ana" in out
    assert (status, err) == (0, "")
    assert leaks(out.encode(), [PLANTED]) == []


def test_pull_nags_before_requests_are_destroyed(office, run):
    world, _ = office
    ask(world, "Ana", "Boris")

    assert run("pull")[2] == ""
    _, _, err = run("pull", now=NOON + 1.3 * WEEK)

    assert "2 requests that still wait are destroyed on 2026-11-30" in err


@pytest.mark.parametrize("field", ["name", "phone", "reach", "phone_owner", "centers", "access"])
def test_nothing_reaches_the_terminal_as_it_was_typed(office, run, field):
    """What the form refuses, sealed by hand."""
    world, _ = office
    envelope = hostile.sealed_with(world, field, HOSTILE)
    world.store.put(envelope)
    id = envelope.id.hex()

    said = ""
    for words in (
        ("pull",),
        ("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes"),
        ("openings", "close", "corona", "2026-12-03", "--yes"),
        ("wait", id),
        ("reply", "no-place", id),
    ):
        status, out, err = run(*words)
        assert status == 0
        said += out + err

    assert "Eva" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


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


def test_enter_that_is_interrupted_says_its_code(office, run, monkeypatch, capsys):
    """Who waits for a store that hangs presses Ctrl-C: it may be kept by then, with its seat."""
    put = Sqlite.put

    def interrupted(self, envelope):
        put(self, envelope)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Sqlite, "put", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("enter", stdin=json.dumps(ASKED))

    out = capsys.readouterr().out
    assert "It is not known whether this was kept" in out
    code = codes.parse(re.search(r"Code: (\S+)", out)[1])
    found = [it for it in office[0].desk().pull(NOON) if it.envelope.lane == "K"]
    assert [it.envelope.id for it in found] == [codes.derive(code, "demo").id]


@pytest.mark.parametrize("lost", [1, 2])
def test_enter_whose_answer_is_lost_is_kept_once_and_its_code_is_not(
    office, run, monkeypatch, lost
):
    put, answers = Sqlite.put, iter([*[False] * lost, True])

    def loses_its_answer(self, envelope):
        put(self, envelope)
        if not next(answers):
            raise StoreUnavailable("the answer was lost")

    def down(*_):
        raise StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(Sqlite, "put", loses_its_answer)
        if lost == 2:  # nor does the store say what it has
            patched.setattr(Sqlite, "find", down)
        status, out, said = run("enter", stdin=json.dumps(ASKED))

    assert "under the same code" not in said  # which a command does not keep
    code = codes.parse(re.search(r"Code: (\S+)", out)[1])
    assert (status == 0) == (lost == 1)
    assert ("It is not known whether this was kept" in out) == (lost == 2)
    found = [it for it in office[0].desk().pull(NOON) if it.envelope.lane == "K"]
    assert [it.envelope.id for it in found] == [codes.derive(code, "demo").id]


def test_enter_takes_a_time(office, run):
    world, _ = office
    opening = "corona.2026-12-03.1300"
    before = seats(world, opening)

    status, out, _ = run("enter", stdin=json.dumps({**ASKED, "opening": opening}))

    assert status == 0
    assert "2026-12-03 13:00, Corona" in out
    assert seats(world, opening) == before - 1


def test_enter_says_where_to_come_also_beside_an_empty_field(office, run):
    opening = "corona.2026-12-03.1300"

    _, out, _ = run("enter", stdin=json.dumps({**ASKED, "opening": ["", f" {opening} "]}))

    assert f"2026-12-03 13:00, Corona ({opening})" in out


def test_enter_for_a_time_that_is_full_keeps_nothing(office, run):
    world, _ = office
    opening = "corona.2026-12-03.1300"
    world.store.set_seats({Opening.parse(opening): 0})

    status, out, _ = run("enter", stdin=json.dumps({**ASKED, "opening": opening}))

    assert (status, out) == ("the opening has no seat left", "")
    assert list(world.desk().pull(NOON)) == []


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"acess": ["asl"]}, "acess: the form has no such field"),
        ({"nationality": "x"}, "nationality: the form has no such field"),
        ({HOSTILE: "x"}, "Eva\ufffd[2J\ufffd<b>=1+1: the form has no such field"),
        ({"name": None}, "name: a text, a whole number, or a list of them is needed"),
        ({"name": "\ud800"}, "name: a text, a whole number, or a list of them is needed"),
        ({"people": 2.5}, "people: a text, a whole number, or a list of them is needed"),
        ({"children": True}, "children: a text, a whole number, or a list of them is needed"),
        ({"access": [["asl"]]}, "access: a text, a whole number, or a list of them is needed"),
    ],
)
def test_enter_drops_and_guesses_nothing(office, run, odd, said):
    world, _ = office

    status, out, err = run("enter", stdin=json.dumps({**ASKED, **odd}))

    assert (status, out, err) == (1, "", f"quietdesk: {said}\n")
    assert list(world.desk().pull(NOON)) == []


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
    assert not world.publisher().published()[""].taking
    assert "Nobody" not in run("openings", "publish", "--taking", "on")[1]
    assert world.publisher().published()[""].taking


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_openings_list_says_that_nobody_can_take_them(run, words):
    assert run("openings", "list", *words)[2] == ""
    run("openings", "publish", "--taking", "off")

    assert "Nobody can take times" in run("openings", "list", *words)[2]


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
        world.store.set_seats({Opening.parse("corona.2026-12-03.1300.desk"): 9})

    refused = run("openings", "close", "corona", "2026-12-03", stdin="n\n")
    status, out, _ = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert refused[0] == 1
    assert status == 0
    assert "12 are gone" in out
    for id, name in zip(ids, ("Ana", "Boris"), strict=True):
        now = opened(world, name).opening
        assert f"call {id} {name}: text 7185550123 (mine); {now.day} {now.at}, Corona" in out
        assert now.day.isoformat() != "2026-12-03"
    assert f"{looks} Chen only looks with the code; " in out
    assert not any("corona.2026-12-03" in line for line in run("openings", "list")[1].splitlines())
    # Publishing again does not open the day.
    run("openings", "publish")
    assert not any("corona.2026-12-03" in line for line in run("openings", "list")[1].splitlines())


def test_whom_to_call_is_printed_again_until_they_were_told(office, run):
    world, _ = office
    ids = ask(world, "Ana", "Boris")
    for id in ids:
        run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")
        world.store.set_seats({Opening.parse("corona.2026-12-03.1300.desk"): 9})
    _, first, _ = run("openings", "close", "corona", "2026-12-03", "--yes")
    calls = sorted(line for line in first.splitlines() if line.startswith("call "))

    _, again, _ = run("openings", "calls")
    status, told, err = run("openings", "calls", "--told", ids[0])
    twice = run("openings", "calls", "--told", *ids)
    _, last, _ = run("openings", "calls", "--told", ids[1])

    assert sorted(again.splitlines()) == [f"2026-12-03: {line}" for line in calls]
    assert (status, err) == (0, "")
    assert told.splitlines()[0] == f"Told {ids[0]} Ana."
    assert "Ana" not in told.splitlines()[1] and "Boris" in told.splitlines()[1]
    assert twice[0] == f"nobody has to tell {ids[0]} Ana; nothing was noted"
    assert last == f"Told {ids[1]} Boris.\nNobody has to be told.\n"


def test_places_left_on_a_closed_day_are_said_with_what_to_run(office, run):
    world, _ = office
    run("place", *ask(world, "Ana"), "--at", "corona.2026-12-03.1300.desk", "--yes")
    world.publisher().close("corona", date(2026, 12, 3), NOON)

    status, out, err = run("openings", "calls")

    assert (status, out) == (1, "Nobody has to be told.\n")
    assert "1 still have a time at corona on 2026-12-03, which is closed" in err
    assert "quietdesk openings close corona 2026-12-03" in err


def test_who_could_not_be_noted_as_told_stays_on_the_list(office, run, monkeypatch):
    world, _ = office
    (id,) = ask(world, "Ana")
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")
    run("openings", "close", "corona", "2026-12-03", "--yes")

    def conflict(*_):
        raise Conflict("changed")

    with monkeypatch.context() as patched:
        patched.setattr(Placing, "told", conflict)
        status, out, err = run("openings", "calls", "--told", id)

    assert status == 1
    assert out.startswith(f"2026-12-03: call {id} Ana: ")
    assert f"{id} Ana: somebody else changed it" in err


@pytest.mark.parametrize(
    "words",
    [("publish",), ("reopen", "corona", "2026-12-04"), ("close", "corona", "2026-12-04", "--yes")],
    ids=lambda words: words[0],
)
def test_nothing_is_published_by_a_clock_that_moved(office, run, words):
    """The seats of days that it calls over would be forgotten, with who has taken them."""
    world, _ = office
    taken = "corona.2026-12-03.1300.desk"
    run("place", *ask(world, "Ana"), "--at", taken, "--yes")
    before = seats(world, taken)

    for days in (15, -15):
        status, _, _ = run("openings", *words, now=NOON + timedelta(days=days))
        assert "nothing else says what day it is" in str(status)
    run("openings", "publish")

    assert seats(world, taken) == before


def test_who_looks_with_the_code_too_late_is_counted_for_the_door(office, run):
    world, _ = office
    (id,) = ask(world, "Chen", reach=[], phone=[], phone_owner=[])
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")

    later = NOON + 12 * WEEK / 7
    clock.believe(world.store, later)
    _, out, err = run("openings", "close", "corona", "2026-12-03", "--yes", now=later)

    assert f"{id} Chen only looks with the code; " in out
    assert "1 may come on the closed day: have somebody at the door" in err


def test_closing_a_day_without_another_time_keeps_people_waiting(office, run):
    world, _ = office
    (id,) = ask(world, "Ana", windows=["sun-eve"])
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")

    status, out, _ = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert status == 0
    assert f"{id} Ana: no free time fits; it waits" in out
    assert f"call {id} Ana: text 7185550123 (mine); waits; looks again on 2026-11-28" in out
    item = opened(world, "Ana")
    assert (item.state, told(world, item).state) == ("waiting", "waiting")


def test_who_can_wait_no_longer_when_a_day_closes_is_answered(office, run, monkeypatch):
    world, _ = office
    (id,) = ask(world, "Ana", windows=["sun-eve"])
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")

    def too_old(*_):
        raise TooOld("over before that day")

    monkeypatch.setattr(Placing, "wait", too_old)
    status, out, _ = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert status == 0
    assert f"call {id} Ana: text 7185550123 (mine); answered: no place" in out
    assert told(world, opened(world, "Ana")).state == "none"


def test_who_takes_a_time_while_staff_think_is_said_and_answered_by_the_next(
    office, run, monkeypatch
):
    world, _ = office
    taken = world.taken(Opening.parse("corona.2026-12-03.1300"))

    def meanwhile(question):
        world.store.take(taken)
        return True

    with monkeypatch.context() as patched:
        patched.setattr(openings, "agreed", meanwhile)
        status, _, err = run("openings", "close", "corona", "2026-12-03")

    assert status == 1
    assert "1 still have a time there, 0 of them cannot be opened" in err
    assert "run this again" in err
    status, out, err = run("openings", "close", "corona", "2026-12-03", "--yes")
    assert (status, err) == (0, "")
    assert f"call {taken.id.hex()[:8]} " in out


def test_time_on_a_closed_day_that_nobody_can_open_is_counted(office, run):
    world, _ = office
    taken = world.taken(Opening.parse("corona.2026-12-03.1300"))
    world.store.take(replace(taken, opening="corona.2026-12-03.1300.desk"))

    status, _, err = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert status == 1
    assert "1 still have a time there, 1 of them cannot be opened" in err
    assert "run this again" not in err


def test_whom_to_call_is_said_also_when_the_store_goes_away(office, run, monkeypatch):
    world, _ = office
    for id in ask(world, "Ana", "Boris"):
        run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")
        world.store.set_seats({Opening.parse("corona.2026-12-03.1300.desk"): 9})
    fail_at_the_second(monkeypatch, "place")

    status, out, err = run("openings", "close", "corona", "2026-12-03", "--yes")

    assert status == "down"
    (line,) = [line for line in out.splitlines() if line.startswith("call ")]
    (moved,) = [it for it in world.desk().pull(NOON) if it.opening.day.isoformat() != "2026-12-03"]
    assert line.startswith(f"call {moved.id[:8]} {moved.request.name}: text 7185550123 (mine); ")
    assert "1 were done, 0 are as they were" in err
    assert "it is not known who still has a time there" in err


def test_today_can_be_closed_and_a_day_that_is_over_cannot(office, run):
    world, _ = office
    (id,) = ask(world, "Ana")
    run("place", id, "--at", "corona.2026-12-03.1300.desk", "--yes")
    close = ("openings", "close", "corona", "2026-12-03", "--yes")
    clock.believe(world.store, NOON + timedelta(days=15))

    assert run(*close, now=NOON + timedelta(days=16))[0] == "that day is over"
    assert opened(world, "Ana").opening.day.isoformat() == "2026-12-03"
    assert run(*close, now=NOON + timedelta(days=15))[0] == 0
    assert opened(world, "Ana").opening.day.isoformat() > "2026-12-03"


def test_closed_day_is_opened_again_and_the_seats_that_are_taken_stay_taken(office, run):
    world, _ = office
    (id,) = ask(world, "Ana", windows=["sun-eve"])
    opening = "corona.2026-12-03.1300.desk"
    before = seats(world, opening)
    run("place", id, "--at", opening, "--yes")
    world.publisher().close("corona", Opening.parse(opening).day, NOON)
    assert seats(world, opening) == 0

    status, out, _ = run("openings", "reopen", "corona", "2026-12-03")

    assert status == 0
    assert "12 openings are new" in out
    assert seats(world, opening) == before - 1


def test_unknown_center_and_odd_days_are_refused(office, run):
    status, out, err = run("openings", "close", "nowhere", "2026-12-03", stdin="y\n")

    assert (status, out, err) == ("there is no center of that name", "", "")  # nothing is asked
    for day in ("tomorrow", "2026-02-30", "20261203x"):
        with pytest.raises(SystemExit):
            build_parser().parse_args(["openings", "close", "corona", day])


def test_nothing_published_is_said_with_what_to_do(world, capsys):
    told = {"QUIETDESK_STORE": world.spec, "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key)}
    args = build_parser().parse_args(["openings", "list"])

    assert args.run(Here(settings.read(told), world.city, NOON), args) == 0
    assert "quietdesk openings publish" in capsys.readouterr().out


def test_terminal_shows_no_controls():
    assert shown(HOSTILE) == "Eva\ufffd[2J\ufffd<b>=1+1"


def test_record_is_printed_as_it_stands_and_checked(run, office):
    world, _ = office
    assert run("record") == (0, "", "Nothing has been destroyed yet.\n")

    world.store.put(world.sealed())
    later = NOON + 3 * WEEK
    sweep.run(world.store, world.city, later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 4, later)
    status, said, told = run("record", now=later)

    rows = [json.loads(line) for line in said.splitlines()]
    assert [(row["kind"], *row["epochs"]) for row in rows] == [
        ("keys", "2026-W47"),
        ("keys", "2026-W48"),
        ("rows", "2026-W47"),
        ("rows", "2026-W48"),
    ]
    signed = "custodians have signed the first 4.\n"
    assert (status, told) == (0, f"The record is in order: 4 lines; {signed}")
    # Of what went since then nobody has signed a line.
    sweep.run(world.store, world.city, later + WEEK)
    assert run("record", now=later + WEEK)[2] == f"The record is in order: 6 lines; {signed}"


def test_record_of_the_release_before_is_printed_with_what_came_after(run, office):
    """Its head covers its own lines; whoever changes one of them is found out by either."""
    world, _ = office
    line = Line(record.BOTH, "main", (Epoch(2026, 40),), NOON.date(), (), 7)
    says = {"v": 1, "queue": "main", "lines": 1, "head": line.hash()}
    body = json.dumps(says, separators=(",", ":")).encode()
    signed = signed_document(body, [world.custodian.sign("record", body)])
    world.store.publish("record#main", line.write() + b"\n", 0)
    world.store.publish("record-head#main", signed, 0)
    assert run("record")[0] == 0

    later = NOON + 3 * WEEK
    sweep.run(world.store, world.city, later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 4, later)
    status, said, told = run("record", now=later)
    assert (status, len(said.splitlines())) == (0, 5)
    assert "5 lines" in told

    world.store.publish("record#main", b"", 1)
    assert "record" in run("record", now=later)[0]


def test_sweep_says_what_it_destroyed_and_what_had_come_back(run, office):
    world, _ = office
    world.store.put(world.sealed())
    later = NOON + 2 * WEEK
    clock.believe(world.store, later)

    assert run("sweep", now=later)[1] == (
        "Week 2026-W47: keys destroyed.\nWeek 2026-W47: all requests erased, fewer than 10.\n"
    )
    for _ in range(25):
        world.store.put(world.sealed())
    assert run("sweep", now=later)[1] == (
        "Week 2026-W47: 0 keys and 20 or a few more requests had come back, and were destroyed"
        " again.\n"
    )
    assert run("sweep", now=later)[1] == "No week's keys were due to be destroyed.\n"


def test_sweep_and_no_command_that_reads_opens_the_store_to_destroy(run, office, monkeypatch):
    """On a full disk that takes of the room that is kept for destruction."""
    opened = []

    def opens(spec, **how):
        opened.append(how["destroys"])
        return open_store(spec, **how)

    monkeypatch.setattr(terminal, "open_store", opens)
    run("keys", "list")
    run("record")
    assert set(opened) == {False}

    opened.clear()
    run("sweep")
    assert opened[-1]


def test_sweep_that_is_hindered_keeps_that_its_clock_went_on(run, office, monkeypatch):
    """It may be the only timer there is."""
    world, _ = office

    def hindered(*_):
        raise StoreUnavailable("a document in the store is damaged")

    clock.believe(world.store, NOON)
    monkeypatch.setattr(sweep, "run", hindered)
    for hours in (20, 40):
        status, _, _ = run("sweep", now=NOON + timedelta(hours=hours))
        assert "damaged" in str(status)

    assert clock.last_believed(world.store) == NOON + timedelta(hours=40)


def test_sweep_destroys_although_nobody_can_be_told(office, monkeypatch):
    """The log lies on the full disk, or who read it is gone."""
    world, folder = office
    (folder / "device.keyring").write_bytes(b"junk")  # of which there is something to say
    later = NOON + 2 * WEEK
    clock.believe(world.store, later)
    told = {"QUIETDESK_STORE": world.spec, "QUIETDESK_KEYRING": str(folder / "device.keyring")}
    at = Here(settings.read(told), world.city, later)

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, suppress(OSError):
        patched.setattr("sys.stderr", Full())
        _forgot(at, build_parser().parse_args(["sweep"]))

    with pytest.raises(KeyDestroyed):
        world.store.server_half(world.bundle().keys["visit"][0])


def test_record_that_was_changed_is_not_in_order(run, office):
    world, _ = office
    later = NOON + 3 * WEEK
    sweep.run(world.store, world.city, later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 4, later)
    raw, seq = world.store.read(record.name("main", 2026))
    world.store.publish(
        record.name("main", 2026), raw.replace(b'"erased":"<10"', b'"erased":10'), seq
    )

    assert "record" in run("record", now=later)[0]


@pytest.mark.parametrize("saved", ["utf-8", "utf-8-sig", "utf-16"])
def test_enter_reads_what_an_editor_or_powershell_saved(office, run, saved):
    world, _ = office

    status, _, _ = run("enter", stdin=json.dumps(ASKED | {"name": "Núñez"}).encode(saved))

    assert status == 0
    assert opened(world, "Núñez").request.name == "Núñez"


@pytest.mark.parametrize("bad", [b"\xff\xff{}", b"\xe9", "{}".encode("utf-16-le")])
def test_enter_says_what_it_needs_where_nothing_can_be_read(run, bad):
    status, _, err = run("enter", stdin=bad)

    assert status == 1 and "one JSON object" in err


# --- Passphrases ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", "\ufeff\r\n", "\n" + PASSPHRASE])
def test_empty_passphrase_file_is_said_and_not_to_be_typed_again(tmp_path, text):
    file = tmp_path / "pass"
    file.write_text(text)

    with pytest.raises(BadSetting, match=r"first line of .* is empty") as said:
        passphrase_in(file, "QUIETDESK_PASSPHRASE_FILE")

    assert "QUIETDESK_PASSPHRASE_FILE" in str(said.value)


@pytest.mark.process
@pytest.mark.parametrize("piped", ["", PASSPHRASE + "\n"])
def test_without_a_terminal_no_passphrase_is_read_or_shown(piped):
    script = "from quietdesk.staff.commands.terminal import typed_passphrase as typed; typed('? ')"

    done = subprocess.run(
        [sys.executable, "-c", script],
        input=piped, capture_output=True, text=True, timeout=120, start_new_session=True,
    )  # fmt: skip

    assert "nobody typed a passphrase" in done.stderr.splitlines()[-1]
    assert "echo" not in done.stderr and "\nGetPassWarning" not in done.stderr


# --- Hints that fit ------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [["a"], ["a", "a"], ["a", "stranger"]])
@pytest.mark.parametrize("words", [["keys", "mint"], ["device", "admit", "--yes"]])
def test_too_few_custodians_are_told_to_name_each_once(office, capsys, monkeypatch, named, words):
    world, folder = office
    made = {}
    for name in ("a", "b", "stranger"):
        made[name] = keyring.new("custodian", Trust((), 1, "demo"), PASSPHRASE, CHEAP)
        keyring.save(folder / f"{name}.keyring", keyring.lock(made[name]))
    believed = " ".join(b64(made[it].public_key) for it in ("a", "b"))
    told = {"QUIETDESK_CUSTODIANS": believed, "QUIETDESK_THRESHOLD": "2"}
    at = Here(settings.read(told | {"QUIETDESK_STORE": world.spec}), world.city, NOON)
    for name in named:
        words = [*words, "--custodian", str(folder / f"{name}.keyring")]
        words += ["--passphrase-file", str(folder / "pass")]
    words[2:2] = [world.device.id] * ("admit" in words)
    args = build_parser().parse_args(words)

    with pytest.raises(TooFewCustodians, match=r"1 of the custodians .* and 2 must") as said:
        args.run(at, args)

    assert "--custodian" in said.value.next


def test_device_is_admitted_by_its_digits_in_capitals_too(office, run):
    world, folder = office
    keyring.save(folder / "custodian.keyring", keyring.lock(world.custodian))
    named = ("--yes", "--custodian", folder / "custodian.keyring")

    assert run("device", "admit", world.device.id.upper(), *named)[0] == 0


@pytest.mark.parametrize("digits", ["0011223344556677", "O011", "0011-2233-4455-6677"])
def test_mistyped_digits_are_said_and_not_that_a_device_uploaded_nothing(
    office, monkeypatch, digits
):
    world, _ = office
    at = Here(settings.read({"QUIETDESK_STORE": world.spec}), world.city, NOON)
    args = build_parser().parse_args(["device", "admit", digits])

    with pytest.raises(NoSuchDevice, match=digits.lower()) as said:
        args.run(at, args)

    assert "Compare the 16 digits" in said.value.next


def test_mistyped_store_is_no_trouble_of_the_disk(office, tmp_path):
    world, _ = office
    typed = {"QUIETDESK_STORE": f"sqlite:{tmp_path / 'requets.db'}"}

    with pytest.raises(NoStore, match="there is no store at") as said:
        Here(settings.read(typed), world.city, NOON).store()

    assert "--store" in said.value.next and "network" not in said.value.next


def test_custodians_in_another_order_are_the_same_custodians():
    one, other = Trust((b"a", b"b"), 2, "here"), Trust((b"b", b"a"), 2, "here")

    assert one.same_as(other)
    assert not one.same_as(replace(other, threshold=1))
    assert not one.same_as(replace(other, deployment="there"))
    assert not one.same_as(replace(other, custodians=(b"a",)))
    assert not one.same_as(replace(other, custodians=(b"a", b"c")))


def test_keyring_is_unlocked_whatever_order_the_custodians_are_named_in(office):
    world, folder = office
    spkis = (world.custodian.public_key, world.device.public_key)
    made = keyring.new("device", Trust(spkis, 1, world.city.deployment), PASSPHRASE, CHEAP)
    keyring.save(folder / "two.keyring", keyring.lock(made))
    named = " ".join(map(b64, reversed(spkis)))
    told = {"QUIETDESK_CUSTODIANS": named, "QUIETDESK_KEYRING": str(folder / "two.keyring")}

    assert Here(settings.read(told), world.city, NOON).unlocked(PASSPHRASE) == made


@pytest.mark.parametrize("doubt", [Doubt.AHEAD, Doubt.BEHIND, Doubt.MOVED])
def test_only_where_nothing_else_tells_is_somebody_sent_to_the_sweep_that_asks(
    office, monkeypatch, doubt
):
    world, _ = office
    at = Here(settings.read({"QUIETDESK_STORE": world.spec}), world.city, NOON)
    dates = Dates(NOON, NOON + WEEK, doubt=doubt, other=NOON + WEEK)
    monkeypatch.setattr(Here, "dates", lambda *_: (dates, ()))

    with pytest.raises(ClockNotBelieved) as said:
        at.sure(world.store)

    assert ("quietdesk sweep" in said.value.next) is (doubt is Doubt.MOVED)


# --- This computer -------------------------------------------------------------------------------


def test_keys_of_a_week_leave_the_computer_on_its_key_day_and_no_others(office):
    world, folder = office
    path = folder / "device.keyring"
    told = {"QUIETDESK_STORE": world.spec, "QUIETDESK_KEYRING": str(path)}
    told |= {"QUIETDESK_CUSTODIANS": ""}
    key_day = weeks.destroyed_at(Epoch(2026, 47), world.city.zone, world.city.serve_days)
    before = keyring.epochs(path.read_bytes())

    def forgotten(now):
        clock.believe(world.store, now - timedelta(hours=1))  # as the server does every hour
        Here(settings.read(told), world.city, now).forget()
        return set(before) - set(keyring.epochs(path.read_bytes()))

    assert forgotten(key_day - timedelta(seconds=1)) == {Epoch(2026, 46)}
    assert forgotten(key_day) == {Epoch(2026, 46), Epoch(2026, 47)}


def test_any_command_first_deletes_the_keys_of_ended_weeks(office, monkeypatch, capsys):
    world, folder = office
    path = folder / "device.keyring"
    keyring.save(path, keyring.lock(world.device.topped_up([Epoch(2020, 1)])))
    monkeypatch.setenv("QUIETDESK_STORE", world.spec)
    monkeypatch.setenv("QUIETDESK_KEYRING", str(path))
    monkeypatch.setenv("QUIETDESK_CUSTODIANS", b64(world.custodian.public_key))
    assert Epoch(2020, 1) in keyring.epochs(path.read_bytes())

    assert main(["openings", "list"]) == 0

    assert Epoch(2020, 1) not in keyring.epochs(path.read_bytes())
    capsys.readouterr()


@pytest.fixture
def at_key_day(office, monkeypatch, capsys):
    """Runs a command line as it is typed, when the keys of two weeks are due; gives its exit code,
    output and complaints."""
    world, _ = office
    key_day = weeks.destroyed_at(Epoch(2026, 47), world.city.zone, world.city.serve_days)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return key_day.astimezone(tz)

    monkeypatch.setattr("quietdesk.staff.commands.main.datetime", Clock)
    clock.believe(world.store, key_day - timedelta(hours=1))  # as the server does every hour
    for name, value in settings_of(office).items():
        monkeypatch.setenv(name, value)

    def run(*words):
        capsys.readouterr()
        return main(words), *capsys.readouterr()

    return run


def unusable(path, how, monkeypatch):
    """A keyring that does not let its ended weeks be deleted."""

    def refuses(error):
        def save(*_):
            raise error

        monkeypatch.setattr(safefile, "save", save)

    whole = json.loads(path.read_text())
    match how:
        case "cut":
            path.write_bytes(path.read_bytes()[:300])
        case "empty":
            path.write_bytes(b"")
        case "newer":
            path.write_text(json.dumps(whole | {"v": 2}))
        case "an odd week":
            path.write_text(json.dumps(whole | {"boxes": whole["boxes"] | {"2026-W5O": "AAAA"}}))
        case "full disk":
            refuses(OSError(errno.ENOSPC, "No space left on device"))
        case "locked":
            refuses(KeyringBusy("another process does not let go of the keyring"))


@pytest.mark.parametrize("how", ["cut", "empty", "newer", "an odd week", "full disk", "locked"])
def test_keyring_that_cannot_be_used_keeps_no_key_in_the_store(
    office, at_key_day, monkeypatch, how
):
    world, folder = office
    unusable(folder / "device.keyring", how, monkeypatch)

    status, out, err = at_key_day("sweep")

    assert "Week 2026-W47: keys destroyed." in out
    assert world.store.destroy_keys("main", Epoch(2026, 47)) == [], "none was left"
    assert status == 1
    assert "keyring" in err and "hint: " in err


@pytest.mark.parametrize("words", [("record",), ("keys", "list"), ("openings", "list")])
def test_what_hinders_forgetting_stops_nobody_who_needs_no_keyring(office, at_key_day, words):
    world, folder = office
    sweep.run(world.store, world.city, NOON + 3 * WEEK)
    out = at_key_day(*words)[1]
    (folder / "device.keyring").write_bytes(b"junk")

    hindered = at_key_day(*words)

    assert hindered[:2] == (1, out)
    assert "keyring file is damaged" in hindered[2] and "quietdesk device new" in hindered[2]


@pytest.mark.parametrize("words", [("pull",), ("keys", "forget"), ("desk", "--no-browser")])
def test_what_hinders_forgetting_stops_who_needs_the_keyring_and_is_said_once(
    office, at_key_day, words
):
    _, folder = office
    (folder / "device.keyring").write_bytes(b"junk")

    status, out, err = at_key_day(*words)

    assert (status, out) == (1, "")
    assert err.count("the keyring file is damaged") == 1


@pytest.fixture
def cheap(monkeypatch):
    """New keyrings whose passphrase is stretched no longer than a test likes to wait."""
    monkeypatch.setattr(keyring, "new", partial(keyring.new, cost=CHEAP))


def words_of(out):
    return re.search(r"Words: ([a-z ]+)", out)[1]


@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "another version of nothing"])
def test_damaged_keyring_is_said_and_what_the_hint_says_works(office, cheap, run, how):
    world, folder = office
    path = folder / "device.keyring"
    whole = path.read_bytes()
    bad = {"empty": b"", "cut": whole[:-200], "zeros": bytes(len(whole))}.get(how, b'{"v": 0}')
    path.write_bytes(bad)
    said = Here(settings.read({"QUIETDESK_KEYRING": str(path)}), world.city, NOON).forget().hindered
    assert str(path) in str(said)
    assert said.next.endswith("quietdesk device new")

    status, out, err = run("device", "new", "--deployment", "demo")

    assert status == 0
    made = keyring.unlock(path.read_bytes(), PASSPHRASE)
    assert words_of(out) == keyring.fingerprint(made.public_key)
    (aside,) = folder.glob("device.keyring.damaged-*[0-9a-f]")
    assert aside.read_bytes() == bad and str(aside) in err
    assert run("pull")[0] == 0


@pytest.mark.parametrize("how", DAMAGE)
def test_device_new_replaces_what_no_passphrase_unlocks(office, cheap, run, how):
    _, folder = office
    path = folder / "device.keyring"
    path.write_bytes(bad := damaged(path.read_bytes(), how))
    assert "damaged" in run("pull")[0]

    assert run("device", "new", "--deployment", "demo")[0] == 0

    (aside,) = folder.glob("device.keyring.damaged-*[0-9a-f]")
    assert aside.read_bytes() == bad
    assert run("pull")[0] == 0


def test_way_out_of_damage_that_only_the_passphrase_shows_works(office, cheap, run):
    _, folder = office
    path = folder / "device.keyring"
    doc = json.loads(path.read_text())
    doc["boxes"]["main"] = next(box for name, box in doc["boxes"].items() if name != "main")
    path.write_text(json.dumps(doc))
    for command in (["pull"], ["device", "new", "--deployment", "demo"]):
        assert "damaged" in run(*command)[0]

    path.rename(folder / "away")  # as the hint says

    assert run("device", "new", "--deployment", "demo")[0] == 0
    assert run("pull")[0] == 0


def test_custodians_damaged_keyring_is_not_put_aside_for_a_devices(office, cheap, run):
    world, folder = office
    path = folder / "device.keyring"
    path.write_bytes(theirs := damaged(keyring.lock(world.custodian), "an empty main"))

    assert "it is not a device's keyring" in run("device", "new", "--deployment", "demo")[0]
    assert path.read_bytes() == theirs


def test_hint_of_a_damaged_keyring_works_from_the_first_word_on(office, cheap, monkeypatch, capsys):
    """Every command forgets first; the one that makes a new keyring does not stumble over it."""
    _, folder = office
    (folder / "device.keyring").write_bytes(b"junk")
    for name, value in settings_of(office).items():
        monkeypatch.setenv(name, value)

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    assert main(["pull"]) == 1
    hint = capsys.readouterr().err.splitlines()[-1]
    command = hint.rpartition("quietdesk ")[2]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert (command, main(command.split())) == ("device new", 0)


def test_device_new_finishes_what_the_store_did_not_answer(office, cheap, run, monkeypatch):
    """The keyring is saved, and its words were never shown."""
    world, folder = office
    with monkeypatch.context() as patched:
        patched.setattr(Sqlite, "publish", fails)
        assert "down" in run("device", "new", "--deployment", "demo", keyring="second.keyring")[0]
    made = keyring.unlock((folder / "second.keyring").read_bytes(), PASSPHRASE)

    status, out, err = run("device", "new", "--deployment", "demo", keyring="second.keyring")

    assert (status, words_of(out)) == (0, keyring.fingerprint(made.public_key))
    assert "move it away first" in err
    named = upload.of(world.store, made.public_key, world.trust).keys
    assert named.keys() == made.wrap_seeds.keys()


def fails(*_):
    raise StoreUnavailable("the store is down")


def test_device_new_replaces_no_keyring_that_is_whole(office, cheap, run):
    _, folder = office
    before = (folder / "device.keyring").read_bytes()

    status, out, _ = run("device", "new", "--deployment", "demo")

    assert status == 0
    assert keyring.fingerprint(keyring.unlock(before, PASSPHRASE).public_key) == words_of(out)
    assert keyring.unlock((folder / "device.keyring").read_bytes(), PASSPHRASE).id in out


@pytest.mark.parametrize("kind", ["custodian", "device"])
def test_foreign_keyring_is_named_for_what_it_is_and_the_way_out_works(office, cheap, run, kind):
    _, folder = office
    path = folder / "device.keyring"
    theirs = keyring.lock(keyring.new(kind, Trust((), 1, "elsewhere"), PASSPHRASE))
    path.write_bytes(theirs)

    for command in (["pull"], ["device", "new", "--deployment", "demo"]):
        assert f"but a {kind}'s for elsewhere" in run(*command)[0]
    assert path.read_bytes() == theirs
    path.rename(folder / "away")

    assert run("device", "new", "--deployment", "demo")[0] == 0


def test_keyring_of_a_newer_release_is_not_replaced(office, cheap, run):
    _, folder = office
    path = folder / "device.keyring"
    newer = json.dumps(json.loads(path.read_text()) | {"v": 2}).encode()
    path.write_bytes(newer)

    for command in (["pull"], ["device", "new", "--deployment", "demo"]):
        assert "written by a newer Quietdesk" in run(*command)[0]
    assert path.read_bytes() == newer


def test_custodian_new_shows_again_what_a_stopped_call_did_not(office, cheap, run):
    _, folder = office
    first = run("custodian", "new", folder / "c.keyring", "--deployment", "demo")
    before = (folder / "c.keyring").read_bytes()

    again = run("custodian", "new", folder / "c.keyring", "--deployment", "demo")

    assert (first[0], again[0]) == (0, 0)
    assert first[1] == again[1]
    assert (folder / "c.keyring").read_bytes() == before


@pytest.mark.parametrize("how", ["gone", "cut", "a device's"])
def test_custodians_keyring_that_does_not_do_is_never_made_a_devices(office, run, how):
    world, folder = office
    path = folder / "c.keyring"
    if how != "gone":
        whole = keyring.lock(world.custodian if how == "cut" else world.device)
        path.write_bytes(whole[: -200 if how == "cut" else None])

    at = Here(settings.read({}), world.city, NOON)
    with pytest.raises(BadCustodian) as said:
        custodians(at, [path])

    assert str(path) in str(said.value)
    assert "device new" not in said.value.next


def test_yesterdays_copy_put_back_is_said_week_by_week_at_every_pull(office, run):
    world, folder = office
    path, later = folder / "device.keyring", NOON + 3 * WEEK
    yesterday = path.read_bytes()
    run("pull", now=later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 10, later)
    path.write_bytes(yesterday)

    for _ in range(2):
        status, _, err = run("pull", now=later)
        assert status == 0
        assert "with a key that it does not have any more" in err
        assert re.findall(r"\d{4}-W\d\d", err) == ["2027-W05", "2027-W06"]


def test_full_disk_is_said_and_the_requests_are_shown(office, run, monkeypatch):
    world, _ = office
    ask(world, "Marisol")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    status, out, err = run("pull", now=NOON + timedelta(days=5))

    assert (status, "Marisol" in out) == (0, True)
    assert "could not be saved" in err and "Make room on the disk" in err


@pytest.mark.parametrize(
    "written",
    [
        b"\xef\xbb\xbf" + PASSPHRASE.encode() + b"\r\n",
        f"\ufeff{PASSPHRASE}\r\n".encode("utf-16-le"),
        f"\ufeff{PASSPHRASE}\n".encode("utf-16-be"),
        PASSPHRASE.encode() + b"\r",
        PASSPHRASE.encode(),
    ],
    ids=["mark", "utf-16", "utf-16 of a Mac", "CR", "no end"],
)
def test_passphrase_file_unlocks_however_an_editor_saved_it(office, run, written):
    _, folder = office
    (folder / "pass").write_bytes(written)

    assert run("pull")[0] == 0


def test_passphrase_file_that_is_no_text_says_how_to_save_it(office, run):
    _, folder = office
    (folder / "pass").write_bytes("contraseña larga y buena".encode("cp1252"))

    assert "save it as UTF-8" in run("pull")[0]


@pytest.mark.parametrize(("says", "admitted"), [("n\n", False), ("", False), ("y\n", True)])
def test_device_is_admitted_only_when_its_words_are_the_same(office, run, says, admitted):
    world, folder = office
    keyring.save(folder / "custodian.keyring", keyring.lock(world.custodian))
    theirs = another_device(world)
    upload.upload_wrap_keys(world.store, theirs, world.city, NOON)

    status, out, _ = run(
        "device", "admit", theirs.id, "--custodian", folder / "custodian.keyring", stdin=says
    )

    assert keyring.fingerprint(theirs.public_key) in out
    assert (theirs.id in ceremony.admitted(world.store, world.trust).ids) is admitted
    assert status == (0 if admitted else 1)


# --- Who opens which week ------------------------------------------------------------------------


@pytest.fixture
def mint(office, run):
    """Runs `keys mint` with the custodian's keyring."""
    world, folder = office
    keyring.save(folder / "custodian.keyring", keyring.lock(world.custodian))
    return partial(run, "keys", "mint", "--custodian", folder / "custodian.keyring", "--weeks")


@pytest.fixture
def new_computer(office):
    """A computer that custodians admitted after the keys of four weeks were made."""
    world, folder = office
    made = another_device(world)
    keyring.save(folder / "new.keyring", keyring.lock(made))
    upload.upload_wrap_keys(world.store, made, world.city, NOON)
    signers = [world.custodian]
    ceremony.admit(world.store, world.city, world.trust, signers, made.public_key, NOON)
    return made


def pull_there(run, *more, now=NOON):
    return run("pull", *more, keyring="new.keyring", now=now)


def test_minting_for_eleven_weeks_before_a_device_was_unlocked_makes_ten_and_says_what_to_do(
    office, mint, capsys
):
    world, _ = office
    before = weeks.epoch_at(NOON, world.city.zone)

    status, out, _ = mint(11, now=NOON + WEEK)

    assert out.count("key made") == 7  # of four there were keys already, one of them of last week
    assert status == f"no admitted device has a key for week {before.plus(11)}, so none was made"
    assert "quietdesk pull" in NoDeviceReady("").next
    assert "words" not in NoDeviceReady("").next


def test_minting_again_after_a_device_was_unlocked_makes_the_last_week(run, mint):
    mint(11, now=NOON + WEEK)
    run("pull", now=NOON + WEEK)

    assert mint(11, now=NOON + WEEK) == (0, "Week 2027-W05: key made.\n", "")
    assert mint(11, now=NOON + WEEK)[:2] == (0, "The next 11 weeks have keys already.\n")


def test_minting_names_whom_it_leaves_out_with_its_day_and_why(office, mint, new_computer):
    world, _ = office
    name = f"wrap-keys#{new_computer.id}"
    put_over(world.store, name, b"junk")

    status, out, told = mint(6)

    assert (status, out.count("key made")) == (0, 2)
    who = f"quietdesk: device {new_computer.id}, admitted on 2026-11-18, does not open"
    assert told.splitlines() == [
        f"{who} weeks 2026-W47, 2026-W48, 2026-W49, 2026-W50: the week's key was made before it "
        "was admitted, or without it",
        f"{who} weeks 2026-W51, 2026-W52: the keys it uploaded do not verify",
        "quietdesk: hint: run on that computer: quietdesk pull. It uploads what is missing; then "
        "mint again",
    ]


def test_minting_says_what_it_made_and_which_weeks_document_is_damaged(office, mint):
    world, _ = office
    put_over(world.store, "bundle#main#2026-W48", b"junk")

    status, out, told = mint(6)

    assert (status, out.count("key made")) == (1, 2)
    assert "week 2026-W48: " in told


def test_keys_list_says_who_proved_which_week_who_has_a_wrap_and_who_has_none(
    office, run, mint, new_computer
):
    world, _ = office
    old, new = world.device.id, new_computer.id
    _, before, _ = run("keys", "list")
    run("pull", now=NOON + timedelta(days=1))
    mint(5)

    _, after, _ = run("keys", "list")

    assert "on this device" not in before + after
    assert f"    {old}  a wrap, not tried yet\n    {new}  none\n" in before
    assert before.splitlines()[0] == (
        f"Device {old}, admitted on 2026-11-18, last seen in week 2026-W47"
    )
    week = "2026-W50  key made; destroyed on 2026-12-21\n"
    assert f"{week}    {old}  proved on 2026-11-19\n    {new}  none\n" in after
    week = "2026-W51  key made; destroyed on 2026-12-28\n"
    untried = "a wrap, not tried yet"
    assert f"{week}    {old}  {untried}\n    {new}  {untried}\n" in after


def test_keys_list_shows_the_weeks_beside_one_that_is_damaged(office, run):
    world, _ = office
    put_over(world.store, "bundle#main#2026-W48", b"junk")

    status, out, told = run("keys", "list")

    assert (status, out.count("key made")) == (1, 3)
    assert "week 2026-W48: " in told


def fail_half(world):
    """The half of this computer of one week's key, as it does not open any more."""
    epoch = Epoch(2026, 48)
    kid = ceremony.kids_of(world.raw_bundle(epoch), world.trust, "main")[0]
    wrap = world.store.wrap(kid, world.device.id)
    world.store.put_wrap(kid, world.device.id, b"x" * 1168, over=wrap)


def test_half_that_fails_is_said_by_week_and_device_when_the_computer_is_unlocked(office, run):
    world, _ = office
    fail_half(world)

    status, _, told = run("pull")

    assert status == 0
    assert f"this computer (device {world.device.id}) with a key that it does not have" in told
    assert "here: 2026-W48." in told
    assert (
        f"    {world.device.id}  a wrap that fails there, since 2026-11-18"
        in (run("keys", "list")[1])
    )


def test_new_computer_says_that_it_opens_none_and_from_when_on(office, run, mint, new_computer):
    world, _ = office
    ask(world, "Ana", "Ben")

    status, out, told = pull_there(run)

    assert (status, out) == (1, "2 requests wait. This computer can open none of them.\n")
    assert "cannot open 2 of 2 requests" in told
    assert (
        "it opens requests of week 2026-W51 (from 2026-12-14 on) and later ones, "
        "once custodians have made its key"
    ) in told
    mint(6)
    assert "week 2026-W51 (from 2026-12-14 on) and later ones\n" in pull_there(run)[2]
    assert "not admitted" not in told


@pytest.mark.parametrize("words", ["place --all --yes", "wait --all"])
def test_all_that_wait_are_not_said_to_be_none_where_none_opens(office, run, new_computer, words):
    world, _ = office
    ask(world, "Ana", "Ben")

    status, _, told = run(*words.split(), keyring="new.keyring")

    assert status == 1
    assert "cannot open 2 of 2 requests" in told
    assert "it opens requests of week 2026-W51" in told


@pytest.mark.parametrize("words", ["place --all --yes", "wait --all"])
def test_all_that_wait_are_done_though_another_does_not_open_and_that_is_said(office, run, words):
    world, _ = office
    ask(world, "Ana")
    fail_half(world)
    world.store.put(world.sealed(NOON + WEEK, name=["Ben"]))

    status, _, told = run(*words.split())

    assert status == 0
    assert "cannot open 1 of 2 requests" in told


def test_computer_that_nobody_admitted_says_so(office, run):
    world, folder = office
    ask(world, "Ana")
    keyring.save(folder / "new.keyring", keyring.lock(another_device(world)))

    status, out, told = pull_there(run, "--json")

    assert (status, out) == (1, "")
    assert "custodians have not admitted this computer" in told
    assert "hint: read its words to a custodian" in told


def test_computer_that_opens_some_ends_with_0(office, run, mint, new_computer):
    world, _ = office
    mint(5)
    ask(world, "Ana")
    later = replace(world, device=new_computer)
    later.store.put(later.sealed(NOON + 4 * WEEK, name=["Ben"]))
    clock.believe(world.store, NOON + 3 * WEEK)

    status, out, told = pull_there(run, now=NOON + 3 * WEEK)

    assert status == 0
    assert "1 waiting." in out
    assert "no requests" not in out + told


def test_no_requests_are_waiting_is_said_where_none_are(run, new_computer):
    status, out, told = pull_there(run)

    assert (status, out, told) == (0, "No requests are waiting.\n", "")


def test_admitting_says_whom_the_list_has_no_more(office, run):
    world, folder = office
    keyring.save(folder / "custodian.keyring", keyring.lock(world.custodian))
    body = b'{"v":1,"deployment":"demo","devices":["0123456789abcdef"]}'
    labels = signed_document(body, [world.custodian.sign("devices", body)])
    put_over(world.store, "devices", labels)

    status, _, told = run(
        "device", "admit", world.device.id, "--yes", "--custodian", folder / "custodian.keyring"
    )

    assert status == 0
    assert "device 0123456789abcdef is not in the list any more" in told


# --- Keyrings, and for which deployment -----------------------------------------------------------

KEYRINGS = {"custodian": ["custodian", "new"], "device": ["device", "new"]}


@pytest.fixture
def making(office, run):
    """Runs the command that makes a keyring: what it said, and the file that it may have made."""
    _, folder = office
    file = folder / "made.keyring"

    def making(kind, *words, stdin=""):
        named = [file] if kind == "custodian" else []
        return run(*KEYRINGS[kind], *named, *words, stdin=stdin, keyring="made.keyring"), file

    return making


@pytest.mark.parametrize("kind", KEYRINGS)
@pytest.mark.parametrize("says", ["n\n", "", "demo\n"])
def test_no_keyring_is_made_before_somebody_agrees_to_its_deployment(making, says, kind):
    (status, out, err), file = making(kind, stdin=says)

    assert (status, out, file.exists()) == (1, "", False)
    assert "the deployment in build/city.json is demo" in err
    assert "production refuses its keys" in err
    assert "no keyring was made" in err and "make site" in err


@pytest.mark.parametrize("kind", KEYRINGS)
@pytest.mark.parametrize(("words", "says"), [([], "y\n"), (["--deployment", "demo"], "")])
def test_who_agrees_or_names_the_deployment_gets_a_keyring_for_it(making, kind, words, says):
    (status, out, err), file = making(kind, *words, stdin=says)

    assert status == 0 and "Words:" in out
    assert ("[y/N]" in err) is (words == [])
    assert keyring.read(file, kind, "demo")


@pytest.mark.parametrize("kind", KEYRINGS)
@pytest.mark.parametrize("word", ["my-town", "", "Demo", "demo "])
def test_script_that_means_another_deployment_gets_no_keyring(making, kind, word):
    (status, _, _), file = making(kind, "--deployment", word, stdin="y\n")

    assert status == f"the deployment in build/city.json is demo, not {word}"
    assert not file.exists()


def test_of_a_deployment_that_is_not_the_demos_nothing_is_said_but_its_name(
    office, capsys, monkeypatch
):
    world, folder = office
    at = Here(settings.read({}), replace(world.city, deployment="my-town"), NOON)
    args = build_parser().parse_args(["custodian", "new", str(folder / "one.keyring")])
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    assert args.run(at, args) == 1
    err = capsys.readouterr().err
    assert "my-town" in err and "demo" not in err


@pytest.fixture
def two_custodians(office):
    """Two keyrings whose passphrases differ, and files with these."""
    world, folder = office
    paths, files = [], []
    for name in ("amina", "ben"):
        words = f"the passphrase of {name} alone"
        made = keyring.new("custodian", Trust((), 1, world.city.deployment), words, CHEAP)
        keyring.save(folder / f"{name}.keyring", keyring.lock(made))
        (folder / f"{name}.txt").write_text(words + "\n")
        paths.append(folder / f"{name}.keyring")
        files.append(folder / f"{name}.txt")
    at = Here(settings.read({"QUIETDESK_PASSPHRASE_FILE": str(files[0])}), world.city, NOON)
    return at, paths, files


def test_each_custodian_has_a_passphrase_file_of_its_own(two_custodians):
    at, paths, files = two_custodians

    there = keys.custodians(at, paths, files)

    assert len({it.id for it in there}) == 2
    with pytest.raises(WrongPassphrase):
        keys.custodians(at, paths, files[::-1])
    for wrong in (files[:1], files * 2):
        with pytest.raises(BadSetting, match="2 custodians need as many passphrase files"):
            keys.custodians(at, paths, wrong)
    with pytest.raises(BadSetting, match=r"the passphrase file of ben\.keyring cannot be read"):
        keys.custodians(at, paths, [files[0], files[1].with_name("none")])


def test_one_passphrase_file_is_not_tried_on_two_custodians(two_custodians, monkeypatch):
    at, paths, files = two_custodians
    asked = []

    def typed(prompt, stream):
        asked.append(prompt)
        return files[len(asked) - 1].read_text().strip()

    monkeypatch.setattr("getpass.getpass", typed)

    with suppress(PassphraseUnfit):
        keys.custodians(at, paths)
    assert asked == ["Passphrase of amina.keyring: ", "Passphrase of ben.keyring: "]
    assert len(keys.custodians(at, paths[:1])) == 1  # a single one's may be that of the settings
    assert len(asked) == 2


@pytest.mark.parametrize("days", [15, -15])
def test_no_device_is_admitted_by_a_clock_that_moved(office, run, days):
    """The list that custodians sign names its day, and the clock would vouch for itself."""
    world, _ = office
    theirs = another_device(world)
    upload.upload_wrap_keys(world.store, theirs, world.city, NOON)
    before = world.store.read("devices")

    said, _, _ = run("device", "admit", theirs.id, "--yes", now=NOON + timedelta(days=days))

    assert "nothing else says what day it is" in str(said)
    assert world.store.read("devices") == before


def test_server_of_one_machine_listens_to_that_machine_only_unless_told():
    assert build_parser().parse_args(["run"]).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("planted"), "this computer refused it (OSError)"),
        (OSError(errno.EBADF, "Bad file descriptor"), "Bad file descriptor"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset"), "Connection reset"),
        (TimeoutError(), "this computer refused it (TimeoutError)"),
        (PermissionError(errno.EACCES, "Permission denied", "var/x"), "var/x: Permission denied"),
    ],
)
def test_computer_that_refuses_is_said_in_words_also_without_a_file(
    capsys, monkeypatch, error, said
):
    def refuse(*_):
        raise error

    monkeypatch.setattr("quietdesk.staff.commands.main.build_parser", refuse)

    assert main(["pull"]) == 1

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"quietdesk: {said}"
    assert "None" not in lines[1] and ("file" in lines[1]) == ("var/x" in said)
