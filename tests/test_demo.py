"""One machine: its first start, whatever stops it, and then more than a year in which the timer
keeps it minted, swept and readable."""

import shutil
from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from quietdesk import openings, record, settings, sweep, weeks
from quietdesk.errors import BadCity, BadSetting, BadSignature, QuietdeskError
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.commands import demo, serving
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.device import keyring, opener
from quietdesk.store import open_store
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.killed import killed_at_each
from tests.test_keyring import damaged
from tests.world import CHEAP, BrokenStore, World

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
    with closing(open_store(f"sqlite:{tmp_path / 'requests.db'}")) as store:
        demo.set_up(chosen, city, store, CHEAP)
    custodians = f"file:{tmp_path / 'custodians.txt'}"
    chosen = replace(
        chosen, custodians=settings.read({"QUIETDESK_CUSTODIANS": custodians}).custodians
    )
    return chosen, chosen.trust(city.deployment)


@pytest.mark.parametrize("count", [14, pytest.param(60, marks=pytest.mark.slow)])
def test_a_machine_left_running_always_has_a_key_and_keeps_no_old_one(
    chosen, city, tmp_path, count
):
    """For so many weeks, over the turn of a year of 53."""
    chosen, trust = started(chosen, city, tmp_path)
    store = open_store(f"sqlite:{tmp_path / 'requests.db'}")
    custodian = keyring.unlock((tmp_path / "custodian.keyring").read_bytes(), demo.PASSPHRASE)

    for week in range(count):
        now = START + timedelta(weeks=week)
        data = keyring.forget(
            chosen.keyring.read_bytes(),
            lambda epoch, now=now: weeks.over(epoch, now, city.zone, city.serve_days),
        )
        keyring.save(chosen.keyring, data)
        sweep.run(store, city, now)
        demo.keep_minted(chosen, store, city, trust, now)
        demo.keep_published(chosen, store, city, trust, now)
        device = keyring.unlock(chosen.keyring.read_bytes(), demo.PASSPHRASE)
        world = World(city, store, trust, custodian, device)
        store.put(world.sealed(now))

        pulled = list(world.desk().pull(now))

        # This week's and the week before's: older ones ended with their keys.
        assert len(pulled) == (1 if week == 0 else 2)
        assert all(isinstance(item, opener.Opened) for item in pulled)
        # Somebody who asks sees times, this week's and the next ones'.
        takeable = Publisher(store, city, trust).published()[""].takeable(now, city.zone)
        current = weeks.epoch_at(now, city.zone)
        assert {current, current.plus(1), current.plus(2)} <= {it.epoch for it in takeable}
        assert min(device.wrap_seeds) >= weeks.epoch_at(now, city.zone).plus(-1)

    told = record.read(store, "main", now.date())
    record.verify(told.lines, store.read(record.head_name("main"))[0], trust, "main")
    assert record.parse(record.documents(store, "main", now.date())[1], None), "the first year"
    store.close()
    assert len(told.rows_gone) == len(told.keys_gone) == count - 2
    assert Epoch(2026, 53) in told.rows_gone


@pytest.fixture
def published(chosen, city, tmp_path, monkeypatch):
    """A machine that was started; a function that is the hourly timer, and gives how many keyrings
    were unlocked for it."""
    chosen, trust = started(chosen, city, tmp_path)
    store = open_store(f"sqlite:{tmp_path / 'requests.db'}")
    demo.keep_minted(chosen, store, city, trust, START)
    unlock, unlocked = keyring.unlock, []
    monkeypatch.setattr(
        keyring, "unlock", lambda data, words: unlocked.append(data) or unlock(data, words)
    )

    def timer(now):
        unlocked.clear()
        demo.keep_published(chosen, store, city, trust, now)
        return len(unlocked)

    device = keyring.unlock(chosen.keyring.read_bytes(), demo.PASSPHRASE)
    yield timer, Publisher(store, city, trust, device), store
    store.close()


def test_times_are_published_at_the_start_and_then_once_a_day(published, city):
    timer, publisher, store = published

    assert timer(START) == 1
    last = max(publisher.published()[""].seats)
    assert last.epoch == weeks.epoch_at(START, city.zone).plus(openings.WEEKS_AHEAD)
    # Until midnight there is nothing to do, and no passphrase is stretched for nothing.
    before = store.read(openings.listing_name("main", ""))
    assert [timer(START + timedelta(hours=hour)) for hour in (1, 2, 9)] == [0, 0, 0]
    assert store.read(openings.listing_name("main", "")) == before
    assert timer(START + timedelta(days=1)) == 1
    # The next Monday there is one more week.
    timer(START + timedelta(days=5))
    assert max(publisher.published()[""].seats).epoch == last.epoch.plus(1)


def test_what_staff_said_about_taking_and_a_closed_day_stays(published):
    timer, publisher, _ = published
    timer(START)
    day = min(it.day for it in publisher.free(START) if it.center == "corona")
    publisher.publish(START, taking=False)
    publisher.close("corona", day, START)

    timer(START + timedelta(days=1))

    listing = publisher.published()[""]
    assert not listing.taking
    assert ("corona", day) not in {(it.center, it.day) for it in listing.seats}


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
            demo.set_up(*wrong, BrokenStore(), CHEAP)


# --- A first start that was stopped --------------------------------------------------------------


def settings_in(folder):
    return settings.read(
        {
            "QUIETDESK_KEYRING": str(folder / "device.keyring"),
            "QUIETDESK_CUSTODIANS": f"file:{folder / 'custodians.txt'}",
            "QUIETDESK_STORE": f"sqlite:{folder / 'requests.db'}",
        }
    )


def start(city, spec):
    """What `make run` does before it serves."""
    folder = Path(spec.removeprefix("sqlite:")).parent
    with closing(open_store(spec)) as store:
        demo.set_up(settings_in(folder), city, store, CHEAP)
        chosen = settings_in(folder)
        trust = chosen.trust(city.deployment)
        demo.keep_minted(chosen, store, city, trust, START)
        demo.keep_published(chosen, store, city, trust, START)


def works(city, spec):
    """Whether a request of now and one for each week with keys is opened by the device."""
    folder = Path(spec.removeprefix("sqlite:")).parent
    with closing(open_store(spec)) as store:
        trust = settings_in(folder).trust(city.deployment)
        custodian = keyring.unlock((folder / "custodian.keyring").read_bytes(), demo.PASSPHRASE)
        device = keyring.unlock((folder / "device.keyring").read_bytes(), demo.PASSPHRASE)
        store.put(World(city, store, trust, custodian, device).sealed(START))
        opened = list(World(city, store, trust, custodian, device).desk().pull(START))
        ahead = ceremony.weeks_ahead(store, city, START)
        unreadable = World(city, store, trust, custodian, device).opener().prove(START).bad
    return [type(it) for it in opened] == [opener.Opened] and ahead >= 3 and unreadable == {}


@pytest.mark.process
def test_start_that_is_killed_at_any_write_is_finished_by_the_next_one(city, tmp_path):
    numbers = count()

    def fresh():
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return f"sqlite:{folder / 'requests.db'}"

    seen = []
    for spec, moment in killed_at_each(fresh, partial(start, city)):
        start(city, spec)

        assert works(city, spec), moment
        left = {it.suffix for it in Path(spec.removeprefix("sqlite:")).parent.iterdir()}
        assert ".new" not in left, moment
        seen.append(moment.what)

    assert seen.count("file") >= 8, "custodian, device, custodians.txt, and the device's weeks"


@pytest.mark.parametrize("left", [["custodian.keyring"], ["custodian.keyring", "custodians.txt"]])
def test_start_that_an_older_release_left_half_made_is_finished(city, tmp_path, left):
    """It wrote the custodian first, then the list, and the device last."""
    spec = f"sqlite:{tmp_path / 'requests.db'}"
    custodian = keyring.new("custodian", Trust((), 1, DEMO), demo.PASSPHRASE, CHEAP)
    keyring.save(tmp_path / "custodian.keyring", keyring.lock(custodian))
    if len(left) == 2:
        keyring.save(tmp_path / "custodians.txt", b64(custodian.public_key).encode() + b"\n")

    refused = ""
    try:
        start(city, spec)
    except QuietdeskError as error:
        refused = str(error)

    assert refused == ""
    assert works(city, spec)
    kept = keyring.unlock((tmp_path / "custodian.keyring").read_bytes(), demo.PASSPHRASE)
    assert kept == custodian


@pytest.mark.parametrize("name", ["device.keyring", "custodian.keyring"])
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "another", "an empty main", "no salt"])
def test_keyring_that_was_lost_is_said_and_the_way_out_works(city, tmp_path, name, how):
    folder = tmp_path / "var"
    folder.mkdir()
    spec, path = f"sqlite:{folder / 'requests.db'}", folder / name
    start(city, spec)
    whole = path.read_bytes()
    other = keyring.new("device", Trust((), 1, "elsewhere"), demo.PASSPHRASE, CHEAP)
    bad = {"empty": b"", "cut": whole[:300], "another": keyring.lock(other), "gone": b""}
    bad = bad[how] if how in bad else damaged(whole, how)
    path.write_bytes(bad)
    if how == "gone":
        path.unlink()
    others = {it: it.read_bytes() for it in folder.iterdir() if it.suffix == ".keyring"}

    with pytest.raises(
        QuietdeskError, match=r"put it back, or stop and delete .*/ to start"
    ) as said:
        start(city, spec)

    wrong = "is gone" if how == "gone" else "is damaged, or another one"
    does = {"device.keyring": "opens the requests", "custodian.keyring": "makes the keys"}[name]
    assert f"{path} {wrong}, and with it what {does}" in str(said.value)
    assert {it: it.read_bytes() for it in folder.iterdir() if it.suffix == ".keyring"} == others
    path.write_bytes(whole)  # either: it is put back
    start(city, spec)
    shutil.rmtree(folder)  # or: the folder is deleted
    folder.mkdir()
    start(city, spec)
    assert works(city, spec)


def test_list_of_custodians_that_was_deleted_is_written_again(city, tmp_path):
    spec = f"sqlite:{tmp_path / 'requests.db'}"
    start(city, spec)
    listed = (tmp_path / "custodians.txt").read_bytes()
    (tmp_path / "custodians.txt").unlink()

    start(city, spec)

    assert (tmp_path / "custodians.txt").read_bytes() == listed
    assert works(city, spec)


def test_keys_of_other_custodians_are_said_with_what_to_name(world, chosen, monkeypatch):
    """Not that work is to stop: it is a setting of this machine."""

    def foreign(*_):
        raise BadSignature("0 of the 1 needed custodians signed")

    monkeypatch.setattr(demo, "set_up", lambda *_: None)
    monkeypatch.setattr(sweep, "run", foreign)
    chosen = replace(chosen, store=world.spec)

    with pytest.raises(BadSetting, match="QUIETDESK_CUSTODIANS") as raised:
        serving.run(chosen, Namespace(host="127.0.0.1", port=0))

    assert "settings" in raised.value.next and "Stop" not in raised.value.next


@pytest.mark.parametrize("name", ["device.keyring", "custodian.keyring"])
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "a folder", "another passphrase"])
def test_keyring_that_cannot_be_used_stops_neither_the_timer_nor_the_site(
    city, tmp_path, monkeypatch, capsys, name, how
):
    """The site is built after the first sweep: what serves comes after that."""
    spec, path = f"sqlite:{tmp_path / 'requests.db'}", tmp_path / name
    start(city, spec)
    other = keyring.new(path.stem, Trust((), 1, DEMO), "words of somebody else", CHEAP)
    other = keyring.lock(other)
    path.write_bytes({"cut": path.read_bytes()[:300], "another passphrase": other}.get(how, b""))
    if how in ("gone", "a folder"):
        path.unlink()
    if how == "a folder":
        path.mkdir()
    others = {it: it.read_bytes() for it in tmp_path.glob("*.keyring") if it != path}
    swept, built = [], []
    monkeypatch.setenv("QUIETDESK_CUSTODIANS", f"file:{tmp_path / 'custodians.txt'}")
    monkeypatch.setattr(serving, "swept", lambda *_: swept.append(1) or True)
    monkeypatch.setattr(
        serving.subprocess, "run", lambda *_, **__: built.append(1) or Namespace(returncode=1)
    )

    with pytest.raises(BadCity, match="does not build"):
        serving.run(settings_in(tmp_path), Namespace(host="127.0.0.1", port=0))

    assert (swept, built) == ([1], [1])
    assert {it: it.read_bytes() for it in tmp_path.glob("*.keyring") if it != path} == others
    assert path.exists() is (how != "gone"), "no new one is made in its place"
    err = capsys.readouterr().err
    assert name in err or "the passphrase does not unlock" in err
    assert "no keys are made and no times published" in err


def test_store_that_lies_elsewhere_is_named_among_what_to_delete(chosen, city, tmp_path):
    spec = f"sqlite:{tmp_path / 'requests.db'}"
    start(city, spec)
    moved = replace(chosen, keyring=tmp_path / "elsewhere" / "device.keyring", store=spec)

    with closing(open_store(spec)) as store, pytest.raises(QuietdeskError, match="elsewhere") as it:
        demo.set_up(moved, city, store, CHEAP)

    assert f"delete {tmp_path / 'elsewhere'}/ and what lies in {spec} to start" in str(it.value)
