"""The destruction record: its lines, how each is bound to the one before, and what custodians sign
of it. The bytes are specified in docs/envelope.md.

It is a document a year, so that it never outgrows an item of the store, after the one document of
all that was destroyed before there were years: nothing is added to that one any more, and the first
line of the first year names one of its lines. It says what is gone. What must go is never read from
it: that is looked up in the store (`sweep`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

from quietdesk.errors import BadRecord, Conflict, WrongDocument
from quietdesk.hpke import Kid
from quietdesk.signed import Paper, Trust, document_body, read_signed
from quietdesk.store import Store
from quietdesk.weeks import Epoch

VERSION = 2
FIRST_YEAR = 2026  # of which there can be a document
TRIES = 5  # when somebody else adds to the record at the same time

# What a line tells: that the keys of a week are gone; that its last row went; that something came
# back and was destroyed again. BOTH, of lines of version 1, told the first two at once.
KEYS, ROWS, AGAIN, BOTH = "keys", "rows", "again", "both"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what of these weeks was destroyed on a day. `kids` are the names of the keys (none
    in ROWS), `erased` how many envelopes: whole tens, 0 for fewer than ten (in BOTH the number;
    nothing in KEYS). `prev` is SHA-256, in hex, of the line before ("" in the first)."""

    kind: str
    queue: str
    epochs: tuple[Epoch, ...]
    day: date
    kids: tuple[Kid, ...] = ()
    erased: int = 0
    prev: str = ""

    def write(self) -> bytes:
        """The line as it is hashed and published: JSON without a line break."""
        kids = [str(kid) for kid in self.kids]
        if self.kind == BOTH:
            says: dict[str, object] = {
                "queue": self.queue,
                "epoch": str(self.epochs[0]),
                "kids": kids,
                "envelopes_erased": self.erased,
                "destroyed_at": self.day.isoformat(),
            }
        else:
            says = {"v": VERSION, "kind": self.kind, "queue": self.queue}
            says["epochs"] = [str(epoch) for epoch in self.epochs]
            if self.kind != ROWS:
                says["kids"] = kids
            if self.kind != KEYS:
                # The number itself would undo what is left out of small counts elsewhere.
                says["erased"] = self.erased or "<10"
            says["day"] = self.day.isoformat()
        return json.dumps(says | {"prev": self.prev}, separators=(",", ":")).encode()

    def hash(self) -> str:
        """What the next line names as `prev`."""
        return hashlib.sha256(self.write()).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """The record as it stands: its lines, oldest first, each bound to the one before."""

    lines: tuple[Line, ...] = ()

    @property
    def keys_gone(self) -> Mapping[Epoch, date]:
        """The weeks whose keys are gone, and the day."""
        return {it.epochs[0]: it.day for it in self.lines if it.kind in (KEYS, BOTH)}

    @property
    def rows_gone(self) -> set[Epoch]:
        """The weeks whose last row went."""
        return {it.epochs[0] for it in self.lines if it.kind in (ROWS, BOTH)}

    def tells(self, line: Line) -> bool:
        """Whether there is a line of this: a second one of a week, or of what came back on a day,
        is not written."""
        if line.kind == AGAIN:
            return any((it.kind, it.day) == (AGAIN, line.day) for it in self.lines)
        return line.epochs[0] in (self.keys_gone if line.kind == KEYS else self.rows_gone)


def name(queue: str, year: int | None = None) -> str:
    """The name under which the store publishes the lines of a year; without one, those of before
    there were years."""
    return f"record#{queue}" if year is None else f"record#{queue}#{year}"


def head_name(queue: str) -> str:
    """The name under which the store publishes the head that custodians signed last."""
    return f"record-head#{queue}#years"


def head_name_before(queue: str) -> str:
    """The same of the lines of before there were years, which nobody signs any more."""
    return f"record-head#{queue}"


# --- Reading and adding --------------------------------------------------------------------------


def read(store: Store, queue: str, today: date) -> Record:
    """The record as it is on this day. Raises BadRecord and StoreUnavailable."""
    return Record(tuple(chain(documents(store, queue, today))))


def documents(store: Store, queue: str, today: date) -> list[bytes]:
    """The documents of the record as they stand, oldest first, with nothing for those that are not
    there: that of before there were years, and each year's. Raises StoreUnavailable."""
    return [data for data, _ in _held(store, queue, today).values()]


def _held(store: Store, queue: str, today: date) -> dict[str, tuple[bytes, int]]:
    """Name to what stands under it, and its seq."""
    # With the next year: the clock that wrote it may have been ahead of this one.
    years = range(FIRST_YEAR, max(FIRST_YEAR, today.year) + 2)
    names = [name(queue, year) for year in (None, *years)]
    return {it: store.read(it) or (b"", 0) for it in names}


def add(store: Store, queue: str, today: date, found: Sequence[Line]) -> tuple[Record, list[Line]]:
    """Add the lines to the record, each bound to the one before, but for those that it has already.
    Gives the record as it is then, and the lines that were added. Raises BadRecord,
    StoreUnavailable, and Conflict when somebody else always writes first."""
    for _ in range(TRIES):
        held = _held(store, queue, today)
        lines = chain([data for data, _ in held.values()])
        added: list[Line] = []
        for line in found:
            if not Record((*lines, *added)).tells(line):
                last = (lines + added)[-1:]
                prev = last[0].hash() if last else ""
                added.append(replace(line, erased=tens(line.erased), prev=prev))
        if added:
            # To this year's, and never to one before the last.
            *_, this, following = held
            last_one = following if held[following][0] else this
            data, seq = held[last_one]
            more = b"".join(line.write() + b"\n" for line in added)
            parse(more, added[0].prev)  # what nobody could read would hide all that follows
            try:
                store.publish(last_one, data + more, seq)
            except Conflict:
                continue  # another sweep, whose lines are read now
        return Record((*lines, *added)), added
    raise Conflict("others write the record all the time")


def tens(count: int) -> int:
    """A count as a line tells it: rounded down to tens."""
    return count // 10 * 10


def chain(documents: Sequence[bytes]) -> list[Line]:
    """The lines of the documents, oldest first, each bound to the one before. What the first
    document says after the line that the second begins from is no part of it: so wrote a release
    of before, when it was brought back for a while. Raises BadRecord."""
    lines, years = parse(documents[0]), [parse(raw, None) for raw in documents[1:]]
    later = [line for year in years for line in year]
    if later:
        hashes = ["", *(line.hash() for line in lines)]
        if later[0].prev not in hashes:
            raise BadRecord("the record does not go on from where it was")
        lines = lines[: hashes.index(later[0].prev)]
    if any(line.prev != before.hash() for before, line in pairwise(later)):
        raise BadRecord("a year of the record does not follow the one before")
    return [*lines, *later]


def parse(raw: bytes, prev: str | None = "") -> list[Line]:
    """The lines of a document, each bound to the one before, and the first to `prev`; where that is
    None, to any. Raises BadRecord."""
    lines: list[Line] = []
    for text in raw.splitlines():
        try:
            line = _line(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadRecord(f"line {len(lines) + 1} of the record is malformed") from None
        if prev not in (None, line.prev) or line.write() != text:
            raise BadRecord(f"line {len(lines) + 1} of the record does not follow the one before")
        lines.append(line)
        prev = line.hash()
    return lines


def _line(row: Mapping[str, Any]) -> Line:
    # More words than these, or others, are found when the line is written again.
    if "v" in row:
        kind, epochs, day = row["kind"], row["epochs"], row["day"]
        kids, erased = row.get("kids", []), row.get("erased", 0)
        erased = 0 if erased == "<10" else erased
        whole = kind in (KEYS, ROWS, AGAIN) and type(erased) is int and 0 <= erased == tens(erased)
    else:
        kind, epochs, day = BOTH, [row["epoch"]], row["destroyed_at"]
        kids, erased = row["kids"], row["envelopes_erased"]
        whole = type(erased) is int
    if not whole or not isinstance(row["queue"], str):
        raise TypeError("a kind, a name and a count")
    if not epochs or (len(epochs) > 1 and kind != AGAIN):
        raise ValueError("a line is of one week, or of those that came back")
    return Line(
        kind=kind,
        queue=row["queue"],
        epochs=tuple(Epoch.parse(epoch) for epoch in epochs),
        day=date.fromisoformat(day),
        kids=tuple(Kid.parse(kid) for kid in kids),
        erased=erased,
        prev=row["prev"],
    )


# --- What custodians sign ------------------------------------------------------------------------


def head(queue: str, lines: Sequence[Line], deployment: str, number: int, day: date) -> bytes:
    """The bytes that custodians sign on a day to vouch for the record as it stands."""
    last = lines[-1].hash() if lines else ""
    return document_body(
        "record", deployment, number, day, queue=queue, lines=len(lines), head=last
    )


def verify(lines: Sequence[Line], signed_head: bytes, trust: Trust, queue: str) -> int:
    """How many of the lines, from the first on, are as custodians saw them when they signed the
    head. Raises BadRecord or BadSignature where those are not."""
    count, hashed = read_head(signed_head, trust, queue).says
    if count > len(lines) or hashed != (lines[count - 1].hash() if count else ""):
        raise BadRecord("the record is not the one that custodians signed")
    return count


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
