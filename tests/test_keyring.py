import errno
import fcntl
import json
import os
import re
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from inspect import signature
from unicodedata import normalize

import pytest

from quietdesk import hpke
from quietdesk.errors import (
    BadKeyring,
    CannotOpen,
    DamagedInside,
    KeyringBusy,
    KeyringChanged,
    NotSaved,
    WrongPassphrase,
)
from quietdesk.hpke import Kid
from quietdesk.signed import Trust
from quietdesk.staff.device import keyring, safefile
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.world import CHEAP, PASSPHRASE, ROOT

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


@pytest.mark.parametrize("made", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("words", ["contraseña del mostrador", "한국어 비밀번호 여러 단어"])
def test_passphrase_unlocks_however_a_keyboard_writes_its_letters(made, typed, words):
    file = keyring.lock(keyring.new("device", TRUST, normalize(made, words), CHEAP))

    assert keyring.unlock(file, normalize(typed, words)).trust == TRUST
    with pytest.raises(WrongPassphrase):
        keyring.unlock(file, words[:-1])


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

    opened = keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)

    assert set(opened.wrap_seeds) == {Epoch(2026, 49)}


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


DAMAGE = {
    "an illegal letter": lambda it: it["boxes"].update(main="*" + it["boxes"]["main"][1:]),
    "an empty main": lambda it: it["boxes"].update(main=""),
    "a main that is too short": lambda it: it["boxes"].update(main=it["boxes"]["main"][:36]),
    "no text in main": lambda it: it["boxes"].update(main=7),
    "no salt": lambda it: it["argon2id"].pop("salt"),
    "a short salt": lambda it: it["argon2id"].update(salt="AAAA"),
    "no lanes": lambda it: it["argon2id"].pop("lanes"),
    "no pass": lambda it: it["argon2id"].update(iterations=0),
    "too little memory": lambda it: it["argon2id"].update(memory_kib=1),
    "all the memory": lambda it: it["argon2id"].update(memory_kib=2**31),
    "memory without end": lambda it: it["argon2id"].update(memory_kib=float("inf")),
    "no argon2id": lambda it: it.pop("argon2id"),
    "an odd week": lambda it: it["boxes"].update({"2026-W5O": it["boxes"]["main"]}),
    "a week that is none": lambda it: it["boxes"].update({"2026-W54": it["boxes"]["main"]}),
    "a week without an end": lambda it: it["boxes"].update({"9999-W52": it["boxes"]["main"]}),
}


def damaged(locked, how):
    doc = json.loads(locked)
    DAMAGE[how](doc)
    return json.dumps(doc).encode()


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_seen_without_the_passphrase(device, how):
    file = damaged(keyring.lock(device), how)

    with pytest.raises(BadKeyring):
        keyring.check(file)
    for passphrase in (PASSPHRASE, "another"):
        with pytest.raises(BadKeyring):
            keyring.unlock(file, passphrase)


def test_damage_that_only_the_passphrase_shows_has_a_way_out_of_its_own(device):
    """A week opens with it, and what is beside the weeks does not."""
    doc = json.loads(keyring.lock(device))
    doc["boxes"]["main"] = doc["boxes"]["2026-W47"]
    file = json.dumps(doc).encode()

    keyring.check(file)
    with pytest.raises(DamagedInside, match="damaged") as said:
        keyring.unlock(file, PASSPHRASE)
    assert "move it away" in said.value.next
    with pytest.raises(WrongPassphrase) as said:
        keyring.unlock(file, "another")
    assert "move it away" in said.value.next


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no folders that can be synced")
def test_file_and_then_its_name_are_on_the_disk_before_anybody_goes_on(tmp_path, monkeypatch):
    """What is uploaded next must not name keys that a power cut takes."""
    path, done = tmp_path / "device.keyring", []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(*names):
        done.append("name")
        rename(*names)

    monkeypatch.setattr(safefile.os, "fsync", synced)
    monkeypatch.setattr(safefile.os, "replace", renamed)
    keyring.save(path, b"one")

    assert done == ["file", "name", "folder"]


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


# --- The one door of the file --------------------------------------------------------------------


@pytest.fixture
def path(device, tmp_path):
    """A device's keyring on disk."""
    keyring.save(tmp_path / "device.keyring", keyring.lock(device))
    return tmp_path / "device.keyring"


def grown(*names):
    """A change that adds the keys of weeks to what the file holds."""

    def change(held):
        return keyring.lock(keyring.unlock(held, PASSPHRASE).topped_up(map(Epoch.parse, names)))

    return change


def test_change_is_given_what_another_wrote_meanwhile(path, monkeypatch):
    """Another process writes between the first look at the file and the lock."""
    locked = safefile._locked

    def meanwhile(it):
        monkeypatch.setattr(safefile, "_locked", locked)
        keyring.update(path, grown("2026-W51"))
        return locked(it)

    monkeypatch.setattr(safefile, "_locked", meanwhile)

    keyring.update(path, grown("2026-W52"))

    assert {Epoch(2026, 51), Epoch(2026, 52)} <= {*keyring.epochs(path.read_bytes())}


def test_changes_of_many_threads_are_all_kept(path):
    names = [f"2027-W{week:02d}" for week in range(1, 21)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: keyring.update(path, grown(name)), names))

    assert {Epoch.parse(name) for name in names} <= {*keyring.epochs(path.read_bytes())}


def test_two_names_of_one_file_have_one_lock(path, tmp_path):
    other = tmp_path / "elsewhere" / "same.keyring"
    other.parent.mkdir()
    other.symlink_to(path)

    keyring.update(other, grown("2026-W51"))

    assert other.is_symlink()
    assert Epoch(2026, 51) in keyring.epochs(path.read_bytes())
    assert {it.name for it in other.parent.iterdir()} == {"same.keyring"}


def test_giving_back_what_it_got_writes_nothing_and_needs_no_lock(path, monkeypatch):
    """A keyring on a medium that is read-only opens all the same."""
    monkeypatch.setattr(safefile, "_locked", lambda _: pytest.fail("locked"))

    before = path.stat().st_mtime_ns, path.read_bytes()

    assert keyring.update(path, lambda held: held) == before[1]
    assert keyring.update(path.with_name("none"), lambda held: held) is None
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert [it.name for it in path.parent.iterdir()] == [path.name]


def test_file_that_is_not_there_is_made_once(tmp_path):
    path = tmp_path / "var" / "device.keyring"

    made = [keyring.update(path, lambda held, n=n: held or b"%d" % n) for n in range(2)]

    assert made == [b"0", b"0"]
    assert {it.name: it.stat().st_mode & 0o777 for it in path.parent.iterdir()} == {
        "device.keyring": 0o600,
        "device.keyring.lock": 0o600,
    }


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_disk_that_is_full_leaves_the_old_file_whole_and_is_said(path, monkeypatch, call):
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        monkeypatch.setattr(os, "fdopen", full)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(NotSaved, match=r"device\.keyring: .*No space left"):
        keyring.update(path, grown("2026-W51"))

    assert path.read_bytes() == before
    assert not path.with_name("device.keyring.new").exists(), "keys in it would never be forgotten"


def test_what_a_killed_process_left_beside_the_file_is_deleted(path):
    left = path.with_name("device.keyring.new")
    left.write_bytes(path.read_bytes())

    keyring.update(path, lambda held: held)

    assert not left.exists()


def test_who_does_not_let_go_is_named_and_nothing_is_written(path, monkeypatch):
    monkeypatch.setattr(safefile, "LOCK_SECONDS", 0.0)
    before = path.read_bytes()

    with safefile._locked(path), ThreadPoolExecutor(1) as beside:
        with pytest.raises(KeyringBusy, match=r"device\.keyring"):
            beside.submit(keyring.update, path, grown("2026-W51")).result()

    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_folder_whose_files_cannot_be_locked_is_said(path, monkeypatch, number):
    """Some network drives."""

    def none(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)

    with pytest.raises(NotSaved, match="cannot be locked"):
        keyring.update(path, grown("2026-W51"))


def test_file_that_another_program_has_open_for_a_moment_is_waited_for(path, monkeypatch):
    """As Windows refuses it, to a scanner or a backup."""
    replace_, refused = os.replace, []

    def shared(*names):
        if len(refused) < 3:
            refused.append(error := PermissionError(errno.EACCES, "in use"))
            error.winerror = 32
            raise error
        replace_(*names)

    monkeypatch.setattr(os, "replace", shared)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    keyring.update(path, grown("2026-W51"))

    assert len(refused) == 3
    assert Epoch(2026, 51) in keyring.epochs(path.read_bytes())


def test_nothing_in_the_programme_writes_a_keyring_but_by_its_door():
    """Only the demo's list of custodians is written without looking: it is always the same."""
    sources = {it: it.read_text() for it in (ROOT / "functions/quietdesk").rglob("*.py")}
    found = [
        (path.name, line.strip())
        for path, text in sources.items()
        for line in text.splitlines()
        if re.search(r"\b(safefile|keyring)\.save\(", line)
    ]

    assert len(sources) > 80
    assert [name for name, _ in found] == ["demo.py"] and "custodians_path" in found[0][1]


# --- A file that was changed since it was unlocked -----------------------------------------------


def test_file_is_read_again_without_the_passphrase(device):
    more = device.topped_up([Epoch(2026, 50)])

    assert keyring.reread(keyring.lock(more), device) == more


@pytest.mark.parametrize(
    ("kind", "passphrase"), [("device", PASSPHRASE), ("custodian", PASSPHRASE)]
)
def test_another_keyring_in_its_place_is_said(device, kind, passphrase):
    other = keyring.new(kind, TRUST, passphrase, CHEAP)

    with pytest.raises(KeyringChanged):
        keyring.reread(keyring.lock(other), device)


def test_another_passphrase_is_said(device):
    other = keyring.new("device", TRUST, PASSPHRASE, CHEAP)
    again = replace(device, salt=other.salt, box_key=other.box_key)
    same_salt = replace(device, box_key=other.box_key)

    for changed in (again, same_salt):
        with pytest.raises(KeyringChanged):
            keyring.reread(keyring.lock(changed), device)


@pytest.mark.parametrize("how", ["changed", "an illegal letter", "empty", "no text"])
def test_damaged_box_costs_its_own_week_and_no_other(device, how):
    doc = json.loads(keyring.lock(device))
    box = doc["boxes"]["2026-W48"]
    bad = {"changed": box[::-1], "an illegal letter": "*" + box[1:], "empty": "", "no text": None}
    doc["boxes"]["2026-W48"] = bad[how]

    opened = keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)

    assert set(opened.wrap_seeds) == {Epoch(2026, 47), Epoch(2026, 49)}
