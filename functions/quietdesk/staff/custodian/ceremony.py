"""The custodians' work: admitting devices, and minting the keys of coming weeks.

Both halves of a minted key exist in this process for a moment; a device half leaves it only as
wraps, a server half only into the store, and no seed is ever written.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from quietdesk import bundles, hpke, openings, sweep, weeks
from quietdesk.city import City
from quietdesk.errors import NotAdmitted
from quietdesk.hpke import Kid
from quietdesk.signed import VERSION, Trust, signed_document, verify_signatures
from quietdesk.staff.device.keyring import Keyring, wrap_info
from quietdesk.staff.device.upload import offered, publish_over
from quietdesk.store import Store
from quietdesk.weeks import Epoch


def devices(store: Store, trust: Trust) -> list[str]:
    """The admitted devices, as custodians signed them. Raises BadSignature."""
    return _devices(store, trust)[0]


def admit(store: Store, trust: Trust, custodians: Sequence[Keyring], device: str) -> None:
    """Add a device to the signed list. Compare its words with the device's own screen first."""
    offered(store, device, trust)
    before, seq = _devices(store, trust)
    admitted = sorted({*before, device})
    body = json.dumps({"v": VERSION, "deployment": trust.deployment, "devices": admitted}).encode()
    # Over the list that was read: who admitted another device meanwhile is not undone.
    store.publish("devices", _signed(body, "devices", custodians, trust), seq)


def mint(
    store: Store, city: City, trust: Trust, custodians: Sequence[Keyring], count: int, now: datetime
) -> list[Epoch]:
    """Mint the keys of this week and the following ones, `count` in all, where there are none.

    Gives the weeks minted. Raises NotAdmitted when no admitted device has a key for a week, and
    BadSignature when too few custodians are here.
    """
    wrap_keys = {device: offered(store, device, trust)[1] for device in devices(store, trust)}
    current = weeks.epoch_at(now, city.zone)
    minted = []
    for epoch in (current.plus(n) for n in range(count)):
        if store.read(bundles.name(city.queue, epoch)) is None:
            ready = {d: offer[str(epoch)] for d, offer in wrap_keys.items() if str(epoch) in offer}
            if not ready:
                raise NotAdmitted(f"no admitted device has a key for week {epoch}")
            _mint_week(store, city, trust, custodians, epoch, ready)
            minted.append(epoch)
    _sign_record(store, city, trust, custodians)
    return minted


def weeks_ahead(store: Store, city: City, now: datetime) -> int:
    """How many weeks in a row, from this one on, have keys."""
    epoch, count = weeks.epoch_at(now, city.zone), 0
    while store.read(bundles.name(city.queue, epoch.plus(count))) is not None:
        count += 1
    return count


def _mint_week(
    store: Store,
    city: City,
    trust: Trust,
    custodians: Sequence[Keyring],
    epoch: Epoch,
    ready: Mapping[str, bytes],
) -> None:
    halves = {
        str(Kid(city.queue, part, epoch, secrets.token_hex(4))): (
            secrets.token_bytes(32),
            secrets.token_bytes(32),
        )
        for part in hpke.PARTS
    }
    rows = [(kid, hpke.public_key(hpke.seed(*pair, kid))) for kid, pair in halves.items()]
    body = bundles.body(city.queue, trust.deployment, epoch, city.zone, rows)
    bundle = _signed(body, "bundle", custodians, trust)  # first: it may be refused
    for kid, (device_half, server_half) in halves.items():
        wraps = {
            device: hpke.seal_to(wrap_key, wrap_info(kid, device), device_half)
            for device, wrap_key in ready.items()
        }
        store.put_keys(kid, server_half, wraps)
    # Last: a bundle that nobody can open must never be published.
    store.publish(bundles.name(city.queue, epoch), bundle, 0)


def _devices(store: Store, trust: Trust) -> tuple[list[str], int]:
    held = store.read("devices")
    return (openings.admitted_devices(held[0], trust), held[1]) if held else ([], 0)


def _sign_record(store: Store, city: City, trust: Trust, custodians: Sequence[Keyring]) -> None:
    head = sweep.record_head(city.queue, sweep.record(store, city.queue)[0])
    signed = _signed(head, "record", custodians, trust)
    publish_over(store, sweep.record_head_name(city.queue), signed)


def _signed(body: bytes, kind: str, custodians: Sequence[Keyring], trust: Trust) -> bytes:
    document = signed_document(body, [custodian.sign(kind, body) for custodian in custodians])
    # Nothing is published that would not be believed.
    verify_signatures(document, kind, trust.custodians, trust.threshold)
    return document
