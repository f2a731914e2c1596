"""The rules of a store, on SQLite and on two DynamoDB emulators: a rule is kept when all agree."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from quietdesk.errors import CannotOpen, Conflict, KeyDestroyed, NoSeats
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.store import open_store, sqlite
from quietdesk.store.documents import Version
from quietdesk.store.sqlite import PAGE
from tests.rows import LATER, NEXT, NOW, WEEK, find, make, pulled

pytestmark = pytest.mark.parametrize("store_spec", ["sqlite", "moto", "ministack"], indirect=True)


@pytest.fixture
def store(store_spec):
    opened = open_store(store_spec, patient=True)
    yield opened
    opened.close()


# --- Keeping, finding, pulling -------------------------------------------------------------------


def test_envelope_is_found_as_it_was_put(store):
    envelope = make()

    store.put(envelope)

    assert find(store, envelope) == envelope
    assert pulled(store) == [envelope]


def test_retry_writes_nothing(store):
    envelope = make()
    store.put(envelope)
    again = replace(envelope, reply=os.urandom(284))

    store.put(again)

    assert find(store, envelope) == envelope


def test_what_was_kept_is_known_by_its_digest_also_after_it_was_erased(store):
    envelope = make()
    where = envelope.queue, envelope.epoch, envelope.id

    assert not store.kept(*where, envelope.digest)
    store.put(envelope)
    assert store.kept(*where, envelope.digest)
    assert not store.kept(*where, bytes(32))
    assert not store.kept(envelope.queue, NEXT, envelope.id, envelope.digest)
    store.erase(envelope, stub=True)
    assert store.kept(*where, envelope.digest)
    assert find(store, envelope) is None


def test_another_envelope_under_that_id_is_refused(store):
    envelope = make()
    store.put(envelope)

    with pytest.raises(Conflict):
        store.put(make(id=envelope.id))

    assert find(store, envelope) == envelope


def test_expired_envelope_is_neither_found_nor_pulled(store):
    for ago in (0, 1, 86_400):
        envelope = make(expires=int(NOW.timestamp()) - ago)
        store.put(envelope)

        assert find(store, envelope) is None
    assert pulled(store) == []


def test_other_queues_and_weeks_are_not_touched(store):
    mine, theirs, next_week = make(), make(queue="other"), make(NEXT)
    for envelope in (mine, theirs, next_week):
        store.put(envelope)

    assert pulled(store, epochs=[WEEK]) == [mine]
    assert sum(store.erase_epoch("main", WEEK)) == 1
    assert pulled(store) == [next_week]
    assert list(store.pull("other", [WEEK], NOW)) == [theirs]


def test_pull_gives_every_envelope_once_over_many_pages_while_others_write(store):
    envelopes = {envelope.id: envelope for envelope in (make() for _ in range(2 * PAGE + 7))}
    for envelope in envelopes.values():
        store.put(envelope)

    seen = []
    for number, envelope in enumerate(store.pull("main", [WEEK], NOW)):
        seen.append(envelope.id)
        if number == 3:
            store.erase(envelope)

    assert len(seen) == len(set(seen))
    assert set(seen) == set(envelopes)


def test_order_of_arrival_is_not_the_order_of_pulling(store):
    envelopes = [make() for _ in range(20)]
    for envelope in envelopes:
        store.put(envelope)

    assert [e.id for e in pulled(store)] == sorted(e.id for e in envelopes)


# --- Erasing and replacing -----------------------------------------------------------------------


def test_erased_envelope_is_gone(store):
    envelope = make()
    store.put(envelope)

    store.erase(envelope)

    assert find(store, envelope) is None
    with pytest.raises(Conflict):
        store.erase(envelope)


def test_stub_keeps_a_late_retry_from_bringing_it_back(store):
    envelope = make()
    store.put(envelope)

    store.erase(envelope, stub=True)
    store.put(envelope)

    assert find(store, envelope) is None
    assert pulled(store) == []
    with pytest.raises(Conflict):
        store.put(make(id=envelope.id))


def test_replacing_raises_the_rev_and_keeps_the_digest(store):
    old = make()
    store.put(old)
    new = replace(old, reply=os.urandom(284), digest=os.urandom(32))

    store.replace(old, new)

    assert find(store, old) == replace(new, rev=2, digest=old.digest)
    store.put(old)  # the first post, retried: still the same request
    assert find(store, old).rev == 2


def test_moving_to_another_week_leaves_a_stub(store):
    old = make()
    store.put(old)
    moved = make(NEXT, id=old.id)

    store.replace(old, moved)
    store.put(old)

    assert pulled(store, epochs=[WEEK]) == []
    assert [e.id for e in pulled(store, epochs=[NEXT])] == [old.id]
    back = replace(old, rev=0)
    store.replace(pulled(store, epochs=[NEXT])[0], back)
    assert [e.rev for e in pulled(store)] == [3]


def test_two_desks_that_change_one_request_collide(store):
    old = make()
    store.put(old)
    store.replace(old, replace(old, reply=os.urandom(284)))

    for change in (lambda: store.replace(old, old), lambda: store.erase(old)):
        with pytest.raises(Conflict):
            change()

    assert find(store, old).rev == 2


def test_erasing_a_week_counts_envelopes_and_removes_stubs(store):
    kept, cancelled = make(), make()
    store.put(kept)
    store.put(cancelled)
    store.erase(cancelled, stub=True)

    assert sum(store.erase_epoch("main", WEEK)) == 1
    store.put(make(id=cancelled.id))  # where a stub still lay, this would be a conflict
    assert len(pulled(store)) == 1


def test_week_of_several_pages_is_erased_page_by_page_and_whole(store, monkeypatch):
    """DynamoDB's pages are of 1 MB."""
    monkeypatch.setattr(sqlite, "ERASED", 100)
    for number in range(240):
        store.put(make(expires=int(NOW.timestamp()) if number % 4 else LATER))

    expired = list(store.erase_expired("main", WEEK, NOW))
    assert (sum(expired), len(expired) > 1) == (180, True)
    assert len(pulled(store, NOW, [WEEK])) == 60

    for _ in range(180):
        store.put(make())
    erased = list(store.erase_epoch("main", WEEK))
    assert (sum(erased), len(erased) > 1) == (240, True)
    assert sum(store.erase_epoch("main", WEEK)) == 0


def test_who_stops_erasing_in_the_middle_has_erased_so_far_and_can_go_on(store, monkeypatch):
    monkeypatch.setattr(sqlite, "ERASED", 5)
    for _ in range(12):
        store.put(make())

    first = next(store.erase_epoch("main", WEEK))
    store.checkpoint()

    assert first + len(pulled(store)) == 12
    assert first + sum(store.erase_epoch("main", WEEK)) == 12


def test_stub_stays_until_its_envelope_would_have_ended_and_no_longer(store):
    cancelled, moved = make(), make()
    for envelope in (cancelled, moved):
        store.put(envelope)
    store.erase(cancelled, stub=True)
    store.replace(moved, make(NEXT, id=moved.id))
    end = datetime.fromtimestamp(LATER, UTC)

    assert sum(store.erase_expired("main", WEEK, end - timedelta(seconds=1))) == 0
    for envelope in (cancelled, moved):
        with pytest.raises(Conflict):
            store.put(make(id=envelope.id))

    assert sum(store.erase_expired("main", WEEK, end)) == 0, "stubs are no envelopes"
    for envelope in (cancelled, moved):
        assert not store.kept("main", WEEK, envelope.id, envelope.digest)
        store.put(make(id=envelope.id))


def test_erasing_what_expired_leaves_the_rest(store):
    ended, live = make(expires=int(NOW.timestamp())), make()
    store.put(ended)
    store.put(live)

    assert sum(store.erase_expired("main", WEEK, NOW)) == 1
    assert pulled(store) == [live]


# --- Seats ---------------------------------------------------------------------------------------

ONE = Opening(date(2026, 12, 3), "09:30", "corona")
TWO = replace(ONE, at="10:00")
NEVER = replace(ONE, at="10:30")


def test_taking_takes_one_seat_and_a_retry_none(store):
    store.set_seats({ONE: 2})
    envelope = make(opening=ONE)

    store.take(envelope)
    store.take(envelope)

    assert store.seats([ONE])[ONE] == 1
    assert find(store, envelope) == envelope


@pytest.mark.parametrize("left", [0, None])
def test_taking_without_a_seat_keeps_nothing(store, left):
    if left is not None:
        store.set_seats({ONE: left})
    envelope = make(opening=ONE)

    with pytest.raises(NoSeats):
        store.take(envelope)

    assert find(store, envelope) is None


def test_500_racing_for_10_seats_get_10(store, request):
    store.set_seats({ONE: 10})

    def take(_):
        try:
            store.take(make(opening=ONE))
        except NoSeats:
            return False
        return True

    # moto undoes a refused transaction by putting back copies of whole tables, and with them what
    # others wrote meanwhile: there, one takes after the other.
    at_once = 1 if request.node.callspec.params["store_spec"] == "moto" else 16
    with ThreadPoolExecutor(at_once) as pool:
        won = sum(pool.map(take, range(500)))

    assert (won, store.seats([ONE])[ONE], len(pulled(store))) == (10, 0, 10)


def left(store, *openings):
    seats = store.seats(openings)
    return tuple(seats[opening] for opening in openings)


def test_many_openings_are_counted_in_one_question(store):
    openings = [replace(ONE, center=f"corona-{n}") for n in range(120)]
    for opening in openings[:3]:
        store.set_seats({opening: 4})

    assert store.seats(openings) == dict.fromkeys(openings, 0) | dict.fromkeys(openings[:3], 4)
    assert store.seats([]) == {}


def test_erasing_gives_the_seat_back(store):
    store.set_seats({ONE: 2})
    one, two = make(opening=ONE), make(opening=ONE)
    store.take(one)
    store.take(two)

    store.erase(one)
    store.erase(two, stub=True)

    assert left(store, ONE) == (2,)
    store.take(two)  # the first post again, long after
    assert pulled(store) == []
    assert left(store, ONE) == (2,)


def test_erasing_what_changed_gives_no_seat_back(store):
    store.set_seats({ONE: 2})
    old = make(opening=ONE)
    store.take(old)
    store.replace(old, replace(old, auth_hash=b"x" * 32))

    for stub in (False, True):
        with pytest.raises(Conflict):
            store.erase(old, stub)

    assert left(store, ONE) == (1,)


@pytest.mark.parametrize("week", [WEEK, NEXT])
def test_moving_swaps_the_seats(store, week):
    store.set_seats({ONE: 1})
    store.set_seats({TWO: 1})
    old = make(opening=ONE)
    store.take(old)

    store.replace(old, make(week, id=old.id, opening=TWO))

    (new,) = [*store.pull("main", [WEEK, NEXT], NOW)]
    assert (new.opening, new.rev) == (TWO, 2)
    assert left(store, ONE, TWO) == (1, 0)
    store.replace(new, make(week, id=old.id, opening=TWO))
    assert left(store, ONE, TWO) == (1, 0)


@pytest.mark.parametrize("week", [WEEK, NEXT])
def test_moving_to_a_full_opening_changes_nothing(store, week):
    store.set_seats({ONE: 1})
    store.set_seats({TWO: 0})
    old = make(opening=ONE)
    store.take(old)

    with pytest.raises(NoSeats):
        store.replace(old, make(week, id=old.id, opening=TWO))

    assert find(store, old) == old
    assert left(store, ONE, TWO) == (0, 0)


def test_seat_of_an_opening_that_is_not_known_any_more_is_given_back_to_nobody(store):
    store.set_seats({ONE: 1})
    old = make(opening=ONE)
    store.take(old)
    store.drop_seats([ONE, NEVER])
    store.set_seats({TWO: 1})

    store.replace(old, make(id=old.id, opening=TWO))
    (new,) = pulled(store)
    store.drop_seats([TWO])
    store.erase(new)

    assert pulled(store) == []
    assert left(store, ONE, TWO) == (0, 0)
    with pytest.raises(NoSeats):
        store.take(make(opening=ONE))


def test_seats_that_are_taken_stay_taken_however_many_there_are(store):
    store.set_seats({ONE: 3})
    first, second = make(opening=ONE), make(opening=ONE)
    store.take(first)
    store.take(second)

    for seats, expected in ((3, 1), (3, 1), (5, 3), (1, 0), (2, 0), (0, 0)):
        store.set_seats({ONE: seats})
        assert (left(store, ONE), store.counted([ONE])) == ((expected,), {ONE: (seats, 2)})
    store.erase(first)
    assert (left(store, ONE), store.counted([ONE])) == ((0,), {ONE: (0, 1)})
    with pytest.raises(NoSeats):
        store.take(make(opening=ONE))
    store.set_seats({ONE: 2})
    assert left(store, ONE) == (1,)
    assert store.counted([NEVER]) == {NEVER: (0, 0)}


def test_seats_of_many_openings_are_set_at_once_and_again(store):
    seats = {replace(ONE, center=f"corona-{n}"): n % 5 for n in range(230)}

    for _ in range(2):
        store.set_seats(seats)

        assert store.seats(seats) == seats


def test_lists_are_published_with_the_seats_of_their_openings(store):
    store.set_seats({ONE: 2, TWO: 3}, {"openings#main": Version(b"one", 0, 1)})
    store.set_seats({ONE: 4}, {"openings#main": Version(b"one", 1, 1)})  # which stays as it is

    assert store.read("openings#main") == (b"one", 1)
    assert left(store, ONE, TWO) == (4, 3)


@pytest.mark.parametrize("seq", [0, 2])
def test_no_seats_are_set_under_a_list_that_is_another_by_now(store, seq):
    store.set_seats({ONE: 2})
    store.publish("openings#main", b"theirs", 0)
    store.publish("openings#main#desk", b"theirs", 0)
    ours = {"openings#main#desk": Version(b"ours", 1, 2)}

    for after in (seq, seq + 1):
        with pytest.raises(Conflict):
            store.set_seats({ONE: 0}, ours | {"openings#main": Version(b"ours", seq, after)})

    assert left(store, ONE) == (2,)
    for name in ("openings#main", "openings#main#desk"):
        assert store.read(name) == (b"theirs", 1)


# --- Keys and public documents -------------------------------------------------------------------

KID = Kid("main", "visit", WEEK, "00000001")


def test_keys_are_kept_by_device(store):
    store.put_keys(KID, b"s" * 32, {"one": b"w" * 1168})

    assert store.server_half(KID) == b"s" * 32
    assert store.wrap(KID, "one") == b"w" * 1168
    with pytest.raises(CannotOpen):
        store.wrap(KID, "two")
    with pytest.raises(Conflict):
        store.put_keys(KID, b"t" * 32, {})


def test_destroyed_keys_are_gone_and_destroying_again_is_safe(store):
    store.put_keys(KID, b"s" * 32, {"one": b"w" * 1168})

    assert store.destroy_keys("main", WEEK) == [KID]
    assert store.destroy_keys("main", WEEK) == []
    for read in (lambda: store.server_half(KID), lambda: store.wrap(KID, "one")):
        with pytest.raises(KeyDestroyed) as gone:
            read()
        assert gone.value.epoch == str(WEEK)


def test_wrap_is_put_where_there_is_none(store):
    store.put_keys(KID, b"s" * 32, {"one": b"w" * 1168})

    store.put_wrap(KID, "two", b"v" * 1168)
    store.put_wrap(KID, "two", b"v" * 1168)

    assert store.wrap(KID, "two") == b"v" * 1168
    assert store.wrap(KID, "one") == b"w" * 1168


def test_wrap_is_put_over_the_very_one_that_was_tried_and_over_no_other(store):
    store.put_keys(KID, b"s" * 32, {"one": b"broken"})
    for tried in (None, b"", b"brokem", b"broken "):
        with pytest.raises(Conflict):
            store.put_wrap(KID, "one", b"w" * 1168, over=tried)
        assert store.wrap(KID, "one") == b"broken"

    store.put_wrap(KID, "one", b"w" * 1168, over=b"broken")

    assert store.wrap(KID, "one") == b"w" * 1168
    with pytest.raises(Conflict):
        store.put_wrap(KID, "one", b"v" * 1168, over=b"broken")


def test_wrap_is_put_though_the_one_that_was_tried_is_gone(store):
    store.put_keys(KID, b"s" * 32, {})

    store.put_wrap(KID, "one", b"w" * 1168, over=b"broken")

    assert store.wrap(KID, "one") == b"w" * 1168


def test_whether_there_is_a_wrap_is_known_also_without_its_half(store):
    store.put_wrap(KID, "one", b"w" * 1168)

    assert store.wrapped(KID, "one")
    assert not store.wrapped(KID, "two")
    assert not store.wrapped(replace(KID, nonce="00000002"), "one")


def test_wrap_whose_half_is_gone_is_destroyed_all_the_same(store):
    """Who may put wraps may do so at any time; nobody finds one after its week's key day."""
    store.put_keys(KID, b"s" * 32, {})
    store.destroy_keys("main", WEEK)
    others = [replace(KID, queue="main-b"), replace(KID, epoch=NEXT)]
    for kid in (KID, *others):
        store.put_wrap(kid, "one", b"w" * 1168)

    assert store.destroy_keys("main", WEEK) == []

    assert not store.wrapped(KID, "one")
    assert all(store.wrapped(kid, "one") for kid in others)


def test_wraps_are_destroyed_with_their_half(store):
    """Also for who puts the half back from an old copy."""
    store.put_keys(KID, b"s" * 32, {device: b"w" * 1168 for device in ("one", "two")})

    store.destroy_keys("main", WEEK)

    store.put_keys(KID, b"s" * 32, {})
    for device in ("one", "two"):
        with pytest.raises(CannotOpen):
            store.wrap(KID, device)


def test_public_document_is_written_by_who_read_the_latest(store):
    assert store.read("devices") is None
    assert store.publish("devices", b"one", 0) == 1
    assert store.publish("devices", b"two", 1) == 2
    for stale in (0, 1, 3):
        with pytest.raises(Conflict):
            store.publish("devices", b"three", stale)

    assert store.read("devices") == (b"two", 2)


def test_moving_onto_another_envelope_is_refused(store):
    old, theirs = make(), make(NEXT)
    store.put(old)
    store.put(replace(theirs, id=old.id))

    with pytest.raises(Conflict):
        store.replace(old, make(NEXT, id=old.id))

    assert find(store, old) == old


def test_a_store_elsewhere_tells_its_date_and_a_file_has_none(store, store_spec):
    date = store.date()

    if store_spec.startswith("sqlite:"):
        assert date is None
    else:
        assert abs(date - datetime.now(UTC)) < timedelta(hours=1)
        assert date.utcoffset() == timedelta(0)
