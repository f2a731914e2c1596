"""A dependency of `submit` that turned against us: it has the function's own credentials, answers
as if nothing were, and tries to read, list and delete. Run by awslambdaric in test_rights.py."""

import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.emulators import be_patient

be_patient()

from quietdesk.handler import handler as submit  # noqa: E402 - it opens the store

TABLES = {name: os.environ["TEST_PREFIX"] + name for name in ("requests", "keys", "public")}
WEEK = {"week": {"S": "main#2026-W47"}}
KEYS = {
    "requests": WEEK | {"id": {"B": b"0123456789abcdef"}},
    "keys": WEEK | {"name": {"S": "half#main.visit.2026-W47.00000000"}},
    "public": {"name": {"S": "record#main"}},
}


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    answer = submit(event, context)
    client = boto3.client("dynamodb")
    answer["headers"]["X-Got"] = " ".join(
        name for name, arguments in _attempts() if _works(getattr(client, name), arguments)
    )
    return answer


def _attempts() -> list[tuple[str, dict[str, Any]]]:
    tried: list[tuple[str, dict[str, Any]]] = []
    for name in ("requests", "keys"):
        table, key = TABLES[name], KEYS[name]
        week = {"KeyConditionExpression": "week = :w"}
        values = {"ExpressionAttributeValues": {":w": WEEK["week"]}}
        tried += [
            ("get_item", {"TableName": table, "Key": key}),
            ("batch_get_item", {"RequestItems": {table: {"Keys": [key]}}}),
            ("query", {"TableName": table, **week, **values}),
            ("scan", {"TableName": table}),
            ("delete_item", {"TableName": table, "Key": key}),
            ("update_item", {"TableName": table, "Key": key}),
            (
                "transact_write_items",
                {"TransactItems": [{"Delete": {"TableName": table, "Key": key}}]},
            ),
            (
                "batch_write_item",
                {"RequestItems": {table: [{"DeleteRequest": {"Key": key}}]}},
            ),
        ]
    tried += [
        ("put_item", {"TableName": TABLES["keys"], "Item": KEYS["keys"]}),
        ("put_item", {"TableName": TABLES["public"], "Item": KEYS["public"]}),
        ("delete_item", {"TableName": TABLES["public"], "Key": KEYS["public"]}),
        ("scan", {"TableName": TABLES["public"]}),
        ("list_tables", {}),
        ("describe_table", {"TableName": TABLES["requests"]}),
        ("create_backup", {"TableName": TABLES["requests"], "BackupName": "mine"}),
        ("delete_table", {"TableName": TABLES["requests"]}),
    ]
    return tried


def _works(call: Any, arguments: Mapping[str, Any]) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return "AccessDenied" not in error.response["Error"]["Code"]
    return True
