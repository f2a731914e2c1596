"""The formats, pinned: recorded cases that Python and JavaScript read alike, and the suite itself
against the vectors of RFC 9180 and draft-ietf-hpke-pq."""

import json
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from quietdesk import bundles, codes, envelopes, hpke, openings, replies, request
from quietdesk.errors import (
    BadBundle,
    BadCode,
    BadEnvelope,
    BadSignature,
    CannotOpen,
    Invalid,
    TooLong,
)
from quietdesk.hpke import Kid, PrivateKey
from quietdesk.openings import Opening
from quietdesk.signed import Trust
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.vectors.make import with_centers
from tests.world import ROOT

VECTORS = ROOT / "tests" / "vectors"
AEADS = {1: AEAD.AES_128_GCM, 2: AEAD.AES_256_GCM, 3: AEAD.CHACHA20_POLY1305}


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def named(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


# --- The suite -----------------------------------------------------------------------------------


def published(file, kem):
    """Base-mode vectors of one KEM with HKDF-SHA256 and an AEAD that seals."""
    path = Path(cryptography_vectors.__file__).parent / "HPKE" / file
    return [
        vector
        for vector in json.loads(path.read_text())
        if (vector["mode"], vector["kem_id"], vector["kdf_id"]) == (0, kem, 1)
        and vector["aead_id"] in AEADS
    ]


def opens(vector, kem, private_key):
    """The first message of a vector: single shot is message 0."""
    suite = Suite(kem, KDF.HKDF_SHA256, AEADS[vector["aead_id"]])
    first = vector["encryptions"][0]
    sealed = bytes.fromhex(vector["enc"] + first["ct"])
    info, aad = bytes.fromhex(vector["info"]), bytes.fromhex(first["aad"])
    opened = openssl.hpke._decrypt_with_aad(suite, sealed, private_key, info, aad)
    return opened.hex() == first["pt"]


def test_suite_agrees_with_rfc_9180():
    found = published("test-vectors.json", 0x0020)

    assert {vector["aead_id"] for vector in found} == {1, 2, 3}
    for vector in found:
        private_key = X25519PrivateKey.from_private_bytes(bytes.fromhex(vector["skRm"]))
        assert opens(vector, KEM.X25519, private_key)


def test_our_kem_agrees_with_the_hpke_pq_draft():
    found = published("hpke-pq-test-vectors.json", 0x647A)

    assert len(found) == 1
    for vector in found:
        seed = bytes.fromhex(vector["skRm"])
        assert hpke.public_key(seed).hex() == vector["pkRm"]
        assert opens(vector, KEM.MLKEM768_X25519, hpke.PrivateKey(seed)._hybrid)


# --- Ours ----------------------------------------------------------------------------------------


def test_codes():
    code = vectors("code")

    for case in code["derive"]:
        made = codes.derive(case["code"], case["deployment"])
        assert (made.id.hex(), made.auth.hex(), made.reply.hex()) == (
            case["id"], case["auth"], case["reply"],
        )  # fmt: skip
    for case in code["read"]:
        assert codes.parse(case["typed"]) == case["code"]
    for typed in code["refused"]:
        with pytest.raises(BadCode):
            codes.parse(typed)


def test_requests(city):
    cases = vectors("request")

    assert cases["rules"]["centers"] == [center.id for center in city.centers]
    for case in cases["valid"]:
        asked = request.parse(case["typed"], city)
        parts = request.pack(asked, bytes(32))
        assert json.loads(json.dumps(request.values(asked))) == case["request"]
        assert parts.visit.decode().rstrip() == case["visit"]
        assert parts.contact.decode().rstrip() == case["contact"]
    for case in cases["invalid"]:
        offered = with_centers(city, case["centers"]) if "centers" in case else city
        with pytest.raises(Invalid) as refused:
            request.parse(case["typed"], offered)
        assert refused.value.fields == case["problems"], case["typed"]
    for case in cases["too_long"]:
        with pytest.raises(TooLong) as refused:
            request.pack(request.Request(**case["request"]), bytes(32))
        assert refused.value.field == case["field"]


@pytest.mark.parametrize(
    ("file", "case"),
    [
        pytest.param(file, case, id=f"{file}: {case['name']}")
        for file in ("bundle", "bundle_edges", "bundle_papers")
        for case in vectors(file)["cases"]
    ],
)
def test_bundles(file, case):
    held = vectors(file)
    pinned = case.get("trust", held["trust"])
    trust = Trust(
        tuple(unb64(spki) for spki in pinned["custodians"]),
        pinned["threshold"],
        pinned["deployment"],
    )
    now = datetime.fromtimestamp(case["now"], UTC)

    def verify():
        return bundles.verify(case["raw"].encode(), trust, case.get("queue", held["queue"]), now)

    if case["expect"] == "good":
        assert verify().epoch == Epoch(2026, 47)
    elif case["expect"] == "signatures":
        with pytest.raises(BadSignature):
            verify()
    else:
        with pytest.raises(BadBundle) as refused:
            verify()
        assert refused.value.reason == case["expect"]


@pytest.mark.parametrize("case", named(vectors("envelope")["cases"]))
def test_envelopes(case):
    held = vectors("envelope")
    seeds = case.get("seeds", held["seeds"])
    private_keys = {Kid.parse(it): PrivateKey(bytes.fromhex(seed)) for it, seed in seeds.items()}

    def opened():
        return envelopes.unseal(envelopes.read(json.dumps(case["envelope"]).encode()), private_keys)

    if case["expect"] == "opens":
        parts = opened()
        assert parts.visit.decode().rstrip() == held["visit"]
        assert parts.contact.decode().rstrip() == held["contact"]
        secrets = codes.derive(held["code"], held["deployment"])
        reply = unb64(case["envelope"]["reply"])
        assert envelopes.open_reply(reply, secrets.reply, secrets.id) == {"state": "waiting"}
    elif case["expect"] == "cannot open":
        # A moved or misnamed part is refused before it is opened, or fails to open.
        with pytest.raises((CannotOpen, BadEnvelope)):
            opened()
    else:
        with pytest.raises(BadEnvelope) as refused:
            opened()
        assert refused.value.code == case["expect"]


def test_ids_of_openings_and_their_weeks():
    held = vectors("openings")

    for case in held["good"]:
        assert str(Opening.parse(case["id"])) == case["id"]
        assert str(Opening.parse(case["id"]).epoch) == case["week"]
    for id in held["bad"]:
        with pytest.raises(ValueError, match=r"."):
            Opening.parse(id)


@pytest.mark.parametrize(
    ("file", "case"),
    [
        pytest.param(file, *it.values, id=f"{file}-{it.id}")
        for file in ("openings", "devices")
        for it in named(vectors(file)["cases"])
    ],
)
def test_signed_lists_of_openings(file, case):
    held = vectors(file)
    pinned = held["trust"]
    trust = Trust(tuple(map(unb64, pinned["custodians"])), pinned["threshold"], "demo")
    path = case.get("path", "")

    def verify():
        raw, devices = case["openings"].encode(), case["devices"].encode()
        return openings.verify_listing(raw, devices, trust, held["queue"], path)

    if case["expect"] == "good":
        assert sorted(map(str, verify().seats)) == [
            id for id in held["free"] if Opening.parse(id).path == path
        ]
    else:
        with pytest.raises(BadSignature):
            verify()


def test_replies():
    for case in vectors("openings")["replies"]:
        secrets = codes.derive(case["code"], "demo")
        said = envelopes.open_reply(unb64(case["sealed"]), secrets.reply, secrets.id)
        assert said == case["says"]
        assert replies.write(replies.read(said)) == said


def test_seeds_and_public_keys():
    held = vectors("envelope")

    for kid, halves in held["halves"].items():
        pair = (bytes.fromhex(halves[side]) for side in ("device", "server"))
        seed = hpke.seed(*pair, Kid.parse(kid))
        assert seed.hex() == held["seeds"][kid]
        assert b64(hpke.public_key(seed)) == held["public_keys"][kid]


def test_every_failure_that_must_be_tested_has_a_vector():
    assert {case["name"] for case in vectors("envelope")["cases"]} >= {
        "sealed by Python", "sealed by JavaScript", "wrong key", "device half alone",
        "server half alone", "moved part", "swapped parts", "wrong week", "flipped byte",
        "missing byte", "extra byte", "unknown version",
    }  # fmt: skip
