"""Entering for somebody on the telephone or at the door."""

import re
from dataclasses import replace
from html import unescape

import pytest

from quietdesk import codes, request
from quietdesk.errors import (
    ClockWrong,
    NotAllowed,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
)
from quietdesk.openings import Opening
from quietdesk.pages.speech import Words
from tests.console.staff import TYPED, Failing, Staff, made, names, opened
from tests.world import ASKED, PASSPHRASE

# --- Enter ---------------------------------------------------------------------------------------


def code_on(page):
    return "".join(re.findall(r"<span>([0-9A-Z]{4})</span>", page.body))


def test_who_is_entered_gets_a_code_that_finds_the_request(staff, world):
    staff.unlock()

    page = staff.post("/enter", **TYPED)

    code = codes.parse(code_on(page))
    item = opened(world)[codes.derive(code, world.city.deployment).id.hex()]
    assert item.request.name == ASKED["name"][0] and item.envelope.lane == "K"
    assert "Saturday, November 28" in page.text
    assert names(staff.get()) == [ASKED["name"][0]]


def test_who_is_entered_can_take_a_free_time(staff, world, publish):
    publish()
    staff.unlock()
    form = staff.get("/enter")
    time = re.findall(r'<option value="([^"]+)"', form.body)[0]

    page = staff.post("/enter", **{**TYPED, "opening": time})

    code = codes.parse(code_on(page))
    item = opened(world)[codes.derive(code, world.city.deployment).id.hex()]
    assert str(item.opening) == time and item.state == "placed"
    # The slip is in the language of the visit.
    assert Words(world.city, "bn")("You have an appointment") in page.text
    assert world.city.center(item.opening.center).address in page.text


def test_nothing_is_carried_over_to_the_next_person(staff, world):
    staff.unlock()
    slip = staff.post("/enter", **TYPED)
    assert code_on(staff.get("/slip")) == code_on(slip)

    form = staff.get("/enter")

    assert ASKED["name"][0] not in form.body and ASKED["phone"][0] not in form.body
    assert "checked" not in form.body and code_on(slip) not in form.body
    assert code_on(staff.get("/slip")) == ""


def test_code_is_gone_when_staff_go_on(staff, world):
    staff.unlock()
    staff.post("/enter", **TYPED)

    staff.get("/")

    assert code_on(staff.get("/slip")) == ""


def test_form_that_needs_another_look_keeps_everything_typed(staff, world):
    staff.unlock()

    page = staff.post("/enter", **{**TYPED, "people": "many", "name": ""})

    assert page.status == 400
    assert "Write a whole number, such as 1." in page.text and "Write a name" in page.text
    assert 'value="many"' in page.body and 'value="(718) 555-0123"' in page.body
    assert re.search(r'name="centers" value="corona"[^>]* checked', page.body)
    assert opened(world) == {}


def test_time_that_was_just_taken_keeps_everything_typed(staff, world, publish):
    publish()
    staff.unlock()
    time = re.findall(r'<option value="([^"]+)"', staff.get("/enter").body)[0]
    world.store.set_seats({Opening.parse(time): 0})

    page = staff.post("/enter", **{**TYPED, "opening": time})

    assert "no free seat any more" in page.text
    assert ASKED["name"][0] in page.body and 'value="(718) 555-0123"' in page.body
    assert opened(world) == {}


def test_person_whose_answer_was_lost_may_be_kept_and_is_kept_once(staff, world, monkeypatch):
    staff.unlock()
    put, puts = world.store.put, []

    def lost(envelope):
        put(envelope)
        puts.append(envelope)
        if len(puts) < 3:
            raise StoreUnavailable("no answer")

    monkeypatch.setattr(world.store, "put", lost)

    page = staff.post("/enter", **TYPED)

    assert "It is not known whether this was kept." in page.text
    assert "Nothing was changed" not in page.text
    assert "Send it again: it is kept once, under the same code." in page.text
    assert code_on(staff.post("/enter", **TYPED))
    assert len(opened(world)) == 1


def test_no_page_is_the_answer_to_what_was_typed(staff):
    """Browsers that reopen their windows keep the form that a page is the answer to, in a file."""
    assert staff.post("/unlock", follow=False, passphrase="wrong").status == 303
    assert staff.post("/unlock", follow=False, passphrase=PASSPHRASE).status == 303
    staff.wait()
    assert staff.post("/enter", follow=False, name="Marisol").status == 303
    assert "Marisol" in staff.get("/again").body
    assert "Marisol" not in staff.get("/enter").body
    assert "Marisol" not in staff.get("/again").body
    assert staff.post("/enter", follow=False, **TYPED).status == 303


def test_form_sent_twice_enters_once_and_shows_the_same_code(staff, world):
    staff.unlock()
    form = staff.get("/enter").fields("form")[0]

    pages = [staff.post("/enter", form=form, **TYPED) for _ in range(2)]

    assert len({code_on(page) for page in pages}) == 1 and code_on(pages[0])
    assert len(opened(world)) == 1


def test_slip_says_nothing_of_who_gets_it_but_the_code(staff, world, publish):
    publish()
    staff.unlock()
    time = re.findall(r'<option value="([^"]+)"', staff.get("/enter").body)[0]

    for opening in ("", time):
        slip = staff.post("/enter", **{**TYPED, "opening": opening})

        assert len(code_on(slip)) == 16
        for typed in (ASKED["name"][0], ASKED["phone"][0], "7185550123"):
            assert typed not in unescape(slip.body)
        staff.get("/enter")


def test_slip_is_in_the_persons_language_and_the_desk_keeps_its_own(world, tmp_path, clock):
    text = "Nobody may ask you for money for an appointment."
    city = replace(world.city, words={"en": {}, "es": {text: "Nadie puede pedirle dinero."}})
    (console,) = [next(made(replace(world, city=city), tmp_path, clock))]
    staff = Staff(console)
    staff.unlock()

    page = staff.post("/enter", **{**TYPED, "language": "es"})

    assert "Nadie puede pedirle dinero." in page.text and "sábado 28 de noviembre" in page.text
    assert "To look again on Saturday, November 28" in page.text and "Next person" in page.text
    console.close()


def test_form_asks_the_residents_fields_and_no_other(staff):
    staff.unlock()

    named = set(re.findall(r' name="([a-z_]+)"', staff.get("/enter").body.split("<main")[1]))

    assert named - {"form"} == set(request.FIELDS)


def test_somebody_entered_again_after_a_lost_answer_is_stored_once(staff, world, monkeypatch):
    """The store wrote, and only its answer was lost; staff send the same answers again."""
    staff.unlock()
    put = world.store.put

    def lost(envelope):
        put(envelope)
        raise StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put", lost)
        first = staff.post("/enter", form="one", **TYPED)
    again = staff.post("/enter", form="two", **TYPED)

    assert "The store does not answer" in first.text and not code_on(first)
    assert len(opened(world)) == 1
    assert codes.derive(code_on(again), "demo").id.hex() in opened(world)


@pytest.mark.parametrize(
    ("kind", "what", "then"),
    [
        (StoreRefused, "does not accept your sign-in", "quietdesk sign-in"),
        (NotAllowed, "your role may not do this", "Ask who gives out the roles"),
        (ClockWrong, "clock is wrong", "Set the date"),
        (StoreBusy, "The store is busy", "Try again in a moment"),
    ],
)
def test_cloud_that_refuses_is_said_and_what_was_typed_is_kept(
    world, tmp_path, clock, publish, kind, what, then
):
    publish()
    failing = Failing(world.store, "", kind("no"))
    (console,) = [next(made(world, tmp_path, clock, failing))]
    staff = Staff(console)
    staff.unlock()
    failing.__dict__["method"] = "read"  # nothing can be entered, and no times be read

    typed = {**TYPED, "name": ["Marisol"], "opening": ["corona.2026-12-03.1000.desk"]}
    refused = staff.post("/enter", form="one", **typed)

    assert refused.status == 400 and what in refused.text and then in refused.text
    assert refused.fields("name") == ["Marisol"]
    assert '<option value="corona.2026-12-03.1000.desk" selected' in refused.body
    assert what in staff.get("/enter").text  # where nothing is typed yet there is only the reason
    failing.__dict__["method"] = ""
    assert code_on(staff.post("/enter", form="two", **typed))
    console.close()
