"""The openings, and days that are closed."""

import re
from datetime import date

import pytest

from quietdesk.errors import HalfPublished, StoreUnavailable
from quietdesk.openings import Opening
from quietdesk.staff.desk.publisher import Publisher
from tests.console.staff import NO_PHONE, Staff, accept, made, names, opened, put
from tests.world import NOON

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


def test_counts_that_do_not_agree_with_the_lists_are_shown_and_published(staff, world, publish):
    publisher = publish()
    some = [*publisher.free(NOON)][:3]
    world.store.drop_seats(some)
    staff.unlock()

    before = staff.get("/openings")
    after = staff.post("/publish")

    assert "adds 0, removes 0 and changes 3 openings" in before.text
    assert "What is published is up to date" in after.text
    assert {*some} <= {*publisher.free(NOON)}


@pytest.mark.parametrize("path", ["/publish", "/reopen"])
def test_what_was_published_is_said_also_where_it_cannot_be_shown(
    staff, world, publish, monkeypatch, path
):
    publish()
    staff.unlock()

    def down(_):
        raise StoreUnavailable("down")

    def publishing(*given):
        monkeypatch.setattr(world.store, "read", down)

    monkeypatch.setattr(world.store, "set_seats", publishing)

    page = staff.post(path, center="corona", day="2026-11-23")

    assert "Published." in page.text and "Look how it stands" in page.text
    assert "not known" not in page.text


def test_lists_without_all_their_counts_are_said_so(staff, world, publish, monkeypatch):
    publish()
    staff.unlock()

    def half(*given):
        raise HalfPublished(StoreUnavailable("down"))

    monkeypatch.setattr(world.store, "set_seats", half)

    page = staff.post("/publish", taking="off", sure="yes")

    assert "The times are published, and not all counts of their seats are." in page.text
    assert "Do it again: that writes the rest." in page.text


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

    question = staff.post("/publish?week=2026-W49", taking="off")
    seats = sum(it for opening, it in publisher.free(NOON).items() if not opening.path)
    assert f"Seats that residents can take now: {seats}." in question.text
    assert publisher.published()[""].taking
    assert f'action="{staff.base}/publish?week=2026-W49"' in question.body

    page = staff.post("/publish?week=2026-W49", taking="off", sure="yes")
    assert "Published." in page.text and "Residents cannot take" in page.text
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


@pytest.mark.parametrize("leaving", ["a link", "the lock", "a restart"])
def test_whom_to_call_about_a_closed_day_stays_until_somebody_was_called(
    staff, world, publish, clock, tmp_path, leaving
):
    placed_on_the_same_day(world, publish)
    staff.unlock()
    done = accept(staff, staff.post("/closing", center="corona", day="2026-11-23"))
    assert f'href="{staff.base}/calls"' in done.body
    again = staff
    if leaving == "a link":
        staff.get("/openings")
    if leaving == "the lock":
        staff.post("/lock")
    if leaving == "a restart":
        staff.console.close()
        again = Staff(next(made(world, tmp_path, clock)))
    again.unlock()

    assert "closed days 2" in again.get("/openings?week=2026-W49").text
    page = again.get("/calls?week=2026-W49")
    calls, doors = page.body.split("Nobody can tell these people in time")
    assert "Callista" in calls and "7185550167" in calls and "Elsa" not in page.body
    assert "Monday, November 23" in calls
    assert "Quieta" in doors and "7185550167" not in doors
    (id,) = page.fields("id")
    told = again.post("/told?week=2026-W49", id=id)

    assert "Noted as told." in told.text and "Callista" not in told.text
    assert "Quieta" in told.text and "/openings?week=2026-W49" in told.body
    again.post("/pull")
    assert "Callista" not in again.get("/calls").text
    if again is not staff:
        again.console.close()


def test_who_changed_it_meanwhile_is_said_and_still_to_be_called(staff, world, publish):
    ids = placed_on_the_same_day(world, publish)
    staff.unlock()
    accept(staff, staff.post("/closing", center="corona", day="2026-11-23"))
    world.desk().wait(opened(world)[ids["Callista"]], NOON)

    page = staff.post("/told", id=ids["Callista"])

    assert "Not done: 1" in page.text
    assert "Somebody else changed it meanwhile." in page.text
    assert "Callista" in staff.get("/calls").text


def test_nobody_is_said_to_be_told_before_the_queue_was_fetched(staff, world, publish, monkeypatch):
    publish()

    def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.store, "pull", down)
    staff.unlock()

    page = staff.get("/calls")

    assert "Fetch the queue first" in page.text and "Nobody has to be told" not in page.text


def test_whom_to_call_is_shown_also_while_the_store_does_not_answer(
    staff, world, publish, monkeypatch
):
    placed_on_the_same_day(world, publish)
    staff.unlock()
    accept(staff, staff.post("/closing", center="corona", day="2026-11-23"))

    def down(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.store, "read", down)
    page = staff.get("/calls")

    assert "7185550167" in page.text
    assert "It is not known whether somebody still has a place on a closed day." in page.text


def test_nobody_has_to_be_told_and_pressing_nothing_says_so(staff, world, publish):
    publish()
    put(world)
    staff.unlock()

    assert "Nobody has to be told." in staff.get("/calls").text
    assert "No request was chosen." in staff.post("/told").text


def test_closed_day_on_which_some_still_have_a_place_offers_other_times(staff, world, publish):
    placed_on_the_same_day(world, publish)
    world.publisher().close("corona", date(2026, 11, 23), NOON)
    staff.unlock()

    page = staff.get("/calls")
    assert "Corona : closed on Monday, November 23" in page.text
    assert "Still with a place there on that day: 2." in page.text
    accept(staff, staff.post("/closing", center="corona", day="2026-11-23"))

    assert "Still with a place" not in staff.get("/calls").text


def test_who_fits_nowhere_else_waits(staff, world, publish):
    ids = placed_on_the_same_day(world, publish)
    staff.unlock()
    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    world.store.set_seats({it: 0 for it in free if it.center == "corona"})

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


def test_closed_day_is_opened_again(staff, publish):
    publisher = publish()
    staff.unlock()
    accept(staff, staff.post("/closing", center="corona", day="2026-11-24"))
    assert "Open it again" in staff.get("/openings").text

    page = staff.post("/reopen", center="corona", day="2026-11-24")

    assert page.status == 200 and "Open it again" not in page.text
    assert publisher.published()[""].closed == frozenset()
    assert "Choose a center and a day" in staff.post("/reopen", center="corona", day="x").text
