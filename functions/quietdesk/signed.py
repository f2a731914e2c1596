"""Signed documents: whom to believe, what a signature covers, what stands in each of them, and the
one check of what is signed.

The bytes are specified in docs/envelope.md.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any, Generic, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from quietdesk.errors import BadSignature, WrongDocument
from quietdesk.wire import b64, unb64

DEMO = "demo"  # the deployment whose keys no other stage accepts
VERSION = 1
MOST_NUMBERS = 2**53  # what a phone counts without rounding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: the custodians' public keys (SPKI in DER, P-256), how many of them must
    sign, and the deployment they sign for."""

    custodians: tuple[bytes, ...]
    threshold: int
    deployment: str

    def same_as(self, other: "Trust") -> bool:
        """Whether the same are believed, in whatever order they are named."""
        mine, its = replace(self, custodians=()), replace(other, custodians=())
        return mine == its and {*self.custodians} == {*other.custodians}


@dataclass(frozen=True, slots=True)
class Paper(Generic[T]):
    """A signed document that is the one that was asked for: what it says, its number, and the day
    on which it was signed, in the programme's time zone. One that names no day proves nothing about
    time; one without a number, as they were signed before, has 0."""

    says: T
    number: int = 0
    signed_on: date | None = None


def key_id(spki: bytes) -> bytes:
    """The first 8 bytes of SHA-256 of a public key: which key a signature is by."""
    return hashlib.sha256(spki).digest()[:8]


def signed_bytes(kind: str, body: bytes) -> bytes:
    """What a signature covers, so that a signature on one kind of document is none on another."""
    return b"quietdesk/1|" + kind.encode() + b"|" + body


def document_body(kind: str, deployment: str, number: int, day: date, **says: object) -> bytes:
    """The bytes to sign: what every document carries, and what this one says; also its version `v`,
    where that is another one."""
    common: dict[str, object] = {"v": VERSION, "type": kind, "deployment": deployment}
    common |= {"number": number, "day": day.isoformat()}
    return json.dumps(common | says, separators=(",", ":")).encode()


def signed_document(body: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The wire form of a body and its (key id, r || s) pairs."""
    sigs = [{"by": b64(by), "sig": b64(sig)} for by, sig in signatures]
    return json.dumps({"body": b64(body), "sigs": sigs}, separators=(",", ":")).encode()


def read_signed(
    raw: bytes,
    kind: str,
    signers: Sequence[bytes],
    threshold: int,
    parse: Callable[[Any], T],
    deployment: str,
    says: Mapping[str, str] = {},
    lowest: int = 0,
    versions: Collection[int] = (VERSION,),
) -> Paper[T]:
    """What `parse` makes of the body of a signed document: the one check of all that is signed.

    It is verified before it is parsed; it is of one of the versions and of that kind, and `parse`
    may refuse it with ValueError, TypeError, KeyError or AttributeError; then it must be of the
    deployment and say of itself what `says` (`{"queue": "main"}`), and have the number `lowest` or
    a higher one. Raises BadSignature as `verify_signatures`, and WrongDocument.
    """
    document = verify_signatures(raw, kind, signers, threshold)
    wanted = {"deployment": deployment, **says}
    try:
        if type(document["v"]) is not int or document["v"] not in versions:
            raise ValueError("another version")
        if document.get("type", kind) != kind:
            raise WrongDocument(kind, "type")
        if kind == "record" and "type" not in document:
            del wanted["deployment"]  # heads of the record named none before they named a type
        number, signed_on = _number(document), _day(document)
        parsed = parse(document)
        said = {name: document[name] for name in wanted}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise WrongDocument(kind, "malformed") from None
    for name, value in wanted.items():
        if said[name] != value:
            raise WrongDocument(kind, name)
    if number < lowest:
        raise WrongDocument(kind, "number")
    return Paper(parsed, number, signed_on)


def _number(document: Mapping[str, Any]) -> int:
    number = document.get("number", 0)
    if type(number) is not int or not 0 <= number < MOST_NUMBERS:
        raise ValueError("not a number of ours")
    return number


def _day(document: Mapping[str, Any]) -> date | None:
    return day_of(document["day"]) if "day" in document else None


def day_of(text: str) -> date:
    """A day as signed documents write it, `2026-11-30`. Raises ValueError or TypeError."""
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError("another spelling of a day")
    return day


def own_key(raw: bytes) -> bytes:
    """The public key (SPKI) that a document of one device names as its own. Nothing is verified
    here: a device's id is that key's hash, so the caller compares, and then reads with it. Raises
    BadSignature when there is none."""
    try:
        return unb64(json.loads(unb64(json.loads(raw)["body"]))["spki"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadSignature("the signed document is malformed") from None


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
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature("a key that a signature names is no public key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadSignature("a pinned key is not on the curve P-256")
    return key
