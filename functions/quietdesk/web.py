"""What a page or function is asked and what it answers, as plain values: no framework, no routing.

A view is a function of a call and of what it needs beside it. A table of routes is data: Powertools
routes it on Lambda, quietdesk.wsgi on one machine. Nothing here has a repr that could quote a call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

# Sent with every page and every answer, by the local server and by CloudFront alike.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # `no-referrer` would make browsers send `Origin: null` with our own forms. To others goes none.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), clipboard-read=(), clipboard-write=(self), display-capture=(), geolocation=(), "
        "microphone=(), payment=(), usb=()"
    ),
}

NO_STORE = {**HEADERS, "Cache-Control": "no-store"}  # of every answer, unless it says otherwise

HTML = "text/html; charset=utf-8"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Context = TypeVar("Context")


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """What was asked. `path` is without its percent signs and `captured` what the route's pattern
    took from it; `query` is as it was sent; names in `headers` are lower-case, one value each, and
    cookies are not among them. The body is whole: a server in front has bounded it."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    captured: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What is sent back; text is UTF-8. `cause` is what went wrong on our side, for the log: it is
    not sent."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cause: Exception | None = None

    @classmethod
    def of(cls, status: int, kind: str, text: str) -> "Answer":
        return cls(status, {"Content-Type": kind}, text.encode())

    @classmethod
    def html(cls, status: int, page: str) -> "Answer":
        return cls.of(status, HTML, page)

    @classmethod
    def json(cls, status: int, document: str) -> "Answer":
        """An answer of JSON that is already written."""
        return cls.of(status, JSON, document)

    @classmethod
    def redirect(cls, status: int, address: str) -> "Answer":
        return cls(status, {"Location": address})

    def under(self, headers: Mapping[str, str]) -> "Answer":
        """The same with these headers too, save those that it has. Names are written one way."""
        return replace(self, headers={**headers, **self.headers})

    def saying(self, name: str, text: str) -> "Answer":
        """The same with that header, in the place of one of this name."""
        return replace(self, headers={**self.headers, name: text})

    def because(self, cause: Exception) -> "Answer":
        """The same, of something that went wrong on our side."""
        return replace(self, cause=cause)


def unread(status: int) -> Answer:
    """The answer to what nobody reads: it is too long, or is not HTTP. It quotes nothing."""
    return Answer.of(status, "text/plain", "Bad request").under(NO_STORE)


View = Callable[[Call, Context], Answer]


@dataclass(frozen=True, slots=True)
class Route(Generic[Context]):
    """A line of a table: what answers a method and a path. `<name>` in the pattern stands for one
    part of the path, between two slashes, which the view finds in `Call.captured`."""

    method: str
    pattern: str
    view: View[Context]
