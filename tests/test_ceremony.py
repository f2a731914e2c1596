import json
from datetime import UTC, date, datetime

import pytest

from quietdesk import bundles, openings, weeks
from quietdesk.errors import BadSignature, NotAdmitted, StoreUnavailable
from quietdesk.openings import Devices
from quietdesk.signed import read_signed, signed_document
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK, another_device, with_threshold


def admit(world, device, now=NOON):
    ceremony.admit(world.store, world.city, world.trust, [world.custodian], device, now)


def test_minting_makes_the_weeks_that_have_no_keys_yet(world):
    minted = ceremony.mint(world.store, world.city, world.trust, [world.custodian], 6, NOON)

    assert minted == [Epoch(2026, 51), Epoch(2026, 52)]
    assert ceremony.weeks_ahead(world.store, world.city, NOON) == 6
    assert ceremony.weeks_ahead(world.store, world.city, NOON + 2 * WEEK) == 4


def test_every_weeks_keys_are_independent(world):
    seen = set()
    for week in range(4):
        bundle = world.bundle(NOON + week * WEEK)
        seen |= {pk for _, pk in bundle.keys.values()}

    assert len(seen) == 8


def test_no_two_halves_are_alike(world):
    """A half that could be known from another would be no half."""
    halves = []
    for week in range(4):
        bundle = world.bundle(NOON + week * WEEK)
        for kid, _ in bundle.keys.values():
            wrap = world.store.wrap(kid, world.device.id)
            halves.append(world.device.unwrap(kid, wrap))
            halves.append(world.store.server_half(kid))

    assert len(set(halves)) == len(halves) == 16


def test_device_admitted_later_opens_weeks_minted_later_only(world):
    late = another_device(world)
    upload.upload_wrap_keys(world.store, late, world.city, NOON)
    admit(world, late.id)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON)

    earlier = world.bundle(NOON).keys["visit"][0]
    later = world.bundle(NOON + 4 * WEEK).keys["visit"][0]

    assert world.store.wrap(later, late.id)
    with pytest.raises(keyring.CannotOpen):
        world.store.wrap(earlier, late.id)


def test_device_without_an_upload_is_not_admitted(world):
    with pytest.raises(NotAdmitted, match="has not uploaded"):
        admit(world, another_device(world).id)


def test_upload_signed_by_another_device_is_refused(world):
    stranger, victim = another_device(world), another_device(world)
    body = victim.wrap_keys(1, NOON.date())
    forged = signed_document(body, [stranger.sign("wrap-keys", body)])
    world.store.publish(f"wrap-keys#{victim.id}", forged, 0)

    with pytest.raises(NotAdmitted, match="do not verify"):
        upload.offered(world.store, victim.id, world.trust)


def test_upload_under_another_devices_name_is_refused(world):
    stranger, victim = another_device(world), another_device(world)
    body = stranger.wrap_keys(1, NOON.date())
    forged = signed_document(body, [stranger.sign("wrap-keys", body)])
    world.store.publish(f"wrap-keys#{victim.id}", forged, 0)

    with pytest.raises(NotAdmitted, match="do not verify"):
        upload.offered(world.store, victim.id, world.trust)


def test_upload_for_another_deployment_is_refused(world):
    device = another_device(world)
    says = json.loads(device.wrap_keys(1, NOON.date())) | {"deployment": "elsewhere"}
    body = json.dumps(says).encode()
    document = signed_document(body, [device.sign("wrap-keys", body)])
    world.store.publish(f"wrap-keys#{device.id}", document, 0)

    with pytest.raises(NotAdmitted, match="do not verify"):
        ceremony.offered(world.store, device.id, world.trust)


def test_key_whose_halves_could_not_be_kept_is_never_published(world, monkeypatch):
    def full(*_):
        raise StoreUnavailable("full")

    monkeypatch.setattr(world.store, "put_keys", full)
    with pytest.raises(StoreUnavailable):
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 6, NOON)

    assert ceremony.weeks_ahead(world.store, world.city, NOON) == 4


def test_list_of_devices_that_custodians_did_not_sign_is_refused(world):
    held, seq = world.store.read("devices")
    outer = json.loads(held)
    body = json.loads(unb64(outer["body"])) | {"devices": ["0" * 16]}
    world.store.publish(
        "devices", json.dumps(outer | {"body": b64(json.dumps(body).encode())}).encode(), seq
    )

    with pytest.raises(BadSignature):
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 6, NOON)


def test_number_of_the_list_of_devices_grows_and_its_day_is_the_citys(world):
    upload.upload_wrap_keys(world.store, late := another_device(world), world.city, NOON)
    evening = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # the 19th in New York

    admit(world, late.id, evening)

    devices = openings.admitted_devices(world.store.read("devices")[0], world.trust)
    assert devices == Devices(tuple(sorted((world.device.id, late.id))), 2, date(2026, 11, 19))


def test_number_of_an_upload_grows(world):
    def uploaded():
        held = world.store.read(f"wrap-keys#{world.device.id}")[0]
        signers = [world.device.public_key]
        return read_signed(held, "wrap-keys", signers, 1, len, world.trust.deployment)

    first = uploaded()
    upload.upload_wrap_keys(world.store, world.device, world.city, NOON + WEEK)
    second = uploaded()
    world.store.publish(f"wrap-keys#{world.device.id}", b"junk", 2)
    upload.upload_wrap_keys(world.store, world.device, world.city, NOON + 2 * WEEK)

    days = [NOON.date() + n * WEEK for n in range(3)]
    assert [(it.number, it.signed_on) for it in (first, second, uploaded())] == [
        (1, days[0]), (2, days[1]), (1, days[2]),
    ]  # fmt: skip


def test_bundle_that_is_minted_has_number_1_and_its_day(world):
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON + WEEK)

    new = bundles.signed(world.raw_bundle(Epoch(2026, 52)), world.trust, "main")
    assert (new.number, new.signed_on) == (1, (NOON + WEEK).date())


def test_nothing_is_minted_without_enough_custodians(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    ceremony.admit(
        world.store, world.city, world.trust, [world.custodian, second], world.device.id, NOON
    )
    assert ceremony.devices(world.store, two) == [world.device.id], "that is not what is refused"

    with pytest.raises(BadSignature):
        ceremony.mint(world.store, world.city, two, [world.custodian], 6, NOON)

    assert ceremony.weeks_ahead(world.store, world.city, NOON) == 4
    assert world.store.destroy_keys("main", Epoch(2026, 51)) == [], "no half is left behind"


def test_nobody_is_admitted_without_enough_custodians(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    ceremony.admit(
        world.store, world.city, world.trust, [world.custodian, second], world.device.id, NOON
    )
    theirs = another_device(world)
    upload.upload_wrap_keys(world.store, theirs, world.city, NOON)

    with pytest.raises(BadSignature):
        ceremony.admit(world.store, world.city, two, [world.custodian], theirs.id, NOON)

    assert ceremony.devices(world.store, two) == [world.device.id]


def test_two_custodians_sign_where_two_are_needed(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    both = [world.custodian, second]

    ceremony.admit(world.store, world.city, world.trust, both, world.device.id, NOON)
    ceremony.mint(world.store, world.city, two, both, 5, NOON)

    raw = world.raw_bundle(Epoch(2026, 51))
    assert bundles.verify(raw, two, "main", NOON, Epoch(2026, 51))


def test_weeks_beyond_the_devices_keys_are_not_minted(world):
    with pytest.raises(NotAdmitted, match="2027-W05"):
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 20, NOON)


def test_device_in_use_never_runs_out_of_weeks(world, tmp_path):
    path, device = tmp_path / "device.keyring", world.device
    keyring.save(path, keyring.lock(device))
    later = NOON + 9 * WEEK

    device = upload.top_up(world.store, path, device, world.city, later)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 8, later)

    ahead = weeks.epoch_at(later, world.city.zone).plus(7)
    assert ahead in keyring.unlock(path.read_bytes(), PASSPHRASE).wrap_seeds
    kid = bundles.signed(world.store.read(f"bundle#main#{ahead}")[0], world.trust, "main").keys[
        "visit"
    ][0]
    assert len(device.unwrap(kid, world.store.wrap(kid, device.id))) == 32
