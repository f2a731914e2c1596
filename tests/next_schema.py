"""Schema 3, of no release: a step that rewrites rows, leaves some out and may be stopped half-way.

`use` makes this process believe that it is the schema of today.
"""

import sys
from collections.abc import Iterator

from quietdesk.store.sqlite import schema

FIRST = (
    "CREATE TABLE wraps_of_visits (kid TEXT, device TEXT, wrap BLOB, PRIMARY KEY (kid, device))"
    " WITHOUT ROWID",
    "INSERT INTO wraps_of_visits SELECT * FROM wraps WHERE kid LIKE '%.visit.%'",
    "UPDATE requests SET auth_hash = zeroblob(32)",
)
THEN = (
    "ALTER TABLE requests DROP COLUMN lane",
    "INSERT INTO public VALUES ('upgraded', x'01', 1)",  # a second time is an error
    "DROP TABLE wraps",  # last, so that nothing else is written where they were
)


def use(stop: bool = False) -> None:
    """With `stop`, an upgrade says `half` once its first half is written, and waits for ever."""
    real = schema.statements

    def statements(file: str) -> Iterator[str]:
        if file != "upgrade-to-3.sql":
            yield from real(file)
            return
        yield "PRAGMA cache_size = 1"  # so that changed pages are written long before the end
        yield from FIRST
        if stop:
            print("half", flush=True)
            sys.stdin.read()
        yield from THEN

    schema.SCHEMA_VERSION = 3
    schema.statements = statements
