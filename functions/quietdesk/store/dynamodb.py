"""The store in three DynamoDB tables: PREFIX-requests, PREFIX-keys and PREFIX-public.

No index and no scan. Every write is conditional, so that a retry after a lost answer is safe. TTL
is best effort (days, says AWS), so every read leaves out what has ended.
"""

import hmac
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    InvalidRegionError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.session import get_session

from quietdesk.envelopes import Envelope, SealedPart
from quietdesk.errors import (
    BadSetting,
    CannotOpen,
    ClockWrong,
    Conflict,
    KeyDestroyed,
    NoSeats,
    NotAllowed,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
)
from quietdesk.keys import Kid

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

# Table: partition key, sort key, attribute of the time to live.
TABLES: Mapping[str, tuple[tuple[str, str], tuple[str, str] | None, str | None]] = {
    "requests": (("week", "S"), ("id", "B"), "expires"),
    "keys": (("week", "S"), ("name", "S"), None),
    "public": (("name", "S"), None, None),
}

_BUSY = {
    "ProvisionedThroughputExceededException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_CLOCK = {"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}
# How AWS begins to say that it is the time of a signature, and not the signature, that is wrong.
_CLOCK_TEXTS = ("Signature expired", "Signature not yet current")
_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}
_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "ForbiddenException"}
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "UnauthorizedException",
    "UnrecognizedClientException",
}
# What botocore raises before it asks anybody: nobody is signed in, or not any more.
_NOT_SIGNED_IN = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    SSOError,
    TokenRetrievalError,
)
_LIVE = "attribute_exists(visit)"  # a stub has no parts

Item = dict[str, dict[str, Any]]


class DynamoDB:
    """A store in the tables of one prefix. Endpoint, region and credentials come the usual AWS way
    (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_DEFAULT_REGION`, profile or role)."""

    def __init__(self, prefix: str, config: Config = CONFIG):
        with _named_errors():
            self._client = _client(config)
        self._until = math.inf
        self._requests, self._keys, self._public = (f"{prefix}-{name}" for name in TABLES)

    def begin(self) -> None:
        self._until = time.monotonic() + FUNCTION_SECONDS

    def put(self, envelope: Envelope) -> None:
        with self._in_time():
            try:
                self._client.put_item(
                    TableName=self._requests,
                    Item=_item(envelope),
                    ConditionExpression="attribute_not_exists(id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if _code(error) != "ConditionalCheckFailedException":
                    raise
                _same_or_conflict(error.response.get("Item", {}), envelope)

    def take(self, envelope: Envelope) -> None:
        put = {
            "TableName": self._requests,
            "Item": _item(envelope),
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        reasons = self._with_seats([{"Put": put}], "", envelope.opening)
        if reasons:
            _same_or_conflict(reasons[0].get("Item", {}), envelope)

    def kept(self, queue: str, epoch: str, id: bytes, digest: bytes) -> bool:
        # Who may only put, as `submit`, learns it from a put that cannot happen.
        key: Item = {"week": {"S": f"{queue}#{epoch}"}, "id": {"B": id}}
        with self._in_time():
            try:
                self._client.put_item(
                    TableName=self._requests,
                    Item=key,
                    ConditionExpression="attribute_exists(id) AND attribute_not_exists(id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if _code(error) != "ConditionalCheckFailedException":
                    raise
                held = _data(error.response.get("Item", {}), "digest")
                return hmac.compare_digest(held, digest)
        raise StoreUnavailable("the store wrote where it could not")

    def set_seats(self, seats: Mapping[str, int]) -> None:
        wanted = list(seats.items())
        for start in range(0, len(wanted), TRANSACTION):
            chunk = dict(wanted[start : start + TRANSACTION])
            for delay in _delays():
                counts = self._counts(chunk)
                # Read, then written on condition: an update has no word for "the taken stay taken".
                writes = [
                    self._set(opening, counts.get(opening), of)
                    for opening, of in chunk.items()
                    if opening not in counts or counts[opening][0] != of
                ]
                if not writes or not self._transact(writes):
                    break
                time.sleep(delay)
            else:
                raise StoreBusy("others are writing the same; try again in a moment")

    def seats(self, openings: Iterable[str]) -> dict[str, int]:
        left = dict.fromkeys(openings, 0)
        return left | {it: max(0, left) for it, (_, left) in self._counts(left).items()}

    def taken(self, openings: Iterable[str]) -> dict[str, int]:
        none = dict.fromkeys(openings, 0)
        return none | {it: of - left for it, (of, left) in self._counts(none).items()}

    def _counts(self, openings: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Seats in all, and left, of the openings that are known."""
        wanted: list[Item] = [{"name": {"S": _seats_name(opening)}} for opening in openings]
        return {
            item["name"]["S"].partition("#")[2]: (
                int(item["seats"]["N"]),
                int(item["seats_left"]["N"]),
            )
            for item in self._batch_get(self._public, wanted)
        }

    def _set(self, opening: str, held: tuple[int, int] | None, of: int) -> dict[str, Any]:
        key = {"name": {"S": _seats_name(opening)}}
        if held is None:
            both = {"seats": {"N": str(of)}, "seats_left": {"N": str(of)}}
            condition = "attribute_not_exists(seats)"
            put = {"TableName": self._public, "Item": {**key, **both}}
            return {"Put": put | {"ConditionExpression": condition}}
        return {
            "Update": {
                "TableName": self._public,
                "Key": key,
                "UpdateExpression": "SET seats = :of, seats_left = seats_left + :more",
                "ConditionExpression": "seats = :before",
                "ExpressionAttributeValues": {
                    ":of": {"N": str(of)},
                    ":more": {"N": str(of - held[0])},
                    ":before": {"N": str(held[0])},
                },
            }
        }

    def drop_seats(self, openings: Iterable[str]) -> None:
        dropped = [{"name": {"S": _seats_name(opening)}} for opening in openings]
        self._batch_delete(self._public, dropped)

    def find(self, queue: str, id: bytes, epochs: Iterable[str], now: datetime) -> Envelope | None:
        keys: list[Item] = [
            {"week": {"S": f"{queue}#{epoch}"}, "id": {"B": id}} for epoch in epochs
        ]
        # One call however many weeks: known and unknown ids cost the same.
        items = self._batch_get(self._requests, keys)
        envelopes = (_envelope(item) for item in items if "visit" in item)
        return next((e for e in envelopes if e.expires > now.timestamp()), None)

    def replace(self, old: Envelope, new: Envelope) -> None:
        if (new.queue, new.id) != (old.queue, old.id):
            raise ValueError("a request keeps its queue and id")
        item = _item(new) | {"digest": {"B": old.digest}, "rev": {"N": str(old.rev + 1)}}
        back, wanted = (old.opening, new.opening) if new.opening != old.opening else ("", "")
        if new.epoch == old.epoch:
            if not back and not wanted:
                self._write_over(old, item)
                return
            put = {"TableName": self._requests, "Item": item, **_unchanged(old)}
            writes = [{"Put": put}]
        else:
            empty = "attribute_not_exists(visit)"
            put = {"TableName": self._requests, "Item": item, "ConditionExpression": empty}
            stub = {"TableName": self._requests, "Item": _stub(old), **_unchanged(old)}
            writes = [{"Put": put}, {"Put": stub}]
        put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        reasons = self._with_seats(writes, back, wanted)
        # What is there already may be this very move, written before its answer was lost.
        if reasons and reasons[0].get("Item") != item:
            raise Conflict("the request changed or went since it was read")

    def erase(self, old: Envelope, stub: bool = False) -> None:
        key = {"week": _week(old), "id": {"B": old.id}}
        if old.opening:
            where = {"TableName": self._requests, **_unchanged(old)}
            write = (
                {"Put": {"Item": _stub(old), **where}}
                if stub
                else {"Delete": {"Key": key, **where}}
            )
            if self._with_seats([write], old.opening, ""):
                raise Conflict("somebody else wrote first, or it is gone")
        elif stub:
            self._write_over(old, _stub(old))
        else:
            self._conditional(
                self._client.delete_item,
                already=lambda held: not held,
                TableName=self._requests,
                Key=key,
                **_unchanged(old),
            )

    def pull(self, queue: str, epochs: Iterable[str], now: datetime) -> Iterator[Envelope]:
        for epoch in epochs:
            for item in self._query(
                self._requests,
                f"{queue}#{epoch}",
                FilterExpression=f"expires > :now AND {_LIVE}",
                values={":now": _number(now)},
            ):
                yield _envelope(item)

    def erase_epoch(self, queue: str, epoch: str) -> int:
        week = f"{queue}#{epoch}"
        # visit_kid tells an envelope from a stub, and is much shorter than what is sealed.
        items = list(self._query(self._requests, week, ProjectionExpression="id, visit_kid"))
        self._batch_delete(
            self._requests, [{"week": {"S": week}, "id": item["id"]} for item in items]
        )
        return sum("visit_kid" in item for item in items)

    def erase_expired(self, queue: str, epochs: Iterable[str], now: datetime) -> int:
        count = 0
        for epoch in epochs:
            week = f"{queue}#{epoch}"
            values = {":now": _number(now)}
            for item in self._query(
                self._requests,
                week,
                FilterExpression="expires <= :now",
                ProjectionExpression="id, visit_kid",
                values=values,
            ):
                try:
                    self._conditional(
                        self._client.delete_item,
                        already=lambda held: not held,
                        TableName=self._requests,
                        Key={"week": {"S": week}, "id": item["id"]},
                        ConditionExpression="expires <= :now",
                        ExpressionAttributeValues=values,
                    )
                except Conflict:
                    continue  # somebody gave it another end since it was listed
                count += "visit_kid" in item
        return count

    def put_keys(self, kid: str, server_half: bytes, wraps: Mapping[str, bytes]) -> None:
        week = {"S": _key_week(kid)}
        item = {"week": week, "name": {"S": _half_name(kid)}, "half": {"B": server_half}}
        self._conditional(
            self._client.put_item,
            already=lambda held: held == item,
            TableName=self._keys,
            Item=item,
            ConditionExpression="attribute_not_exists(half)",
        )
        puts = [
            {"PutRequest": {"Item": {"week": week, "name": {"S": name}, "wrap": {"B": wrap}}}}
            for name, wrap in ((_wrap_name(kid, device), wrap) for device, wrap in wraps.items())
        ]
        self._batch_write(self._keys, puts)

    def server_half(self, kid: str) -> bytes:
        item = self._get(
            self._keys, {"week": {"S": _key_week(kid)}, "name": {"S": _half_name(kid)}}
        )
        if item is None:
            raise KeyDestroyed(str(Kid.parse(kid).epoch))
        return _data(item, "half")

    def wrap(self, kid: str, device: str) -> bytes:
        self.server_half(kid)
        name = {"S": _wrap_name(kid, device)}
        item = self._get(self._keys, {"week": {"S": _key_week(kid)}, "name": name})
        if item is None:
            raise CannotOpen("this week's keys were made before this device was admitted", "early")
        return _data(item, "wrap")

    def destroy_keys(self, queue: str, epoch: str) -> list[str]:
        week = f"{queue}#{epoch}"
        names = [
            item["name"]["S"]
            for item in self._query(
                self._keys,
                week,
                ProjectionExpression="#name",
                ExpressionAttributeNames={"#name": "name"},
            )
        ]
        self._batch_delete(
            self._keys, [{"week": {"S": week}, "name": {"S": name}} for name in names]
        )
        return sorted(name.removeprefix("half#") for name in names if name.startswith("half#"))

    def publish(self, name: str, data: bytes, expected_seq: int) -> int:
        seq = expected_seq + 1
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(seq)"}
        if expected_seq:
            condition = {
                "ConditionExpression": "seq = :seq",
                "ExpressionAttributeValues": {":seq": {"N": str(expected_seq)}},
            }
        item = {"name": {"S": name}, "data": {"B": data}, "seq": {"N": str(seq)}}
        self._conditional(
            self._client.put_item,
            already=lambda held: held == item,
            TableName=self._public,
            Item=item,
            **condition,
        )
        return seq

    def read(self, name: str) -> tuple[bytes, int] | None:
        item = self._get(self._public, {"name": {"S": name}})
        if item is None:
            return None
        try:
            return bytes(item["data"]["B"]), int(item["seq"]["N"])
        except (KeyError, TypeError, ValueError):
            # Unlike an envelope, it is not read as empty: a new one would then replace it.
            raise StoreUnavailable("a document in the store is damaged") from None

    def checkpoint(self) -> None:
        """Nothing: a deleted item is not ours to overwrite. That is why keys are destroyed."""

    def close(self) -> None:
        self._client.close()

    # --- Calls ---

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """One call, if it may still begin. Raises StoreUnavailable and its kind."""
        if time.monotonic() > self._until:
            raise StoreUnavailable("the store takes too long to answer")
        with _named_errors():
            yield

    def _get(self, table: str, key: Item) -> Item | None:
        with self._in_time():
            answer = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def _batch_get(self, table: str, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        for start in range(0, len(keys), BATCH_GET):
            left: dict[str, Any] = {
                table: {"Keys": keys[start : start + BATCH_GET], "ConsistentRead": True}
            }
            for delay in _delays():
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

    def _query(
        self, table: str, week: str, values: Mapping[str, Any] | None = None, **more: Any
    ) -> Iterator[Item]:
        """Every item of a partition, page after page of at most 1 MB."""
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
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            ask["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _write_over(self, old: Envelope, item: Item) -> None:
        self._conditional(
            self._client.put_item,
            already=lambda held: held == item,
            TableName=self._requests,
            Item=item,
            **_unchanged(old),
        )

    def _conditional(
        self, call: Callable[..., Any], already: Callable[[Item], bool], **arguments: Any
    ) -> None:
        """One write under a condition. Raises Conflict when the condition does not hold, unless the
        first attempt was written and only its answer lost: then `already` knows what is there."""
        with self._in_time():
            try:
                call(**arguments, ReturnValuesOnConditionCheckFailure="ALL_OLD")
            except ClientError as error:
                if _code(error) != "ConditionalCheckFailedException":
                    raise
                tried_again = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
                if not (tried_again and already(error.response.get("Item", {}))):
                    raise Conflict("somebody else wrote first, or it is gone") from None

    def _with_seats(
        self, writes: list[dict[str, Any]], back: str, wanted: str
    ) -> list[dict[str, Any]]:
        """The writes, with one seat back to an opening and one from another ("" is none). Gives the
        reasons why the writes are refused; none when all of it is done. Raises NoSeats."""
        seats = []
        if wanted:  # of which one is left
            seats.append(self._seat(wanted, "-", "seats_left >= :one"))
        if back:
            seats.append(self._seat(back, "+", "attribute_exists(seats)"))
        reasons = self._transact([*writes, *seats])
        if not reasons or any(_failed(reasons, at) for at in range(len(writes))):
            return reasons[: len(writes)]
        if wanted and _failed(reasons, len(writes)):
            raise NoSeats("the opening has no seat left")
        return self._with_seats(writes, "", wanted)  # the old opening is not known any more

    def _seat(self, opening: str, sign: str, condition: str) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._public,
                "Key": {"name": {"S": _seats_name(opening)}},
                "UpdateExpression": f"SET seats_left = seats_left {sign} :one",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }

    def _transact(self, writes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All of the writes, or none: then a reason for each. Two transactions that met are tried
        again."""
        for delay in _delays():
            with self._in_time():
                try:
                    self._client.transact_write_items(TransactItems=writes)
                    return []
                except ClientError as error:
                    if _code(error) != "TransactionCanceledException":
                        raise
                    reasons: list[dict[str, Any]] = error.response["CancellationReasons"]
            if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                return reasons
            time.sleep(delay)
        raise StoreBusy("others are writing the same; try again in a moment")

    def _batch_delete(self, table: str, keys: Sequence[Item]) -> None:
        self._batch_write(table, [{"DeleteRequest": {"Key": key}} for key in keys])

    def _batch_write(self, table: str, writes: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(writes), BATCH_WRITE):
            left: dict[str, Any] = {table: list(writes[start : start + BATCH_WRITE])}
            for delay in _delays():
                with self._in_time():
                    answer = self._client.batch_write_item(RequestItems=left)
                left = answer.get("UnprocessedItems") or {}
                if not left:
                    break
                time.sleep(delay)
            else:
                raise StoreBusy("a part was not written yet; try again later")


def _client(config: Config) -> Any:
    # As boto3.client does it; boto3 itself would bring what copies files to S3, and a function
    # would start a tenth more slowly.
    return get_session().create_client("dynamodb", config=config)


def create_tables(prefix: str) -> list[str]:
    """Make the tables on the endpoint in use, for tests and demos; gives their names. In the cloud
    infra/ does it. Raises Conflict when one is there."""
    made = []
    with _named_errors(), closing(_client(PATIENT)) as client:
        for name, (partition, sort, ends) in TABLES.items():
            table = f"{prefix}-{name}"
            columns = [column for column in (partition, sort) if column]
            try:
                client.create_table(
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
            except client.exceptions.ResourceInUseException:
                raise Conflict(f"there is a table {table} already") from None
            client.get_waiter("table_exists").wait(TableName=table)
            if ends:
                client.update_time_to_live(
                    TableName=table,
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": ends},
                )
            made.append(table)
    return made


# --- Items ---------------------------------------------------------------------------------------


def _week(envelope: Envelope) -> dict[str, str]:
    return {"S": f"{envelope.queue}#{envelope.epoch}"}


def _key_week(kid: str) -> str:
    name = Kid.parse(kid)
    return f"{name.queue}#{name.epoch}"


def _half_name(kid: str) -> str:
    return f"half#{kid}"


def _wrap_name(kid: str, device: str) -> str:
    return f"wrap#{kid}#{device}"


def _seats_name(opening: str) -> str:
    return f"seats#{opening}"


def _number(now: datetime) -> dict[str, str]:
    return {"N": str(int(now.timestamp()))}


def _item(envelope: Envelope) -> Item:
    return {
        "week": _week(envelope),
        "id": {"B": envelope.id},
        "digest": {"B": envelope.digest},
        "expires": {"N": str(envelope.expires)},
        "rev": {"N": str(envelope.rev)},
        "lane": {"S": envelope.lane},
        "born": {"S": envelope.born},
        "opening": {"S": envelope.opening},
        "auth_hash": {"B": envelope.auth_hash},
        "visit_kid": {"S": envelope.visit.kid},
        "visit": {"B": envelope.visit.sealed},
        "contact_kid": {"S": envelope.contact.kid},
        "contact": {"B": envelope.contact.sealed},
        "reply": {"B": envelope.reply},
    }


def _stub(old: Envelope) -> Item:
    kept = ("week", "id", "digest", "expires")
    return {name: value for name, value in _item(old).items() if name in kept}


def _envelope(item: Item) -> Envelope:
    # A damaged value becomes an empty one: that envelope does not open, and the others do.
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def data(name: str) -> bytes:
        return _data(item, name)

    def number(name: str) -> int:
        written = str(item.get(name, {}).get("N", ""))
        return int(written) if written.isdecimal() else 0

    return Envelope(
        queue=text("week").rpartition("#")[0],
        id=data("id"),
        auth_hash=data("auth_hash"),
        born=text("born"),
        opening=text("opening"),
        visit=SealedPart(text("visit_kid"), data("visit")),
        contact=SealedPart(text("contact_kid"), data("contact")),
        reply=data("reply"),
        lane=text("lane"),
        digest=data("digest"),
        rev=number("rev"),
        expires=number("expires"),
    )


def _data(item: Item, name: str) -> bytes:
    return bytes(item.get(name, {}).get("B", b""))


def _unchanged(old: Envelope) -> dict[str, Any]:
    return {
        "ConditionExpression": f"rev = :rev AND {_LIVE}",
        "ExpressionAttributeValues": {":rev": {"N": str(old.rev)}},
    }


def _same_or_conflict(held: Item, envelope: Envelope) -> None:
    digest = _data(held, "digest")
    if not hmac.compare_digest(digest, envelope.digest):
        raise Conflict("another envelope has this id")


def _failed(reasons: Sequence[Mapping[str, Any]], index: int) -> bool:
    return bool(reasons) and reasons[index].get("Code") == "ConditionalCheckFailed"


# --- Errors --------------------------------------------------------------------------------------


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _delays() -> Iterator[float]:
    """Seconds to wait after each try: longer each time, and not in step with others."""
    return (0.02 * 2**n * random.uniform(0.5, 1.5) for n in range(TRIES))  # noqa: S311 - no secret


def _clock_is_wrong(error: ClientError) -> bool:
    # AWS's text is read to decide, and goes no further.
    text = str(error.response.get("Error", {}).get("Message", ""))
    return _code(error) in _CLOCK or (_code(error) in _SIGNATURE and text.startswith(_CLOCK_TEXTS))


@contextmanager
def settings_errors() -> Iterator[None]:
    """What is wrong with this computer's AWS settings, as BadSetting and without AWS's text."""
    try:
        yield
    except ProfileNotFound:
        raise BadSetting("AWS_PROFILE names a profile that this computer does not have") from None
    except (NoRegionError, InvalidRegionError):
        raise BadSetting("no AWS region is set: set AWS_DEFAULT_REGION, or the profile's") from None
    except (ConfigNotFound, ConfigParseError, InvalidConfigError, PartialCredentialsError):
        raise BadSetting("the AWS profile on this computer is not complete, or damaged") from None


@contextmanager
def _named_errors() -> Iterator[None]:
    """AWS's errors under our names, without their text: it may hold values and addresses."""
    try:
        with settings_errors():
            yield
    except ClientError as error:
        code = _code(error)
        if code in _BUSY:
            raise StoreBusy("the store is throttled; try again in a moment") from None
        if _clock_is_wrong(error):
            raise ClockWrong("this computer's clock is not the cloud's") from None
        if code in _REFUSED or code in _SIGNATURE:
            raise StoreRefused("the cloud does not accept this sign-in, or not any more") from None
        if code in _NOT_ALLOWED or error.operation_name == "GetRoleCredentials":
            raise NotAllowed("you are signed in, and your role may not do this") from None
        if code == "ResourceNotFoundException":
            raise StoreUnavailable("the store's tables are not there") from None
        raise StoreUnavailable("the store answers with an error") from None
    except _NOT_SIGNED_IN:
        raise StoreRefused("nobody is signed in to the cloud, or not any more") from None
    except BotoCoreError:
        raise StoreUnavailable("the store cannot be reached") from None
