"""The opened queue: whom the desk reads first, what it shows, and which place it finds for whom."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import request, weeks
from quietdesk.city import Center
from quietdesk.errors import CannotOpen
from quietdesk.openings import DESK, Opening
from quietdesk.replies import Reply, waiting
from quietdesk.staff.desk import queue
from quietdesk.staff.desk.queue import Filter
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.weeks import Epoch
from tests.examples import examples
from tests.rows import WEEK, make
from tests.world import ASKED, NOON, compiled_city

few = examples(60)

CITY = compiled_city()  # answer_by_days: 10, notice_days: 3
TODAY = date(2026, 11, 18)  # a Wednesday
DAY = timedelta(days=1)


def opened(born=WEEK, lane="P", opening=None, reply=None, expires=0, id=None, **typed):
    """One opened request, as the desk has it in memory."""
    asked = request.parse({**ASKED, "centers": ["any"], "windows": ["any"], **typed}, CITY)
    row = {"born": born, "lane": lane, "opening": opening}
    if id is not None:
        row["id"] = bytes([id]) * 16
    envelope = make(**row)
    envelope = replace(envelope, expires=expires or envelope.expires)
    return Opened(envelope, replace(asked, opening=opening), bytes(32), reply)


NOBODYS = {"reach": [], "phone": [], "phone_owner": []}


def unreachable(**more):
    """Somebody who only looks with the code."""
    return opened(**NOBODYS, **more)


def at(day, time="09:30", center="corona", path=""):
    return Opening(date.fromisoformat(day) if isinstance(day, str) else day, time, center, path)


# --- What became of some -------------------------------------------------------------------------


def test_request_that_does_not_open_is_counted_once_however_often_it_is_met():
    item = Unopened(opened().envelope, CannotOpen("no"))
    before = queue.Pulled.of(NOON, [], [item])

    after = before.changed({item.id: item}).changed({item.id: item})

    assert after.shut == (item,)


def rev(item, number):
    """The same request at a later rev, which says so in its name."""
    envelope = replace(item.envelope, rev=number)
    return replace(item, envelope=envelope, request=replace(item.request, name=f"rev {number}"))


ITEM = opened(id=1)
SHUT = Unopened(ITEM.envelope, CannotOpen("no"))
# What was here when the pull began, what staff made of it since, and what the pull found.
DURING_A_PULL = {
    "entered": (None, ITEM, None, ITEM),
    "entered and found": (None, ITEM, ITEM, ITEM),
    "answered": (ITEM, rev(ITEM, 2), ITEM, rev(ITEM, 2)),
    "answered and found": (ITEM, rev(ITEM, 2), rev(ITEM, 2), rev(ITEM, 2)),
    "answered, and changed by somebody else after": (
        ITEM,
        rev(ITEM, 2),
        rev(ITEM, 3),
        rev(ITEM, 3),
    ),
    "erased": (ITEM, None, ITEM, None),
    "opens no more": (ITEM, SHUT, ITEM, SHUT),
    "opens since": (SHUT, ITEM, SHUT, ITEM),
    "left alone": (ITEM, ITEM, ITEM, ITEM),
    "left alone, and new in the store": (None, None, ITEM, ITEM),
    "left alone, and changed by somebody else": (ITEM, ITEM, rev(ITEM, 2), rev(ITEM, 2)),
    "left alone, and cancelled": (ITEM, ITEM, None, None),
    "left alone, and opens no more": (ITEM, ITEM, SHUT, SHUT),
}


def pulled(item):
    """A queue with that one request, or with none."""
    opens = [item] if isinstance(item, Opened) else []
    return queue.Pulled.of(NOON, opens, [item] if isinstance(item, Unopened) else [])


@pytest.mark.parametrize("what", DURING_A_PULL)
def test_pull_keeps_what_staff_did_while_it_ran(what):
    began, here, found, left = map(pulled, DURING_A_PULL[what])

    after = found.keeping(began, here)

    assert after == left


def test_pull_keeps_what_staff_did_and_takes_all_else():
    items = [opened(id=number) for number in range(1, 6)]
    began = queue.Pulled.of(NOON, items[:3], [])
    here = began.changed({items[0].id: rev(items[0], 2), items[3].id: items[3], items[1].id: None})
    found = queue.Pulled.of(NOON + DAY, [*items[:2], items[4]], [])

    after = found.keeping(began, here)

    assert {it.id: it.envelope.rev for it in after.items.values()} == {
        items[0].id: 2, items[3].id: items[3].envelope.rev, items[4].id: items[4].envelope.rev,
    }  # fmt: skip
    assert after.at == NOON + DAY and after.counts["waiting"] == 3


def test_older_look_at_a_request_does_not_overwrite_a_newer_one():
    before = pulled(rev(ITEM, 3))

    assert before.changed({ITEM.id: rev(ITEM, 2)}) == before
    assert before.changed({ITEM.id: rev(ITEM, 4)}).items[ITEM.id].envelope.rev == 4


def test_request_is_open_or_shut_or_gone_but_never_two_of_these():
    item, other = opened(id=1), Unopened(opened(id=2).envelope, CannotOpen("no"))
    shut = Unopened(item.envelope, CannotOpen("no"))
    before = queue.Pulled.of(NOON, [], [shut, other])

    opens = before.changed({item.id: item})
    shuts = opens.changed({item.id: shut})

    assert ([*opens.items], opens.shut) == ([item.id], (other,))
    assert ([*shuts.items], shuts.shut) == ([], (other, shut))
    assert shuts.changed({item.id: None}).shut == (other,)


# --- Order ---------------------------------------------------------------------------------------


def test_lanes_come_in_the_order_vouched_scripted_kiosk_plain():
    items = [opened(lane=lane) for lane in ("N", "K", "P", "V")]

    assert [item.envelope.lane for item in queue.ordered(items)] == ["V", "P", "K", "N"]


@pytest.mark.parametrize("lane", ["", "X", "VP", "p"])
def test_lane_that_is_not_known_comes_last(lane):
    items = [opened(lane=lane), opened(lane="N")]

    assert [item.envelope.lane for item in queue.ordered(items)] == ["N", lane]


def test_in_a_lane_the_oldest_week_comes_first_also_over_new_year():
    weeks = [Epoch(2027, 1), Epoch(2026, 53), Epoch(2026, 47), Epoch(2026, 9)]

    items = queue.ordered(opened(born=born) for born in weeks)

    assert [item.envelope.born for item in items] == list(reversed(weeks))


def test_within_a_week_the_order_of_pulling_says_nothing():
    items = [opened(id=n) for n in range(8)]
    shuffled = [*items[1::2], *items[-2::-2]]

    assert queue.ordered(shuffled) == queue.ordered(items) == items


# --- Filters -------------------------------------------------------------------------------------


def test_filter_of_nothing_takes_everything():
    every = (
        opened(),
        opened(opening=at("2026-12-03")),
        opened(reply=Reply("none")),
    )

    assert all(Filter().takes(item) for item in every)


@pytest.mark.parametrize(
    ("filter", "takes", "leaves"),
    [
        (Filter(center="corona"), {"centers": ["corona"]}, {"centers": ["east-harlem"]}),
        (Filter(center="corona"), {"centers": ["any"]}, {"centers": ["east-harlem"]}),
        (Filter(window="sat-am"), {"windows": ["mon-am", "sat-am"]}, {"windows": ["sat-pm"]}),
        (Filter(window="sat-am"), {"windows": ["any"]}, {"windows": ["mon-am"]}),
        (Filter(language="bn"), {"language": ["bn"]}, {"language": ["en"]}),
        (Filter(access="quiet"), {"access": ["step_free", "quiet"]}, {"access": ["step_free"]}),
        (Filter(access="quiet"), {"access": ["quiet"]}, {"access": []}),
        (Filter(visit_type="renew"), {"visit_type": ["renew"]}, {"visit_type": ["new"]}),
        (Filter(people=3), {"people": ["3"]}, {"people": ["2"]}),
    ],
)
def test_filter_takes_what_was_asked_for_and_leaves_the_rest(filter, takes, leaves):
    assert filter.takes(opened(**takes))
    assert not filter.takes(opened(**leaves))


def test_filter_by_state():
    item = opened()
    placed = opened(opening=at("2026-12-03"))
    none = opened(reply=Reply("none"))

    states = {state: Filter(state=state) for state in ("waiting", "placed", "none")}

    for wanted, only in zip((item, placed, none), states.values(), strict=True):
        assert [only.takes(it) for it in (item, placed, none)] == [
            it is wanted for it in (item, placed, none)
        ]


def test_filters_together_must_all_hold():
    both = Filter(center="corona", language="bn")

    assert both.takes(opened(centers=["corona"], language=["bn"]))
    assert not both.takes(opened(centers=["corona"], language=["en"]))
    assert not both.takes(opened(centers=["east-harlem"], language=["bn"]))


def test_who_named_no_window_is_shown_for_every_window():
    # Who had taken a time and lost it named no windows: any of them may fit, as `fitting` says.
    item = opened()
    item = replace(item, request=replace(item.request, windows=()))

    assert Filter(window="mon-am").takes(item)


# --- Phones, ends, and who is due ----------------------------------------------------------------


def test_phones_in_more_than_one_request_are_told():
    items = [
        opened(phone=["718 555 0123"]),
        opened(phone=["(718) 555-0123"]),
        opened(phone=["718 555 0199"]),
        unreachable(),
        unreachable(),
    ]

    assert queue.shared_phones(items) == {"7185550123"}
    assert queue.shared_phones(items[1:]) == set()
    assert queue.shared_phones([]) == set()


FAR = "212 555 0177"


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"name": ["Ana"]}, {"name": ["Eva"]}, True),  # the same phone
        ({"phone": ["718 555 0199"], "name": ["Ana"]}, {"name": ["Eva"]}, True),  # counted up
        ({"phone": [FAR], "name": ["Test 1"]}, {"name": ["test-22"]}, True),
        ({"phone": [FAR], "name": ["Test"]}, {"name": ["Tess"]}, False),
        ({"phone": [FAR], "name": ["\u09b0\u09bf"]}, {"name": ["\u09b0\u09be"]}, False),  # ri, ra
        ({**NOBODYS, "name": ["Ana"]}, {**NOBODYS, "name": ["Eva"]}, False),  # no phone is no mark
        ({**NOBODYS, "name": ["1"]}, {**NOBODYS, "name": ["2"]}, False),  # nor is no letter
    ],
)
def test_requests_of_one_phone_name_or_pattern_belong_together(one, other, together):
    items = [opened(id=1, **one), opened(id=2, **other)]

    assert [it.count for it in queue.alike(items)] == ([2] if together else [])


def test_flood_draws_in_nobody_whose_phone_is_near_one_that_it_made_up():
    """Marks are not chained. The largest group comes first."""
    flood = [opened(id=it, name=[f"Bot {it}"], phone=[f"212 555 {it}100"]) for it in (1, 2, 3)]
    near = opened(id=4, name=["Ana"], phone=["212 555 1177"])

    by_name, by_phone = queue.alike([near, *flood])

    assert (by_name.by, by_name.others) == ("name", tuple(flood))
    assert (by_phone.by, by_phone.others) == ("phone", (flood[0], near))


def test_who_share_name_and_phone_are_shown_once():
    assert [it.count for it in queue.alike([opened(id=1), opened(id=2)])] == [2]


def test_who_has_a_place_or_is_vouched_for_stands_apart():
    plain = opened(id=1)
    placed, vouched = opened(id=2, opening=at("2026-11-30")), opened(id=3, lane="V")

    (group,) = queue.alike([placed, plain, vouched])

    assert group.others == (plain,) and set(group.apart) == {placed, vouched}


def test_due_are_those_who_wait_and_end_within_three_days():
    end = int((NOON + 3 * DAY).timestamp())
    soon, later = opened(expires=end), opened(expires=end + 1)
    placed = opened(expires=end, opening=at("2026-11-19"))
    none = opened(expires=end, reply=Reply("none"))

    assert queue.due([later, soon, placed, none], NOON) == [soon]


def test_promised_are_those_who_wait_though_their_day_has_come(city):
    today = NOON.date()
    come = opened(reply=waiting(today))
    over = opened(reply=waiting(today - DAY))
    ahead, untold = opened(reply=waiting(today + DAY)), opened(reply=None)
    placed = opened(opening=at("2026-12-03"), reply=waiting(today))

    assert queue.promised([ahead, come, untold, placed, over], city, NOON) == [come, over]


def test_day_on_which_a_request_ends_is_the_citys():
    midnight = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)

    assert queue.ends(opened(expires=int(midnight.timestamp())), CITY) == date(2026, 12, 1)
    assert queue.ends(opened(expires=int(midnight.timestamp()) - 1), CITY) == date(2026, 11, 30)


# --- The first day that somebody can be told of --------------------------------------------------


@pytest.mark.parametrize("reach", ["text", "call", "voicemail"])
def test_who_can_be_reached_needs_notice_only(reach):
    item = opened(reach=[reach], reply=waiting(date(2026, 12, 3)))

    assert queue.earliest(item, CITY, NOON) == TODAY + 3 * DAY


def test_who_only_looks_needs_notice_after_the_day_to_look_again():
    assert queue.earliest(unreachable(), CITY, NOON) == TODAY + 13 * DAY
    told = unreachable(reply=waiting(date(2026, 11, 20)))
    assert queue.earliest(told, CITY, NOON) == date(2026, 11, 23)


def test_who_should_have_looked_already_may_look_today_at_the_earliest():
    item = unreachable(reply=waiting(TODAY - 5 * DAY))

    assert queue.earliest(item, CITY, NOON) == TODAY + 3 * DAY


def test_who_has_no_reply_we_know_looks_when_the_form_said():
    assert queue.earliest(unreachable(reply=Reply("waiting")), CITY, NOON) == TODAY + 13 * DAY
    assert queue.earliest(unreachable(reply=None), CITY, NOON) == TODAY + 13 * DAY


def test_nobody_is_placed_on_the_same_day_even_without_notice_days():
    at_once = replace(CITY, notice_days=0)

    assert queue.earliest(opened(), at_once, NOON) == TODAY + DAY


def test_today_is_the_day_on_the_citys_clock():
    late = datetime(2026, 11, 19, 4, 59, tzinfo=UTC)

    assert queue.earliest(opened(), CITY, late) == TODAY + 3 * DAY
    assert queue.earliest(opened(), CITY, late + timedelta(minutes=1)) == TODAY + 4 * DAY


@pytest.mark.parametrize("day", [date.max, date.max - 2 * DAY, date(2030, 1, 1)])
def test_day_to_look_again_that_no_desk_of_ours_wrote_stops_nobody(day):
    # Who sealed the envelope wrote the first reply, and can write any day into it.
    item = unreachable(reply=waiting(day))

    assert queue.earliest(item, CITY, NOON) <= TODAY + 13 * DAY
    free = {at("2026-12-03"): 2}
    (mine, theirs) = queue.propose([opened(lane="V"), item], free, CITY, NOON)
    assert (mine.opening, theirs.opening) == (at("2026-12-03"), at("2026-12-03"))


@pytest.mark.parametrize("days", range(7))
def test_who_only_looks_is_told_of_no_day_before_the_one_that_wait_would_tell(days):
    now = NOON + days * DAY
    kept = weeks.answer_day(now, CITY.zone, CITY.answer_by_days)

    assert queue.earliest(unreachable(), CITY, now) == kept + 3 * DAY
    assert queue.earliest(unreachable(reply=waiting(kept)), CITY, now) == kept + 3 * DAY


# --- Which openings fit --------------------------------------------------------------------------


def fitting(item, *openings, left=1, now=NOON, city=CITY):
    return queue.fitting(item, dict.fromkeys(openings, left), city, now)


def test_openings_at_a_center_that_was_asked_for_fit():
    corona, harlem = at("2026-12-03"), at("2026-12-03", center="east-harlem")

    assert fitting(opened(centers=["corona"]), corona, harlem) == [corona]
    assert fitting(opened(centers=["corona", "east-harlem"]), corona, harlem) == [corona, harlem]
    assert fitting(opened(centers=["any"]), corona, harlem) == [corona, harlem]
    assert fitting(opened(centers=["bronx-library"]), corona, harlem) == []


def test_openings_within_a_window_that_was_asked_for_fit():
    thursday, evening, friday = at("2026-12-03"), at("2026-12-03", "17:00"), at("2026-12-04")

    assert fitting(opened(windows=["thu-am"]), thursday, evening, friday) == [thursday]
    assert fitting(opened(windows=["thu-eve", "fri-am"]), thursday, evening, friday) == [
        evening,
        friday,
    ]
    assert fitting(opened(windows=["any"]), thursday, evening, friday) == [
        thursday,
        evening,
        friday,
    ]
    assert fitting(opened(windows=["sun-am"]), thursday, evening, friday) == []


def test_who_had_taken_a_time_named_no_windows_and_may_come_at_any():
    item = opened(opening=at("2026-12-03"))
    item = replace(item, request=replace(item.request, centers=("corona",), windows=()))

    assert fitting(item, at("2026-12-04", "17:00")) == [at("2026-12-04", "17:00")]


def test_opening_without_a_seat_does_not_fit():
    assert fitting(opened(), at("2026-12-03"), left=0) == []


def test_opening_before_the_first_day_somebody_can_be_told_of_does_not_fit():
    early, first = at("2026-11-20"), at("2026-11-21")

    assert fitting(opened(), early, first) == [first]
    assert fitting(unreachable(), early, first, at("2026-11-30"), at("2026-12-01")) == [
        at("2026-12-01")
    ]


def test_best_is_the_earliest_and_of_one_time_the_desks_own_seats():
    wanted = [
        at("2026-12-01", "13:00"),
        at("2026-12-02", "09:00", path=DESK),
        at("2026-12-02", "09:00"),
        at("2026-12-02", "09:00", "east-harlem"),
        at("2026-12-02", "09:30", path=DESK),
        at("2026-12-09", "08:00", path=DESK),
    ]

    assert fitting(opened(), *reversed(wanted)) == wanted


def test_visit_that_would_come_after_the_request_is_destroyed_does_not_fit():
    # 60 days after Monday the 16th of November: the 15th of January, when the request is gone.
    now = datetime(2026, 12, 30, 17, 0, tzinfo=UTC)
    days = [at("2027-01-12"), at("2027-01-13"), at("2027-01-14"), at("2027-01-15")]

    fits = fitting(opened(born=Epoch(2026, 47)), *days, now=now)

    # The day after the visit is left to the staff, to erase it.
    assert fits == days[:2]
    assert fitting(opened(born=Epoch(2026, 48)), *days, now=now) == days


def test_week_of_the_visit_is_served_for_long_enough_after_it():
    # With one day of serving, Sunday's visit is destroyed on Tuesday at 00:00.
    city = replace(CITY, serve_days=1)

    assert fitting(opened(), at("2026-12-06"), city=city) == [at("2026-12-06")]


def test_unlisted_center_is_not_told_to_who_would_come_anywhere():
    # A path means that its times are seen by who was given it; its reply brings the address.
    van = Center("van", "Van", "103rd St", (), True, path="partner")
    city = replace(CITY, centers=(*CITY.centers, van))
    theirs = [at("2026-12-03", center="van", path=path) for path in ("partner", DESK)]

    assert fitting(opened(centers=["any"]), *theirs, at("2026-12-03"), city=city) == [
        at("2026-12-03")
    ]


def test_unlisted_center_fits_who_had_a_time_there():
    van = Center("van", "Van", "103rd St", (), True, path="partner")
    city = replace(CITY, centers=(*CITY.centers, van))
    item = opened()
    item = replace(item, request=replace(item.request, centers=("van",), windows=()))
    theirs = at("2026-12-03", center="van", path="partner")

    assert fitting(item, theirs, at("2026-12-03"), city=city) == [theirs]


# --- Proposals -----------------------------------------------------------------------------------


def proposed(items, free, **more):
    return [
        (proposal.item.id[:2], proposal.opening)
        for proposal in queue.propose(items, free, CITY, NOON, **more)
    ]


def test_oldest_gets_the_first_seat_and_who_gets_none_is_told_so():
    young, old = opened(id=1), opened(id=2, born=Epoch(2026, 46))

    assert proposed([young, old], {at("2026-12-03"): 1}) == [
        ("02", at("2026-12-03")),
        ("01", None),
    ]


def test_later_person_gets_what_the_earlier_one_cannot_use():
    picky = opened(id=1, born=Epoch(2026, 46), windows=["fri-am"])
    easy = opened(id=2)

    assert proposed([picky, easy], {at("2026-12-03"): 1}) == [
        ("01", None),
        ("02", at("2026-12-03")),
    ]


def test_free_seats_that_were_given_are_left_as_they_were():
    free = {at("2026-12-03"): 1}

    proposed([opened()], free)

    assert free == {at("2026-12-03"): 1}


@few
@given(
    people=st.lists(st.sampled_from(["any", "corona", "east-harlem"]), max_size=12),
    free=st.dictionaries(
        st.builds(
            at,
            st.dates(TODAY - 3 * DAY, TODAY + 70 * DAY),
            st.sampled_from(["09:30", "13:00"]),
            st.sampled_from(["corona", "east-harlem"]),
            st.sampled_from(["", DESK]),
        ),
        st.integers(0, 3),
        max_size=6,
    ),
)
def test_never_more_are_proposed_than_there_are_seats(people, free):
    items = [opened(centers=[center]) for center in people]

    proposals = queue.propose(items, free, CITY, NOON)

    given_out = Counter(proposal.opening for proposal in proposals if proposal.opening)
    assert all(count <= free[opening] for opening, count in given_out.items())
    assert sorted(it.item.id for it in proposals) == sorted(item.id for item in items)
    for proposal in proposals:
        if proposal.opening:
            assert proposal.opening in queue.fitting(proposal.item, free, CITY, NOON)
        else:  # nobody goes without while a seat that fits is left
            left = {it: seats - given_out[it] for it, seats in free.items()}
            assert queue.fitting(proposal.item, left, CITY, NOON) == []


def signing(**more):
    return opened(access=["sign_language"], children=["0"], **more)


def test_same_access_needs_meet_on_a_day_of_the_same_week():
    tuesday, thursday = at("2026-12-01"), at("2026-12-03")
    there = signing(opening=thursday)

    assert proposed([signing(id=1)], {tuesday: 1, thursday: 1}, placed=[there]) == [
        ("01", thursday)
    ]
    assert proposed([opened(id=1)], {tuesday: 1, thursday: 1}, placed=[there]) == [("01", tuesday)]


def test_company_in_another_week_or_at_another_center_is_none():
    tuesday, harlem = at("2026-12-01"), at("2026-12-03", center="east-harlem")
    thursday, next_week = at("2026-12-03"), at("2026-12-08")

    for there in (harlem, next_week):
        placed = [signing(opening=there)]
        free = {tuesday: 1, thursday: 1, next_week: 1}
        assert proposed([signing(id=1)], free, placed=placed) == [("01", tuesday)]


def test_those_who_are_proposed_are_company_for_the_next():
    free = {at("2026-12-01"): 1, at("2026-12-01", "13:00"): 1, at("2026-12-03"): 2}
    plain = opened(id=1, access=[], children=["0"])
    late = signing(id=2, windows=["thu-am"])

    assert proposed([plain, late, signing(id=3)], free) == [
        ("01", at("2026-12-01")),
        ("02", at("2026-12-03")),
        ("03", at("2026-12-03")),
    ]


def test_families_with_children_meet():
    tuesday, thursday = at("2026-12-01"), at("2026-12-03")
    there = opened(access=[], children=["1"], opening=thursday)
    family, alone = (opened(id=1, access=[], children=[n]) for n in ("2", "0"))

    assert proposed([family], {tuesday: 1, thursday: 1}, placed=[there]) == [("01", thursday)]
    assert proposed([alone], {tuesday: 1, thursday: 1}, placed=[there]) == [("01", tuesday)]


def test_most_needs_in_company_win_and_equal_ones_come_earliest():
    monday, tuesday, thursday = at("2026-11-30"), at("2026-12-01"), at("2026-12-03")
    item = opened(id=1, access=["sign_language", "quiet"], children=["0"])
    one = opened(access=["quiet"], children=["0"], opening=tuesday)
    both = opened(access=["sign_language", "quiet"], children=["0"], opening=thursday)
    free = {monday: 1, tuesday: 1, thursday: 1}

    assert proposed([item], free, placed=[one, both]) == [("01", thursday)]
    assert proposed([item], free, placed=[one]) == [("01", tuesday)]
    assert proposed([item], free) == [("01", monday)]


def test_nobody_and_nothing_free_are_no_proposals():
    assert queue.propose([], {at("2026-12-03"): 1}, CITY, NOON) == []
    assert proposed([opened(id=1)], {}) == [("01", None)]


def test_strange_values_of_who_did_not_use_our_page_stop_nobody():
    strange = opened(id=1, born=Epoch(2026, 46))
    odd = replace(
        strange.request,
        centers=(),
        windows=("never",),
        people=999,
        children=999,
        access=("x" * 200,) * 3,
        visit_type="",
        language="",
        phone="x",
    )
    items = [replace(strange, request=odd), opened(id=2)]

    assert proposed(items, {at("2026-12-03"): 2}) == [("01", None), ("02", at("2026-12-03"))]
    assert queue.shared_phones(items) == set()
    assert len(queue.ordered(items)) == 2
    assert not Filter(center="corona", access="quiet", people=2).takes(items[0])
