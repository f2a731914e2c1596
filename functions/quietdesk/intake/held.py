"""What stands in the store under an id or a code: one envelope, never more. Who may change it."""

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_bytes

from quietdesk import codes, envelopes, replies, weeks
from quietdesk.codes import Secrets
from quietdesk.envelopes import Envelope
from quietdesk.errors import CannotOpen, StoreUnavailable, TracesRemain
from quietdesk.programme import Programme
from quietdesk.replies import Reply
from quietdesk.wire import b64


@dataclass(frozen=True, slots=True, repr=False)
class Held:
    """A request that is in the store, and its reply as the code opens it."""

    envelope: Envelope
    reply: Reply

    @property
    def shown(self) -> str:
        """What tells this reply from any other."""
        return b64(hashlib.sha256(self.envelope.reply).digest())


def find(programme: Programme, id: bytes) -> Envelope | None:
    """The envelope of that id in any live week: one question, whether there is one or not."""
    now, city = programme.clock(), programme.city
    live = weeks.live(now, city.zone, city.serve_days)
    return programme.store.find(city.queue, id, live, now)


def may(held: Envelope, auth: bytes) -> bool:
    """Whether that is the secret of the request."""
    return hmac.compare_digest(held.auth_hash, hashlib.sha256(auth).digest())


def under(programme: Programme, secrets: Secrets) -> Held | None:
    """The request of a code; None when there is none, or none that the code opens."""
    held = find(programme, secrets.id)
    sealed = held.reply if held else nothing()
    try:
        # Also tried on random bytes, so that known and unknown codes take as long.
        reply = replies.read(envelopes.open_reply(sealed, secrets.reply, secrets.id))
    except CannotOpen:
        return None
    return Held(held, reply) if held else None


def standing(programme: Programme, code: str) -> Held | None:
    """The request of a code, as far as we can look."""
    try:
        return under(programme, codes.derive(code, programme.city.deployment))
    except StoreUnavailable:
        return None


def replace(programme: Programme, held: Envelope, fresh: Envelope) -> None:
    """Put an envelope in the place of another. Raises Conflict and NoSeats."""
    with suppress(TracesRemain):  # it is done; the next sweep clears the rest
        programme.store.replace(held, fresh)


def nothing() -> bytes:
    """What a reply that nobody wrote looks like: as many random bytes."""
    return token_bytes(envelopes.REPLY_BYTES)
