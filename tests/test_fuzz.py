"""Whatever comes in, the answer is one of ours: no 5xx but the named ones, no trace, no quoting.

Hypothesis makes the same choices in every run but `make soak`. Only the keys and codes that they
are made on are fresh.
"""

import base64
import json
import sqlite3
from contextlib import closing, suppress
from copy import deepcopy
from datetime import date
from unittest.mock import Mock, patch
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quietdesk import bundles, codes, envelopes, hpke, record, request, weeks
from quietdesk.errors import (
    BadBundle,
    BadCode,
    BadEnvelope,
    BadKeyring,
    BadRecord,
    BadSignature,
    CannotOpen,
    Invalid,
    QuietdeskError,
    StoreUnavailable,
    TooLong,
    WrongPassphrase,
)
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.pages import CHECK
from quietdesk.record import AGAIN, BOTH, KEYS, ROWS, Line
from quietdesk.signed import DEMO, Trust, signed_document
from quietdesk.staff import words
from quietdesk.staff.commands import naming, wording
from quietdesk.staff.device import keyring
from quietdesk.staff.device.opener import Opened, Unopened
from quietdesk.store.dynamodb import DynamoDB, items
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.events import FORM, JSON, check, submit
from tests.examples import examples
from tests.world import ASKED, CHEAP, NOON, PASSPHRASE, WEEK, make_world

PLANTED = "plantedfuzz91"
STATUSES = {200, 201, 400, 404, 409, 413, 415, 503}
THIS_WEEK = weeks.Epoch(2026, 47)

# Every fixture is made once for the module, but for the log, which only grows.
few, many = examples(25), examples(100)


@pytest.fixture(scope="module")
def world(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("fuzz"), custodian=custodian)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def handler(world):
    return submit(world)


@pytest.fixture(scope="module")
def checker(world):
    return check(world)


@pytest.fixture(scope="module")
def sealed(world):
    return world.sealed()


@pytest.fixture(scope="module")
def whole(sealed):
    """One envelope as a phone posts it."""
    return envelopes.write(sealed)


# Also half a surrogate pair, which JSON can spell and UTF-8 cannot.
texts = st.text() | st.text(st.characters(), max_size=5)
week_names = st.sampled_from(
    ["2026-W47", "2026-W46", "0001-W01", "9999-W52", "2026-W54"]
) | st.builds("{:04d}-W{:02d}".format, st.integers(0, 9999), st.integers(0, 54))
numbers = st.integers() | st.floats() | st.sampled_from([10**400, float("inf"), -1, 2**63])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts | week_names | st.just(PLANTED),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def changed(draw, original: bytes):
    """Bytes with a few of them changed, cut or doubled."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "double", "end"])):
            case "flip" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 60))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=20))
            case "double":
                data[at:at] = data[at : at + 40]
            case "end":
                del data[at:]
    return bytes(data)


def places(value):
    """Every place in a JSON document: what it is in, and its key or index there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in inside:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@st.composite
def edited(draw, document):
    """A JSON document with a few values replaced, dropped, wrapped, spelled as text or added."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "replace", "drop", "wrap", "spell", "add"])):
            case "replace":
                holder[key] = draw(json_values)
            case "drop":
                del holder[key]
            case "wrap":
                for _ in range(draw(st.sampled_from([1, 2, 200]))):
                    holder[key] = [holder[key]]
            case "spell":
                holder[key] = json.dumps(holder[key])
            case "add" if isinstance(holder, dict):
                holder[draw(texts)] = draw(json_values)
            case "add":
                holder.append(deepcopy(holder[key]))
    return json.dumps(document).encode()


def ask(handler, log, event):
    """The answer to an event, after checking that it is one of ours and quotes nothing."""
    answer = handler(event, None)
    assert type(answer["statusCode"]) is int
    assert answer["statusCode"] in STATUSES
    assert isinstance(answer["body"], str)
    assert all(isinstance(text, str) for header in answer["headers"].items() for text in header)
    bytes_only = answer["headers"].get("Content-Type") == "application/octet-stream"
    assert answer.get("isBase64Encoded", False) is bytes_only
    json.dumps(answer).encode()
    assert PLANTED not in str(answer["headers"])
    assert PLANTED not in log.getvalue()
    assert "Traceback" not in answer["body"] + log.getvalue()
    return answer


def post(body, kind, base64_encoded=None):
    encoded = kind == FORM if base64_encoded is None else base64_encoded
    text = base64.b64encode(body).decode() if encoded else body.decode("utf-8", "replace")
    return {
        "version": "2.0",
        "rawPath": "/api/requests",
        "rawQueryString": "",
        "headers": {
            "content-type": kind,
            "sec-fetch-site": "same-origin",
            "user-agent": PLANTED,
        },
        "requestContext": {
            "http": {"method": "POST", "path": "/api/requests"},
            "stage": "$default",
        },
        "body": text,
        "isBase64Encoded": encoded,
    }


# --- The function --------------------------------------------------------------------------------


@many
@given(
    body=st.binary(max_size=400)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 8000, b'{"v":' * 1500, b"{" * 20_000, b"\xff\xfe[\0]\0"]),
    kind=st.sampled_from([JSON, FORM, "text/plain", "", PLANTED]) | st.text(max_size=20),
    lie=st.booleans(),
)
def test_any_body_of_any_kind_is_answered(handler, log, body, kind, lie):
    event = post(body, kind)
    if lie:
        event["isBase64Encoded"] = not event["isBase64Encoded"]

    assert ask(handler, log, event)["statusCode"] != 201


@many
@given(data=st.data())
def test_a_changed_envelope_is_stored_only_if_it_is_a_whole_one(world, handler, log, whole, data):
    body = data.draw(edited(json.loads(whole)) | changed(whole))

    answer = ask(handler, log, post(body, JSON))

    if answer["statusCode"] == 201:
        kept = envelopes.read(body)
        assert world.store.find("main", kept.id, [Epoch(2026, 47)], NOON).visit == kept.visit


@many
@given(sealed_to=week_names, born=week_names)
@example(sealed_to="0001-W01", born="0001-W01")
@example(sealed_to="9999-W52", born="9999-W52")
def test_an_envelope_of_any_other_week_is_refused(handler, log, whole, sealed_to, born):
    doc = json.loads(whole) | {"born": born}
    for part in hpke.PARTS:
        doc[part]["kid"] = doc[part]["kid"].replace("2026-W47", sealed_to)

    answer = ask(handler, log, post(json.dumps(doc).encode(), JSON))

    # 409: another test has stored it, in another spelling.
    good = sealed_to == born == "2026-W47"
    assert answer["statusCode"] in ({201, 409} if good else {400})


names = st.sampled_from([*request.FIELDS, "lang", "step", "code", "birthplace", PLANTED])
values = st.text(max_size=40) | st.sampled_from(
    [
        "any",
        "corona",
        "mon-am",
        "new",
        "bn",
        "2",
        "send",
        "review",
        "text",
        "mine",
        PLANTED,
        "9" * 30,
    ]
)


@few
@given(
    extra=st.lists(st.tuples(names, values), max_size=8), step=st.sampled_from(["review", "send"])
)
@example(extra=[], step="send")
def test_any_form_is_answered_and_stored_only_if_it_says_so(world, handler, log, extra, step):
    typed = {**ASKED, "step": [step], "code": [codes.new()]}
    for name, value in extra:
        typed[name] = [value]

    answer = ask(handler, log, post(urlencode(typed, doseq=True).encode(), FORM))

    if answer["statusCode"] == 201:
        id = codes.derive(typed["code"][0], world.city.deployment).id
        assert world.store.find("main", id, [Epoch(2026, 47)], NOON) is not None


WRITTEN = b"name=%E0%A6%B0&people=2&windows=mon-am&step=review&lang=es&centers=any"


@many
@given(
    body=changed(WRITTEN)
    | st.text("&=%;+aF0\x00\u0995", max_size=60).map(str.encode)
    | st.sampled_from(
        [b"a=1&" * 4000, b"name=x&" * 2000, b"name=%ff", b"name=%", b"name=%zz", b"=" * 16_000]
    )
)
def test_any_broken_form_body_is_answered(handler, log, body):
    assert ask(handler, log, post(body, FORM))["statusCode"] != 201


@many
@given(
    asked=json_values
    | st.fixed_dictionaries(
        {},
        optional={
            "v": st.sampled_from([1, 2, True, "1"]),
            "do": st.sampled_from(["see", "cancel", "move", PLANTED, 7]),
            "id": st.just("A" * 22) | texts,
            "auth": st.just("A" * 43) | texts,
            "envelope": json_values,
        },
    )
)
def test_any_question_to_check_is_answered_and_changes_nothing(world, checker, log, asked):
    before = sorted(item.id for item in world.store.pull("main", [Epoch(2026, 47)], NOON))

    answer = ask(checker, log, post(json.dumps(asked).encode(), JSON) | {"rawPath": CHECK})

    assert answer["statusCode"] in (200, 400, 409, 413)
    if answer["statusCode"] == 200:
        assert len(base64.b64decode(answer["body"])) == envelopes.REPLY_BYTES
    assert sorted(item.id for item in world.store.pull("main", [Epoch(2026, 47)], NOON)) == before


@few
@given(
    step=st.sampled_from(["see", "cancel", "yes", "calendar", "move", "review", "send", PLANTED]),
    code=st.just("7K3M-9QXT-2B6H-W3ZD") | texts,
    extra=st.lists(st.tuples(names, values), max_size=6),
)
def test_any_step_with_any_code_is_answered(checker, log, step, code, extra):
    typed = {**ASKED, **{name: [value] for name, value in extra}, "step": [step], "code": [code]}
    body = urlencode(typed, doseq=True, errors="replace").encode()

    answer = ask(checker, log, post(body, FORM) | {"rawPath": CHECK})

    assert answer["statusCode"] in (200, 400, 409, 413)


@many
@given(data=st.data())
def test_any_event_is_answered(handler, log, data):
    event = post(b'{"v":1}', JSON)
    event["requestContext"]["http"]["method"] = data.draw(
        st.sampled_from(["GET", "POST", "PUT", "HEAD", "", PLANTED]) | st.text(max_size=8)
    )
    event["rawPath"] = data.draw(
        texts.map(lambda text: "/" + text)
        | st.builds("/api/keys/{}/{}".format, st.just("main") | texts, week_names | texts)
        | st.just(f"/api/{PLANTED}")
    )
    event["rawQueryString"] = data.draw(st.text(max_size=20))
    event["body"] = data.draw(st.none() | texts)
    event["isBase64Encoded"] = data.draw(st.booleans())
    event["headers"] |= data.draw(
        st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=3)
    )

    assert ask(handler, log, event)["statusCode"] != 201


@many
@given(data=st.data())
def test_event_that_no_gateway_sends_is_answered_or_500_without_a_trace(handler, log, data):
    event = json.loads(data.draw(edited(post(PLANTED.encode(), JSON))))

    answer = handler(event, None)

    assert answer["statusCode"] in STATUSES | {500}
    assert isinstance(answer["body"], str)
    assert all(isinstance(text, str) for header in answer["headers"].items() for text in header)
    assert PLANTED not in str(answer) + log.getvalue()
    assert "Traceback" not in str(answer) + log.getvalue()


# --- Codes, signed documents, the record ---------------------------------------------------------


@many
@given(typed=texts | st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZoil- ", max_size=24))
def test_any_text_is_a_code_or_is_refused(typed):
    try:
        code = codes.parse(typed)
    except BadCode:
        return
    assert codes.parse(code) == code
    assert len(code) == 19


@many
@given(text=texts | st.text("ABCab01-_=", max_size=12) | json_values)
def test_base64_is_one_spelling_or_is_refused(text):
    try:
        data = unb64(text)
    except ValueError:
        return
    assert b64(data) == text


@many
@given(data=st.data())
def test_changed_bundle_is_believed_only_with_the_bytes_that_were_signed(world, data):
    raw = world.raw_bundle(THIS_WEEK)
    outer = json.loads(raw)
    changed_raw = data.draw(changed(raw) | edited(outer))
    try:
        bundles.verify(changed_raw, world.trust, "main", NOON)
    except (BadSignature, BadBundle):
        return
    assert json.loads(changed_raw)["body"] == outer["body"]


@many
@given(data=st.data())
def test_anything_that_custodians_sign_is_a_bundle_or_is_refused(world, data):
    true = unb64(json.loads(world.raw_bundle(THIS_WEEK))["body"])
    body = data.draw(changed(true) | edited(json.loads(true)) | st.just(true))
    raw = signed_document(body, [world.custodian.sign("bundle", body)])
    try:
        bundle = bundles.verify(raw, world.trust, "main", NOON)
    except (BadSignature, BadBundle):
        return
    assert (bundle.queue, bundle.deployment) == ("main", world.city.deployment)
    assert {len(public_key) for _, public_key in bundle.keys.values()} == {hpke.PUBLIC_KEY_BYTES}


def recorded(*kinds: str) -> list[Line]:
    lines: list[Line] = []
    for number, kind in enumerate(kinds):
        epoch = weeks.Epoch(2026, 40 + number)
        kids = () if kind == ROWS else (Kid("main", "visit", epoch, "00000001"),)
        prev = lines[-1].hash() if lines else ""
        lines.append(Line(kind, "main", (epoch,), date(2026, 11, 1), kids, 0, prev))
    return lines


KINDS = [(BOTH, BOTH, BOTH, BOTH), (KEYS, ROWS, AGAIN, KEYS)]


@many
@pytest.mark.parametrize("kinds", KINDS, ids=["before", "now"])
@given(data=st.data())
def test_changed_record_is_refused_or_is_a_true_beginning(data, kinds):
    lines = recorded(*kinds)
    raw = data.draw(changed(b"".join(line.write() + b"\n" for line in lines)))
    try:
        read = record.parse(raw)
    except BadRecord:
        return
    # The last line binds the others; only itself is unbound until custodians sign the head.
    assert read[:-1] == lines[: len(read)][:-1]


@many
@pytest.mark.parametrize("kind", [BOTH, KEYS, ROWS, AGAIN])
@given(data=st.data())
def test_changed_last_line_of_a_record_is_refused_or_a_line(data, kind):
    first, last = recorded(BOTH, kind)
    # Written as we write it, so that nothing but the values is wrong.
    values = json.loads(data.draw(edited(json.loads(last.write()))))
    raw = first.write() + b"\n" + json.dumps(values, separators=(",", ":")).encode()
    try:
        read = record.parse(raw)
    except BadRecord:
        return
    assert read[0] == first
    assert isinstance(read[1].queue, str)
    assert type(read[1].erased) is int
    assert read[1].epochs


@pytest.mark.parametrize("count", [b"1e999", b"-Infinity", b"NaN", b"1.0", b"true", b'"1"'])
def test_record_that_counts_otherwise_than_in_whole_numbers_is_refused(count):
    line = recorded(BOTH)[0].write()

    with pytest.raises(BadRecord):
        record.parse(line.replace(b'"envelopes_erased":0', b'"envelopes_erased":' + count))


@many
@given(data=st.data())
@pytest.mark.parametrize("count", [None, 1e999, -1, True, 2.0])
def test_anything_that_custodians_sign_vouches_for_a_record_or_is_refused(world, data, count):
    lines = recorded(BOTH, KEYS, ROWS, AGAIN)
    head = json.loads(record.head("main", lines[:2], "demo", 1, NOON.date()))
    if count is None:
        body = data.draw(edited(head))
    else:
        body = json.dumps(head | {"lines": count}).encode()
    signed = signed_document(body, [world.custodian.sign("record", body)])
    try:
        record.verify(lines, signed, world.trust, "main")
    except (BadRecord, BadSignature):
        return
    said = json.loads(body)
    assert {name: said[name] for name in ("queue", "lines", "head")} == {
        name: head[name] for name in ("queue", "lines", "head")
    }


# --- The keyring ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(world):
    return keyring.lock(world.device)


@many
@given(data=st.data())
def test_changed_keyring_is_refused_or_gives_what_was_locked(world, locked, data):
    file = data.draw(changed(locked) | edited(json.loads(locked)))
    try:
        kept = keyring.forget(
            file, lambda epoch: weeks.over(epoch, NOON, world.city.zone, world.city.serve_days)
        )
        keyring.epochs(file)
        keyring.made_for(file)
        opened = keyring.unlock(kept, PASSPHRASE)
    except (BadKeyring, WrongPassphrase):
        return
    assert opened.signing_key == world.device.signing_key
    assert opened.wrap_seeds.items() <= world.device.wrap_seeds.items()


@many
@given(week=week_names)
@example(week="9999-W52")
def test_keyring_with_keys_of_any_week_is_swept_or_refused(world, locked, week):
    doc = json.loads(locked)
    doc["boxes"][week] = doc["boxes"]["main"]
    try:
        kept = keyring.forget(
            json.dumps(doc).encode(),
            lambda epoch: weeks.over(epoch, NOON, world.city.zone, world.city.serve_days),
        )
    except BadKeyring:
        return
    assert not [epoch for epoch in keyring.epochs(kept) if epoch < Epoch(2026, 46)]


costs = st.fixed_dictionaries(
    {
        "memory_kib": st.integers(-5, 2**41) | st.sampled_from([64, 2**18, 2**21]) | json_values,
        "iterations": st.integers(-5, 2**20) | st.sampled_from([1, 3, 16]) | json_values,
        "lanes": st.integers(-5, 2**20) | st.sampled_from([1, 4, 16]) | json_values,
    }
)


@many
@given(cost=costs)
@example(cost={"memory_kib": 2**21, "iterations": 16, "lanes": 1})
@example(cost={"memory_kib": float("inf"), "iterations": 1, "lanes": 1})
def test_keyring_never_makes_its_opener_work_for_long(locked, cost):
    doc = json.loads(locked)
    doc["argon2id"] |= cost
    asked_for = []

    def stretch(passphrase, salt, cost):
        asked_for.append(cost)
        return bytes(32)

    with patch.object(keyring, "stretch", stretch):
        with pytest.raises((BadKeyring, WrongPassphrase)):
            keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)

    for cost in asked_for:
        assert cost.memory_kib * cost.iterations <= 2 * 2**20  # 2 GiB filled once: seconds
        assert cost.lanes <= 16


@pytest.mark.parametrize("value", [-1, 0, 2**21 + 1, 2**40, 2**70, "", [], None, 1e308])
@pytest.mark.parametrize("name", ["memory_kib", "iterations", "lanes"])
def test_keyring_with_a_cost_out_of_bounds_is_refused(locked, name, value):
    doc = json.loads(locked)
    doc["argon2id"][name] = value

    with pytest.raises(BadKeyring):
        keyring.unlock(json.dumps(doc).encode(), PASSPHRASE)


def test_the_cost_of_real_keyrings_is_within_bounds():
    dear = keyring.new("device", Trust((), 1, DEMO), PASSPHRASE, keyring.COST)

    assert keyring.unlock(keyring.lock(dear), PASSPHRASE).cost == keyring.COST != CHEAP


# --- The store's rows ----------------------------------------------------------------------------


class Damaged:
    """A store whose rows can be damaged behind its back, and mended again."""

    def __init__(self, folder, custodian):
        self.file = folder / "requests.db"
        self.world = make_world(folder, custodian=custodian)
        self.desk = self.world.desk()  # keeps its keys, so that most examples are quick
        self.good, self.bad = self.world.sealed(), self.world.sealed()
        self.ahead = self.world.sealed(NOON + WEEK)
        with closing(sqlite3.connect(self.file)) as db:
            self.kept = {table: self.rows(db, table) for table in ("keys", "wraps", "public")}

    def rows(self, db, table):
        return db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - a fixed name

    def mend(self):
        with closing(sqlite3.connect(self.file)) as db, db:
            db.execute("DELETE FROM requests")
            for table, rows in self.kept.items():
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - a fixed name
                marks = ", ".join("?" * len(rows[0]))
                db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
        for envelope in (self.good, self.bad, self.ahead):
            self.world.store.put(envelope)

    def damage(self, table, column, value, where, *which):
        """Write a value over a column; gives whether SQLite let it happen."""
        wrong, value = value
        with closing(sqlite3.connect(self.file)) as db:
            try:
                with db:
                    db.execute(
                        f"UPDATE {table} SET {column} = {wrong} WHERE {where}",  # noqa: S608
                        (value, *which),
                    )
            except sqlite3.IntegrityError:
                return False
        return True


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, custodian):
    made = Damaged(tmp_path_factory.mktemp("rows"), custodian)
    yield made
    made.world.store.close()


# What SQLite keeps in any column whatever its type, and a text that is no UTF-8 any more.
anything = st.tuples(
    st.just("?"),
    st.none()
    | st.binary(max_size=40)
    | st.text(max_size=9)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)  # SQLite writes NULL for it, which has its turn above
    | st.just("main.visit.9999-W52.00000000"),
) | st.tuples(st.just("CAST(? AS TEXT)"), st.binary(max_size=9).map(lambda rest: b"\xff" + rest))
# Where a row stands (queue and epoch) is how it is found: elsewhere it is another week's row.
COLUMNS = ["id", "digest", "expires", "rev", "lane", "born", "opening", "auth_hash", "visit_kid",
           "visit", "contact_kid", "contact", "reply"]  # fmt: skip


@many
@given(column=st.sampled_from(COLUMNS), value=anything)
@example(column="visit_kid", value=("CAST(? AS TEXT)", b"\xff"))
@example(column="id", value=("?", "text"))
@example(column="id", value=("?", float("-inf")))
@example(column="digest", value=("?", "text"))
def test_one_damaged_row_is_counted_and_never_stops_the_others(damaged, column, value):
    damaged.mend()
    damaged.damage("requests", column, value, "id = ?", damaged.bad.id)

    pulled = list(damaged.desk.pull(NOON))

    opened = {item.id for item in pulled if isinstance(item, Opened)}
    assert {damaged.good.id.hex(), damaged.ahead.id.hex()} <= opened
    assert all(isinstance(item, Opened | Unopened) for item in pulled)
    if column != "expires" and (column, value[1]) != ("visit", None):  # ended; or a stub
        assert len(pulled) == 3
    with suppress(QuietdeskError):
        damaged.world.store.put(damaged.bad)
    store, city = damaged.world.store, damaged.world.city
    for item in pulled:
        with suppress(QuietdeskError):
            (envelope,) = naming.find(store, city, [item.id], NOON)
            store.erase(envelope, stub=True)
    with suppress(QuietdeskError):
        store.find("main", damaged.bad.id, [Epoch(2026, 47)], NOON)


@few
@given(column=st.sampled_from(["keys.server_half", "wraps.wrap"]), value=anything)
@example(column="keys.server_half", value=("?", bytes(31)))
@example(column="keys.server_half", value=("?", 10**13))
def test_one_damaged_key_never_stops_the_other_weeks(damaged, column, value):
    damaged.mend()
    table, _, name = column.partition(".")
    hit = damaged.damage(table, name, value, "kid = ?", str(damaged.good.visit.kid))

    pulled = list(damaged.world.desk().pull(NOON))

    opened = {item.id for item in pulled if isinstance(item, Opened)}
    assert damaged.ahead.id.hex() in opened
    assert len(pulled) == 3
    assert len(opened) == (1 if hit else 3)


@few
@given(data=st.data())
def test_one_damaged_bundle_never_stops_the_other_weeks(damaged, data):
    damaged.mend()
    name = bundles.name("main", THIS_WEEK)
    raw = data.draw(changed(damaged.world.raw_bundle(THIS_WEEK)) | st.binary(max_size=40))
    damaged.damage("public", "data", ("?", raw), "name = ?", name)

    pulled = list(damaged.world.desk().pull(NOON))

    opened = {item.id for item in pulled if isinstance(item, Opened)}
    assert damaged.ahead.id.hex() in opened
    assert len(pulled) == 3


@few
@given(column=st.sampled_from(["data", "seq"]), value=anything)
@example(column="data", value=("?", "text"))
@example(column="data", value=("?", b"\xff"))
@example(column="seq", value=("?", "text"))
def test_damaged_document_closes_the_form_and_never_breaks_it(damaged, log, column, value):
    damaged.mend()
    name = bundles.name("main", THIS_WEEK)
    damaged.damage("public", column, value, "name = ?", name)
    another = envelopes.write(damaged.bad)  # than the one kept under its id
    get_key = post(b"", JSON) | {"rawPath": "/api/keys/main/2026-W47"}
    get_key["requestContext"]["http"]["method"] = "GET"
    handler = submit(damaged.world)

    assert ask(handler, log, get_key)["statusCode"] in {200, 503}
    assert ask(handler, log, post(another, JSON))["statusCode"] in {409, 503}
    with suppress(StoreUnavailable):
        damaged.world.store.read(name)


@many
@given(
    item=st.dictionaries(
        st.sampled_from([*COLUMNS, "week"]),
        st.dictionaries(st.just("S"), st.text(max_size=9), max_size=1)
        | st.dictionaries(st.just("B"), st.binary(max_size=9), max_size=1)
        | st.dictionaries(st.just("N"), st.sampled_from(["0", "-1", "1.5", "1E+30"]), max_size=1),
    )
)
def test_any_item_of_dynamodb_is_an_envelope_that_opens_or_does_not(damaged, item):
    envelope = items.envelope_of(item)

    with pytest.raises(CannotOpen):
        damaged.desk.open(envelope)


@few
@given(
    item=st.dictionaries(
        st.sampled_from(["half", "wrap", "data", "seq"]),
        st.sampled_from([{}, {"S": "text"}, {"B": b"x"}, {"N": "1"}, {"N": "1.5"}]),
    )
)
@example(item={})
@example(item={"data": {"B": b"x"}, "seq": {"N": "1.5"}})
def test_any_item_of_dynamodb_is_a_key_or_a_document_or_unavailable(item):
    store = Mock(_calls=Mock(get=lambda *_: item), _wrap=lambda *_: item)
    kid = Kid("main", "visit", THIS_WEEK, "00000001")

    assert isinstance(DynamoDB.server_half(store, kid), bytes)
    assert isinstance(DynamoDB.wrap(store, kid, "0" * 16), bytes)
    with suppress(StoreUnavailable):
        data, seq = DynamoDB.read(store, "record#main")
        assert isinstance(data, bytes)
        assert isinstance(seq, int)


# --- Parts, and what the desk shows of them ------------------------------------------------------


@many
@given(data=st.data())
def test_changed_parts_are_a_request_or_cannot_be_opened(world, sealed, data):
    parts = request.pack(request.parse(ASKED, world.city), bytes(32))
    halves = {"visit": parts.visit, "contact": parts.contact}
    name = data.draw(st.sampled_from(hpke.PARTS))
    halves[name] = data.draw(changed(halves[name]) | edited(json.loads(halves[name])))
    try:
        asked, reply_key, rest = request.unpack(envelopes.Parts(**halves))
    except CannotOpen:
        return
    for field in request.FIELDS:
        value = getattr(asked, field)
        if field in request.MANY:
            assert isinstance(value, tuple)
            assert all(isinstance(each, str) for each in value)
        elif field == "opening":
            assert value is None or isinstance(value, Opening)
        else:
            assert type(value) is (int if field in ("people", "children") else str)
    assert len(reply_key) == 32
    with suppress(TooLong):
        again = request.pack(asked, reply_key, rest)
        assert request.unpack(again) == (asked, reply_key, rest)
    safe_on_a_terminal(wording.in_words(Opened(sealed, asked, reply_key), "1 of 1", world.city))


def safe_on_a_terminal(shown: str) -> None:
    shown.encode()
    assert all(letter.isprintable() or letter in "\n\u200c\u200d" for letter in shown)


hostile = st.text(max_size=60) | st.text(
    "\x1b[31m\x9b\u202e\u2066\u0301\u200f\u061c\u2028\r\n\t\b\x07\x00\U000e0041A", max_size=60
)


@many
@given(name=hostile)
@example(name="e" + "\u0301" * 1000)
@example(name="\x1b[2J\x1b]0;title\x07\u202eabc")
def test_no_name_moves_the_cursor_of_a_terminal(name):
    shown = words.shown(name)

    safe_on_a_terminal(shown)
    assert "\n" not in shown


@few
@given(data=st.data())
def test_no_request_moves_the_cursor_or_adds_a_line(world, sealed, data):
    asked = request.parse(ASKED, world.city)
    values = {field: getattr(asked, field) for field in request.FIELDS}
    for field in sorted(data.draw(st.sets(st.sampled_from(request.FIELDS), min_size=1))):
        if field in request.MANY:
            values[field] = tuple(data.draw(st.lists(hostile, max_size=3)))
        elif isinstance(values[field], str):
            values[field] = data.draw(hostile)

    item = Opened(sealed, request.Request(**values), bytes(32))
    shown = wording.in_words(item, "1 of 1", world.city)

    safe_on_a_terminal(shown)
    assert shown.count("\n") == 11


@many
@given(
    typed=st.dictionaries(
        st.sampled_from(request.FIELDS), st.lists(st.text(max_size=90), max_size=4)
    )
)
def test_any_typed_text_is_a_request_or_has_problems_named(world, typed):
    try:
        asked = request.parse({**ASKED, **typed}, world.city)
    except Invalid as refused:
        assert set(refused.fields) <= set(request.FIELDS)
        return
    assert request.unpack(request.pack(asked, bytes(32)))[0] == asked


@many
@given(raw=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_that_is_no_envelope_is_refused(raw):
    with pytest.raises(BadEnvelope):
        envelopes.read(raw)
