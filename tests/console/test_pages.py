"""What residents may write, and what the desk says."""

import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment

from quietdesk.errors import (
    CannotOpen,
    Gone,
    Locked,
    NoDay,
    NoKeyYet,
    QuietdeskError,
    TooLong,
)
from quietdesk.staff import words
from quietdesk.staff.console import pages
from quietdesk.staff.console.pages import shown
from tests.console.staff import TYPED, accept, opened, put
from tests.hostile import FIELDS, PAYLOADS, sealed_reply, sealed_with
from tests.test_pages import NEVER_SAID

# --- What residents may write --------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes, counted; and its text."""

    def __init__(self, page):
        super().__init__()
        self.count = Counter()
        self.said = ""
        self.feed(page.body)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.count[tag, tuple(sorted(name for name, _ in attrs))] += 1

    def handle_data(self, data):
        self.said += data


HARMLESS = []  # the elements of the pages about harmless text, found once


def pages_about(staff, world, text):
    """Every page that shows a request, with that text in each field of one."""
    ids = []
    for field in FIELDS:
        envelope = sealed_with(world, field, text)
        world.store.put(envelope)
        ids.append(envelope.id.hex())
    pages = [staff.unlock(), *(staff.post("/contact", one=id) for id in ids)]
    pages.append(staff.post("/propose", id=ids))
    pages.append(staff.post("/answer", id=ids, do="erase"))
    for id in ids:
        world.store.erase(opened(world)[id].envelope)
    pages.append(staff.post("/sure", number=pages[-1].fields("number")[0]))
    return pages


@pytest.mark.parametrize("name", PAYLOADS)
def test_hostile_text_is_shown_as_text(staff, world, publish, name):
    """The pages have exactly the elements that they have for harmless text."""
    publish()
    if not HARMLESS:
        HARMLESS.extend(Tags(page).count for page in pages_about(staff, world, "harmless"))
        staff.post("/lock")

    pages = pages_about(staff, world, PAYLOADS[name])

    assert [Tags(page).count for page in pages] == HARMLESS
    for page in pages:
        said = Tags(page).said
        assert {it for it in said if not it.isprintable()} <= {"\n", "\u200c", "\u200d"}
        for address in re.findall(r'(?:href|src|action|formaction)="([^"]*)"', page.body):
            assert re.fullmatch(r"[\w/.\-?=&;,#:]*", address)
    shown_once = str(shown(PAYLOADS[name][:20]))
    assert shown_once.removesuffix("</bdi>") in pages[0].body


def test_hostile_text_that_is_typed_for_somebody_comes_back_as_text(staff, world):
    """Read out by telephone, or pasted: the form shows it again with what is wrong."""
    staff.unlock()
    typed = {**TYPED, "people": "many", "phone": "none"}
    harmless = {
        element
        for name in ("harmless", "")
        for element in Tags(staff.post("/enter", **{**typed, "name": name})).count
    }

    for text in PAYLOADS.values():
        page = staff.post("/enter", **{**typed, "name": text, "phone": text})

        assert page.status == 400
        assert set(Tags(page).count) <= harmless, text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("রহিমা", "রহিমা"),
        ("محمد", "محمد"),
        ("ক্\u200dষ", "ক্\u200dষ"),
        ("a\u202eb\x00c\nd", "a\ufffdb\ufffdc\ufffdd"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("=1+1", "=1+1"),
    ],
)
def test_text_is_shown_apart_and_without_controls(text, kept):
    assert shown(text) == f'<bdi class="told">{kept}</bdi>'


def test_no_request_name_or_phone_is_in_an_address(staff, world, publish):
    publish()
    ids = [put(world, name=["Zubrowka"], phone=["7185550167"]) for _ in range(60)]
    pages = [staff.unlock(), staff.post("/contact", one=ids[0]), staff.post("/request", one=ids[1])]
    pages += [staff.post("/propose", all="1"), staff.post("/answer", id=ids, do="erase")]
    pages += [staff.get("/openings"), staff.post("/answer", id=ids[:2], do="wait")]

    for page in pages:
        found = re.findall(r'(?:href|src|action|formaction|url)="?([^" >]*)', page.body)
        addresses = [unescape(address) for address in found]
        assert addresses
        for address in addresses:
            assert not any(id[:8] in address for id in ids)
            assert "Zubrowka" not in address and "5550167" not in address
            assert set(parse_qs(urlsplit(address).query)) <= {
                "state", "center", "window", "language", "access", "visit_type", "people", "page",
                "week", "row", "n", "at",
            }  # fmt: skip


def test_nothing_but_the_filters_is_sent_in_an_address(staff, world, publish):
    publish()
    ids = [put(world) for _ in range(3)]
    pages = [staff.get(), staff.unlock(), staff.post("/request", one=ids[0])]
    pages += [staff.post("/contact", one=ids[0]), staff.post("/propose", id=ids)]
    pages += [staff.post("/answer", id=ids, do="erase"), staff.get("/openings")]
    pages += [staff.get("/enter")]

    forms = {form for page in pages for form in re.findall(r"<form[^>]*>", page.body)}

    sent_in_an_address = [form for form in forms if 'method="post"' not in form]
    assert len(forms) > 10
    assert [re.findall(r'class="([^"]*)"', form) for form in sent_in_an_address] == [["filters"]]


@pytest.mark.parametrize("day", ["9999-12-31", "2040-01-01", "0001-01-01"])
def test_reply_that_its_sender_wrote_stops_nobody(staff, world, publish, day):
    publish()
    hostile = sealed_reply(world, {"state": "waiting", "look_again": day})
    world.store.put(hostile)
    id = put(world, name=["Marisol"])
    staff.unlock()

    page = staff.post("/propose", id=[id, hostile.id.hex()])

    assert "Placed: 2" in accept(staff, page).text


# --- Words ---------------------------------------------------------------------------------------


def test_every_error_has_words_and_something_to_do():
    for kind in errors_of(QuietdeskError):
        what, then = words.said(kind.__new__(kind))
        in_a_list = issubclass(kind, CannotOpen) and kind is not NoKeyYet
        assert what.endswith(".") or in_a_list
        assert then or in_a_list or kind in (Gone, NoDay, Locked, TooLong)
    assert words.said(OSError())[0] != words.said(ValueError())[0]


def errors_of(kind):
    yield kind
    for below in kind.__subclasses__():
        yield from errors_of(below)


def test_no_page_of_the_desk_says_a_forbidden_word():
    folder = Path(pages.__file__).parent / "templates"
    said = [
        re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", it.read_text())
        for it in folder.glob("*.html")
    ]
    env = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in folder.glob("*.html"):
        for _, _, text in env.extract_translations(path.read_text("utf-8"), ("_",)):
            said.append(str(text[0] if isinstance(text, tuple) else text))
    tables = (words.SAID, words.LANES, words.STATES, words.REACH_BY)
    said += [text for table in tables for text in table.values()]
    said += [text for pair in words.OTHERS.values() for text in pair]
    said += [kind.next for kind in errors_of(QuietdeskError) if kind.code in words.SAID]

    assert [text for text in said if NEVER_SAID.search(text)] == []
