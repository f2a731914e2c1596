"""WSGI to calls, and answers to WSGI: a table of routes as one machine serves it, by Werkzeug.

Of Werkzeug only its routing and its two messages. Nothing here logs, and nothing is shared between
two calls, so as many threads may answer as the server has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic

from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from quietdesk.web import Answer, Call, Context, Route, View

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Part(BaseConverter):
    """A part of a path, with the letters that Powertools takes for one."""

    regex = r"[-._~()'!*:@,;=+&$%<> \[\]{}|^\w]+"


class Router(Generic[Context]):
    """A table of routes, ready to find the one of a call. A path is as it is written: no slash too
    many or too few is forgiven, and no method answers for another."""

    def __init__(self, routes: Sequence[Route[Context]]):
        rules = [Rule(it.pattern, methods=[it.method], endpoint=it.view) for it in routes]
        table = Map(rules, merge_slashes=False, converters={"default": _Part})
        self._table = table.bind("")

    def find(self, call: Call) -> tuple[View[Context], Call] | None:
        """The view of a call, and the call with what was captured for it; None where there is
        none."""
        # Werkzeug would read two slashes as one, and answer HEAD where GET is.
        if call.path.startswith("//") or call.method.upper() == "HEAD":
            return None
        try:
            view, captured = self._table.match(call.path, call.method)
        except HTTPException:
            return None
        return view, replace(call, captured=captured)


def read(environ: "WSGIEnvironment") -> Call:
    """The call of a WSGI request. The server has joined repeated headers and bounded the body."""
    request = Request(environ)
    # WSGI gives the bytes of the path as Latin-1. Werkzeug's own path has lost a slash.
    path = str(environ["PATH_INFO"]).encode("latin-1").decode(errors="replace")
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers.pop("cookie", None)  # nothing of ours reads one, and none is in an event of API Gateway
    query = request.query_string.decode("latin-1")
    return Call(request.method, path, query, headers, request.get_data(cache=False))


def send(
    answer: Answer, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Answer a WSGI request; HEAD without the body."""
    return Response(answer.body, answer.status, answer.headers)(environ, start_response)
