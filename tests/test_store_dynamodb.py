"""What the DynamoDB store does when AWS does not answer as hoped. Faults are put between the store
and a real emulator: nothing acknowledged may be lost, and nothing lost acknowledged."""

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from quietdesk import envelopes, sweep
from quietdesk.errors import (
    BadSetting,
    ClockWrong,
    Conflict,
    NotAllowed,
    QuietdeskError,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
)
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.staff.device import keyring
from quietdesk.store import dynamodb, open_store
from quietdesk.store.dynamodb import calls
from quietdesk.store.dynamodb.calls import CONFIG
from quietdesk.store.dynamodb.tables import TABLES, create_tables
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.aws_stub import error, stub
from tests.events import error as said
from tests.events import post, submit
from tests.process import quietdesk
from tests.rows import LATER, NEXT, NOW, WEEK, find, make
from tests.world import PASSPHRASE

MORNING = Opening.parse("corona.2026-12-03.0930")
pytestmark = pytest.mark.parametrize("store_spec", ["ministack"], indirect=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Whatever is tried again is tried again at once: how long to wait is not asked here."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def store(store_spec):
    opened = open_store(store_spec)
    yield opened
    opened.close()


@pytest.fixture
def aws(store_spec):
    """A client beside the store's own."""
    client = boto3.client("dynamodb")
    yield client
    client.close()


class Raw:
    """The body of a made-up answer."""

    def __init__(self, body):
        self._body = body

    def stream(self, **_):
        yield self._body


def answer(status, code, message="planted"):
    """An answer of DynamoDB's with an error in it."""
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})
    return lambda send, request: AWSResponse(request.url, status, {}, Raw(body.encode()))


def refuse(send, request):
    raise EndpointConnectionError(endpoint_url=request.url)


def reset(send, request):
    raise ConnectionClosedError(endpoint_url=request.url)


def lose_answer(send, request):
    """The write happens; its answer does not arrive in time."""
    send(request)
    raise ReadTimeoutError(endpoint_url=request.url)


def pass_on(send, request):
    return send(request)


def raising(error):
    """What botocore raises before it asks anybody."""

    def fault(send, request):
        raise error

    return fault


EARLY = "Signature not yet current: 20261118T120000Z is still later than 20261118T112000Z"
LATE = "Signature expired: 20261118T110000Z is now earlier than 20261118T114500Z"
THROTTLE = answer(400, "ProvisionedThroughputExceededException")
BROKEN = answer(500, "InternalServerError")


def inject(store, faults):
    """Each call on the wire meets the next of the faults, then none."""
    session = store._calls._client._endpoint.http_session
    real, left = session.send, iter(faults)
    session.send = lambda request: next(left, pass_on)(real, request)


# --- One fault, then an answer -------------------------------------------------------------------


@pytest.mark.parametrize("fault", [THROTTLE, BROKEN, refuse, reset, lose_answer])
def test_one_fault_is_tried_again_and_the_request_is_kept(store, fault):
    envelope = make()
    inject(store, [fault])

    store.put(envelope)

    assert find(store, envelope) == envelope


def test_lost_answer_of_another_envelopes_put_is_still_a_conflict(store):
    theirs = make()
    store.put(theirs)
    inject(store, [lose_answer])

    with pytest.raises(Conflict):
        store.put(make(id=theirs.id))

    assert find(store, theirs) == theirs


def test_lost_answers_of_every_other_write_are_recognised(store):
    envelope, kid = make(), Kid("main", "visit", WEEK, "00000001")
    store.put(envelope)
    store.set_seats({MORNING: 3})

    inject(store, [lose_answer])
    taken = make(opening=MORNING)
    store.take(taken)
    assert store.seats([MORNING])[MORNING] == 2

    inject(store, [lose_answer])
    store.replace(envelope, envelope)
    (latest,) = [e for e in store.pull("main", [WEEK], NOW) if e.id == envelope.id]
    assert latest.rev == 2

    inject(store, [lose_answer])
    store.replace(latest, make(NEXT, id=envelope.id))
    (moved,) = store.pull("main", [NEXT], NOW)

    inject(store, [lose_answer])
    store.erase(moved, stub=True)
    inject(store, [lose_answer])
    store.erase(taken)
    assert find(store, moved) is None
    assert find(store, taken) is None

    inject(store, [lose_answer])
    assert store.publish("devices", b"one", 0) == 1
    inject(store, [lose_answer])
    assert store.publish("devices", b"two", 1) == 2
    inject(store, [lose_answer])
    store.put_keys(kid, b"s" * 32, {})
    assert store.server_half(kid) == b"s" * 32


def test_a_conflict_is_not_mistaken_for_a_lost_answer(store):
    envelope = make()
    store.put(envelope)
    store.replace(envelope, envelope)
    for change in (
        lambda: store.replace(envelope, make(id=envelope.id)),
        lambda: store.erase(envelope),
        lambda: store.erase(envelope, stub=True),
        lambda: store.publish("devices", b"one", 4),
    ):
        inject(store, [THROTTLE])
        with pytest.raises(Conflict):
            change()


# --- No answer at all ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (THROTTLE, StoreBusy),
        (answer(400, "ThrottlingException"), StoreBusy),
        (BROKEN, StoreUnavailable),
        (answer(503, "ServiceUnavailable"), StoreUnavailable),
        (refuse, StoreUnavailable),
        (reset, StoreUnavailable),
        (answer(400, "ExpiredTokenException"), StoreRefused),
        (answer(400, "UnrecognizedClientException"), StoreRefused),
        (answer(400, "InvalidSignatureException", "The request signature planted"), StoreRefused),
        (answer(403, "MissingAuthenticationTokenException"), StoreRefused),
        (answer(400, "InvalidSignatureException", f"{EARLY} planted"), ClockWrong),
        (answer(400, "InvalidSignatureException", f"{LATE} planted"), ClockWrong),
        (answer(403, "SignatureDoesNotMatch", f"{LATE} planted"), ClockWrong),
        (answer(400, "RequestExpired"), ClockWrong),
        (answer(403, "RequestTimeTooSkewed"), ClockWrong),
        (answer(400, "AccessDeniedException"), NotAllowed),
        (raising(NoCredentialsError()), StoreRefused),
        (raising(UnauthorizedSSOTokenError()), StoreRefused),
        (raising(SSOTokenLoadError(error_msg="planted")), StoreRefused),
        (raising(TokenRetrievalError(provider="planted", error_msg="planted")), StoreRefused),
        (raising(CredentialRetrievalError(provider="planted", error_msg="planted")), StoreRefused),
        (answer(400, "ResourceNotFoundException"), StoreUnavailable),
        (answer(400, "SomethingNew"), StoreUnavailable),
    ],
)
def test_every_fault_that_lasts_has_a_name_and_no_text_of_aws(store, fault, error):
    for call in (
        lambda: store.put(make()),
        lambda: find(store, make()),
        lambda: list(store.pull("main", [WEEK], NOW)),
        lambda: store.read("devices"),
        lambda: list(store.erase_epoch("main", WEEK)),
        lambda: store.take(make(opening=MORNING)),
    ):
        inject(store, [fault] * 20)
        with pytest.raises(error) as refused:
            call()
        assert type(refused.value) is error
        assert "planted" not in str(refused.value)
        assert refused.value.__suppress_context__


def set_all(monkeypatch, environment):
    """Variables of the environment; None takes one out."""
    for name, value in environment.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "not-there", "AWS_PROFILE names a profile"),
        ("AWS_DEFAULT_REGION", None, "AWS_DEFAULT_REGION"),
        ("AWS_DEFAULT_REGION", "nowhere at all", "AWS_DEFAULT_REGION"),
    ],
)
def test_wrong_settings_of_aws_are_said(store_spec, monkeypatch, tmp_path, variable, value, said):
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    set_all(monkeypatch, {"AWS_REGION": None, variable: value})

    with pytest.raises(BadSetting, match=said):
        open_store("dynamodb:any")


def test_aws_settings_that_cannot_be_read_are_said(store_spec, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile desk\n")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(BadSetting, match="not complete, or damaged"):
        open_store("dynamodb:any")


def test_tables_that_are_not_there_are_said(store_spec):
    elsewhere = open_store("dynamodb:nowhere")

    with pytest.raises(StoreUnavailable, match="tables are not there"):
        elsewhere.put(make())
    elsewhere.close()


def test_nothing_acknowledged_is_lost_and_nothing_lost_acknowledged(store):
    chance = random.Random(47)  # noqa: S311 - which fault, not a secret
    faults = [THROTTLE, BROKEN, refuse, reset, lose_answer, pass_on, pass_on, pass_on, pass_on]
    inject(store, (chance.choice(faults) for _ in itertools.count()))
    envelopes = [make() for _ in range(120)]
    acknowledged, refused = [], []

    for envelope in envelopes:
        try:
            store.put(envelope)
        except StoreUnavailable:
            refused.append(envelope)
        else:
            acknowledged.append(envelope)

    store._calls._client._endpoint.http_session.send = pass_through(store)
    stored = {envelope.id: envelope for envelope in store.pull("main", [WEEK], NOW)}
    assert len(acknowledged) > 60
    assert len(refused) > 5
    assert all(stored.get(envelope.id) == envelope for envelope in acknowledged)
    # What was refused may be there: its answer was lost twice. A resident's retry then finds it.
    for envelope in refused:
        store.put(envelope)
    assert {e.id for e in store.pull("main", [WEEK], NOW)} == {e.id for e in envelopes}


def pass_through(store):
    """The session's own send, without any fault."""
    session = store._calls._client._endpoint.http_session
    return type(session).send.__get__(session)


# --- What DynamoDB gives back undone -------------------------------------------------------------


def test_keys_that_were_not_read_are_asked_for_again(store, monkeypatch):
    envelope = make(NEXT)
    store.put(envelope)
    real, asked = store._calls._client.batch_get_item, []

    def half(RequestItems):
        asked.append(RequestItems)
        ((table, wanted),) = RequestItems.items()
        done, left = wanted["Keys"][:1], wanted["Keys"][1:]
        got = real(RequestItems={table: {**wanted, "Keys": done}})
        return {**got, "UnprocessedKeys": {table: {**wanted, "Keys": left}} if left else {}}

    monkeypatch.setattr(store._calls._client, "batch_get_item", half)

    assert find(store, envelope) == envelope
    assert len(asked) == 2


def test_deletes_that_were_not_done_are_done_again(store, monkeypatch):
    for _ in range(30):
        store.put(make())
    real = store._calls._client.batch_write_item

    def some(RequestItems):
        ((table, writes),) = RequestItems.items()
        cut = max(1, len(writes) // 2)
        real(RequestItems={table: writes[:cut]})
        return {"UnprocessedItems": {table: writes[cut:]} if writes[cut:] else {}}

    monkeypatch.setattr(store._calls._client, "batch_write_item", some)

    assert sum(store.erase_epoch("main", WEEK)) == 30
    assert list(store.pull("main", [WEEK], NOW)) == []


def test_destroying_takes_a_quarter_of_what_the_tables_may_write(store_spec, monkeypatch):
    """In batches of 25, after each of which it waits: however fast the table is, the rest of what
    it may write is left to residents."""
    monkeypatch.setattr(dynamodb, "ROWS_A_SECOND", 100)
    monkeypatch.setattr(dynamodb, "KEYS_A_SECOND", 125)
    waited = []
    store = dynamodb.DynamoDB(store_spec.removeprefix("dynamodb:"), calls.PATIENT, waited.append)

    for _ in range(60):
        store.put(make())
    assert waited == [], "nobody waits but who destroys"
    assert sum(store.erase_epoch("main", WEEK)) == 60
    assert waited == [0.25, 0.25, 0.1]

    waited.clear()
    for _ in range(3):
        store.put(make(expires=int(NOW.timestamp())))
    assert sum(store.erase_expired("main", WEEK, NOW)) == 3
    assert waited == [0.01] * 3

    waited.clear()
    wraps = {f"{number:016x}": b"w" for number in range(29)}
    store.put_keys(Kid("main", "visit", WEEK, "00000001"), bytes(32), wraps)
    store.destroy_keys("main", WEEK)
    assert waited == [0.008, 0.2, 0.032], "a half, then the wraps, each from its own partition"
    store.close()


def test_erasing_holds_one_page_at_a_time(store, monkeypatch):
    """However many rows a week has."""
    for _ in range(260):
        store.put(make())
    listed, erased = [], []
    real, batch = store._calls.pages, store._calls.batch_delete
    monkeypatch.setattr(
        store._calls,
        "pages",
        lambda *given, **more: (listed.append(len(page)) or page for page in real(*given, **more)),
    )
    monkeypatch.setattr(
        store._calls,
        "batch_delete",
        lambda table, keys: erased.append(len(keys)) or batch(table, keys),
    )

    for _ in store.erase_epoch("main", WEEK):
        assert sum(erased) == sum(listed), "a page is erased before the next is asked for"

    assert len(listed) > 1 and sum(listed) == 260


@pytest.mark.parametrize("call", ["batch_get_item", "batch_write_item"])
def test_what_is_never_done_is_said(store, monkeypatch, call):
    store.put(make())
    undone = {"Responses": {}, "UnprocessedKeys": {"t": 1}, "UnprocessedItems": {"t": 1}}
    monkeypatch.setattr(store._calls._client, call, lambda RequestItems: undone)

    with pytest.raises(StoreBusy):
        if call == "batch_get_item":
            find(store, make())
        else:
            list(store.erase_epoch("main", WEEK))


def cancelled(monkeypatch, store, times, *codes):
    """The next so many transactions are cancelled for these reasons, in turn for each write."""
    real, left = store._calls._client.transact_write_items, [*range(times)]

    def transact(TransactItems, **more):
        if not left:
            return real(TransactItems=TransactItems, **more)
        left.pop()
        raise store._calls._client.exceptions.TransactionCanceledException(
            {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": code} for code in codes],
            },
            "TransactWriteItems",
        )

    monkeypatch.setattr(store._calls._client, "transact_write_items", transact)


def test_transactions_that_met_are_tried_again(store, monkeypatch):
    store.set_seats({MORNING: 1})
    cancelled(monkeypatch, store, 2, "TransactionConflict", "None")

    store.take(make(opening=MORNING))

    assert store.seats([MORNING])[MORNING] == 0


def raised(call):
    """Which error of ours a call ends with, if any."""
    try:
        call()
    except QuietdeskError as error:
        return type(error)
    return None


# A condition that fails beside what passes may fail because of this very write, sent before and
# still on its way: the seat that is gone is the person's own.
MIXED = [
    ("TransactionConflict", "ConditionalCheckFailed"),
    ("ConditionalCheckFailed", "TransactionConflict"),
    ("ThrottlingError", "ConditionalCheckFailed"),
    ("ProvisionedThroughputExceeded", "ConditionalCheckFailed"),
]


@pytest.mark.parametrize("codes", MIXED)
def test_seat_is_not_called_gone_while_another_reason_may_pass(store, monkeypatch, codes):
    store.set_seats({MORNING: 1})
    mine = make(opening=MORNING)
    cancelled(monkeypatch, store, 2, *codes)

    assert raised(lambda: store.take(mine)) is None

    assert find(store, mine) == mine


@pytest.mark.parametrize("codes", MIXED)
def test_what_does_not_pass_is_busy_and_never_gone(store, monkeypatch, codes):
    store.set_seats({MORNING: 1})
    held = make(opening=MORNING)
    store.take(held)
    cancelled(monkeypatch, store, 1000, *codes)
    for write in (
        lambda: store.take(make(opening=MORNING)),
        lambda: store.erase(held),
        lambda: store.erase(held, stub=True),
        lambda: store.replace(held, make(id=held.id)),
        lambda: store.replace(held, make(NEXT, id=held.id)),
        lambda: store.set_seats({MORNING: 4}),
    ):
        assert raised(write) is StoreBusy


def test_phone_keeps_its_code_while_it_is_not_known_whether_its_seat_is_gone(
    open_world, monkeypatch
):
    free = open_world.publisher().free(NOW)
    sealed = open_world.taken(next(it for it in free if not it.path))
    cancelled(monkeypatch, open_world.store, 1000, "TransactionConflict", "ConditionalCheckFailed")

    refused = post(submit(open_world), envelopes.write(sealed))

    assert (refused["statusCode"], said(refused)) == (503, "unavailable")


def test_reason_that_no_other_try_can_change_is_not_tried_again(store, monkeypatch):
    store.set_seats({MORNING: 1})
    cancelled(monkeypatch, store, 1, "ValidationError", "None")

    with pytest.raises(StoreUnavailable) as refused:
        store.take(make(opening=MORNING))

    assert type(refused.value) is StoreUnavailable


# --- What has ended, tables, settings ------------------------------------------------------------


def test_what_ended_is_left_out_although_dynamodb_still_has_it(store, store_spec, aws):
    ended = make(expires=int(NOW.timestamp()))
    store.put(ended)

    assert find(store, ended) is None
    table = store_spec.removeprefix("dynamodb:") + "-requests"
    assert aws.scan(TableName=table)["Count"] == 1
    assert sum(store.erase_expired("main", WEEK, NOW)) == 1


def test_stub_has_a_number_a_digest_and_an_end_and_nothing_else(store, store_spec, aws):
    cancelled, moved, kept_waiting = make(), make(), make(opening=MORNING)
    store.set_seats({MORNING: 1})
    store.take(kept_waiting)
    for envelope in (cancelled, moved):
        store.put(envelope)

    store.erase(cancelled, stub=True)
    store.erase(kept_waiting, stub=True)
    store.replace(moved, make(NEXT, id=moved.id))

    table = store_spec.removeprefix("dynamodb:") + "-requests"
    items = aws.scan(TableName=table)["Items"]
    stubs = [set(item) for item in items if item["week"]["S"] == f"main#{WEEK}"]
    assert stubs == [{"week", "id", "digest", "expires"}] * 3


def test_nothing_of_a_week_is_left_where_its_keys_were(store, store_spec, aws):
    store.put_keys(Kid("main", "visit", WEEK, "00000001"), bytes(32), {"one": b"w", "two": b"w"})
    table = store_spec.removeprefix("dynamodb:") + "-keys"
    assert aws.scan(TableName=table)["Count"] == 3

    store.destroy_keys("main", WEEK)

    assert aws.scan(TableName=table)["Count"] == 0


def test_halves_and_wraps_lie_in_partitions_of_their_own(store, store_spec, aws):
    kid = Kid("main", "visit", WEEK, "00000001")
    store.put_keys(kid, bytes(32), {"one": b"w"})

    rows = aws.scan(TableName=store_spec.removeprefix("dynamodb:") + "-keys")["Items"]

    assert {row["week"]["S"]: {*row} - {"week", "name"} for row in rows} == {
        f"main#{WEEK}": {"half"},
        f"main#{WEEK}#wraps": {"wrap"},
    }


def old_place(aws, store_spec, kid, device, wrap):
    """A wrap as the release before put it: beside the halves."""
    key = {"week": {"S": f"{kid.queue}#{kid.epoch}"}, "name": {"S": f"wrap#{kid}#{device}"}}
    table = store_spec.removeprefix("dynamodb:") + "-keys"
    aws.put_item(TableName=table, Item={**key, "wrap": {"B": wrap}})


def test_wrap_of_the_release_before_is_read_where_it_was_put(store, store_spec, aws):
    kid = Kid("main", "visit", WEEK, "00000001")
    store.put_keys(kid, bytes(32), {})
    old_place(aws, store_spec, kid, "one", b"old")
    assert store.wrapped(kid, "one")
    assert not store.wrapped(kid, "two")
    assert store.wrap(kid, "one") == b"old"

    store.put_wrap(kid, "one", b"new", over=store.wrap(kid, "one"))

    assert store.wrap(kid, "one") == b"new"


def test_wrap_of_the_release_before_is_destroyed_with_its_week(store, store_spec, aws):
    kid = Kid("main", "visit", WEEK, "00000001")
    store.put_keys(kid, bytes(32), {"one": b"new"})
    for device in ("one", "two"):
        old_place(aws, store_spec, kid, device, b"old")

    assert store.destroy_keys("main", WEEK) == [kid]

    assert aws.scan(TableName=store_spec.removeprefix("dynamodb:") + "-keys")["Count"] == 0


def test_wrap_whose_answer_was_lost_is_put_once(store):
    kid = Kid("main", "visit", WEEK, "00000001")
    real, calls = store._calls._client.put_item, []

    def lost(**arguments):
        calls.append(arguments)
        real(**arguments)
        return real(**arguments)  # sent again by botocore, which saw no answer

    store._calls._client.put_item = lost
    store.put_wrap(kid, "one", b"w")

    assert len(calls) == 1
    assert store.wrapped(kid, "one")


def test_every_read_sees_what_was_written_just_before(store):
    """Or a request could be shown, moved or opened for a while after it was cancelled."""
    asked = []
    store._calls._client.meta.events.register(
        "before-call", lambda model, params, **_: asked.append((model.name, params["body"]))
    )

    find(store, make())
    store.seats(["corona-1"])
    store.read("devices")
    list(store.pull("main", [WEEK], NOW))
    store.destroy_keys("main", WEEK)
    list(store.erase_epoch("main", WEEK))

    reads = [name for name, body in asked if b'"ConsistentRead": true' in body]
    assert {name for name, _ in asked} == {"BatchGetItem", "GetItem", "Query"}
    assert len(reads) == len(asked)


def test_known_and_unknown_ids_are_asked_for_in_one_call(store):
    first, last = make(), make(NEXT)
    for envelope in (first, last):
        store.put(envelope)
    sent = []
    store._calls._client.meta.events.register("before-send", lambda **_: sent.append(1))

    for envelope in (first, last, make()):
        find(store, envelope)

    assert len(sent) == 3


def test_what_was_given_a_later_end_meanwhile_is_not_erased(store, monkeypatch):
    envelope = make(expires=int(NOW.timestamp()))
    store.put(envelope)
    listed = list(store._calls.pages(store._requests, f"main#{WEEK}"))
    store.replace(envelope, make(id=envelope.id, expires=LATER))
    monkeypatch.setattr(store._calls, "pages", lambda *_, **__: iter(listed))

    assert sum(store.erase_expired("main", WEEK, NOW)) == 0
    assert find(store, envelope)


def test_tables_have_no_time_to_live_and_nothing_that_remembers(store_spec, aws):
    """DynamoDB would erase rows of which sweep knows nothing, days late or, in a hold, for good."""
    prefix = store_spec.removeprefix("dynamodb:") + "-lives"
    create_tables(prefix)

    for name in TABLES:
        table = aws.describe_table(TableName=f"{prefix}-{name}")["Table"]
        assert not table.get("StreamSpecification", {}).get("StreamEnabled")
        assert not table.get("GlobalSecondaryIndexes")
        recovery = aws.describe_continuous_backups(TableName=f"{prefix}-{name}")
        state = recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert state["PointInTimeRecoveryStatus"] == "DISABLED"
        lives = aws.describe_time_to_live(TableName=f"{prefix}-{name}")
        assert lives["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"


def test_tables_that_are_there_are_not_made_again(store_spec):
    with pytest.raises(Conflict):
        create_tables(store_spec.removeprefix("dynamodb:"))


def test_a_call_takes_no_longer_than_is_said(store_spec):
    attempts = CONFIG.retries["total_max_attempts"]
    # Of the standard mode's waits the first is at most a second (botocore.retries.standard).
    longest = attempts * (CONFIG.connect_timeout + CONFIG.read_timeout) + (attempts - 1)

    assert longest <= calls.CALL_SECONDS


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.read("bundle#main#2026-W47"),
        lambda store: store.put(make()),
        lambda store: store.seats([MORNING]),
        lambda store: find(store, make()),
        lambda store: store.take(replace(make(), opening=MORNING)),
    ],
    ids=["read", "put", "seats", "find", "take"],
)
def test_no_call_of_an_answer_begins_too_late_and_the_next_answer_starts_anew(
    store, monkeypatch, call
):
    clock, sent = [100.0], []
    monkeypatch.setattr(calls.time, "monotonic", lambda: clock[0])
    store._calls._client.meta.events.register("before-send", lambda **_: sent.append(1))
    store.begin()

    clock[0] += calls.FUNCTION_SECONDS + 1
    with pytest.raises(StoreUnavailable, match="too long"):
        call(store)
    assert sent == []

    store.begin()
    assert store.read("nothing") is None
    assert sent == [1]


def test_an_answer_that_is_late_does_not_end_that_of_another_thread(store, monkeypatch):
    clock, read = [100.0], []
    monkeypatch.setattr(calls.time, "monotonic", lambda: clock[0])

    def answer():
        store.begin()
        read.append(store.read("nothing"))

    store.begin()
    clock[0] += calls.FUNCTION_SECONDS + 1
    another = Thread(target=answer)
    another.start()
    another.join()

    assert read == [None]
    with pytest.raises(StoreUnavailable, match="too long"):
        store.read("nothing")


def test_a_week_is_destroyed_on_dynamodb_too(world):
    world.store.put(world.sealed())
    later = datetime(2026, 12, 1, tzinfo=UTC)

    lines = sweep.run(world.store, world.city, later)

    assert [(line.kind, line.epochs) for line in lines] == [
        ("keys", (Epoch(2026, 47),)),
        ("rows", (Epoch(2026, 47),)),
    ]
    assert list(world.desk().pull(later)) == []


def test_commands_work_on_dynamodb(store_spec, tmp_path):
    spec = f"dynamodb:{store_spec.removeprefix('dynamodb:')}-cli"
    words = "a long enough passphrase"

    made = quietdesk(tmp_path, "--store", spec, "store", "create")
    custodian = str(tmp_path / "one.keyring")
    ours = ["--deployment", "demo"]
    making = ["--store", spec, "custodian", "new", custodian, *ours]
    new = quietdesk(tmp_path, *making, passphrase=words)
    (tmp_path / "custodians.txt").write_text(new.stdout.split()[-1] + "\n")
    device = quietdesk(tmp_path, "--store", spec, "device", "new", *ours, passphrase=words)
    by = ["--custodian", custodian]
    admit = ["device", "admit", device.stdout.split()[1], "--yes", *by]
    admitted = quietdesk(tmp_path, "--store", spec, *admit, passphrase=words)
    minted = quietdesk(tmp_path, "--store", spec, "keys", "mint", *by, passphrase=words)
    pulled = quietdesk(tmp_path, "--store", spec, "pull", passphrase=words)

    for run in (made, new, device, admitted, minted, pulled):
        assert run.returncode == 0, run.stderr
    assert made.stdout.count("made.") == 3
    assert minted.stdout.count("key made") == 6
    assert "No requests are waiting." in pulled.stdout

    published = quietdesk(tmp_path, "--store", spec, "openings", "publish", passphrase=words)
    listed = quietdesk(tmp_path, "--store", spec, "openings", "list", "--json")
    assert published.returncode == listed.returncode == 0, published.stderr + listed.stderr
    assert {json.loads(line)["who"] for line in listed.stdout.splitlines()} == {"residents", "desk"}


def test_the_function_says_201_only_for_what_is_stored(world):
    """Through `submit` itself, with the two attempts that a function makes."""
    chance = random.Random(48)  # noqa: S311 - which fault, not a secret
    store = open_store(world.spec)
    inject(store, (chance.choice([BROKEN, reset, lose_answer, pass_on]) for _ in itertools.count()))
    handler = submit(replace(world, store=store))
    statuses, kept = [], []

    for _ in range(40):
        sealed = world.sealed()
        statuses.append(post(handler, envelopes.write(sealed))["statusCode"])
        if statuses[-1] == 201:
            kept.append(sealed.id)
    store.close()

    stored = {envelope.id for envelope in world.store.pull("main", [WEEK], NOW)}
    assert set(statuses) == {201, 503}
    assert set(kept) <= stored


SIGN_IN = "hint: sign in with: quietdesk sign-in"


@pytest.mark.parametrize(
    ("refusal", "said", "hint"),
    [
        (error("ExpiredTokenException"), "does not accept this sign-in", SIGN_IN),
        (error("UnrecognizedClientException"), "does not accept this sign-in", SIGN_IN),
        (error("AccessDeniedException"), "your role may not do this", "gives out the roles"),
        (error("InvalidSignatureException", LATE), "clock is not", "the time and the time zone"),
        (error("ThrottlingException"), "the store is throttled", "try again in a moment"),
    ],
)
def test_person_at_a_desk_is_told_what_is_wrong_and_what_to_do(
    world, tmp_path, monkeypatch, refusal, said, hint
):
    keyring.save(tmp_path / "device.keyring", keyring.lock(world.device))
    (tmp_path / "custodians.txt").write_text(b64(world.custodian.public_key))
    with stub() as aws:
        aws.dynamodb = refusal
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.url)
        pulled = quietdesk(tmp_path, "--store", "dynamodb:desk", "pull", passphrase=PASSPHRASE)

    assert (pulled.returncode, pulled.stdout) == (1, "")
    *_, what, next = pulled.stderr.splitlines()  # after the weeks that wait to be forgotten
    assert said in what and hint in next
    assert refusal[1]["message"] not in pulled.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_PROFILE": "not-there"}, "AWS_PROFILE names a profile"),
        ({"AWS_DEFAULT_REGION": None, "AWS_REGION": None}, "no AWS region is set"),
    ],
)
def test_person_at_a_desk_is_told_which_setting_is_wrong(
    world, tmp_path, monkeypatch, environment, said
):
    keyring.save(tmp_path / "device.keyring", keyring.lock(world.device))
    (tmp_path / "custodians.txt").write_text(b64(world.custodian.public_key))
    set_all(monkeypatch, {"AWS_CONFIG_FILE": str(tmp_path / "none"), **environment})

    pulled = quietdesk(tmp_path, "--store", "dynamodb:desk", "pull", passphrase=PASSPHRASE)

    assert pulled.returncode == 1
    *_, what, next = pulled.stderr.splitlines()  # after the weeks that wait to be forgotten
    assert said in what and "docs/operations.md" in next
