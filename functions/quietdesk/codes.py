"""The reference code and the three secrets that derive from it.

The code is the only way to see, cancel or move a request. It is made on the phone, or in the
function for a phone without scripts, and is stored nowhere.
"""

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from quietdesk.errors import BadCode

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base32
CODE_BYTES = 10
ROUNDS = 100_000
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What a code stands for: `id` (16 bytes) names the envelope, `auth` (32) cancels or moves it,
    `reply` (32) opens the desk's answer. It has no repr, so no log line can hold one."""

    id: bytes
    auth: bytes
    reply: bytes

    def __repr__(self) -> str:
        return "<Secrets>"

    @property
    def auth_hash(self) -> bytes:
        """SHA-256 of `auth`, 32 bytes: all of it that the store sees."""
        return hashlib.sha256(self.auth).digest()


def new() -> str:
    """A fresh code of 80 random bits, written `7K3M-9QXT-2B6H-W3ZD`."""
    return _write(secrets.token_bytes(CODE_BYTES))


def parse(text: str) -> str:
    """The code as `new` writes it, from what a person typed: lower case, spaces, O for 0, I or L
    for 1 and missing dashes are all right. Raises BadCode."""
    return _write(_read(text))


def derive(code: str, deployment: str) -> Secrets:
    """The secrets of a code in one deployment (docs/envelope.md, "Code"). Takes about 50 ms on
    purpose: 100,000 rounds of PBKDF2 (RFC 8018), then HKDF (RFC 5869). Raises BadCode."""
    stretched = hashlib.pbkdf2_hmac(
        "sha256", _read(code), b"quietdesk/1|" + deployment.encode(), ROUNDS, 32
    )

    def expand(label: str, length: int) -> bytes:
        info = b"quietdesk/1|code|" + label.encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(stretched)

    return Secrets(expand("id", 16), expand("auth", 32), expand("reply", 32))


def _write(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


def _read(text: str) -> bytes:
    letters = "".join(text.split()).upper().translate(_READ_AS)
    if len(letters) != 16 or any(letter not in ALPHABET for letter in letters):
        raise BadCode("the code has four groups of four letters and digits")
    number = 0
    for letter in letters:
        number = number << 5 | ALPHABET.index(letter)
    return number.to_bytes(CODE_BYTES, "big")
