"""Destruction by the calendar: keys of ended weeks, then their envelopes, then the line of it."""

import json
from datetime import datetime

from quietdesk import keys
from quietdesk.city import City
from quietdesk.errors import BadRecord, QuietdeskError, StoreUnavailable
from quietdesk.keys import Epoch, Line
from quietdesk.store import Store
from quietdesk.wire import unb64

LOOK_BACK_WEEKS = 60  # a sweep that did not run for so long still finds every week it owes


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
    current = keys.epoch_at(now, city.zone)
    for epoch in (current.plus(-n) for n in range(LOOK_BACK_WEEKS, 0, -1)):
        if str(epoch) in recorded or keys.destroyed_at(epoch, city.zone, city.serve_days) > now:
            continue
        try:
            destroyed = _destroy(store, city, epoch)
            if destroyed is not None and written is not None:
                kids, erased = destroyed
                line = Line(
                    queue=city.queue,
                    epoch=str(epoch),
                    kids=kids,
                    # In this run; after a crash before this line, the count starts anew.
                    envelopes_erased=erased,
                    destroyed_at=now.astimezone(city.zone).date(),
                    prev=keys.line_hash(written[-1]) if written else "",
                )
                text = b"".join(each.write() + b"\n" for each in [*written, line])
                seq = store.publish(keys.record_name(city.queue), text, seq)
                written.append(line)
                lines.append(line)
        except StoreUnavailable as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    live = keys.live(now, city.zone, city.serve_days)
    store.erase_expired(city.queue, [str(epoch) for epoch in live], now)
    return lines


def _destroy(store: Store, city: City, epoch: Epoch) -> tuple[tuple[str, ...], int] | None:
    """Keys, then envelopes: the names of the week's keys, and how many envelopes. None when the
    week never had any; halves left by a minting that was not finished go all the same."""
    destroyed = store.destroy_keys(city.queue, str(epoch))
    erased = store.erase_epoch(city.queue, str(epoch))
    bundle = store.read(keys.bundle_name(city.queue, epoch))
    if bundle is None and not destroyed:
        return None
    return (_kids(bundle[0]) if bundle else ()) or tuple(destroyed), erased


def days_of_keys(store: Store, city: City, now: datetime) -> int:
    """For how many whole days from now keys are published: so long the form stays open."""
    epoch = keys.epoch_at(now, city.zone)
    while store.read(keys.bundle_name(city.queue, epoch)) is not None:
        epoch = epoch.plus(1)
    return max(0, (epoch.start(city.zone) - now).days)


def record(store: Store, queue: str) -> tuple[list[Line], int]:
    """The destruction record as it stands, and the seq of its document. Raises BadRecord."""
    held = store.read(keys.record_name(queue))
    return (keys.read_record(held[0]), held[1]) if held else ([], 0)


def _kids(bundle: bytes) -> tuple[str, ...]:
    # Only names are read here, of keys that are gone already; nothing rests on the signature. A
    # damaged document must not keep this week's envelopes, or later weeks, from being erased.
    try:
        body = json.loads(unb64(json.loads(bundle)["body"]))
        return tuple(str(keys.Kid.parse(row["kid"])) for row in body["keys"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()
