"""The destruction record: its lines, its years, and what custodians sign of it."""

import hashlib
import json
from dataclasses import replace
from datetime import date

import pytest

from quietdesk import record
from quietdesk.errors import BadRecord, Conflict
from quietdesk.hpke import Kid
from quietdesk.record import AGAIN, BOTH, KEYS, ROWS, Line
from quietdesk.signed import document_body, signed_document
from quietdesk.staff.custodian import ceremony
from quietdesk.weeks import NO_WEEK, Epoch
from tests.world import NOON, WEEK

TODAY = NOON.date()
FIRST = Epoch(2026, 40)


def kid(epoch):
    return Kid("main", "visit", epoch, "00000000")


def bound(lines):
    """Each line bound to the one before."""
    chained = []
    for line in lines:
        chained.append(replace(line, prev=chained[-1].hash() if chained else line.prev))
    return chained


def of_before(count):
    """Lines as they were written before there were years."""
    return bound(
        Line(BOTH, "main", (epoch,), date(2026, 10, 12), (kid(epoch),), number)
        for number, epoch in enumerate(FIRST.plus(n) for n in range(count))
    )


def of_today(count, prev=""):
    """Lines of all kinds as they are written now."""
    lines = []
    for epoch in (FIRST.plus(10 + n) for n in range(count)):
        lines += [
            Line(KEYS, "main", (epoch,), TODAY, (kid(epoch),), prev=prev),
            Line(ROWS, "main", (epoch,), TODAY, erased=40),
            Line(AGAIN, "main", (FIRST, epoch), TODAY, (kid(FIRST),), 120),
        ]
    return bound(lines)


def written(lines):
    return b"".join(line.write() + b"\n" for line in lines)


@pytest.mark.parametrize("lines", [of_before(5), of_today(2)], ids=["before", "now"])
def test_record_is_read_as_it_was_written(lines):
    assert record.parse(written(lines)) == lines
    assert lines[1].prev == hashlib.sha256(lines[0].write()).hexdigest()


def test_line_of_before_there_were_years_has_the_words_it_had():
    assert of_before(1)[0].write() == (
        b'{"queue":"main","epoch":"2026-W40","kids":["main.visit.2026-W40.00000000"],'
        b'"envelopes_erased":0,"destroyed_at":"2026-10-12","prev":""}'
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], replace(lines[1], erased=10), *lines[2:]],
    ],
)
@pytest.mark.parametrize("lines", [of_before(5), of_today(2)], ids=["before", "now"])
def test_changed_record_is_refused(lines, change):
    with pytest.raises(BadRecord):
        record.parse(written(change(lines)))


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]\n",
        b"1\n",
        b"\xff\n",
        b'{"queue":"main"}\n',
        of_today(1)[0].write().replace(b'"v":2', b'"v":3'),
        of_today(1)[0].write().replace(b'"keys"', b'"else"'),
        of_today(1)[0].write().replace(b'["2026-W50"]', b"[]"),
        of_today(1)[0].write().replace(b'["2026-W50"]', b'["2026-W50","2026-W51"]'),
        of_before(1)[0].write().replace(b"{", b'{"who":"somebody",', 1),
        of_today(1)[0].write().replace(b"}", b',"who":"somebody"}'),
    ],
)
def test_line_that_is_none_of_ours_is_refused(raw):
    with pytest.raises(BadRecord):
        record.parse(raw)


@pytest.mark.parametrize("count", [b"0", b"7", b"41", b"-10", b"true", b"10.0", b'"10"', b"null"])
def test_count_that_says_more_than_tens_is_refused(count):
    (line,) = bound([Line(ROWS, "main", (FIRST,), TODAY, erased=40)])
    assert b'"erased":40' in line.write()

    with pytest.raises(BadRecord):
        record.parse(line.write().replace(b'"erased":40', b'"erased":' + count))


# --- Adding --------------------------------------------------------------------------------------


def rows(epoch, erased):
    return Line(ROWS, "main", (epoch,), TODAY, erased=erased)


@pytest.mark.parametrize(
    ("erased", "told"),
    [(0, '"<10"'), (1, '"<10"'), (9, '"<10"'), (10, "10"), (19, "10"), (545_678, "545670")],
)
def test_count_is_told_in_tens(world, erased, told):
    record.add(world.store, "main", TODAY, [rows(FIRST, erased)])

    raw = world.store.read("record#main#2026")[0].decode()
    assert f'"erased":{told},' in raw


@pytest.mark.parametrize(
    "line",
    [
        rows(FIRST, -20),
        rows(FIRST, -3),
        Line("gone", "main", (FIRST,), TODAY),
        Line(KEYS, "main", (FIRST, FIRST.plus(1)), TODAY),
        Line(KEYS, "main", (FIRST,), TODAY, (Kid("main", "visit", NO_WEEK, "00000000"),)),
    ],
)
def test_line_that_nobody_could_read_is_not_written(world, line):
    """It would hide all the others, for good."""
    record.add(world.store, "main", TODAY, [rows(FIRST.plus(3), 0)])
    before = world.store.read("record#main#2026")

    with pytest.raises(BadRecord):
        record.add(world.store, "main", TODAY, [line])

    assert world.store.read("record#main#2026") == before
    assert len(record.read(world.store, "main", TODAY).lines) == 1


def test_what_is_told_already_is_not_told_twice(world):
    first = [Line(KEYS, "main", (FIRST,), TODAY, (kid(FIRST),)), rows(FIRST, 3)]
    back = Line(AGAIN, "main", (FIRST,), TODAY, (), 20)

    assert len(record.add(world.store, "main", TODAY, [*first, back])[1]) == 3
    assert record.add(world.store, "main", TODAY, [*first, replace(back, erased=50)])[1] == []
    tomorrow = replace(back, day=date(2026, 11, 19))
    assert len(record.add(world.store, "main", tomorrow.day, [tomorrow])[1]) == 1

    assert [it.kind for it in record.read(world.store, "main", TODAY).lines] == [
        KEYS, ROWS, AGAIN, AGAIN,
    ]  # fmt: skip


def test_each_year_has_a_document_and_goes_on_from_the_one_before(world):
    new_year = date(2027, 1, 3)
    record.add(world.store, "main", TODAY, [rows(FIRST, 30)])
    record.add(world.store, "main", new_year, [replace(rows(FIRST.plus(1), 30), day=new_year)])

    last, first = (
        record.parse(world.store.read(f"record#main#{it}")[0], None) for it in (2026, 2027)
    )
    assert first[0].prev == last[0].hash()
    assert list(record.read(world.store, "main", new_year).lines) == [*last, *first]


def test_clock_that_was_ahead_over_new_year_breaks_nothing(world):
    """Nor is what it wrote left out."""
    ahead = date(2027, 1, 1)
    record.add(world.store, "main", ahead, [replace(rows(FIRST, 0), day=ahead)])
    record.add(world.store, "main", TODAY, [rows(FIRST.plus(1), 0)])

    assert world.store.read("record#main#2026") is None
    assert len(record.read(world.store, "main", TODAY).lines) == 2


def test_years_go_on_from_what_was_recorded_before_there_were_any(world):
    before = of_before(3)
    world.store.publish("record#main", written(before), 0)

    record.add(world.store, "main", TODAY, [rows(FIRST, 0), rows(FIRST.plus(3), 0)])

    told = record.read(world.store, "main", TODAY)
    assert list(told.lines[:3]) == before
    assert [it.epochs for it in told.lines[3:]] == [(FIRST.plus(3),)], "it tells the first already"
    assert world.store.read("record#main") == (written(before), 1), "where nothing is added"


def test_what_a_release_of_before_added_when_it_was_brought_back_is_beside_the_record():
    before, beside = of_before(3)[:2], of_before(3)[2:]
    now = of_today(1, prev=before[-1].hash())

    assert record.chain([written(before + beside), written(now)]) == [*before, *now]
    assert record.chain([written(beside and of_before(1)), written(of_today(1))]) == of_today(1)


@pytest.mark.parametrize(
    "documents",
    [
        [written(of_before(2)), written(of_today(1, prev="0" * 64))],
        [b"", written(of_today(1, prev=of_before(1)[0].hash()))],
        [b"", written(of_today(1)), written(of_today(1))],
        [b"", written(of_today(2)[3:]), written(of_today(2)[:3])],
        [written(of_before(2)[1:]), b""],
    ],
)
def test_years_that_do_not_go_on_are_refused(documents):
    with pytest.raises(BadRecord):
        record.chain(documents)


def test_two_who_add_at_once_lose_nothing(world, monkeypatch):
    real, raced = world.store.publish, []

    def race(name, data, seq):
        if not raced:
            raced.append(1)
            record.add(world.store, "main", TODAY, [rows(FIRST, 0), rows(FIRST.plus(1), 0)])
        return real(name, data, seq)

    monkeypatch.setattr(world.store, "publish", race)
    _, added = record.add(
        world.store, "main", TODAY, [rows(FIRST.plus(1), 0), rows(FIRST.plus(2), 0)]
    )

    assert [it.epochs for it in added] == [(FIRST.plus(2),)]
    assert len(record.read(world.store, "main", TODAY).rows_gone) == 3


def test_who_never_gets_to_add_says_so(world, monkeypatch):
    def conflict(*_):
        raise Conflict("somebody else")

    monkeypatch.setattr(world.store, "publish", conflict)
    with pytest.raises(Conflict):
        record.add(world.store, "main", TODAY, [rows(FIRST, 0)])


# --- What custodians sign ------------------------------------------------------------------------


def head_of_before(lines):
    says = {"v": 1, "queue": "main", "lines": len(lines), "head": lines[-1].hash()}
    return json.dumps(says, separators=(",", ":")).encode()


def head_of_now(lines):
    return record.head("main", lines, "demo", 1, TODAY)


def signed(world, body):
    return signed_document(body, [world.custodian.sign("record", body)])


@pytest.mark.parametrize("head", [head_of_before, head_of_now])
@pytest.mark.parametrize("lines", [of_before(6), of_today(2)], ids=["before", "now"])
def test_cut_record_is_refused_where_custodians_signed_its_head(world, lines, head):
    paper = signed(world, head(lines[:4]))

    record.verify(lines, paper, world.trust, "main")
    record.verify(lines[:4], paper, world.trust, "main")
    for fewer in (lines[:3], []):
        with pytest.raises(BadRecord):
            record.verify(fewer, paper, world.trust, "main")


@pytest.mark.parametrize("head", [head_of_before, head_of_now])
def test_line_that_was_changed_under_the_signed_head_is_refused(world, head):
    """Also when the lines still follow each other: the head is what custodians saw."""
    lines = of_today(2)
    changed = [*lines[:3], replace(lines[3], day=date(2026, 11, 1))]

    with pytest.raises(BadRecord):
        record.verify(changed, signed(world, head(lines[:4])), world.trust, "main")


def test_number_of_the_heads_grows_at_each_minting(world):
    def minted(now):
        ceremony.mint(world.store, world.city, world.trust, [world.custodian], 3, now)
        raw, seq = world.store.read("record-head#main#years")
        head = record.read_head(raw, world.trust, "main")
        return head.number, head.signed_on, seq

    # The world was minted once.
    assert minted(NOON)[:2] == (2, TODAY)
    number, day, seq = minted(NOON + WEEK)
    assert (number, day) == (3, (NOON + WEEK).date())
    world.store.publish("record-head#main#years", b"junk", seq)
    assert minted(NOON)[0] == 1, "a damaged head hinders no minting"


@pytest.mark.parametrize(
    "change",
    [
        {"lines": -1},
        {"lines": True},
        {"head": None},
        {"queue": "other"},
        {"deployment": "chicago"},
        {"type": "bundle"},
    ],
)
def test_head_that_custodians_signed_for_something_else_is_refused(world, change):
    head = json.loads(head_of_now(of_today(1))) | change

    with pytest.raises(BadRecord):
        record.verify(of_today(1), signed(world, json.dumps(head).encode()), world.trust, "main")


def test_head_says_what_every_signed_paper_says():
    lines = of_today(1)

    assert head_of_now(lines) == document_body(
        "record", "demo", 1, TODAY, queue="main", lines=3, head=lines[-1].hash()
    )
