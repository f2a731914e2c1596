"""Answers and places, given from the desk's pages."""

import re
from collections import Counter
from datetime import timedelta
from threading import Event

import pytest

from quietdesk import envelopes, replies, request, weeks
from quietdesk.errors import (
    StoreUnavailable,
    TracesRemain,
)
from quietdesk.openings import Opening
from quietdesk.staff.desk.placing import Placing
from tests.console.staff import (
    Failing,
    Staff,
    accept,
    made,
    names,
    opened,
    put,
    readable,
    refuse,
    unlocked,
)
from tests.hostile import sealed_with
from tests.waiting import CEILING
from tests.world import ASKED, NOON, any_secrets

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
    assert {id: str(opened(world)[id].opening) for id in ids} == proposed
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
    assert str(items[ids[0]].opening) == other
    assert [items[id].state for id in ids[1:]] == ["waiting", "none", "waiting"]
    assert items[ids[1]].reply.look_again and not items[ids[3]].reply.look_again


@pytest.mark.parametrize("answer", ["erase", "ERASE", "none ", "anything"])
@pytest.mark.parametrize("more", [{}, {"at": "1"}])
def test_proposals_take_no_other_answer_and_erase_nothing(
    staff, world, publish, loud, answer, more
):
    publish()
    ids = [put(world) for _ in range(2)]
    staff.unlock()
    page = staff.post("/propose", id=ids)
    number = page.fields("number")[0]

    odd = staff.post("/accept", number=number, **{f"c-{ids[0]}": answer}, **more)

    assert odd.status == 500 and len(loud) == 1
    loud.clear()
    assert [it.envelope.rev for it in opened(world).values()] == [1, 1]
    assert "Placed: 2" in accept(staff, page).text  # the proposals stand as they were


def test_everything_that_matches_is_proposed_with_one_click(staff, world, publish):
    publish()
    for number in range(70):
        put(world, name=[f"N{number}"], windows=["any"])
    put(world, name=["Other"], language=["ht"])
    staff.unlock()

    page = staff.post("/propose", all="1", state="waiting", language="bn")
    second = staff.post("/accept", number=page.fields("number")[0], at="2")
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

    second = staff.post("/accept", number=page.fields("number")[0], at="2", **{f"c-{id}": "none"})
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
    world.store.set_seats({Opening.parse(wanted): 0})

    done = accept(staff, page, **{ids[1]: "wait"})

    assert "no free seat any more" in done.text and "Kept waiting: 1" in done.text
    assert opened(world)[ids[0]].state == "waiting"
    assert staff.post("/propose", id=ids[0]).chosen(ids[0]) not in ("leave", wanted)


def test_week_without_a_key_is_a_shown_conflict(staff, world, publish):
    publish()
    id = put(world)
    staff.unlock()
    far = Opening(NOON.date() + timedelta(weeks=8), "09:00", "corona", "desk")
    world.store.set_seats({far: 1})

    done = staff.post("/answer", id=id, do=str(far))

    assert "There is no key for that week" in done.text
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

    assert "The store does not answer. It is not known whether this was done." in done.text
    assert "Not done: 1" in done.text and "Not answered, and as they were: 4" in done.text
    assert "Nothing was changed" not in done.text
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

    assert "Placed: 1" in done.text and str(opened(world)[id].opening) == other


def test_what_waits_is_told_when_to_look_again(staff, world):
    ids = [put(world) for _ in range(2)]
    staff.unlock()

    done = staff.post("/answer", id=ids, do="wait")

    again = NOON.date() + timedelta(days=world.city.answer_by_days)
    assert "Kept waiting: 2" in done.text
    assert {opened(world)[id].reply.look_again for id in ids} == {again}
    assert "Looks again on Saturday, November 28" in staff.get().text


def test_request_that_would_be_over_first_is_not_kept_waiting(staff, world):
    week = weeks.epoch_at(NOON, world.city.zone)
    key = any_secrets()
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

    done = refuse(staff, id=ids[:2])

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
    works = Placing.refuse

    def slow(self, item, now, was):
        if unlocked(staff).peek().job.done == 12:
            at_half.set()
            assert going.wait(CEILING)
        return works(self, item, now, was)

    monkeypatch.setattr(Placing, "refuse", slow)
    refuse(staff, follow=False, id=ids)
    assert at_half.wait(CEILING)
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
    works, count = Placing.refuse, Counter()

    def slow(self, item, now, was):
        count["refused"] += 1
        if count["refused"] == 12:
            at_half.set()
            assert going.wait(CEILING)
        return works(self, item, now, was)

    monkeypatch.setattr(Placing, "refuse", slow)
    refuse(staff, follow=False, id=ids)
    assert at_half.wait(CEILING)
    staff.post("/lock", follow=False)
    going.set()
    staff.wait()

    assert Counter(it.state for it in opened(world).values()) == {"none": 12, "waiting": 18}
    assert len(readable()) == before
