import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

import boto3
import pytest

from quietdesk import bundles, record, sweep
from quietdesk.errors import BadRecord, CannotOpen, Conflict, KeyDestroyed, StoreUnavailable
from quietdesk.hpke import Kid
from quietdesk.record import AGAIN, KEYS, ROWS, Line
from quietdesk.staff.custodian import ceremony
from quietdesk.store import dynamodb, open_store, sqlite
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.weeks import Epoch
from tests.killed import killed_at_each
from tests.rows import make
from tests.world import NOON, WEEK

FIRST, SECOND, THIRD = (Epoch(2026, 47).plus(n) for n in range(3))
KEY_DAY = FIRST.plus(2).start(ZoneInfo("America/New_York"))
TODAY = KEY_DAY.date()
DAY = timedelta(days=1)


def told(world):
    """What the record tells: kind, week and count of each line."""
    lines = record.read(world.store, "main", TODAY).lines
    return [(it.kind, str(*it.epochs), it.erased) for it in lines if it.kind != AGAIN]


def came_back(world):
    lines = record.read(world.store, "main", TODAY).lines
    return [it for it in lines if it.kind == AGAIN]


def left(world, epoch=FIRST):
    """How many rows of a week are in each table, whatever the record says."""
    counts = {}
    with closing(sqlite3.connect(world.spec.removeprefix("sqlite:"))) as db:
        for table, column in (("requests", "epoch"), ("keys", "epoch"), ("wraps", "kid")):
            found = f"SELECT count(*) FROM {table} WHERE {column} LIKE '%{epoch}%'"  # noqa: S608
            (counts[table],) = db.execute(found).fetchone()
    return counts


NOTHING = {"requests": 0, "keys": 0, "wraps": 0}


def fill(world, epoch=FIRST, rows=12):
    for _ in range(rows):
        world.store.put(make(epoch))


def put_back(world, epoch=FIRST):
    """As an old copy of the store does."""
    fill(world, epoch)
    kid = Kid("main", "visit", epoch, "0000000f")
    world.store.put_keys(kid, bytes(32), {"one": b"w"})
    return kid


def hinder(monkeypatch, world, name, *weeks, error=StoreUnavailable):
    """These weeks cannot be done."""
    real = getattr(world.store, name)

    def fails(queue, epoch, *more):
        if epoch in weeks:
            raise error("busy")
        return real(queue, epoch, *more)

    monkeypatch.setattr(world.store, name, fails)


def test_nothing_is_destroyed_before_its_day(world):
    world.store.put(world.sealed())

    assert sweep.run(world.store, world.city, KEY_DAY - timedelta(seconds=1)) == []
    assert len(list(world.desk().pull(NOON))) == 1


def test_on_its_day_the_keys_the_envelopes_and_the_lines(world):
    envelope = world.sealed()
    world.store.put(envelope)
    kids = (envelope.visit.kid, envelope.contact.kid)

    lines = sweep.run(world.store, world.city, KEY_DAY)

    keys = Line(KEYS, "main", (FIRST,), TODAY, kids)
    rows = Line(ROWS, "main", (FIRST,), TODAY, prev=keys.hash())
    assert lines == [keys, rows]
    assert record.read(world.store, "main", TODAY).lines == (keys, rows)
    assert world.store.find("main", envelope.id, [FIRST], NOON) is None
    for kid in kids:
        with pytest.raises(KeyDestroyed):
            world.store.server_half(kid)
        with pytest.raises(CannotOpen):
            world.store.wrap(kid, world.device.id)


def test_nothing_of_a_week_is_in_any_table_after_its_key_day(world):
    """Nor the stub of what was cancelled, nor a wrap of a half that is gone."""
    waits, cancelled = world.sealed(), world.sealed()
    for envelope in (waits, cancelled):
        world.store.put(envelope)
    world.store.erase(cancelled, stub=True)

    assert left(world) == {"requests": 2, "keys": 2, "wraps": 2}
    sweep.run(world.store, world.city, KEY_DAY)

    assert left(world) == NOTHING


def test_sweeping_again_changes_nothing(world):
    sweep.run(world.store, world.city, KEY_DAY)

    assert sweep.run(world.store, world.city, KEY_DAY) == []
    assert len(told(world)) == 2


def test_weeks_missed_by_a_stopped_timer_are_destroyed_in_order(world):
    lines = sweep.run(world.store, world.city, KEY_DAY + 3 * WEEK)

    weeks = [(FIRST.plus(n),) for n in range(4)]
    assert [it.epochs for it in lines] == weeks + weeks
    assert [it.kind for it in lines] == [KEYS] * 4 + [ROWS] * 4
    assert record.read(world.store, "main", TODAY).lines == tuple(lines)


def test_halves_of_a_minting_that_was_not_finished_go_with_their_week(world):
    kid = Kid("main", "visit", FIRST.plus(-2), "00000001")
    world.store.put_keys(kid, bytes(32), {})

    keys, _ = sweep.run(world.store, world.city, NOON)

    assert (keys.epochs, keys.kids) == ((FIRST.plus(-2),), (kid,))
    with pytest.raises(KeyDestroyed):
        world.store.server_half(kid)


# --- What hinders one hinders no other -----------------------------------------------------------


def test_keys_of_every_week_go_before_the_first_row(world, monkeypatch):
    """A week of many rows, at which a run may die, stands before no other week's keys."""
    fill(world)

    def dies(*_):
        raise MemoryError

    monkeypatch.setattr(world.store, "erase_epoch", dies)
    with pytest.raises(MemoryError):
        sweep.run(world.store, world.city, KEY_DAY + WEEK)

    assert left(world) == {"requests": 12, "keys": 0, "wraps": 0}
    assert left(world, SECOND) == NOTHING
    assert told(world) == [(KEYS, "2026-W47", 0), (KEYS, "2026-W48", 0)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("destroy_keys", {"requests": 0, "keys": 2, "wraps": 2}),
        ("erase_epoch", {"requests": 12, "keys": 0, "wraps": 0}),
    ],
)
def test_week_that_is_hindered_hinders_no_other(world, monkeypatch, name, kept):
    for epoch in (FIRST, SECOND):
        fill(world, epoch)

    with monkeypatch.context() as patched:
        hinder(patched, world, name, FIRST)
        with pytest.raises(StoreUnavailable):
            sweep.run(world.store, world.city, KEY_DAY + WEEK)
    assert left(world) == kept
    assert left(world, SECOND) == NOTHING
    assert {it for it in told(world) if it[1] == "2026-W48"} == {
        (KEYS, "2026-W48", 0),
        (ROWS, "2026-W48", 10),
    }

    sweep.run(world.store, world.city, KEY_DAY + WEEK)
    assert left(world) == NOTHING
    assert len(told(world)) == 4


def test_nothing_is_recorded_while_traces_may_remain(world, monkeypatch):
    with monkeypatch.context() as patched:
        for name in ("destroy_keys", "erase_epoch"):
            hinder(patched, world, name, FIRST)
        with pytest.raises(StoreUnavailable):
            sweep.run(world.store, world.city, KEY_DAY)
    assert told(world) == []

    assert len(sweep.run(world.store, world.city, KEY_DAY)) == 2


def test_damaged_document_stops_neither_its_week_nor_later_ones(world):
    fill(world)
    _, seq = world.store.read(bundles.name("main", FIRST))
    world.store.publish(bundles.name("main", FIRST), b"\xff{", seq)

    lines = sweep.run(world.store, world.city, KEY_DAY + WEEK)

    assert told(world) == [
        (KEYS, "2026-W47", 0),
        (KEYS, "2026-W48", 0),
        (ROWS, "2026-W47", 10),
        (ROWS, "2026-W48", 0),
    ]
    assert all(len(line.kids) == 2 for line in lines[:2])


@pytest.mark.parametrize("name", ["record#main", "record#main#2026"])
def test_damaged_record_hinders_no_destruction_and_is_said(world, name):
    fill(world)
    ended = make(FIRST.plus(4), expires=int(NOON.timestamp()))
    world.store.put(ended)
    world.store.publish(name, b"junk", 0)

    with pytest.raises(BadRecord):
        sweep.run(world.store, world.city, KEY_DAY + 2 * WEEK)

    assert [left(world, it) for it in (FIRST, SECOND, THIRD)] == [NOTHING] * 3
    assert left(world, FIRST.plus(4))["requests"] == 0
    assert world.store.read(name) == (b"junk", 1)


def test_record_that_cannot_be_read_or_written_hinders_no_destruction(world, monkeypatch):
    fill(world)
    read, publish = world.store.read, world.store.publish

    def fails(name, *more):
        if name.startswith("record#"):
            raise StoreUnavailable("throttled")
        return (publish if more else read)(name, *more)

    for method in ("read", "publish"):
        with monkeypatch.context() as patched:
            patched.setattr(world.store, method, fails)
            with pytest.raises(StoreUnavailable):
                sweep.run(world.store, world.city, KEY_DAY + WEEK)
        assert [left(world, it) for it in (FIRST, SECOND)] == [NOTHING] * 2

    sweep.run(world.store, world.city, KEY_DAY + WEEK)
    assert (ROWS, "2026-W47", 10) in told(world), "what was counted meanwhile is told"


@pytest.mark.parametrize(
    "junk",
    [
        b"junk",
        b"[]",
        b"{}",
        b'{"day":"soon","looked":[],"erased":{}}',
        b'{"day":"2026-12-07","looked":[7],"erased":{}}',
        b'{"day":"2026-12-07","looked":[],"erased":{"x":1}}',
    ],
)
def test_damaged_note_of_the_run_before_hinders_nothing(world, junk):
    fill(world)
    world.store.publish(sweep.kept_name("main"), junk, 0)

    sweep.run(world.store, world.city, KEY_DAY)

    assert left(world) == NOTHING
    assert json.loads(world.store.read(sweep.kept_name("main"))[0])["day"] == str(TODAY)


def test_two_sweeps_at_once_lose_nothing(world, monkeypatch):
    """The second one runs whole between any two steps of the first."""
    for step in ("read", "destroy_keys", "erase_epoch", "publish"):
        spec = world.spec.removesuffix(".db") + f"-{step}.db"
        with (
            closing(sqlite3.connect(world.spec.removeprefix("sqlite:"))) as there,
            closing(sqlite3.connect(spec.removeprefix("sqlite:"))) as copy,
        ):
            there.backup(copy)
        with closing(open_store(spec)) as store, closing(open_store(spec)) as theirs:
            here = replace(world, store=store, spec=spec)
            for epoch in (FIRST, SECOND):
                fill(here, epoch)
            real, met = getattr(store, step), []

            def meet(*given, real=real, met=met, theirs=theirs):
                if not met:
                    met.append(1)
                    sweep.run(theirs, world.city, KEY_DAY + WEEK)
                return real(*given)

            with monkeypatch.context() as patched:
                patched.setattr(store, step, meet)
                sweep.run(store, world.city, KEY_DAY + WEEK)

            assert met
            assert [left(here, it) for it in (FIRST, SECOND)] == [NOTHING] * 2
            assert sorted(told(here)) == [
                (KEYS, "2026-W47", 0),
                (KEYS, "2026-W48", 0),
                (ROWS, "2026-W47", 10),
                (ROWS, "2026-W48", 10),
            ]
            assert came_back(here) == []


def test_who_never_gets_to_write_the_record_destroys_all_the_same(world, monkeypatch):
    fill(world)

    def conflict(*_):
        raise Conflict("somebody else")

    monkeypatch.setattr(world.store, "publish", conflict)
    with pytest.raises(Conflict):
        sweep.run(world.store, world.city, KEY_DAY + WEEK)

    assert [left(world, it) for it in (FIRST, SECOND)] == [NOTHING] * 2


# --- What is due is looked up in the store -------------------------------------------------------


def test_week_that_was_put_back_is_destroyed_again_and_it_is_told(world):
    sweep.run(world.store, world.city, KEY_DAY)
    kid = put_back(world)

    (line,) = sweep.run(world.store, world.city, KEY_DAY + timedelta(hours=1))

    assert left(world) == NOTHING
    assert (line.kind, line.epochs, line.kids, line.erased) == (AGAIN, (FIRST,), (kid,), 10)
    assert len(told(world)) == 2


def test_week_of_the_release_before_that_was_put_back_is_destroyed_again(world):
    """Its one line told of keys and rows."""
    line = Line(record.BOTH, "main", (FIRST,), TODAY, (), 3)
    world.store.publish("record#main", line.write() + b"\n", 0)
    fill(world)

    (again,) = sweep.run(world.store, world.city, KEY_DAY)

    assert left(world) == NOTHING
    assert (again.kind, len(again.kids), again.erased) == (AGAIN, 2, 10)


@pytest.mark.parametrize("table", ["keys", "wraps", "requests"])
def test_any_part_of_a_week_that_was_put_back_goes(world, table):
    sweep.run(world.store, world.city, KEY_DAY)
    put_back(world)
    with closing(sqlite3.connect(world.spec.removeprefix("sqlite:"))) as db, db:
        for other in {"keys", "wraps", "requests"} - {table}:
            db.execute(f"DELETE FROM {other} WHERE true")  # noqa: S608 - fixed names
    assert left(world)[table] > 0

    sweep.run(world.store, world.city, KEY_DAY)

    assert left(world) == NOTHING


def test_what_comes_back_all_day_is_destroyed_each_hour_and_told_once_a_day(world):
    sweep.run(world.store, world.city, KEY_DAY)
    for hour in range(30):
        put_back(world)
        put_back(world, FIRST.plus(-20))
        sweep.run(world.store, world.city, KEY_DAY + hour * timedelta(hours=1))
        assert [left(world, it) for it in (FIRST, FIRST.plus(-20))] == [NOTHING] * 2

    assert [it.day for it in came_back(world)] == [TODAY, TODAY + DAY]


def test_weeks_since_the_first_line_are_looked_at_once_a_day(world):
    """However long ago: a copy may be older than what each run looks back over."""
    old, now = FIRST.plus(-sweep.LOOK_BACK_WEEKS - 30), KEY_DAY
    line = Line(KEYS, "main", (old.plus(-1),), TODAY - 800 * DAY)
    record.add(world.store, "main", TODAY, [line])
    sweep.run(world.store, world.city, now)
    put_back(world, old)

    sweep.run(world.store, world.city, now + timedelta(hours=1))
    assert left(world, old)["keys"] == 1, "it was looked at today"

    sweep.run(world.store, world.city, now + DAY)
    assert left(world, old) == NOTHING


def test_planted_line_of_long_ago_keeps_no_week_waiting(world, monkeypatch):
    """Of which no run would come to the end."""
    record.add(world.store, "main", TODAY, [Line(KEYS, "main", (Epoch(2000, 1),), TODAY)])
    fill(world)
    asked, real = [], world.store.destroy_keys
    monkeypatch.setattr(
        world.store, "destroy_keys", lambda *given: asked.append(given[1]) or real(*given)
    )

    sweep.run(world.store, world.city, KEY_DAY, seconds=50, clock=Clock(1))

    assert left(world) == NOTHING
    assert FIRST in asked[: sweep.LOOK_BACK_WEEKS], "first the weeks of late"
    assert len(asked) < 2 * sweep.LOOK_BACK_WEEKS


# --- Time and memory -----------------------------------------------------------------------------


@pytest.fixture
def pages_of_five(monkeypatch):
    monkeypatch.setattr(sqlite, "ERASED", 5)


class Clock:
    """So many seconds pass each time somebody looks."""

    def __init__(self, seconds=0.0):
        self.now, self.seconds = 1000.0, seconds

    def __call__(self):
        self.now += self.seconds
        return self.now


def test_rows_that_take_too_long_go_on_in_the_next_hour_and_are_counted_whole(world, pages_of_five):
    fill(world, rows=23)
    fill(world, SECOND, rows=12)
    now = KEY_DAY + WEEK

    first = sweep.run(world.store, world.city, now, seconds=10, clock=Clock(6))
    assert [it.kind for it in first] == [KEYS, KEYS]
    assert left(world) == {"requests": 13, "keys": 0, "wraps": 0}
    assert left(world, SECOND) == {"requests": 7, "keys": 0, "wraps": 0}

    for _ in range(3):
        sweep.run(world.store, world.city, now, seconds=10, clock=Clock(6))
    assert [left(world, it) for it in (FIRST, SECOND)] == [NOTHING] * 2
    assert {it for it in told(world) if it[0] == ROWS} == {
        (ROWS, "2026-W47", 20),
        (ROWS, "2026-W48", 10),
    }
    assert came_back(world) == []
    assert "2026" not in json.loads(world.store.read(sweep.kept_name("main"))[0])["erased"]


def test_erasing_leaves_others_room_to_write_between_its_pages(world, pages_of_five):
    fill(world, rows=12)
    erasing = world.store.erase_epoch("main", FIRST)
    mine = make(SECOND)

    assert next(erasing) == 5
    written = threading.Thread(target=world.store.put, args=[mine])
    written.start()
    written.join()

    assert list(erasing) == [5, 2]
    assert left(world, SECOND)["requests"] == 1


def test_run_that_stops_in_the_middle_of_a_week_leaves_no_erased_bytes(world, pages_of_five):
    fill(world, rows=12)

    sweep.run(world.store, world.city, KEY_DAY, seconds=0, clock=Clock())

    assert left(world)["requests"] == 7
    wal = world.spec.removeprefix("sqlite:") + "-wal"
    with open(wal, "rb") as file:
        assert file.read() == b""


# --- What has ended in weeks that are live -------------------------------------------------------


def test_what_ends_before_its_weeks_key_day_is_erased_on_its_own_day(world):
    """As a request does that was kept waiting until its 60 days were over."""
    ends, stays = replace(world.sealed(), expires=int(NOON.timestamp())), world.sealed()
    for envelope in (ends, stays):
        world.store.put(envelope)

    sweep.run(world.store, world.city, NOON)

    before = NOON - WEEK
    assert world.store.find("main", ends.id, [FIRST], before) is None
    assert world.store.find("main", stays.id, [FIRST], before) == stays


def test_live_weeks_are_read_once_a_day_and_not_each_hour(world, monkeypatch):
    read = []
    real = world.store.erase_expired
    monkeypatch.setattr(
        world.store, "erase_expired", lambda *given: read.append(given[1]) or real(*given)
    )

    for hour in range(24):
        sweep.run(world.store, world.city, NOON + hour * timedelta(hours=1))

    assert read.count(FIRST) == 2  # NOON's day in New York, and the next


def test_live_weeks_that_could_not_be_read_today_are_tried_again(world, monkeypatch):
    ends = make(FIRST, expires=int(NOON.timestamp()))
    world.store.put(ends)
    with monkeypatch.context() as patched:
        hinder(patched, world, "erase_expired", FIRST)
        with pytest.raises(StoreUnavailable):
            sweep.run(world.store, world.city, NOON)
    assert left(world)["requests"] == 1

    sweep.run(world.store, world.city, NOON + timedelta(hours=1))
    assert left(world)["requests"] == 0


def test_live_weeks_for_which_no_time_was_left_today_are_tried_again(world, pages_of_five):
    for _ in range(12):
        world.store.put(make(FIRST, expires=int(NOON.timestamp())))

    sweep.run(world.store, world.city, NOON, seconds=0, clock=Clock())
    assert left(world)["requests"] == 7
    sweep.run(world.store, world.city, NOON + timedelta(hours=1))

    assert left(world)["requests"] == 0


def test_live_weeks_too_large_for_one_run_are_all_read_in_the_next_ones(world, monkeypatch):
    """Or each run would read the first one again, and never come to the last."""
    read, clock = [], Clock()

    def slow(_, epoch, __):
        read.append(epoch)
        clock.now += 7
        yield 0

    monkeypatch.setattr(world.store, "erase_expired", slow)
    for hour in range(9):
        sweep.run(
            world.store, world.city, NOON + hour * timedelta(hours=1), seconds=10, clock=clock
        )

    assert {*read} == {FIRST.plus(n) for n in range(-1, 5)}
    assert read.count(FIRST) <= 2


# --- The custodians' side ------------------------------------------------------------------------


def test_the_next_minting_signs_the_record(world):
    sweep.run(world.store, world.city, KEY_DAY)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, KEY_DAY)
    sweep.run(world.store, world.city, KEY_DAY + WEEK)

    lines = record.read(world.store, "main", TODAY).lines
    head = world.store.read(record.head_name("main"))[0]

    assert len(lines) == 4
    assert record.read_head(head, world.trust, "main").says == (2, lines[1].hash())
    record.verify(lines, head, world.trust, "main")


# --- A run that dies -----------------------------------------------------------------------------

DUE = (FIRST, SECOND, THIRD)
LATE = KEY_DAY + 2 * WEEK


def swept(city, now, spec):
    """A run as the timer begins it, which looks back over fewer weeks."""
    sweep.LOOK_BACK_WEEKS = 6
    sqlite.ERASED = 5
    with closing(open_store(spec, patient=True)) as store:
        sweep.run(store, city, now)


def filled(world, spec, rows):
    """Three weeks of which all is due, and one that is live."""
    with closing(open_store(spec, patient=True)) as store:
        for epoch in (*DUE, THIRD.plus(1)):
            raw = world.raw_bundle(epoch)
            store.publish(bundles.name("main", epoch), raw, 0)
            for kid in sweep._kids(raw):
                store.put_keys(kid, bytes(32), {"one": b"w", "two": b"w"})
            for _ in range(rows):
                store.put(make(epoch, expires=int((LATE + WEEK).timestamp())))
    return spec


def in_sqlite(spec):
    """The weeks that have a half or wrap, and those that have a row, as they stand in the file."""
    with closing(sqlite3.connect(spec.removeprefix("sqlite:"))) as db:
        kids = [*db.execute("SELECT kid FROM keys"), *db.execute("SELECT kid FROM wraps")]
        rows = db.execute("SELECT epoch, count(*) FROM requests GROUP BY epoch").fetchall()
    return {Kid.parse(kid).epoch for (kid,) in kids}, {Epoch.parse(it): n for it, n in rows}


def in_dynamodb(spec):
    client, prefix = boto3.client("dynamodb"), spec.removeprefix("dynamodb:")
    keys, rows = (
        [item["week"]["S"].removeprefix("main#") for item in page["Items"]]
        for page in (client.scan(TableName=f"{prefix}-{name}") for name in ("keys", "requests"))
    )
    client.close()
    weeks_of_keys = {Epoch.parse(it.partition("#")[0]) for it in keys}  # halves, and wraps apart
    return weeks_of_keys, {Epoch.parse(it): rows.count(it) for it in {*rows}}


def dies_at_each_write(city, fresh, look, all_rows):
    live, moments = THIRD.plus(1), 0
    for spec, moment in killed_at_each(fresh, partial(swept, city, LATE)):
        moments += 1
        keys, rows = look(spec)
        # Whatever a run died of, it began with the keys of all weeks.
        if any(rows.get(epoch, 0) < all_rows for epoch in DUE):
            assert keys == {live}, moment

        swept(city, LATE, spec)

        assert look(spec) == ({live}, {live: all_rows}), moment
        with closing(open_store(spec)) as store:
            lines = record.read(store, "main", LATE.date()).lines
        assert sorted((it.kind, it.epochs) for it in lines) == [
            (kind, (epoch,)) for kind in (KEYS, ROWS) for epoch in DUE
        ], moment
        assert all(len(it.kids) == 2 for it in lines if it.kind == KEYS), moment
    return moments


@pytest.fixture
def as_the_timer(monkeypatch):
    """What `swept` sets stays in this test."""
    monkeypatch.setattr(sweep, "LOOK_BACK_WEEKS", 6)
    monkeypatch.setattr(sqlite, "ERASED", 5)


@pytest.mark.process
def test_run_that_dies_at_any_write_is_made_good_by_the_next_one(
    world, city, tmp_path, as_the_timer
):
    numbers = count()

    def fresh():
        return filled(world, f"sqlite:{tmp_path / f'{next(numbers)}.db'}", 6)

    assert dies_at_each_write(city, fresh, in_sqlite, 6) > 30


@pytest.mark.process
@pytest.mark.emulator
def test_run_that_dies_at_any_call_of_dynamodb_is_made_good_by_the_next_one(
    minted, city, emulators, monkeypatch, as_the_timer
):
    with closing(open_store(minted.spec)) as store:
        world = replace(minted, store=store)
        for variable, value in emulators("moto").environment().items():
            monkeypatch.setenv(variable, value)
        for rate in ("ROWS_A_SECOND", "KEYS_A_SECOND"):
            monkeypatch.setattr(dynamodb, rate, float("inf"))
        numbers = count()

        def fresh():
            prefix = f"died{next(numbers)}"
            create_tables(prefix)
            return filled(world, f"dynamodb:{prefix}", 2)

        assert dies_at_each_write(city, fresh, in_dynamodb, 2) > 15
