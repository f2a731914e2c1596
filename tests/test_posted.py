"""A code counts only from a page of ours: who put one into a page of theirs knows it."""

import json
import re
from dataclasses import replace

import pytest

from quietdesk import codes, envelopes
from quietdesk.errors import StoreUnavailable
from quietdesk.wire import b64
from tests.events import FORM, OURS, by_code, check, event, fill_in, post, submit, text
from tests.world import ASKED, NOON

PLANTED = "7K3M-9QXT-2B6H-W3ZD"
SECRETS = codes.derive(PLANTED, "demo")
CODE = re.compile(r'name="code" value="([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})"')
HOST = {"Host": "desk.example"}
FROM_US = [
    OURS,
    {**HOST, "Origin": "http://desk.example"},
    {**OURS, "Origin": "null"},  # what it says of the site is more than that it hides where it is
]
FROM_OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port, or another name of the same domain
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {**HOST, "Sec-Fetch-Site": "cross-site", "Origin": "http://desk.example"},
    {**HOST, "Origin": "https://attacker.example"},
    {**HOST, "Origin": "http://desk.example.attacker.example"},
    {**HOST, "Origin": "http://desk.example:8080"},
    {**HOST, "Origin": "http://DESK.example"},
]
UNSAID = [{}, HOST, {**HOST, "Origin": "null"}]  # by the oldest browsers


def stored(world):
    return {item.envelope.id: item.request for item in world.desk().pull(NOON)}


def id_of(code):
    return codes.derive(code, "demo").id


# --- A new request -------------------------------------------------------------------------------


@pytest.mark.parametrize("said", FROM_US, ids=str)
def test_code_of_a_page_of_ours_stays_the_same(world, said):
    page = fill_in(submit(world), "review", code=[PLANTED], said=said)
    done = fill_in(submit(world), "send", code=[PLANTED], said=said)

    assert CODE.findall(page["body"]) == [PLANTED]
    assert (done["statusCode"], set(stored(world))) == (201, {SECRETS.id})


@pytest.mark.parametrize("step", ["review", "change", "send"])
@pytest.mark.parametrize("said", FROM_OTHERS, ids=str)
def test_code_that_another_site_planted_is_replaced_and_that_is_said(world, said, step):
    page = fill_in(submit(world), step, code=[PLANTED], said=said)

    assert PLANTED not in page["body"]
    assert "did not come from a page of ours" in text(page)
    assert ASKED["name"][0] in page["body"], "nothing that was typed is lost"
    assert stored(world) == {}
    shown = CODE.findall(page["body"])
    assert len(shown) == (step != "change")
    if shown:  # it is read here, and sent from here
        assert fill_in(submit(world), "send", code=shown)["statusCode"] == 201
        assert set(stored(world)) == {id_of(shown[0])}


def test_planted_code_does_not_come_back_after_a_problem(world):
    others = {"Sec-Fetch-Site": "cross-site"}

    page = fill_in(submit(world), "review", code=[PLANTED], people=["many"], said=others)

    assert page["statusCode"] == 400
    assert PLANTED not in page["body"]
    assert "did not come from a page of ours" in text(page)


@pytest.mark.parametrize("said", UNSAID, ids=str)
def test_oldest_browsers_send_the_form_and_get_a_code_that_nobody_planted(world, said):
    page = fill_in(submit(world), "review", said=said)
    again = fill_in(submit(world), "change", code=CODE.findall(page["body"]), said=said)
    done = fill_in(submit(world), "send", code=[PLANTED], said=said)

    assert ASKED["name"][0] in again["body"]
    assert done["statusCode"] == 201
    assert "So we made a new code" in text(done)
    (sent,) = stored(world)
    assert sent != SECRETS.id
    assert id_of("".join(re.findall(r"<span>(\w{4})</span>", done["body"]))) == sent


@pytest.mark.parametrize("said", UNSAID, ids=str)
def test_oldest_browsers_are_not_told_that_sending_again_counts_once(world, monkeypatch, said):
    def lost(*_):
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(world.store, "put", lost)

    told = fill_in(submit(world), "send", code=[codes.new()], said=said)

    assert told["statusCode"] == 503
    assert "it may be there twice" in text(told)
    assert ASKED["name"][0] in told["body"]


def test_code_is_not_called_new_when_it_is_the_one_that_was_read_back(world):
    done = fill_in(submit(world), "send", code=[PLANTED])

    assert "new code" not in text(done)


def test_pages_address_counts_and_not_the_host_behind_it(world, monkeypatch):
    """Behind CloudFront the host of a call is the functions' own."""
    programme = world.programme()
    monkeypatch.setattr(
        type(world), "programme", lambda *_: replace(programme, address="https://cards.example")
    )
    behind = {"Host": "abc.execute-api.us-east-1.amazonaws.com"}
    ours, not_ours = (
        fill_in(submit(world), "review", code=[PLANTED], said={**behind, "Origin": origin})
        for origin in ("https://cards.example", "http://abc.execute-api.us-east-1.amazonaws.com")
    )

    assert CODE.findall(ours["body"]) == [PLANTED]
    assert PLANTED not in not_ours["body"]


# --- The request of a code -----------------------------------------------------------------------


@pytest.mark.parametrize("step", ["see", "move", "cancel", "yes", "calendar"])
@pytest.mark.parametrize("said", FROM_OTHERS, ids=str)
def test_another_site_neither_shows_moves_nor_cancels(open_world, said, step):
    open_world.store.put(open_world.sealed(code=PLANTED))

    page = by_code(check(open_world), step, PLANTED, said=said)
    nothing_there = by_code(check(open_world), step, codes.new(), said=said)

    assert page["statusCode"] == 403
    assert "type your code here" in text(page)
    assert PLANTED not in page["body"]
    assert page == nothing_there
    assert set(stored(open_world)) == {SECRETS.id}


@pytest.mark.parametrize("step", ["review", "send"])
@pytest.mark.parametrize("said", [*FROM_OTHERS, *UNSAID], ids=str)
def test_nothing_goes_under_a_planted_code_that_exists(open_world, said, step):
    """Who planted it has a request under it, and would read what is put in its place."""
    open_world.store.put(open_world.sealed(code=PLANTED))
    typed = {**ASKED, "name": ["Victim"]}

    page = by_code(check(open_world), step, PLANTED, said=said, **typed)

    assert PLANTED not in page["body"]
    assert stored(open_world)[SECRETS.id].name == ASKED["name"][0]
    assert "Victim" in page["body"] or page["statusCode"] == 201


@pytest.mark.parametrize("said", UNSAID, ids=str)
def test_oldest_browsers_see_and_cancel_but_cannot_move(open_world, said):
    open_world.store.put(open_world.sealed(code=PLANTED))
    seen, moved = (by_code(check(open_world), step, PLANTED, said=said) for step in ("see", "move"))

    assert "Your request is waiting" in text(seen)
    assert moved["statusCode"] == 403
    assert "cannot change your request here" in text(moved)
    assert 'name="name"' not in moved["body"], "nothing is typed for a code that may be planted"
    assert 'value="cancel"' in moved["body"]
    assert "It is cancelled" in text(by_code(check(open_world), "yes", PLANTED, said=said))
    assert stored(open_world) == {}


# --- With scripts --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "text/plain;charset=UTF-8", "multipart/form-data"])
@pytest.mark.parametrize("do", ["cancel", "move", "put"])
def test_what_another_site_can_send_without_asking_first_is_no_json(open_world, do, kind):
    """A page of another site may post these kinds as it likes; for JSON its browser asks us first,
    and we do not answer that."""
    open_world.store.put(open_world.sealed(code=PLANTED))
    fresh = open_world.sealed(code=PLANTED if do == "move" else None, name=["Other"])
    wire = json.loads(envelopes.write(fresh))
    auth = b64(SECRETS.auth)
    asked = {
        "cancel": {"v": 1, "do": "cancel", "id": b64(SECRETS.id), "auth": auth},
        "move": {"v": 1, "do": "move", "auth": auth, "envelope": wire},
        "put": wire,
    }[do]
    to = "/api/requests" if do == "put" else "/api/requests/check"
    function = (submit if do == "put" else check)(open_world)
    said = {"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example"}

    answer = function(event("POST", to, json.dumps(asked).encode(), kind, said), None)

    assert answer["statusCode"] == 415
    assert stored(open_world)[SECRETS.id].name == ASKED["name"][0]
    assert len(stored(open_world)) == 1


@pytest.mark.parametrize("path", ["/api/requests", "/api/requests/check"])
def test_another_site_that_asks_before_it_sends_json_is_not_let(world, path):
    said = {
        "Origin": "https://attacker.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    function = (check if path.endswith("check") else submit)(world)

    answer = function(event("OPTIONS", path, headers=said), None)

    assert answer["statusCode"] == 404
    assert not [name for name in answer["headers"] if name.lower().startswith("access-control")]


def test_form_of_another_site_with_a_body_that_is_also_json_is_read_as_a_form(world):
    answer = post(submit(world), b'{"v":1,"=": ""}', FORM, {"Sec-Fetch-Site": "cross-site"})

    assert answer["statusCode"] == 400


@pytest.mark.parametrize("field", ["note", "email", "Name", "name "])
def test_form_with_a_field_that_is_not_ours_is_not_read(world, field):
    """No page of ours sends one, and nobody decided to be told it."""
    page = fill_in(submit(world), "send", code=[PLANTED], said=OURS, **{field: ["planted"]})

    assert (page["statusCode"], stored(world)) == (400, {})
    assert "planted" not in page["body"] and ASKED["name"][0] not in page["body"]
