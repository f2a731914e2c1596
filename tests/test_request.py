import json
import re
from dataclasses import fields, replace

import pytest

from quietdesk import request
from quietdesk.envelopes import PART_BYTES, Parts
from quietdesk.errors import CannotOpen, Invalid, TooLong
from quietdesk.request import NO_REST, Rest
from tests.world import ASKED, ROOT

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

    assert request.unpack(request.pack(asked, KEY)) == (asked, KEY, NO_REST)


def test_both_parts_have_one_size_whatever_was_written(city):
    short = request.pack(parse(city, name=["A"]), KEY)
    long = request.pack(parse(city, name=["ব" * 80], centers=["any"]), KEY)

    assert {len(short.visit), len(short.contact), len(long.visit), len(long.contact)} == {1024}


def widest(words):
    """The letter of a language that takes the most bytes."""
    text = "".join(re.findall(r'^msgstr "(.*)"', words.read_text("utf-8"), re.MULTILINE))
    return max(filter(str.isalpha, text), key=lambda letter: len(letter.encode()))


WORDS = sorted((ROOT / "site" / "words").glob("*.po"))
LETTERS = {"rare": "𠮷", "escaped": '"', "en": "a"} | {
    words.stem: widest(words) for words in WORDS if words.stem != "en"
}


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_the_longest_request_the_form_allows_fits_in_every_script(city, letter):
    """With everything ticked, with the number of its fields, and placed by the desk after that at
    an opening with the longest name there is: 878 bytes with letters of four bytes, 798 in Bengali
    or Chinese, 638 in English."""
    asked = parse(
        city,
        centers=[center.id for center in city.centers][:6],
        windows=list(request.WINDOWS),
        people=["6"],
        children=["6"],
        visit_type=["replace"],
        language=["other"],
        access=list(city.access),
        name=[letter * 80],
        reach=list(request.REACH),
        phone=["+123456789012345"],
        phone_owner=["shared"],
    )
    opening = f"{'c' * 32}.2026-12-03.0930.{'p' * 15}"

    parts = request.pack(replace(asked, opening=opening), KEY, number=2)

    assert {len(parts.visit), len(parts.contact)} == {PART_BYTES}
    name = json.dumps(letter * 80, ensure_ascii=False).encode()
    assert len(parts.visit.rstrip()) == 556 + len(name) <= 878
    assert len(parts.contact.rstrip()) == 151


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
        ({"opening": [""]}, "opening", None),
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
    assert repr(Rest('{"f":3,"ticket":7}')) == "<Rest>"


# --- Fields that a newer release adds -------------------------------------------------------------


def beside(city, visit=(), contact=()):
    """Parts as a release seals them that has more fields: those given, in each part."""
    parts = request.pack(parse(city), KEY)
    more = zip((parts.visit, parts.contact), (visit, contact), strict=True)
    return Parts(*(json.dumps(json.loads(part) | dict(it)).encode() for part, it in more))


def texts(parts):
    return [json.loads(part) for part in (parts.visit, parts.contact)]


def test_we_write_parts_without_a_number(city):
    """The release before reads no number: it would open none of them."""
    visit, contact = texts(request.pack(parse(city), KEY))

    assert request.WRITES == 1
    assert "f" not in visit.keys() | contact.keys()


def test_parts_with_the_number_of_their_fields_are_read(city):
    visit, contact = texts(parts := request.pack(parse(city), KEY, number=2))
    asked, key, _ = request.unpack(parts)

    assert (visit["f"], contact["f"]) == (2, 2)
    assert set(visit) | set(contact) == ALLOWED | {"reply_key", "f"}
    assert (asked, key) == (parse(city), KEY)


def test_what_a_newer_release_put_beside_is_kept_in_each_part(city):
    newer = {"f": 3, "ticket": 7, "half": 0.5, "stop": {"at": ["ক", None, True]}}
    parts = beside(city, newer, {"f": 4, "pronoun": "ella"})

    asked, key, rest = request.unpack(parts)
    again = request.pack(replace(asked, opening="corona.2026-12-03.0930"), key, rest)

    opening = {"opening": "corona.2026-12-03.0930"}
    assert texts(again) == [texts(parts)[0] | opening, texts(parts)[1]]
    assert asked == parse(city)


@pytest.mark.parametrize(("had", "writes", "has"), [(1, 2, 2), (2, 1, 2), (2, 2, 2), (7, 2, 7)])
def test_number_of_fields_is_never_lowered(city, had, writes, has):
    parts = beside(city, *[{"f": had}] * 2) if had > 1 else request.pack(parse(city), KEY, number=1)

    asked, key, rest = request.unpack(parts)
    again = request.pack(asked, key, rest, writes)

    assert [part["f"] for part in texts(again)] == [has, has]


@pytest.mark.parametrize("number", [None, 0, 1, -2, 1000, 2.0, True, "2", [2]])
def test_number_that_is_none_of_ours_is_refused(city, number):
    with pytest.raises(CannotOpen):
        request.unpack(beside(city, {"f": number}))


@pytest.mark.parametrize(
    "change",
    [
        {"people": "2"},
        {"centers": None},
        {"phone": "7185550123"},  # it belongs to the other part
        {"reply_key": "AAAA"},
        {"later": float("nan")},
        {"later": float("inf")},
        {"later": "\ud800"},
        {"\udfff": 1},
    ],
)
def test_number_excuses_no_field_of_another_kind_and_nothing_that_cannot_be_kept(city, change):
    with pytest.raises(CannotOpen):
        request.unpack(beside(city, {"f": 3, **change}))


@pytest.mark.parametrize("field", sorted(ALLOWED | {"reply_key"}))
@pytest.mark.parametrize("number", [{}, {"f": 2}, {"f": 9}])
def test_no_number_excuses_a_missing_field(city, number, field):
    visit, contact = texts(beside(city, number, number))
    visit.pop(field, None)
    contact.pop(field, None)

    with pytest.raises(CannotOpen):
        request.unpack(Parts(json.dumps(visit).encode(), json.dumps(contact).encode()))


def test_request_with_more_beside_than_fits_is_not_sealed_again(city):
    parts = beside(city, {"f": 3, "later": "x" * 700})
    asked, key, rest = request.unpack(parts)

    with pytest.raises(TooLong):
        request.pack(replace(asked, name="ব" * 80), key, rest)
