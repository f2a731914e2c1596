import json
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from quietdesk import bundles
from quietdesk.errors import BadBundle, BadSignature
from quietdesk.signed import signed_document
from quietdesk.staff.device import keyring
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK

NEW_YORK = ZoneInfo("America/New_York")


def resigned(world, change, kind="bundle", signers=None):
    """This week's bundle with a changed body, properly signed again."""
    outer = json.loads(world.raw_bundle(Epoch(2026, 47)))
    body = json.loads(unb64(outer["body"]))
    body = json.dumps(change(body)).encode()
    signatures = [signer.sign(kind, body) for signer in signers or [world.custodian]]
    return signed_document(body, signatures)


def verify(world, raw, now=NOON, epoch=None, trust=None):
    return bundles.verify(raw, trust or world.trust, "main", now, epoch)


def test_bundle_of_this_week_is_believed(world):
    bundle = verify(world, world.raw_bundle(Epoch(2026, 47)))

    assert (bundle.epoch, set(bundle.keys)) == (Epoch(2026, 47), {"visit", "contact"})


def test_keys_are_signed_for_their_week_and_the_24_hours_after_it(world):
    """A phone goes by nothing else: with a later end it would lock requests to a key that goes."""
    week = Epoch(2026, 47)
    body = json.loads(unb64(json.loads(world.raw_bundle(week))["body"]))

    assert body["not_before"] == week.start(NEW_YORK).timestamp()
    assert body["not_after"] == (week.end(NEW_YORK) + timedelta(hours=24)).timestamp()


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
        bundles.verify(world.raw_bundle(Epoch(2026, 47)), world.trust, "other", NOON)

    assert refused.value.reason == "queue"


def test_what_was_verified_once_is_verified_anew_with_other_keys(world):
    raw = world.raw_bundle(Epoch(2026, 47))
    verify(world, raw)
    stranger = keyring.new("custodian", world.trust, PASSPHRASE, CHEAP)

    with pytest.raises(BadSignature):
        verify(world, raw, trust=replace(world.trust, custodians=(stranger.public_key,)))
    with pytest.raises(BadSignature):
        verify(world, raw + b" ", trust=replace(world.trust, threshold=2))
    assert reason(world, raw, now=NOON + 2 * WEEK) == "stale"
