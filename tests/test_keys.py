import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from quietdesk import keys
from quietdesk.code import b64
from quietdesk.errors import BadBundle, BadRecord, BadSignature, CannotOpen
from quietdesk.keys import Epoch, Kid, Line
from quietdesk.staff import keyring
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK, with_threshold

NEW_YORK = ZoneInfo("America/New_York")


# --- Weeks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 11, 16, 4, 59, tzinfo=UTC), "2026-W46"),  # Sunday 23:59 in New York
        (datetime(2026, 11, 16, 5, 0, tzinfo=UTC), "2026-W47"),
        (datetime(2027, 1, 3, 12, 0, tzinfo=UTC), "2026-W53"),
        (datetime(2024, 2, 29, 12, 0, tzinfo=UTC), "2024-W09"),
    ],
)
def test_week_is_the_iso_week_in_the_programmes_time_zone(moment, week):
    assert str(keys.epoch_at(moment, NEW_YORK)) == week


def test_week_is_an_hour_shorter_or_longer_when_clocks_change():
    spring, autumn = Epoch(2026, 10), Epoch(2026, 44)

    assert spring.end(NEW_YORK) - spring.start(NEW_YORK) == timedelta(days=7, hours=-1)
    assert autumn.end(NEW_YORK) - autumn.start(NEW_YORK) == timedelta(days=7, hours=1)


def test_weeks_are_counted_over_the_end_of_a_long_year():
    assert str(Epoch(2026, 52).plus(2)) == "2027-W01"
    assert str(Epoch(2027, 1).plus(-1)) == "2026-W53"


@pytest.mark.parametrize(
    "text", ["2026-47", "2026-W54", "2025-W53", "2026-W00", "2026-w47", "২০২৬-W47", ""]
)
def test_week_that_does_not_exist_is_refused(text):
    with pytest.raises(ValueError):
        Epoch.parse(text)


def test_request_may_go_to_the_week_before_for_24_hours():
    monday = Epoch(2026, 47).start(NEW_YORK)

    assert keys.accepted(monday + timedelta(hours=24), NEW_YORK) == (
        Epoch(2026, 47),
        Epoch(2026, 46),
    )
    assert keys.accepted(monday + timedelta(hours=24, seconds=1), NEW_YORK) == (Epoch(2026, 47),)


def test_envelope_ends_with_its_weeks_keys():
    end = keys.expires(Epoch(2026, 47), Epoch(2026, 47), NEW_YORK, 7)

    assert datetime.fromtimestamp(end, UTC) == datetime(2026, 11, 30, 5, 0, tzinfo=UTC)


def test_nothing_lives_longer_than_60_days_whatever_the_settings_say():
    born = Epoch(2026, 38)

    end = keys.expires(Epoch(2026, 48), born, NEW_YORK, 21)

    assert datetime.fromtimestamp(end, UTC) == born.start(NEW_YORK) + timedelta(days=60)


def test_serving_is_capped_at_21_days():
    assert keys.destroyed_at(Epoch(2026, 47), NEW_YORK, 400) == Epoch(2026, 47).end(
        NEW_YORK
    ) + timedelta(days=21)


@pytest.mark.parametrize(("week", "day"), [(43, date(2026, 11, 2)), (9, date(2026, 3, 9))])
def test_key_day_begins_at_midnight_also_when_clocks_change(week, day):
    local = keys.destroyed_at(Epoch(2026, week), NEW_YORK, 7).astimezone(NEW_YORK)

    assert (local.date(), local.hour, local.minute) == (day, 0, 0)


def test_weeks_still_readable_are_the_served_the_current_and_four_ahead():
    assert [str(e) for e in keys.live(NOON, NEW_YORK, 7)] == [
        "2026-W46", "2026-W47", "2026-W48", "2026-W49", "2026-W50", "2026-W51",
    ]  # fmt: skip


# --- Names and keys ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "main.visit.2026-W47", "main.name.2026-W47.7f3a91c2", "Main.visit.2026-W47.7f3a91c2",
        "main.visit.2026-W60.7f3a91c2", "main.visit.2026-W47.7f3a91c",
        "main.visit.2026-W47.7F3A91C2", "main.visit.2026-W47.7f3a91c2\n", None, 5,
    ],
)  # fmt: skip
def test_what_is_not_the_name_of_a_key_is_refused(text):
    with pytest.raises(ValueError):
        Kid.parse(text)


def test_seed_needs_both_halves_and_the_name():
    kid, other = "main.visit.2026-W47.7f3a91c2", "main.visit.2026-W47.7f3a91c3"
    one, two = bytes([1] * 32), bytes([2] * 32)

    seeds = {keys.seed(one, two, kid), keys.seed(two, one, kid), keys.seed(one, two, other)}

    assert len(seeds) == 3


def test_public_key_has_1216_bytes():
    assert len(keys.public_key(bytes(32))) == 1216


def test_sealed_bytes_open_only_with_their_key_and_info():
    sealed = keys.seal_to(keys.public_key(bytes(32)), b"info", b"text")

    assert keys.PrivateKey(bytes(32)).open(b"info", sealed) == b"text"
    for seed, info, data in (
        (bytes([1] * 32), b"info", sealed),
        (bytes(32), b"other", sealed),
        (bytes(32), b"info", sealed[:-1]),
        (bytes(32), b"info", b""),
    ):
        with pytest.raises(CannotOpen):
            keys.PrivateKey(seed).open(info, data)


# --- Signed documents and the bundle -------------------------------------------------------------


def resigned(world, change, kind="bundle", signers=None):
    """This week's bundle with a changed body, properly signed again."""
    outer = json.loads(world.raw_bundle(Epoch(2026, 47)))
    body = json.loads(keys.unb64(outer["body"]))
    body = json.dumps(change(body)).encode()
    signatures = [signer.sign(kind, body) for signer in signers or [world.custodian]]
    return keys.signed_document(body, signatures)


def verify(world, raw, now=NOON, epoch=None, trust=None):
    return keys.verify_bundle(raw, trust or world.trust, "main", now, epoch)


def test_bundle_of_this_week_is_believed(world):
    bundle = verify(world, world.raw_bundle(Epoch(2026, 47)))

    assert (str(bundle.epoch), set(bundle.keys)) == ("2026-W47", {"visit", "contact"})


def reason(world, raw, **more):
    with pytest.raises(BadBundle) as refused:
        verify(world, raw, **more)
    return refused.value.reason


def test_stale_bundle_is_refused(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    end = Epoch(2026, 47).end(NEW_YORK)

    verify(world, raw, now=end + timedelta(hours=24))
    assert reason(world, raw, now=end + timedelta(hours=24, seconds=1)) == "stale"


def test_bundle_of_a_coming_week_is_refused_unless_it_was_asked_for(world):
    raw = world.raw_bundle(Epoch(2026, 49))

    assert reason(world, raw) == "early"
    assert verify(world, raw, epoch=Epoch(2026, 49)).epoch == Epoch(2026, 49)


def test_rolled_back_bundle_is_refused(world):
    """Last week's bundle in place of this week's: its 24 hours of grace do not help it."""
    raw = world.raw_bundle(Epoch(2026, 47))
    monday = NOON + WEEK - timedelta(days=2)

    assert reason(world, raw, now=monday, epoch=Epoch(2026, 48)) == "epoch"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"queue": "other"}, "malformed"),  # its keys' names no longer agree
        ({"deployment": "elsewhere"}, "deployment"),
        ({"v": 2}, "malformed"),
        ({"epoch": "2026-W48"}, "malformed"),
        ({"keys": []}, "malformed"),
        ({"not_after": None}, "malformed"),
    ],
)
def test_signed_bundle_that_says_something_else_is_refused(world, change, expected):
    assert reason(world, resigned(world, lambda body: body | change)) == expected


def test_bundle_of_another_queue_is_refused(world):
    with pytest.raises(BadBundle) as refused:
        keys.verify_bundle(world.raw_bundle(Epoch(2026, 47)), world.trust, "other", NOON)

    assert refused.value.reason == "queue"


def test_one_changed_byte_of_a_bundle_is_refused(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    outer = json.loads(raw)
    body = bytearray(keys.unb64(outer["body"]))
    for at in range(0, len(body), 97):
        body[at] ^= 1
        changed = json.dumps(outer | {"body": b64(bytes(body))}).encode()
        body[at] ^= 1

        with pytest.raises(BadSignature):
            verify(world, changed)


def test_too_few_signatures_are_refused(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)

    with pytest.raises(BadSignature, match="1 of 2"):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=two)
    verify(world, resigned(world, dict, signers=[world.custodian, second]), trust=two)


def test_repeated_signature_counts_once(world):
    second = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)
    two = with_threshold(world.trust, 2, second.public_key)
    raw = resigned(world, dict, signers=[world.custodian, world.custodian])

    with pytest.raises(BadSignature, match="1 of 2"):
        verify(world, raw, trust=two)


def test_foreign_signer_is_refused(world):
    stranger = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)

    with pytest.raises(BadSignature):
        verify(world, resigned(world, dict, signers=[stranger]))


def test_signature_on_another_kind_of_document_is_refused(world):
    with pytest.raises(BadSignature):
        verify(world, resigned(world, dict, kind="devices"))


def test_nobody_trusted_means_nothing_is_believed(world):
    nobody = replace(world.trust, custodians=())

    with pytest.raises(BadSignature):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=nobody)
    with pytest.raises(BadSignature):
        verify(world, world.raw_bundle(Epoch(2026, 47)), trust=replace(nobody, threshold=0))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"body":"AA"}', b'{"body":1,"sigs":[]}',
     b'{"body":"AA","sigs":[{}]}', b"[" * 100_000],
)  # fmt: skip
def test_malformed_document_is_refused(world, raw):
    with pytest.raises(BadSignature):
        verify(world, raw)


# --- The destruction record ----------------------------------------------------------------------


def record(count):
    lines = []
    for number in range(count):
        epoch = Epoch(2026, 40).plus(number)
        line = Line(
            queue="main",
            epoch=str(epoch),
            kids=(f"main.visit.{epoch}.00000000",),
            envelopes_erased=number,
            destroyed_at=date(2026, 10, 12),
            prev=keys.line_hash(lines[-1]) if lines else "",
        )
        lines.append(line)
    return lines


def written(lines):
    return b"".join(line.write() + b"\n" for line in lines)


def test_record_is_read_as_it_was_written():
    lines = record(5)

    assert keys.read_record(written(lines)) == lines
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
        keys.read_record(written(change(record(5))))


@pytest.mark.parametrize("raw", [b"{", b"[]\n", b"\xff\n", b'{"queue":"main"}\n'])
def test_malformed_record_is_refused(raw):
    with pytest.raises(BadRecord):
        keys.read_record(raw)


def test_cut_record_is_refused_where_custodians_signed_its_head(world):
    lines = record(5)
    head = keys.record_head("main", lines[:4])
    signed = keys.signed_document(head, [world.custodian.sign("record", head)])

    assert keys.verify_record(written(lines), signed, world.trust, "main") == lines
    assert keys.verify_record(written(lines[:4]), signed, world.trust, "main") == lines[:4]
    for raw in (written(lines[:3]), b""):
        with pytest.raises(BadRecord):
            keys.verify_record(raw, signed, world.trust, "main")


def test_line_that_was_changed_under_the_signed_head_is_refused(world):
    """Also when the lines still follow each other: the head is what custodians saw."""
    lines = record(5)
    head = keys.record_head("main", lines[:4])
    signed = keys.signed_document(head, [world.custodian.sign("record", head)])
    changed = [*lines[:3], replace(lines[3], envelopes_erased=0)]

    with pytest.raises(BadRecord):
        keys.verify_record(written(changed), signed, world.trust, "main")


def test_line_that_says_more_than_a_line_says_is_refused():
    (line,) = record(1)
    more = line.write().replace(b"{", b'{"who":"somebody",', 1)

    with pytest.raises(BadRecord):
        keys.read_record(more + b"\n")


def test_what_was_verified_once_is_verified_anew_with_other_keys(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    verify(world, raw)
    stranger = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)

    with pytest.raises(BadSignature):
        verify(world, raw, trust=replace(world.trust, custodians=(stranger.public_key,)))
    with pytest.raises(BadSignature):
        verify(world, raw + b" ", trust=replace(world.trust, threshold=2))
    assert reason(world, raw, now=NOON + 2 * WEEK) == "stale"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (16, "2026-11-26"),
        (18, "2026-11-28"),
        (19, "2026-11-29"),
        (20, "2026-11-29"),
        (22, "2026-11-29"),
    ],
)
def test_nobody_is_told_to_look_when_the_request_may_be_destroyed(day, expected):
    """The keys of week 47 go on Monday 30 November."""
    now = datetime(2026, 11, day, 17, tzinfo=UTC)

    again = keys.look_again(Epoch(2026, 47), now, NEW_YORK, 7, 10)

    assert again.isoformat() == expected
