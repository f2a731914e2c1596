"""The ids of openings, who may take them when, and the lists that staff computers sign."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietdesk import openings, weeks
from quietdesk.errors import BadSignature
from quietdesk.openings import DESK, NOTHING, Listing, Opening
from quietdesk.signed import signed_document
from quietdesk.wire import b64, unb64
from tests.examples import examples
from tests.world import NOON, another_device, make_world

NEW_YORK = ZoneInfo("America/New_York")
VISIT = Opening(date(2026, 12, 3), "09:30", "corona")
THEIRS = Opening(date(2026, 12, 5), "14:00", "mobile-van", "partner")

few = examples(100)
IDS = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
PATHS = st.just("") | st.from_regex(r"[a-z][a-z0-9-]{2,14}", fullmatch=True)
CLOCKS = st.times().map(lambda at: at.strftime("%H:%M"))
OPENINGS = st.builds(Opening, st.dates(), CLOCKS, IDS, PATHS)


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("openings"), custodian=custodian)
    yield made
    made.store.close()


def admitted(world):
    """The list of devices as custodians signed it."""
    return world.store.read("devices")[0]


def body(world, listing, **named):
    about = {"queue": world.city.queue, "deployment": world.trust.deployment}
    about |= {"spki": world.device.public_key, "number": 1, "day": NOON.date()}
    return openings.listing_body(listing, **about | named)


def signed(world, data, kind="openings", device=None):
    return signed_document(data, [(device or world.device).sign(kind, data)])


def verified(world, raw, path="", queue="main"):
    return openings.verify_listing(raw, admitted(world), world.trust, queue, path)


# --- Ids -----------------------------------------------------------------------------------------


def test_id_says_center_day_time_and_path():
    assert str(VISIT) == "corona.2026-12-03.0930"
    assert str(THEIRS) == "mobile-van.2026-12-05.1400.partner"
    assert Opening.parse("corona.2026-12-03.0930") == VISIT
    assert Opening.parse("mobile-van.2026-12-05.1400.partner") == THEIRS


@few
@given(OPENINGS)
def test_opening_is_read_as_it_was_written(opening):
    assert Opening.parse(str(opening)) == opening


def test_longest_id_fits_the_header():
    longest = Opening(date(2026, 12, 3), "23:59", "c" * 32, "p" * 15)

    assert len(str(longest)) == 64
    assert Opening.parse(str(longest)) == longest


@few
@given(st.text() | st.from_regex(r"\w{0,34}\.\d{4}-\d\d-\d\d\.\d{4}(\.\w{0,17})?\s?"))
def test_whatever_is_read_has_one_spelling(text):
    try:
        opening = Opening.parse(text)
    except ValueError:
        return

    assert str(opening) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "corona",
        "corona.2026-12-03",
        "corona.2026-12-03.930",
        "corona.2026-12-03.09:30",
        "corona.2026-12-03.2400",
        "corona.2026-12-03.0960",
        "corona.2026-02-29.0930",
        "corona.2026-13-01.0930",
        "corona.0000-01-01.0930",
        "corona.20261203.0930",
        "corona.2026-W49-4.0930",
        "Corona.2026-12-03.0930",
        "7corona.2026-12-03.0930",
        ".2026-12-03.0930",
        f"{'c' * 33}.2026-12-03.0930",
        "corona.2026-12-03.0930.",
        "corona.2026-12-03.0930.ab",
        "corona.2026-12-03.0930.Partner",
        "corona.2026-12-03.0930.par_tner",
        "corona.2026-12-03.0930.partner.more",
        f"corona.2026-12-03.0930.{'p' * 16}",
        " corona.2026-12-03.0930",
        "corona.2026-12-03.0930\n",
        "corona.2026-12-03.0930.partner\n",
        "corona.٢٠٢٦-١٢-٠٣.0930",
        "corona.2026-12-03.0９30",
        "corona.2026-12-03.0930.\ud800abc",
        "corona#2026-12-03.0930",
    ],
)
def test_what_is_not_an_id_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Opening.parse(text)


def test_openings_sort_by_day_then_time_then_center_then_path():
    day = date(2026, 12, 3)
    wanted = [
        Opening(day, "09:00", "corona"),
        Opening(day, "09:00", "corona", DESK),
        Opening(day, "09:00", "harlem"),
        Opening(day, "13:00", "astoria"),
        Opening(day + timedelta(days=1), "08:00", "astoria"),
    ]

    assert sorted(reversed(wanted)) == wanted


# --- Weeks and clocks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2026-11-16", "2026-W47"),
        ("2026-11-22", "2026-W47"),
        ("2026-11-23", "2026-W48"),
        ("2026-12-31", "2026-W53"),
        ("2027-01-01", "2026-W53"),
        ("2027-01-03", "2026-W53"),
        ("2027-01-04", "2027-W01"),
        ("2024-12-30", "2025-W01"),
    ],
)
def test_week_of_a_visit_is_its_iso_week_also_around_new_year(day, week):
    assert str(Opening(date.fromisoformat(day), "09:30", "corona").epoch) == week


@few
@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), CLOCKS)
def test_visit_begins_within_its_week_on_the_citys_clock(day, at):
    opening = Opening(day, at, "corona")

    starts = opening.starts(NEW_YORK)

    assert opening.epoch.start(NEW_YORK) <= starts < opening.epoch.end(NEW_YORK)
    assert weeks.epoch_at(starts, NEW_YORK) == opening.epoch


@pytest.mark.parametrize(
    ("day", "at", "utc"),
    [
        ("2026-03-07", "09:30", "14:30"),  # winter time
        ("2026-03-08", "09:30", "13:30"),  # clocks went forward at 2:00
        ("2026-10-31", "09:30", "13:30"),
        ("2026-11-01", "09:30", "14:30"),  # and back
        ("2026-11-01", "01:30", "05:30"),  # an hour that there is twice: its first time
    ],
)
def test_visit_begins_when_the_clock_at_the_center_says_so(day, at, utc):
    opening = Opening(date.fromisoformat(day), at, "corona")

    wanted = datetime.combine(opening.day, time.fromisoformat(utc), UTC)
    assert opening.starts(NEW_YORK) == wanted
    assert opening.starts(NEW_YORK).tzinfo is UTC


@pytest.mark.parametrize(
    ("at", "part"),
    [
        ("00:00", "am"),
        ("11:59", "am"),
        ("12:00", "pm"),
        ("16:59", "pm"),
        ("17:00", "eve"),
        ("23:59", "eve"),
    ],
)
def test_part_of_day_changes_at_noon_and_at_five(at, part):
    assert Opening(VISIT.day, at, "corona").part_of_day == part


# --- Who may take what, when ---------------------------------------------------------------------


def on(*days):
    return [Opening(date.fromisoformat(day), "09:30", "corona") for day in days]


def listing(*found, path="", taking=True):
    return Listing(path, taking, dict.fromkeys(found, 2))


def test_times_can_be_taken_from_tomorrow_to_the_end_of_the_fourth_week_ahead():
    # NOON is Wednesday the 18th in week 47; week 51 ends on Sunday the 20th.
    every = on("2026-11-17", "2026-11-18", "2026-11-19", "2026-12-20", "2026-12-21")

    takeable = listing(*reversed(every)).takeable(NOON, NEW_YORK)

    assert takeable == on("2026-11-19", "2026-12-20")


def test_tomorrow_begins_at_midnight_on_the_citys_clock():
    times = listing(*on("2026-11-19"))
    midnight = datetime(2026, 11, 19, 5, 0, tzinfo=UTC)

    assert times.takeable(midnight - timedelta(seconds=1), NEW_YORK) == on("2026-11-19")
    assert times.takeable(midnight, NEW_YORK) == []


def test_weeks_ahead_are_counted_on_the_citys_clock():
    times = listing(*on("2026-12-21"))
    monday = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)

    assert times.takeable(monday - timedelta(seconds=1), NEW_YORK) == []
    assert times.takeable(monday, NEW_YORK) == on("2026-12-21")


def test_nothing_can_be_taken_while_taking_is_off():
    assert listing(*on("2026-11-19"), taking=False).takeable(NOON, NEW_YORK) == []
    assert NOTHING.takeable(NOON, NEW_YORK) == []


def test_residents_take_times_of_a_given_path_and_never_those_of_the_desk():
    theirs, desks = (replace(on("2026-11-19")[0], path=path) for path in ("partner", DESK))

    assert listing(theirs, path="partner").takeable(NOON, NEW_YORK) == [theirs]
    assert listing(desks, path=DESK).takeable(NOON, NEW_YORK) == []


# --- The signed list -----------------------------------------------------------------------------


@few
@given(
    path=PATHS,
    taking=st.booleans(),
    seats=st.dictionaries(st.tuples(IDS, st.dates(), CLOCKS), st.integers(0, 500), max_size=6),
    closed=st.frozensets(st.tuples(IDS, st.dates()), max_size=3),
)
def test_signed_list_is_read_as_it_was_written(world, path, taking, seats, closed):
    written = Listing(
        path,
        taking,
        {Opening(day, at, center, path): n for (center, day, at), n in seats.items()},
        closed,
    )

    raw = signed(world, body(world, written))

    assert verified(world, raw, path) == written


def test_same_list_gives_the_same_bytes_in_whatever_order_it_was_made(world):
    days = on("2026-11-19", "2026-11-20", "2026-11-26")
    closed = [("corona", day.day) for day in days]
    one = Listing("", True, dict.fromkeys(days, 2), frozenset(closed))
    two = Listing("", True, dict.fromkeys(reversed(days), 2), frozenset(reversed(closed)))

    assert body(world, one) == body(world, two)


def test_list_is_published_under_its_queue_and_path():
    assert openings.listing_name("main", "") == "openings#main"
    assert openings.listing_name("main", "partner") == "openings#main#partner"


def test_any_changed_byte_is_refused(world):
    raw = signed(world, body(world, listing(VISIT)))
    outer = json.loads(raw)
    data = unb64(outer["body"])

    for at in range(0, len(data), 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(BadSignature):
            verified(world, json.dumps(outer | {"body": b64(changed)}).encode())


def test_signature_of_another_key_under_the_devices_name_is_refused(world):
    data = body(world, listing(VISIT))
    by, _ = world.device.sign("openings", data)
    _, forged = another_device(world).sign("openings", data)

    with pytest.raises(BadSignature):
        verified(world, signed_document(data, [(by, forged)]))


def test_list_without_a_signature_is_refused(world):
    with pytest.raises(BadSignature):
        verified(world, signed_document(body(world, listing(VISIT)), []))


def test_list_of_a_device_that_is_not_admitted_is_refused(world):
    stranger = another_device(world)
    data = body(world, listing(VISIT), spki=stranger.public_key)

    with pytest.raises(BadSignature, match="not admitted"):
        verified(world, signed(world, data, device=stranger))


def test_custodian_cannot_sign_a_list_in_the_place_of_a_device(world):
    data = body(world, listing(VISIT), spki=world.custodian.public_key)

    with pytest.raises(BadSignature, match="not admitted"):
        verified(world, signed(world, data, device=world.custodian))


def test_nobody_is_believed_while_no_device_is_admitted(world):
    raw = signed(world, body(world, listing(VISIT)))

    with pytest.raises(BadSignature, match="not admitted"):
        openings.verify_listing(raw, None, world.trust, "main", "")


@pytest.mark.parametrize("kind", ["devices", "wrap-keys", "bundle", ""])
def test_signature_on_another_kind_of_document_is_none_on_a_list(world, kind):
    with pytest.raises(BadSignature):
        verified(world, signed(world, body(world, listing(VISIT)), kind))


@pytest.mark.parametrize("named", [{"queue": "other"}, {"deployment": "chicago"}])
def test_list_of_another_queue_or_deployment_is_refused(world, named):
    with pytest.raises(BadSignature, match="another one"):
        verified(world, signed(world, body(world, listing(VISIT), **named)))


@pytest.mark.parametrize(
    ("written", "read_as"), [("partner", ""), ("", "partner"), (DESK, ""), ("partner", DESK)]
)
def test_list_of_one_path_is_not_read_as_that_of_another(world, written, read_as):
    raw = signed(world, body(world, listing(replace(VISIT, path=written), path=written)))

    assert verified(world, raw, written).path == written
    with pytest.raises(BadSignature, match="another one"):
        verified(world, raw, read_as)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": "1"},
        {"v": None},
        {"path": None},
        {"path": "partner"},
        {"times": None},
        {"times": []},
        {"times": {"corona": []}},
        {"times": {"corona": {"2026-12-03": ["09:30"]}}},
        {"times": {"corona": {"2026-12-03": {"9:30": 1}}}},
        {"times": {"corona": {"2026-12-03": {"0930": 1}}}},
        {"times": {"corona": {"2026-12-03": {"24:00": 1}}}},
        {"times": {"corona": {"2026-12-03": {"09:3٠": 1}}}},
        {"times": {"corona": {"2026-12-03": {"09:30": -1}}}},
        {"times": {"corona": {"2026-12-03": {"09:30": True}}}},
        {"times": {"corona": {"2026-12-03": {"09:30": 1.0}}}},
        {"times": {"corona": {"2026-12-03": {"09:30": "1"}}}},
        {"times": {"corona": {"2026-12-03": {"09:30": None}}}},
        {"times": {"corona": {"2026-02-29": {"09:30": 1}}}},
        {"times": {"corona": {"": {"09:30": 1}}}},
        # A second spelling of a day would count its seats twice.
        {"times": {"corona": {"20261203": {"09:30": 1}}}},
        {"times": {"corona": {"2026-W49-4": {"09:30": 1}}}},
        {"times": {"Corona": {"2026-12-03": {"09:30": 1}}}},
        {"times": {"corona.2026-12-03.0930": {"2026-12-03": {"09:30": 1}}}},
        {"times": {"": {"2026-12-03": {"09:30": 1}}}},
        {"closed": None},
        {"closed": 7},
        {"closed": ["corona"]},
        {"closed": [["corona"]]},
        {"closed": [["corona", "never"]]},
        {"closed": [["corona", 20261203]]},
        {"closed": [["corona", "2026-12-03", "more"]]},
    ],
)
def test_list_of_another_shape_is_refused_although_the_device_signed_it(world, change):
    document = json.loads(body(world, listing(VISIT)))

    with pytest.raises(BadSignature):
        verified(world, signed(world, json.dumps(document | change).encode()))


@pytest.mark.parametrize(
    "field", ["v", "queue", "deployment", "spki", "path", "taking", "times", "closed"]
)
def test_list_that_lacks_a_field_is_refused(world, field):
    document = json.loads(body(world, listing(VISIT)))
    del document[field]

    with pytest.raises(BadSignature):
        verified(world, signed(world, json.dumps(document).encode()))


@pytest.mark.parametrize("taking", ["yes", 1, None, [True]])
def test_nothing_but_true_means_that_times_can_be_taken(world, taking):
    document = json.loads(body(world, listing(VISIT))) | {"taking": taking}

    assert not verified(world, signed(world, json.dumps(document).encode())).taking


def inside(data):
    return json.dumps({"body": b64(data), "sigs": []}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"body": 7, "sigs": []}',
        b'{"body": "*", "sigs": []}',
        b'{"body": "\\ud800", "sigs": []}',
        b"[" * 200_000,
        b'{"body":' * 100_000,
        inside(b""),
        inside(b"[]"),
        inside(b"7"),
        inside(b"\xff"),
        inside(b"{}"),
        inside(b'{"spki": null}'),
        inside(b'{"spki": {}}'),
        inside(b'{"spki": "AAAA"}'),
        inside(b"[" * 200_000),
        inside(b'{"spki":' * 100_000),
    ],
)
def test_junk_and_deep_nesting_are_refused(world, raw):
    with pytest.raises(BadSignature):
        verified(world, raw)


@pytest.mark.parametrize("sigs", [None, 7, "x", {}, [None], [{}], ["x"], [{"by": 1, "sig": 2}]])
def test_signatures_of_another_shape_are_refused(world, sigs):
    outer = json.loads(signed(world, body(world, listing(VISIT)))) | {"sigs": sigs}

    with pytest.raises(BadSignature):
        verified(world, json.dumps(outer).encode())
