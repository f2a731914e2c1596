"""The rights of docs/operations.md, tried on an emulator that enforces IAM. It knows no
`dynamodb:LeadingKeys`, so which keys a role may write is shown by test_template.py only."""

import json
from dataclasses import replace
from urllib.parse import urlencode

import boto3
import pytest
from botocore.exceptions import ClientError
from infra import template

from quietdesk import cloud, codes, sweep
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.custodian.ceremony import Minting
from quietdesk.staff.device import upload
from quietdesk.store import open_store
from quietdesk.store.dynamodb.tables import TABLES, create_tables
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.emulators import be_patient, emulator
from tests.events import FORM, by_code, check, event, fill_in, get, submit, text
from tests.runtime_api import on_lambda
from tests.world import ASKED, NOON, WEEK, make_custodian, make_world

PREFIX = "quietdesk-rights"
ORIGIN = "the-word-of-the-origin"
ACCOUNT = "000000000000"
ROLES = ["submit", "check", "sweep", "counter", "scheduler", "custodian", "auditor"]
# For each table an item that everybody may write who may write at all.
ITEMS = {
    "requests": {"week": {"S": "main#2026-W47"}, "id": {"B": b"0123456789abcdef"}},
    "keys": {"week": {"S": "main#2026-W47#wraps"}, "name": {"S": "x#y"}},
    "public": {"name": {"S": "seats#x"}},
}


@pytest.fixture(scope="module")
def emulated_aws(emulators, tmp_path_factory):
    """ministack with IAM, and the tables of one store."""
    with (
        emulator("ministack", tmp_path_factory.mktemp("iam"), "dynamodb,iam,sts") as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in running.environment().items():
            patch.setenv(name, value)
        be_patient(patch.setattr)
        create_tables(PREFIX)
        yield running


@pytest.fixture(scope="module")
def credentials(emulated_aws):
    """For each role of the template a user with its very policy."""
    rendered = template.render(template.read())
    iam = boto3.client("iam", endpoint_url=emulated_aws.url)
    made = {}
    documents = {}
    for role, statements in template.policies(rendered):
        documents[role] = {"Version": "2012-10-17", "Statement": [_here(it) for it in statements]}
    assert set(documents) == set(ROLES)
    # Who places people has two policies.
    for user, roles in {**{it: [it] for it in ROLES}, "placing": ["counter", "scheduler"]}.items():
        iam.create_user(UserName=user)
        for role in roles:
            policy = json.dumps(documents[role])
            iam.put_user_policy(UserName=user, PolicyName=role, PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        made[user] = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    iam.close()
    return made


def _here(statement):
    """The statement with the tables' ARNs in the place of the template's words for them."""

    def arn(resource):
        name, _, _ = template.attribute(resource).partition(".")
        if name.endswith("Log"):
            return f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}"
        table = name.removesuffix("Table").lower()
        return f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{PREFIX}-{table}"

    resources = statement["Resource"]
    resources = resources if isinstance(resources, list) else [resources]
    return {**statement, "Resource": [arn(it) for it in resources]}


def calls(table):
    """Every action that a role has anywhere, and those that none may have, on a table."""
    name, item = f"{PREFIX}-{table}", ITEMS[table]
    partition, sort = TABLES[table]
    where = {"TableName": name}
    key = {column[0]: item[column[0]] for column in (partition, sort) if column}
    fields = {"requests": "week, id", "keys": "week, #n", "public": "#n"}[table]
    names = {} if table == "requests" else {"ExpressionAttributeNames": {"#n": "name"}}
    values = {"ExpressionAttributeValues": {":p": item[partition[0]]}}
    hash_key = "#n" if partition[0] == "name" else partition[0]
    return {
        "GetItem": ("get_item", where | {"Key": key}),
        "BatchGetItem": ("batch_get_item", {"RequestItems": {name: {"Keys": [key]}}}),
        "PutItem": ("put_item", where | {"Item": item}),
        "UpdateItem": ("update_item", where | {"Key": key}),
        "DeleteItem": ("delete_item", where | {"Key": key}),
        "BatchWriteItem": (
            "batch_write_item",
            {"RequestItems": {name: [{"DeleteRequest": {"Key": key}}]}},
        ),
        "Query": (
            "query",
            where
            | {"KeyConditionExpression": f"{hash_key} = :p", "ProjectionExpression": fields}
            | {"Select": "SPECIFIC_ATTRIBUTES"}
            | names
            | values,
        ),
        "Scan": ("scan", where),
        "DescribeTable": ("describe_table", where),
        "DescribeTimeToLive": ("describe_time_to_live", where),
        "DescribeContinuousBackups": ("describe_continuous_backups", where),
        "CreateBackup": ("create_backup", where | {"BackupName": "mine"}),
        "UpdateTimeToLive": (
            "update_time_to_live",
            where | {"TimeToLiveSpecification": {"Enabled": False, "AttributeName": "expires"}},
        ),
        "UpdateContinuousBackups": (
            "update_continuous_backups",
            where | {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
        ),
        "DeleteTable": ("delete_table", where),
    }


def client_of(credentials, role):
    return boto3.client(
        "dynamodb",
        aws_access_key_id=credentials[role]["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials[role]["AWS_SECRET_ACCESS_KEY"],
    )


def refused(call, arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return "AccessDenied" in error.response["Error"]["Code"]
    return False


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_the_table_says_and_nothing_else(credentials, role):
    rights = template.rights(template.render(template.read()))
    client = client_of(credentials, role)
    allowed = {
        (table, action)
        for table in TABLES
        for action, (name, arguments) in calls(table).items()
        if not refused(getattr(client, name), arguments)
    }
    client.close()

    assert allowed == {(it.table, it.action) for it in rights if it.role == role}


@pytest.mark.parametrize("table", ["requests", "keys"])
def test_sweep_cannot_read_what_it_destroys(credentials, table):
    client = client_of(credentials, "sweep")
    name, arguments = calls(table)["Query"]
    names = {} if table == "requests" else {"ExpressionAttributeNames": {"#n": "name"}}
    whole = {k: v for k, v in arguments.items() if k in ("TableName", "KeyConditionExpression")}
    whole |= {"ExpressionAttributeValues": arguments["ExpressionAttributeValues"]}

    assert refused(client.query, whole)
    for field in ("visit", "contact", "reply", "half", "wrap"):
        more = arguments | {"ProjectionExpression": f"week, {field}"}
        more.pop("ExpressionAttributeNames", None)
        assert refused(client.query, more), (field, names, name)
    client.close()


def fresh_tables():
    """Tables with nothing in them, whatever an attack has left."""
    client = boto3.client("dynamodb")
    there = set(client.list_tables()["TableNames"])
    for name in TABLES:
        if f"{PREFIX}-{name}" in there:
            client.delete_table(TableName=f"{PREFIX}-{name}")
    client.close()
    create_tables(PREFIX)


def attacked(emulated_aws, signing, custodian, folder):
    """What submit answers when a dependency inside it attacks, signing with those keys."""
    fresh_tables()
    env = {
        **emulated_aws.environment(),
        **signing,
        "QUIETDESK_FUNCTION": "submit",
        "QUIETDESK_STORE": f"dynamodb:{PREFIX}",
        "QUIETDESK_CUSTODIANS": b64(custodian.public_key),
        "QUIETDESK_ORIGIN": ORIGIN,
        "TEST_PREFIX": f"{PREFIX}-",
    }
    body = urlencode({**ASKED, "lang": "en", "step": "review"}, doseq=True).encode()
    asked = event("POST", "/api/requests", body, FORM, {cloud.ORIGIN_HEADER: ORIGIN})
    with on_lambda("tests.hostile_dependency.handler", env, folder / "lambda.log") as function:
        return function(asked, None)


def test_who_runs_inside_submit_reads_lists_and_deletes_nothing(
    emulated_aws, credentials, tmp_path, custodian
):
    answer = attacked(emulated_aws, credentials["submit"], custodian, tmp_path)

    assert answer["statusCode"] == 200  # the form is read back: the function itself works
    assert answer["headers"]["X-Got"] == ""


def test_the_attack_is_one_where_nothing_is_in_its_way(emulated_aws, custodian, tmp_path):
    got = attacked(emulated_aws, {}, custodian, tmp_path)["headers"]["X-Got"]

    assert {"get_item", "query", "scan", "delete_item", "delete_table"} <= set(got.split())


# --- What each role may is enough ----------------------------------------------------------------


@pytest.fixture
def signed_as(emulated_aws, credentials, monkeypatch):
    """A store of its own, opened with a role's keys."""
    opened = []

    def open_as(role):
        with monkeypatch.context() as patch:
            for name, value in credentials[role].items():
                patch.setenv(name, value)
            opened.append(open_store(f"dynamodb:{PREFIX}"))
            opened[-1].read("devices")  # botocore reads the keys when it first signs
        return opened[-1]

    yield open_as
    for store in opened:
        store.close()


def test_everybody_can_do_their_work_with_their_own_rights(
    signed_as, emulated_aws, tmp_path, monkeypatch
):
    custodian = make_custodian()
    fresh_tables()
    with monkeypatch.context() as patch:  # custodians admit a device and mint
        patch.setattr("tests.world.open_store", lambda *_, **__: signed_as("custodian"))
        minted = make_world(tmp_path, custodian=custodian)

    scheduler = replace(minted, store=signed_as("placing"))
    scheduler.publisher().publish(NOON, taking=True)

    resident = submit(replace(minted, store=signed_as("submit")))
    free = get(resident, "/api/openings")
    opening = json.loads(free["body"])["free"][0]
    code, other = codes.new(), codes.new()
    assert fill_in(resident, "send", code=[code])["statusCode"] == 201
    assert fill_in(resident, "send", code=[other], opening=[opening])["statusCode"] == 201

    desk = scheduler.desk()
    waiting = next(it for it in desk.pull(NOON) if it.state == "waiting")
    chosen = next(it for it in scheduler.publisher().free(NOON) if it.path == "desk")
    desk.place(waiting, chosen, NOON)

    looking = check(replace(minted, store=signed_as("check")))
    seen = by_code(looking, "see", code)
    assert "You have an appointment" in text(seen)
    assert "It is cancelled" in text(by_code(looking, "yes", other))

    counter = replace(minted, store=signed_as("counter")).desk()
    (left,) = counter.pull(NOON)
    counter.enter(ASKED, NOON, codes.new())
    counter.erase(left)

    # A staff computer tries its half of every key, says so, and puts a wrap of its own.
    at_desk = replace(minted, store=signed_as("counter"))
    found, device = at_desk.opener().prove(NOON), minted.device
    upload.say_found(at_desk.store, device, minted.city, NOON, found.proved, found.failed)
    kid = min(found.proved, key=str)
    wrap = at_desk.store.wrap(kid, device.id)
    at_desk.store.put_wrap(kid, device.id, wrap[::-1], over=wrap)
    at_desk.store.put_wrap(kid, device.id, wrap, over=wrap[::-1])

    # Custodians mint again, and see who opens what was minted before.
    ours, signers = signed_as("custodian"), [minted.custodian]
    became = ceremony.mint(ours, minted.city, minted.trust, signers, 5, NOON)
    assert became == Minting(minted=(Epoch(2026, 51),))
    (offer,) = ceremony.offers(ours, minted.city, minted.trust, NOON)
    for epoch, state in ((Epoch(2026, 47), "proved"), (Epoch(2026, 51), "untried")):
        kids = ceremony.kids_of(minted.raw_bundle(epoch), minted.trust, "main")
        assert ceremony.standing(ours, offer, kids).state == state

    swept = sweep.run(signed_as("sweep"), minted.city, NOON + 3 * WEEK)
    assert [(line.kind, str(*line.epochs)) for line in swept] == [
        ("keys", "2026-W47"),
        ("keys", "2026-W48"),
        ("rows", "2026-W47"),
        ("rows", "2026-W48"),
    ]
