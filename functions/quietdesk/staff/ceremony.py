"""The custodians' work: admitting devices, and minting the keys of coming weeks.

Both halves of a minted key exist in this process for a moment; a device half leaves it only as
wraps, a server half only into the store, and no seed is ever written.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quietdesk import bundles, hpke, openings, sweep, weeks
from quietdesk.city import City
from quietdesk.errors import BadRecord, BadSignature, NotAdmitted
from quietdesk.hpke import Kid
from quietdesk.openings import Devices
from quietdesk.signed import (
    Paper,
    Trust,
    key_id,
    own_key,
    read_signed,
    signed_document,
    verify_signatures,
)
from quietdesk.staff import keyring
from quietdesk.staff.keyring import WEEKS_AHEAD, Keyring, wrap_info
from quietdesk.store import Store
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64


def upload_wrap_keys(store: Store, device: Keyring, city: City, now: datetime) -> None:
    """Publish the device's public wrap keys, signed by the device."""
    try:
        before = _offer(store, device.id, device.trust)[1].number
    except NotAdmitted:  # there is none, or none of its own
        before = 0
    body = device.wrap_keys(before + 1, _today(city, now))
    document = signed_document(body, [device.sign("wrap-keys", body)])
    _publish_over(store, _wrap_keys_name(device.id), document)


def top_up(store: Store, path: Path, device: Keyring, city: City, now: datetime) -> Keyring:
    """The device's keyring with a wrap key for every coming week, saved at `path` and uploaded
    where the store lacks one. Run at every unlock: a device that is used never runs out."""
    full = device.topped_up(coming(city, now))
    if full.wrap_seeds.keys() != device.wrap_seeds.keys():
        keyring.save(path, keyring.lock(full))  # first: what is uploaded must never be lost
    try:
        _, there = offered(store, full.id, full.trust)
    except NotAdmitted:
        there = {}
    if not full.wrap_seeds.keys() <= there.keys():
        upload_wrap_keys(store, full, city, now)
    return full


def coming(city: City, now: datetime) -> list[Epoch]:
    """The weeks a device holds wrap keys for: this one and ten more."""
    current = weeks.epoch_at(now, city.zone)
    return [current.plus(n) for n in range(WEEKS_AHEAD + 1)]


def offered(store: Store, device: str, trust: Trust) -> tuple[bytes, dict[str, bytes]]:
    """The public key (SPKI) a device names itself by, and its wrap keys by epoch, from its upload.
    Raises NotAdmitted when there is no upload that the device itself signed."""
    spki, paper = _offer(store, device, trust)
    return spki, paper.says


def _offer(store: Store, device: str, trust: Trust) -> tuple[bytes, Paper[dict[str, bytes]]]:
    held = store.read(_wrap_keys_name(device))
    if held is None:
        raise NotAdmitted(f"device {device} has not uploaded its keys; run there: device new")
    try:
        spki = own_key(held[0])
        if key_id(spki).hex() != device:
            raise BadSignature("another device's key")
        read = read_signed(held[0], "wrap-keys", [spki], 1, _wrap_keys, trust.deployment)
    except BadSignature:
        raise NotAdmitted(f"the keys that device {device} uploaded do not verify") from None
    return spki, read


def _wrap_keys(document: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        str(Epoch.parse(epoch)): unb64(pk, hpke.PUBLIC_KEY_BYTES)
        for epoch, pk in document["keys"].items()
    }


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
    admitted, number = {*before.ids, device}, before.number + 1
    body = openings.devices_body(admitted, trust.deployment, number, _today(city, now))
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
        str(Kid(city.queue, part, epoch, secrets.token_hex(4))): (
            secrets.token_bytes(32),
            secrets.token_bytes(32),
        )
        for part in hpke.PARTS
    }
    rows = [(kid, hpke.public_key(hpke.seed(*pair, kid))) for kid, pair in halves.items()]
    today = _today(city, now)
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
    name, before = sweep.record_head_name(city.queue), 0
    if held := store.read(name):
        with suppress(BadSignature, BadRecord):  # a damaged head is signed anew, from 1 on
            before = sweep.read_head(held[0], trust, city.queue).number
    lines, today = sweep.record(store, city.queue)[0], _today(city, now)
    head = sweep.record_head(city.queue, lines, trust.deployment, before + 1, today)
    _publish_over(store, name, _signed(head, "record", custodians, trust))


def _publish_over(store: Store, name: str, document: bytes) -> None:
    """In the place of whatever is published under that name."""
    held = store.read(name)
    store.publish(name, document, held[1] if held else 0)


def _signed(body: bytes, kind: str, custodians: Sequence[Keyring], trust: Trust) -> bytes:
    document = signed_document(body, [custodian.sign(kind, body) for custodian in custodians])
    # Nothing is published that would not be believed.
    verify_signatures(document, kind, trust.custodians, trust.threshold)
    return document


def _today(city: City, now: datetime) -> date:
    """The day in the programme's time zone: a document proves that it has begun there."""
    return now.astimezone(city.zone).date()


def _wrap_keys_name(device: str) -> str:
    return f"wrap-keys#{device}"
