"""How bytes are written as text wherever they travel: base64, one spelling for each value.

The bytes are specified in docs/envelope.md.
"""

import base64
import binascii


def b64(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: object, length: int | None = None) -> bytes:
    """The bytes that `b64` wrote. Raises ValueError for anything but its one canonical form, or
    when there are not exactly `length` bytes."""
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("not base64")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    # Stray low bits in the last letter would give one value two spellings.
    if b64(data) != text or (length is not None and len(data) != length):
        raise ValueError("not base64 of that length")
    return data
