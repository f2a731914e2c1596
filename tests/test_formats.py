"""What earlier releases wrote is read, and what this one writes is read by the last: computers of
staff, functions, the site and a page that stays open on a phone are never of one age."""

import json
import sqlite3
import subprocess
from contextlib import closing, nullcontext
from dataclasses import asdict, astuple
from datetime import UTC, date, datetime, timedelta

import pytest

from quietdesk import bundles, codes, devices, envelopes, openings, record, replies, request, sweep
from quietdesk.hpke import Kid, PrivateKey
from quietdesk.signed import Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.opener import Opened
from quietdesk.store import open_store
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64
from tests.vectors import reader_1
from tests.vectors.programme import LATER, Recorder
from tests.world import PASSPHRASE, ROOT, World, make_custodian

VECTORS = ROOT / "tests" / "vectors"
SEALED = sorted(VECTORS.glob("sealed-*.json"))
PAPERS = sorted(VECTORS.glob("papers-*.json"))


# Papers in which custodians sign labels of devices; those of later name whole keys.
LABELS = ("papers-1", "papers-2")


def by_name(path):
    return path.stem


def held(path):
    return json.loads(path.read_text())


def trust_of(papers):
    pinned = papers["trust"]
    custodians = tuple(unb64(spki) for spki in pinned["custodians"])
    return Trust(custodians, pinned["threshold"], pinned["deployment"])


# --- What was sealed -----------------------------------------------------------------------------


def opened(case, seeds):
    envelope = envelopes.read(json.dumps(case["envelope"]).encode())
    private_keys = {Kid.parse(it): PrivateKey(bytes.fromhex(seed)) for it, seed in seeds.items()}
    return envelope, envelopes.unseal(envelope, private_keys)


@pytest.mark.parametrize("recorded", SEALED, ids=by_name)
def test_requests_that_were_sealed_before_are_read(recorded):
    sealed = held(recorded)

    for case in sealed["cases"]:
        envelope, parts = opened(case, sealed["seeds"])
        asked, reply_key, rest = request.unpack(parts)
        secrets = codes.derive(case["code"], sealed["deployment"])
        told = envelopes.open_reply(envelope.reply, secrets.reply, secrets.id)
        wanted = case["request"] | {"opening": case["opening"]}
        assert request.values(asked) == {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in wanted.items()
        }, case["name"]
        assert (envelope.id, reply_key) == (secrets.id, secrets.reply)
        if "rest" in case:
            assert asdict(rest) == case["rest"]
            assert request.pack(asked, reply_key, rest) == parts
        assert told == case["reply"]
        assert replies.write(replies.read(told)) == told


def test_what_we_seal_is_read_by_the_release_before(city):
    for case in held(VECTORS / "request.json")["valid"]:
        asked = request.parse(case["typed"], city)

        values, key = reader_1.unpack(*astuple(request.pack(asked, bytes(32))))

        assert (values, key) == (request.values(asked), bytes(32))


def test_release_before_reads_what_it_sealed_and_no_numbers_yet():
    """Hence we write none: every staff computer must read them first."""
    for case, seeds, numbered in (
        (case, sealed["seeds"], path.stem != "sealed-1")
        for path in SEALED
        for sealed in [held(path)]
        for case in sealed["cases"]
    ):
        _, parts = opened(case, seeds)
        with pytest.raises(reader_1.Refused) if numbered else nullcontext():
            reader_1.unpack(parts.visit, parts.contact)


# --- What was signed -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed_now(tmp_path_factory):
    """The papers of a programme as they are signed today."""
    return Recorder(tmp_path_factory.mktemp("signed")).papers()


@pytest.mark.parametrize("recorded", PAPERS, ids=by_name)
def test_papers_that_were_signed_before_are_read(recorded):
    papers = held(recorded)
    trust, queue = trust_of(papers), papers["queue"]
    raw = {name: paper.encode() for name, paper in papers["papers"].items()}
    now = datetime.fromtimestamp(papers["now"], UTC)

    listed = devices.read(raw["devices"], trust)
    assert listed.ids == (papers["device"],)
    assert bool(listed.labels) == (recorded.stem in LABELS)
    for asked_for, epoch in ((None, Epoch(2026, 49)), (Epoch(2026, 50), Epoch(2026, 50))):
        bundle = bundles.verify(raw[bundles.name(queue, epoch)], trust, queue, now, asked_for)
        assert bundle.epoch == epoch
    for path in ("", openings.DESK):
        name = openings.listing_name(queue, path)
        listing = openings.verify_listing(raw[name], raw["devices"], trust, queue, path)
        assert listing.taking
        assert {str(it) for it in listing.seats} >= {it for it in papers["free"] if not path}
    lines = record.chain([raw.get(it, b"") for it in ("record#main", "record#main#2026")])
    assert {epoch for line in lines for epoch in line.epochs} == {Epoch(2026, 47)}
    heads = [paper for name, paper in raw.items() if name.startswith("record-head#")]
    assert heads
    for head in heads:
        record.verify(lines, head, trust, queue)


def test_papers_that_were_signed_before_have_number_0_and_prove_nothing_about_time(signed_now):
    def numbered(papers):
        trust, queue = trust_of(papers), papers["queue"]
        raw = {name: paper.encode() for name, paper in papers["papers"].items()}
        listed = devices.read(raw["devices"], trust)
        listing = openings.verify_listing(raw["openings#main"], raw["devices"], trust, queue, "")
        bundle = bundles.signed(raw["bundle#main#2026-W50"], trust, queue)
        return [(it.number, it.signed_on) for it in (listed, listing, bundle)]

    began, later = date(2026, 11, 18), date(2026, 12, 2)
    assert numbered(held(VECTORS / "papers-1.json")) == [(0, None)] * 3
    assert numbered(signed_now) == [(1, began), (2, later), (1, later)]


def read_by_the_release_before(papers, labels):
    """Whether each paper passes there, but for those that rest on whole keys; raises Refused."""
    trust, queue = papers["trust"], papers["queue"]
    raw = {name: paper.encode() for name, paper in papers["papers"].items()}
    assert reader_1.bundle(raw["bundle#main#2026-W49"], trust, queue) == "2026-W49"
    assert reader_1.bundle(raw["bundle#main#2026-W50"], trust, queue) == "2026-W50"
    for path in ("", "desk"):
        name = openings.listing_name(queue, path)
        with nullcontext() if labels else pytest.raises(reader_1.Refused):
            assert reader_1.listing(raw[name], raw["devices"], trust, queue, path)
    if labels:
        assert reader_1.devices(raw["devices"], trust) == [papers["device"]]
    upload = raw[f"wrap-keys#{papers['device']}"]
    assert len(reader_1.wrap_keys(upload, papers["device"], trust)) == 5
    if "record#main" in raw:  # what came later has other names, at which it does not look
        assert reader_1.head(raw["record-head#main"], raw["record#main"], trust, queue) == 1


def test_papers_that_are_signed_now_are_read_by_the_release_before(signed_now):
    """But for lists of times: it has no way to tell a device's whole key, and shows none."""
    read_by_the_release_before(signed_now, labels=False)
    for path in PAPERS:
        read_by_the_release_before(held(path), labels=path.stem in LABELS)


@pytest.mark.process
def test_papers_that_are_signed_now_are_read_by_a_page_that_was_left_open(signed_now):
    """It locks requests with the week's key all the same, and asks when people can come."""
    recorded = [(held(path), path.stem in LABELS) for path in PAPERS]
    for papers, labels in ((signed_now, False), *recorded):
        shown = subprocess.run(
            ["node", ROOT / "tests/browser/last_release.mjs"],
            input=json.dumps(papers), capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert len(papers["free"]) > 0
        assert int(shown) == (len(papers["free"]) if labels else 0)


@pytest.mark.parametrize("recorded", PAPERS, ids=by_name)
def test_uploads_that_were_signed_before_are_read(recorded, tmp_path):
    papers = held(recorded)
    name = f"wrap-keys#{papers['device']}"
    with closing(open_store(f"sqlite:{tmp_path / 'requests.db'}")) as store:
        store.publish(name, papers["papers"][name].encode(), 0)

        offer = upload.labelled(store, papers["device"], trust_of(papers))

        assert upload.of(store, offer.spki, trust_of(papers)) == offer
    assert len(offer.keys) == 5
    assert {kid.epoch for kid in offer.proved} == (
        set() if recorded.stem in LABELS else {Epoch(2026, n) for n in (48, 49, 50)}
    )


def test_release_before_would_call_the_record_changed_if_its_head_said_more():
    """Hence what says more has another name, and under this one nothing is written any more."""
    papers = held(VECTORS / "papers-2.json")
    raw = {name: paper.encode() for name, paper in papers["papers"].items()}
    trust, queue = papers["trust"], papers["queue"]

    assert record.read_head(raw["record-head#main"], trust_of(papers), queue).number == 0
    head = raw["record-head#main, form 2"]
    assert record.read_head(head, trust_of(papers), queue).number == 2
    with pytest.raises(reader_1.Refused):
        reader_1.head(head, raw["record#main"], trust, queue)


@pytest.mark.parametrize("file", ["bundle", "bundle_edges", "openings"])
def test_what_stands_for_the_release_before_refuses_what_it_refused(file):
    vectors = held(VECTORS / f"{file}.json")

    for case in vectors["cases"]:
        trust, queue = case.get("trust", vectors["trust"]), case.get("queue", vectors["queue"])
        # It is not told the time.
        reads = case["expect"] in ("good", "stale", "early")
        with nullcontext() if reads else pytest.raises(reader_1.Refused):
            if file == "openings":
                raw, devices = case["openings"].encode(), case["devices"].encode()
                reader_1.listing(raw, devices, trust, queue, case.get("path", ""))
            else:
                reader_1.bundle(case["raw"].encode(), trust, queue)


# --- What was stored, and the keyring beside it --------------------------------------------------


@pytest.fixture
def programme(tmp_path, city):
    """The programme of the release before; the custodian's keyring was not kept."""
    path = tmp_path / "requests.db"
    db = sqlite3.connect(path)
    db.executescript((VECTORS / "store-2.sql").read_text())
    db.close()
    device = keyring.unlock((VECTORS / "device-1.keyring").read_bytes(), PASSPHRASE)
    store = open_store(f"sqlite:{path}", create=False)
    yield World(city, store, device.trust, make_custodian(), device)
    store.close()


def test_keyring_that_was_locked_before_is_unlocked(programme):
    device = programme.device
    papers = held(VECTORS / "papers-1.json")

    assert (device.kind, device.id, device.trust) == ("device", papers["device"], trust_of(papers))
    assert sorted(device.wrap_seeds) == [Epoch(2026, n) for n in range(47, 52)]


def test_desk_opens_all_that_stands_in_the_store_of_the_release_before(programme):
    cases = {
        codes.derive(case["code"], "demo").id.hex(): case
        for case in held(VECTORS / "sealed-1.json")["cases"]
    }

    pulled = {item.id: item for item in programme.desk().pull(LATER)}

    assert pulled.keys() == cases.keys()
    for id, item in pulled.items():
        assert isinstance(item, Opened), cases[id]["name"]
        assert item.envelope.opening == openings.named(cases[id]["opening"])
        assert replies.write(item.reply) == cases[id]["reply"]


def test_work_goes_on_in_the_store_of_the_release_before(programme):
    desk, publisher = programme.desk(), programme.publisher()
    store, city, device = programme.store, programme.city, programme.device
    lists = publisher.published()
    free = publisher.free(LATER)
    first = next(item for item in desk.pull(LATER) if item.state == "waiting")

    placed = desk.place(first, next(iter(free)), LATER)
    publisher.publish(LATER)

    assert lists[""].seats
    assert [desk.open(placed.envelope).request] == [placed.request]
    assert ceremony.admitted(store, device.trust).labels == (device.id,)
    assert set(upload.of(store, device.public_key, device.trust).keys) == set(device.wrap_seeds)
    before = record.read(store, "main", LATER.date()).lines
    assert [line.epochs for line in before] == [(Epoch(2026, 47),)]
    swept = sweep.run(store, city, LATER + timedelta(weeks=4))
    assert [*record.read(store, "main", LATER.date()).keys_gone] == [
        Epoch(2026, number) for number in range(47, 51)
    ]
    assert swept[0].prev == before[0].hash()
