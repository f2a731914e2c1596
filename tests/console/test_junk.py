"""The page of what does not open and of what belongs together: erasing, and putting back."""

import gc
from dataclasses import replace
from datetime import date

import pytest

from quietdesk.envelopes import Envelope
from quietdesk.errors import Locked, StoreUnavailable
from quietdesk.openings import Opening
from quietdesk.store.sqlite import Sqlite
from tests.console.staff import Staff, made, opened, put, unlocked
from tests.hostile import spoiled
from tests.world import NOON, another_device

VISIT = Opening(date(2026, 12, 3), "13:00", "corona")
TAKEN = "Put back without their seat, which somebody else has by now: 1"


@pytest.fixture
def seat(world):
    """The one seat of VISIT; how many are left of it."""
    world.store.set_seats({VISIT: 1})
    return lambda: world.store.seats([VISIT])[VISIT]


def junk(world, opening=None):
    """Junk of the right size; gives its envelope."""
    envelope = spoiled(world.taken(opening) if opening else world.sealed())
    (world.store.take if opening else world.store.put)(envelope)
    return envelope


def erase(staff, **form):
    """Erase junk, and say yes to the question."""
    question = staff.post("/erase-junk", **form)
    return staff.post("/sure", number=question.fields("number")[0])


def waiting(world):
    return {it.id for it in world.desk().pull(NOON)}


def test_what_does_not_open_is_listed_with_its_seat_and_nothing_is_ticked(staff, world, seat):
    held, free = junk(world, VISIT), junk(world)
    put(world, name=["Marisol"])
    assert "Erase what no computer opens" in staff.unlock().text

    page = staff.get("/junk")

    assert page.fields("id") == [it.id.hex() for it in (free, held)]  # week by week
    assert page.text.index("week 2026-W47") < page.text.index("week 2026-W49")
    assert "No computer opens these: 2" in page.text and "Seats that they hold: 1." in page.text
    assert "Thursday, December 3" in page.text and "it is damaged" in page.text
    assert "checked" not in page.body and "Marisol" not in page.text


def test_erasing_junk_asks_with_the_seats_and_gives_them_back(staff, world, seat):
    ids = [junk(world, VISIT).id.hex(), junk(world).id.hex()]
    good = put(world, name=["Marisol"])
    staff.unlock()
    assert seat() == 0

    question = staff.post("/erase-junk", all="1")

    assert "Requests to erase: 2." in question.text and "Seats that come back: 1." in question.text
    assert "after that, never" in question.text and waiting(world) == {*ids, good}
    done = staff.post("/sure", number=question.fields("number")[0])
    assert "Erased: 2" in done.text and "Seats that came back: 1" in done.text
    assert waiting(world) == {good} and seat() == 1
    assert "No computer opens these: 0" in staff.get("/junk").text


def test_only_what_is_ticked_is_erased(staff, world):
    one, other = junk(world).id.hex(), junk(world).id.hex()
    staff.unlock()

    erase(staff, id=one)

    assert waiting(world) == {other}


def test_what_only_this_computer_does_not_open_cannot_be_erased_here(world, tmp_path, clock):
    id = put(world)
    for console in made(replace(world, device=another_device(world)), tmp_path / "new", clock):
        new = Staff(console)
        new.unlock()

        page = new.get("/junk")
        tried = [new.post("/erase-junk", id=id), new.post("/erase-junk", all="1")]

        assert "Others that do not open: 1" in page.text and page.fields("id") == []
        assert "No computer opens these: 0" in page.text
        assert all("Are you sure?" not in it.text for it in tried)
    assert opened(world).keys() == {id}


def test_store_that_does_not_answer_is_said_and_the_rest_stays(staff, world, monkeypatch):
    for _ in range(3):
        junk(world)
    staff.unlock()

    def lost(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(Sqlite, "erase", lost)
    page = erase(staff, all="1")

    assert "It is not known whether this was done." in page.text
    assert "Not answered, and as they were: 2." in page.text
    assert "Erased here: 1" in staff.get("/junk").text  # it may be


def test_answer_that_is_not_known_to_be_done_is_not_among_the_erased(staff, world, monkeypatch):
    id = put(world)
    staff.unlock()

    def lost(*_):
        raise StoreUnavailable("down")

    monkeypatch.setattr(Sqlite, "replace", lost)
    staff.post("/answer", id=id, do="wait")

    assert "Erased here" not in staff.get("/junk").text


def test_putting_back_that_is_not_known_to_be_done_can_be_tried_again(
    staff, world, seat, monkeypatch
):
    world.store.set_seats({VISIT: 2})
    envelope = junk(world, VISIT)
    staff.unlock()
    erase(staff, all="1")
    take = Sqlite.take

    def lost(*args):
        take(*args)
        raise StoreUnavailable("down")

    monkeypatch.setattr(Sqlite, "take", lost)
    first = staff.post("/put-back", id=envelope.id.hex())
    monkeypatch.undo()

    assert "It is not known whether this was done." in first.text
    assert "Erased here: 1" in staff.get("/junk").text
    assert "Put back as they were: 1" in staff.post("/put-back", id=envelope.id.hex()).text
    assert seat() == 1


def test_junk_that_another_desk_erased_first_is_not_here_any_more(staff, world):
    envelope = junk(world)
    staff.unlock()
    question = staff.post("/erase-junk", all="1")
    world.store.erase(envelope)

    page = staff.post("/sure", number=question.fields("number")[0])

    assert "Not here any more: 1" in page.text and "Erased here" not in staff.get("/junk").text


# --- Putting back --------------------------------------------------------------------------------


def test_what_was_erased_can_be_put_back_as_it_was(staff, world, seat):
    envelope = junk(world, VISIT)
    staff.unlock()
    erase(staff, all="1")

    page = staff.post("/put-back", id=staff.get("/junk").fields("id"))

    assert "Put back as they were: 1" in page.text and seat() == 0
    assert world.store.find("main", envelope.id, [envelope.epoch], NOON) == envelope
    again = staff.get("/junk")
    assert "No computer opens these: 1" in again.text and "Erased here" not in again.text


def test_putting_back_twice_puts_back_once(staff, world, seat):
    world.store.set_seats({VISIT: 2})
    envelope = junk(world, VISIT)
    staff.unlock()
    erase(staff, all="1")

    staff.post("/put-back", id=envelope.id.hex())
    page = staff.post("/put-back", id=envelope.id.hex())

    assert "That page was an old one" in page.text and seat() == 1


def test_seat_that_somebody_has_taken_since_does_not_come_back(staff, world, seat):
    envelope = junk(world, VISIT)
    staff.unlock()
    erase(staff, all="1")
    other = world.taken(VISIT)
    world.store.take(other)

    page = staff.post("/put-back", id=envelope.id.hex())

    assert TAKEN in page.text and seat() == 0
    held = world.store.find("main", envelope.id, [envelope.epoch], NOON)
    assert held.opening is None and held.visit == envelope.visit
    assert opened(world)[other.id.hex()].opening == VISIT


def test_person_who_was_erased_by_mistake_waits_again_when_the_seat_is_gone(staff, world, seat):
    envelope = world.taken(VISIT)
    id = envelope.id.hex()
    world.store.take(envelope)
    staff.unlock()
    question = staff.post("/answer", id=id, do="erase")
    staff.post("/sure", number=question.fields("number")[0])
    world.store.take(world.taken(VISIT))

    page = staff.post("/put-back", id=id)

    assert TAKEN in page.text and seat() == 0
    assert opened(world)[id].state == "waiting"  # and what is sealed inside says so
    assert id in staff.get("/").fields("id")


def test_another_with_that_id_by_now_is_not_overwritten(staff, world):
    envelope = junk(world)
    staff.unlock()
    erase(staff, all="1")
    other = replace(envelope, digest=bytes([7]) * 32)
    world.store.put(other)

    page = staff.post("/put-back", id=envelope.id.hex())

    assert "Not done: 1" in page.text and "Somebody else changed it meanwhile" in page.text
    assert world.store.find("main", envelope.id, [envelope.epoch], NOON) == other


def test_nothing_comes_back_into_a_week_whose_key_is_destroyed(staff, world):
    envelope = junk(world)
    staff.unlock()
    erase(staff, all="1")
    world.store.destroy_keys("main", envelope.epoch)

    page = staff.post("/put-back", id=envelope.id.hex())

    assert "the key of its week is destroyed" in page.text and waiting(world) == set()


def test_after_the_lock_nothing_can_be_put_back(staff, world):
    envelope = junk(world)
    staff.unlock()
    erase(staff, all="1")
    desk = unlocked(staff)
    staff.post("/lock")
    with pytest.raises(Locked):
        desk.peek()
    staff.unlock()

    page = staff.post("/put-back", id=envelope.id.hex())

    assert "That page was an old one" in page.text and waiting(world) == set()
    assert "Erased here" not in page.text


def sealed_in_memory(id):
    gc.collect()
    return [it for it in gc.get_objects() if isinstance(it, Envelope) and it.id.hex() == id]


def test_after_the_lock_nothing_that_was_erased_is_in_memory(staff, world):
    id = junk(world).id.hex()
    staff.unlock()
    erase(staff, all="1")
    assert sealed_in_memory(id)

    staff.post("/lock")

    assert sealed_in_memory(id) == []


def test_page_of_junk_speaks_another_language(world, tmp_path, clock):
    junk(world)
    for console in made(world, tmp_path / "es", clock, lang="es"):
        other = Staff(console)
        other.unlock()
        assert "Ninguna computadora abre estas: 1" in other.get("/junk").text


# --- What belongs together -----------------------------------------------------------------------


def test_flood_is_shown_together_and_who_has_a_place_is_not_erased_with_it(staff, world, seat):
    flood = [put(world, name=[f"Test {n}"], phone=[f"718 555 01{n:02}"]) for n in range(4)]
    placed = world.taken(VISIT)
    world.store.take(placed)  # of the phone 718 555 0123
    vouched = put(world, lane="V", name=["Ana"])
    alone = put(world, name=["Rosa"], phone=["212 555 0177"])
    staff.unlock()

    page = staff.get("/junk")

    assert "Same phone, or one close to it: 6" in page.text and "vouched for: 2." in page.text
    assert set(page.fields("id")) == {*flood}  # those apart have nothing to tick
    assert "Same name: 4" in page.text
    assert "checked" not in page.body and "Rosa" not in page.text
    assert set(page.fields("one")) == {*flood, placed.id.hex(), vouched}
    assert "Test 2" in staff.post("/request", one=flood[2]).text  # a look first
    question = staff.post("/answer", group=page.fields("group")[0], do="erase")
    assert "Requests to erase: 4." in question.text
    staff.post("/sure", number=question.fields("number")[0])
    assert waiting(world) == {placed.id.hex(), vouched, alone}


def test_one_tick_takes_those_of_one_mark_alone(staff, world):
    flood = [put(world, name=[f"Bot {n}"], phone=[f"212 555 {n}100"]) for n in range(3)]
    near = put(world, name=["Ana"], phone=["212 555 1177"])
    staff.unlock()
    page = staff.get("/junk")
    assert "Same name: 3" in page.text and "Same phone, or one close to it: 2" in page.text

    question = staff.post("/answer", group=f"name.{flood[1]}", do="erase")

    assert "Requests to erase: 3." in question.text
    staff.post("/sure", number=question.fields("number")[0])
    assert waiting(world) == {near}
