"""What a row of the file says. A damaged value becomes an empty one: that envelope does not open,
and the others do."""

from quietdesk.envelopes import Envelope, SealedPart
from quietdesk.store import typed

COLUMNS = (
    "queue, epoch, id, digest, expires, rev, lane, born, opening, auth_hash, "
    "visit_kid, visit, contact_kid, contact, reply"
)


_MAX_SEQ = 2**53  # no document is published as often: a greater number is damage


def damaged(data: object, seq: object) -> bool:
    """Whether that is no public document with its seq."""
    return not (isinstance(data, bytes) and isinstance(seq, int) and 0 < seq < _MAX_SEQ)


def envelope_of(row: tuple[object, ...]) -> Envelope:
    """The envelope in a row of COLUMNS."""
    (
        queue, _, id, digest, expires, rev, lane, born, opening, auth_hash,
        visit_kid, visit, contact_kid, contact, reply,
    ) = row  # fmt: skip
    return Envelope(
        queue=str(queue),
        id=bytes_of(id),
        auth_hash=bytes_of(auth_hash),
        born=typed.epoch(str(born)),
        opening=typed.opening(str(opening)),
        visit=SealedPart(typed.kid(str(visit_kid)), bytes_of(visit)),
        contact=SealedPart(typed.kid(str(contact_kid)), bytes_of(contact)),
        reply=bytes_of(reply),
        lane=str(lane),
        digest=bytes_of(digest),
        rev=rev if isinstance(rev, int) else 0,
        expires=expires if isinstance(expires, int) else 0,
    )


def bytes_of(value: object) -> bytes:
    """The bytes of a value."""
    return value if isinstance(value, bytes) else b""
