import json
from dataclasses import replace
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from quietdesk.errors import BadSignature, QuietdeskError, WrongDocument
from quietdesk.signed import (
    Paper,
    document_body,
    key_id,
    own_key,
    read_signed,
    signed_bytes,
    signed_document,
)
from quietdesk.staff.device import keyring
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.test_bundles import resigned, verify
from tests.world import CHEAP, NOON, PASSPHRASE, with_threshold


def test_one_changed_byte_of_a_bundle_is_refused(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    outer = json.loads(raw)
    body = bytearray(unb64(outer["body"]))
    for at in range(0, len(body), 97):
        body[at] ^= 1
        changed = json.dumps(outer | {"body": b64(bytes(body))}).encode()
        body[at] ^= 1

        with pytest.raises(QuietdeskError) as refused:
            verify(world, changed)
        assert type(refused.value) is BadSignature  # and not what the changed text would say


def test_too_few_signatures_are_refused(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)

    with pytest.raises(BadSignature, match="1 of 2"):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=two)
    verify(world, resigned(world, dict, signers=[world.custodian, second]), trust=two)


def test_repeated_signature_counts_once(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    raw = resigned(world, dict, signers=[world.custodian, world.custodian])

    with pytest.raises(BadSignature, match="1 of 2"):
        verify(world, raw, trust=two)


def test_key_of_another_curve_signs_nothing_however_good_its_signature(world):
    """Of 256 bits too, so that its signatures have the size of ours."""
    private = ec.generate_private_key(ec.SECP256K1())
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = unb64(json.loads(world.raw_bundle(Epoch(2026, 47)))["body"])
    signature = private.sign(signed_bytes("bundle", body), ec.ECDSA(SHA256()))
    halves = b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(signature))

    with pytest.raises(BadSignature, match="not on the curve P-256"):
        verify(
            world,
            signed_document(body, [(key_id(spki), halves)]),
            trust=replace(world.trust, custodians=(spki,)),
        )


def test_foreign_signer_is_refused(world):
    stranger = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)

    with pytest.raises(BadSignature):
        verify(world, resigned(world, dict, signers=[stranger]))


def test_signature_on_another_kind_of_document_is_refused(world):
    with pytest.raises(BadSignature):
        verify(world, resigned(world, dict, kind="devices"))


def test_nobody_trusted_means_nothing_is_believed(world):
    nobody = replace(world.trust, custodians=())

    with pytest.raises(BadSignature):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=nobody)
    with pytest.raises(BadSignature):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=replace(nobody, threshold=0))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"body":"AA"}', b'{"body":1,"sigs":[]}',
     b'{"body":"AA","sigs":[{}]}', b"[" * 100_000],
)  # fmt: skip
def test_malformed_document_is_refused(world, raw):
    with pytest.raises(BadSignature):
        verify(world, raw)


def notice(world, lowest=0, versions=(1,), **said):
    """A notice of the queue "main" as it is read, signed by the custodian. What is None is not
    said at all."""
    common = json.loads(document_body("notice", "demo", 7, NOON.date(), queue="main", says="hello"))
    body = json.dumps({it: value for it, value in (common | said).items() if value is not None})
    raw = signed_document(body.encode(), [world.custodian.sign("notice", body.encode())])
    return read_signed(
        raw, "notice", world.trust.custodians, 1, lambda it: it["says"].upper(),
        "demo", {"queue": "main"}, lowest, versions,
    )  # fmt: skip


def test_signed_document_is_read_as_what_it_was_asked_for(world):
    assert notice(world) == Paper("HELLO", 7, date(2026, 11, 18))


def test_document_that_was_signed_before_there_were_numbers_is_read_as_number_0_of_no_day(world):
    assert notice(world, type=None, number=None, day=None) == Paper("HELLO", 0, None)


def test_what_a_newer_release_says_besides_is_passed_over(world):
    assert notice(world, later={"a": [1]}) == notice(world)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"v": 2}, "malformed"),
        ({"v": True}, "malformed"),
        ({"v": None}, "malformed"),
        ({"says": 5}, "malformed"),
        ({"queue": "other"}, "queue"),
        ({"queue": None}, "malformed"),
        ({"queue": 7}, "queue"),
        ({"says": 5, "queue": "other"}, "malformed"),
        ({"type": "bundle"}, "type"),
        ({"type": 1, "says": 5}, "type"),
        ({"deployment": "chicago"}, "deployment"),
        ({"deployment": None}, "malformed"),
        ({"deployment": None, "type": None}, "malformed"),
        *(({"number": it}, "malformed") for it in (-1, 1.5, 1.0, True, "7", [], 2**53)),
        *(({"day": it}, "malformed") for it in ("", "2026-11-31", "20261118", "2026-W47-3", 7, [])),
    ],
)
def test_signed_document_that_says_something_else_is_refused_by_what_differs(world, said, reason):
    with pytest.raises(WrongDocument) as refused:
        notice(world, **said)

    assert refused.value.reason == reason


def test_number_is_the_lowest_that_was_asked_for_or_a_higher_one(world):
    assert notice(world, lowest=7).number == 7
    for lowest, said in ((8, {}), (1, {"number": None})):
        with pytest.raises(WrongDocument, match="older than one that was seen") as refused:
            notice(world, lowest, **said)
        assert refused.value.reason == "number"


def test_document_of_another_version_is_read_by_who_knows_it(world):
    assert notice(world, versions=(1, 2), v=2) == notice(world)


def test_only_a_head_of_the_record_may_name_no_deployment_and_only_as_it_was_signed_before(world):
    def read(kind, **says):
        body = json.dumps({"v": 1, **says}).encode()
        raw = signed_document(body, [world.custodian.sign(kind, body)])
        return read_signed(raw, kind, world.trust.custodians, 1, dict, "demo").says

    assert read("record") == {"v": 1}
    for kind, says in (("devices", {}), ("record", {"type": "record"})):
        with pytest.raises(WrongDocument, match="malformed"):
            read(kind, **says)


@pytest.mark.parametrize("key", [b"", b"junk", bytes(91)])
def test_key_that_is_none_is_a_bad_signature(key):
    body = json.dumps({"v": 1, "spki": b64(key)}).encode()
    raw = signed_document(body, [(key_id(key), bytes(64))])

    with pytest.raises(BadSignature):
        read_signed(raw, "wrap-keys", [own_key(raw)], 1, dict, "demo")
