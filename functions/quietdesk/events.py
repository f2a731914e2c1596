"""API Gateway's events to calls, and answers to what it takes back: a table of routes as Lambda
serves it, by Powertools. The events are those of HTTP APIs, payload format 2.0.

Powertools keeps the event at hand in an attribute of a class. On Lambda a process answers one event
at a time; nothing with threads may call this.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from quietdesk.intake.answers import answering, broken, not_found
from quietdesk.programme import Programme
from quietdesk.web import JSON, Answer, Call, Route, View

Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]


def handler(routes: Sequence[Route[Programme]], programme: Programme) -> Handler:
    """The function that answers events by a table. It never raises: what nobody foresaw is answered
    with 500 and a fixed page."""
    answered, app = answering(programme), APIGatewayHttpResolver()

    def responding(view: View[Programme]) -> Callable[..., Response[Any]]:
        def respond(**captured: str) -> Response[Any]:
            event = app.current_event.raw_event
            return _response(answered(lambda: _viewed(view, event, captured, programme)))

        return respond

    for route in routes:
        # Powertools' own end of a pattern lets a line feed follow.
        app.route(rf"{route.pattern}\Z", route.method)(responding(route.view))
    nowhere = responding(not_found)
    app.not_found(lambda _: nowhere())

    def handle(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = app.resolve(event, context)  # type: ignore[arg-type]
        except Exception as error:  # an event that is not even HTTP; what it says must reach no log
            failed = broken(programme).because(error)
            answer = written(answered(lambda: failed))
        return answer

    return handle


def written(answer: Answer) -> dict[str, Any]:
    """An answer of text in the format that API Gateway takes back."""
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body.decode(),
        "isBase64Encoded": False,
    }


def _viewed(
    view: View[Programme],
    event: Mapping[str, Any],
    captured: Mapping[str, str],
    programme: Programme,
) -> Answer:
    headers = event.get("headers") or {}
    http = event["requestContext"]["http"]
    query = str(event.get("rawQueryString", ""))
    call = Call(http["method"], event["rawPath"], query, headers, _body(event), captured)
    return view(call, programme)


def _body(event: Mapping[str, Any]) -> bytes:
    """The body of an event. API Gateway sends what is not text as base64. What says that it is and
    is not stays as it is: no view takes it."""
    body = str(event.get("body") or "")
    if event.get("isBase64Encoded"):
        with suppress(ValueError):
            return base64.b64decode(body, validate=True)
    return body.encode()


def _response(answer: Answer) -> Response[Any]:
    kind = answer.headers.get("Content-Type", "")
    text = kind.startswith("text/") or kind == JSON
    return Response(
        status_code=answer.status,
        headers=dict(answer.headers),
        body=answer.body.decode() if text else answer.body,
    )
