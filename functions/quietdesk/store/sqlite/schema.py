"""The tables of the file, and the steps that bring an older file up to date.

`schema-N.sql` makes the tables of a new file; `upgrade-to-N.sql` makes schema N out of the one
before. Both lead to the same tables: a test compares them. Never is a copy of the older file made:
it would keep what the store erases later.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from quietdesk.errors import StoreTooNew, StoreUnavailable

SCHEMA_VERSION = 2
APPLICATION = 0x51646573  # "Qdes": says whose SQLite file this is


def is_new(db: sqlite3.Connection) -> bool:
    """Whether the file is empty. Raises StoreUnavailable or StoreTooNew for one not ours."""
    version = version_of(db)
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if not version and not application:
        if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
            return True
    if application != APPLICATION:
        raise StoreUnavailable("the file is not a store of Quietdesk")
    refuse_newer(db)
    return False


def refuse_newer(db: sqlite3.Connection) -> None:
    """Raises StoreTooNew for a file that a newer release has upgraded, perhaps since we opened
    it."""
    version = version_of(db)
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"the store has schema {version}; this Quietdesk reads {SCHEMA_VERSION} at most"
        )


def bring_up_to_date(db: sqlite3.Connection) -> bool:
    """Make the tables of a new file, or take an older one step by step to the schema of today. It
    runs within the caller's transaction, so all of it is done, or nothing; who comes second finds
    it done. Gives whether an older file was changed: then the WAL has pages of it."""
    new = is_new(db)
    if new:
        files = [f"schema-{SCHEMA_VERSION}.sql"]
    else:
        steps = range(version_of(db) + 1, SCHEMA_VERSION + 1)
        files = [f"upgrade-to-{number}.sql" for number in steps]
    for file in files:
        for statement in statements(file):
            db.execute(statement)
    if files:
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return bool(files) and not new


def version_of(db: sqlite3.Connection) -> int:
    """The number of the file's schema; 0 for a new file."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def statements(file: str) -> Iterator[str]:
    """The statements of a file beside this one. sqlite3's executescript would end the transaction
    that they belong to."""
    statement = ""
    for line in Path(__file__).with_name(file).read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
