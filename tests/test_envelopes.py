"""What must fail is tested by name; the bytes themselves are pinned by test_vectors.py."""

import hmac
import json
from dataclasses import replace

import pytest

from quietdesk import codes, envelopes, hpke, request
from quietdesk.envelopes import SealedPart
from quietdesk.errors import BadEnvelope, CannotOpen, KeyDestroyed, OpeningMismatch
from quietdesk.hpke import PrivateKey
from quietdesk.openings import Opening
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.world import ASKED, NOON, another_device, any_secrets


def private_keys(world, envelope):
    """The two keys of an envelope, made as the desk makes them."""
    made = {}
    for part in (envelope.visit, envelope.contact):
        wrap = world.store.wrap(part.kid, world.device.id)
        half = world.device.unwrap(part.kid, wrap)
        seed = hpke.seed(half, world.store.server_half(part.kid), part.kid)
        made[part.kid] = PrivateKey(seed)
    return made


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_envelope_opens_with_both_halves(world):
    envelope = world.sealed()

    parts = envelopes.unseal(envelope, private_keys(world, envelope))

    asked, *_ = request.unpack(parts)
    assert asked == request.parse(ASKED, world.city)


def test_wrong_key_does_not_open(world):
    envelope = world.sealed()
    wrong = dict.fromkeys(private_keys(world, envelope), PrivateKey(bytes(32)))

    with pytest.raises(CannotOpen):
        envelopes.unseal(envelope, wrong)


def test_either_half_alone_does_not_open(world):
    envelope = world.sealed()
    kids = (envelope.visit.kid, envelope.contact.kid)
    for only in ("device", "server"):
        alone = {}
        for kid in kids:
            server = world.store.server_half(kid)
            device = world.device.unwrap(kid, world.store.wrap(kid, world.device.id))
            halves = (device, bytes(32)) if only == "device" else (bytes(32), server)
            alone[kid] = PrivateKey(hpke.seed(*halves, kid))

        with pytest.raises(CannotOpen):
            envelopes.unseal(envelope, alone)


def test_part_moved_to_another_envelope_does_not_open(world):
    one, other = world.sealed(), world.sealed()
    moved = replace(one, contact=other.contact)

    with pytest.raises(CannotOpen):
        envelopes.unseal(moved, private_keys(world, one))


def test_swapped_parts_do_not_open(world):
    envelope = world.sealed()
    swapped = replace(
        envelope,
        visit=SealedPart(envelope.visit.kid, envelope.contact.sealed),
        contact=SealedPart(envelope.contact.kid, envelope.visit.sealed),
    )

    with pytest.raises(CannotOpen):
        envelopes.unseal(swapped, private_keys(world, envelope))


def test_part_under_another_week_does_not_open(world):
    envelope = world.sealed()
    later = dict(world.bundle(NOON).keys)
    later_kid = replace(later["visit"][0], epoch=Epoch(2026, 48))
    known = private_keys(world, envelope)
    moved = replace(envelope, visit=SealedPart(later_kid, envelope.visit.sealed))

    with pytest.raises(CannotOpen):
        envelopes.unseal(moved, known | {later_kid: known[envelope.visit.kid]})


def test_another_week_of_birth_does_not_open(world):
    envelope = world.sealed()

    with pytest.raises(CannotOpen):
        envelopes.unseal(replace(envelope, born=Epoch(2026, 46)), private_keys(world, envelope))


@pytest.mark.parametrize("at", [0, 1119, 1120, 2159])
def test_flipped_byte_does_not_open(world, at):
    envelope = world.sealed()
    visit = SealedPart(envelope.visit.kid, flipped(envelope.visit.sealed, at))

    with pytest.raises(CannotOpen):
        envelopes.unseal(replace(envelope, visit=visit), private_keys(world, envelope))


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0"])
def test_missing_or_extra_byte_does_not_open_and_is_not_read(world, change):
    envelope = world.sealed()
    visit = SealedPart(envelope.visit.kid, change(envelope.visit.sealed))
    changed = replace(envelope, visit=visit)

    with pytest.raises(CannotOpen):
        envelopes.unseal(changed, private_keys(world, envelope))
    with pytest.raises(BadEnvelope) as refused:
        envelopes.read(envelopes.write(changed))
    assert refused.value.code == "size"


@pytest.mark.parametrize("size", [1023, 1025])
def test_part_that_was_sealed_in_another_size_does_not_open(world, size):
    envelope = world.sealed()
    kid, public_key = world.bundle().keys["visit"]
    info = f"quietdesk/1|part|{kid}|{b64(envelope.id)}|{envelope.born}".encode()
    visit = SealedPart(kid, hpke.seal_to(public_key, info, b"{}".ljust(size)))

    with pytest.raises(CannotOpen, match="wrong size"):
        envelopes.unseal(replace(envelope, visit=visit), private_keys(world, envelope))


@pytest.mark.parametrize(
    ("kid", "code"),
    [
        ("main.contact.2026-W48.00000000", "epoch"),
        ("other.contact.2026-W47.00000000", "queue"),
        ("main.visit.2026-W47.00000000", "malformed"),
    ],
)
def test_parts_of_two_weeks_or_queues_are_no_envelope(world, kid, code):
    doc = json.loads(envelopes.write(world.sealed()))
    doc["contact"]["kid"] = kid

    with pytest.raises(BadEnvelope) as refused:
        envelopes.read(json.dumps(doc).encode())

    assert refused.value.code == code


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0])
def test_unknown_version_is_refused(world, version):
    doc = json.loads(envelopes.write(world.sealed())) | {"v": version}

    with pytest.raises(BadEnvelope) as refused:
        envelopes.read(json.dumps(doc).encode())

    assert refused.value.code == "version"


def test_text_over_a_part_is_never_sealed(world):
    parts = request.pack(request.parse(ASKED, world.city), bytes(32))
    secrets = any_secrets()

    with pytest.raises(ValueError, match="1,024 bytes"):
        envelopes.seal(replace(parts, visit=parts.visit + b" "), world.bundle(), secrets)


def test_opening_outside_that_is_not_the_one_inside_is_refused(world):
    envelope = replace(world.sealed(), opening=Opening.parse("corona.2026-11-19.0930"))

    with pytest.raises(OpeningMismatch):
        world.desk().open(envelope)


def test_destroyed_week_does_not_open_and_says_so(world):
    envelope = world.sealed()
    world.store.destroy_keys(envelope.queue, envelope.epoch)

    with pytest.raises(KeyDestroyed) as refused:
        world.desk().open(envelope)

    assert refused.value.epoch == "2026-W47"


def test_device_that_was_not_admitted_does_not_open(world):
    envelope = world.sealed()

    with pytest.raises(CannotOpen):
        world.desk(another_device(world)).open(envelope)


def test_seed_of_a_key_that_custodians_did_not_sign_is_refused(world, monkeypatch):
    envelope = world.sealed()
    monkeypatch.setattr(world.store, "server_half", lambda kid: bytes(32))

    with pytest.raises(CannotOpen, match="not the one that custodians signed"):
        world.desk().open(envelope)


def test_what_is_written_is_read_the_same(world):
    envelope = world.sealed()

    again = envelopes.read(envelopes.write(envelope))

    header = ("queue", "id", "auth_hash", "born", "opening", "visit", "contact", "reply")
    assert [getattr(again, name) for name in header] == [getattr(envelope, name) for name in header]


def test_every_envelope_has_one_size(world):
    sizes = {
        len(envelopes.write(world.sealed(name=[name]))) for name in ("A", "陈" * 80, "রহিমা " * 13)
    }

    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"extra": 1}, "malformed"),
        ({"lane": "V"}, "malformed"),
        ({"id": b64(bytes(15))}, "size"),
        ({"id": 7}, "size"),
        ({"auth_hash": b64(bytes(33))}, "size"),
        ({"reply": b64(bytes(283))}, "size"),
        ({"queue": "other"}, "queue"),
        ({"queue": ["main"]}, "queue"),
        ({"born": "2026-W54"}, "epoch"),
        ({"born": 5}, "epoch"),
        ({"opening": None}, "opening"),
        ({"opening": "x" * 65}, "opening"),
        ({"visit": None}, "malformed"),
        ({"visit": {"kid": "main.contact.2026-W47.00000000", "sealed": ""}}, "malformed"),
    ],
)
def test_envelope_of_another_shape_is_refused(world, change, code):
    doc = json.loads(envelopes.write(world.sealed())) | change

    with pytest.raises(BadEnvelope) as refused:
        envelopes.read(json.dumps(doc).encode())

    assert refused.value.code == code


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"\xff\xfe", b"[" * 8000, b" " * 8193])
def test_junk_is_refused(raw):
    with pytest.raises(BadEnvelope):
        envelopes.read(raw)


def test_reply_opens_with_its_code_and_no_other(world):
    secrets = any_secrets()
    sealed = envelopes.seal_reply({"state": "placed"}, secrets.reply, secrets.id)

    assert len(sealed) == 284
    assert envelopes.open_reply(sealed, secrets.reply, secrets.id) == {"state": "placed"}
    for key, id in ((bytes(32), secrets.id), (secrets.reply, bytes(16))):
        with pytest.raises(CannotOpen):
            envelopes.open_reply(sealed, key, id)


def test_no_two_replies_of_a_code_are_sealed_with_one_nonce():
    """Two texts under one nonce and key would tell each other, and let anybody write a third."""
    says = [{"state": "waiting"}, {"state": "none"}, {"state": "waiting"}]

    sealed = [envelopes.seal_reply(it, bytes(32), bytes(16)) for it in says]

    assert len({it[:12] for it in sealed}) == len(sealed)


def test_reply_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="256 bytes"):
        envelopes.seal_reply({"state": "x" * 256}, bytes(32), bytes(16))


def test_digest_of_a_plain_form_depends_on_what_it_says_and_on_the_code_only(world):
    code = codes.new()

    one, again = world.sealed(code=code), world.sealed(code=code)

    assert one.visit.sealed != again.visit.sealed
    assert one.digest == again.digest
    assert one.digest != world.sealed(code=code, name=["Other"]).digest
    assert one.digest != world.sealed(code=codes.new()).digest


def test_digest_of_a_plain_form_cannot_be_computed_without_the_code():
    """Who reads the store could else try out what a request may say."""
    parts = envelopes.Parts(b"visit".ljust(1024), b"contact".ljust(1024))
    secrets = codes.derive(codes.new(), "demo")

    made = envelopes.digest(parts, secrets)

    assert made == hmac.digest(secrets.reply, b"digest|" + parts.visit + parts.contact, "sha256")


def test_an_envelope_does_not_show_in_a_log_line(world):
    assert repr(world.sealed()) == "<Envelope>"
