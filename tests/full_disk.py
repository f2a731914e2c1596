"""A store on a disk that is really full: `python -m tests.full_disk FOLDER HOW`, where FOLDER is a
small disk of its own (tests/test_room.py mounts it). Says as JSON what could still be done.

Residents fill the disk, then somebody else's file does, to the last byte. HOW is `running`,
`restarted` (the store is closed then, and opened again) or `killed` (its process was).
"""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from quietdesk import record, sweep
from quietdesk.errors import StoreUnavailable
from quietdesk.hpke import Kid
from quietdesk.store import Store, open_store
from quietdesk.store.sqlite import room
from tests.rows import NOW, WEEK, make
from tests.world import compiled_city

LATER = NOW.replace(month=12, day=2)  # after its key day
KID = Kid("main", "visit", WEEK, "00000001")


def possible(work: Callable[[], object]) -> bool:
    try:
        work()
    except StoreUnavailable:
        return False
    return True


def fill(folder: Path, store: Store) -> dict[str, object]:
    sweep.run(store, compiled_city(), NOW)  # with which the room is made
    store.put_keys(KID, os.urandom(32), {"one": os.urandom(1168)})
    taken = 0
    while possible(lambda: store.put(make())):
        taken += 1
    free = os.statvfs(folder)
    with (folder / "somebody-elses").open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return {"taken": taken, "free_then": free.f_bavail * free.f_frsize}


def destroy(folder: Path, store: Store) -> dict[str, object]:
    said: dict[str, object] = {"full": os.statvfs(folder).f_bavail == 0}
    said["destroyed"] = possible(lambda: sweep.run(store, compiled_city(), LATER))
    with closing(sqlite3.connect(folder / "requests.db")) as db:
        for table in ("keys", "wraps", "requests"):
            (said[table],) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    lines = record.read(store, "main", LATER.date()).lines
    said["lines"] = [line.kind for line in lines]
    reserve = folder / "requests.db-reserve"
    said["room"] = reserve.stat().st_size if reserve.exists() else 0
    (folder / "somebody-elses").unlink()
    possible(lambda: sweep.run(store, compiled_city(), LATER))
    said["room_later"] = reserve.stat().st_size if reserve.exists() else 0
    return said


def main(folder: Path, how: str, kept: str, reserve: str) -> None:
    room.KEPT, room.RESERVE, room.CHUNK = int(kept), int(reserve), 1 << 18
    spec = f"sqlite:{folder / 'requests.db'}"
    note = folder.parent / "note.json"  # on another disk
    if how == "killed":
        child = os.fork()
        if not child:
            note.write_text(json.dumps(fill(folder, open_store(spec))))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        said = json.loads(note.read_text())
    else:
        store = open_store(spec)
        said = fill(folder, store)
        if how == "running":
            print(json.dumps(said | destroy(folder, store)))
            return
        store.close()
    possible(lambda: open_store(spec, create=False).close())
    said["room_after_a_look"] = (folder / "requests.db-reserve").stat().st_size
    with closing(open_store(spec, create=False, destroys=True)) as store:
        print(json.dumps(said | destroy(folder, store)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
