import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from quietdesk import bundles, clock, devices, hpke, weeks
from quietdesk.devices import Device
from quietdesk.errors import (
    BadRecord,
    BadSignature,
    Conflict,
    NotAdmitted,
    NoUpload,
    StoreUnavailable,
)
from quietdesk.signed import read_signed, signed_document
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.custodian.ceremony import LeftOut, Minting, Standing
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.upload import Upload
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK, another_device, put_over, with_threshold


def admit(world, device, now=NOON):
    key = device.public_key
    return ceremony.admit(world.store, world.city, world.trust, [world.custodian], key, now)


def says_of(device):
    """The bytes that a device signs for its first upload."""
    says = Upload(device.public_key, keys_of(device))
    return upload.body(says, "demo", 1, NOON.date())


def mint(world, count, now=NOON, **more):
    custodians = [world.custodian]
    return ceremony.mint(world.store, world.city, world.trust, custodians, count, now, **more)


def test_minting_makes_the_weeks_that_have_no_keys_yet(world):
    told = []

    became = mint(world, 6, seen=told.append)

    assert became == Minting(minted=(Epoch(2026, 51), Epoch(2026, 52)))
    assert told == [Epoch(2026, 51), Epoch(2026, 52)]
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
    admit(world, late)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 5, NOON)

    earlier = world.bundle(NOON).keys["visit"][0]
    later = world.bundle(NOON + 4 * WEEK).keys["visit"][0]

    assert world.store.wrap(later, late.id)
    with pytest.raises(keyring.CannotOpen):
        world.store.wrap(earlier, late.id)


def test_device_without_an_upload_is_not_admitted(world):
    with pytest.raises(NoUpload, match="has not uploaded"):
        admit(world, another_device(world))


@pytest.mark.parametrize("says", ["victim", "stranger"])
def test_upload_that_another_device_signed_is_refused_whichever_it_names(world, says):
    stranger, victim = another_device(world), another_device(world)
    body = says_of({"victim": victim, "stranger": stranger}[says])
    forged = signed_document(body, [stranger.sign("wrap-keys", body)])
    world.store.publish(f"wrap-keys#{victim.id}", forged, 0)

    for read in (
        lambda: upload.labelled(world.store, victim.id, world.trust),
        lambda: upload.of(world.store, victim.public_key, world.trust),
    ):
        with pytest.raises(NoUpload, match="do not verify"):
            read()


def test_upload_for_another_deployment_is_refused(world):
    device = another_device(world)
    says = json.loads(says_of(device)) | {"deployment": "elsewhere"}
    body = json.dumps(says).encode()
    document = signed_document(body, [device.sign("wrap-keys", body)])
    world.store.publish(f"wrap-keys#{device.id}", document, 0)

    with pytest.raises(NoUpload, match="do not verify"):
        upload.of(world.store, device.public_key, world.trust)


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

    admit(world, late, evening)

    listed = devices.read(world.store.read("devices")[0], world.trust)
    assert listed.admitted[-1] == Device(late.public_key, "scheduler", date(2026, 11, 19))
    assert (listed.number, listed.signed_on) == (2, date(2026, 11, 19))


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
        world.store,
        world.city,
        world.trust,
        [world.custodian, second],
        world.device.public_key,
        NOON,
    )
    assert ceremony.admitted(world.store, two).ids == (world.device.id,), (
        "that is not what is refused"
    )

    with pytest.raises(BadSignature):
        ceremony.mint(world.store, world.city, two, [world.custodian], 6, NOON)

    assert ceremony.weeks_ahead(world.store, world.city, NOON) == 4
    assert world.store.destroy_keys("main", Epoch(2026, 51)) == [], "no half is left behind"


def test_nobody_is_admitted_without_enough_custodians(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    ceremony.admit(
        world.store,
        world.city,
        world.trust,
        [world.custodian, second],
        world.device.public_key,
        NOON,
    )
    theirs = another_device(world)
    upload.upload_wrap_keys(world.store, theirs, world.city, NOON)

    with pytest.raises(BadSignature):
        ceremony.admit(world.store, world.city, two, [world.custodian], theirs.public_key, NOON)

    assert ceremony.admitted(world.store, two).ids == (world.device.id,)


def test_two_custodians_sign_where_two_are_needed(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    both = [world.custodian, second]

    ceremony.admit(world.store, world.city, world.trust, both, world.device.public_key, NOON)
    ceremony.mint(world.store, world.city, two, both, 5, NOON)

    raw = world.raw_bundle(Epoch(2026, 51))
    assert bundles.verify(raw, two, "main", NOON, Epoch(2026, 51))


def test_weeks_beyond_the_devices_keys_are_not_minted(world):
    became = mint(world, 20)

    current = Epoch(2026, 47)
    assert became.minted == tuple(current.plus(n) for n in range(4, 11))
    assert became.refused == tuple(current.plus(n) for n in range(11, 20))
    assert {(it.device, it.why) for it in became.left_out} == {(world.device.id, "no_key")}


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


# --- Whom a minting leaves out -------------------------------------------------------------------

WEEKS = [Epoch(2026, 47).plus(n) for n in range(12)]
DAMAGES = ["junk", "another device's", "not bytes", "gone"]


def second_device(world):
    """Another device that is admitted, and has uploaded its keys."""
    made = another_device(world)
    upload.upload_wrap_keys(world.store, made, world.city, NOON)
    admit(world, made)
    return made


def damage(world, device, how):
    """What the device uploaded, as it is no more."""
    name = f"wrap-keys#{device.id}"
    _, seq = world.store.read(name)
    if how == "junk":
        world.store.publish(name, b"junk", seq)
    elif how == "another device's":
        world.store.publish(name, world.store.read(f"wrap-keys#{world.device.id}")[0], seq)
    else:
        with closing(sqlite3.connect(world.spec.partition(":")[2])) as db, db:
            if how == "gone":
                db.execute("DELETE FROM public WHERE name = ?", (name,))
            else:
                db.execute("UPDATE public SET data = 'text' WHERE name = ?", (name,))


def offer(world, device, keys):
    """The device's upload with other keys in it, by week."""
    says = json.loads(says_of(device))
    says["keys"] = {str(epoch): b64(key) for epoch, key in keys.items()}
    body = json.dumps(says).encode()
    document = signed_document(body, [device.sign("wrap-keys", body)])
    put_over(world.store, f"wrap-keys#{device.id}", document)


def keys_of(device):
    return {epoch: hpke.public_key(seed) for epoch, seed in device.wrap_seeds.items()}


def opens(world, device):
    """The published weeks that the device opens."""
    found = world.opener(device).prove(NOON)
    return {kid.epoch for kid in found.proved}


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_upload_stops_nobody_else_and_is_named(world, how):
    other = second_device(world)
    damage(world, other, how)

    became = mint(world, 6)

    why = {"not bytes": "damaged", "gone": "no_upload"}.get(how, "unverified")
    new, old = WEEKS[4:6], WEEKS[:4]
    assert became.minted == tuple(new)
    assert set(became.left_out) == {
        *(LeftOut(other.id, NOON.date(), epoch, why) for epoch in new),
        *(LeftOut(other.id, NOON.date(), epoch, "none") for epoch in old),
    }
    assert opens(world, world.device) == {*old, *new}


def test_device_that_offers_no_key_for_a_week_is_named_with_it_and_opens_the_others(world):
    other = second_device(world)
    keys = keys_of(other)
    offer(world, other, {epoch: keys[epoch] for epoch in keys if epoch != WEEKS[5]})

    became = mint(world, 7)

    assert became.minted == tuple(WEEKS[4:7])
    assert [it for it in became.left_out if it.epoch in became.minted] == [
        LeftOut(other.id, NOON.date(), WEEKS[5], "no_key")
    ]
    assert opens(world, other) == {WEEKS[4], WEEKS[6]}


@pytest.mark.parametrize("key", [b"", b"short", b"\xff" * 1216, bytes(1217)])
def test_key_that_is_none_leaves_out_that_device_in_that_week(world, key):
    other = second_device(world)
    offer(world, other, keys_of(other) | {WEEKS[4]: key})

    became = mint(world, 6)

    assert became.minted == tuple(WEEKS[4:6])
    assert [it for it in became.left_out if it.epoch in became.minted] == [
        LeftOut(other.id, NOON.date(), WEEKS[4], "malformed")
    ]
    assert opens(world, other) == {WEEKS[5]}


def test_week_that_no_device_could_open_is_not_made_and_nothing_of_it_is_kept(world):
    keys = keys_of(world.device)
    offer(world, world.device, {epoch: keys[epoch] for epoch in keys if epoch != WEEKS[5]})

    became = mint(world, 7)

    assert (became.minted, became.refused) == ((WEEKS[4], WEEKS[6]), (WEEKS[5],))
    assert became.left_out == (LeftOut(world.device.id, NOON.date(), WEEKS[5], "no_key"),)
    assert world.store.destroy_keys("main", WEEKS[5]) == []


def test_weeks_that_were_made_before_are_looked_at_too(world):
    """Who minted them may have died before anybody was told."""
    other = second_device(world)

    assert mint(world, 4) == Minting(
        left_out=tuple(LeftOut(other.id, NOON.date(), epoch, "none") for epoch in WEEKS[:4])
    )
    assert mint(world, 5).minted == (WEEKS[4],)
    assert {it.epoch for it in mint(world, 5).left_out} == set(WEEKS[:4])


def test_device_whose_half_fails_is_named(world):
    kid = bundles.signed(world.raw_bundle(WEEKS[1]), world.trust, "main").keys["visit"][0]
    wrap = world.store.wrap(kid, world.device.id)
    world.store.put_wrap(kid, world.device.id, b"x" * 1168, over=wrap)
    found = world.opener().prove(NOON)
    upload.say_found(world.store, world.device, world.city, NOON, found.proved, found.failed)

    assert mint(world, 4).left_out == (LeftOut(world.device.id, NOON.date(), WEEKS[1], "failed"),)


def test_nobody_mints_while_no_device_is_admitted(world):
    _, seq = world.store.read("devices")
    body = devices.body([], [], "demo", 2, NOON.date())
    nobody = signed_document(body, [world.custodian.sign("devices", body)])
    world.store.publish("devices", nobody, seq)

    with pytest.raises(NotAdmitted, match="no admitted device"):
        mint(world, 6)


@pytest.mark.parametrize("how", ["junk", "not bytes"])
def test_damaged_document_of_a_week_stops_no_other_week(world, how):
    name = bundles.name("main", WEEKS[1])
    if how == "junk":
        put_over(world.store, name, b"junk")
    else:
        with closing(sqlite3.connect(world.spec.partition(":")[2])) as db, db:
            db.execute("UPDATE public SET data = 'text' WHERE name = ?", (name,))

    became = mint(world, 6)

    assert became.minted == tuple(WEEKS[4:6])
    assert [*became.trouble] == [WEEKS[1]]


def test_week_that_another_custodian_makes_at_the_same_time_stops_no_other_week(world, monkeypatch):
    publish = world.store.publish

    def too_late(name, data, expected_seq):
        if name == bundles.name("main", WEEKS[4]):
            raise Conflict("somebody else published first")
        return publish(name, data, expected_seq)

    monkeypatch.setattr(world.store, "publish", too_late)
    became = mint(world, 6)

    assert (became.minted, [*became.trouble]) == ((WEEKS[5],), [WEEKS[4]])


def test_record_that_cannot_be_signed_does_not_hide_what_was_minted(world):
    world.store.publish("record#main", b"junk\n", 0)

    became = mint(world, 6)

    assert became.minted == tuple(WEEKS[4:6])
    assert isinstance(became.unsigned, BadRecord)


def test_what_was_minted_before_the_store_failed_is_said(world, monkeypatch):
    put_keys, told = world.store.put_keys, []

    def full(kid, *more):
        if kid.epoch == WEEKS[6]:
            raise StoreUnavailable("full")
        put_keys(kid, *more)

    monkeypatch.setattr(world.store, "put_keys", full)
    with pytest.raises(StoreUnavailable):
        mint(world, 8, seen=told.append)

    assert told == WEEKS[4:6]


# --- What a device proves ------------------------------------------------------------------------


def say(world, device=None, now=NOON):
    device = device or world.device
    found = world.opener(device).prove(now)
    upload.say_found(world.store, device, world.city, now, found.proved, found.failed)
    return found


def uploaded(world, device=None):
    return upload.of(world.store, (device or world.device).public_key, world.trust)


def kids(world, epoch):
    return ceremony.kids_of(world.raw_bundle(epoch), world.trust, "main")


def stands(world, epoch, device=None):
    (offer,) = [
        it
        for it in ceremony.offers(world.store, world.city, world.trust, NOON)
        if it.label == (device or world.device).id
    ]
    return ceremony.standing(world.store, offer, kids(world, epoch))


def test_device_says_which_keys_it_has_proved_and_since_when(world):
    assert stands(world, WEEKS[0]) == Standing("untried")

    say(world)
    mint(world, 5)
    say(world, now=NOON + timedelta(days=1))

    assert uploaded(world).proved == {
        kid: NOON.date() + timedelta(days=int(epoch == WEEKS[4]))
        for epoch in WEEKS[:5]
        for kid in kids(world, epoch)
    }
    assert stands(world, WEEKS[0]) == Standing("proved", NOON.date())
    assert stands(world, WEEKS[4]) == Standing("proved", NOON.date() + timedelta(days=1))


def test_trying_every_key_leaves_none_of_them_in_memory(world):
    opener = world.opener()

    assert opener.prove(NOON).proved
    assert opener._private_keys == {}


def test_upload_is_not_written_again_while_nothing_changes(world):
    """It would tell on which days somebody is at work."""
    say(world)
    number = uploaded(world).number

    say(world, now=NOON + timedelta(days=2))

    assert uploaded(world).number == number


def test_what_was_proved_stays_said_when_keys_for_further_weeks_are_uploaded(world, tmp_path):
    say(world)
    proved = uploaded(world).proved

    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    upload.top_up(world.store, path, world.device, world.city, NOON + WEEK)

    assert uploaded(world).proved == proved != {}


AHEAD = NOON + timedelta(days=15)


def test_what_a_device_proves_by_a_clock_ahead_has_the_day_of_the_store(world, monkeypatch):
    monkeypatch.setattr(type(world.store), "date", lambda _: NOON)

    say(world, now=AHEAD)

    assert set(uploaded(world).proved.values()) == {NOON.date()}


def test_a_clock_that_moved_proves_nothing_new_where_it_is_the_only_one(world):
    clock.believe(world.store, NOON)

    say(world, now=AHEAD)
    assert uploaded(world).proved == {}

    say(world)
    assert set(uploaded(world).proved.values()) == {NOON.date()}


def test_what_fails_by_a_clock_that_moved_is_proved_no_more(world):
    clock.believe(world.store, NOON)
    say(world)
    found = world.opener(world.device).prove(NOON)
    fails = min(found.proved, key=str)

    upload.say_found(world.store, world.device, world.city, AHEAD, found.proved - {fails}, {fails})

    assert uploaded(world).proved.keys() == found.proved - {fails}
    assert uploaded(world).failed == {}


@pytest.mark.parametrize("kind", ["proved", "failed"])
def test_a_day_from_the_future_in_an_upload_is_mended_at_the_next_proof(world, kind):
    found = {kid for epoch in WEEKS[:4] for kid in kids(world, epoch)}
    both = (found, set()) if kind == "proved" else (set(), found)
    upload.say_found(world.store, world.device, world.city, NOON, *both)
    there = uploaded(world)
    ahead = replace(there, **{kind: dict.fromkeys(found, AHEAD.date())})
    data = upload.body(ahead, "demo", there.number + 1, AHEAD.date())
    document = signed_document(data, [world.device.sign("wrap-keys", data)])
    put_over(world.store, f"wrap-keys#{world.device.id}", document)

    upload.say_found(world.store, world.device, world.city, NOON, *both)

    assert getattr(uploaded(world), kind) == dict.fromkeys(found, NOON.date())


def test_an_upload_that_is_damaged_is_written_anew_at_the_next_pull(world, tmp_path):
    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    damage(world, world.device, "not bytes")

    upload.top_up(world.store, path, world.device, world.city, NOON)
    say(world)

    assert stands(world, WEEKS[0]) == Standing("proved", NOON.date())


def test_wrap_that_does_not_open_is_said_and_proved_no_more(world):
    say(world)
    visit, contact = kids(world, WEEKS[2])
    wrap = world.store.wrap(visit, world.device.id)
    world.store.put_wrap(visit, world.device.id, b"x" * 1168, over=wrap)

    found = say(replace(world), now=NOON + WEEK)

    assert found.bad.keys() == {WEEKS[2]}
    assert (found.failed, contact in found.proved) == ({visit}, True)
    assert uploaded(world).failed == {visit: (NOON + WEEK).date()}
    assert visit not in uploaded(world).proved
    assert stands(world, WEEKS[2]) == Standing("failed", (NOON + WEEK).date())


def test_half_that_makes_another_key_than_the_published_one_is_not_proved(world):
    """It opens, and is nothing that requests are sealed to."""
    visit, _ = kids(world, WEEKS[2])
    key = uploaded(world).keys[WEEKS[2]]
    info = keyring.wrap_info(visit, world.device.id)
    wrap = world.store.wrap(visit, world.device.id)
    world.store.put_wrap(visit, world.device.id, hpke.seal_to(key, info, bytes(32)), over=wrap)

    found = say(world)

    assert (found.failed, [*found.bad]) == ({visit}, [WEEKS[2]])
    why = found.bad[WEEKS[2]]
    assert "not the one that custodians signed" in str(why)
    # It is shown for as long as the desk is open; its trace would hold both halves.
    assert (why.__traceback__, why.__context__) == (None, None)


def test_device_that_lost_its_key_of_a_week_says_so(world):
    seeds = {k: seed for k, seed in world.device.wrap_seeds.items() if k != WEEKS[1]}
    device = replace(world.device, wrap_seeds=seeds)

    found = say(world, device)

    assert found.bad[WEEKS[1]].code == "no_key"
    assert stands(world, WEEKS[1]).state == "failed"


def test_new_device_has_no_half_and_says_from_when_on_it_opens(world):
    late = second_device(world)
    found = say(world, late)
    assert (found.proved, found.bad, found.lacking) == (set(), {}, tuple(WEEKS[:4]))
    assert (found.opens_from, found.unmade, found.admitted) == (None, WEEKS[4], True)
    assert stands(world, WEEKS[0], late) == Standing("none")

    mint(world, 6)

    found = say(world, late)
    assert (found.opens_from, found.unmade) == (WEEKS[4], WEEKS[6])


def test_device_that_nobody_admitted_knows_it(world):
    assert world.opener(another_device(world)).prove(NOON).admitted is False
    assert world.opener().prove(NOON).admitted is True


def test_key_that_custodians_did_not_sign_stops_no_other_week_from_being_proved(world):
    put_over(world.store, bundles.name("main", WEEKS[1]), b"junk")

    found = say(world)

    assert [*found.bad] == [WEEKS[1]]
    assert {kid.epoch for kid in found.proved} == {WEEKS[0], *WEEKS[2:4]}


@pytest.mark.parametrize(
    "proved", [["main"], {"main": "2026-11-18"}, {"main.visit.2026-W47.00000000": "today"}, 7]
)
def test_upload_that_proves_nothing_that_is_a_key_does_not_verify(world, proved):
    says = json.loads(says_of(world.device)) | {"proved": proved}
    body = json.dumps(says).encode()
    raw = signed_document(body, [world.device.sign("wrap-keys", body)])
    put_over(world.store, f"wrap-keys#{world.device.id}", raw)

    with pytest.raises(NoUpload):
        uploaded(world)


@pytest.mark.parametrize(("serve_days", "back"), [(7, 1), (1, 0), (21, 3)])
def test_device_has_wrap_keys_for_every_week_whose_key_day_is_ahead(world, serve_days, back):
    """Those behind are for a computer that is given what waits there."""
    city = replace(world.city, serve_days=serve_days)

    assert upload.coming(city, NOON) == [Epoch(2026, 47).plus(n) for n in range(-back, 11)]
