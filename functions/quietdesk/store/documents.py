"""A public document and the one before it, as a store writes several of them at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """A public document as it is to stand: its bytes, the seq that is in the store `before` (0: it
    is not there), and the one `after`, which is the same where the document stays as it is."""

    data: bytes
    before: int
    after: int
