"""Signing in to the cloud from the desk's pages."""

import pytest

from quietdesk.errors import (
    BadSetting,
    StoreRefused,
    StoreUnavailable,
)
from quietdesk.staff.console.server import Console
from quietdesk.staff.device import keyring
from quietdesk.staff.device.signin import Code
from tests.console.staff import Failing, Staff

# --- Signing in to the cloud ---------------------------------------------------------------------


class Signing:
    """A sign-in that goes on as a test tells it."""

    def __init__(self):
        self.running, self.code, self.error, self.stopped = True, None, None, False

    def stop(self):
        self.stopped = True


@pytest.fixture
def signing(world, tmp_path, clock):
    """A desk whose store is in the cloud, and the sign-ins that it began."""
    begun = []
    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    failing = Failing(world.store, "", StoreRefused("no"))
    console = Console(
        failing,
        world.city,
        path,
        lambda passphrase: keyring.unlock(path.read_bytes(), passphrase),
        clock,
        begin_sign_in=lambda: begun.append(Signing()) or begun[-1],
    )
    yield Staff(console), begun, failing
    console.close()
    assert all(it.stopped or not it.running for it in begun[-1:])


def test_locked_desk_signs_in_with_a_code_in_the_browser(signing):
    staff, begun, _ = signing
    assert "Sign in to the cloud" in staff.get().text

    first = staff.post("/sign-in")
    assert "One moment" in first.text and "refresh" in first.body
    begun[0].code = Code("https://city.example/device?user_code=ABCD-EFGH", "ABCD-EFGH")
    shown = staff.get("/sign-in")
    again = staff.post("/sign-in")
    begun[0].running = False
    done = staff.get("/sign-in")

    assert 'href="https://city.example/device?user_code=ABCD-EFGH" target="_blank"' in shown.body
    assert "only if it shows the same code as here. https" in shown.text
    assert "ABCD-EFGH" in again.text and len(begun) == 1
    assert "You are signed in." in done.text and "refresh" not in done.body
    assert staff.console.locked


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StoreRefused("denied"), "Nobody confirmed the code in time, or it was denied."),
        (BadSetting("no portal"), "A setting of this computer is not right."),
        (StoreUnavailable("down"), "does not answer"),
    ],
)
def test_sign_in_that_did_not_succeed_is_said_and_can_be_tried_again(signing, error, text):
    staff, begun, _ = signing
    staff.post("/sign-in")
    begun[0].running, begun[0].error = False, error

    assert text in staff.get("/sign-in").text
    staff.post("/sign-in")
    assert len(begun) == 2


def test_who_is_not_signed_in_any_more_finds_the_button_where_it_is_said(signing):
    staff, _, failing = signing
    failing.__dict__["method"] = "pull"

    refused = staff.unlock()

    assert "does not accept your sign-in" in refused.text
    assert f'action="{staff.base}/sign-in"' in refused.body


def test_desk_on_one_machine_has_nobody_to_sign_in(staff):
    assert "Sign in to the cloud" not in staff.get().text
    assert staff.post("/sign-in").status == 404
    assert "Passphrase" in staff.get("/sign-in").text


def test_only_a_page_of_ours_begins_a_sign_in(signing):
    staff, begun, _ = signing

    assert staff.ask("POST", "/sign-in", origin="http://evil.example").status == 403
    assert staff.ask("POST", "/sign-in", origin="").status == 403
    assert begun == []
