"""The three tables, and how they are made for tests and demos. In the cloud infra/ makes them."""

from collections.abc import Mapping
from contextlib import closing

from quietdesk.errors import Conflict
from quietdesk.store.dynamodb.aws_errors import named_errors
from quietdesk.store.dynamodb.calls import PATIENT, client

# Table: partition key, sort key. None has a time to live: sweep alone erases.
TABLES: Mapping[str, tuple[tuple[str, str], tuple[str, str] | None]] = {
    "requests": (("week", "S"), ("id", "B")),
    "keys": (("week", "S"), ("name", "S")),
    "public": (("name", "S"), None),
}


def create_tables(prefix: str) -> list[str]:
    """Make the tables on the endpoint in use; gives their names. Raises Conflict when one is
    there."""
    made = []
    with named_errors(), closing(client(PATIENT)) as dynamodb:
        for name, (partition, sort) in TABLES.items():
            table = f"{prefix}-{name}"
            columns = [column for column in (partition, sort) if column]
            try:
                dynamodb.create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[
                        {"AttributeName": column, "AttributeType": kind} for column, kind in columns
                    ],
                    KeySchema=[
                        {"AttributeName": column, "KeyType": role}
                        for (column, _), role in zip(columns, ("HASH", "RANGE"), strict=False)
                    ],
                )
            except dynamodb.exceptions.ResourceInUseException:
                raise Conflict(f"there is a table {table} already") from None
            dynamodb.get_waiter("table_exists").wait(TableName=table)
            made.append(table)
    return made
