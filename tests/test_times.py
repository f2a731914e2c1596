"""The times: what is published, and how a resident takes one."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from quietdesk import codes, envelopes, openings
from quietdesk.city import City
from quietdesk.errors import StoreUnavailable
from quietdesk.openings import Listing, Opening
from quietdesk.staff.device.opener import Unopened
from quietdesk.weeks import Epoch
from tests.events import by_code, check, error, fill_in, get, post, submit, text
from tests.world import ASKED, NOON, WEEK

TOMORROW = date(2026, 11, 19)
FIRST = Opening(TOMORROW, "09:00", "corona")
LATER = Opening(date(2026, 12, 3), "13:00", "corona")


def left(world, opening):
    return world.store.seats([opening])[opening]


def stored(world, now=NOON):
    return list(world.desk().pull(now))


def free(answer):
    return json.loads(answer["body"])["free"]


# --- What is published ---------------------------------------------------------------------------


def test_free_times_are_told_with_the_lists_that_prove_them(open_world):
    answer = get(submit(open_world), "/api/openings")

    body = json.loads(answer["body"])
    listing = openings.verify_listing(
        body["openings"].encode(), body["devices"].encode(), open_world.trust, "main", ""
    )
    assert body["free"][0] == "bronx-library.2026-11-19.0900"
    assert {Opening.parse(id) for id in body["free"]} == set(listing.seats)
    assert body["look_again"] == "2026-11-28"
    assert answer["headers"]["Cache-Control"] == "public, max-age=60"


def test_time_without_a_seat_is_not_told(open_world):
    open_world.store.set_seats({FIRST: 0})

    assert str(FIRST) not in free(get(submit(open_world), "/api/openings"))
    assert str(LATER) in free(get(submit(open_world), "/api/openings"))


def test_nothing_is_told_of_today_and_of_the_seats_of_the_desk(open_world):
    told = free(get(submit(open_world), "/api/openings"))

    assert min(Opening.parse(id).day for id in told) == TOMORROW
    assert {Opening.parse(id).path for id in told} == {""}
    of_the_desk = json.loads(get(submit(open_world), "/api/openings/desk")["body"])
    assert (of_the_desk["free"], of_the_desk["openings"]) == ([], "")


def test_nothing_is_told_before_anybody_published_and_after_staff_switched_it_off(world):
    assert free(get(submit(world), "/api/openings")) == []

    world.publisher().publish(NOON, taking=False)
    assert free(get(submit(world), "/api/openings")) == []
    page = get(submit(world), "/api/request/en")
    assert "Where can you come?" in page["body"]
    assert 'name="opening" value="corona' not in page["body"]

    world.publisher().publish(NOON, taking=True)
    assert str(FIRST) in free(get(submit(world), "/api/openings"))


def test_list_that_no_admitted_device_signed_is_not_believed(open_world):
    name = openings.listing_name("main", "")
    raw, seq = open_world.store.read(name)
    forged = json.loads(raw) | {"sigs": []}
    open_world.store.publish(name, json.dumps(forged).encode(), seq)

    assert free(get(submit(open_world), "/api/openings")) == []
    answer = post(submit(open_world), envelopes.write(open_world.taken(FIRST)))
    assert (answer["statusCode"], error(answer)) == (409, "gone")


def test_pages_with_times_are_for_our_languages_and_paths_only(open_world):
    handler = submit(open_world)

    page = get(handler, "/api/request/es")
    assert page["statusCode"] == 200
    assert "Primera hora libre: jueves 19 de noviembre, 9:00 a. m." in text(page)
    assert page["headers"]["Cache-Control"] == "public, max-age=60"
    assert get(handler, "/api/request/xx")["statusCode"] == 404
    for path in ("over", "<script>", "desk"):
        answer = get(handler, f"/api/request/es/{path}")
        assert (answer["statusCode"], answer["body"]) == (200, page["body"])


def with_hall(city: City) -> City:
    """The programme with a pop-up that only its path shows."""

    hall = replace(
        city.centers[0], id="hall", name="Parish Hall", address="1 Quiet Street", path="partner",
        days=(), dates=("2026-11-28",), times=(("10:00", 3),),
    )  # fmt: skip
    return replace(city, centers=(*city.centers, hall))


@pytest.fixture
def hall_world(world):

    world = replace(world, city=with_hall(world.city))
    world.publisher().publish(NOON)
    return world


def test_unlisted_times_open_by_their_path_only(hall_world):
    handler = submit(hall_world)
    hall = "hall.2026-11-28.1000.partner"

    assert hall not in free(get(handler, "/api/openings"))
    assert free(get(handler, "/api/openings/partner")) == [hall]
    assert free(get(handler, "/api/openings/other")) == []
    assert "Parish Hall" not in get(handler, "/api/request/en")["body"]
    assert "Parish Hall" in get(handler, "/api/request/en/partner")["body"]
    assert "Parish Hall" not in get(handler, "/api/request/en/other")["body"]


@pytest.mark.parametrize("path", ["partner/", "Partner", "PARTNER/"])
def test_path_is_read_as_people_type_it(hall_world, path):
    assert "Parish Hall" in get(submit(hall_world), f"/api/request/en/{path}")["body"]
    assert free(get(submit(hall_world), f"/api/openings/{path.strip('/')}"))


def test_path_stays_through_every_step_and_language(hall_world):
    hall, handler = "hall.2026-11-28.1000.partner", submit(hall_world)
    kept = '<input type="hidden" name="path" value="partner"'

    page = get(handler, "/api/request/en/partner")
    review = fill_in(handler, "review", path=["partner"])
    changed = fill_in(handler, "change", path=["partner"])
    wrong = fill_in(handler, "review", path=["partner"], people=["99"])

    for answer in (page, review, changed, wrong):
        assert kept in answer["body"]
    for answer in (page, changed, wrong):
        assert hall in answer["body"]
        assert 'href="/api/request/es/partner"' in answer["body"]
        assert 'data-page="/api/request/en/partner"' in answer["body"]


def test_list_is_over_when_its_center_gets_another_path(hall_world):
    centers = [replace(it, path="") if it.path else it for it in hall_world.city.centers]
    moved = replace(hall_world, city=replace(hall_world.city, centers=tuple(centers)))

    assert free(get(submit(moved), "/api/openings/partner")) == []
    assert "hall.2026-11-28.1000" not in get(submit(moved), "/api/request/en/partner")["body"]


def test_visit_at_a_center_that_is_gone_says_whom_to_ask(hall_world):
    code = codes.new()
    post(submit(hall_world), envelopes.write(hall_world.taken(LATER, code=code)))
    fewer = tuple(it for it in hall_world.city.centers if it.id != "corona")
    later = replace(hall_world, city=replace(hall_world.city, centers=fewer))

    page = by_code(check(later), "see", code)

    assert "Ask where: call 311." in text(page)
    assert "Thursday, December 3" in text(page)


def test_unlisted_time_is_taken_and_the_reply_says_where(hall_world):
    hall, code = Opening.parse("hall.2026-11-28.1000.partner"), codes.new()

    answer = fill_in(submit(hall_world), "send", code=[code], opening=[str(hall)])

    assert answer["statusCode"] == 201
    (item,) = stored(hall_world)
    assert (item.opening, item.reply.name) == (hall, "Parish Hall")
    assert left(hall_world, hall) == 1


# --- Taking --------------------------------------------------------------------------------------


def test_taking_a_time_takes_a_seat_and_is_sealed_to_the_visits_week(open_world):
    before = left(open_world, LATER)

    answer = post(submit(open_world), envelopes.write(open_world.taken(LATER)))

    assert answer["statusCode"] == 201
    (item,) = stored(open_world)
    assert (item.state, item.opening) == ("placed", LATER)
    assert (item.envelope.epoch, item.envelope.born) == (Epoch(2026, 49), Epoch(2026, 47))
    ends = datetime.fromtimestamp(item.envelope.expires, UTC)
    assert ends == datetime(2026, 12, 14, 5, tzinfo=UTC)  # key day of the visit's week
    assert left(open_world, LATER) == before - 1


def test_retry_takes_no_second_seat(open_world):
    before = left(open_world, LATER)
    handler, body = submit(open_world), envelopes.write(open_world.taken(LATER))

    first, second = post(handler, body), post(handler, body)

    assert (first["statusCode"], second["statusCode"]) == (201, 201)
    assert left(open_world, LATER) == before - 1


def test_last_seat_goes_to_one_and_the_other_is_told(open_world):
    open_world.store.set_seats({LATER: 1})
    handler = submit(open_world)

    first = post(handler, envelopes.write(open_world.taken(LATER)))
    second = post(handler, envelopes.write(open_world.taken(LATER)))

    assert first["statusCode"] == 201
    assert (second["statusCode"], error(second)) == (409, "gone")
    assert len(stored(open_world)) == 1


@pytest.mark.parametrize(
    "opening",
    [
        Opening(date(2026, 11, 18), "13:00", "corona"),  # today
        Opening(TOMORROW, "09:15", "corona"),  # no such time
        Opening(TOMORROW, "09:00", "corona", "desk"),
        Opening(TOMORROW, "09:00", "corona", "partner"),
    ],
)
def test_opening_that_is_not_offered_is_refused(open_world, opening):
    answer = post(submit(open_world), envelopes.write(open_world.taken(opening)))

    assert (answer["statusCode"], error(answer)) == (409, "gone")
    assert stored(open_world) == []


def test_opening_of_another_week_than_the_key_is_refused(open_world):

    envelope = replace(open_world.taken(LATER), opening=FIRST)

    answer = post(submit(open_world), envelopes.write(envelope))

    assert (answer["statusCode"], error(answer)) == (400, "epoch")


@pytest.mark.parametrize("born", [Epoch(2026, 46), Epoch(2026, 48), Epoch(2026, 49)])
def test_week_of_first_sealing_is_this_one(open_world, born):

    envelope = replace(open_world.taken(LATER), born=born)

    answer = post(submit(open_world), envelopes.write(envelope))

    assert (answer["statusCode"], error(answer)) == (400, "epoch")


def test_time_taken_outside_and_another_inside_is_not_opened(open_world):

    envelope = replace(open_world.taken(LATER), opening=Opening.parse("corona.2026-12-03.1400"))
    post(submit(open_world), envelopes.write(envelope))

    (item,) = stored(open_world)
    assert isinstance(item, Unopened)
    assert str(item.reason) == "the opening outside is not the one inside"


# --- Without scripts -----------------------------------------------------------------------------


def test_plain_form_takes_a_time(open_world):
    handler, code = submit(open_world), codes.new()
    typed = {"opening": [str(LATER)], "centers": [], "windows": []}

    review = fill_in(handler, "review", lang="es", **typed)
    done = fill_in(handler, "send", lang="es", code=[code], **typed)
    again = fill_in(handler, "send", lang="es", code=[code], **typed)

    assert "jueves 3 de diciembre, 1:00 p. m." in text(review)
    assert (done["statusCode"], again["statusCode"]) == (201, 201)
    assert "Usted tiene una cita" in text(done)
    (item,) = stored(open_world)
    assert (item.opening, item.envelope.lane) == (LATER, "N")
    assert item.reply.opening == LATER


@pytest.mark.parametrize("id", [str(LATER), "corona.2026-11-18.0900", "corona.2026-12-03.1315"])
def test_plain_form_keeps_everything_when_the_time_is_gone(open_world, id):
    open_world.store.set_seats({LATER: 0})

    answer = fill_in(submit(open_world), "send", code=[codes.new()], opening=[id])

    assert answer["statusCode"] == 409
    assert "This time is not free now" in text(answer)
    assert f'value="{ASKED["name"][0]}"' in answer["body"]
    assert 'name="opening" value="corona.2026-12-03.1400"' in answer["body"]
    assert stored(open_world) == []


def test_times_are_left_out_while_the_store_does_not_answer(open_world, monkeypatch):
    def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(open_world.store, "seats", down)

    told = get(submit(open_world), "/api/openings")
    page = get(submit(open_world), "/api/request/en")

    changed = fill_in(submit(open_world), "change", opening=[str(LATER)])

    assert (told["statusCode"], error(told)) == (503, "unavailable")
    assert page["statusCode"] == 200
    assert page["headers"]["Cache-Control"] == "no-store"
    assert "Where can you come?" in page["body"]
    # What was chosen is not dropped because we cannot look.
    assert f'name="opening" value="{LATER}" autocomplete="off" checked' in changed["body"]


def test_times_end_with_the_weeks_that_may_be_taken(world):
    days = [NOON.date() + timedelta(days=n) for n in range(60)]
    seats = {Opening(day, "09:00", "corona"): 1 for day in days}

    takeable = Listing("", True, seats).takeable(NOON, world.city.zone)

    assert takeable[0].day == TOMORROW
    assert takeable[-1].day == date(2026, 12, 20)  # the Sunday of the fourth week ahead
    assert Listing("", True, seats).takeable(NOON + WEEK, world.city.zone)[-1].day == date(
        2026, 12, 27
    )


def test_of_a_taken_time_the_store_sees_place_and_time_and_nothing_else_that_was_said(open_world):
    """As the README and the privacy page say."""
    wire = json.loads(envelopes.write(open_world.taken(LATER)))

    sealed = {"visit", "contact", "reply"}
    assert wire.keys() - sealed == {"v", "queue", "id", "auth_hash", "born", "opening"}
    assert (wire["opening"], wire["born"]) == (str(LATER), "2026-W47")
    waiting = json.loads(envelopes.write(open_world.sealed()))
    assert waiting["opening"] == ""
    for part in ("visit", "contact"):
        assert wire[part].keys() == {"kid", "sealed"}
        assert len(wire[part]["sealed"]) == len(waiting[part]["sealed"])


# --- Sent again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["midnight", "switched off", "closed", "next week"])
def test_retry_is_answered_as_before_whatever_is_offered_now(open_world, what):
    """The phone did not hear the answer; the same bytes go out again, perhaps much later."""
    taken = envelopes.write(open_world.taken(FIRST))
    asked = envelopes.write(open_world.sealed())
    for body in (taken, asked):
        assert post(submit(open_world), body)["statusCode"] == 201
    seats, now = left(open_world, FIRST), NOON
    if what == "midnight":
        now = NOON + timedelta(days=1)
    elif what == "switched off":
        open_world.publisher().publish(NOON, taking=False)
    elif what == "closed":
        open_world.publisher().close("corona", TOMORROW, NOON)
    else:
        now = NOON + WEEK
    before = left(open_world, FIRST) if what == "closed" else seats

    answers = [post(submit(open_world, now), body)["statusCode"] for body in (taken, asked)]

    assert answers == [201, 201]
    assert len(stored(open_world)) == 2
    assert left(open_world, FIRST) == before


def test_what_was_never_kept_is_still_refused(open_world):
    body = envelopes.write(open_world.taken(FIRST))

    answer = post(submit(open_world, NOON + timedelta(days=1)), body)

    assert (answer["statusCode"], error(answer)) == (409, "gone")


def test_other_bytes_under_the_same_code_are_no_retry(open_world):
    code = codes.new()
    post(submit(open_world), envelopes.write(open_world.taken(FIRST, code=code)))
    other = envelopes.write(open_world.taken(FIRST, code=code))

    answer = post(submit(open_world, NOON + timedelta(days=1)), other)

    assert (answer["statusCode"], error(answer)) == (409, "gone")


@pytest.mark.parametrize("opening", ["", str(LATER)])
def test_plain_form_sent_again_after_its_week_is_one_request(open_world, opening):
    code, later = codes.new(), NOON + WEEK
    typed = {"code": [code], "week": ["2026-W47"], "opening": [opening]}

    first = fill_in(submit(open_world), "send", **typed)
    again = fill_in(submit(open_world, later), "send", **typed)

    assert (first["statusCode"], again["statusCode"]) == (201, 201)
    assert len(stored(open_world, later)) == 1


def test_plain_form_of_a_week_that_is_over_and_was_not_kept_is_sealed_to_this_one(open_world):
    later = NOON + WEEK

    answer = fill_in(submit(open_world, later), "send", code=[codes.new()], week=["2026-W47"])

    assert answer["statusCode"] == 201
    assert [item.envelope.epoch for item in stored(open_world, later)] == [Epoch(2026, 48)]


@pytest.mark.parametrize("second", [str(LATER), "corona.2026-11-19.1000", ""])
def test_answers_changed_after_a_lost_answer_take_the_place_of_the_first(open_world, second):
    """Without scripts: the code stays through "Change my answers", and `check` replaces."""
    code, week = codes.new(), "2026-W47"
    fill_in(submit(open_world), "send", code=[code], opening=[str(FIRST)])
    seats = left(open_world, FIRST)
    typed = {**ASKED, "opening": second, "week": week}

    changed = fill_in(submit(open_world), "change", code=[code], week=[week])
    review = by_code(check(open_world), "review", code, **typed)
    done = by_code(check(open_world), "send", code, **typed)

    assert "<script" not in changed["body"]
    for page in (changed, review):
        assert f'name="code" value="{code}"' in page["body"]
        assert 'action="/api/requests/check"' in page["body"]
    assert done["statusCode"] == 200
    assert [str(item.opening or "") for item in stored(open_world)] == [second]
    assert left(open_world, FIRST) == seats + 1


def test_answers_changed_before_anything_was_sent_are_a_new_request(open_world):
    code = codes.new()

    done = by_code(check(open_world), "send", code, **ASKED, opening=str(LATER), week="2026-W47")

    assert done["statusCode"] == 200
    assert codes.parse(text_of_code(done)) == code
    assert [item.opening for item in stored(open_world)] == [LATER]


def test_two_plain_forms_under_one_code_in_one_week_are_put_together_when_told(open_world):
    code, handler = codes.new(), submit(open_world)
    fill_in(handler, "send", code=[code])

    told = fill_in(handler, "send", code=[code], people=["3"])

    assert told["statusCode"] == 409
    assert "put these answers in its place" in text(told)
    assert 'action="/api/requests/check"' in told["body"]
    assert [item.request.people for item in stored(open_world)] == [int(ASKED["people"][0])]


def text_of_code(page):
    return "".join(re.findall(r"<span>(\w{4})</span>", page["body"]))
