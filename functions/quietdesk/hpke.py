"""Sealing to a public key and opening with a private one: the suite, what keys are made from, and
how they are named. One suite, no options.

No private key is kept here: who asks for a PrivateKey holds it.
The bytes are specified in docs/envelope.md.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
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

from quietdesk.errors import CannotOpen
from quietdesk.weeks import NO_WEEK, Epoch

PARTS = ("visit", "contact")
PUBLIC_KEY_BYTES = 1216

_MLKEM_BYTES = 1184
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KID = re.compile(r"([a-z][a-z0-9-]{0,15})\.(visit|contact)\.(\d{4}-W\d\d)\.([0-9a-f]{8})")


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


NO_KEY = Kid("", "", NO_WEEK, "")  # what a damaged row names: no key has that name


def seed(device_half: bytes, server_half: bytes, kid: Kid) -> bytes:
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
