"""The store in one SQLite file, for one machine."""

import hmac
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from quietdesk.envelopes import Envelope
from quietdesk.errors import (
    CannotOpen,
    Conflict,
    DamagedDocument,
    KeyDestroyed,
    NoSeats,
    NoStore,
    StoreUnavailable,
    TracesRemain,
)
from quietdesk.hpke import NO_KEY, Kid
from quietdesk.openings import Opening
from quietdesk.store import typed
from quietdesk.store.documents import OF_DESTRUCTION, Version
from quietdesk.store.sqlite import schema
from quietdesk.store.sqlite.room import Room, may_be_full
from quietdesk.store.sqlite.rows import COLUMNS, bytes_of, damaged, envelope_of
from quietdesk.weeks import Epoch

BUSY_SECONDS = 5.0
for kind in (Epoch, Kid, Opening):  # how SQLite is given them; `rows` how they come back
    sqlite3.register_adapter(kind, str)

PAGE = 200  # envelopes a read transaction, so that a long pull does not keep writers waiting
ERASED = 500  # rows a transaction that erases them: 5 MB in the WAL, and others wait 50 ms

_LIVE = "visit IS NOT NULL"  # a stub has no parts

T = TypeVar("T")


class _Full(StoreUnavailable):
    """The disk may be full."""


class Sqlite:
    """A store in one SQLite file, for one machine. Threads and processes may share the file.

    WAL with `synchronous=FULL`: what was acknowledged survives a kill and a power cut.
    `secure_delete` overwrites deleted rows with zeros, and a truncating checkpoint after each
    erasure empties the WAL, where older copies of a page would otherwise stay.
    """

    def __init__(self, path: Path, create: bool = True, destroys: bool = False):
        if not create and not path.exists():
            raise NoStore(f"there is no store at {path.absolute()}")
        self._path = path
        self._room = Room(path)
        self._thread = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        with _named_errors():
            # `parents=True` would give the folders above the last one the usual mode.
            for folder in reversed([path.parent, *path.parent.parents]):
                if not folder.exists():
                    folder.mkdir(mode=0o700, exist_ok=True)
            # Made by us, with its mode, before SQLite sees it; -wal and -shm take the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            try:
                # On a full disk there is no room even to open it.
                if destroys:
                    self._in_kept_room(self._prepare)
                else:
                    self._prepare()
            except BaseException:
                self.close()
                raise

    def begin(self) -> None:
        """Nothing: the file is near, and waits no longer than BUSY_SECONDS for others."""

    def put(self, envelope: Envelope) -> None:
        with self._write() as db:
            self._insert(db, envelope)

    def take(self, envelope: Envelope) -> None:
        with self._write() as db:
            if self._insert(db, envelope):
                _swap_seats(db, None, envelope.opening)

    def kept(self, queue: str, epoch: Epoch, id: bytes, digest: bytes) -> bool:
        with _named_errors():
            row = self._db.execute(
                "SELECT digest FROM requests WHERE queue = ? AND epoch = ? AND id = ?",
                (queue, epoch, id),
            ).fetchone()
        return row is not None and hmac.compare_digest(bytes_of(row[0]), digest)

    def set_seats(self, seats: Mapping[Opening, int], lists: Mapping[str, Version] = {}) -> None:
        with self._write() as db:
            for name, it in lists.items():
                _publish(db, name, it)
            db.executemany(
                "INSERT INTO seats VALUES (?1, ?2, ?2) ON CONFLICT (opening) DO UPDATE SET"
                " seats_left = seats_left + excluded.seats - seats, seats = excluded.seats",
                seats.items(),
            )

    def seats(self, openings: Iterable[Opening]) -> dict[Opening, int]:
        return {opening: max(0, left) for opening, (_, left) in self._counts(openings).items()}

    def counted(self, openings: Iterable[Opening]) -> dict[Opening, tuple[int, int]]:
        return {it: (of, of - left) for it, (of, left) in self._counts(openings).items()}

    def _counts(self, openings: Iterable[Opening]) -> dict[Opening, tuple[int, int]]:
        """Seats in all, and left."""
        named = {str(opening): opening for opening in openings}
        with _named_errors():
            rows = self._db.execute(
                "SELECT opening, seats, seats_left FROM seats"
                " WHERE opening IN (SELECT value FROM json_each(?))",
                (json.dumps([*named]),),
            ).fetchall()
        return dict.fromkeys(named.values(), (0, 0)) | {
            named[name]: (int(of), int(left)) for name, of, left in rows
        }

    def drop_seats(self, openings: Iterable[Opening]) -> None:
        with self._write() as db:
            db.executemany("DELETE FROM seats WHERE opening = ?", [(it,) for it in openings])

    def find(
        self, queue: str, id: bytes, epochs: Iterable[Epoch], now: datetime
    ) -> Envelope | None:
        # One question however many weeks: known and unknown ids cost the same.
        weeks = list(epochs)
        with _named_errors():
            row = self._db.execute(
                f"SELECT {COLUMNS} FROM requests"  # noqa: S608 - fixed names of columns
                f" WHERE queue = ? AND epoch IN ({', '.join('?' * len(weeks))})"
                f" AND id = ? AND expires > ? AND {_LIVE}",
                (queue, *weeks, id, now.timestamp()),
            ).fetchone()
        return envelope_of(row) if row else None

    def replace(self, old: Envelope, new: Envelope) -> None:
        with self._write() as db:
            if (new.queue, new.id) != (old.queue, old.id):
                raise ValueError("a request keeps its queue and id")
            moves = new.epoch != old.epoch
            where = "queue = ? AND epoch = ? AND id = ?"
            if moves and _count(db, where, (new.queue, new.epoch, new.id)):
                raise Conflict("another envelope has this id in that week")
            digest = self._remove(db, old, stub=moves)
            if new.opening != old.opening:
                _swap_seats(db, old.opening, new.opening)
            self._write_row(db, new, digest, old.rev + 1)
        self._traceless(self._empty_wal)

    def erase(self, old: Envelope, stub: bool = False) -> None:
        with self._write() as db:
            self._remove(db, old, stub)
            _swap_seats(db, old.opening, None)
        self._traceless(self._empty_wal)

    def pull(self, queue: str, epochs: Iterable[Epoch], now: datetime) -> Iterator[Envelope]:
        for epoch in epochs:
            last: list[object] = []  # no value is before an id of any type, also a damaged one
            while True:
                after = "AND id > ?" if last else ""
                with _named_errors():
                    rows = self._db.execute(
                        f"SELECT {COLUMNS} FROM requests"  # noqa: S608 - fixed names of columns
                        f" WHERE queue = ? AND epoch = ? {after} AND expires > ? AND {_LIVE}"
                        " ORDER BY id LIMIT ?",
                        (queue, epoch, *last, now.timestamp(), PAGE),
                    ).fetchall()
                for row in rows:
                    yield envelope_of(row)
                if len(rows) < PAGE:
                    break
                last = [rows[-1][2]]

    def erase_epoch(self, queue: str, epoch: Epoch) -> Iterator[int]:
        return self._erase("queue = ? AND epoch = ?", (queue, epoch))

    def erase_expired(self, queue: str, epoch: Epoch, now: datetime) -> Iterator[int]:
        return self._erase(
            "queue = ? AND epoch = ? AND expires <= ?", (queue, epoch, now.timestamp())
        )

    def _erase(self, where: str, values: tuple[object, ...]) -> Iterator[int]:
        last: list[object] = []  # no value is before an id of any type, also a damaged one

        def page() -> list[tuple[object, int]]:
            page = f"FROM requests WHERE {where} {'AND id > ?' if last else ''}"
            with self._write() as db:
                rows = db.execute(
                    f"SELECT id, {_LIVE} {page} ORDER BY id LIMIT ?",
                    (*values, *last, ERASED),
                ).fetchall()
                if rows:
                    until = rows[-1][0]
                    db.execute(f"DELETE {page} AND id <= ?", (*values, *last, until))
                return rows

        while rows := self._in_kept_room(page):
            last = [rows[-1][0]]
            yield sum(live for _, live in rows)
        self.checkpoint()
        self._room.make()

    def put_keys(self, kid: Kid, server_half: bytes, wraps: Mapping[str, bytes]) -> None:
        with self._write() as db:
            if db.execute("SELECT 1 FROM keys WHERE kid = ?", (kid,)).fetchone():
                raise Conflict("there is a key of that name")
            db.execute(
                "INSERT INTO keys VALUES (?, ?, ?, ?)",
                (kid, kid.queue, kid.epoch, server_half),
            )
            db.executemany(
                "INSERT INTO wraps VALUES (?, ?, ?)",
                [(kid, device, wrap) for device, wrap in wraps.items()],
            )

    def server_half(self, kid: Kid) -> bytes:
        with _named_errors():
            row = self._db.execute("SELECT server_half FROM keys WHERE kid = ?", (kid,)).fetchone()
        if row is None:
            raise KeyDestroyed(str(kid.epoch))
        return bytes_of(row[0])

    def put_wrap(self, kid: Kid, device: str, wrap: bytes, over: bytes | None = None) -> None:
        with self._write() as db:
            held = _wrap(db, kid, device)
            if held not in (None, wrap, over):
                raise Conflict("there is another wrap for that device")
            db.execute("INSERT OR REPLACE INTO wraps VALUES (?, ?, ?)", (kid, device, wrap))

    def wrap(self, kid: Kid, device: str) -> bytes:
        self.server_half(kid)
        with _named_errors():
            wrap = _wrap(self._db, kid, device)
        if wrap is None:
            raise CannotOpen("this week's keys were made before this device was admitted", "early")
        return wrap

    def wrapped(self, kid: Kid, device: str) -> bool:
        with _named_errors():
            return _wrap(self._db, kid, device) is not None

    def destroy_keys(self, queue: str, epoch: Epoch) -> list[Kid]:
        def destroy() -> list[tuple[object]]:
            with self._write() as db:
                of_week = f"{queue}.*.{epoch}.*"
                # A half is asked for by its name: what the column says may be damaged.
                rows = db.execute(
                    "SELECT kid FROM keys WHERE queue = ? AND epoch = ? OR kid GLOB ? ORDER BY kid",
                    (queue, epoch, of_week),
                ).fetchall()
                db.executemany("DELETE FROM wraps WHERE kid = ?", rows)
                # Also one of which the half is gone, as when it was put back.
                db.execute("DELETE FROM wraps WHERE kid GLOB ?", (of_week,))
                db.executemany("DELETE FROM keys WHERE kid = ?", rows)
                return rows

        rows = self._in_kept_room(destroy)
        self.checkpoint()
        return [kid for (name,) in rows if (kid := typed.kid(str(name))) != NO_KEY]

    def publish(self, name: str, data: bytes, expected_seq: int) -> int:
        def publish() -> None:
            with self._write() as db:
                _publish(db, name, Version(data, expected_seq, expected_seq + 1))

        if name.startswith(OF_DESTRUCTION):
            self._in_kept_room(publish)
        else:
            publish()
        return expected_seq + 1

    def read(self, name: str) -> tuple[bytes, int] | None:
        with _named_errors():
            row = self._db.execute(
                "SELECT data, seq FROM public WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return None
        if damaged(*row):
            raise DamagedDocument("a document in the store is damaged")
        return row[0], row[1]

    def date(self) -> None:
        """None: a file has no clock but this computer's."""

    def checkpoint(self) -> None:
        self._traceless(lambda: self._in_kept_room(self._empty_wal))

    def _traceless(self, empty: Callable[[], None]) -> None:
        # What was done before is committed, whatever the disk says now.
        try:
            with _named_errors():
                empty()
        except TracesRemain:
            raise
        except StoreUnavailable:
            raise TracesRemain("done, but traces stay in the file: the disk refuses") from None

    def _empty_wal(self) -> None:
        busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise TracesRemain("done, but traces stay in the file until nobody reads it")

    def close(self) -> None:
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._thread = threading.local()

    @property
    def _db(self) -> sqlite3.Connection:
        """This thread's connection."""
        db: sqlite3.Connection | None = getattr(self._thread, "db", None)
        if db is None:
            db = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            with self._guard:
                self._connections.append(db)
            # A text that is no UTF-8 any more would stop a whole page of rows.
            db.text_factory = lambda raw: raw.decode(errors="replace")
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA synchronous = FULL")
            self._thread.db = db
        return db

    def _prepare(self) -> None:
        # Looked at before anything is changed: WAL is written into the file, whosever it is. One
        # transaction, or another process that makes the store meanwhile would be half seen.
        self._db.execute("BEGIN")
        try:
            schema.is_new(self._db)
        finally:
            self._db.rollback()  # nothing was written; it may be tried again in the kept room
        self._use_wal()
        with self._write() as db:
            upgraded = schema.bring_up_to_date(db)
        if upgraded:
            with suppress(StoreUnavailable):  # while somebody reads: the next erasure empties it
                self._traceless(self._empty_wal)
        # A file that was here before us may be open to others, and so may what a kill left of it.
        for end in ("", "-wal", "-shm"):
            file = Path(f"{self._path}{end}")
            if file.exists():
                file.chmod(0o600)

    def _use_wal(self) -> None:
        """SQLite does not wait, as it does elsewhere, when two processes ask for WAL at once."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def _in_kept_room(self, work: Callable[[], T]) -> T:
        """What destruction needs, which must be possible on a full disk too: then in the room that
        is kept for it. What is left of that is taken back at once, before others take it."""
        try:
            with _named_errors():
                return work()
        except _Full:
            if not self._room.let_go():
                raise
        try:
            with _named_errors():
                return work()
        finally:
            self._room.make()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with _named_errors():
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                schema.refuse_newer(db)
                yield db
                db.execute("COMMIT")
            except BaseException:
                # Out of space or I/O errors may have ended the transaction already.
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _insert(self, db: sqlite3.Connection, envelope: Envelope) -> bool:
        """Whether the envelope is new. Raises Conflict."""
        row = db.execute(
            "SELECT digest FROM requests WHERE queue = ? AND epoch = ? AND id = ?",
            (envelope.queue, envelope.epoch, envelope.id),
        ).fetchone()
        if row is None:
            if self._room.is_short():
                raise StoreUnavailable("the disk is nearly full")
            self._write_row(db, envelope, envelope.digest, envelope.rev)
        elif not hmac.compare_digest(bytes_of(row[0]), envelope.digest):
            raise Conflict("another envelope has this id")
        return row is None

    def _write_row(
        self, db: sqlite3.Connection, envelope: Envelope, digest: bytes, rev: int
    ) -> None:
        db.execute(
            # A stub of an earlier move may lie where an envelope moves back to.
            f"INSERT OR REPLACE INTO requests ({COLUMNS})"  # noqa: S608 - fixed names of columns
            f" VALUES ({', '.join('?' * 15)})",
            (
                envelope.queue, envelope.epoch, envelope.id, digest, envelope.expires, rev,
                envelope.lane, envelope.born, envelope.opening or "", envelope.auth_hash,
                envelope.visit.kid, envelope.visit.sealed,
                envelope.contact.kid, envelope.contact.sealed, envelope.reply,
            ),
        )  # fmt: skip

    def _remove(self, db: sqlite3.Connection, old: Envelope, stub: bool) -> bytes:
        """Gives the digest that was kept. Raises Conflict."""
        where = "queue = ? AND epoch = ? AND id = ? AND rev = ?"
        values = (old.queue, old.epoch, old.id, old.rev)
        row = db.execute(
            f"SELECT digest, expires FROM requests WHERE {where} AND {_LIVE}",  # noqa: S608 - fixed
            values,
        ).fetchone()
        if row is None:
            raise Conflict("the request changed or went since it was read")
        db.execute(f"DELETE FROM requests WHERE {where}", values)  # noqa: S608 - fixed text
        if stub:
            db.execute(
                "INSERT INTO requests (queue, epoch, id, digest, expires, rev)"
                " VALUES (?, ?, ?, ?, ?, 0)",
                (old.queue, old.epoch, old.id, *row),
            )
        return bytes_of(row[0])


def _swap_seats(db: sqlite3.Connection, back: Opening | None, wanted: Opening | None) -> None:
    """One seat back to an opening and one from another, if any. Raises NoSeats."""
    if wanted:
        taken = db.execute(
            "UPDATE seats SET seats_left = seats_left - 1 WHERE opening = ? AND seats_left > 0",
            (wanted,),
        )
        if taken.rowcount != 1:
            raise NoSeats("the opening has no seat left")
    if back:
        db.execute("UPDATE seats SET seats_left = seats_left + 1 WHERE opening = ?", (back,))


def _publish(db: sqlite3.Connection, name: str, it: Version) -> None:
    """A public document over the one of that seq; a damaged one has none, so that it is written
    anew as if it were not there. Raises Conflict."""
    row = db.execute("SELECT data, seq FROM public WHERE name = ?", (name,)).fetchone()
    if (0 if row is None or damaged(*row) else row[1]) != it.before:
        raise Conflict("somebody else published first")
    if it.after != it.before:
        db.execute("INSERT OR REPLACE INTO public VALUES (?, ?, ?)", (name, it.data, it.after))


def _count(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> int:
    text = f"SELECT count(*) FROM requests WHERE {where} AND {_LIVE}"  # noqa: S608 - fixed text
    return int(db.execute(text, values).fetchone()[0])


def _wrap(db: sqlite3.Connection, kid: Kid, device: str) -> bytes | None:
    """The wrap of a key for a device; b"" for a damaged one, None when there is none."""
    row = db.execute(
        "SELECT wrap FROM wraps WHERE kid = ? AND device = ?", (kid, device)
    ).fetchone()
    return None if row is None else bytes_of(row[0])


@contextmanager
def _named_errors() -> Iterator[None]:
    """SQLite's and the disk's errors under our name, without their text: it may hold values."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        kind = _Full if may_be_full(error) else StoreUnavailable
        raise kind("the store is locked, full, read-only or damaged") from None
