"""The code: see, cancel and move a request. Known and unknown codes look alike from outside."""

import hashlib
import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest

from quietdesk import codes, envelopes, replies, sweep
from quietdesk.errors import CannotOpen, Conflict, StoreUnavailable, TracesRemain
from quietdesk.openings import Opening
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.events import (
    JSON,
    by_code,
    check,
    error,
    event,
    fill_in,
    get,
    post,
    post_check,
    sealed_reply,
    submit,
    text,
    visible,
)
from tests.world import ASKED, NOON, WEEK

CODE = "7K3M-9QXT-2B6H-W3ZD"
SECRETS = codes.derive(CODE, "demo")
FIRST = Opening(date(2026, 11, 19), "09:00", "corona")
LATER = Opening(date(2026, 12, 3), "13:00", "corona")


def seats(world, *openings):
    left = world.store.seats(openings)
    return tuple(left[it] for it in openings)


def stored(world, now=NOON):
    return list(world.desk().pull(now))


def see(world, secrets=SECRETS, now=NOON):
    """What a phone reads with the code; None for nothing."""
    answer = post_check(check(world, now), do="see", id=b64(secrets.id))
    assert answer["statusCode"] == 200
    sealed = sealed_reply(answer)
    assert len(sealed) == 284
    try:
        return replies.read(envelopes.open_reply(sealed, secrets.reply, secrets.id))
    except CannotOpen:
        return None


def cancel(world, auth=SECRETS.auth, id=SECRETS.id):
    return post_check(check(world), do="cancel", id=b64(id), auth=b64(auth))


def move(world, envelope, auth=SECRETS.auth):
    wire = json.loads(envelopes.write(envelope))
    return post_check(check(world), do="move", auth=b64(auth), envelope=wire)


# --- See -----------------------------------------------------------------------------------------


def test_code_shows_the_visit(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE)))

    reply = see(open_world)

    assert (reply.state, reply.opening) == ("placed", LATER)


def test_code_shows_what_the_desk_answered(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    desk = open_world.desk()
    (item,) = stored(open_world)

    item = desk.place(item, LATER, NOON)
    assert see(open_world).opening == LATER
    item = desk.wait(item, NOON)
    assert see(open_world).look_again == date(2026, 11, 28)
    desk.refuse(item, NOON)
    assert see(open_world).state == "none"


def test_cancelled_destroyed_and_never_used_look_alike(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    cancelled, destroyed, never = (codes.new() for _ in range(3))
    for code in (cancelled, destroyed):
        open_world.store.put(open_world.sealed(code=code))
    derived = codes.derive(cancelled, "demo")
    cancel(open_world, derived.auth, derived.id)
    later = NOON + 3 * WEEK
    answers = [by_code(check(open_world), "see", code) for code in (cancelled, never)]
    sweep.run(open_world.store, open_world.city, later)
    answers.append(by_code(check(open_world, later), "see", destroyed))

    assert {answer["statusCode"] for answer in answers} == {200}
    assert len({answer["body"] for answer in answers}) == 1
    assert "We find nothing for this code" in text(answers[0])
    assert "311" in text(answers[0])
    assert see(open_world, derived) is None


def test_nothing_is_random_each_time_and_has_the_same_headers(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    known = post_check(check(open_world), do="see", id=b64(SECRETS.id))
    unknown = [post_check(check(open_world), do="see", id=b64(bytes(16))) for _ in range(2)]

    assert unknown[0]["body"] != unknown[1]["body"]
    assert len(sealed_reply(unknown[0])) == len(sealed_reply(known)) == 284
    assert unknown[0]["headers"] == known["headers"]
    assert known["headers"]["Cache-Control"] == "no-store"


def test_known_and_unknown_codes_take_the_same_work(open_world, monkeypatch):
    """Or the time of an answer would tell whether somebody asked."""
    open_world.store.put(open_world.taken(LATER, code=CODE))
    handler, done = check(open_world), []

    def counting(name, real):
        def counted(*given):
            done.append(name)
            return real(*given)

        return counted

    for home, name in ((codes, "derive"), (envelopes, "open_reply"), (open_world.store, "find")):
        monkeypatch.setattr(home, name, counting(name, getattr(home, name)))

    def work(code):
        done.clear()
        assert by_code(handler, "see", code)["statusCode"] == 200
        return list(done)

    assert work(CODE) == work(codes.new()) == ["derive", "find", "open_reply"]


def test_no_page_with_a_code_or_an_answer_is_kept_by_a_cache(open_world):
    open_world.store.put(open_world.taken(LATER, code=CODE))
    handler = check(open_world)

    for step in ("see", "calendar", "cancel", "move", "review", "change", "send", "yes", "see"):
        answer = by_code(handler, step, CODE, **ASKED)
        assert answer["statusCode"] == 200, step
        assert answer["headers"]["Cache-Control"] == "no-store", step


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'"see"', b"{}", b'{"v":1}',
        b'{"v":2,"do":"see","id":"AAAAAAAAAAAAAAAAAAAAAA"}',
        b'{"v":true,"do":"see","id":"AAAAAAAAAAAAAAAAAAAAAA"}',
        b'{"v":1,"do":"see","id":"AAAA"}', b'{"v":1,"do":"see","id":7}', b'{"v":1,"do":"list"}',
        b'{"v":1,"do":"cancel","id":"AAAAAAAAAAAAAAAAAAAAAA"}',
        b'{"v":1,"do":"list","id":"AAAAAAAAAAAAAAAAAAAAAA","auth":"' + b"A" * 43 + b'"}',
        b'{"v":1,"do":"move","auth":"' + b"A" * 43 + b'","envelope":{}}',
        b'{"v":1,"do":"move","auth":"' + b"A" * 43 + b'","envelope":7}',
        b'{"v":1,"do":' + b"[" * 4000,
        b"\xff",
    ],
)  # fmt: skip
def test_malformed_questions_are_refused(open_world, body):
    answer = check(open_world)(event("POST", "/api/requests/check", body, JSON), None)

    assert answer["statusCode"] == 400
    assert error(answer) in ("malformed", "version")


def test_question_of_another_kind_or_too_large_is_refused(open_world):
    handler = check(open_world)

    other = handler(event("POST", "/api/requests/check", b"x", "text/plain"), None)
    large = handler(event("POST", "/api/requests/check", b" " * 9000, JSON), None)
    form = by_code(handler, "see", CODE, name="x" * 20_000)

    assert (other["statusCode"], error(other)) == (415, "media_type")
    assert (large["statusCode"], error(large)) == (413, "too_large")
    assert form["statusCode"] == 413


# --- Cancel --------------------------------------------------------------------------------------


def test_cancelling_erases_at_once_and_gives_the_seat_back(open_world):
    handler, body = submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE))
    before = seats(open_world, LATER)
    post(handler, body)

    answer = cancel(open_world)

    assert answer["statusCode"] == 200
    assert see(open_world) is None
    assert stored(open_world) == []
    assert seats(open_world, LATER) == before
    # The phone's first post, again, long after: it brings nothing back.
    assert post(handler, body)["statusCode"] == 201
    assert stored(open_world) == []
    assert seats(open_world, LATER) == before


def test_only_the_code_cancels(open_world):
    open_world.store.put(open_world.sealed(code=CODE))

    answer = cancel(open_world, auth=bytes(32))

    assert [item.envelope.reply for item in stored(open_world)] == [sealed_reply(answer)]
    assert see(open_world).state == "waiting"


def test_desk_that_wrote_at_the_same_moment_keeps_nothing_alive(open_world, monkeypatch):
    open_world.store.put(open_world.sealed(code=CODE))
    (item,) = stored(open_world)
    erase = open_world.store.erase

    def placed_meanwhile(old, stub=False):
        monkeypatch.setattr(open_world.store, "erase", erase)
        open_world.desk().place(item, LATER, NOON)
        erase(old, stub)

    monkeypatch.setattr(open_world.store, "erase", placed_meanwhile)
    before = seats(open_world, LATER)
    cancel(open_world)

    assert stored(open_world) == []
    assert seats(open_world, LATER) == before


def test_traces_that_remain_are_the_sweeps_work(open_world, monkeypatch):
    open_world.store.put(open_world.sealed(code=CODE))

    def busy():
        raise TracesRemain("somebody reads")

    with monkeypatch.context() as patched:
        patched.setattr(open_world.store, "checkpoint", busy)
        answer = cancel(open_world)

    assert answer["statusCode"] == 200
    assert stored(open_world) == []


# --- Move ----------------------------------------------------------------------------------------


def test_moving_swaps_the_seats_and_replaces_both_parts(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    before = seats(open_world, FIRST, LATER)

    answer = move(open_world, open_world.taken(LATER, code=CODE))

    assert len(sealed_reply(answer)) == 284
    (item,) = stored(open_world)
    assert (item.opening, item.envelope.epoch) == (LATER, Epoch(2026, 49))
    assert seats(open_world, FIRST, LATER) == (before[0] + 1, before[1] - 1)
    assert see(open_world).opening == LATER


def test_moving_to_wishes_gives_the_seat_back(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE)))
    before = seats(open_world, LATER)

    move(open_world, open_world.sealed(code=CODE, windows=["sat-am"]))

    (item,) = stored(open_world)
    assert (item.state, item.request.windows) == ("waiting", ("sat-am",))
    assert seats(open_world, LATER) == (before[0] + 1,)


def test_move_sent_twice_is_done_once(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    fresh = open_world.taken(LATER, code=CODE)

    first, second = move(open_world, fresh), move(open_world, fresh)
    before = seats(open_world, FIRST, LATER)
    move(open_world, fresh)

    assert sealed_reply(first) == sealed_reply(second) == fresh.reply
    assert len(stored(open_world)) == 1
    assert seats(open_world, FIRST, LATER) == before


def test_full_time_is_told_and_the_old_one_kept(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    open_world.store.set_seats({LATER: 0})

    answer = move(open_world, open_world.taken(LATER, code=CODE))

    assert (answer["statusCode"], error(answer)) == (409, "gone")
    assert see(open_world).opening == FIRST


@pytest.mark.parametrize("auth", [SECRETS.auth, bytes(32)])
def test_nothing_moves_without_a_request_or_without_its_secret(open_world, auth):
    if auth != SECRETS.auth:
        open_world.store.put(open_world.sealed(code=CODE))
    before = seats(open_world, LATER)

    answer = move(open_world, open_world.taken(LATER, code=CODE), auth)

    assert answer["statusCode"] == 200
    with pytest.raises(CannotOpen):
        envelopes.open_reply(sealed_reply(answer), SECRETS.reply, SECRETS.id)
    assert [item.state for item in stored(open_world)] in ([], ["waiting"])
    assert seats(open_world, LATER) == before


def test_moved_request_cannot_be_given_another_secret(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    stolen = replace(open_world.sealed(code=CODE), auth_hash=bytes(32))

    move(open_world, stolen)

    assert stored(open_world)[0].envelope.rev == 1


def test_moved_request_is_of_this_week(open_world):
    open_world.store.put(open_world.sealed(code=CODE))

    answer = move(open_world, open_world.sealed(now=NOON + WEEK, code=CODE))

    assert (answer["statusCode"], error(answer)) == (400, "epoch")


# --- Without scripts -----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [CODE, CODE.lower().replace("-", " "), " 7k3m9qxt2b6hw3zd "])
def test_typed_code_is_read_as_people_write_it(open_world, typed):
    open_world.store.put(open_world.taken(LATER, code=CODE))

    page = by_code(check(open_world), "see", typed, "es")

    assert page["statusCode"] == 200
    for said in ("Usted tiene una cita", "Corona", "jueves 3 de diciembre", "1:00 p. m.", "311"):
        assert said in text(page)


def test_mistyped_code_stays_in_the_page_with_what_is_wrong(open_world):
    page = by_code(check(open_world), "see", '7K3M-"oops"')

    assert page["statusCode"] == 400
    assert "This is not a code" in text(page)
    assert 'value="7K3M-&#34;oops&#34;"' in page["body"]


def test_each_answer_of_the_desk_has_a_page(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    desk, handler = open_world.desk(), check(open_world)
    (item,) = stored(open_world)

    item = desk.wait(item, NOON)
    assert "Look again on Saturday, November 28." in text(by_code(handler, "see", CODE))
    item = desk.place(item, LATER, NOON)
    assert "Thursday, December 3" in text(by_code(handler, "see", CODE))
    desk.refuse(item, NOON)
    assert "There is no place for you yet" in text(by_code(handler, "see", CODE))


def test_plain_cancelling_asks_first(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE)))
    handler, before = check(open_world), seats(open_world, LATER)

    asks = by_code(handler, "cancel", CODE)
    assert "Cancel your request?" in text(asks)
    assert len(stored(open_world)) == 1
    done = by_code(handler, "yes", CODE)

    assert "It is cancelled" in text(done)
    assert stored(open_world) == []
    assert seats(open_world, LATER) == (before[0] + 1,)
    assert "We find nothing" in text(by_code(handler, "yes", CODE))


def test_plain_moving_fills_in_again_under_the_same_code(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    handler = check(open_world)
    typed = {**ASKED, "opening": [str(LATER)]}

    form = by_code(handler, "move", CODE)
    review = by_code(handler, "review", CODE, **typed)
    changed = by_code(handler, "change", CODE, **typed)
    done = by_code(handler, "send", CODE, **typed)

    assert ASKED["name"][0] not in unescape(done["body"]), "who looks over a shoulder reads it"
    for page in (form, review, changed):
        assert page["statusCode"] == 200
        assert f'name="code" value="{CODE}"' in page["body"]
        assert 'action="/api/requests/check"' in page["body"]
    assert "Thursday, December 3" in text(done)
    assert CODE.partition("-")[0] in text(done)
    (item,) = stored(open_world)
    assert (item.opening, item.request.name) == (LATER, ASKED["name"][0])


def test_plain_moving_with_a_problem_keeps_the_code_and_what_was_typed(open_world):
    open_world.store.put(open_world.sealed(code=CODE))

    page = by_code(check(open_world), "review", CODE, **{**ASKED, "people": ["99"]})

    assert page["statusCode"] == 400
    assert f'name="code" value="{CODE}"' in page["body"]
    assert f'value="{ASKED["name"][0]}"' in page["body"]


def test_what_was_typed_for_a_request_that_is_gone_makes_a_new_one(open_world):
    page = by_code(check(open_world), "send", CODE, **ASKED, shown=hash_of(b"what was there"))

    assert page["statusCode"] == 409
    assert "There is no request for this code any more" in text(page)
    assert f'value="{ASKED["name"][0]}"' in page["body"]
    assert 'action="/api/requests"' in page["body"]
    assert CODE not in page["body"]
    assert stored(open_world) == []


def test_calendar_file_comes_from_a_post_and_says_only_appointment(open_world):
    open_world.store.put(open_world.taken(LATER, code=CODE))

    answer = by_code(check(open_world), "calendar", CODE)

    assert answer["headers"]["Content-Type"] == "text/calendar; charset=utf-8"
    assert "appointment.ics" in answer["headers"]["Content-Disposition"]
    assert "DTSTART:20261203T130000\r\n" in answer["body"]
    assert "Corona" not in answer["body"]


@pytest.mark.parametrize("step", ["see", "cancel", "yes", "calendar", "move", "send"])
def test_store_that_does_not_answer_is_said_and_the_code_kept(open_world, monkeypatch, step):
    def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(open_world.store, "find", down)

    page = by_code(check(open_world), step, CODE, **(ASKED if step == "send" else {}))
    script = post_check(check(open_world), do="see", id=b64(SECRETS.id))

    assert page["statusCode"] == 503
    assert f'name="code" value="{CODE}"' in page["body"]
    assert (script["statusCode"], error(script)) == (503, "unavailable")


def test_conflict_that_stays_is_said(open_world, monkeypatch):
    open_world.store.put(open_world.sealed(code=CODE))

    def changed(*_, **__):
        raise Conflict("changed")

    monkeypatch.setattr(open_world.store, "erase", changed)
    monkeypatch.setattr(open_world.store, "replace", changed)

    page = by_code(check(open_world), "yes", CODE)
    moved = by_code(check(open_world), "send", CODE, **ASKED)
    script = cancel(open_world)

    for answer in (page, moved):
        assert answer["statusCode"] == 409
        assert "Look again" in text(answer)
        assert CODE in answer["body"]
    assert (script["statusCode"], error(script)) == (409, "conflict")


def test_submit_does_not_know_the_way_of_check(open_world):
    answer = post_check(submit(open_world), do="see", id=b64(SECRETS.id))

    assert answer["statusCode"] == 404


def test_week_before_is_moved_too(open_world):
    """A request of last week is still found and moved, until its key day."""
    open_world.store.put(open_world.sealed(code=CODE))
    later = NOON + timedelta(days=6)

    assert see(open_world, now=later).state == "waiting"
    page = by_code(check(open_world, later), "send", CODE, **ASKED)

    assert page["statusCode"] == 200
    (item,) = stored(open_world, later)
    assert (item.envelope.epoch, item.envelope.born) == (Epoch(2026, 48), Epoch(2026, 48))


def test_answer_to_a_taken_time_is_read_without_scripts_after_a_plain_post(open_world):
    fill_in(submit(open_world), "send", code=[CODE], opening=[str(LATER)])

    assert "Thursday, December 3" in text(by_code(check(open_world), "see", CODE))


def test_after_a_cancel_only_a_number_a_digest_and_an_end_stay(open_world):
    """What the privacy page calls a random number, and nothing else; until key day."""
    open_world.store.put(open_world.taken(LATER, code=CODE))
    (before,) = stored(open_world)
    cancel(open_world)

    db = sqlite3.connect(open_world.spec.removeprefix("sqlite:"))
    db.row_factory = sqlite3.Row
    (row,) = map(dict, db.execute("SELECT * FROM requests").fetchall())
    db.close()

    assert {name: value for name, value in row.items() if value is not None} == {
        "queue": "main",
        "epoch": str(before.envelope.epoch),
        "id": SECRETS.id,
        "digest": before.envelope.digest,
        "expires": before.envelope.expires,
        "rev": 0,
    }


# --- What came between ---------------------------------------------------------------------------


def shown_by(page):
    return re.search(r'name="shown" value="([^"]*)"', page["body"])[1]


def hash_of(sealed):
    return b64(hashlib.sha256(sealed).digest())


def move_seen(world, envelope, shown):
    wire = json.loads(envelopes.write(envelope))
    auth = b64(SECRETS.auth)
    return post_check(check(world), do="move", auth=auth, shown=shown, envelope=wire)


def test_place_that_the_desk_gave_meanwhile_is_not_given_up_unseen(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    seen = hash_of(stored(open_world)[0].envelope.reply)
    open_world.desk().place(stored(open_world)[0], LATER, NOON)

    answer = move_seen(open_world, open_world.taken(FIRST, code=CODE), seen)

    assert (answer["statusCode"], error(answer)) == (409, "conflict")
    assert see(open_world).opening == LATER


def test_who_moves_it_after_their_day_was_closed_need_not_be_told_of_that_day(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    desk, handler = open_world.desk(), check(open_world)
    moved = desk.place(desk.place(stored(open_world)[0], LATER, NOON), FIRST, NOON, LATER.day)
    page = text(by_code(handler, "see", CODE))

    assert stored(open_world)[0].untold == LATER.day
    assert "Thursday, November 19" in page and "December 3" not in page
    seen = hash_of(moved.envelope.reply)
    move_seen(open_world, open_world.taken(replace(LATER, at="14:00"), code=CODE), seen)

    (item,) = stored(open_world)
    assert (item.opening.at, item.envelope.rev, item.untold) == ("14:00", 4, None)


def test_plain_move_says_what_the_desk_answered_meanwhile_and_then_takes_its_place(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    handler = check(open_world)
    seen = shown_by(by_code(handler, "move", CODE))
    open_world.desk().place(stored(open_world)[0], LATER, NOON)
    typed = {**ASKED, "opening": [str(FIRST)]}

    told = by_code(handler, "send", CODE, **typed, shown=seen)

    assert told["statusCode"] == 409
    assert "Corona: Thursday, December 3, 1:00 PM" in text(told)
    assert f'value="{ASKED["name"][0]}"' in told["body"]
    assert see(open_world).opening == LATER
    done = by_code(handler, "send", CODE, **typed, shown=shown_by(told))
    assert done["statusCode"] == 200
    assert see(open_world).opening == FIRST


def test_plain_move_tapped_twice_is_done_once(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    handler = check(open_world)
    seen = shown_by(by_code(handler, "move", CODE))
    typed = {**ASKED, "opening": [str(LATER)], "shown": seen}

    answers = [by_code(handler, "send", CODE, **typed) for _ in range(2)]
    before = seats(open_world, FIRST, LATER)
    by_code(handler, "send", CODE, **typed)

    assert [answer["statusCode"] for answer in answers] == [200, 200]
    assert len(stored(open_world)) == 1
    assert seats(open_world, FIRST, LATER) == before


@pytest.mark.parametrize("plain", [True, False])
def test_two_taps_that_meet_are_both_answered(open_world, monkeypatch, plain):
    """The second call of two instances read the envelope before the first one replaced it."""
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    fresh = open_world.taken(LATER, code=CODE)
    replace_it = open_world.store.replace

    def tap():
        if plain:
            return by_code(check(open_world), "send", CODE, **ASKED, opening=str(LATER))
        return move(open_world, fresh)

    def other_first(old, new):
        monkeypatch.setattr(open_world.store, "replace", replace_it)
        replace_it(old, replace(fresh, lane=old.lane, expires=new.expires))
        replace_it(old, new)

    monkeypatch.setattr(open_world.store, "replace", other_first)

    assert tap()["statusCode"] == 200
    assert [item.opening for item in stored(open_world)] == [LATER]


def test_move_sent_again_after_its_time_is_not_offered_any_more_is_answered_as_before(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE)))
    fresh = open_world.taken(FIRST, code=CODE)
    move(open_world, fresh)
    open_world.publisher().publish(NOON, taking=False)

    assert sealed_reply(move(open_world, fresh)) == fresh.reply


@pytest.mark.parametrize("by", ["full", "desk"])
def test_move_may_keep_its_own_time_though_nobody_else_could_take_it(open_world, by):
    if by == "full":
        post(submit(open_world), envelopes.write(open_world.taken(LATER, code=CODE)))
        mine = LATER
        open_world.store.set_seats({LATER: 1})
    else:
        mine = replace(LATER, path="desk")
        open_world.store.put(open_world.sealed(code=CODE))
        open_world.desk().place(stored(open_world)[0], mine, NOON)
    handler, left = check(open_world), seats(open_world, mine)

    form = by_code(handler, "move", CODE)
    done = by_code(handler, "send", CODE, **{**ASKED, "people": ["3"]}, opening=str(mine))
    moved = move(open_world, open_world.taken(mine, code=CODE))

    assert "Keep this time: Corona: Thursday, December 3, 1:00 PM" in text(form)
    assert re.findall(r'name="opening" value="([^"]*)"[^>]*checked', form["body"]) == [str(mine)]
    assert (done["statusCode"], moved["statusCode"]) == (200, 200)
    assert stored(open_world)[0].opening == mine
    assert seats(open_world, mine) == left


def test_time_of_the_desk_is_kept_only_by_who_has_it(open_world):
    open_world.store.put(open_world.sealed(code=CODE))

    answer = move(open_world, open_world.taken(replace(LATER, path="desk"), code=CODE))

    assert (answer["statusCode"], error(answer)) == (409, "gone")


def test_visit_that_is_over_cannot_be_kept(open_world):
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=CODE)))
    after = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)

    page = by_code(check(open_world, after), "move", CODE)

    assert re.search(r'<label class="choice" id="keep" hidden>', page["body"])


def test_cancelling_erases_every_request_of_the_code(open_world):
    """Two weeks may each have one: a plain form of last week and one of this week."""
    for now in (NOON, NOON + WEEK):
        open_world.store.put(open_world.sealed(now=now, code=CODE))
    later = NOON + WEEK

    assert len(stored(open_world, later)) == 2
    by_code(check(open_world, later), "yes", CODE)

    assert stored(open_world, later) == []


def test_day_that_is_over_is_not_told_as_one_to_come(open_world):
    open_world.store.put(open_world.sealed(code=CODE))
    open_world.desk().wait(stored(open_world)[0], NOON)
    on_the_day, after = NOON + timedelta(days=10), NOON + timedelta(days=11)

    told = visible(by_code(check(open_world, on_the_day), "see", CODE))
    over = visible(by_code(check(open_world, after), "see", CODE))

    assert "Look again on Saturday, November 28." in told
    assert "The day that we told you is over" not in told
    assert "The day that we told you is over" in over
    assert "Look again on" not in over


@pytest.mark.parametrize("step", ["review", "change", "send"])
def test_store_that_is_down_loses_nothing_of_a_move(open_world, monkeypatch, step):
    def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(open_world.store, "find", down)
    monkeypatch.setattr(open_world.store, "read", down)

    page = by_code(check(open_world), step, CODE, **ASKED, opening=str(LATER))

    assert f'name="code" value="{CODE}"' in page["body"]
    assert f'value="{ASKED["name"][0]}"' in page["body"]
    assert f'name="opening" value="{LATER}"' in page["body"]
    assert "form.js" not in page["body"]


def test_page_that_moves_has_no_script_that_would_make_another_request(open_world):
    open_world.store.put(open_world.sealed(code=CODE))

    page = by_code(check(open_world), "move", CODE)

    assert "<script" not in page["body"]
    assert f'name="code" value="{CODE}"' in page["body"]


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError, RecursionError])
@pytest.mark.parametrize("do", ["see", "cancel", "move"])
def test_fault_of_the_store_is_not_called_a_fault_of_who_asks(open_world, monkeypatch, error, do):
    secrets = codes.derive(CODE, open_world.city.deployment)
    sealed = open_world.sealed(code=CODE)
    wire = json.loads(envelopes.write(sealed))
    asking = {"see": {"id": b64(secrets.id)}, "move": {"auth": b64(secrets.auth), "envelope": wire}}
    asking["cancel"] = {"id": b64(secrets.id), "auth": b64(secrets.auth)}

    def broken(*_):
        raise error("planted")

    monkeypatch.setattr(open_world.store, "find", broken)

    answer = post_check(check(open_world), do=do, **asking[do])

    assert answer["statusCode"] == 500
    assert "planted" not in str(answer)


@pytest.mark.parametrize("week", ["current", "2026-W47"])
def test_fault_of_the_store_is_not_called_a_key_that_is_not_there(open_world, monkeypatch, week):
    def broken(*_):
        raise ValueError("planted")

    monkeypatch.setattr(open_world.store, "read", broken)

    assert get(submit(open_world), f"/api/keys/main/{week}")["statusCode"] == 500
