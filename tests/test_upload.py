"""This device's public wrap keys in the store: always those that the keyring's file holds."""

import errno
import os
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest

from quietdesk import hpke, weeks
from quietdesk.errors import (
    Conflict,
    KeyringChanged,
    NoKeyring,
    NotSaved,
    StoreUnavailable,
)
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.opener import Opened
from quietdesk.staff.work import Work
from quietdesk.store import open_store
from quietdesk.weeks import Epoch
from tests.killed import killed_at_each
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK, make_world

LATER = NOON + 3 * WEEK


@pytest.fixture
def path(world, tmp_path):
    """The device's keyring on disk."""
    keyring.save(tmp_path / "device.keyring", keyring.lock(world.device))
    return tmp_path / "device.keyring"


def unlocked(path):
    return keyring.unlock(path.read_bytes(), PASSPHRASE)


def top_up(world, path, device, now=LATER):
    return upload.top_up(world.store, path, device, world.city, now)


def uploaded(world):
    return upload.of(world.store, world.device.public_key, world.trust).keys


def lost(world, device, now=LATER):
    """The weeks that were made for the device, to keys that it does not have any more."""
    return world.opener(device).prove(now).lost


def of_the_file(path):
    seeds = unlocked(path).wrap_seeds
    return {epoch: hpke.public_key(seed) for epoch, seed in seeds.items()}


def mint(world, count, now=NOON):
    return ceremony.mint(world.store, world.city, world.trust, [world.custodian], count, now)


# --- Two processes of one computer ---------------------------------------------------------------


def test_two_unlockings_at_once_keep_one_key_for_each_week(world, path):
    """A double press on the passphrase, or `pull` that waits at its prompt beside the console."""
    first, second = unlocked(path), unlocked(path)

    made = top_up(world, path, first)
    found = top_up(world, path, second)

    assert made == found
    assert uploaded(world) == of_the_file(path)


@pytest.mark.parametrize("about_to", ["publish", "sign"])
def test_uploads_that_race_end_as_the_file_is(world, path, monkeypatch, about_to):
    """One process is about to publish when another adds a week, and publishes it."""
    first, second = unlocked(path), unlocked(path)
    owner, name = {"publish": (world.store, "publish"), "sign": (upload, "signed_document")}[
        about_to
    ]
    kept = getattr(owner, name)

    def meanwhile(*given):
        monkeypatch.setattr(owner, name, kept)
        top_up(world, path, second, LATER + WEEK)
        return kept(*given)

    monkeypatch.setattr(owner, name, meanwhile)

    full = top_up(world, path, first)

    assert uploaded(world) == of_the_file(path)
    assert {*upload.coming(world.city, LATER + WEEK)} <= full.wrap_seeds.keys()


def test_file_that_changes_while_the_upload_is_read_is_what_is_uploaded(world, path, monkeypatch):
    first, second, read = unlocked(path), unlocked(path), world.store.read

    def meanwhile(name):
        held = read(name)
        if name == f"wrap-keys#{world.device.id}":
            monkeypatch.setattr(world.store, "read", read)
            top_up(world, path, second, LATER + WEEK)
        return held

    monkeypatch.setattr(world.store, "read", meanwhile)

    top_up(world, path, first)

    assert uploaded(world) == of_the_file(path)


def test_who_always_comes_too_late_says_so(world, path, monkeypatch):
    def late(*_):
        raise Conflict("somebody else wrote first")

    monkeypatch.setattr(world.store, "publish", late)

    with pytest.raises(Conflict, match="again and again"):
        top_up(world, path, unlocked(path))


def test_what_another_process_forgot_does_not_come_back_from_memory(world, path):
    remembers = unlocked(path)
    ended = {Epoch(2026, 47), Epoch(2026, 48)}
    keyring.forget_ended(path, world.city, LATER)
    assert ended <= remembers.wrap_seeds.keys()

    full = top_up(world, path, remembers)

    assert not ended & {*full.wrap_seeds, *keyring.epochs(path.read_bytes())}
    assert len(full.wrap_seeds) == len(upload.coming(world.city, LATER))


def test_file_that_is_gone_is_not_made_anew_from_memory(world, path):
    remembers, before = unlocked(path), uploaded(world)
    path.unlink()

    with pytest.raises(NoKeyring, match=str(path)):
        top_up(world, path, remembers)

    assert not path.exists()
    assert uploaded(world) == before


def test_another_keyring_that_lies_there_now_is_left_as_it_is(world, path):
    remembers = unlocked(path)
    theirs = keyring.lock(keyring.new("device", world.trust, PASSPHRASE, CHEAP))
    keyring.save(path, theirs)

    with pytest.raises(KeyringChanged, match=str(path)):
        top_up(world, path, remembers)

    assert path.read_bytes() == theirs


# --- An older copy of the file, put back ---------------------------------------------------------


def test_upload_that_names_other_keys_than_the_file_is_mended(world, path):
    """The weeks are the same: only the keys differ."""
    yesterday = path.read_bytes()
    top_up(world, path, unlocked(path))
    keyring.save(path, yesterday)

    top_up(world, path, unlocked(path))

    assert uploaded(world) == of_the_file(path)
    assert lost(world, unlocked(path)) == ()


def test_week_that_was_minted_to_a_key_that_is_gone_is_named_and_others_open(world, path):
    yesterday = path.read_bytes()
    top_up(world, path, unlocked(path))
    mint(world, 9, LATER)  # of which the last ones are to keys that only the newer file has
    keyring.save(path, yesterday)

    device = top_up(world, path, unlocked(path))

    fresh = set(upload.coming(world.city, LATER)) - {*world.device.wrap_seeds}
    minted = weeks.epoch_at(LATER, world.city.zone).plus(8)
    assert lost(world, device) == tuple(sorted(epoch for epoch in fresh if epoch <= minted))
    assert minted in fresh
    # What is minted from now on is to the keys that are there.
    mint(world, 11, LATER)
    assert minted.plus(1) not in lost(world, device)


def test_damaged_box_of_a_week_gets_a_fresh_key_that_is_uploaded(world, path):
    text = path.read_text()
    start = text.index('"2026-W53": "') + 20
    letter = "A" if text[start] != "A" else "B"
    path.write_text(text[:start] + letter + text[start + 1 :])
    device = unlocked(path)
    assert Epoch(2026, 53) not in device.wrap_seeds

    top_up(world, path, device, NOON)

    assert uploaded(world) == of_the_file(path)
    assert uploaded(world)[Epoch(2026, 53)] != hpke.public_key(
        world.device.wrap_seeds[Epoch(2026, 53)]
    )


def test_week_that_another_device_alone_was_given_is_not_lost(world, path):
    """It was minted before this one was admitted, which `pull` says by itself."""
    late = keyring.new("device", world.trust, PASSPHRASE, CHEAP)

    assert lost(world, late, NOON) == ()


def test_pull_names_the_weeks_that_are_lost_and_opens_the_rest(world, path):
    yesterday = path.read_bytes()
    top_up(world, path, unlocked(path))
    mint(world, 9, LATER)
    keyring.save(path, yesterday)
    world.store.put(world.sealed(LATER))
    device = unlocked(path)

    outcome = Work(world.store, world.city, world.trust, lambda: LATER, device).pull(path, {})

    assert outcome.unready is None
    assert outcome.proofs.lost == lost(world, unlocked(path)) != ()
    assert all(isinstance(it, Opened) for it in outcome.queue.items.values())
    assert len(outcome.queue.items) == 1


# --- What cannot be written ----------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_nothing_is_uploaded_that_is_not_saved(world, path, monkeypatch, call):
    before, file, device = uploaded(world), path.read_bytes(), unlocked(path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(NotSaved, match="No space left"):
        top_up(world, path, device)

    assert uploaded(world) == before
    assert path.read_bytes() == file


def test_topping_up_again_repeats_an_upload_that_failed_and_keeps_the_keys(world, path):
    def fails(*_):
        raise StoreUnavailable("down")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(world.store, "publish", fails)
        with pytest.raises(StoreUnavailable):
            top_up(world, path, world.device)
    saved = unlocked(path)
    again = top_up(world, path, saved)

    assert again.wrap_seeds == saved.wrap_seeds
    assert uploaded(world) == of_the_file(path)


# --- Which weeks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "serve_days", "first"),
    [
        (NOON, 7, Epoch(2026, 46)),
        (NOON, 1, Epoch(2026, 47)),
        (NOON, 21, Epoch(2026, 44)),
        (datetime.fromisoformat("2026-11-16T05:30:00Z"), 7, Epoch(2026, 46)),
    ],
)
def test_keys_are_for_the_weeks_whose_key_day_is_ahead_and_ten_more(city, now, serve_days, first):
    found = upload.coming(replace(city, serve_days=serve_days), now)

    assert found[0] == first
    assert found[-1] == Epoch(2026, 47).plus(10)
    assert found == [first.plus(n) for n in range(len(found))]


# --- A process that is killed --------------------------------------------------------------------


def topping_up(city, trust, folder, _):
    path = folder / "device.keyring"
    with closing(open_store(f"sqlite:{folder / 'requests.db'}")) as store:
        keyring.forget_ended(path, city, LATER)
        upload.top_up(store, path, unlocked(path), city, LATER)


@pytest.mark.process
def test_who_is_killed_at_any_write_leaves_a_whole_file_and_the_next_mends_the_rest(
    tmp_path, custodian
):
    made = make_world(tmp_path, custodian=custodian)
    made.store.close()
    file, database = keyring.lock(made.device), (tmp_path / "requests.db").read_bytes()
    path = tmp_path / "device.keyring"

    def fresh():
        keyring.save(path, file)
        (tmp_path / "requests.db").write_bytes(database)
        return ""

    seen = []
    work = partial(topping_up, made.city, made.trust, tmp_path)
    for spec, moment in killed_at_each(fresh, work):
        held = set(keyring.epochs(path.read_bytes()))
        work(spec)

        with closing(open_store(made.spec)) as store:
            device = unlocked(path)
            named = upload.of(store, device.public_key, device.trust).keys
            assert named == of_the_file(path), moment
            assert lost(replace(made, store=store), device) == (), moment
        assert held, moment
        assert not path.with_name("device.keyring.new").exists(), moment
        seen.append(moment.what)

    assert seen.count("file") == 4, "forgetting, and the weeks to come"
