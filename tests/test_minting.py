"""Minting that dies at any of its writes: what it left opens for everybody, a repeated one ends it,
and on key day nothing of it is there."""

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from itertools import count

import boto3
import pytest

from quietdesk import bundles, sweep
from quietdesk.errors import KeyDestroyed
from quietdesk.signed import Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.opener import Opener
from quietdesk.store import open_store
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.weeks import Epoch
from tests.killed import killed_at_each
from tests.world import CHEAP, NOON, PASSPHRASE, WEEK, compiled_city, make_custodian

pytestmark = [
    pytest.mark.process,
    pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True),
]
THIS_WEEK = Epoch(2026, 47)


def minting(custodian, trust, spec):
    """Keys for this week, as a custodian's command makes them."""
    with closing(open_store(spec, patient=True)) as store:
        ceremony.mint(store, compiled_city(), trust, [custodian], 1, NOON)


@pytest.fixture(scope="module")
def custodian():
    return make_custodian()


@pytest.fixture(scope="module")
def trust(custodian):
    return Trust((custodian.public_key,), 1, "demo")


@pytest.fixture(scope="module")
def devices(trust):
    """Two computers with a wrap key for this week."""
    made = [keyring.new("device", trust, PASSPHRASE, CHEAP) for _ in range(2)]
    return [it.topped_up([THIS_WEEK]) for it in made]


@pytest.fixture
def fresh(store_spec, tmp_path, custodian, trust, devices):
    """Gives a store in which both are admitted and no week has keys: each time a new one."""
    numbers = count()

    def set_up(spec):
        with closing(open_store(spec, patient=True)) as store:
            for device in devices:
                upload.upload_wrap_keys(store, device, compiled_city(), NOON)
                key = device.public_key
                ceremony.admit(store, compiled_city(), trust, [custodian], key, NOON)
        return spec

    def file():
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(tmp_path / "first.db", path)
        return f"sqlite:{path}"

    def tables():
        prefix = f"{store_spec.partition(':')[2]}-{next(numbers)}"
        create_tables(prefix)
        return set_up(f"dynamodb:{prefix}")

    if store_spec.startswith("dynamodb:"):
        return tables
    set_up(f"sqlite:{tmp_path / 'first.db'}")
    return file


def halves_and_wraps(spec):
    """How many rows of keys lie in the store, whatever it says of them."""
    kind, _, name = spec.partition(":")
    if kind == "sqlite":
        with closing(sqlite3.connect(name)) as db:
            counts = [db.execute(f"SELECT count(*) FROM {it}") for it in ("keys", "wraps")]  # noqa: S608
            return sum(one for it in counts for (one,) in it)
    with closing(boto3.client("dynamodb")) as client:
        return client.scan(TableName=f"{name}-keys")["Count"]


def test_minting_that_dies_anywhere_leaves_no_key_that_a_device_cannot_open(
    fresh, custodian, trust, devices
):
    city, left = compiled_city(), set()
    for spec, moment in killed_at_each(fresh, partial(minting, custodian, trust)):
        with closing(open_store(spec, patient=True)) as store:
            published = store.read(bundles.name("main", THIS_WEEK)) is not None
            found = [Opener(store, city, trust, it).prove(NOON) for it in devices]
            assert {len(it.proved) for it in found} == {2 if published else 0}, moment
            assert [it.bad for it in found] == [{}, {}], moment

            again = ceremony.mint(store, city, trust, [custodian], 1, NOON)

            assert again.minted == (() if published else (THIS_WEEK,)), moment
            assert (again.left_out, again.refused, again.trouble) == ((), (), {}), moment
            left.add(halves_and_wraps(spec))
            kid = ceremony.kids_of(store.read(bundles.name("main", THIS_WEEK))[0], trust, "main")[0]

            sweep.run(store, city, NOON + 3 * WEEK)

            assert halves_and_wraps(spec) == 0, moment
            with pytest.raises(KeyDestroyed):
                store.server_half(kid)
    # Two halves and four wraps, and beside them what the dead process had not come to publish.
    assert min(left) == 6
    assert max(left) == 12
