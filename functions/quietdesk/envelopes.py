"""The sealed form of a request: how it is made, written down and opened.

The bytes are specified in docs/envelope.md and pinned by tests/vectors/. One suite, no options.
Nothing here keeps, logs or prints a plaintext.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from secrets import token_bytes
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietdesk.bundles import Bundle
from quietdesk.codes import Secrets
from quietdesk.errors import BadEnvelope, CannotOpen
from quietdesk.hpke import NO_KEY, Kid, PrivateKey, seal_to
from quietdesk.openings import Opening, named
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64

VERSION = 1
PART_BYTES = 1024
SEALED_BYTES = 2160
REPLY_BYTES = 284
WIRE_BYTES = 8192  # the most a posted envelope may measure
WAITING = {"state": "waiting"}

_REPLY_TEXT_BYTES = 256
_FIELDS = {"v", "queue", "id", "auth_hash", "born", "opening", "visit", "contact", "reply"}


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """The two halves of a request, readable: JSON of 1,024 bytes each. It has no repr."""

    visit: bytes
    contact: bytes

    def __repr__(self) -> str:
        return "<Parts>"


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One sealed part and the name of the key it is sealed to; 2,160 bytes."""

    kid: Kid
    sealed: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """A sealed request and its open header. The first block comes from the sealer; `lane`,
    `digest`, `rev` and `expires` (Unix seconds) are written by the function and the store."""

    queue: str
    id: bytes
    auth_hash: bytes
    born: Epoch
    opening: Opening | None
    visit: SealedPart
    contact: SealedPart
    reply: bytes
    lane: str = ""
    digest: bytes = b""
    rev: int = 0
    expires: int = 0

    def __repr__(self) -> str:
        return "<Envelope>"

    @property
    def epoch(self) -> Epoch:
        """The week whose key opens it. Raises CannotOpen when its row in the store is damaged."""
        if self.visit.kid == NO_KEY:
            raise CannotOpen("its row in the store is damaged", "damaged")
        return self.visit.kid.epoch


def seal(
    parts: Parts,
    bundle: Bundle,
    secrets: Secrets,
    opening: Opening | None = None,
    born: Epoch | None = None,
    reply: Mapping[str, Any] = WAITING,
) -> Envelope:
    """The envelope of a request. `born` is the week of its first sealing, by default the bundle's.

    Its digest depends on what the request says, not on the randomness of this sealing, so that
    a plain form sent twice is stored once. Raises ValueError for parts of another size.
    """
    week = born or bundle.epoch
    sealed = _sealed(parts, bundle, secrets.id, week)
    return Envelope(
        queue=bundle.queue,
        id=secrets.id,
        auth_hash=secrets.auth_hash,
        born=week,
        opening=opening,
        visit=sealed["visit"],
        contact=sealed["contact"],
        reply=seal_reply(reply, secrets.reply, secrets.id),
        digest=digest(parts, secrets),
    )


def digest(parts: Parts, secrets: Secrets) -> bytes:
    """The digest of what `seal` makes of the parts, however often it seals them: 32 bytes."""
    return hmac.digest(secrets.reply, b"digest|" + parts.visit + parts.contact, "sha256")


def reseal(
    old: Envelope, parts: Parts, bundle: Bundle, opening: Opening | None, reply: bytes
) -> Envelope:
    """The envelope with other parts, sealed to the key of another week, and with another sealed
    reply. Id, hash of the cancel secret and the week of first sealing stay; its end is for the
    caller to set."""
    sealed = _sealed(parts, bundle, old.id, old.born)
    return replace(
        old, opening=opening, visit=sealed["visit"], contact=sealed["contact"], reply=reply
    )


def unseal(envelope: Envelope, private_keys: Mapping[Kid, PrivateKey]) -> Parts:
    """The parts of an envelope; `private_keys` has the keys by their names. Raises CannotOpen."""
    opened = []
    for part in (envelope.visit, envelope.contact):
        if part.kid not in private_keys:
            raise CannotOpen("the keyring has no key of that name")
        info = _info(part.kid, envelope.id, envelope.born)
        opened.append(private_keys[part.kid].open(info, part.sealed))
    if any(len(data) != PART_BYTES for data in opened):
        raise CannotOpen("a part has the wrong size inside")
    return Parts(*opened)


def seal_reply(reply: Mapping[str, Any], key: bytes, id: bytes) -> bytes:
    """The desk's answer for who has the code, 284 bytes. Raises ValueError when it does not fit."""
    text = json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > _REPLY_TEXT_BYTES:
        raise ValueError("a reply is at most 256 bytes")
    nonce = token_bytes(12)
    aad = _reply_aad(id)
    return nonce + AESGCM(key).encrypt(nonce, text.ljust(_REPLY_TEXT_BYTES), aad)


def open_reply(sealed: bytes, key: bytes, id: bytes) -> dict[str, Any]:
    """The answer that `seal_reply` sealed. Raises CannotOpen."""
    try:
        reply = json.loads(AESGCM(key).decrypt(sealed[:12], sealed[12:], _reply_aad(id)))
    except (InvalidTag, ValueError, RecursionError):
        raise CannotOpen("the reply does not open") from None
    if not isinstance(reply, dict):
        raise CannotOpen("the reply does not open")
    return reply


def write(envelope: Envelope) -> bytes:
    """The wire form: what a phone posts and the store keeps, without the fields of the function."""
    return json.dumps(
        {
            "v": VERSION,
            "queue": envelope.queue,
            "id": b64(envelope.id),
            "auth_hash": b64(envelope.auth_hash),
            "born": str(envelope.born),
            "opening": str(envelope.opening or ""),
            "visit": {"kid": str(envelope.visit.kid), "sealed": b64(envelope.visit.sealed)},
            "contact": {"kid": str(envelope.contact.kid), "sealed": b64(envelope.contact.sealed)},
            "reply": b64(envelope.reply),
        },
        separators=(",", ":"),
    ).encode()


def read(raw: bytes) -> Envelope:
    """The envelope in a posted body, every field of its exact size; its digest is SHA-256 of the
    body. Whether the queue and week are the right ones is for intake to say. Raises BadEnvelope."""
    if len(raw) > WIRE_BYTES:
        raise BadEnvelope("too_large")
    try:
        doc = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadEnvelope("malformed") from None
    if not isinstance(doc, dict):
        raise BadEnvelope("malformed")
    if type(doc.get("v")) is not int or doc["v"] != VERSION:
        raise BadEnvelope("version")
    if set(doc) != _FIELDS:
        raise BadEnvelope("malformed")
    visit, contact = _part(doc["visit"], "visit"), _part(doc["contact"], "contact")
    try:
        opening = named(doc["opening"])
    except ValueError:
        raise BadEnvelope("opening") from None
    try:
        born = Epoch.parse(doc["born"])
    except (ValueError, TypeError):
        raise BadEnvelope("epoch") from None
    if visit.kid.epoch != contact.kid.epoch:
        raise BadEnvelope("epoch")
    if not doc["queue"] == visit.kid.queue == contact.kid.queue:
        raise BadEnvelope("queue")
    return Envelope(
        queue=visit.kid.queue,
        id=_exactly(doc["id"], 16),
        auth_hash=_exactly(doc["auth_hash"], 32),
        born=born,
        opening=opening,
        visit=visit,
        contact=contact,
        reply=_exactly(doc["reply"], REPLY_BYTES),
        digest=hashlib.sha256(raw).digest(),
    )


def admitted(envelope: Envelope, lane: str, expires: int) -> Envelope:
    """The envelope as the function hands it to the store, in its lane and with its end."""
    return replace(envelope, lane=lane, rev=1, expires=expires)


def _sealed(parts: Parts, bundle: Bundle, id: bytes, born: Epoch) -> dict[str, SealedPart]:
    sealed = {}
    for name, data in (("visit", parts.visit), ("contact", parts.contact)):
        if len(data) != PART_BYTES:
            raise ValueError("a part is 1,024 bytes")
        kid, public_key = bundle.keys[name]
        sealed[name] = SealedPart(kid, seal_to(public_key, _info(kid, id, born), data))
    return sealed


def _part(value: object, name: str) -> SealedPart:
    if not isinstance(value, dict) or set(value) != {"kid", "sealed"}:
        raise BadEnvelope("malformed")
    try:
        kid = Kid.parse(value["kid"])
    except ValueError:
        raise BadEnvelope("malformed") from None
    if kid.part != name:
        raise BadEnvelope("malformed")
    return SealedPart(kid, _exactly(value["sealed"], SEALED_BYTES))


def _exactly(text: object, length: int) -> bytes:
    try:
        return unb64(text, length)
    except ValueError:
        raise BadEnvelope("size") from None


def _info(kid: Kid, id: bytes, born: Epoch) -> bytes:
    return f"quietdesk/1|part|{kid}|{b64(id)}|{born}".encode()


def _reply_aad(id: bytes) -> bytes:
    return f"quietdesk/1|reply|{b64(id)}".encode()
