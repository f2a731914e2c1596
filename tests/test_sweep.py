import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from quietdesk import bundles, sweep
from quietdesk.errors import BadRecord, CannotOpen, KeyDestroyed, StoreUnavailable
from quietdesk.hpke import Kid
from quietdesk.signed import signed_document
from quietdesk.staff.custodian import ceremony
from quietdesk.sweep import Line
from quietdesk.weeks import Epoch
from tests.world import NOON, WEEK

KEY_DAY = Epoch(2026, 47).plus(2).start(ZoneInfo("America/New_York"))


def record(world):
    held = world.store.read("record#main")
    return sweep.read_record(held[0]) if held else []


def test_nothing_is_destroyed_before_its_day(world):
    world.store.put(world.sealed())

    assert (
        sweep.run(
            world.store, world.city, KEY_DAY.fromtimestamp(KEY_DAY.timestamp() - 1, KEY_DAY.tzinfo)
        )
        == []
    )
    assert len(list(world.desk().pull(NOON))) == 1


def test_on_its_day_the_keys_the_envelopes_and_the_line(world):
    envelope = world.sealed()
    world.store.put(envelope)
    kids = (envelope.visit.kid, envelope.contact.kid)

    (line,) = sweep.run(world.store, world.city, KEY_DAY)

    assert (line.epoch, line.kids, line.envelopes_erased) == (Epoch(2026, 47), kids, 1)
    assert record(world) == [line]
    assert world.store.find("main", envelope.id, [Epoch(2026, 47)], NOON) is None
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

    def rows():
        counts = {}
        with closing(sqlite3.connect(world.spec.removeprefix("sqlite:"))) as db:
            for table, column in (("requests", "epoch"), ("keys", "epoch"), ("wraps", "kid")):
                found = f"SELECT count(*) FROM {table} WHERE {column} LIKE '%2026-W47%'"  # noqa: S608
                (counts[table],) = db.execute(found).fetchone()
        return counts

    assert rows() == {"requests": 2, "keys": 2, "wraps": 2}
    sweep.run(world.store, world.city, KEY_DAY)

    assert rows() == {"requests": 0, "keys": 0, "wraps": 0}


def test_keys_go_first_and_do_not_wait_for_rows_that_cannot_be_erased(world, monkeypatch):
    envelope = world.sealed()
    world.store.put(envelope)

    def busy(*_):
        raise StoreUnavailable("busy")

    monkeypatch.setattr(world.store, "erase_epoch", busy)
    with pytest.raises(StoreUnavailable):
        sweep.run(world.store, world.city, KEY_DAY)

    for kid in (envelope.visit.kid, envelope.contact.kid):
        with pytest.raises(KeyDestroyed):
            world.store.server_half(kid)


def test_what_ends_before_its_weeks_key_day_is_erased_on_its_own_day(world):
    """As a request does that was kept waiting until its 60 days were over."""
    ends, stays = replace(world.sealed(), expires=int(NOON.timestamp())), world.sealed()
    for envelope in (ends, stays):
        world.store.put(envelope)

    sweep.run(world.store, world.city, NOON)

    before = NOON - WEEK
    assert world.store.find("main", ends.id, ["2026-W47"], before) is None
    assert world.store.find("main", stays.id, ["2026-W47"], before) == stays


def test_sweeping_again_changes_nothing(world):
    sweep.run(world.store, world.city, KEY_DAY)

    assert sweep.run(world.store, world.city, KEY_DAY) == []
    assert len(record(world)) == 1


def test_weeks_missed_by_a_stopped_timer_are_destroyed_in_order(world):
    lines = sweep.run(world.store, world.city, KEY_DAY + 3 * WEEK)

    assert [line.epoch for line in lines] == [
        Epoch(2026, 47),
        Epoch(2026, 48),
        Epoch(2026, 49),
        Epoch(2026, 50),
    ]
    assert record(world) == lines


def test_nothing_is_recorded_while_traces_may_remain(world, monkeypatch):
    world.store.put(world.sealed())

    def busy(queue, epoch):
        raise StoreUnavailable("busy")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "erase_epoch", busy)
        with pytest.raises(StoreUnavailable):
            sweep.run(world.store, world.city, KEY_DAY)
    assert record(world) == []

    assert len(sweep.run(world.store, world.city, KEY_DAY)) == 1


def test_the_next_minting_signs_the_record(world):
    sweep.run(world.store, world.city, KEY_DAY)
    ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, KEY_DAY)
    sweep.run(world.store, world.city, KEY_DAY + WEEK)

    lines = sweep.verify_record(
        world.store.read("record#main")[0],
        world.store.read("record-head#main")[0],
        world.trust,
        "main",
    )

    assert [line.epoch for line in lines] == [Epoch(2026, 47), Epoch(2026, 48)]


def test_damaged_document_stops_neither_its_week_nor_later_ones(world):
    world.store.put(world.sealed())
    _, seq = world.store.read(bundles.name("main", Epoch(2026, 47)))
    world.store.publish(bundles.name("main", Epoch(2026, 47)), b"\xff{", seq)

    lines = sweep.run(world.store, world.city, KEY_DAY + WEEK)

    assert [(line.epoch, line.envelopes_erased) for line in lines] == [
        (Epoch(2026, 47), 1),
        (Epoch(2026, 48), 0),
    ]
    assert all(len(line.kids) == 2 for line in lines)
    assert record(world) == lines


def test_damaged_record_hinders_no_destruction_and_is_said(world):
    envelope = world.sealed()
    world.store.put(envelope)
    world.store.publish("record#main", b"junk", 0)

    with pytest.raises(BadRecord):
        sweep.run(world.store, world.city, KEY_DAY + 3 * WEEK)

    for kid in (envelope.visit.kid, envelope.contact.kid):
        with pytest.raises(KeyDestroyed):
            world.store.server_half(kid)
    assert world.store.find("main", envelope.id, [Epoch(2026, 47)], NOON) is None
    assert world.store.read("record#main") == (b"junk", 1)


def test_week_that_is_hindered_hinders_no_other(world, monkeypatch):
    real = world.store.erase_epoch

    def busy(queue, epoch):
        if epoch == Epoch(2026, 47):
            raise StoreUnavailable("busy")
        return real(queue, epoch)

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "erase_epoch", busy)
        with pytest.raises(StoreUnavailable):
            sweep.run(world.store, world.city, KEY_DAY + WEEK)
    assert [line.epoch for line in record(world)] == [Epoch(2026, 48)]

    (line,) = sweep.run(world.store, world.city, KEY_DAY + WEEK)
    assert line.epoch == Epoch(2026, 47)
    assert len(record(world)) == 2


def test_halves_of_a_minting_that_was_not_finished_go_with_their_week(world):
    kid = Kid("main", "visit", Epoch(2026, 45), "00000001")
    world.store.put_keys(kid, bytes(32), {})

    (line,) = sweep.run(world.store, world.city, NOON)

    assert (line.epoch, line.kids) == (Epoch(2026, 45), (kid,))
    with pytest.raises(KeyDestroyed):
        world.store.server_half(kid)


# --- The destruction record ----------------------------------------------------------------------


def chain(count):
    lines = []
    for number in range(count):
        epoch = Epoch(2026, 40).plus(number)
        line = Line(
            queue="main",
            epoch=epoch,
            kids=(Kid("main", "visit", epoch, "00000000"),),
            envelopes_erased=number,
            destroyed_at=date(2026, 10, 12),
            prev=sweep.line_hash(lines[-1]) if lines else "",
        )
        lines.append(line)
    return lines


def written(lines):
    return b"".join(line.write() + b"\n" for line in lines)


def test_record_is_read_as_it_was_written():
    lines = chain(5)

    assert sweep.read_record(written(lines)) == lines
    assert lines[1].prev == hashlib.sha256(lines[0].write()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], replace(lines[1], envelopes_erased=0), *lines[2:]],
    ],
)
def test_changed_record_is_refused(change):
    with pytest.raises(BadRecord):
        sweep.read_record(written(change(chain(5))))


@pytest.mark.parametrize("raw", [b"{", b"[]\n", b"\xff\n", b'{"queue":"main"}\n'])
def test_malformed_record_is_refused(raw):
    with pytest.raises(BadRecord):
        sweep.read_record(raw)


@pytest.mark.parametrize("form", [1, 2])
def test_cut_record_is_refused_where_custodians_signed_its_head(world, form):
    lines = chain(5)
    head = sweep.record_head("main", lines[:4], "demo", 1, NOON.date(), form)
    signed = signed_document(head, [world.custodian.sign("record", head)])

    assert sweep.verify_record(written(lines), signed, world.trust, "main") == lines
    assert sweep.verify_record(written(lines[:4]), signed, world.trust, "main") == lines[:4]
    for raw in (written(lines[:3]), b""):
        with pytest.raises(BadRecord):
            sweep.verify_record(raw, signed, world.trust, "main")


@pytest.mark.parametrize("form", [1, 2])
def test_line_that_was_changed_under_the_signed_head_is_refused(world, form):
    """Also when the lines still follow each other: the head is what custodians saw."""
    lines = chain(5)
    head = sweep.record_head("main", lines[:4], "demo", 1, NOON.date(), form)
    signed = signed_document(head, [world.custodian.sign("record", head)])
    changed = [*lines[:3], replace(lines[3], envelopes_erased=0)]

    with pytest.raises(BadRecord):
        sweep.verify_record(written(changed), signed, world.trust, "main")


def test_line_that_says_more_than_a_line_says_is_refused():
    (line,) = chain(1)
    more = line.write().replace(b"{", b'{"who":"somebody",', 1)

    with pytest.raises(BadRecord):
        sweep.read_record(more + b"\n")


def test_number_of_the_heads_that_say_one_grows_at_each_minting(world, monkeypatch):
    real = sweep.record_head
    monkeypatch.setattr(sweep, "record_head", lambda *told: real(*told, form=2))

    def minted(now):
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, now)
        raw = world.store.read("record-head#main")[0]
        head = sweep.read_head(raw, world.trust, "main")
        return head.number, head.signed_on

    assert minted(NOON) == (1, NOON.date())
    assert minted(NOON + WEEK) == (2, (NOON + WEEK).date())
    world.store.publish("record-head#main", b"junk", 3)
    assert minted(NOON) == (1, NOON.date()), "a damaged head hinders no minting"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lines": -1}, BadRecord),
        ({"lines": True}, BadRecord),
        ({"head": None}, BadRecord),
        ({"queue": "other"}, BadRecord),
        ({"deployment": "chicago"}, BadRecord),
        ({"type": "bundle"}, BadRecord),
    ],
)
def test_head_that_custodians_signed_for_something_else_is_refused(world, change, error):
    head = json.loads(sweep.record_head("main", chain(2), "demo", 1, NOON.date(), 2)) | change
    body = json.dumps(head).encode()
    signed = signed_document(body, [world.custodian.sign("record", body)])

    with pytest.raises(error):
        sweep.verify_record(written(chain(2)), signed, world.trust, "main")
