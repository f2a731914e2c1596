"""Signed documents: whom to believe, what a signature covers, and the one check of what is signed.

The bytes are specified in docs/envelope.md.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from quietdesk.errors import BadSignature
from quietdesk.wire import b64, unb64

DEMO = "demo"  # the deployment whose keys no other stage accepts


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: the custodians' public keys (SPKI in DER, P-256), how many of them must
    sign, and the deployment they sign for."""

    custodians: tuple[bytes, ...]
    threshold: int
    deployment: str


def key_id(spki: bytes) -> bytes:
    """The first 8 bytes of SHA-256 of a public key: which key a signature is by."""
    return hashlib.sha256(spki).digest()[:8]


def signed_bytes(kind: str, body: bytes) -> bytes:
    """What a signature covers, so that a signature on one kind of document is none on another."""
    return b"quietdesk/1|" + kind.encode() + b"|" + body


def signed_document(body: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The wire form of a body and its (key id, r || s) pairs."""
    sigs = [{"by": b64(by), "sig": b64(sig)} for by, sig in signatures]
    return json.dumps({"body": b64(body), "sigs": sigs}, separators=(",", ":")).encode()


def verify_signatures(raw: bytes, kind: str, signers: Sequence[bytes], threshold: int) -> Any:
    """The parsed JSON body of a signed document, verified before it is parsed.

    `signers` are public keys (SPKI in DER). Raises BadSignature unless `threshold` (at least 1)
    distinct ones of them signed exactly these bytes as this kind of document.
    """
    if threshold < 1:
        raise BadSignature("a threshold is at least one signature")
    try:
        outer = json.loads(raw)
        body = unb64(outer["body"])
        sigs = [(unb64(sig["by"], 8), unb64(sig["sig"], 64)) for sig in outer["sigs"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadSignature("the signed document is malformed") from None
    message = signed_bytes(kind, body)
    good = {spki for spki in signers if any(_signed(spki, by, sig, message) for by, sig in sigs)}
    if len(good) < threshold:
        raise BadSignature(f"{len(good)} of {threshold} needed signatures are valid")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadSignature("the signed document is malformed") from None


def _signed(spki: bytes, by: bytes, sig: bytes, message: bytes) -> bool:
    if by != key_id(spki):
        return False
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
    try:
        _p256(spki).verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@cache
def _p256(spki: bytes) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSignature("a pinned key is not on the curve P-256")
    return key
