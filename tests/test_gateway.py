"""HTTP to events and back, rule by rule as AWS documents them."""

import base64
from io import BytesIO

import pytest

from quietdesk import gateway
from tests.events import FORM, JSON, event


def sent(answer, method="GET"):
    """The status, headers and body that a server would send."""
    seen = {}

    def start_response(status, headers, exc_info=None):
        seen.update(status=status, headers=headers)

    body = b"".join(gateway.send(answer, {"REQUEST_METHOD": method}, start_response))
    return seen["status"], seen["headers"], body


def test_form_bodies_travel_as_base64_and_json_as_text():
    as_form, as_json = event("POST", "/x", b"a=1", FORM), event("POST", "/x", b'"\xc3\xa9"', JSON)

    assert (as_form["isBase64Encoded"], base64.b64decode(as_form["body"])) == (True, b"a=1")
    assert (as_json["isBase64Encoded"], as_json["body"]) == (False, '"é"')


def test_text_that_is_no_utf_8_travels_as_base64():
    made = event("POST", "/x", b"\xff", JSON)

    assert (made["isBase64Encoded"], base64.b64decode(made["body"])) == (True, b"\xff")


def test_no_body_is_no_field():
    assert "body" not in event("GET", "/x")


def test_header_names_are_lower_case_and_cookies_stand_apart():
    made = event("GET", "/x", headers={"X-Many": "one,two", "Cookie": "a=1; b=2"})

    assert made["headers"] == {"x-many": "one,two"}
    assert made["cookies"] == ["a=1", "b=2"]


def test_repeated_query_parameters_are_joined():
    made = event("GET", "/x?a=1&a=2&b=")

    assert made["rawQueryString"] == "a=1&a=2&b="
    assert made["queryStringParameters"] == {"a": "1,2", "b": ""}


@pytest.mark.parametrize(
    ("wire", "path"), [("/caf\xc3\xa9", "/café"), ("/\xff", "/\ufffd"), ("/a b", "/a b")]
)
def test_path_is_read_as_utf_8(wire, path):
    made = gateway.event_of({"REQUEST_METHOD": "GET", "PATH_INFO": wire, "wsgi.input": BytesIO()})

    assert made["rawPath"] == made["requestContext"]["http"]["path"] == path


def test_no_address_and_no_browser_enters_an_event():
    http = event("GET", "/x")["requestContext"]["http"]

    assert (http["sourceIp"], http["userAgent"]) == ("", "")


def test_answer_is_sent_with_its_headers_cookies_and_length():
    status, headers, body = sent(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html"},
            "cookies": ["a=1"],
            "body": "é",
        }
    )

    assert (status, body) == ("201 Created", "é".encode())
    assert headers == [
        ("Content-Type", "text/html"),
        ("Set-Cookie", "a=1"),
        ("Content-Length", "2"),
    ]


def test_base64_answer_is_sent_as_bytes():
    answer = {
        "statusCode": 200,
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }

    assert sent(answer)[2] == b"\xff"


@pytest.mark.parametrize("answer", ["text", {"a": 1}, None])
def test_answer_without_a_status_is_the_body_of_a_200(answer):
    status, headers, _ = sent(answer)

    assert status == "200 OK"
    assert headers[0] == ("Content-Type", "application/json")


def test_head_has_no_body():
    assert sent({"statusCode": 200, "body": "text"}, "HEAD")[2] == b""
