import json
from dataclasses import fields, replace

import pytest

from quietdesk import request
from quietdesk.errors import CannotOpen, Invalid, TooLong
from tests.world import ASKED

ALLOWED = {
    "centers", "windows", "opening", "people", "children", "visit_type", "language", "access",
    "name", "reach", "phone", "phone_owner",
}  # fmt: skip
KEY = bytes(range(32))


def parse(city, **typed):
    return request.parse({**ASKED, **typed}, city)


def problems(city, **typed):
    with pytest.raises(Invalid) as refused:
        parse(city, **typed)
    return refused.value.fields


def test_a_request_holds_the_allowed_fields_and_no_other():
    assert {field.name for field in fields(request.Request)} == ALLOWED


def test_parts_hold_the_allowed_fields_and_no_other(city):
    parts = request.pack(parse(city), KEY)

    visit, contact = json.loads(parts.visit), json.loads(parts.contact)
    assert set(visit) | set(contact) == ALLOWED | {"reply_key"}
    assert set(contact) == {"reach", "phone", "phone_owner", "reply_key"}


def test_a_request_comes_out_of_its_parts_as_it_went_in(city):
    asked = parse(city)

    assert request.unpack(request.pack(asked, KEY)) == (asked, KEY)


def test_both_parts_have_one_size_whatever_was_written(city):
    short = request.pack(parse(city, name=["A"]), KEY)
    long = request.pack(parse(city, name=["ব" * 80], centers=["any"]), KEY)

    assert {len(short.visit), len(short.contact), len(long.visit), len(long.contact)} == {1024}


def test_the_longest_request_the_form_allows_fits(city):
    asked = parse(
        city,
        centers=[center.id for center in city.centers][:6],
        windows=list(request.WINDOWS),
        access=list(city.access),
        name=["𝔸" * 80],
    )

    assert len(request.pack(asked, KEY).visit) == 1024


def test_text_over_a_part_is_refused_and_the_field_is_named(city):
    asked = replace(parse(city), name="ব" * 400)

    with pytest.raises(TooLong) as refused:
        request.pack(asked, KEY)

    assert refused.value.fields == {"name": "too_long"}


def test_every_missing_field_is_named_at_once(city):
    with pytest.raises(Invalid) as refused:
        request.parse({}, city)

    assert refused.value.fields == dict.fromkeys(
        ("centers", "windows", "people", "visit_type", "language", "name"), "missing"
    )


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"centers": ["nowhere"]}, {"centers": "unknown"}),
        ({"windows": ["mon-night"]}, {"windows": "unknown"}),
        ({"people": ["two"]}, {"people": "number"}),
        ({"people": ["0"], "children": []}, {"people": "range"}),
        ({"people": ["7"]}, {"people": "range"}),
        ({"people": ["1"], "children": ["2"]}, {"children": "range"}),
        ({"visit_type": ["steal"]}, {"visit_type": "unknown"}),
        ({"language": ["tlh"]}, {"language": "unknown"}),
        ({"access": ["jacuzzi"]}, {"access": "unknown"}),
        ({"name": ["a" * 81]}, {"name": "too_long"}),
        ({"name": ["\u202e \u200b"]}, {"name": "missing"}),
        ({"opening": ["corona-1"]}, {"opening": "unknown"}),
        ({"opening": ["nowhere.2026-12-03.0930"]}, {"opening": "unknown"}),
        ({"phone": []}, {"phone": "missing"}),
        ({"phone": ["call me"]}, {"phone": "phone"}),
        ({"phone": ["123"]}, {"phone": "phone"}),
        ({"phone_owner": []}, {"phone_owner": "missing"}),
        ({"phone_owner": ["boss"]}, {"phone_owner": "unknown"}),
        ({"reach": []}, {"reach": "choose"}),
        ({"reach": ["pigeon"]}, {"reach": "unknown"}),
    ],
)
def test_invalid(city, typed, expected):
    assert problems(city, **typed) == expected


def test_too_many_centers_are_refused(city):
    more = replace(city, centers=city.centers * 2)  # the profile has few
    ids = [center.id for center in more.centers]
    many = replace(
        more, centers=tuple(replace(c, id=f"{c.id}-{n}") for n, c in enumerate(more.centers))
    )

    assert problems(many, centers=[c.id for c in many.centers][:7]) == {"centers": "too_many"}
    assert len(ids) > request.MAX_CENTERS


@pytest.mark.parametrize(
    ("typed", "field", "expected"),
    [
        ({"centers": ["corona", "any"]}, "centers", ("any",)),
        ({"windows": ["sat-pm", "mon-am", "sat-pm"]}, "windows", ("mon-am", "sat-pm")),
        ({"opening": ["corona.2026-12-03.0930"]}, "windows", ()),
        ({"centers": [], "opening": ["corona.2026-12-03.0930"]}, "centers", ("corona",)),
        ({"opening": [""]}, "opening", ""),
        ({"people": ["৩"]}, "people", 3),
        ({"people": ["٢"]}, "people", 2),
        ({"children": []}, "children", 0),
        ({"name": ["  Ana \u202e  Lucía\t"]}, "name", "Ana Lucía"),
        ({"name": ["Lucía"]}, "name", "Lucía"),
        ({"name": ["می\u200cخواهم"]}, "name", "می\u200cخواهم"),
        ({"phone": ["+1 (718) 555.0123"]}, "phone", "+17185550123"),
        ({"phone": ["৭১৮-৫৫৫-০১২৩"]}, "phone", "7185550123"),
        ({"reach": [], "phone": [], "phone_owner": ["mine"]}, "phone_owner", ""),
    ],
)
def test_valid(city, typed, field, expected):
    assert getattr(parse(city, **typed), field) == expected


def test_order_of_ticking_says_nothing(city):
    one = parse(city, centers=["corona", "bronx-library"], access=["quiet", "step_free"])
    other = parse(city, centers=["bronx-library", "corona"], access=["step_free", "quiet"])

    assert one == other


@pytest.mark.parametrize(
    "change",
    [
        {"birthplace": "somewhere"},
        {"people": "2"},
        {"people": True},
        {"centers": "corona"},
        {"centers": [1]},
        {"name": None},
        {"name": "\ud800"},
        {"access": ["\udfff"]},
        {"reply_key": "short"},
    ],
)
def test_parts_of_another_shape_are_not_a_request(city, change):
    parts = request.pack(parse(city), KEY)
    visit, contact = json.loads(parts.visit), json.loads(parts.contact)
    if "reply_key" in change:
        contact |= change
    else:
        visit |= change

    with pytest.raises(CannotOpen):
        request.unpack(
            replace(parts, visit=json.dumps(visit).encode(), contact=json.dumps(contact).encode())
        )


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 1024])
def test_junk_is_not_a_request(city, junk):
    parts = request.pack(parse(city), KEY)

    with pytest.raises(CannotOpen):
        request.unpack(replace(parts, visit=junk))


def test_a_request_does_not_show_in_a_log_line(city):
    asked = parse(city)

    assert repr(asked) == str(asked) == "<Request>"
    assert repr(request.pack(asked, KEY)) == "<Parts>"
