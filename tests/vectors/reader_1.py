"""How the release of November 2026 reads parts and signed papers, word for word but for imports and
for what it makes of them: never edited. A staff computer or a function that was not brought up to
date yet reads so. What is written now must pass here until the release after.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import date
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

CONTACT = ("reach", "phone", "phone_owner")
MANY = ("centers", "windows", "access", "reach")
FIELDS = (
    "centers", "windows", "opening", "people", "children", "visit_type", "language", "access",
    "name", *CONTACT,
)  # fmt: skip
PARTS = ("visit", "contact")
KID = re.compile(r"([a-z][a-z0-9-]{0,15})\.(visit|contact)\.(\d{4}-W\d\d)\.([0-9a-f]{8})")
OPENING = re.compile(
    r"([a-z][a-z0-9_-]{0,31})\.(\d{4}-\d\d-\d\d)\.([01]\d|2[0-3])([0-5]\d)(?:\.(.+))?"
)
PATH = re.compile(r"[a-z][a-z0-9-]{2,14}")


class Refused(Exception):
    """What that release does not read."""


# --- Parts ---------------------------------------------------------------------------------------


def unpack(visit: bytes, contact: bytes) -> tuple[dict[str, Any], bytes]:
    """The fields of a request, and its reply key."""
    try:
        values = _strict(visit) | (inner := _strict(contact))
        reply_key = unb64(values.pop("reply_key"), 32)
        if set(values) != set(FIELDS) or set(inner) != {*CONTACT, "reply_key"}:
            raise ValueError("fields")
        for field in FIELDS:
            values[field] = _typed(field, values[field])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused("the parts do not hold a request") from None
    return values, reply_key


def _strict(data: bytes) -> dict[str, Any]:
    values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("not an object")
    return values


def _typed(field: str, value: object) -> object:
    if field in MANY:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            "".join(value).encode()
            return tuple(value)
    elif field in ("people", "children"):
        if type(value) is int and 0 <= value <= 999:
            return value
    elif isinstance(value, str):
        value.encode()
        return value
    raise TypeError(field)


# --- Papers --------------------------------------------------------------------------------------


def bundle(raw: bytes, trust: dict[str, Any], queue: str) -> str:
    """The week of a bundle."""
    doc = verify(raw, "bundle", [unb64(it) for it in trust["custodians"]], trust["threshold"])
    try:
        if type(doc["v"]) is not int or doc["v"] != 1 or len(doc["keys"]) != len(PARTS):
            raise ValueError("another version, or too many keys")
        epoch = _epoch(doc["epoch"])
        keys = {row["part"]: (row["kid"], unb64(row["pk"], 1216)) for row in doc["keys"]}
        if type(doc["not_before"]) is not int or type(doc["not_after"]) is not int:
            raise ValueError("times are whole seconds")
        for part in PARTS:
            if _kid(keys[part][0]) != (doc["queue"], part, epoch):
                raise ValueError("a key of another queue, part or week")
    except (ValueError, TypeError, KeyError):
        raise Refused("malformed") from None
    if doc["queue"] != queue:
        raise Refused("queue")
    if doc["deployment"] != trust["deployment"]:
        raise Refused("deployment")
    return epoch


def devices(raw: bytes, trust: dict[str, Any]) -> list[str]:
    """The admitted devices."""
    custodians = [unb64(it) for it in trust["custodians"]]
    document = verify(raw, "devices", custodians, trust["threshold"])
    try:
        if document["deployment"] != trust["deployment"]:
            raise Refused("the list of devices is for another deployment")
        return [str(device) for device in document["devices"]]
    except (TypeError, KeyError):
        raise Refused("the list of devices is malformed") from None


def listing(raw: bytes, admitted: bytes, trust: dict[str, Any], queue: str, path: str) -> list[str]:
    """The openings of a list."""
    try:
        spki = unb64(json.loads(unb64(json.loads(raw)["body"]))["spki"])
        device = hashlib.sha256(spki).digest()[:8].hex()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused("the list of openings is malformed") from None
    if device not in devices(admitted, trust):
        raise Refused("the list of openings is signed by a device that is not admitted")
    document = verify(raw, "openings", [spki], 1)
    try:
        named = document["v"], document["queue"], document["deployment"], document["path"]
        if named != (1, queue, trust["deployment"], path):
            raise ValueError("another list")
        return _openings(document)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused("the list of openings is malformed, or another one") from None


def wrap_keys(raw: bytes, device: str, trust: dict[str, Any]) -> dict[str, bytes]:
    """A device's wrap keys by week."""
    try:
        spki = unb64(json.loads(unb64(json.loads(raw)["body"]))["spki"])
        if hashlib.sha256(spki).digest()[:8].hex() != device:
            raise ValueError("another device's key")
        document = verify(raw, "wrap-keys", [spki], 1)
        if document["deployment"] != trust["deployment"]:
            raise ValueError("another deployment")
        return {_epoch(epoch): unb64(pk, 1216) for epoch, pk in document["keys"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused("the keys that the device uploaded do not verify") from None


def head(raw: bytes, record: bytes, trust: dict[str, Any], queue: str) -> int:
    """How many lines of a record the signed head vouches for. Of the lines it looks at the hash of
    the last one only."""
    document = verify(raw, "record", [unb64(it) for it in trust["custodians"]], trust["threshold"])
    count, lines = document["lines"], record.splitlines()
    last = hashlib.sha256(lines[count - 1]).hexdigest() if count else ""
    if document != {"v": 1, "queue": queue, "lines": count, "head": last}:
        raise Refused("the record is not the one that custodians signed")
    return int(count)


def verify(raw: bytes, kind: str, signers: Sequence[bytes], threshold: int) -> Any:
    """The parsed body of a signed document."""
    if threshold < 1:
        raise Refused("a threshold is at least one signature")
    try:
        outer = json.loads(raw)
        body = unb64(outer["body"])
        sigs = [(unb64(sig["by"], 8), unb64(sig["sig"], 64)) for sig in outer["sigs"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused("the signed document is malformed") from None
    message = b"quietdesk/1|" + kind.encode() + b"|" + body
    good = {spki for spki in signers if any(_signed(spki, by, sig, message) for by, sig in sigs)}
    if len(good) < threshold:
        raise Refused(f"{len(good)} of {threshold} needed signatures are valid")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("the signed document is malformed") from None


def _signed(spki: bytes, by: bytes, sig: bytes, message: bytes) -> bool:
    if by != hashlib.sha256(spki).digest()[:8]:
        return False
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("a pinned key is not on the curve P-256")
    r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _openings(document: dict[str, Any]) -> list[str]:
    path, found = document["path"], []
    for center, days in document["times"].items():
        for day, times in days.items():
            for at, count in times.items():
                date.fromisoformat(day)
                id = f"{center}.{day}.{at.replace(':', '')}" + (f".{path}" if path else "")
                match = OPENING.fullmatch(id) if id.isascii() else None
                if match is None or (match[5] and not PATH.fullmatch(match[5])):
                    raise ValueError("not an opening")
                spelled = match[1], match[2], f"{match[3]}:{match[4]}", match[5] or ""
                if spelled != (center, day, at, path):
                    raise ValueError("not an opening")
                if type(count) is not int or count < 0:
                    raise ValueError("not a number of seats")
                found.append(id)
    for center, day in document["closed"]:
        str(center), date.fromisoformat(day)
    return found


def _epoch(text: object) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-W\d\d", text, re.ASCII):
        raise ValueError("not an ISO week")
    date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
    return text


def _kid(text: object) -> tuple[str, str, str]:
    match = KID.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    if match is None:
        raise ValueError("not the name of a key")
    return match[1], match[2], _epoch(match[3])


def unb64(text: object, length: int | None = None) -> bytes:
    """The bytes in URL-safe base64 without padding."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII):
        raise ValueError("not base64")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    spelled = urlsafe_b64encode(data).rstrip(b"=").decode()
    if spelled != text or (length is not None and len(data) != length):
        raise ValueError("not base64 of that length")
    return data
