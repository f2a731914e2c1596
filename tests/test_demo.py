"""One machine left running for more than a year: the timer keeps it minted, swept and readable."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from quietdesk import keys, settings, sweep
from quietdesk.errors import BadSetting
from quietdesk.staff import demo, desk, keyring
from quietdesk.store import open_store
from tests.world import CHEAP, World

START = datetime(2026, 10, 28, 15, 0, tzinfo=UTC)


@pytest.fixture
def chosen(tmp_path):
    return settings.read(
        {
            "QUIETDESK_KEYRING": str(tmp_path / "device.keyring"),
            "QUIETDESK_CUSTODIANS": f"file:{tmp_path / 'custodians.txt'}",
        }
    )


def started(chosen, city, tmp_path):
    """The settings and trust after a first start."""
    demo.set_up(chosen, city, CHEAP)
    custodians = f"file:{tmp_path / 'custodians.txt'}"
    chosen = replace(
        chosen, custodians=settings.read({"QUIETDESK_CUSTODIANS": custodians}).custodians
    )
    return chosen, chosen.trust(city.deployment)


def test_a_machine_left_running_for_60_weeks_always_has_a_key_and_keeps_no_old_one(
    chosen, city, tmp_path
):
    chosen, trust = started(chosen, city, tmp_path)
    store = open_store(f"sqlite:{tmp_path / 'requests.db'}")
    custodian = keyring.unlock((tmp_path / "custodian.keyring").read_bytes(), demo.PASSPHRASE)

    for week in range(60):
        now = START + timedelta(weeks=week)
        data = keyring.forget(
            chosen.keyring.read_bytes(), lambda epoch, now=now: desk.over(city, now, epoch)
        )
        keyring.save(chosen.keyring, data)
        sweep.run(store, city, now)
        demo.keep_minted(chosen, store, city, trust, now)
        device = keyring.unlock(chosen.keyring.read_bytes(), demo.PASSPHRASE)
        world = World(city, store, trust, custodian, device)
        store.put(world.sealed(now))

        pulled = list(world.desk().pull(now))

        # This week's and the week before's: older ones ended with their keys.
        assert len(pulled) == (1 if week == 0 else 2)
        assert all(isinstance(item, desk.Opened) for item in pulled)
        assert min(device.wrap_seeds) >= str(keys.epoch_at(now, city.zone).plus(-1))

    lines = keys.verify_record(
        store.read("record#main")[0], store.read("record-head#main")[0], trust, "main"
    )
    store.close()
    assert len(lines) == 58
    assert {line.envelopes_erased for line in lines} == {1}
    assert "2026-W53" in {line.epoch for line in lines}


def test_a_second_start_keeps_the_keys_of_the_first(chosen, city, tmp_path):
    started(chosen, city, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    started(chosen, city, tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_demo_keys_are_made_for_the_demo_only(chosen, city):
    for wrong in (
        (chosen, replace(city, deployment="city")),
        (replace(chosen, stage="production"), city),
    ):
        with pytest.raises(BadSetting):
            demo.set_up(*wrong, CHEAP)
