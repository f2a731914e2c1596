"""The keyring: the locked file that holds a device's or a custodian's private keys.

A passphrase locks it through Argon2id (RFC 9106). Each week's wrap key is its own AES-256-GCM box
with the week in clear, so `forget` can delete the keys of ended weeks without the passphrase.
Nothing readable is ever written.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from quietdesk.city import City
from quietdesk.errors import BadKeyring, CannotOpen, NoKeyring, WrongPassphrase
from quietdesk.hpke import Kid, PrivateKey, public_key
from quietdesk.signed import Trust, document_body, key_id, signed_bytes
from quietdesk.weeks import Epoch, over
from quietdesk.wire import b64, unb64

WRAP_WEEKS_AHEAD = 10  # wrap keys a device holds ready for coming weeks


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id parameters: memory in KiB, passes, lanes."""

    memory_kib: int
    iterations: int
    lanes: int


COST = Cost(256 * 1024, 3, 4)  # about a second on a desk computer; RFC 9106 asks for no less
_DEAREST = Cost(2 * 1024 * 1024, 16, 16)  # a file that asks for more is refused, not obeyed


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """An unlocked keyring, in memory only. `kind` is device or custodian; `id` is 16 hex digits,
    the start of SHA-256 of its public key; `wrap_seeds` maps an epoch to a 32-byte seed; `trust`
    is whom it was told to believe when it was made. It has no repr."""

    kind: str
    signing_key: bytes
    trust: Trust
    wrap_seeds: Mapping[Epoch, bytes]
    cost: Cost
    salt: bytes
    box_key: bytes

    def __repr__(self) -> str:
        return "<Keyring>"

    @property
    def public_key(self) -> bytes:
        """The public half of the signing key, SPKI in DER."""
        return (
            _private(self.signing_key)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    @property
    def id(self) -> str:
        return key_id(self.public_key).hex()

    def sign(self, kind: str, body: bytes) -> tuple[bytes, bytes]:
        """This key's (key id, r || s) for a document of that kind: ECDSA P-256 with SHA-256."""
        der = _private(self.signing_key).sign(signed_bytes(kind, body), ec.ECDSA(SHA256()))
        r, s = decode_dss_signature(der)
        return key_id(self.public_key), r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def topped_up(self, epochs: Iterable[Epoch]) -> "Keyring":
        """The keyring with a fresh random wrap key for each of the epochs that has none."""
        fresh = {epoch: secrets.token_bytes(32) for epoch in epochs}
        return replace(self, wrap_seeds=fresh | dict(self.wrap_seeds))

    def wrap_keys(
        self,
        number: int,
        day: date,
        proved: Mapping[Kid, date] = {},
        failed: Mapping[Kid, date] = {},
    ) -> bytes:
        """The body of this device's upload, signed on a day: one public wrap key for each epoch;
        the keys that it opens with, and those of which its wrap fails, each since a day."""
        seeds = sorted(self.wrap_seeds.items())
        keys = {str(epoch): b64(public_key(seed)) for epoch, seed in seeds}
        found = {
            name: {str(kid): since.isoformat() for kid, since in kids.items()}
            for name, kids in (("proved", proved), ("failed", failed))
        }
        says = {"spki": b64(self.public_key), "keys": keys, **found}
        return document_body("wrap-keys", self.trust.deployment, number, day, **says)

    def unwrap(self, kid: Kid, wrap: bytes) -> bytes:
        """The 32-byte device half in a wrap. Raises CannotOpen."""
        if kid.epoch not in self.wrap_seeds:
            raise CannotOpen("this device has no key for that week", "no_key")
        return PrivateKey(self.wrap_seeds[kid.epoch]).open(wrap_info(kid, self.id), wrap)


def wrap_info(kid: Kid, device: str) -> bytes:
    """The HPKE info that binds a wrap to one key and one device."""
    return f"quietdesk/1|wrap|{kid}|{device}".encode()


def new(kind: str, trust: Trust, passphrase: str, cost: Cost = COST) -> Keyring:
    """A fresh keyring with a signing key and no wrap keys yet."""
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    salt = secrets.token_bytes(16)
    return Keyring(kind, der, trust, {}, cost, salt, _stretch(passphrase, salt, cost))


def lock(keyring: Keyring) -> bytes:
    """The keyring as it lies on disk: everything private under the passphrase it was made with."""
    clear = {
        "v": 1,
        "kind": keyring.kind,
        "id": keyring.id,
        "deployment": keyring.trust.deployment,
        "argon2id": {
            "memory_kib": keyring.cost.memory_kib,
            "iterations": keyring.cost.iterations,
            "lanes": keyring.cost.lanes,
            "salt": b64(keyring.salt),
        },
    }
    main = {
        "signing_key": b64(keyring.signing_key),
        "custodians": [b64(spki) for spki in keyring.trust.custodians],
        "threshold": keyring.trust.threshold,
    }
    boxes = {"main": _box(keyring.box_key, _aad(clear, "main"), json.dumps(main).encode())}
    for epoch, seed in sorted(keyring.wrap_seeds.items()):
        boxes[str(epoch)] = _box(keyring.box_key, _aad(clear, str(epoch)), seed)
    return json.dumps(clear | {"boxes": boxes}, indent=1).encode()


def unlock(data: bytes, passphrase: str) -> Keyring:
    """The keyring in a locked file. Run `forget` on the file first: a key that is still in it is
    unlocked. Raises WrongPassphrase or BadKeyring."""
    clear, boxes = _read(data)
    try:
        kdf = clear["argon2id"]
        cost = Cost(int(kdf["memory_kib"]), int(kdf["iterations"]), int(kdf["lanes"]))
        salt = unb64(kdf["salt"], 16)
        if (
            cost.memory_kib > _DEAREST.memory_kib
            or cost.iterations > _DEAREST.iterations
            or cost.lanes > _DEAREST.lanes
            or cost.memory_kib * cost.iterations > _DEAREST.memory_kib  # seconds, not minutes
        ):
            raise ValueError("too dear")
        box_key = _stretch(passphrase, salt, cost)
        main = json.loads(_unbox(box_key, _aad(clear, "main"), boxes["main"]))
        seeds = {
            Epoch.parse(name): _unbox(box_key, _aad(clear, name), box)
            for name, box in boxes.items()
            if name != "main"
        }
        custodians = tuple(unb64(spki) for spki in main["custodians"])
        trust = Trust(custodians, int(main["threshold"]), clear["deployment"])
        signing_key = unb64(main["signing_key"])
    except InvalidTag:
        raise WrongPassphrase("the passphrase does not unlock this keyring") from None
    except (ValueError, TypeError, KeyError, OverflowError):
        raise BadKeyring("the keyring file is damaged") from None
    return Keyring(clear["kind"], signing_key, trust, seeds, cost, salt, box_key)


def forget(data: bytes, over: Callable[[Epoch], bool]) -> bytes:
    """The locked file without the keys of weeks that are over. Needs no passphrase."""
    clear, boxes = _read(data)
    try:
        kept = {
            name: box
            for name, box in boxes.items()
            if name == "main" or not over(Epoch.parse(name))
        }
    except (ValueError, OverflowError):  # a week beyond the calendar has no end
        raise BadKeyring("the keyring file is damaged") from None
    return json.dumps(clear | {"boxes": kept}, indent=1).encode()


def epochs(data: bytes) -> list[Epoch]:
    """The weeks that a locked file holds keys for. Needs no passphrase. Raises BadKeyring."""
    try:
        return sorted(Epoch.parse(name) for name in _read(data)[1] if name != "main")
    except ValueError:
        raise BadKeyring("the keyring file is damaged") from None


def made_for(data: bytes) -> tuple[str, str]:
    """The kind and the deployment of a locked file. Needs no passphrase: they are in clear, and
    every box is bound to them. Raises BadKeyring."""
    clear, _ = _read(data)
    return clear["kind"], clear["deployment"]


def save(path: Path, data: bytes) -> None:
    """Write a locked file whole or not at all, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def forget_ended(path: Path, city: City, now: datetime) -> None:
    """Delete the keys of ended weeks from a keyring file, if there is one. Raises BadKeyring."""
    if path.exists():
        before = path.read_bytes()
        after = forget(before, lambda epoch: over(epoch, now, city.zone, city.serve_days))
        if epochs(after) != epochs(before):
            save(path, after)


def read(path: Path, kind: str, deployment: str) -> bytes:
    """A locked file of that kind, made for that deployment: demo keys sign and open nothing else,
    whoever pins them. Raises NoKeyring and BadKeyring."""
    if not path.exists():
        whose = "" if kind == "device" else f"{kind}'s "
        raise NoKeyring(f"there is no {whose}keyring at {path.absolute()}")
    data = path.read_bytes()
    if made_for(data) != (kind, deployment):
        raise BadKeyring(f"{path.name} is not a {kind}'s keyring for {deployment}")
    return data


def fingerprint(spki: bytes) -> str:
    """A public key as twelve English words (BIP 39, 128 bits of SHA-256), to read out aloud."""
    from mnemonic import Mnemonic

    return str(Mnemonic("english").to_mnemonic(hashlib.sha256(spki).digest()[:16]))


def _stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    return Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(passphrase.encode())


def _private(der: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key(der, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadKeyring("the keyring's signing key is of another kind")
    return key


def _aad(clear: Mapping[str, Any], name: str) -> bytes:
    bound = (clear["kind"], clear["id"], clear["deployment"], name)
    return ("quietdesk/1|keyring|" + "|".join(map(str, bound))).encode()


def _box(key: bytes, aad: bytes, plaintext: bytes) -> str:
    nonce = secrets.token_bytes(12)
    return b64(nonce + AESGCM(key).encrypt(nonce, plaintext, aad))


def _unbox(key: bytes, aad: bytes, box: object) -> bytes:
    data = unb64(box)
    return AESGCM(key).decrypt(data[:12], data[12:], aad)


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        clear = json.loads(data)
        boxes = clear.pop("boxes")
        if clear["v"] != 1:
            raise BadKeyring("the keyring was written by another version")
        if not all(isinstance(clear[key], str) for key in ("kind", "id", "deployment")):
            raise TypeError("names")
        if not isinstance(boxes, dict) or "main" not in boxes:
            raise TypeError("boxes")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadKeyring("the keyring file is damaged") from None
    return clear, boxes
