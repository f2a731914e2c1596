"""How DynamoDB is asked: no call begins too late, what it gives back undone is asked for again.

A write whose answer was lost is sent again by botocore: then its condition fails, though it was
written. So every refused write tells what it found, and whether it was sent more than once.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from quietdesk.errors import Conflict, StoreBusy, StoreUnavailable
from quietdesk.store.dynamodb.aws_errors import code_of, named_errors
from quietdesk.store.dynamodb.items import Item

CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=1, read_timeout=1
)
# Two attempts, to connect and to read, and botocore's wait of at most a second between them.
CALL_SECONDS = 5
# No call of an answer begins after so many: an answer's worst case is both together, and the
# function's own timeout (infra/template.yaml) is longer than that.
FUNCTION_SECONDS = 8
PATIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=30
)
TRIES = 6  # for what DynamoDB gives back undone, and for two transactions that met
BATCH_WRITE, BATCH_GET, TRANSACTION = 25, 100, 100  # the most items a call may name
# Why a write of a transaction is refused, as DynamoDB names it. Those that pass are tried again;
# any other means that it would be refused for ever.
CONDITION = "ConditionalCheckFailed"
PASSING = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})


@dataclass(frozen=True, slots=True)
class Refused:
    """A write whose condition did not hold: what was there, and whether it was tried before, so
    that it may have been written itself."""

    held: Item
    tried_again: bool


class _Answer(threading.local):
    """Until when a call may begin: of each thread its own, as each answers somebody else."""

    until = math.inf


class Calls:
    """One client, and the clock of each answer. Every method may raise StoreUnavailable and its
    kinds."""

    def __init__(self, config: Config):
        with named_errors():
            self._client = client(config)
        self._answer = _Answer()

    def begin(self) -> None:
        """An answer begins: its calls must begin within FUNCTION_SECONDS."""
        self._answer.until = time.monotonic() + FUNCTION_SECONDS

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def date(self) -> datetime:
        """AWS's date, from the head of its answer. Nobody signs the question: AWS refuses one that
        is signed by a wrong clock, or by who is not signed in, and its refusals are dated too."""
        with named_errors():
            anybody = client(CONFIG.merge(Config(signature_version=UNSIGNED)))
            try:
                answer = anybody.list_tables(Limit=1)
            except ClientError as error:
                answer = error.response
            finally:
                anybody.close()
        try:
            date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        except (KeyError, ValueError):
            raise StoreUnavailable("the store does not say what day it is") from None
        return date.astimezone(UTC)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """One call, if it may still begin."""
        if time.monotonic() > self._answer.until:
            raise StoreUnavailable("the store takes too long to answer")
        with named_errors():
            yield

    # --- Reading ---

    def get(self, table: str, key: Item) -> Item | None:
        """One item."""
        with self._in_time():
            answer = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def batch_get(self, table: str, keys: Sequence[Item]) -> list[Item]:
        """Those of the items that are there."""
        found: list[Item] = []
        for start in range(0, len(keys), BATCH_GET):
            left: dict[str, Any] = {
                table: {"Keys": keys[start : start + BATCH_GET], "ConsistentRead": True}
            }
            for delay in delays():
                with self._in_time():
                    answer = self._client.batch_get_item(RequestItems=left)
                found += answer["Responses"].get(table, [])
                left = answer.get("UnprocessedKeys") or {}
                if not left:
                    break
                time.sleep(delay)
            else:
                raise StoreBusy("the store gives answers too slowly; try again later")
        return found

    def query(
        self, table: str, week: str, values: Mapping[str, Any] | None = None, **more: Any
    ) -> Iterator[Item]:
        """Every item of a partition, read page after page."""
        for page in self.pages(table, week, values, **more):
            yield from page

    def pages(
        self, table: str, week: str, values: Mapping[str, Any] | None = None, **more: Any
    ) -> Iterator[list[Item]]:
        """Every item of a partition, by pages of at most 1 MB; of a filter a page may have none.
        The items of a page may be deleted before the next one is asked for."""
        if "ProjectionExpression" in more:
            more["Select"] = "SPECIFIC_ATTRIBUTES"  # sweep's role may ask for nothing else
        ask: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": "week = :week",
            "ExpressionAttributeValues": {":week": {"S": week}, **(values or {})},
            "ConsistentRead": True,
            **more,
        }
        while True:
            with self._in_time():
                page = self._client.query(**ask)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            ask["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    # --- Writing ---

    def put(self, **arguments: Any) -> Refused | None:
        """Write one item under a condition; tells when the condition did not hold."""
        return self._write(self._client.put_item, arguments)

    def put_over(self, already: Callable[[Item], bool], **arguments: Any) -> None:
        """Write one item under a condition. Raises Conflict when it does not hold, unless the first
        attempt was written and only its answer lost: then `already` knows what is there."""
        _conflict_unless(already, self.put(**arguments))

    def delete(self, **arguments: Any) -> None:
        """Delete one item under a condition. Raises Conflict as put_over does."""
        refused = self._write(self._client.delete_item, arguments)
        _conflict_unless(lambda held: not held, refused)

    def _write(self, call: Callable[..., Any], arguments: Mapping[str, Any]) -> Refused | None:
        with self._in_time():
            try:
                call(**arguments, ReturnValuesOnConditionCheckFailure="ALL_OLD")
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
                again = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                return Refused(error.response.get("Item", {}), again)
        return None

    def transact(self, writes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All of the writes, or none: then a reason for each, and a condition is why. While one of
        the reasons is that another transaction was there, or too many calls, no other reason is
        believed: what was there may be this very write, sent before. Then it is tried again."""
        for delay in delays():
            with self._in_time():
                try:
                    self._client.transact_write_items(TransactItems=writes)
                    return []
                except ClientError as error:
                    if code_of(error) != "TransactionCanceledException":
                        raise
                    reasons: list[dict[str, Any]] = error.response["CancellationReasons"]
            codes = {reason.get("Code") or "None" for reason in reasons} - {"None"}
            if codes == {CONDITION}:
                return reasons
            if not codes <= PASSING | {CONDITION}:
                raise StoreUnavailable("the store refuses what it was asked to write")
            time.sleep(delay)
        raise StoreBusy("others are writing the same; try again in a moment")

    def batch_delete(self, table: str, keys: Iterable[Item]) -> None:
        """Delete items. Some may be deleted when it raises."""
        self._batch_write(table, [{"DeleteRequest": {"Key": key}} for key in keys])

    def _batch_write(self, table: str, writes: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(writes), BATCH_WRITE):
            left: dict[str, Any] = {table: list(writes[start : start + BATCH_WRITE])}
            for delay in delays():
                with self._in_time():
                    answer = self._client.batch_write_item(RequestItems=left)
                left = answer.get("UnprocessedItems") or {}
                if not left:
                    break
                time.sleep(delay)
            else:
                raise StoreBusy("a part was not written yet; try again later")


def client(config: Config) -> Any:
    """A client of DynamoDB; endpoint, region and credentials come the usual AWS way."""
    # As boto3.client does it; boto3 itself would bring what copies files to S3, and a function
    # would start a tenth more slowly.
    return get_session().create_client("dynamodb", config=config)


def delays() -> Iterator[float]:
    """Seconds to wait after each try: longer each time, and not in step with others."""
    return (0.02 * 2**n * random.uniform(0.5, 1.5) for n in range(TRIES))  # noqa: S311 - no secret


def failed(reasons: Sequence[Mapping[str, Any]], index: int) -> bool:
    """Whether it was this write's condition for which a transaction was refused."""
    return bool(reasons) and reasons[index].get("Code") == CONDITION


def _conflict_unless(already: Callable[[Item], bool], refused: Refused | None) -> None:
    if refused and not (refused.tried_again and already(refused.held)):
        raise Conflict("somebody else wrote first, or it is gone")
