"""The public side of keys: weeks, names, derivations, signed documents, the destruction record.

No private key is kept here: who asks for a PrivateKey holds it.
The bytes are specified in docs/envelope.md.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_public_key

from quietdesk.errors import BadBundle, BadRecord, BadSignature, CannotOpen
from quietdesk.wire import b64, unb64

DEMO = "demo"  # the deployment whose keys no other stage accepts
PARTS = ("visit", "contact")
PUBLIC_KEY_BYTES = 1216
GRACE = timedelta(hours=24)  # how long a request may still go to the week before
WEEKS_AHEAD = 4  # how far ahead a taken opening may be
MAX_SERVE_DAYS = 21
MAX_AGE = timedelta(days=60)  # from the start of the week of first sealing, whatever anybody says

_MLKEM_BYTES = 1184
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KID = re.compile(r"([a-z][a-z0-9-]{0,15})\.(visit|contact)\.(\d{4}-W\d\d)\.([0-9a-f]{8})")


# --- Weeks -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Epoch:
    """An ISO 8601 week in the programme's time zone; `str` gives `2026-W47`."""

    year: int
    week: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is exactly the name of a week that exists."""
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-W\d\d", text, re.ASCII):
            raise ValueError("not an ISO week")
        year, week = int(text[:4]), int(text[6:])
        date.fromisocalendar(year, week, 1)
        return cls(year, week)

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.week:02d}"

    def plus(self, weeks: int) -> "Epoch":
        """The epoch so many weeks later, or earlier when negative."""
        monday = date.fromisocalendar(self.year, self.week, 1) + timedelta(weeks=weeks)
        return Epoch(*monday.isocalendar()[:2])

    def start(self, zone: ZoneInfo) -> datetime:
        """Monday 00:00 in the programme's time zone, as UTC."""
        monday = date.fromisocalendar(self.year, self.week, 1)
        return datetime.combine(monday, time(), zone).astimezone(UTC)

    def end(self, zone: ZoneInfo) -> datetime:
        """The instant the week after begins, as UTC."""
        return self.plus(1).start(zone)


def epoch_at(now: datetime, zone: ZoneInfo) -> Epoch:
    """The week that `now` lies in."""
    return Epoch(*now.astimezone(zone).isocalendar()[:2])


def accepted(now: datetime, zone: ZoneInfo) -> tuple[Epoch, ...]:
    """The weeks a request may be sealed to: the current one, and the one before for 24 hours."""
    epoch = epoch_at(now, zone)
    return (epoch,) if now - epoch.start(zone) > GRACE else (epoch, epoch.plus(-1))


def live(now: datetime, zone: ZoneInfo, serve_days: int) -> tuple[Epoch, ...]:
    """Every week whose envelopes may still be read, oldest first: served, current and ahead."""
    current = epoch_at(now, zone)
    weeks = (current.plus(n) for n in range(-1 - MAX_SERVE_DAYS // 7, WEEKS_AHEAD + 1))
    return tuple(epoch for epoch in weeks if destroyed_at(epoch, zone, serve_days) > now)


def destroyed_at(epoch: Epoch, zone: ZoneInfo, serve_days: int) -> datetime:
    """The announced instant at which the week's keys are destroyed, as UTC: 00:00 in the
    programme's time zone, also when clocks changed since the week ended."""
    monday = date.fromisocalendar(epoch.year, epoch.week, 1)
    day = monday + timedelta(days=7 + min(serve_days, MAX_SERVE_DAYS))
    return datetime.combine(day, time(), zone).astimezone(UTC)


def look_again(
    epoch: Epoch, now: datetime, zone: ZoneInfo, serve_days: int, answer_by_days: int
) -> date:
    """The day on which who asked is told to look again: `answer_by_days` from today, and never so
    late that a request of that week may be destroyed already."""
    today = now.astimezone(zone).date()
    last = destroyed_at(epoch, zone, serve_days).astimezone(zone).date() - timedelta(days=1)
    return max(today, min(today + timedelta(days=answer_by_days), last))


def expires(epoch: Epoch, born: Epoch, zone: ZoneInfo, serve_days: int) -> int:
    """When an envelope ends, in Unix seconds: with its week's keys, and never more than 60 days
    after the week of its first sealing began."""
    end = min(destroyed_at(epoch, zone, serve_days), born.start(zone) + MAX_AGE)
    return int(end.timestamp())


# --- Names, derivations and HPKE -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kid:
    """The name of one key: `main.contact.2026-W47.7f3a91c2`."""

    queue: str
    part: str
    epoch: Epoch
    nonce: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Raises ValueError unless `text` is the name of a key."""
        match = _KID.fullmatch(text) if isinstance(text, str) and text.isascii() else None
        if match is None:
            raise ValueError("not the name of a key")
        return cls(match[1], match[2], Epoch.parse(match[3]), match[4])

    def __str__(self) -> str:
        return f"{self.queue}.{self.part}.{self.epoch}.{self.nonce}"


def seed(device_half: bytes, server_half: bytes, kid: str) -> bytes:
    """The 32-byte private seed that the two 32-byte halves make together."""
    if len(device_half) != 32 or len(server_half) != 32:
        raise ValueError("a half is 32 bytes")
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=b"quietdesk/1", info=f"epoch|{kid}".encode())
    return hkdf.derive(device_half + server_half)


class PrivateKey:
    """What opens things sealed to one public key, made from a 32-byte seed. Making it takes longer
    than using it, so the desk makes one for each key it needs and lets go of it when it locks."""

    __slots__ = ("_hybrid", "public_key")

    def __init__(self, seed: bytes):
        if len(seed) != 32:
            raise ValueError("a seed is 32 bytes")
        # The hybrid class has no raw import, and DeriveKeyPair differs between drafts.
        expanded = hashlib.shake_256(seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._hybrid = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public_key = (
            mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        )

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """What `seal_to` sealed. Raises CannotOpen for another key, another info or changed
        bytes."""
        try:
            return _SUITE.decrypt(sealed, self._hybrid, info)
        except (InvalidTag, ValueError):
            raise CannotOpen("the key does not open this", "foreign") from None


def public_key(seed: bytes) -> bytes:
    """The 1,216-byte X-Wing public key of a 32-byte seed: ML-KEM-768 (1,184), then X25519 (32)."""
    return PrivateKey(seed).public_key


def seal_to(public_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """HPKE single shot (RFC 9180, section 6.1), no AAD. Gives enc(1,120) || ciphertext, which is
    1,136 bytes longer than the plaintext. Raises ValueError for what is not a public key."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError("a public key is 1,216 bytes")
    mlkem = MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_BYTES])
    x25519 = X25519PublicKey.from_public_bytes(public_key[_MLKEM_BYTES:])
    return _SUITE.encrypt(plaintext, MLKEM768X25519PublicKey(mlkem, x25519), info)


# --- Signed documents ----------------------------------------------------------------------------


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


def verify(raw: bytes, kind: str, signers: Sequence[bytes], threshold: int) -> Any:
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


# --- The bundle ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """The public keys of one queue and one week, as custodians signed them. `keys` maps a part to
    its (kid, 1,216-byte public key); times are Unix seconds."""

    queue: str
    deployment: str
    epoch: Epoch
    not_before: int
    not_after: int
    keys: dict[str, tuple[str, bytes]]


def bundle_name(queue: str, epoch: Epoch) -> str:
    """The name under which the store publishes a week's bundle."""
    return f"bundle#{queue}#{epoch}"


def bundle_body(
    queue: str, deployment: str, epoch: Epoch, zone: ZoneInfo, keys: Iterable[tuple[str, bytes]]
) -> bytes:
    """The bytes that custodians sign for one queue and week; `keys` are (kid, public key)."""
    rows = [{"kid": kid, "part": Kid.parse(kid).part, "pk": b64(pk)} for kid, pk in keys]
    return json.dumps(
        {
            "v": 1,
            "queue": queue,
            "deployment": deployment,
            "epoch": str(epoch),
            "not_before": int(epoch.start(zone).timestamp()),
            "not_after": int((epoch.end(zone) + GRACE).timestamp()),
            "keys": rows,
        },
        separators=(",", ":"),
    ).encode()


@lru_cache(maxsize=8)  # the same bytes are verified once; other bytes, keys or queues anew
def signed_bundle(raw: bytes, trust: Trust, queue: str) -> Bundle:
    """The bundle in a signed document, whatever the time. Raises BadSignature, or BadBundle with
    the reason malformed, queue or deployment."""
    doc = verify(raw, "bundle", trust.custodians, trust.threshold)
    try:
        if type(doc["v"]) is not int or doc["v"] != 1 or len(doc["keys"]) != len(PARTS):
            raise ValueError("another version, or too many keys")
        bundle = Bundle(
            queue=doc["queue"],
            deployment=doc["deployment"],
            epoch=Epoch.parse(doc["epoch"]),
            not_before=doc["not_before"],
            not_after=doc["not_after"],
            keys={
                row["part"]: (row["kid"], unb64(row["pk"], PUBLIC_KEY_BYTES)) for row in doc["keys"]
            },
        )
        if type(bundle.not_before) is not int or type(bundle.not_after) is not int:
            raise ValueError("times are whole seconds")
        for part in PARTS:
            kid = Kid.parse(bundle.keys[part][0])
            if (kid.queue, kid.part, kid.epoch) != (bundle.queue, part, bundle.epoch):
                raise ValueError("a key of another queue, part or week")
    except (ValueError, TypeError, KeyError):
        raise BadBundle("malformed") from None
    if bundle.queue != queue:
        raise BadBundle("queue")
    if bundle.deployment != trust.deployment:
        raise BadBundle("deployment")
    return bundle


def verify_bundle(
    raw: bytes, trust: Trust, queue: str, now: datetime, epoch: Epoch | None = None
) -> Bundle:
    """The bundle in a signed document, if it is one to seal to now.

    Without `epoch` the bundle must be valid at `now`. With it, the bundle must be that week's and
    not be over; it may lie ahead. Raises BadSignature, or BadBundle with the reason.
    """
    bundle = signed_bundle(raw, trust, queue)
    if now.timestamp() > bundle.not_after:
        raise BadBundle("stale")
    if epoch is None:
        if now.timestamp() < bundle.not_before:
            raise BadBundle("early")
    elif bundle.epoch != epoch:
        raise BadBundle("epoch")
    return bundle


# --- The destruction record ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One destroyed week of one queue. `prev` is SHA-256, in hex, of the line before ("" in the
    first); `destroyed_at` is a day."""

    queue: str
    epoch: str
    kids: tuple[str, ...]
    envelopes_erased: int
    destroyed_at: date
    prev: str

    def write(self) -> bytes:
        """The line as it is hashed and published: JSON without a line break."""
        return json.dumps(
            {
                "queue": self.queue,
                "epoch": self.epoch,
                "kids": list(self.kids),
                "envelopes_erased": self.envelopes_erased,
                "destroyed_at": self.destroyed_at.isoformat(),
                "prev": self.prev,
            },
            separators=(",", ":"),
        ).encode()


def record_name(queue: str) -> str:
    """The name under which the store publishes the record of destruction."""
    return f"record#{queue}"


def record_head_name(queue: str) -> str:
    """The name under which the store publishes the head that custodians signed last."""
    return f"record-head#{queue}"


def read_record(raw: bytes) -> list[Line]:
    """The lines of a published record, each bound to the one before. Raises BadRecord."""
    lines: list[Line] = []
    prev = ""
    for text in raw.splitlines():
        try:
            row = json.loads(text)
            line = Line(
                queue=row["queue"],
                epoch=str(Epoch.parse(row["epoch"])),
                kids=tuple(str(Kid.parse(kid)) for kid in row["kids"]),
                envelopes_erased=row["envelopes_erased"],
                destroyed_at=date.fromisoformat(row["destroyed_at"]),
                prev=row["prev"],
            )
            if not isinstance(line.queue, str) or type(line.envelopes_erased) is not int:
                raise TypeError("a name and a count")
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadRecord(f"line {len(lines) + 1} of the record is malformed") from None
        if line.prev != prev or line.write() != text:
            raise BadRecord(f"line {len(lines) + 1} of the record does not follow the one before")
        lines.append(line)
        prev = line_hash(line)
    return lines


def line_hash(line: Line) -> str:
    """SHA-256 of a line, in hex: what the next line names as `prev`."""
    return hashlib.sha256(line.write()).hexdigest()


def record_head(queue: str, lines: Sequence[Line]) -> bytes:
    """The bytes that custodians sign to vouch for the record as it stands."""
    head = {
        "v": 1,
        "queue": queue,
        "lines": len(lines),
        "head": line_hash(lines[-1]) if lines else "",
    }
    return json.dumps(head, separators=(",", ":")).encode()


def verify_record(raw: bytes, signed_head: bytes, trust: Trust, queue: str) -> list[Line]:
    """The lines of the record, of which at least those under the signed head are as custodians
    saw them. Raises BadRecord or BadSignature."""
    lines = read_record(raw)
    head = verify(signed_head, "record", trust.custodians, trust.threshold)
    try:
        count = head["lines"]
        if type(count) is not int:
            raise TypeError("a count")
        expected = {"v": 1, "queue": queue, "lines": count, "head": head["head"]}
    except (ValueError, TypeError, KeyError):
        raise BadRecord("the signed head of the record is malformed") from None
    if (
        head != expected
        or count > len(lines)
        or json.loads(record_head(queue, lines[:count])) != head
    ):
        raise BadRecord("the record is not the one that custodians signed")
    return lines
