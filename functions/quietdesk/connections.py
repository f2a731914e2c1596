"""Connections of one machine: how many may be open, and how long each is waited for.

waitress reads a request whole before a thread sees it: who sends slowly holds a socket, and no
thread. It bounds silence only, so who sends a byte now and then stays for ever, and when all places
are taken it lets nobody in. Here a request has a time to arrive in and an answer one to be fetched
in, and when all places are taken who has been waited for longest makes room. Nobody is told apart
by address: on one machine all have the same.
"""

import logging
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HEADER_BYTES = 16 * 1024
NEVER = 2**40  # bytes
LOOK_SECONDS = 1  # between two looks at who is late
_POLLS = hasattr(select, "poll")
_SELECTED = 480  # connections where there is no poll: select takes 512 sockets on Windows
_OTHER_FILES = 128  # that this process has open beside its connections


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections may be open, and for how many seconds a client is waited for: for the
    headers and for the whole of a request since its first byte, for an answer to be fetched, and
    for a request at all. The largest body has to come with 4 kB a second, a form with 100 bytes."""

    connections: int = 1000
    header: float = 20
    request: float = 60
    answer: float = 300
    idle: float = 60


LIMITS = Limits()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress on a bound socket, within limits. `clock` gives seconds that only grow; `options`
    are more of waitress' own. It prints and logs nothing."""

    def __init__(
        self,
        app: "WSGIApplication",
        reserved: socket.socket,
        limits: Limits,
        clock: Callable[[], float],
        **options: Any,
    ):
        # The second says how many requests wait for a thread: a line for each of them.
        for name in ("waitress", "waitress.queue"):
            logging.getLogger(name).disabled = True
        self.limits = limits
        self.clock = clock
        self.channel_class = _Channel
        self.places = _places(limits.connections)
        adjustments = Adjustments(
            sockets=[reserved],
            ident=None,
            max_request_header_size=HEADER_BYTES,
            connection_limit=self.places + 16,  # never reached while somebody can make room
            cleanup_interval=LOOK_SECONDS,
            asyncore_use_poll=_POLLS,
            # Of more than this waitress would make a file, also of what residents write and read.
            inbuf_overflow=NEVER,
            outbuf_overflow=NEVER,
            log_socket_errors=False,
            **options,
        )
        where = (reserved.family, reserved.type, reserved.proto, reserved.getsockname())
        super().__init__(
            app, {}, _sock=reserved, adj=adjustments, sockinfo=where, bind_socket=False
        )

    def maintenance(self, _: float) -> None:
        """Let go of who is late."""
        now = self.clock()
        for channel in list(self.active_channels.values()):
            if now - channel.since > channel.patience:
                channel.drop()

    def handle_accept(self) -> None:
        """Let somebody in. When all places are taken, who is waited for longest makes room; a
        request that has arrived does not."""
        super().handle_accept()
        if len(self.active_channels) > self.places:
            waiting = [it for it in self.active_channels.values() if it.patience < inf]
            if waiting:
                min(waiting, key=lambda it: it.since).drop()


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection. `since` is when the present wait for the client began."""

    server: Server

    def __init__(self, server: Server, *more: Any, **options: Any):
        self.since = server.clock()
        super().__init__(server, *more, **options)

    @property
    def patience(self) -> float:
        """How many seconds the client is waited for now; without end while we are the slow ones, or
        when the connection ends already."""
        limits = self.server.limits
        if self.will_close or self.requests:
            return inf
        if self.total_outbufs_len:
            return limits.answer
        if self.request is None:
            return limits.idle
        return limits.request if self.request.headers_finished else limits.header

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.since = self.server.clock()
        return bool(super().received(data))

    def service(self) -> None:
        """Answer one request. No browser sends a second before it has the answer: who does would
        fill memory and threads with answers that nobody fetches, and the connection ends."""
        with self.requests_lock:
            more, self.requests[1:] = self.requests[1:], []
        for request in more:
            request.close()
        self.since = inf  # until it is answered: nobody is waited for
        super().service()
        self.since = self.server.clock()
        if more:
            self.close_when_flushed = True
            self.server.pull_trigger()

    def drop(self) -> None:
        """End the connection, whatever of an answer is still unsent: the server's loop closes it
        when it comes to it."""
        self.will_close = True
        with suppress(OSError):  # it is gone already
            self.socket.shutdown(socket.SHUT_RDWR)


def _places(wanted: int) -> int:
    """How many connections this process has files for: each may need two, its own and that of the
    page that it is sent. What it may have is raised as far as the system lets it."""
    if not _POLLS:
        wanted = min(wanted, _SELECTED)
    if sys.platform == "win32":
        return wanted
    import resource  # which Windows does not have

    needed = 2 * wanted + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):  # some systems have a lower limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
        wanted = min(wanted, max(16, (soft - _OTHER_FILES) // 2))
    return wanted
