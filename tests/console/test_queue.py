"""The queue and one request, as the desk's pages show them."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from quietdesk import codes, envelopes, hpke, request, weeks
from quietdesk.errors import (
    CannotOpen,
)
from quietdesk.request import Rest
from quietdesk.staff import words
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.opener import Opener
from quietdesk.weeks import Epoch
from tests.console.staff import NO_PHONE, Answer, Staff, made, names, opened, put
from tests.hostile import malformed
from tests.test_pages import NEVER_SAID
from tests.world import ASKED, NOON, another_device, any_secrets

# --- The queue -----------------------------------------------------------------------------------


def test_queue_is_read_lane_by_lane_the_oldest_week_first(staff, world):
    week = weeks.epoch_at(NOON, world.city.zone)
    for name, lane in (("Nadia", "N"), ("Karim", "K"), ("Pedro", "P"), ("Vera", "V")):
        put(world, lane, name=[name])
    earlier = NOON - timedelta(weeks=1)
    key = any_secrets()
    asked = request.parse({**ASKED, "name": ["Paula"]}, world.city)
    old = envelopes.seal(
        request.pack(asked, key.reply),
        world.bundle(),
        key,
        born=weeks.epoch_at(earlier, world.city.zone),
    )
    world.store.put(envelopes.admitted(old, "P", weeks.expires(week, week, world.city.zone, 7)))

    assert names(staff.unlock()) == ["Vera", "Paula", "Pedro", "Karim", "Nadia"]


@pytest.mark.parametrize(
    ("field", "value", "typed"),
    [
        ("center", "flushing-library", {"centers": ["flushing-library"]}),
        ("window", "tue-eve", {"windows": ["tue-eve"]}),
        ("language", "ht", {"language": ["ht"]}),
        ("access", "large_print", {"access": ["large_print"]}),
        ("visit_type", "renew", {"visit_type": ["renew"]}),
        ("people", "5", {"people": ["5"]}),
    ],
)
def test_filter_shows_only_what_matches(staff, world, field, value, typed):
    put(world, name=["Marisol"], **typed)
    put(world, name=["Rosa"])
    assert sorted(names(staff.unlock())) == ["Marisol", "Rosa"]

    assert names(staff.get(f"/?{field}={value}")) == ["Marisol"]
    assert sorted(names(staff.get(f"/?{field}="))) == ["Marisol", "Rosa"]


def test_what_a_newer_release_sealed_beside_is_shown_on_no_page(staff, world):
    beside = '{"f":3,"besideplant81":"besideplant82"}'
    id = put(world, rest=Rest(beside, beside), name=["Marisol"])

    pages = [staff.unlock(), staff.post("/request", one=id), staff.post("/contact", one=id)]

    assert all("Marisol" in page.body for page in pages)
    assert not any("besideplant" in page.body for page in pages)


def test_value_that_no_page_offers_filters_nothing(staff, world):
    put(world, name=["Marisol"])
    staff.unlock()

    query = urlencode({"center": "<b>", "people": "9" * 5000, "page": "-1", "state": "x"})

    page = staff.get(f"/?{query}")
    assert "<b>" not in page.body and page.status == 200


def test_state_is_a_filter_and_each_is_counted(staff, world, publish):
    publish()
    placed, none, waits = (put(world, name=[name]) for name in ("Pia", "Nora", "Wanda"))
    desk, items = world.desk(), opened(world)
    free = Publisher(world.store, world.city, world.trust, world.device).free(NOON)
    desk.place(items[placed], next(iter(free)), NOON)
    desk.refuse(items[none], NOON)

    page = staff.unlock()

    assert names(page) == ["Wanda"]
    assert "Waiting (1)" in page.text and "All (3)" in page.text
    assert names(staff.get("/?state=placed")) == ["Pia"]
    assert names(staff.get("/?state=none")) == ["Nora"]
    assert sorted(names(staff.get("/?state=all"))) == ["Nora", "Pia", "Wanda"]
    assert waits[:8] in page.text


def test_fifty_requests_are_on_a_page(staff, world):
    for number in range(120):
        put(world, name=[f"N{number}"])
    first = staff.unlock()

    pages = [first, staff.get("/?page=2"), staff.get("/?page=3"), staff.get("/?page=99")]

    assert [len(names(page)) for page in pages] == [50, 50, 20, 20]
    assert len({name for page in pages for name in names(page)}) == 120
    assert "51 to 100 of 120" in pages[1].text


def test_contact_is_hidden_until_asked_for(staff, world):
    id = put(world, name=["Marisol"], phone=["(718) 555-0167"])
    pages = [staff.unlock(), staff.post("/request", one=id)]
    assert all("5550167" not in page.body for page in pages)

    page = staff.post("/contact", one=id)

    assert "7185550167" in page.text and "Text message" in page.text and "It is mine" in page.text


def test_who_gave_no_number_has_no_contact_to_show(staff, world):
    id = put(world, **NO_PHONE)
    staff.unlock()

    page = staff.post("/request", one=id)

    assert "looks with the code" in page.text and "Show contact" not in page.text


def test_same_phone_number_twice_is_flagged(staff, world):
    first = put(world, name=["Marisol"], phone=["718 555 0167"])
    put(world, name=["Rosa"], phone=["(718) 555-0167"])
    put(world, name=["Ana"], phone=["718 555 0168"])
    put(world, name=["Bea"], **NO_PHONE)
    put(world, name=["Eva"], **NO_PHONE)

    page = staff.unlock()
    rows = re.split("<tr[^>]*>", page.body)[2:]

    flagged = [names(Answer("200", [], row.encode()))[0] for row in rows if 'class="flag"' in row]
    assert sorted(flagged) == ["Marisol", "Rosa"]
    assert "Rosa" in staff.post("/request", one=first).text


def test_what_does_not_open_is_counted_by_reason_and_stops_nobody(staff, world):
    put(world, name=["Marisol"])
    for envelope in malformed(world).values():
        world.store.put(envelope)

    page = staff.unlock()

    assert names(page) == ["Marisol"]
    assert f"Requests that do not open: {len(malformed(world))}" in page.text
    assert "what is inside is not a request of our form" in page.text
    assert not NEVER_SAID.search(page.text)


def test_destroyed_weeks_are_counted_with_their_name(staff, world):
    put(world)
    week = weeks.epoch_at(NOON, world.city.zone)
    world.store.destroy_keys(world.city.queue, week)

    page = staff.unlock()

    assert (
        f"1: the key of its week is destroyed; the person has to ask again (week {week})"
        in page.text
    )


# --- What this computer opens --------------------------------------------------------------------


@pytest.fixture
def new_computer(world, tmp_path, clock):
    """The console of a computer that custodians admitted after the keys were made."""
    device = another_device(world)
    upload.upload_wrap_keys(world.store, device, world.city, NOON)
    custodians = [world.custodian]
    ceremony.admit(world.store, world.city, world.trust, custodians, device.public_key, NOON)
    for console in made(replace(world, device=device), tmp_path / "new", clock):
        yield Staff(console)


def test_new_computer_says_that_it_opens_none_and_from_when_on(new_computer, world):
    put(world, name=["Marisol"])
    put(world, name=["Rosa"])

    page = new_computer.unlock()

    assert "Requests that wait: 2. This computer can open none of them." in page.text
    assert "No requests are waiting" not in page.text
    assert (
        "Once custodians have made its key, it opens requests of week 2026-W51 "
        "(from Monday, December 14 on) and later ones."
    ) in page.text
    assert words.SAID["not_admitted"] not in page.text
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON)
    text = new_computer.post("/pull").text
    assert "It opens requests of week 2026-W51 (from Monday, December 14 on)" in text


def test_computer_that_nobody_admitted_says_so(world, tmp_path, clock):
    put(world)
    stranger = replace(world, device=another_device(world))
    for console in made(stranger, tmp_path / "new", clock):
        assert words.SAID["not_admitted"] in Staff(console).unlock().text


def test_new_computer_where_nobody_waits_says_that(new_computer):
    assert "No requests are waiting." in new_computer.unlock().text


def test_half_that_fails_is_named_with_its_week_and_computer(staff, world):
    epoch = Epoch(2026, 48)
    kid = ceremony.kids_of(world.raw_bundle(epoch), world.trust, "main")[0]
    wrap = world.store.wrap(kid, world.device.id)
    what = f"the key of week 2026-W48 does not work (device {world.device.id}). Tell a custodian."
    lost = "with a key that it does not have any more. What waits in them does not open here: 2026"
    text = staff.unlock().text
    assert what not in text and lost not in text
    seed = world.device.wrap_seeds[epoch]
    info = keyring.wrap_info(kid, world.device.id)
    another = hpke.seal_to(hpke.public_key(seed), info, bytes(32))

    world.store.put_wrap(kid, world.device.id, another, over=wrap)
    staff.post("/lock")
    text = staff.unlock().text
    assert what in text and lost not in text

    world.store.put_wrap(kid, world.device.id, b"x" * 1168, over=another)
    staff.post("/lock")
    text = staff.unlock().text
    assert f"this computer (device {world.device.id}) {lost}" in text and what not in text


CODES = ["damaged", "foreign", "malformed", "early", "no_key", "twice", "a word of next year"]


@pytest.mark.parametrize("code", CODES)
def test_every_reason_has_words(code):
    why, then = words.said(CannotOpen("no", code))

    assert why != words.said(ValueError())[0] and then == ""


def test_request_sent_in_two_weeks_is_shown_once_and_counted(staff, world):
    code = codes.new()
    world.store.put(world.sealed(code=code, name=["Marisol"]))
    world.store.put(world.sealed(code=code, name=["Marisol"], now=NOON + timedelta(weeks=1)))

    page = staff.unlock()

    assert names(page) == ["Marisol"] and "1: it was sent in two weeks" in page.text


def test_fetching_again_shows_new_ones_and_forgets_cancelled_ones(staff, world):
    gone = put(world, name=["Marisol"])
    staff.unlock()
    world.store.erase(opened(world)[gone].envelope)
    put(world, name=["Rosa"])

    assert names(staff.get()) == ["Marisol"]
    assert names(staff.post("/pull")) == ["Rosa"]


def test_fetching_again_opens_only_what_is_new(staff, world, monkeypatch):
    put(world)
    staff.unlock()
    put(world)
    count = Counter()
    opens = Opener.open

    def counted(self, envelope):
        count["opened"] += 1
        return opens(self, envelope)

    monkeypatch.setattr(Opener, "open", counted)
    staff.post("/pull")

    assert count["opened"] == 1


def test_desk_nags_before_requests_are_destroyed(staff, world, clock):
    ids = [put(world) for _ in range(2)]
    assert "Still waiting, and destroyed" not in staff.unlock().text
    staff.post("/lock")

    clock.now = NOON + timedelta(days=10)
    page = staff.unlock()
    assert "Still waiting, and destroyed on Monday, November 30: 2." in page.text

    done = staff.post("/answer", due="1", do="wait")
    assert "Kept waiting: 2" in done.text
    assert "Still waiting, and destroyed" not in staff.get().text
    assert all(opened(world, NOON + timedelta(days=15))[id].state == "waiting" for id in ids)


def test_desk_says_who_was_told_to_look_again_by_today(staff, world, clock):
    id = put(world)
    staff.unlock()
    staff.post("/answer", id=id, do="wait")  # until Saturday, November 28
    assert "Told to look again by today" not in staff.get().text
    staff.post("/lock")

    clock.now = NOON + timedelta(days=10)
    assert "Told to look again by today, and still without an answer: 1." in staff.unlock().text
    assert "Kept waiting: 1" in staff.post("/answer", promised="1", do="wait").text
    assert "Told to look again by today" not in staff.get().text


def test_desk_speaks_another_language(world, tmp_path, clock):
    spanish = replace(world.city, words={"en": {}, "es": {"Queue": "Lista", "Waiting": "Espera"}})
    (console,) = [next(made(replace(world, city=spanish), tmp_path, clock, lang="es"))]

    page = Staff(console).unlock()

    assert 'lang="es"' in page.body and "Lista" in page.text and "Espera (0)" in page.text
    console.close()
