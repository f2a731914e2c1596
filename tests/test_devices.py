"""Which staff computers are admitted, and that nothing is believed by the digits that name one."""

import json
from datetime import date

import pytest

from quietdesk import devices, openings, signed
from quietdesk.devices import Device, Devices, Removed
from quietdesk.errors import BadSignature, NoUpload, SameLabel
from quietdesk.openings import Listing, Opening
from quietdesk.signed import signed_document
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.wire import b64, unb64
from tests.world import NOON, WEEK, another_device, make_custodian, make_world

TODAY = NOON.date()
VISIT = Opening(date(2026, 12, 3), "09:30", "corona")


@pytest.fixture
def world(tmp_path, custodian):
    made = make_world(tmp_path, custodian=custodian)
    yield made
    made.store.close()


def listed(world):
    """The list of devices as custodians signed it."""
    return world.store.read("devices")[0]


def read(world):
    return devices.read(listed(world), world.trust)


def signed_by(keys, document, kind="devices"):
    body = json.dumps(document).encode()
    return signed_document(body, [keys.sign(kind, body)])


def put(world, document):
    """The document as custodians sign it, in the place of the list."""
    held = world.store.read("devices")
    raw = signed_by(world.custodian, document)
    world.store.publish("devices", raw, held[1] if held else 0)
    return raw


def first_version(world, *labels, **more):
    """The list as it was signed before: labels in the place of keys."""
    return put(world, {"v": 1, "deployment": "demo", "devices": list(labels)} | more)


def times(device, names=None):
    """A list of openings that the device signed, and which key it says that it is by."""
    listing = Listing("", True, {VISIT: 4})
    spki = (names or device).public_key
    body = openings.listing_body(listing, "main", "demo", spki, 1, TODAY)
    return signed_document(body, [device.sign("openings", body)])


def believed(world, raw):
    return openings.verify_listing(raw, listed(world), world.trust, "main", "")


def uploaded(world):
    """Another device, which has uploaded its keys."""
    made = another_device(world)
    upload.upload_wrap_keys(world.store, made, world.city, NOON)
    return made


def admit(world, device, now=NOON):
    key = device.public_key
    return ceremony.admit(world.store, world.city, world.trust, [world.custodian], key, now)


def mint(world, count=6, now=NOON):
    return ceremony.mint(world.store, world.city, world.trust, [world.custodian], count, now)


# --- The list ------------------------------------------------------------------------------------


def test_admitted_devices_are_those_that_custodians_signed_with_whole_keys(world):
    key = world.device.public_key

    assert read(world) == Devices((Device(key, "scheduler", TODAY),), (), (), 1, TODAY)
    assert read(world).ids == (world.device.id,)
    body = json.loads(unb64(json.loads(listed(world))["body"]))
    row = {"spki": b64(key), "role": "scheduler", "admitted": TODAY.isoformat()}
    assert (body["v"], body["devices"], body["removed"]) == (2, [row], [])
    assert devices.read(None, world.trust) == Devices()


def test_list_says_what_was_written_into_it(world):
    keys = [another_device(world).public_key for _ in range(3)]
    there = [Device(keys[0], "counter", TODAY), Device(keys[1], "scheduler", date(2026, 1, 2))]
    gone = [Removed(keys[2], date(2026, 12, 1))]
    body = devices.body(there, gone, "demo", 7, TODAY)

    raw = signed_document(body, [world.custodian.sign("devices", body)])

    assert devices.read(raw, world.trust) == Devices(tuple(there), tuple(gone), (), 7, TODAY)


def test_list_of_the_first_version_is_read(world):
    first_version(world, world.device.id, number=3, day="2026-11-17")

    assert read(world) == Devices((), (), (world.device.id,), 3, date(2026, 11, 17))


def test_device_cannot_admit_itself(world):
    stranger = another_device(world)
    itself = [Device(stranger.public_key, "counter", TODAY)]
    for document in (
        {"v": 1, "deployment": "demo", "devices": [stranger.id]},
        json.loads(devices.body(itself, [], "demo", 2, TODAY)),
    ):
        with pytest.raises(BadSignature):
            devices.read(signed_by(stranger, document), world.trust)


def test_devices_of_other_custodians_or_of_another_deployment_are_refused(world):
    for version in (1, 2):
        document = {"v": version, "deployment": "demo", "devices": [], "removed": []}
        assert devices.read(signed_by(world.custodian, document), world.trust) == Devices()
        elsewhere = signed_by(world.custodian, document | {"deployment": "chicago"})
        for raw in (signed_by(make_custodian(), document), elsewhere):
            with pytest.raises(BadSignature):
                devices.read(raw, world.trust)


@pytest.mark.parametrize("document", [[], 7, None, {}, {"deployment": "demo"}, {"devices": []}])
def test_devices_of_another_shape_are_refused(world, document):
    with pytest.raises(BadSignature):
        devices.read(signed_by(world.custodian, document), world.trust)


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 0}, {"v": 3}, {"v": True}, {"v": "2"}, {"removed": None},
        {"devices": [{"spki": "AAAA", "role": "scheduler"}]},
        {"devices": [{"spki": "AAAA", "role": "director", "admitted": "2026-11-18"}]},
        {"devices": [{"spki": "?", "role": "scheduler", "admitted": "2026-11-18"}]},
        {"devices": [{"spki": "AAAA", "role": "scheduler", "admitted": "20261118"}]},
        {"devices": [{"spki": "AAAA", "role": "scheduler", "admitted": "2026-11-18"}] * 2},
        {"devices": [{"spki": "AAAA", "role": "scheduler", "admitted": "2026-11-18"}],
         "removed": [{"spki": "AAAA", "day": "2026-11-18"}]},
    ],
)  # fmt: skip
def test_list_that_does_not_say_all_it_must_is_refused(world, changed):
    good = {"v": 2, "deployment": "demo", "devices": [], "removed": []}
    assert devices.read(signed_by(world.custodian, good), world.trust) == Devices()

    with pytest.raises(BadSignature):
        devices.read(signed_by(world.custodian, good | changed), world.trust)


# --- Whose word counts ---------------------------------------------------------------------------


def test_list_of_times_is_believed_by_the_key_that_signed_it_not_by_the_one_it_names(world):
    stranger, second = another_device(world), uploaded(world)
    admit(world, second)

    assert believed(world, times(world.device)).seats == {VISIT: 4}
    assert believed(world, times(second, names=stranger)).seats == {VISIT: 4}
    for raw in (times(stranger), times(stranger, names=second)):
        with pytest.raises(BadSignature):
            believed(world, raw)


@pytest.fixture
def one_label(world, monkeypatch):
    """As if somebody had found further keys for the digits of a device: every key but the
    custodian's has the same ones."""
    real, custodian = signed.key_id, world.custodian.public_key

    def same(spki):
        return real(spki) if spki == custodian else bytes(8)

    for module in (signed, devices, keyring, upload, ceremony):
        monkeypatch.setattr(module, "key_id", same)


def test_second_key_with_the_digits_of_a_device_publishes_no_times(world, one_label):
    stranger = another_device(world)
    assert stranger.id == world.device.id

    assert believed(world, times(world.device))
    for raw in (times(stranger), times(stranger, names=world.device)):
        with pytest.raises(BadSignature):
            believed(world, raw)


def test_second_key_with_the_digits_of_a_device_gets_no_half_of_a_key(world, one_label):
    upload.upload_wrap_keys(world.store, world.device, world.city, NOON)
    stranger = uploaded(world)  # in the very place of the other's keys

    with pytest.raises(NoUpload):
        upload.of(world.store, world.device.public_key, world.trust)
    became = mint(world, 6)

    assert became.minted == ()
    assert {(it.device, it.why) for it in became.left_out if it.epoch in became.refused} == {
        (stranger.id, "unverified")
    }


def test_second_key_with_the_digits_of_a_device_is_not_admitted_beside_it(world, one_label):
    stranger = uploaded(world)

    with pytest.raises(SameLabel):
        admit(world, stranger)

    assert [it.spki for it in read(world).admitted] == [world.device.public_key]


def test_what_custodians_compared_is_admitted_whatever_lies_under_those_digits_by_then(
    world, one_label
):
    """Words are read out, and meanwhile somebody puts another upload in that place."""
    compared = another_device(world)
    uploaded(world)

    with pytest.raises(NoUpload):
        admit(world, compared)


# --- From the first version to this one ----------------------------------------------------------


def test_minting_writes_whole_keys_where_only_labels_were_signed(world):
    first_version(world, world.device.id, number=4, day="2026-11-17")
    assert believed(world, times(world.device))

    assert mint(world, 6).left_out == ()

    (device,) = read(world).admitted
    assert device == Device(world.device.public_key, "scheduler", date(2026, 11, 17))
    assert (read(world).number, read(world).labels) == (5, ())
    assert believed(world, times(world.device))


def test_list_with_labels_stays_while_one_of_them_is_nobodys_that_can_be_known(world):
    """Else its lists of times would be believed no more, and nobody had decided that."""
    lost = another_device(world)
    first_version(world, world.device.id, lost.id)

    became = mint(world, 6)

    assert {(it.device, it.admitted, it.why) for it in became.left_out} == {
        (lost.id, None, "no_upload"), (lost.id, None, "none"),
    }  # fmt: skip
    assert set(read(world).labels) == {world.device.id, lost.id}


def test_admitting_says_whom_the_list_of_before_had_and_this_one_has_not(world):
    lost, new = another_device(world), uploaded(world)
    first_version(world, world.device.id, lost.id)

    assert admit(world, new) == (lost.id,)

    assert read(world).ids == tuple(sorted((world.device.id, new.id)))


def test_device_that_is_admitted_again_stays_what_it_was(world):
    admit(world, world.device, NOON + WEEK)

    assert read(world).admitted == (Device(world.device.public_key, "scheduler", TODAY),)
    assert (read(world).number, read(world).signed_on) == (2, (NOON + WEEK).date())


def test_device_that_was_removed_is_admitted_anew(world):
    back = uploaded(world)
    row = {"spki": b64(back.public_key), "day": "2026-11-18"}
    says = json.loads(unb64(json.loads(listed(world))["body"])) | {"removed": [row]}
    put(world, says)
    assert [it.spki for it in read(world).removed] == [back.public_key]

    admit(world, back, NOON + WEEK)

    assert read(world).removed == ()
    assert read(world).admitted[-1] == Device(back.public_key, "scheduler", (NOON + WEEK).date())


def test_who_was_removed_stays_on_record_when_others_are_admitted(world):
    gone = another_device(world)
    row = {"spki": b64(gone.public_key), "day": "2026-11-16"}
    says = json.loads(unb64(json.loads(listed(world))["body"])) | {"removed": [row]}
    put(world, says)

    admit(world, uploaded(world))

    assert read(world).removed == (Removed(gone.public_key, date(2026, 11, 16)),)
