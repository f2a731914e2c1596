"""What a resident asks for: the allowed fields, reading typed text, packing to a fixed size.

We ask for these fields and no others: tests/test_request.py holds the list. What a newer release
seals beside them is kept, and never looked at. site/script/request.js mirrors the rules;
tests/vectors/request.json pins both.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from quietdesk.city import City
from quietdesk.envelopes import PART_BYTES, Parts
from quietdesk.errors import CannotOpen, Invalid, TooLong
from quietdesk.openings import Opening, named
from quietdesk.wire import b64, unb64

ANY = "any"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PARTS_OF_DAY = ("am", "pm", "eve")
WINDOWS = tuple(f"{day}-{part}" for day in DAYS for part in PARTS_OF_DAY)
REACH = ("text", "call", "voicemail")
PHONE_OWNERS = ("mine", "shared", "helper")
MAX_CENTERS = 6
NAME_LETTERS = 80

# The number of fields that we write. A part that says none has number 1; 2 has the same fields and
# says so. The release before must read what we write, and it reads no number yet: 2 comes one
# release after the reading of it (docs/decisions/0014-formats.md). request.js has the same.
WRITES = 1

CONTACT = ("reach", "phone", "phone_owner")
MANY = ("centers", "windows", "access", "reach")  # these may be ticked more than once

# Digits of the scripts our residents write in, read as 0-9.
_DIGITS = {zero + n: str(n) for zero in (0x0660, 0x06F0, 0x0966, 0x09E6, 0xFF10) for n in range(10)}
# Controls, and marks that reorder or hide text. Joiners (U+200C, U+200D) stay: Bengali and Urdu
# need them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
# What people put between the digits of a phone number.
_PHONE_MARKS = re.compile(r"[\s().\-\u2010-\u2015/]")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What a resident asks for; docs/envelope.md has the values. It has no repr, so no log line
    can hold one."""

    centers: tuple[str, ...]
    windows: tuple[str, ...]
    opening: Opening | None
    people: int
    children: int
    visit_type: str
    language: str
    access: tuple[str, ...]
    name: str
    reach: tuple[str, ...]
    phone: str
    phone_owner: str

    def __repr__(self) -> str:
        return "<Request>"


FIELDS = tuple(field.name for field in fields(Request))

_NUMBER = "f"
_VISIT = tuple(field for field in FIELDS if field not in CONTACT)
_MOST = 999  # fields are not changed so often


@dataclass(frozen=True, slots=True, repr=False)
class Rest:
    """What opened parts hold beside the fields above, as JSON: the number of their fields, and
    those of a newer release. Whoever seals the request again puts it back; nobody shows it."""

    visit: str = "{}"
    contact: str = "{}"

    def __repr__(self) -> str:
        return "<Rest>"


NO_REST = Rest()


def parse(typed: Mapping[str, Sequence[str]], city: City) -> Request:
    """The request in a filled-in form: field name to the texts given for it.

    Raises Invalid with every problem at once. Codes: missing, unknown, too_many, too_long, number,
    range, phone, choose.
    """
    problems: dict[str, str] = {}

    def one(field: str) -> str:
        values = [value for value in typed.get(field, ()) if value.strip()]
        return values[0].strip() if values else ""

    def choice(field: str, allowed: Sequence[str], needed: bool = True) -> str:
        value = one(field)
        if not value and needed:
            problems[field] = "missing"
        elif value and value not in allowed:
            problems[field] = "unknown"
        return value

    def choices(field: str, allowed: Sequence[str], most: int, needed: bool) -> tuple[str, ...]:
        ticked = {value.strip() for value in typed.get(field, ())} - {""}
        if needed and ANY in ticked:
            return (ANY,)
        if needed and not ticked:
            problems[field] = "missing"
        elif not ticked <= set(allowed):
            problems[field] = "unknown"
        elif len(ticked) > most:
            problems[field] = "too_many"
        # In the order of the form, so that the order of ticking says nothing.
        return tuple(value for value in allowed if value in ticked)

    def number(field: str, least: int, most: int, default: str) -> int:
        text = (one(field) or default).translate(_DIGITS)
        if not text:
            problems[field] = "missing"
        elif not re.fullmatch(r"[0-9]{1,3}", text):
            problems[field] = "number"
        elif not least <= int(text) <= most:
            problems[field] = "range"
        else:
            return int(text)
        return most

    # Who takes a time has said where and when.
    centers: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    opening: Opening | None = None
    if text := one("opening"):
        if opening := _opening(text, city):
            centers = (opening.center,)
        else:
            problems["opening"] = "unknown"
    else:
        listed = [center.id for center in city.listed]
        centers = choices("centers", listed, MAX_CENTERS, True)
        windows = choices("windows", WINDOWS, len(WINDOWS), True)
    people = number("people", 1, city.max_people, "")
    children = number("children", 0, people, "0")
    visit_type = choice("visit_type", city.visit_types)
    language = choice("language", city.languages)
    access = choices("access", city.access, len(city.access), False)

    name = _plain(one("name"))
    if not name:
        problems["name"] = "missing"
    elif len(name) > NAME_LETTERS:
        problems["name"] = "too_long"

    reach = choices("reach", REACH, len(REACH), False)
    phone = _PHONE_MARKS.sub("", _HIDDEN.sub("", one("phone"))).translate(_DIGITS)
    owner = choice("phone_owner", PHONE_OWNERS, needed=bool(reach))
    if reach and not phone:
        problems["phone"] = "missing"
    elif phone and not re.fullmatch(r"\+?[0-9]{7,15}", phone):
        problems["phone"] = "phone"
    elif phone and not reach and "reach" not in problems:
        # A number we were not told to use: we neither keep it silently nor drop it silently.
        problems["reach"] = "choose"
    if not reach:
        owner = ""

    if problems:
        raise Invalid({field: problems[field] for field in FIELDS if field in problems})
    return Request(
        centers, windows, opening, people, children, visit_type, language, access, name,
        reach, phone, owner,
    )  # fmt: skip


def values(request: Request) -> dict[str, Any]:
    """Its fields as JSON has them."""
    return asdict(request) | {"opening": str(request.opening or "")}


def pack(request: Request, reply_key: bytes, rest: Rest = NO_REST, number: int = WRITES) -> Parts:
    """The two parts of a request, JSON padded with spaces to 1,024 bytes each; the 32-byte reply
    key travels inside `contact`. `rest` is what it had beside when it was opened: its number of
    fields is never lowered. Raises TooLong with the field to shorten."""
    visit = values(request)
    contact = {field: visit.pop(field) for field in CONTACT} | {"reply_key": b64(reply_key)}
    return Parts(
        _padded(visit, rest.visit, number, "name"), _padded(contact, rest.contact, number, "phone")
    )


def unpack(parts: Parts) -> tuple[Request, bytes, Rest]:
    """The request in opened parts, its reply key, and what else is there. Raises CannotOpen when a
    field is missing, of another kind or in the wrong part, or when a part without a number has any
    other: whoever sealed it did not use our page."""
    try:
        visit, visit_rest = _read(parts.visit, _VISIT)
        contact, contact_rest = _read(parts.contact, (*CONTACT, "reply_key"))
        reply_key = unb64(contact.pop("reply_key"), 32)
        found: dict[str, Any] = {it: _typed(it, value) for it, value in (visit | contact).items()}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CannotOpen("the parts do not hold a request", "malformed") from None
    return Request(**found), reply_key, Rest(visit_rest, contact_rest)


def _opening(text: str, city: City) -> Opening | None:
    """The opening of that id, if it is at a center of ours."""
    try:
        opening = Opening.parse(text)
    except ValueError:
        return None
    return opening if city.center(opening.center) else None


def _plain(text: str) -> str:
    return " ".join(_HIDDEN.sub("", unicodedata.normalize("NFC", text)).split())


def _padded(values: Mapping[str, Any], rest: str, number: int, field: str) -> bytes:
    beside = json.loads(rest)
    number = max(number, beside.pop(_NUMBER, 1))
    numbered = {_NUMBER: number} if number > 1 else {}
    data = _json({**numbered, **values, **beside}).encode()
    if len(data) > PART_BYTES:
        raise TooLong(field)
    return data.ljust(PART_BYTES)


def _read(part: bytes, wanted: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The fields we know, and the others as JSON."""
    beside = json.loads(part)
    if not isinstance(beside, dict):
        raise ValueError("not an object")
    known = {field: beside.pop(field) for field in wanted}
    if beside:
        number = beside.get(_NUMBER)
        if type(number) is not int or not 1 < number <= _MOST:
            raise ValueError("fields without a number")
        if beside.keys() & {*FIELDS, "reply_key"}:
            raise ValueError("a field of the other part")
    rest = _json(beside)
    rest.encode()  # half of a surrogate pair could not be sealed again
    return known, rest


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _typed(field: str, value: object) -> object:
    if field in MANY:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            "".join(value).encode()
            return tuple(value)
    elif field in ("people", "children"):
        if type(value) is int and 0 <= value <= 999:
            return value
    elif isinstance(value, str):
        value.encode()  # half of a surrogate pair is no text, and could not be shown
        return named(value) if field == "opening" else value
    raise TypeError(field)
