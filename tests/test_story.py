"""The whole of Quietdesk in one story. Read this first.

Two people ask for an appointment, one phone with scripts and one without. Staff read both. One
visit is dealt with; then weeks pass, and the other request can never be read again. The same on one
machine's SQLite, and under Lambda's own client on an emulator of DynamoDB.
"""

import shutil
from datetime import timedelta

import boto3
import pytest

from quietdesk import codes, sweep, weeks
from quietdesk.errors import CannotOpen, KeyDestroyed
from quietdesk.staff.commands import naming
from quietdesk.staff.device import keyring
from quietdesk.staff.device.opener import Opener
from quietdesk.store import open_store
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.weeks import Epoch
from tests.world import NOON, PASSPHRASE, WEEK

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2}


def phone(browser, now=NOON, **more):
    """A phone whose clock says `now`."""
    context = browser.new_context(**PHONE, **more)
    context.clock.install(time=now)
    return context


def fill_in(page, name):
    """What both residents tick and write; only the name differs."""
    page.check("input[name=centers][value=corona]")
    page.check("input[name=windows][value=sat-am]")
    page.check("input[name=windows][value=mon-eve]")
    page.fill("input[name=people]", "2")
    page.fill("input[name=children]", "1")
    page.check("input[name=visit_type][value=new]")
    page.check("input[name=language][value=bn]")
    page.check("input[name=access][value=step_free]")
    page.fill("input[name=name]", name)


def send(page):
    """Reads the answers, sends them, and waits for the code."""
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")


def copied(world, folder):
    """A copy of the whole store, as a backup or a thief would have it."""
    if world.spec.startswith("sqlite:"):
        world.store.checkpoint()
        shutil.copy(world.spec.removeprefix("sqlite:"), folder / "old.db")
        return open_store(f"sqlite:{folder / 'old.db'}")
    client = boto3.client("dynamodb")
    prefix = world.spec.removeprefix("dynamodb:")
    for table in create_tables("old" + prefix):
        for page in client.get_paginator("scan").paginate(TableName=table.removeprefix("old")):
            for item in page["Items"]:
                client.put_item(TableName=table, Item=item)
    client.close()
    return open_store("dynamodb:old" + prefix)


@pytest.mark.parametrize(
    ("store_spec", "served"),
    [("sqlite", ""), ("ministack", "lambda")],
    indirect=True,
)
def test_story(world, served, browser, tmp_path):
    # A resident reads the Spanish pages and asks, with a name in Bengali.
    context = phone(browser)
    page = context.new_page()
    page.goto(f"{served.url}/es/")
    page.click("main a[href*=request] >> nth=0")
    fill_in(page, "রহিমা")
    page.click("#request-form button[type=submit]")
    page.wait_for_selector("#review dl")
    read_back = page.inner_text("#review")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")
    code = codes.parse(page.inner_text("#done [data-fill=code]"))

    assert "রহিমা" in read_back
    assert "sábado" in read_back.lower()
    assert "28 de noviembre" in page.inner_text("#done")

    # Nothing of it stays behind in the browser.
    assert page.url == f"{served.url}/es/request/"
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    assert page.evaluate("history.state") is None
    assert page.input_value("input[name=name]") == ""
    context.close()

    # Another has an old phone, without scripts.
    context = phone(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/es/request/")
    fill_in(page, "陈美玲")
    page.click("#request-form button[type=submit]")
    assert "陈美玲" in page.inner_text("main")
    page.click("button[value=send]")
    plain_code = codes.parse(page.inner_text("[data-fill=code]"))
    assert plain_code != code
    context.close()

    # Staff pull the queue and read both on their own computer.
    opened = {item.request.name: item for item in world.desk().pull(NOON)}
    assert set(opened) == {"রহিমা", "陈美玲"}
    for item in opened.values():
        assert item.request.centers == ("corona",)
        assert item.request.windows == ("mon-eve", "sat-am")
        assert (item.request.people, item.request.children) == (2, 1)
        assert (item.request.reach, item.request.phone) == ((), "")
    assert opened["রহিমা"].envelope.id == codes.derive(code, "demo").id
    assert [opened[name].envelope.lane for name in ("রহিমা", "陈美玲")] == ["P", "N"]

    # One is dealt with, and gone.
    (dealt_with,) = naming.find(world.store, world.city, [opened["রহিমা"].id[:8]], NOON)
    world.store.erase(dealt_with)
    (left,) = world.desk().pull(NOON)
    assert left.request.name == "陈美玲"

    # Somebody keeps a copy of the store and of the locked keyring.
    restored = copied(world, tmp_path)
    old_keyring = keyring.lock(world.device)

    # Weeks pass. The timer sweeps; the staff computer forgets.
    served.clock.now = NOON + 3 * WEEK
    lines = sweep.run(world.store, world.city, served.clock.now)
    forgotten = keyring.forget(
        old_keyring,
        lambda epoch: weeks.over(epoch, served.clock.now, world.city.zone, world.city.serve_days),
    )
    device = keyring.unlock(forgotten, PASSPHRASE)
    assert [(line.kind, str(*line.epochs)) for line in lines] == [
        ("keys", "2026-W47"),
        ("keys", "2026-W48"),
        ("rows", "2026-W47"),
        ("rows", "2026-W48"),
    ]

    # Nothing waits any more; and both sides together cannot open what they kept in hand.
    assert list(world.desk(device).pull(served.clock.now)) == []
    for ring in (device, world.device):
        with pytest.raises(KeyDestroyed):
            world.desk(ring).open(left.envelope)

    # Nor does last week's store, restored beside today's keyring, help.
    (sealed,) = restored.pull("main", [Epoch(2026, 47)], NOON)
    with pytest.raises(CannotOpen):
        Opener(restored, world.city, world.trust, device).open(sealed)

    # What old copies of both halves and the passphrase can still do is said in the README.
    old = Opener(restored, world.city, world.trust, world.device).open(sealed)
    assert old.request.name == "陈美玲"
    restored.close()


def test_the_form_closes_when_the_key_is_not_the_custodians(world, served, browser):
    """A server that hands out a key of its own gets nothing to read: the page seals nothing."""
    context = phone(browser)
    page = context.new_page()
    forged = world.raw_bundle(world.bundle().epoch).replace(b'"sig":"', b'"sig":"A')
    page.route("**/api/keys/**", lambda route: route.fulfill(body=forged.decode()))
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(f"{served.url}/en/request/")
    page.wait_for_selector("#message:not([hidden])")

    assert "311" in page.inner_text("#message")
    assert not page.is_visible("#request-form button[type=submit]")
    assert "POST" not in sent
    context.close()


def test_what_was_typed_stays_when_the_store_does_not_answer_and_the_retry_is_stored_once(
    world, served, browser
):
    context = phone(browser)
    page = context.new_page()
    bodies = []

    def unavailable(route):
        bodies.append(route.request.post_data)
        if len(bodies) == 1:
            route.fulfill(status=503, body='{"error":"unavailable","phone":"311"}')
        else:
            route.continue_()

    page.route("**/api/requests", unavailable)
    page.goto(f"{served.url}/en/request/")
    fill_in(page, "Ana")
    page.click("#request-form button[type=submit]")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#message:not([hidden])")
    assert "311" in page.inner_text("#message")
    assert "Ana" in page.inner_text("#review")
    page.click("#review [data-do=send]")
    page.wait_for_selector("#done [data-fill=code]")

    assert bodies[0] == bodies[1]
    assert [item.request.name for item in world.desk().pull(NOON)] == ["Ana"]
    context.close()


def test_code_is_written_large_and_in_groups_and_can_be_copied(served, browser):
    context = phone(browser, permissions=["clipboard-write"])
    page = context.new_page()
    page.goto(f"{served.url}/en/request/")
    fill_in(page, "Ana")
    send(page)

    shown = page.inner_text("#done [data-fill=code]")
    size = page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('#done [data-fill=code]')).fontSize)"
    )
    assert len(shown.split()) == 4
    assert size >= 24

    page.click("#done [data-do=copy]")
    elsewhere = context.new_page()
    elsewhere.set_content("<textarea></textarea>")
    elsewhere.focus("textarea")
    elsewhere.keyboard.press("Control+V")
    assert elsewhere.input_value("textarea") == codes.parse(shown)

    page.click("#done [data-do=clear]")
    for group in shown.split():
        assert group not in page.content()
    context.close()


def test_clock_of_the_phone_may_be_a_day_off(served, browser):
    context = phone(browser, now=NOON + timedelta(days=1, hours=1))
    page = context.new_page()
    page.goto(f"{served.url}/en/request/")
    fill_in(page, "Ana")
    send(page)
    context.close()
