"""The custodians' work: admitting devices, and minting the keys of coming weeks.

Both halves of a minted key exist in this process for a moment; a device half leaves it only as
wraps, a server half only into the store, and no seed is ever written.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from quietdesk import bundles, hpke, openings, record, weeks
from quietdesk.city import City
from quietdesk.errors import BadRecord, BadSignature, NotAdmitted
from quietdesk.hpke import Kid
from quietdesk.openings import Devices
from quietdesk.signed import Trust, signed_document, verify_signatures
from quietdesk.staff.device.keyring import Keyring, wrap_info
from quietdesk.staff.device.upload import offered
from quietdesk.store import Store
from quietdesk.weeks import Epoch


def devices(store: Store, trust: Trust) -> list[str]:
    """The admitted devices, as custodians signed them. Raises BadSignature."""
    return [*_devices(store, trust)[0].ids]


def admit(
    store: Store,
    city: City,
    trust: Trust,
    custodians: Sequence[Keyring],
    device: str,
    now: datetime,
) -> None:
    """Add a device to the signed list. Compare its words with the device's own screen first."""
    offered(store, device, trust)
    before, seq = _devices(store, trust)
    admitted, today = {*before.ids, device}, now.astimezone(city.zone).date()
    body = openings.devices_body(admitted, trust.deployment, before.number + 1, today)
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
            ready = {d: offer[epoch] for d, offer in wrap_keys.items() if epoch in offer}
            if not ready:
                raise NotAdmitted(f"no admitted device has a key for week {epoch}")
            _mint_week(store, city, trust, custodians, epoch, ready, now)
            minted.append(epoch)
    _sign_record(store, city, trust, custodians, now)
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
    now: datetime,
) -> None:
    halves = {
        Kid(city.queue, part, epoch, secrets.token_hex(4)): (
            secrets.token_bytes(32),
            secrets.token_bytes(32),
        )
        for part in hpke.PARTS
    }
    rows = [(kid, hpke.public_key(hpke.seed(*pair, kid))) for kid, pair in halves.items()]
    today = now.astimezone(city.zone).date()
    body = bundles.body(city.queue, trust.deployment, epoch, city.zone, rows, 1, today)
    bundle = _signed(body, "bundle", custodians, trust)  # first: it may be refused
    for kid, (device_half, server_half) in halves.items():
        wraps = {
            device: hpke.seal_to(wrap_key, wrap_info(kid, device), device_half)
            for device, wrap_key in ready.items()
        }
        store.put_keys(kid, server_half, wraps)
    # Last: a bundle that nobody can open must never be published.
    store.publish(bundles.name(city.queue, epoch), bundle, 0)


def _devices(store: Store, trust: Trust) -> tuple[Devices, int]:
    raw, seq = store.read("devices") or (None, 0)
    return openings.admitted_devices(raw, trust), seq


def _sign_record(
    store: Store, city: City, trust: Trust, custodians: Sequence[Keyring], now: datetime
) -> None:
    name, before = record.head_name(city.queue), 0
    held, seq = store.read(name) or (None, 0)
    if held is not None:
        with suppress(BadSignature, BadRecord):  # a damaged head is signed anew, from 1 on
            before = record.read_head(held, trust, city.queue).number
    today = now.astimezone(city.zone).date()
    lines = record.read(store, city.queue, today).lines
    head = record.head(city.queue, lines, trust.deployment, before + 1, today)
    # Over the head that was read: who signed more lines meanwhile is not undone.
    store.publish(name, _signed(head, "record", custodians, trust), seq)


def _signed(body: bytes, kind: str, custodians: Sequence[Keyring], trust: Trust) -> bytes:
    document = signed_document(body, [custodian.sign(kind, body) for custodian in custodians])
    # Nothing is published that would not be believed.
    verify_signatures(document, kind, trust.custodians, trust.threshold)
    return document
