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
from quietdesk.staff.desk.publisher import Publisher
from tests.console.staff import TYPED, Failing, Staff, made, names, opened
from tests.world import ASKED, NOON, PASSPHRASE

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

    def down(*_):
        raise StoreUnavailable("down")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put", lost)
        patched.setattr(world.store, "find", down)
        first = staff.post("/enter", form="one", **TYPED)
    again = staff.post("/enter", form=first.fields("form")[0], **TYPED)

    assert "It is not known whether this was kept" in first.text and not code_on(first)
    assert "Nothing was changed" not in first.text
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


# --- The store's answer is lost ------------------------------------------------------------------


class Losing:
    """A store that writes, or does not, and then is not there any more, until it is back."""

    def __init__(self, monkeypatch, store, writes):
        self._patch = monkeypatch.context()
        patched = self._patch.__enter__()
        for name in ("put", "take", "replace"):
            works = getattr(store, name)
            patched.setattr(store, name, self._losing(works if writes else None))
        for name in ("find", "kept"):
            patched.setattr(store, name, self._losing(None))

    def _losing(self, works):
        def lost(*args):
            if works:
                works(*args)
            raise StoreUnavailable("down")

        return lost

    def back(self):
        self._patch.__exit__(None, None, None)


@pytest.fixture
def lose(staff, world, publish, monkeypatch):
    """Enters somebody whose answer is lost; gives the page that says so."""
    publish()
    staff.unlock()

    def lose(writes=True, **typed):
        losing = Losing(monkeypatch, world.store, writes)
        try:
            return staff.post("/enter", form=staff.get("/enter").fields("form")[0], **typed)
        finally:
            losing.back()

    return lose


def of(code, world):
    """The request that a code finds."""
    return opened(world)[codes.derive(codes.parse(code), world.city.deployment).id.hex()]


def taken(world):
    """How many seats are taken of the times that are published."""
    publisher = Publisher(world.store, world.city, world.trust, world.device)
    seats = {opening: n for it in publisher.published().values() for opening, n in it.seats.items()}
    left = world.store.seats(seats)
    return sum(n - left[it] for it, n in seats.items())


SOON = "corona.2026-12-03.1000.desk"
LATER = "corona.2026-12-04.1000.desk"


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("opening", ["", SOON])
def test_corrected_after_a_lost_answer_is_one_request_with_a_known_code(
    staff, world, lose, writes, opening
):
    first = lose(writes, **{**TYPED, "opening": opening})
    assert "It is not known whether this was kept" in first.text
    assert "Nothing was changed" not in first.text

    form = first.fields("form")[0]
    slip = staff.post("/enter", form=form, **{**TYPED, "name": "Rosa", "opening": opening})

    assert [it.request.name for it in opened(world).values()] == ["Rosa"]
    assert of(code_on(slip), world).request.name == "Rosa"
    assert taken(world) == bool(opening)
    assert ("has taken its place" in slip.text) is writes
    assert names(staff.get("/")) == ([] if opening else ["Rosa"])


@pytest.mark.parametrize(("before", "after"), [("", SOON), (SOON, LATER), (SOON, "")])
def test_another_time_after_a_lost_answer_leaves_no_seat_taken_in_vain(
    staff, world, lose, before, after
):
    first = lose(**{**TYPED, "opening": before})

    slip = staff.post("/enter", form=first.fields("form")[0], **{**TYPED, "opening": after})

    assert str(of(code_on(slip), world).opening or "") == after
    assert len(opened(world)) == 1 and taken(world) == bool(after)


@pytest.mark.parametrize("last", ["Rosita", *ASKED["name"]])
def test_answer_that_is_lost_again_and_again_is_one_request(staff, world, lose, monkeypatch, last):
    """Also where it ends as it began."""
    page = lose(**{**TYPED, "opening": SOON})
    for name in ("Rosa", "Rosie"):
        losing = Losing(monkeypatch, world.store, writes=True)
        page = staff.post(
            "/enter", form=page.fields("form")[0], **{**TYPED, "name": name, "opening": LATER}
        )
        losing.back()
        assert "It is not known whether" in page.text

    slip = staff.post(
        "/enter", form=page.fields("form")[0], **{**TYPED, "name": last, "opening": SOON}
    )

    assert [it.request.name for it in opened(world).values()] == [last]
    assert of(code_on(slip), world).request.name == last and taken(world) == 1


@pytest.mark.parametrize("mistake", [{"people": "many"}, {"name": ""}])
def test_mistake_after_a_lost_answer_keeps_the_code(staff, world, lose, mistake):
    page = lose(**TYPED)

    page = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, **mistake})
    assert page.status == 400 and "There is a problem" in page.text
    slip = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "name": "Rosa"})

    assert [it.request.name for it in opened(world).values()] == ["Rosa"]
    assert of(code_on(slip), world).request.name == "Rosa"


def test_time_that_is_full_after_a_lost_answer_keeps_the_code(staff, world, lose):
    page = lose(**{**TYPED, "opening": SOON})
    world.store.set_seats({Opening.parse(LATER): 0})

    page = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "opening": LATER})
    assert "no free seat any more" in page.text
    slip = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "opening": SOON})

    assert len(opened(world)) == 1
    assert str(of(code_on(slip), world).opening) == SOON


@pytest.mark.parametrize("answer", ["place", "refuse"])
def test_what_somebody_answered_after_a_lost_answer_stands(staff, world, lose, answer):
    page = lose(**TYPED)
    (item,) = opened(world).values()
    desk = world.desk()
    if answer == "place":
        desk.place(item, Opening.parse(SOON), NOON)
    else:
        desk.refuse(item, NOON)

    slip = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "name": "Rosa"})

    stands = of(code_on(slip), world)
    assert stands.request.name == ASKED["name"][0]
    assert stands.state == ("placed" if answer == "place" else "none")
    assert "somebody has answered it since" in slip.text


def test_what_somebody_erased_after_a_lost_answer_is_entered_anew(staff, world, lose):
    page = lose(**TYPED)
    (item,) = opened(world).values()
    world.store.erase(item.envelope, stub=True)

    page = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "name": "Rosa"})
    assert "Somebody else changed" in page.text
    slip = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "name": "Rosa"})

    assert of(code_on(slip), world).request.name == "Rosa" and len(opened(world)) == 1


def test_next_person_does_not_drop_a_code_that_may_be_kept(staff, world, lose):
    """The first one waits beside the form of the next, with what was typed."""
    lose(**TYPED)

    empty = staff.get("/enter")
    assert "nobody knows whether it was kept" in empty.text and empty.fields("name") == [""]
    other = staff.post("/enter", form=empty.fields("form")[0], **{**TYPED, "name": "Rosa"})
    link = re.search(r'href="([^"]*/again[^"]*)"', staff.get("/enter").body)[1]
    page = staff.get(unescape(link).removeprefix(staff.base))
    assert page.fields("name") == ASKED["name"]
    slip = staff.post("/enter", form=page.fields("form")[0], **TYPED)

    assert {it.request.name for it in opened(world).values()} == {ASKED["name"][0], "Rosa"}
    assert of(code_on(other), world).request.name == "Rosa"
    assert of(code_on(slip), world).request.name == ASKED["name"][0]
    assert "nobody knows" not in staff.get("/enter").text


@pytest.mark.parametrize(
    ("kind", "then"), [(StoreRefused, "quietdesk sign-in"), (ClockWrong, "Set the date")]
)
def test_store_that_says_why_after_a_lost_answer_is_quoted_and_the_code_kept(
    staff, world, lose, monkeypatch, kind, then
):
    page = lose(**TYPED)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "find", Failing(world.store, "find", kind("no")).find)
        page = staff.post("/enter", form=page.fields("form")[0], **TYPED)
    assert "It is not known whether" in page.text and then in page.text

    slip = staff.post("/enter", form=page.fields("form")[0], **{**TYPED, "name": "Rosa"})

    assert len(opened(world)) == 1 and of(code_on(slip), world).request.name == "Rosa"


def test_store_that_says_that_nothing_was_written_is_believed(staff, world, publish, monkeypatch):
    staff.unlock()
    refuses = Failing(world.store, "put", StoreRefused("no"))
    monkeypatch.setattr(world.store, "put", refuses.put)

    page = staff.post("/enter", form="one", **TYPED)

    assert "does not accept your sign-in" in page.text
    assert "nobody knows" not in staff.get("/enter").text


def test_nothing_of_what_may_be_kept_outlives_the_lock(staff, world, lose):
    lose(**TYPED)
    staff.post("/lock")
    staff.unlock()

    page = staff.get("/enter")

    assert "nobody knows" not in page.text and ASKED["name"][0] not in page.body
