import json
from dataclasses import replace
from inspect import signature

import pytest

from quietdesk import hpke
from quietdesk.errors import BadKeyring, CannotOpen, WrongPassphrase
from quietdesk.hpke import Kid
from quietdesk.signed import Trust
from quietdesk.staff.device import keyring
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.world import CHEAP, PASSPHRASE

TRUST = Trust((b"custodian",), 1, "demo")
WEEKS = [Epoch(2026, 47).plus(n) for n in range(3)]


@pytest.fixture(scope="module")
def device():
    return keyring.new("device", TRUST, PASSPHRASE, CHEAP).topped_up(WEEKS)


def test_keyring_is_unlocked_as_it_was_locked(device):
    again = keyring.unlock(keyring.lock(device), PASSPHRASE)

    assert again == device
    assert again.trust == TRUST


def test_wrong_passphrase_does_not_unlock(device):
    with pytest.raises(WrongPassphrase):
        keyring.unlock(keyring.lock(device), PASSPHRASE + "!")


def test_nothing_private_is_in_the_file(device):
    data = keyring.lock(device)

    for private in (device.signing_key, device.box_key, *device.wrap_seeds.values()):
        for form in (private, private.hex().encode(), b64(private).encode()):
            assert form not in data


def test_no_two_boxes_share_a_nonce_and_no_two_keyrings_a_key(device):
    boxes = [box for _ in range(2) for box in json.loads(keyring.lock(device))["boxes"].values()]
    nonces = {unb64(box)[:12] for box in boxes}
    same_words = keyring.new("device", TRUST, PASSPHRASE, CHEAP)

    assert len(nonces) == len(boxes)
    assert same_words.salt != device.salt
    assert same_words.box_key != device.box_key


def test_forgetting_needs_no_passphrase_and_deletes_ended_weeks_only(device):
    data = keyring.forget(keyring.lock(device), lambda epoch: epoch < Epoch(2026, 48))

    assert keyring.epochs(data) == [Epoch(2026, 48), Epoch(2026, 49)]
    assert set(keyring.unlock(data, PASSPHRASE).wrap_seeds) == {Epoch(2026, 48), Epoch(2026, 49)}


def test_box_of_one_week_does_not_pass_for_another(device):
    doc = json.loads(keyring.lock(device))
    boxes = doc["boxes"]
    boxes["2026-W47"], boxes["2026-W48"] = boxes["2026-W48"], boxes["2026-W47"]

    with pytest.raises(WrongPassphrase):
        keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)


def test_keyring_does_not_pass_for_one_of_another_deployment(device):
    doc = json.loads(keyring.lock(device)) | {"deployment": "city"}

    with pytest.raises(WrongPassphrase):
        keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"boxes": {}}, {"boxes": None}, {"argon2id": {}}, {"kind": 5}],
)
def test_damaged_keyring_is_refused(device, change):
    doc = json.loads(keyring.lock(device)) | change

    with pytest.raises(BadKeyring):
        keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)


def test_file_that_asks_for_all_the_memory_there_is_is_refused(device):
    doc = json.loads(keyring.lock(device))
    doc["argon2id"]["memory_kib"] = 2**31

    with pytest.raises(BadKeyring):
        keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)


def test_topping_up_keeps_the_keys_there_are(device):
    more = device.topped_up([*WEEKS, Epoch(2026, 50)])

    assert more.wrap_seeds.items() > device.wrap_seeds.items()


def test_wrap_opens_for_its_device_key_and_week_only(device):
    kid = Kid("main", "visit", Epoch(2026, 47), "7f3a91c2")
    wrap_key = hpke.public_key(device.wrap_seeds[kid.epoch])
    wrap = hpke.seal_to(wrap_key, keyring.wrap_info(kid, device.id), bytes(32))

    assert len(wrap) == 1168
    assert device.unwrap(kid, wrap) == bytes(32)
    for other in ({"nonce": "7f3a91c0"}, {"epoch": Epoch(2026, 48)}, {"epoch": Epoch(2026, 40)}):
        with pytest.raises(CannotOpen):
            device.unwrap(replace(kid, **other), wrap)


def test_file_is_written_whole_and_for_its_owner_only(device, tmp_path):
    path = tmp_path / "new folder" / "device.keyring"

    keyring.save(path, b"one")
    keyring.save(path, b"two")

    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_fingerprint_is_twelve_words(device):
    words = keyring.fingerprint(device.public_key).split()

    assert len(words) == 12
    assert words == keyring.fingerprint(device.public_key).split()


def test_two_devices_have_no_word_in_common_but_by_chance(device):
    """They are read out by telephone: who hears the same twelve must mean the same key."""
    there = {keyring.fingerprint(bytes([n])) for n in range(200)}

    assert len(there) == 200
    assert {len({words.split()[at] for words in there}) > 150 for at in range(12)} == {True}


def test_a_keyring_does_not_show_in_a_log_line(device):
    assert repr(device) == "<Keyring>"


def test_the_cost_in_use_is_256_mib():
    assert keyring.COST.memory_kib == 256 * 1024
    assert keyring.COST.iterations >= 3
    assert signature(keyring.new).parameters["cost"].default == keyring.COST
