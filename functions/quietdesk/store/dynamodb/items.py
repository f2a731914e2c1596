"""What the items of the three tables hold and are called, and under which conditions they are
written. Nothing here asks DynamoDB.

A damaged value is read as an empty one: that envelope does not open, and the others do.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quietdesk.envelopes import Envelope, SealedPart
from quietdesk.errors import Conflict, DamagedDocument
from quietdesk.hpke import NO_KEY, Kid
from quietdesk.openings import Opening
from quietdesk.store import typed
from quietdesk.store.documents import Version
from quietdesk.weeks import Epoch

Item = dict[str, dict[str, Any]]

# --- Requests: a partition a week, in the order of ids -------------------------------------------

NEW = "attribute_not_exists(id)"
LIVE = "attribute_exists(visit)"  # a stub has no parts
NOT_LIVE = "attribute_not_exists(visit)"
NEVER = f"attribute_exists(id) AND {NEW}"


def week_of(queue: str, epoch: Epoch) -> str:
    """The name of a week's partition, of requests and of halves."""
    return f"{queue}#{epoch}"


def request_key(queue: str, epoch: Epoch, id: bytes) -> Item:
    """Where an envelope is, or what stays of it."""
    return {"week": {"S": week_of(queue, epoch)}, "id": {"B": id}}


def item_of(envelope: Envelope) -> Item:
    """An envelope as an item."""
    return {
        **request_key(envelope.queue, envelope.epoch, envelope.id),
        "digest": {"B": envelope.digest},
        "expires": {"N": str(envelope.expires)},
        "rev": {"N": str(envelope.rev)},
        "lane": {"S": envelope.lane},
        "born": {"S": str(envelope.born)},
        "opening": {"S": str(envelope.opening or "")},
        "auth_hash": {"B": envelope.auth_hash},
        "visit_kid": {"S": str(envelope.visit.kid)},
        "visit": {"B": envelope.visit.sealed},
        "contact_kid": {"S": str(envelope.contact.kid)},
        "contact": {"B": envelope.contact.sealed},
        "reply": {"B": envelope.reply},
    }


def stub_of(old: Envelope) -> Item:
    """What stays of an envelope, so that a late retry of its first post does not bring it back."""
    kept = ("week", "id", "digest", "expires")
    return {name: value for name, value in item_of(old).items() if name in kept}


def envelope_of(item: Item) -> Envelope:
    """The envelope that an item holds."""

    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def data(name: str) -> bytes:
        return data_of(item, name)

    def number(name: str) -> int:
        written = str(item.get(name, {}).get("N", ""))
        return int(written) if written.isdecimal() else 0

    return Envelope(
        queue=text("week").rpartition("#")[0],
        id=data("id"),
        auth_hash=data("auth_hash"),
        born=typed.epoch(text("born")),
        opening=typed.opening(text("opening")),
        visit=SealedPart(typed.kid(text("visit_kid")), data("visit")),
        contact=SealedPart(typed.kid(text("contact_kid")), data("contact")),
        reply=data("reply"),
        lane=text("lane"),
        digest=data("digest"),
        rev=number("rev"),
        expires=number("expires"),
    )


def data_of(item: Item, name: str) -> bytes:
    """The bytes of that name; none where they are missing or damaged."""
    return bytes(item.get(name, {}).get("B", b""))


def same_digest(held: Item, digest: bytes) -> bool:
    """Whether what is held came of the same post."""
    return hmac.compare_digest(data_of(held, "digest"), digest)


def same_or_conflict(held: Item, envelope: Envelope) -> None:
    """Raises Conflict unless what is held came of the same post: then this one is a retry."""
    if not same_digest(held, envelope.digest):
        raise Conflict("another envelope has this id")


def unchanged(old: Envelope) -> dict[str, Any]:
    """That nobody wrote over an envelope since it was read."""
    return {
        "ConditionExpression": f"rev = :rev AND {LIVE}",
        "ExpressionAttributeValues": {":rev": {"N": str(old.rev)}},
    }


def seconds(now: datetime) -> dict[str, str]:
    """A time as `expires` has it."""
    return {"N": str(int(now.timestamp()))}


# --- Keys: in the partition of their week --------------------------------------------------------

# Halves and wraps in partitions of their own: IAM tells partitions apart and nothing finer, and a
# staff computer that puts a wrap must not be able to put a half.

_HALF = "half#"


def wraps_of(queue: str, epoch: Epoch) -> str:
    """The name of the partition of a week's wraps; week_of has the halves."""
    return f"{week_of(queue, epoch)}#wraps"


def half_key(kid: Kid) -> Item:
    """Where the server half of a key is."""
    return _key_of(week_of(kid.queue, kid.epoch), f"{_HALF}{kid}")


def wrap_key(kid: Kid, device: str) -> Item:
    """Where the wrap of a key for a device is."""
    return _key_of(wraps_of(kid.queue, kid.epoch), f"{kid}#{device}")


def old_wrap_key(kid: Kid, device: str) -> Item:
    """Where it is if the release before minted that week: beside the halves. Weeks are minted 11
    weeks ahead at most, so one release later nothing is there any more."""
    return _key_of(week_of(kid.queue, kid.epoch), f"wrap#{kid}#{device}")


def no_wrap_but(over: bytes | None) -> dict[str, Any]:
    """That a device has no wrap yet, or this one."""
    none = "attribute_not_exists(wrap)"
    if over is None:
        return {"ConditionExpression": none}
    return {
        "ConditionExpression": f"{none} OR wrap = :over",
        "ExpressionAttributeValues": {":over": {"B": over}},
    }


def kids_of(names: list[str]) -> list[Kid]:
    """The keys whose halves are among the names of items."""
    halves = sorted(name.removeprefix(_HALF) for name in names if name.startswith(_HALF))
    return [kid for kid in map(typed.kid, halves) if kid != NO_KEY]


def _key_of(partition: str, name: str) -> Item:
    return {"week": {"S": partition}, "name": {"S": name}}


# --- Seats: an item an opening, among the public documents ---------------------------------------


_SEATS = "seats#"


def seats_key(opening: Opening) -> Item:
    """Where the seats of an opening are counted."""
    return {"name": {"S": f"{_SEATS}{opening}"}}


def counts_of(items: list[Item]) -> dict[Opening, tuple[int, int]]:
    """Opening to seats in all, and left."""
    return {
        Opening.parse(item["name"]["S"].removeprefix(_SEATS)): (
            int(item["seats"]["N"]),
            int(item["seats_left"]["N"]),
        )
        for item in items
    }


def one_seat(table: str, opening: Opening, sign: str, condition: str) -> dict[str, Any]:
    """One seat back (+) or one taken (-), as a part of a transaction."""
    return {
        "Update": {
            "TableName": table,
            "Key": seats_key(opening),
            "UpdateExpression": f"SET seats_left = seats_left {sign} :one",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }


def seats_in_all(
    table: str, opening: Opening, held: tuple[int, int] | None, of: int
) -> dict[str, Any]:
    """So many seats `of` an opening, as a part of a transaction; `held` is how it counted when it
    was read."""
    if held is None:
        both = {"seats": {"N": str(of)}, "seats_left": {"N": str(of)}}
        condition = "attribute_not_exists(seats)"
        put = {"TableName": table, "Item": {**seats_key(opening), **both}}
        return {"Put": put | {"ConditionExpression": condition}}
    return {
        "Update": {
            "TableName": table,
            "Key": seats_key(opening),
            "UpdateExpression": "SET seats = :of, seats_left = seats_left + :more",
            "ConditionExpression": "seats = :before",
            "ExpressionAttributeValues": {
                ":of": {"N": str(of)},
                ":more": {"N": str(of - held[0])},
                ":before": {"N": str(held[0])},
            },
        }
    }


# --- Public documents ----------------------------------------------------------------------------


def document_key(name: str) -> Item:
    """Where a public document is."""
    return {"name": {"S": name}}


def document(name: str, data: bytes, seq: int) -> Item:
    """A public document as an item."""
    return {**document_key(name), "data": {"B": data}, "seq": {"N": str(seq)}}


def version(table: str, name: str, it: Version, stands: bool) -> dict[str, Any]:
    """A public document as a part of a transaction: over the one before it, or, once it stands,
    over itself, which only asks whether it still does."""
    held = it.after if stands else it.before
    return {"Put": {"TableName": table, "Item": document(name, it.data, it.after), **seq_is(held)}}


def document_of(item: Mapping[str, Any]) -> tuple[bytes, int]:
    """A public document and its seq. Raises DamagedDocument."""
    try:
        return bytes(item["data"]["B"]), int(item["seq"]["N"])
    except (KeyError, TypeError, ValueError):
        raise DamagedDocument("a document in the store is damaged") from None


def seq_is(seq: int) -> dict[str, Any]:
    """That a document has this seq; 0: that there is none."""
    if not seq:
        return {"ConditionExpression": "attribute_not_exists(seq)"}
    return {
        "ConditionExpression": "seq = :seq",
        "ExpressionAttributeValues": {":seq": {"N": str(seq)}},
    }
