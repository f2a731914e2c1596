"""The store in three DynamoDB tables: PREFIX-requests, PREFIX-keys and PREFIX-public.

No index and no scan. Every write is conditional, so that a retry after a lost answer is safe. No
table has a time to live: sweep alone erases, and every read leaves out what has ended. Here is what
the store does; `items` has what an item holds, `calls` how DynamoDB is asked.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.config import Config

from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    CannotOpen,
    Conflict,
    HalfPublished,
    KeyDestroyed,
    NoSeats,
    StoreBusy,
    StoreUnavailable,
)
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.store.documents import Version
from quietdesk.store.dynamodb import items
from quietdesk.store.dynamodb.calls import (
    BATCH_WRITE,
    CONFIG,
    TRANSACTION,
    Calls,
    delays,
    failed,
)
from quietdesk.store.dynamodb.items import Item
from quietdesk.store.dynamodb.tables import TABLES
from quietdesk.weeks import Epoch

# How many items a second are destroyed: a quarter of what the table may write (infra/template.yaml)
# is for that, and the rest for residents. An envelope of 5 kB is 5 write units, a wrap is 2.
ROWS_A_SECOND = 2000 / 4 / 5
KEYS_A_SECOND = 1000 / 4 / 2


class DynamoDB:
    """A store in the tables of one prefix. Endpoint, region and credentials come the usual AWS way
    (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_DEFAULT_REGION`, profile or role). It `sleep`s between the
    batches that it destroys."""

    def __init__(
        self, prefix: str, config: Config = CONFIG, sleep: Callable[[float], None] = time.sleep
    ):
        self._calls = Calls(config)
        self._sleep = sleep
        self._requests, self._keys, self._public = (f"{prefix}-{name}" for name in TABLES)

    def begin(self) -> None:
        self._calls.begin()

    # --- Requests ---

    def put(self, envelope: Envelope) -> None:
        refused = self._calls.put(
            TableName=self._requests,
            Item=items.item_of(envelope),
            ConditionExpression=items.NEW,
        )
        if refused:
            items.same_or_conflict(refused.held, envelope)

    def take(self, envelope: Envelope) -> None:
        put = {
            "TableName": self._requests,
            "Item": items.item_of(envelope),
            "ConditionExpression": items.NEW,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        reasons = self._with_seats([{"Put": put}], None, envelope.opening)
        if reasons:
            items.same_or_conflict(reasons[0].get("Item", {}), envelope)

    def kept(self, queue: str, epoch: Epoch, id: bytes, digest: bytes) -> bool:
        # Who may only put, as `submit`, learns it from a put that cannot happen.
        refused = self._calls.put(
            TableName=self._requests,
            Item=items.request_key(queue, epoch, id),
            ConditionExpression=items.NEVER,
        )
        if refused is None:
            raise StoreUnavailable("the store wrote where it could not")
        return items.same_digest(refused.held, digest)

    def find(
        self, queue: str, id: bytes, epochs: Iterable[Epoch], now: datetime
    ) -> Envelope | None:
        keys = [items.request_key(queue, epoch, id) for epoch in epochs]
        # One call however many weeks: known and unknown ids cost the same.
        found = self._calls.batch_get(self._requests, keys)
        envelopes = (items.envelope_of(item) for item in found if "visit" in item)
        return next((e for e in envelopes if e.expires > now.timestamp()), None)

    def replace(self, old: Envelope, new: Envelope) -> None:
        if (new.queue, new.id) != (old.queue, old.id):
            raise ValueError("a request keeps its queue and id")
        item = items.item_of(new) | {
            "digest": {"B": old.digest},
            "rev": {"N": str(old.rev + 1)},
        }
        back, wanted = (old.opening, new.opening) if new.opening != old.opening else (None, None)
        if new.epoch == old.epoch:
            if not back and not wanted:
                self._write_over(old, item)
                return
            put = {"TableName": self._requests, "Item": item, **items.unchanged(old)}
            writes = [{"Put": put}]
        else:
            put = {"TableName": self._requests, "Item": item, "ConditionExpression": items.NOT_LIVE}
            stub = {
                "TableName": self._requests,
                "Item": items.stub_of(old),
                **items.unchanged(old),
            }
            writes = [{"Put": put}, {"Put": stub}]
        put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        reasons = self._with_seats(writes, back, wanted)
        # What is there already may be this very move, written before its answer was lost.
        if reasons and reasons[0].get("Item") != item:
            raise Conflict("the request changed or went since it was read")

    def erase(self, old: Envelope, stub: bool = False) -> None:
        key = items.request_key(old.queue, old.epoch, old.id)
        if old.opening:
            where = {"TableName": self._requests, **items.unchanged(old)}
            write = (
                {"Put": {"Item": items.stub_of(old), **where}}
                if stub
                else {"Delete": {"Key": key, **where}}
            )
            if self._with_seats([write], old.opening, None):
                raise Conflict("somebody else wrote first, or it is gone")
        elif stub:
            self._write_over(old, items.stub_of(old))
        else:
            self._calls.delete(TableName=self._requests, Key=key, **items.unchanged(old))

    def _write_over(self, old: Envelope, item: Item) -> None:
        self._calls.put_over(
            already=lambda held: held == item,
            TableName=self._requests,
            Item=item,
            **items.unchanged(old),
        )

    def pull(self, queue: str, epochs: Iterable[Epoch], now: datetime) -> Iterator[Envelope]:
        for epoch in epochs:
            for item in self._calls.query(
                self._requests,
                items.week_of(queue, epoch),
                FilterExpression=f"expires > :now AND {items.LIVE}",
                values={":now": items.seconds(now)},
            ):
                yield items.envelope_of(item)

    def erase_epoch(self, queue: str, epoch: Epoch) -> Iterator[int]:
        week = items.week_of(queue, epoch)
        # visit_kid tells an envelope from a stub, and is much shorter than what is sealed.
        for page in self._calls.pages(self._requests, week, ProjectionExpression="id, visit_kid"):
            keys = [{"week": {"S": week}, "id": item["id"]} for item in page]
            self._destroy(self._requests, keys, ROWS_A_SECOND)
            yield sum("visit_kid" in item for item in page)

    def erase_expired(self, queue: str, epoch: Epoch, now: datetime) -> Iterator[int]:
        week, values = items.week_of(queue, epoch), {":now": items.seconds(now)}
        for page in self._calls.pages(
            self._requests,
            week,
            FilterExpression="expires <= :now",
            ProjectionExpression="id, visit_kid",
            values=values,
        ):
            count = 0
            for item in page:
                try:
                    self._calls.delete(
                        TableName=self._requests,
                        Key={"week": {"S": week}, "id": item["id"]},
                        ConditionExpression="expires <= :now",
                        ExpressionAttributeValues=values,
                    )
                    count += "visit_kid" in item
                except Conflict:
                    pass  # somebody gave it another end since it was listed
                self._sleep(1 / ROWS_A_SECOND)
            yield count

    def _destroy(self, table: str, keys: Sequence[Item], a_second: float) -> None:
        for start in range(0, len(keys), BATCH_WRITE):
            batch = keys[start : start + BATCH_WRITE]
            self._calls.batch_delete(table, batch)
            self._sleep(len(batch) / a_second)

    # --- Seats ---

    def set_seats(self, seats: Mapping[Opening, int], lists: Mapping[str, Version] = {}) -> None:
        new = any(it.after != it.before for it in lists.values())
        stand = not new  # whether the lists in the store are these
        try:
            for delay in delays():
                # Asked again once all is written: who published before us may have been writing.
                behind = self._behind(seats)
                if stand and not behind:
                    return
                most = TRANSACTION - len(lists)
                parts = [behind[start : start + most] for start in range(0, len(behind), most)]
                for part in parts or [[]]:
                    if not self._publish_seats(lists, stand, part):
                        time.sleep(delay)
                        break
                    stand = True
            raise StoreBusy("others are writing the same; try again in a moment")
        except StoreUnavailable as error:
            if new and stand:
                raise HalfPublished(error) from None
            raise

    def _behind(self, seats: Mapping[Opening, int]) -> list[dict[str, Any]]:
        """The writes that bring the counts to these seats, those that take seats away first: nobody
        gets one on a day that is being closed. Read, then written on condition: an update has no
        word for "the taken stay taken"."""
        held = self._counts(seats)
        more = {it: of - held.get(it, (0, 0))[0] for it, of in seats.items()}
        changed = [it for it in seats if it not in held or more[it]]
        return [
            items.seats_in_all(self._public, it, held.get(it), seats[it])
            for it in sorted(changed, key=lambda it: more[it])
        ]

    def _publish_seats(
        self, lists: Mapping[str, Version], stand: bool, counts: list[dict[str, Any]]
    ) -> bool:
        """The lists and counts in one transaction; False when a count is another by now. Raises
        Conflict when a list is."""
        writes = [items.version(self._public, name, it, stand) for name, it in lists.items()]
        reasons = self._calls.transact([*writes, *counts])
        if reasons and any(failed(reasons, at) for at in range(len(writes))):
            raise Conflict("somebody else published first")
        return not reasons

    def seats(self, openings: Iterable[Opening]) -> dict[Opening, int]:
        left = dict.fromkeys(openings, 0)
        return left | {it: max(0, left) for it, (_, left) in self._counts(left).items()}

    def counted(self, openings: Iterable[Opening]) -> dict[Opening, tuple[int, int]]:
        none = dict.fromkeys(openings, (0, 0))
        return none | {it: (of, of - left) for it, (of, left) in self._counts(none).items()}

    def drop_seats(self, openings: Iterable[Opening]) -> None:
        self._calls.batch_delete(self._public, map(items.seats_key, openings))

    def _counts(self, openings: Iterable[Opening]) -> dict[Opening, tuple[int, int]]:
        """Seats in all, and left, of the openings that are known."""
        keys = [items.seats_key(opening) for opening in openings]
        return items.counts_of(self._calls.batch_get(self._public, keys))

    def _with_seats(
        self, writes: list[dict[str, Any]], back: Opening | None, wanted: Opening | None
    ) -> list[dict[str, Any]]:
        """The writes, with one seat back to an opening and one from another, if any. Gives the
        reasons why the writes are refused; none when all of it is done. Raises NoSeats."""
        seats = []
        if wanted:  # of which one is left
            seats.append(items.one_seat(self._public, wanted, "-", "seats_left >= :one"))
        if back:
            seats.append(items.one_seat(self._public, back, "+", "attribute_exists(seats)"))
        reasons = self._calls.transact([*writes, *seats])
        if not reasons or any(failed(reasons, at) for at in range(len(writes))):
            return reasons[: len(writes)]
        if wanted and failed(reasons, len(writes)):
            raise NoSeats("the opening has no seat left")
        return self._with_seats(writes, None, wanted)  # the old opening is not known any more

    # --- Keys ---

    def put_keys(self, kid: Kid, server_half: bytes, wraps: Mapping[str, bytes]) -> None:
        item = {**items.half_key(kid), "half": {"B": server_half}}
        self._calls.put_over(
            already=lambda held: held == item,
            TableName=self._keys,
            Item=item,
            ConditionExpression="attribute_not_exists(half)",
        )
        for device, wrap in wraps.items():
            self.put_wrap(kid, device, wrap)

    def server_half(self, kid: Kid) -> bytes:
        item = self._calls.get(self._keys, items.half_key(kid))
        if item is None:
            raise KeyDestroyed(str(kid.epoch))
        return items.data_of(item, "half")

    def put_wrap(self, kid: Kid, device: str, wrap: bytes, over: bytes | None = None) -> None:
        item = {**items.wrap_key(kid, device), "wrap": {"B": wrap}}
        refused = self._calls.put(TableName=self._keys, Item=item, **items.no_wrap_but(over))
        if refused and refused.held != item:
            raise Conflict("there is another wrap for that device")

    def wrap(self, kid: Kid, device: str) -> bytes:
        self.server_half(kid)
        item = self._wrap(kid, device)
        if item is None:
            raise CannotOpen("this week's keys were made before this device was admitted", "early")
        return items.data_of(item, "wrap")

    def wrapped(self, kid: Kid, device: str) -> bool:
        return self._wrap(kid, device) is not None

    def _wrap(self, kid: Kid, device: str) -> Item | None:
        item = self._calls.get(self._keys, items.wrap_key(kid, device))
        return item or self._calls.get(self._keys, items.old_wrap_key(kid, device))

    def destroy_keys(self, queue: str, epoch: Epoch) -> list[Kid]:
        halves = self._delete_partition(items.week_of(queue, epoch))
        self._delete_partition(items.wraps_of(queue, epoch))
        return items.kids_of(halves)

    def _delete_partition(self, week: str) -> list[str]:
        """Deletes all that is in a partition of the table of keys; gives the names."""
        names = [
            item["name"]["S"]
            for item in self._calls.query(
                self._keys,
                week,
                ProjectionExpression="#name",
                ExpressionAttributeNames={"#name": "name"},
            )
        ]
        keys: list[Item] = [{"week": {"S": week}, "name": {"S": name}} for name in names]
        self._destroy(self._keys, keys, KEYS_A_SECOND)
        return names

    # --- Public documents ---

    def publish(self, name: str, data: bytes, expected_seq: int) -> int:
        item = items.document(name, data, expected_seq + 1)
        self._calls.put_over(
            already=lambda held: held == item,
            TableName=self._public,
            Item=item,
            **items.seq_is(expected_seq),
        )
        return expected_seq + 1

    def read(self, name: str) -> tuple[bytes, int] | None:
        item = self._calls.get(self._public, items.document_key(name))
        return None if item is None else items.document_of(item)

    def date(self) -> datetime:
        return self._calls.date()

    def checkpoint(self) -> None:
        """Nothing: a deleted item is not ours to overwrite. That is why keys are destroyed."""

    def close(self) -> None:
        self._calls.close()
