import json
from dataclasses import replace

import pytest

from quietdesk.errors import BadSignature, WrongDocument
from quietdesk.signed import key_id, own_key, read_signed, signed_document
from quietdesk.staff.device import keyring
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.test_bundles import resigned, verify
from tests.world import CHEAP, PASSPHRASE, with_threshold


def test_one_changed_byte_of_a_bundle_is_refused(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    outer = json.loads(raw)
    body = bytearray(unb64(outer["body"]))
    for at in range(0, len(body), 97):
        body[at] ^= 1
        changed = json.dumps(outer | {"body": b64(bytes(body))}).encode()
        body[at] ^= 1

        with pytest.raises(BadSignature):
            verify(world, changed)


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


def announced(world, **said):
    """What a notice of the queue "main" says when it is read, signed by the custodian."""
    body = json.dumps({"v": 1, "queue": "main", "says": "hello", **said}).encode()
    raw = signed_document(body, [world.custodian.sign("notice", body)])
    signers = world.trust.custodians
    return read_signed(raw, "notice", signers, 1, lambda it: it["says"].upper(), queue="main")


def test_signed_document_is_read_as_what_it_was_asked_for(world):
    assert announced(world) == "HELLO"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"v": 2}, "malformed"),
        ({"v": True}, "malformed"),
        ({"v": None}, "malformed"),
        ({"says": 5}, "malformed"),
        ({"queue": "other"}, "queue"),
        ({"queue": None}, "queue"),
        ({"says": 5, "queue": "other"}, "malformed"),
    ],
)
def test_signed_document_that_says_something_else_is_refused_by_what_differs(world, said, reason):
    with pytest.raises(WrongDocument) as refused:
        announced(world, **said)

    assert refused.value.reason == reason


@pytest.mark.parametrize("key", [b"", b"junk", bytes(91)])
def test_key_that_is_none_is_a_bad_signature(key):
    body = json.dumps({"v": 1, "spki": b64(key)}).encode()
    raw = signed_document(body, [(key_id(key), bytes(64))])

    with pytest.raises(BadSignature):
        read_signed(raw, "wrap-keys", [own_key(raw)], 1, dict)
