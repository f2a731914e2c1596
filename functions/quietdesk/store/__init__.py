"""Where envelopes wait, and the halves, wraps and public documents beside them.

One protocol, two stores: SQLite for one machine, DynamoDB beyond it. Each hides its tables,
conditions and paging. No row tells when it came: rows are kept in the order of random ids.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from quietdesk.envelopes import Envelope
from quietdesk.errors import BadSetting
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.store.documents import Version
from quietdesk.weeks import Epoch


class Store(Protocol):
    """What every store does. Every method may raise StoreUnavailable: whether it was done is not
    known then, since only the answer may be lost, unless it says otherwise. A damaged value is read
    as an empty one, NO_WEEK, NO_KEY or no opening: that envelope does not open, and the others
    do."""

    def begin(self) -> None:
        """A function begins an answer: it must be given while the person still waits, so a store
        that is far away raises StoreUnavailable rather than begin a call too late."""

    def put(self, envelope: Envelope) -> None:
        """Keep an envelope. The same digest again is a retry and writes nothing; another envelope
        under that id in that week raises Conflict. Where room is short it is refused with
        StoreUnavailable, so that there is some for destruction."""

    def take(self, envelope: Envelope) -> None:
        """Keep an envelope and take one seat of its opening, both or neither. A retry takes no
        second seat. Raises NoSeats or Conflict."""

    def kept(self, queue: str, epoch: Epoch, id: bytes, digest: bytes) -> bool:
        """Whether an envelope of that id and digest was kept in that week, erased since or not. It
        writes nothing, and tells nothing to who does not have the digest."""

    def set_seats(self, seats: Mapping[Opening, int], lists: Mapping[str, Version] = {}) -> None:
        """Say how many seats each of the openings has in all, and publish the lists that say so.
        Those that are taken stay taken: where there are more of them than seats, none is left until
        enough come back. Saying the same again changes nothing.

        `lists` are documents by name. Raises Conflict when one of them is another by now: then no
        list and no count was changed. One step where the store can; DynamoDB writes 100 items at
        once. Where there are more, the lists come first, with the counts that fall, and every
        further count only while those lists stand: Conflict then tells that somebody published
        after us, and theirs stands. Raises HalfPublished when lists stand and counts do not."""

    def seats(self, openings: Iterable[Opening]) -> dict[Opening, int]:
        """How many seats each opening has left; 0 for one that is not known."""

    def counted(self, openings: Iterable[Opening]) -> dict[Opening, tuple[int, int]]:
        """How many seats each opening has in all, and how many are taken; (0, 0) for one that is
        not known."""

    def drop_seats(self, openings: Iterable[Opening]) -> None:
        """Forget openings: nobody can take them any more."""

    def find(
        self, queue: str, id: bytes, epochs: Iterable[Epoch], now: datetime
    ) -> Envelope | None:
        """The live envelope of that id in one of the weeks."""

    def replace(self, old: Envelope, new: Envelope) -> None:
        """Put `new` in the place of `old`, with the next rev and the digest it had. In another
        week it moves, and a stub stays behind. If it has another opening, the old one gets its seat
        back and the new one gives one: all of it, or nothing. Raises Conflict when `old` is not the
        latest, NoSeats, and TracesRemain while traces may remain: then it is replaced; do not call
        it again."""

    def erase(self, old: Envelope, stub: bool = False) -> None:
        """Erase an envelope. With `stub`, its id, digest and end stay, so that a late retry of the
        first post does not bring it back. Its opening gets its seat back. Raises Conflict when
        `old` is not the latest, and TracesRemain while traces may remain: then it is erased; do not
        call it again."""

    def pull(self, queue: str, epochs: Iterable[Epoch], now: datetime) -> Iterator[Envelope]:
        """Every live envelope of the weeks, week by week, within a week in order of id."""

    def erase_epoch(self, queue: str, epoch: Epoch) -> Iterator[int]:
        """Erase every envelope and stub of a week, page by page: gives after each how many
        envelopes it had, and ends when there is none left. It takes the memory of one page, and
        leaves room for residents' writes between them. Who stops asking stops erasing, and calls
        `checkpoint`. Raises StoreUnavailable while traces may remain: call it again."""

    def erase_expired(self, queue: str, epoch: Epoch, now: datetime) -> Iterator[int]:
        """The same, of what has ended in a week: every row of it is looked at."""

    def put_keys(self, kid: Kid, server_half: bytes, wraps: Mapping[str, bytes]) -> None:
        """Keep a key's server half (32 bytes) and its wraps by device. Raises Conflict."""

    def server_half(self, kid: Kid) -> bytes:
        """Raises KeyDestroyed when there is none."""

    def put_wrap(self, kid: Kid, device: str, wrap: bytes, over: bytes | None = None) -> None:
        """Keep the wrap of a key for a device where there is none, or over exactly that one, which
        was tried at the device and does not open there. The same wrap again changes nothing.
        Raises Conflict."""

    def wrap(self, kid: Kid, device: str) -> bytes:
        """Raises KeyDestroyed when the key is gone, CannotOpen when this device has no wrap."""

    def wrapped(self, kid: Kid, device: str) -> bool:
        """Whether there is a wrap of that key for a device. Who may read no halves may ask it."""

    def destroy_keys(self, queue: str, epoch: Epoch) -> list[Kid]:
        """Delete every server half and wrap of a week, also a wrap whose half is gone; gives the
        names of the keys deleted. Raises
        StoreUnavailable while traces may remain: call it again."""

    def publish(self, name: str, data: bytes, expected_seq: int) -> int:
        """Write a public document over the one of that seq (0: there is none); gives its new seq.
        Raises Conflict when somebody else wrote first. On SQLite a damaged document is written over
        as if there were none."""

    def read(self, name: str) -> tuple[bytes, int] | None:
        """A public document and its seq; None when there is none. Raises DamagedDocument."""

    def date(self) -> datetime | None:
        """The store's own date, in whole seconds, as UTC; None where it has no clock but this
        computer's. It needs no sign-in, and a clock that is wrong does not keep it away. Raises
        StoreUnavailable."""

    def checkpoint(self) -> None:
        """Leave no deleted bytes behind. Raises TracesRemain where that cannot be done now: while
        somebody still reads, or the disk is full."""

    def close(self) -> None:
        """Let go of files and connections."""


def open_store(
    spec: str, patient: bool = False, create: bool = True, destroys: bool = False
) -> Store:
    """The store that a setting names: `sqlite:PATH`, or `dynamodb:PREFIX` of the tables' names.

    A function answers within seconds or says that it cannot; who is `patient`, as the desk is that
    pulls a whole queue, waits longer. Without `create` a file that is not there is an error, not a
    new and empty store. Who `destroys` opens it on a full disk too, in the room that is kept for
    that. Raises BadSetting or StoreUnavailable; StoreTooNew is one."""
    kind, _, name = spec.partition(":")
    if kind == "sqlite" and name:
        from quietdesk.store.sqlite import Sqlite

        return Sqlite(Path(name), create, destroys)
    if kind == "dynamodb" and name:
        # botocore is slow to import, and one machine never needs it.
        from quietdesk.store.dynamodb import DynamoDB
        from quietdesk.store.dynamodb.calls import CONFIG, PATIENT

        return DynamoDB(name, PATIENT if patient else CONFIG)
    raise BadSetting("QUIETDESK_STORE must be sqlite:PATH or dynamodb:PREFIX")
