"""The keyring: the locked file that holds a device's or a custodian's private keys.

A passphrase locks it through Argon2id (RFC 9106). Each week's wrap key is its own AES-256-GCM box
with the week in clear, so `forget` can delete the keys of ended weeks without the passphrase.
Nothing readable is ever written.

The file has one door, `update`: several processes of one computer change it, each what it finds
there and not what it remembers. What is in the file is the truth, also against memory.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from quietdesk.city import City
from quietdesk.errors import (
    BadCustodian,
    BadKeyring,
    CannotOpen,
    DamagedInside,
    ForeignKeyring,
    KeyringChanged,
    KeyringTooNew,
    NoKeyring,
    WrongPassphrase,
)
from quietdesk.hpke import Kid, PrivateKey
from quietdesk.signed import Trust, key_id, signed_bytes
from quietdesk.staff.device import safefile
from quietdesk.staff.device.passphrase import COST, Cost, forms, stretch, stretching
from quietdesk.staff.device.safefile import save as save  # for who arranges a file, as tests do
from quietdesk.weeks import MAX_SERVE_DAYS, Epoch, key_day, over
from quietdesk.wire import b64, unb64

WRAP_WEEKS_AHEAD = 10  # wrap keys a device holds ready for coming weeks
_NONCE_BYTES, _TAG_BYTES = 12, 16  # of AES-256-GCM

Held = TypeVar("Held", bytes, bytes | None)


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
    return Keyring(kind, der, trust, {}, cost, salt, stretch(passphrase, salt, cost))


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
    unlocked. A week whose box is damaged is left out, and the others open. Raises WrongPassphrase
    or BadKeyring; DamagedInside, or BadCustodian, for damage that `check` cannot see."""
    clear, boxes, cost, salt = _whole(data)
    for typed in forms(passphrase):
        box_key = stretch(typed, salt, cost)
        try:
            return _opened(clear, boxes, cost, salt, box_key)
        except InvalidTag:
            if not _seeds(clear, boxes, box_key):
                continue
            # A week opens: so the passphrase is right.
            raise _damaged(clear["kind"], DamagedInside) from None
        except (ValueError, TypeError, KeyError, OverflowError):
            raise _damaged(clear["kind"], DamagedInside) from None
    raise WrongPassphrase("the passphrase does not unlock this keyring")


def reread(data: bytes, unlocked: Keyring) -> Keyring:
    """What a file holds now of the keyring that was unlocked from it before; no passphrase is
    needed again. Raises KeyringChanged when it is another one, or has another passphrase, and
    BadKeyring."""
    clear, boxes = _read(data)
    try:
        cost, salt = stretching(clear)
        was = (unlocked.kind, unlocked.id, unlocked.trust.deployment, unlocked.cost, unlocked.salt)
        if (clear["kind"], clear["id"], clear["deployment"], cost, salt) != was:
            raise KeyringChanged("another keyring lies there than the one that was unlocked")
        return _opened(clear, boxes, cost, salt, unlocked.box_key)
    except InvalidTag:
        raise KeyringChanged("the keyring has another passphrase than before") from None
    except (ValueError, TypeError, KeyError, OverflowError):
        raise _damaged(clear["kind"]) from None


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


def check(data: bytes) -> None:
    """Look for damage in a locked file, without the passphrase: so nobody types one in vain, and
    who makes a new keyring knows that this one is of no use. Raises BadKeyring, for a custodian's
    BadCustodian."""
    _whole(data)


def update(path: Path, change: Callable[[bytes | None], Held]) -> Held:
    """The one door of a keyring's file: as safefile.update. What `change` finds wrong with the
    keyring is said with the name of the file."""
    with _named(path.absolute()):
        return safefile.update(path, change)


def forget_ended(path: Path, city: City, now: datetime) -> None:
    """Delete the keys of ended weeks from a keyring file, if there is one. Raises BadKeyring."""

    def kept(held: bytes | None) -> bytes | None:
        if held is None:
            return None
        after = forget(held, lambda epoch: over(epoch, now, city.zone, city.serve_days))
        return after if epochs(after) != epochs(held) else held

    update(path, kept)


def read(path: Path, kind: str, deployment: str) -> bytes:
    """A locked file of that kind, made for that deployment: demo keys sign and open nothing else,
    whoever pins them. Raises NoKeyring, ForeignKeyring and BadKeyring; BadCustodian for a
    custodian's."""
    try:
        data = safefile.read(path)
        if data is None:
            whose = "" if kind == "device" else f"{kind}'s "
            raise NoKeyring(f"there is no {whose}keyring at {path.absolute()}")
        with _named(path.absolute()):
            it, its = made_for(data)
            if (it, its) != (kind, deployment):
                said = f"it is not a {kind}'s keyring for {deployment}, but a {it}'s for {its}"
                raise ForeignKeyring(said)
            check(data)
    except KeyringTooNew:
        raise
    except BadKeyring as error:
        if kind == "device":
            raise
        raise BadCustodian(str(error)) from None
    return data


def fingerprint(spki: bytes) -> str:
    """A public key as twelve English words (BIP 39, 128 bits of SHA-256), to read out aloud."""
    from mnemonic import Mnemonic

    return str(Mnemonic("english").to_mnemonic(hashlib.sha256(spki).digest()[:16]))


def _opened(
    clear: Mapping[str, Any], boxes: Mapping[str, Any], cost: Cost, salt: bytes, box_key: bytes
) -> Keyring:
    """Raises InvalidTag when that key does not open it, and ValueError, TypeError or KeyError."""
    main = json.loads(_unbox(box_key, _aad(clear, "main"), boxes["main"]))
    seeds = _seeds(clear, boxes, box_key)
    custodians = tuple(unb64(spki) for spki in main["custodians"])
    trust = Trust(custodians, int(main["threshold"]), clear["deployment"])
    return Keyring(clear["kind"], unb64(main["signing_key"]), trust, seeds, cost, salt, box_key)


def _seeds(
    clear: Mapping[str, Any], boxes: Mapping[str, Any], box_key: bytes
) -> dict[Epoch, bytes]:
    """Raises ValueError for what is not the name of a week."""
    seeds = {}
    for name, box in boxes.items():
        epoch = None if name == "main" else Epoch.parse(name)
        # A damaged box costs its own week: as one that is not there, it gets a fresh key.
        with suppress(InvalidTag, ValueError):
            if epoch is not None:
                seeds[epoch] = _unbox(box_key, _aad(clear, name), box)
    return seeds


def _private(der: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key(der, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadKeyring("the keyring's signing key is of another kind")
    return key


def _aad(clear: Mapping[str, Any], name: str) -> bytes:
    bound = (clear["kind"], clear["id"], clear["deployment"], name)
    return ("quietdesk/1|keyring|" + "|".join(map(str, bound))).encode()


def _box(key: bytes, aad: bytes, plaintext: bytes) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return b64(nonce + AESGCM(key).encrypt(nonce, plaintext, aad))


def _unbox(key: bytes, aad: bytes, box: object) -> bytes:
    data = unb64(box)
    return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], aad)


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        clear = json.loads(data)
        boxes = clear.pop("boxes")
        if type(clear["v"]) is int and clear["v"] > 1:
            raise KeyringTooNew("the keyring was written by a newer Quietdesk")
        if clear["v"] != 1:
            raise ValueError("no version of ours")
        if not all(isinstance(clear[key], str) for key in ("kind", "id", "deployment")):
            raise TypeError("names")
        if not isinstance(boxes, dict) or "main" not in boxes:
            raise TypeError("boxes")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadKeyring("the keyring file is damaged") from None
    return clear, boxes


def _whole(data: bytes) -> tuple[dict[str, Any], dict[str, Any], Cost, bytes]:
    """A locked file without damage that shows from outside: what is in clear, its boxes, and how
    its passphrase is stretched. Raises BadKeyring."""
    clear, boxes = _read(data)
    try:
        cost, salt = stretching(clear)
        if len(unb64(boxes["main"])) <= _NONCE_BYTES + _TAG_BYTES:
            raise ValueError("an empty box")
        for name in boxes:
            if name != "main":
                key_day(Epoch.parse(name), MAX_SERVE_DAYS)  # as `forget`, which wants an end
    except (ValueError, TypeError, KeyError, OverflowError):
        raise _damaged(clear["kind"]) from None
    return clear, boxes, cost, salt


def _damaged(kind: str, how: type[BadKeyring] = BadKeyring) -> BadKeyring:
    said = "the keyring file is damaged"
    return BadCustodian(said) if kind == "custodian" else how(said)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a keyring, with the name of its file."""
    try:
        yield
    except BadKeyring as error:
        error.args = (f"{path}: {error}",)
        raise
