"""Destruction by the calendar: keys of ended weeks, then their envelopes, then the line of it; and
the destruction record, which those lines make.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from quietdesk import bundles, weeks
from quietdesk.city import City
from quietdesk.errors import BadRecord, QuietdeskError, StoreUnavailable, WrongDocument
from quietdesk.hpke import Kid
from quietdesk.signed import VERSION, Paper, Trust, document_body, read_signed
from quietdesk.store import Store
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64

LOOK_BACK_WEEKS = 60  # a sweep that did not run for so long still finds every week it owes
# How heads of the record are signed. The release before wants exactly the words of 1, and calls the
# record changed for any other; 2 has what all signed documents carry, and comes one release after
# the reading of it (docs/decisions/0014-formats.md).
HEAD_FORM = 1


# --- The destruction record ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One destroyed week of one queue. `prev` is SHA-256, in hex, of the line before ("" in the
    first); `destroyed_at` is a day."""

    queue: str
    epoch: Epoch
    kids: tuple[Kid, ...]
    envelopes_erased: int
    destroyed_at: date
    prev: str

    def write(self) -> bytes:
        """The line as it is hashed and published: JSON without a line break."""
        return json.dumps(
            {
                "queue": self.queue,
                "epoch": str(self.epoch),
                "kids": [str(kid) for kid in self.kids],
                "envelopes_erased": self.envelopes_erased,
                "destroyed_at": self.destroyed_at.isoformat(),
                "prev": self.prev,
            },
            separators=(",", ":"),
        ).encode()


def record_name(queue: str) -> str:
    """The name under which the store publishes the record of destruction."""
    return f"record#{queue}"


def record_head_name(queue: str) -> str:
    """The name under which the store publishes the head that custodians signed last."""
    return f"record-head#{queue}"


def read_record(raw: bytes) -> list[Line]:
    """The lines of a published record, each bound to the one before. Raises BadRecord."""
    lines: list[Line] = []
    prev = ""
    for text in raw.splitlines():
        try:
            row = json.loads(text)
            line = Line(
                queue=row["queue"],
                epoch=Epoch.parse(row["epoch"]),
                kids=tuple(Kid.parse(kid) for kid in row["kids"]),
                envelopes_erased=row["envelopes_erased"],
                destroyed_at=date.fromisoformat(row["destroyed_at"]),
                prev=row["prev"],
            )
            if not isinstance(line.queue, str) or type(line.envelopes_erased) is not int:
                raise TypeError("a name and a count")
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadRecord(f"line {len(lines) + 1} of the record is malformed") from None
        if line.prev != prev or line.write() != text:
            raise BadRecord(f"line {len(lines) + 1} of the record does not follow the one before")
        lines.append(line)
        prev = line_hash(line)
    return lines


def line_hash(line: Line) -> str:
    """SHA-256 of a line, in hex: what the next line names as `prev`."""
    return hashlib.sha256(line.write()).hexdigest()


def record_head(
    queue: str,
    lines: Sequence[Line],
    deployment: str,
    number: int,
    day: date,
    form: int = HEAD_FORM,
) -> bytes:
    """The bytes that custodians sign on a day to vouch for the record as it stands."""
    head = {
        "queue": queue,
        "lines": len(lines),
        "head": line_hash(lines[-1]) if lines else "",
    }
    if form == 1:
        return json.dumps({"v": VERSION, **head}, separators=(",", ":")).encode()
    return document_body("record", deployment, number, day, **head)


def verify_record(raw: bytes, signed_head: bytes, trust: Trust, queue: str) -> list[Line]:
    """The lines of the record, of which at least those under the signed head are as custodians
    saw them. Raises BadRecord or BadSignature."""
    lines = read_record(raw)
    count, hashed = read_head(signed_head, trust, queue).says
    if count > len(lines) or hashed != (line_hash(lines[count - 1]) if count else ""):
        raise BadRecord("the record is not the one that custodians signed")
    return lines


def read_head(raw: bytes, trust: Trust, queue: str) -> Paper[tuple[int, str]]:
    """How many lines custodians saw, and the hash of the last of them. Raises BadRecord or
    BadSignature."""
    signers, threshold, deployment = trust.custodians, trust.threshold, trust.deployment
    try:
        return read_signed(raw, "record", signers, threshold, _head, deployment, {"queue": queue})
    except WrongDocument as wrong:
        raise BadRecord(f"the signed head of the record: {wrong}") from None


def _head(document: Mapping[str, Any]) -> tuple[int, str]:
    count, hashed = document["lines"], document["head"]
    if type(count) is not int or count < 0 or not isinstance(hashed, str):
        raise TypeError("a count of lines, and a hash")
    return count, hashed


# --- The sweep -----------------------------------------------------------------------------------


def run(store: Store, city: City, now: datetime) -> list[Line]:
    """Destroy what is due at `now` and give the new lines of the destruction record.

    Running it again, or after a crash half-way, is safe. What hinders one week hinders no other,
    and a record that cannot be read hinders no destruction: both are raised at the end, as
    StoreUnavailable or BadRecord. Nothing is recorded that was not destroyed.
    """
    troubles: list[QuietdeskError] = []
    written: list[Line] | None = None
    try:
        written, seq = record(store, city.queue)
    except (BadRecord, StoreUnavailable) as error:
        troubles.append(error)
    recorded = {line.epoch for line in written or ()}
    lines: list[Line] = []
    current = weeks.epoch_at(now, city.zone)
    for epoch in (current.plus(-n) for n in range(LOOK_BACK_WEEKS, 0, -1)):
        if epoch in recorded or not weeks.over(epoch, now, city.zone, city.serve_days):
            continue
        try:
            destroyed = _destroy(store, city, epoch)
            if destroyed is not None and written is not None:
                kids, erased = destroyed
                line = Line(
                    queue=city.queue,
                    epoch=epoch,
                    kids=kids,
                    # In this run; after a crash before this line, the count starts anew.
                    envelopes_erased=erased,
                    destroyed_at=now.astimezone(city.zone).date(),
                    prev=line_hash(written[-1]) if written else "",
                )
                text = b"".join(each.write() + b"\n" for each in [*written, line])
                seq = store.publish(record_name(city.queue), text, seq)
                written.append(line)
                lines.append(line)
        except StoreUnavailable as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    live = weeks.live(now, city.zone, city.serve_days)
    store.erase_expired(city.queue, live, now)
    return lines


def _destroy(store: Store, city: City, epoch: Epoch) -> tuple[tuple[Kid, ...], int] | None:
    """Keys, then envelopes: the names of the week's keys, and how many envelopes. None when the
    week never had any; halves left by a minting that was not finished go all the same."""
    destroyed = store.destroy_keys(city.queue, epoch)
    erased = store.erase_epoch(city.queue, epoch)
    bundle = store.read(bundles.name(city.queue, epoch))
    if bundle is None and not destroyed:
        return None
    return (_kids(bundle[0]) if bundle else ()) or tuple(destroyed), erased


def days_of_keys(store: Store, city: City, now: datetime) -> int:
    """For how many whole days from now keys are published: so long the form stays open."""
    epoch = weeks.epoch_at(now, city.zone)
    while store.read(bundles.name(city.queue, epoch)) is not None:
        epoch = epoch.plus(1)
    return max(0, (epoch.start(city.zone) - now).days)


def record(store: Store, queue: str) -> tuple[list[Line], int]:
    """The destruction record as it stands, and the seq of its document. Raises BadRecord."""
    held = store.read(record_name(queue))
    return (read_record(held[0]), held[1]) if held else ([], 0)


def _kids(bundle: bytes) -> tuple[Kid, ...]:
    # Only names are read here, of keys that are gone already; nothing rests on the signature. A
    # damaged document must not keep this week's envelopes, or later weeks, from being erased.
    try:
        body = json.loads(unb64(json.loads(bundle)["body"]))
        return tuple(Kid.parse(row["kid"]) for row in body["keys"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
