"""Names that others rely on: a page that stays open, a program that calls the API, a script around
`--json`. They stay; whoever changes one reads the old and the new. New ones are added here.
"""

import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from importlib import import_module
from urllib.parse import urlencode

import pytest

from quietdesk import codes, envelopes, sweep
from quietdesk.openings import Opening
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring
from quietdesk.wire import b64, unb64
from tests.events import FORM, by_code, check, event, fill_in, get, post, post_check, submit
from tests.world import ASKED, NOON, PASSPHRASE, ROOT, make_world

ASKS = {
    "centers", "windows", "opening", "people", "children", "visit_type", "language", "access",
    "name", "reach", "phone", "phone_owner",
}  # fmt: skip
CARRIES = {"lang", "step", "code", "week", "path", "shown"}
STEPS = {"review", "change", "send", "see", "move", "cancel", "yes", "calendar"}

ENVELOPE = {"v", "queue", "id", "auth_hash", "born", "opening", "visit", "contact", "reply"}
PART = {"kid", "sealed"}
OPENINGS = {"look_again", "openings", "devices", "free"}
REFUSAL = {"error", "phone"}
SIGNED = {"body", "sigs"}
SIGNATURE = {"by", "sig"}
PAPER = {"v", "type", "deployment", "number", "day"}
BUNDLE = PAPER | {"queue", "epoch", "not_before", "not_after", "keys"}
DEVICES = PAPER | {"devices", "removed"}
LISTING = PAPER | {"queue", "spki", "path", "taking", "times", "closed"}

PULL = {"id", "state"} | ASKS
LISTED = {"opening", "center", "day", "time", "who", "seats", "left"}
LINE = {"v", "kind", "queue", "epochs", "day", "prev"}  # and, of the keys or rows that are gone:
OF_KEYS, OF_ROWS = LINE | {"kids"}, LINE | {"erased"}


# --- The form without scripts --------------------------------------------------------------------


def posted(name, value, path="/api/requests"):
    return event("POST", path, urlencode({name: value}).encode(), FORM)


@pytest.mark.parametrize("name", sorted(ASKS | CARRIES))
def test_field_of_the_form_is_read(open_world, name):
    for function, path in (
        (submit, "/api/requests"),
        (check, "/api/requests/check"),
    ):
        assert function(open_world)(posted(name, "x", path), None)["statusCode"] != 500
        strange = function(open_world)(posted(f"{name}_", "x", path), None)
        assert strange["statusCode"] == 400, "what is no field is not read"


def test_pages_send_these_fields_and_steps_and_no_others(open_world):
    code, shown = codes.new(), set()
    function, looks = submit(open_world), check(open_world)
    fill_in(function, "send", code=[code])
    pages = [
        get(function, "/api/request/en"),
        fill_in(function, "review"),
        *(by_code(looks, step, code) for step in ("see", "move", "cancel")),
    ]
    for page in pages:
        assert page["statusCode"] == 200
        tags = re.findall(r"<(?:input|button|select|textarea)[^>]*>", page["body"])
        for tag in tags:
            if name := re.search(r' name="(\w+)"', tag):
                value = re.search(r' value="(\w+)"', tag)
                shown.add((name[1], value[1] if name[1] == "step" and value else ""))

    assert {name for name, _ in shown} == ASKS | CARRIES - {"path"}
    assert {step for _, step in shown if step} <= STEPS


@pytest.mark.parametrize("step", sorted(STEPS))
def test_step_is_known(open_world, step):
    code = codes.new()
    fill_in(submit(open_world), "send", code=[code])

    answer = by_code(check(open_world), step, code, **ASKED)

    assert answer["statusCode"] in (200, 201)


# --- The API -------------------------------------------------------------------------------------


def body_of(document):
    return json.loads(unb64(json.loads(document)["body"]))


def test_envelope_is_posted_in_these_fields_and_answered_in_these(world):
    wire = json.loads(envelopes.write(world.sealed()))

    answer = post(submit(world), json.dumps(wire).encode())

    assert (set(wire), set(wire["visit"]), set(wire["contact"])) == (ENVELOPE, PART, PART)
    assert (answer["statusCode"], set(json.loads(answer["body"]))) == (201, {"look_again"})
    assert set(json.loads(post(submit(world), b"{")["body"])) == REFUSAL


def test_times_and_keys_are_answered_in_these_fields(open_world):
    times = json.loads(get(submit(open_world), "/api/openings")["body"])
    key = json.loads(get(submit(open_world), "/api/keys/main/current")["body"])

    assert set(times) == OPENINGS
    assert (set(key), {*key["sigs"][0]}) == (SIGNED, SIGNATURE)
    assert set(body_of(json.dumps(key))) == BUNDLE
    assert {*body_of(json.dumps(key))["keys"][0]} == {"kid", "part", "pk"}
    assert set(body_of(times["devices"])) == DEVICES
    assert {*body_of(times["devices"])["devices"][0]} == {"spki", "role", "admitted"}
    assert set(body_of(times["openings"])) == LISTING


def test_code_is_asked_about_in_these_fields(world):
    secrets = codes.derive(code := codes.new(), "demo")
    post(submit(world), envelopes.write(world.sealed(code=code)))
    wire = json.loads(envelopes.write(world.sealed(code=code, name=["Ana"])))
    id, auth = b64(secrets.id), b64(secrets.auth)

    def asked(**values):
        return post_check(check(world), **values)["statusCode"]

    assert asked(do="see", id=id) == 200
    move = {"do": "move", "auth": auth, "envelope": wire}
    assert asked(**move, shown=b64(bytes(32))) == 409  # another reply than the one it saw
    assert asked(**move) == 200
    assert asked(do="cancel", id=id, auth=auth) == 200
    assert [*world.desk().pull(NOON)] == []


# --- Commands ------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """The command as it is installed, in a programme of today: it asks the clock itself."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["quietdesk"].partition(":")
    main = getattr(import_module(module), function)
    world = make_world(tmp_path, datetime.now(UTC))
    keyring.save(tmp_path / "device.keyring", keyring.lock(world.device))
    (tmp_path / "pass").write_text(PASSPHRASE)
    told = {
        "STORE": world.spec,
        "KEYRING": str(tmp_path / "device.keyring"),
        "CUSTODIANS": b64(world.custodian.public_key),
        "PASSPHRASE_FILE": str(tmp_path / "pass"),
    }
    for name, value in told.items():
        monkeypatch.setenv(f"QUIETDESK_{name}", value)
    monkeypatch.chdir(ROOT)

    def command(*words):
        """What it prints, line by line."""
        assert main([*words]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield world, command
    world.store.close()


def test_pull_prints_these_fields(command):
    world, run = command
    world.store.put(world.sealed(datetime.now(UTC)))

    (row,) = run("pull", "--json")

    assert set(row) == PULL


def test_openings_are_listed_in_these_fields(command):
    world, run = command
    world.publisher().publish(datetime.now(UTC))

    rows = run("openings", "list", "--json")

    assert rows
    assert {frozenset(row) for row in rows} == {frozenset(LISTED)}
    assert all(str(Opening.parse(row["opening"])) == row["opening"] for row in rows)


def test_record_is_printed_in_these_fields(command):
    world, run = command
    later = datetime.now(UTC) + timedelta(weeks=3)
    sweep.run(world.store, world.city, later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 1, later)

    rows = run("record")

    assert rows
    assert {frozenset(row) for row in rows} == {frozenset(OF_KEYS), frozenset(OF_ROWS)}
