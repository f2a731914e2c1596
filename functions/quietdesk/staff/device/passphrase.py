"""From a passphrase to the key of a keyring: Argon2id (RFC 9106), and what it may cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from quietdesk.wire import unb64


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id parameters: memory in KiB, passes, lanes."""

    memory_kib: int
    iterations: int
    lanes: int


COST = Cost(256 * 1024, 3, 4)  # about a second on a desk computer; RFC 9106 asks for no less
_DEAREST = Cost(2 * 1024 * 1024, 16, 16)  # a file that asks for more is refused, not obeyed


def forms(passphrase: str) -> dict[str, None]:
    """A passphrase as it was typed, and with its accents composed and apart: keyboards and editors
    differ, and nobody sees it. Most have one form only."""
    return dict.fromkeys([passphrase, normalize("NFC", passphrase), normalize("NFD", passphrase)])


def stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """The 32-byte key that a passphrase and a salt of 16 bytes make."""
    return _argon(salt, cost).derive(passphrase.encode())


def _argon(salt: bytes, cost: Cost) -> Argon2id:
    return Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )


def stretching(clear: Mapping[str, Any]) -> tuple[Cost, bytes]:
    """The cost and the salt that the clear part of a keyring names. Raises ValueError, TypeError,
    KeyError and OverflowError, also for what is too dear."""
    kdf = clear["argon2id"]
    cost = Cost(int(kdf["memory_kib"]), int(kdf["iterations"]), int(kdf["lanes"]))
    if (
        cost.memory_kib > _DEAREST.memory_kib
        or cost.iterations > _DEAREST.iterations
        or cost.lanes > _DEAREST.lanes
        or cost.memory_kib * cost.iterations > _DEAREST.memory_kib  # seconds, not minutes
    ):
        raise ValueError("too dear")
    salt = unb64(kdf["salt"], 16)
    _argon(salt, cost)  # which knows what is too little
    return cost, salt
