"""HTTP to events and back, rule by rule as AWS documents them."""

import base64
from io import BytesIO

import pytest

from tests import gateway
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


def test_repeated_headers_are_joined_in_their_order():
    sent_twice = [("X-Many", "1"), ("Accept", "a"), ("x-many", "2"), ("Cookie", "a=1")]

    made = gateway.event_v2("GET", "/x", "", sent_twice, b"")

    assert made["headers"] == {"x-many": "1,2", "accept": "a"}
    assert made["cookies"] == ["a=1"]


TEXT = [
    "text/plain",
    "text/html; charset=utf-8",
    "application/json",
    "application/javascript",
    "Application/XML ;x=y",
]
BYTES = ["", "application/x-www-form-urlencoded", "application/octet-stream", "application/jsonp"]


@pytest.mark.parametrize("kind", TEXT)
def test_kind_travels_as_text(kind):
    made = gateway.event_v2("POST", "/x", "", [("Content-Type", kind)], b"a=1")

    assert (made["body"], made["isBase64Encoded"]) == ("a=1", False)


@pytest.mark.parametrize("kind", BYTES)
def test_kind_travels_as_base64(kind):
    made = gateway.event_v2("POST", "/x", "", [("Content-Type", kind)], b"a=1")

    assert (made["body"], made["isBase64Encoded"]) == ("YT0x", True)


def test_what_there_is_none_of_is_not_in_the_event():
    made = gateway.event_v2("GET", "/x", "", [], b"")

    assert not {"body", "cookies", "queryStringParameters"} & set(made)
    assert made["isBase64Encoded"] is False


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


@pytest.mark.parametrize(
    ("answer", "body"), [("text", b"text"), ({"a": 1}, b'{"a": 1}'), ([1], b"[1]"), (None, b"null")]
)
def test_answer_without_a_status_is_the_body_of_a_200(answer, body):
    made = gateway.answer_v2(answer)

    assert made == gateway.Answer(200, (("Content-Type", "application/json"),), body)


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
        {"statusCode": 200, "body": "\ud800"},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "cookies": 1},
    ],
)
def test_answer_that_is_not_in_the_format_is_a_500_that_quotes_nothing(answer):
    assert gateway.answer_v2(answer) == gateway.FAILED


def test_answer_that_does_not_say_its_kind_is_plain_text():
    assert gateway.answer_v2({"statusCode": 204}) == gateway.Answer(
        204, (("Content-Type", "text/plain; charset=utf-8"),), b""
    )


def test_head_has_no_body():
    assert sent({"statusCode": 200, "body": "text"}, "HEAD")[2] == b""
