"""Public documents: which of them destruction writes, and one with the one before it, as a store
writes several of them at once."""

from dataclasses import dataclass

# With what the names of those begin that destruction writes, also on a full disk: the record, what
# one sweep tells the next, and that the clock was believed, without which the next one would wait.
OF_DESTRUCTION = ("record#", "swept#", "clock")


@dataclass(frozen=True, slots=True)
class Version:
    """A public document as it is to stand: its bytes, the seq that is in the store `before` (0: it
    is not there), and the one `after`, which is the same where the document stays as it is."""

    data: bytes
    before: int
    after: int
