"""What the reply says, that it always fits, and that nothing strange in it is believed."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import envelopes, replies
from quietdesk.city import Center
from quietdesk.errors import CannotOpen
from quietdesk.openings import DESK, Opening
from quietdesk.replies import Reply
from tests.examples import examples

KEY, ID = bytes(range(32)), bytes(16)
VISIT = Opening(date(2026, 12, 3), "09:30", "corona")
CORONA = Center("corona", "Corona", "34-33 Junction Blvd", (), True)
VAN = Center("van", "Mobile van", "103rd St & 37th Ave", (), True, path="partner")

few = examples(100)


def opened(reply):
    """The reply as the resident's code opens it."""
    sealed = envelopes.seal_reply(replies.write(reply), KEY, ID)
    return replies.read(envelopes.open_reply(sealed, KEY, ID))


@pytest.mark.parametrize(
    "reply",
    [
        replies.waiting(date(2026, 12, 3)),
        Reply("waiting"),
        Reply("none"),
        replies.placed(VISIT, CORONA),
        replies.placed(Opening(VISIT.day, "09:30", "van", "partner"), VAN),
        replies.placed(Opening(VISIT.day, "09:30", "van", DESK), VAN),
        Reply("none", was=VISIT.day),
        replace(replies.placed(VISIT, CORONA), was=date(2026, 12, 1)),
    ],
)
def test_reply_is_read_as_it_was_written(reply):
    assert opened(reply) == reply


def test_first_reply_of_a_phone_says_waiting_and_no_day():
    assert replies.read(envelopes.WAITING) == Reply("waiting")


def test_placed_at_a_listed_center_says_where_and_when_and_no_address():
    values = replies.write(replies.placed(VISIT, CORONA))

    assert values == {"state": "placed", "opening": "corona.2026-12-03.0930"}


@pytest.mark.parametrize("path", ["partner", DESK])
def test_placed_at_an_unlisted_center_brings_its_name_and_address(path):
    values = replies.write(replies.placed(Opening(VISIT.day, "09:30", "van", path), VAN))

    assert (values["name"], values["address"]) == ("Mobile van", "103rd St & 37th Ave")


@pytest.mark.parametrize("letter", ["x", "ব", "🏠"])
def test_longest_reply_there_can_be_fits(letter):
    # 120 bytes is what the city profile allows where there is a path; ids are of 64 letters then.
    size = len(letter.encode())
    name, address = letter * (60 // size), letter * (60 // size)
    longest = Center("c" * 32, name, address, (), True, path="p" * 15)
    opening = Opening(VISIT.day, "23:59", longest.id, longest.path)
    reply = replace(replies.placed(opening, longest), was=VISIT.day)

    assert len(str(opening)) == 64
    assert len(envelopes.seal_reply(replies.write(reply), KEY, ID)) == 284
    assert opened(reply) == reply


def test_every_reply_has_one_size():
    every = [replies.waiting(date(2026, 12, 3)), Reply("none"), replies.placed(VISIT, CORONA)]
    every += [replace(it, was=VISIT.day) for it in every]

    sizes = {len(envelopes.seal_reply(replies.write(reply), KEY, ID)) for reply in every}

    assert sizes == {284}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"state": ""},
        {"state": None},
        {"state": True},
        {"state": "Waiting"},
        {"state": "hello"},
        {"state": ["waiting"]},
        {"state": {"state": "waiting"}},
        {"state": "placed"},
        {"state": "placed", "opening": ""},
        {"state": "placed", "opening": None},
        {"state": "placed", "opening": True},
        {"state": "placed", "opening": 7},
        {"state": "placed", "opening": ["corona.2026-12-03.0930"]},
        {"state": "placed", "opening": "corona"},
        {"state": "placed", "opening": "corona.2026-02-29.0930"},
        {"state": "placed", "opening": "corona.2026-12-03.0930\n"},
        {"state": "waiting", "opening": "corona.2026-12-03.0930"},
        {"state": "none", "opening": "corona.2026-12-03.0930"},
        {"state": "waiting", "look_again": "soon"},
        {"state": "waiting", "look_again": "2026-02-29"},
        {"state": "waiting", "look_again": "2026-12-03T09:30"},
        {"state": "waiting", "look_again": True},
        {"state": "waiting", "look_again": 20261203},
        {"state": "waiting", "look_again": ["2026-12-03"]},
        {"state": "waiting", "look_again": 1e300},
        {"state": "none", "no": "soon"},
        {"state": "none", "no": "20261203"},
        {"state": "none", "no": ["2026-12-03"]},
        {"state": "placed", "opening": "corona.2026-12-03.0930", "name": 7},
        {"state": "placed", "opening": "corona.2026-12-03.0930", "name": None},
        {"state": "placed", "opening": "corona.2026-12-03.0930", "address": ["x"]},
    ],
)
def test_reply_that_none_of_ours_writes_is_not_believed(values):
    with pytest.raises(CannotOpen):
        replies.read(values)


@pytest.mark.parametrize("empty", [0, False, [], {}])
@pytest.mark.parametrize("field", ["look_again", "opening"])
def test_empty_value_of_another_kind_is_not_read_as_none(field, empty):
    with pytest.raises(CannotOpen):
        replies.read({"state": "waiting", field: empty})


@pytest.mark.parametrize("day", ["20261203", "2026-W49-4", "2026W494"])
def test_day_has_one_spelling(day):
    with pytest.raises(CannotOpen):
        replies.read({"state": "waiting", "look_again": day})


@pytest.mark.parametrize("field", ["name", "address"])
def test_half_a_letter_that_could_not_be_shown_is_not_believed(field):
    values = {"state": "placed", "opening": str(VISIT), "name": "Van", "address": "103rd St"}

    with pytest.raises(CannotOpen):
        replies.read(values | {field: "\ud800"})


@pytest.mark.parametrize("values", [None, 7, "waiting", ["state", "waiting"], [["state"]], True])
def test_what_is_no_mapping_is_not_believed(values):
    with pytest.raises(CannotOpen):
        replies.read(values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
DAY = st.dates().map(date.isoformat)
ID_TEXT = st.builds(Opening, st.dates(), st.just("09:30"), st.just("corona")).map(str)


@few
@given(
    st.fixed_dictionaries(
        {"state": st.sampled_from(replies.STATES) | JSON},
        optional={
            "look_again": DAY | JSON,
            "opening": ID_TEXT | JSON,
            "name": JSON,
            "address": JSON,
            "no": DAY | JSON,
            "more": JSON,
        },
    )
)
def test_whatever_it_holds_a_reply_is_read_or_named_as_unreadable(values):
    try:
        reply = replies.read(values)
    except CannotOpen:
        return

    assert reply.state in replies.STATES
    assert (reply.state == "placed") == isinstance(reply.opening, Opening)
    assert reply.look_again is None or type(reply.look_again) is date
    assert isinstance(reply.name, str)
    assert isinstance(reply.address, str)


def test_what_a_reply_cannot_open_for_is_said_without_quoting_it():
    with pytest.raises(CannotOpen) as refused:
        replies.read({"state": "planted"})

    assert "planted" not in str(refused.value)


def test_reply_does_not_show_in_a_log_line():
    assert repr(replies.placed(VISIT, CORONA)) == "<Reply>"
