"""The second story: an appointment. Read it after tests/test_story.py.

One resident takes the earliest time, reads it with the code, moves it and cancels it. Another asks;
the desk places her; she reads the answer on a phone without scripts. A second scheduler comes too
late and loses nothing. For a third there is no place this week: the waiting list carries him over.
"""

from datetime import date, timedelta

import pytest

from quietdesk import codes, sweep
from quietdesk.errors import Conflict
from quietdesk.openings import Opening
from quietdesk.staff.desk import queue
from quietdesk.staff.device import keyring, upload
from quietdesk.weeks import Epoch
from tests.test_story import fill_in, phone
from tests.world import NOON, WEEK

FIRST = Opening.parse("bronx-library.2026-11-19.0900")
LATER = Opening.parse("corona.2026-12-03.1300")


def seats(world, opening):
    return world.store.seats([opening])[opening]


def take(page, opening):
    """Opens the center of an opening and ticks its time."""
    page.click(f"#times details:has-text('{opening[0]}') summary")
    page.check(f"input[name=opening][value='{opening[1]}']")


def about_me(page, name):
    page.fill("input[name=people]", "2")
    page.fill("input[name=children]", "0")
    page.check("input[name=visit_type][value=new]")
    page.check("input[name=language][value=bn]")
    page.fill("input[name=name]", name)


def send(page):
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    return codes.parse(page.inner_text("#done [data-fill=code]"))


def look(page, url, code):
    page.goto(f"{url}/es/my-request/")
    page.fill("#f-code", code.lower())
    page.click("#look-form button")


@pytest.mark.parametrize(
    ("store_spec", "served"),
    [("sqlite", ""), ("ministack", "lambda")],
    indirect=True,
)
def test_story_of_a_visit(world, served, browser, tmp_path):
    world.publisher().publish(NOON)
    before = seats(world, FIRST)

    # A resident sees the earliest time of each center, and takes the first.
    context = phone(browser)
    page = context.new_page()
    page.goto(f"{served.url}/es/")
    page.click("main a[href*=request] >> nth=0")
    page.wait_for_selector("#times details")
    earliest = page.inner_text("#times summary >> nth=0")
    assert "Bronx Library Center" in earliest
    assert "jueves 19 de noviembre, 9:00 a. m." in earliest
    assert page.is_visible("input[name=windows][value=sat-am]")
    take(page, ("Bronx", FIRST))
    assert not page.is_visible("input[name=windows][value=sat-am]")
    about_me(page, "রহিমা")
    code = send(page)
    assert "jueves 19 de noviembre" in page.inner_text("#done")
    assert seats(world, FIRST) == before - 1

    # She reads it with the code, and moves it: the seat goes back, another is hers.
    look(page, served.url, code)
    page.wait_for_selector("#mine dl")
    for said in ("Bronx Library Center", "310 East Kingsbridge", "9:00 a. m.", "311"):
        assert said in page.inner_text("#mine")
    page.click("#mine [data-do=move]")
    page.wait_for_selector("#times details")
    take(page, ("Corona", "corona.2026-12-03.1300"))
    about_me(page, "রহিমা")
    assert send(page) == code
    assert (seats(world, FIRST), seats(world, LATER)) == (before, before - 1)
    look(page, served.url, code)
    page.wait_for_selector("#mine dl")
    assert "jueves 3 de diciembre" in page.inner_text("#mine")

    # She cancels. It is gone at once, and the seat is free again.
    page.click("#mine [data-do=cancel]")
    page.click("#mine [data-do=yes]")
    page.wait_for_selector("#mine h1:has-text('Está cancelada')")
    assert list(world.desk().pull(NOON)) == []
    assert seats(world, LATER) == before
    look(page, served.url, code)
    page.wait_for_selector("#mine [data-do=again]")
    assert "No encontramos nada" in page.inner_text("#mine")

    # Nothing of it stays in the browser.
    assert page.url == f"{served.url}/es/my-request/"
    kept = "[localStorage.length, sessionStorage.length, document.cookie, history.state]"
    assert page.evaluate(kept) == [0, 0, "", None]
    context.close()

    # Another finds no time that suits, and asks. The desk places her where she can come.
    context = phone(browser)
    page = context.new_page()
    page.goto(f"{served.url}/en/request/")
    page.wait_for_selector("#times details")
    fill_in(page, "Ana")
    asked = send(page)
    context.close()
    desk, other = world.desk(), world.desk()
    (item,), (theirs,) = desk.pull(NOON), other.pull(NOON)
    free = world.publisher().free(NOON)
    (proposal,) = queue.propose([item], free, world.city, NOON)
    # She asked for Monday evening or Saturday morning at Corona; there are none, so staff choose.
    assert proposal.opening is None
    chosen = Opening(date(2026, 12, 7), "15:00", "corona", "desk")
    left = seats(world, chosen)
    desk.place(item, chosen, NOON)
    assert seats(world, chosen) == left - 1

    # A second scheduler had the queue open and comes too late. She is told, and nothing is lost.
    with pytest.raises(Conflict):
        other.place(theirs, Opening(date(2026, 12, 8), "10:00", "corona", "desk"), NOON)
    (standing,) = other.pull(NOON)
    assert standing.opening == chosen
    assert seats(world, chosen) == left - 1

    # She reads the answer on a phone without scripts.
    context = phone(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/en/my-request/")
    page.fill("#f-code", asked)
    page.click("#look-form button")
    for said in ("You have an appointment", "Monday, December 7", "3:00 PM", "Corona"):
        assert said in page.inner_text("main")
    context.close()

    # For a third there is no place this week. The waiting list carries him over it.
    context = phone(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/en/request/")
    fill_in(page, "Jean")
    page.click("#request-form button[type=submit]")
    page.click("button[value=send]")
    third = codes.parse(page.inner_text("[data-fill=code]"))
    next_week = NOON + WEEK
    served.clock.now = next_week
    keyring.save(tmp_path / "d", keyring.lock(world.device))
    device = upload.top_up(world.store, tmp_path / "d", world.device, world.city, next_week)
    jean = next(it for it in world.desk(device).pull(next_week) if it.request.name == "Jean")
    world.desk(device).wait(jean, next_week)
    served.clock.now = NOON + timedelta(days=13)
    sweep.run(world.store, world.city, served.clock.now)  # his first week is destroyed
    page.goto(f"{served.url}/en/my-request/")
    page.fill("#f-code", third)
    page.click("#look-form button")
    assert "Look again on Saturday, December 5" in page.inner_text("main")
    carried = {it.request.name: it for it in world.desk(device).pull(served.clock.now)}
    assert carried["Jean"].envelope.born == Epoch(2026, 47)
    assert carried["Jean"].envelope.epoch == Epoch(2026, 48)
    context.close()
