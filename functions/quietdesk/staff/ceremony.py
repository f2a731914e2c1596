"""The custodians' work: admitting devices, and minting the keys of coming weeks.

Both halves of a minted key exist in this process for a moment; a device half leaves it only as
wraps, a server half only into the store, and no seed is ever written.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from quietdesk import keys, openings, sweep
from quietdesk.city import City
from quietdesk.errors import BadSignature, NotAdmitted
from quietdesk.keys import Epoch, Kid, Trust
from quietdesk.staff import keyring
from quietdesk.staff.keyring import WEEKS_AHEAD, Keyring, wrap_info
from quietdesk.store import Store
from quietdesk.wire import unb64


def upload_wrap_keys(store: Store, device: Keyring) -> None:
    """Publish the device's public wrap keys, signed by the device."""
    body = device.wrap_keys()
    document = keys.signed_document(body, [device.sign("wrap-keys", body)])
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
        upload_wrap_keys(store, full)
    return full


def coming(city: City, now: datetime) -> list[Epoch]:
    """The weeks a device holds wrap keys for: this one and ten more."""
    current = keys.epoch_at(now, city.zone)
    return [current.plus(n) for n in range(WEEKS_AHEAD + 1)]


def offered(store: Store, device: str, trust: Trust) -> tuple[bytes, dict[str, bytes]]:
    """The public key (SPKI) a device names itself by, and its wrap keys by epoch, from its upload.
    Raises NotAdmitted when there is no upload that the device itself signed."""
    held = store.read(_wrap_keys_name(device))
    if held is None:
        raise NotAdmitted(f"device {device} has not uploaded its keys; run there: device new")
    try:
        # The document names its own key: the device's id is that key's hash, so only it fits.
        spki = unb64(json.loads(unb64(json.loads(held[0])["body"]))["spki"])
        if keys.key_id(spki).hex() != device:
            raise ValueError("another device's key")
        document = keys.verify(held[0], "wrap-keys", [spki], 1)
        if document["deployment"] != trust.deployment:
            raise ValueError("another deployment")
        wrap_keys = {
            str(Epoch.parse(epoch)): unb64(pk, keys.PUBLIC_KEY_BYTES)
            for epoch, pk in document["keys"].items()
        }
    except (BadSignature, ValueError, TypeError, KeyError, AttributeError):
        raise NotAdmitted(f"the keys that device {device} uploaded do not verify") from None
    return spki, wrap_keys


def devices(store: Store, trust: Trust) -> list[str]:
    """The admitted devices, as custodians signed them. Raises BadSignature."""
    return _devices(store, trust)[0]


def admit(store: Store, trust: Trust, custodians: Sequence[Keyring], device: str) -> None:
    """Add a device to the signed list. Compare its words with the device's own screen first."""
    offered(store, device, trust)
    before, seq = _devices(store, trust)
    admitted = sorted({*before, device})
    body = json.dumps({"v": 1, "deployment": trust.deployment, "devices": admitted}).encode()
    # Over the list that was read: who admitted another device meanwhile is not undone.
    store.publish("devices", _signed(body, "devices", custodians, trust), seq)


def mint(
    store: Store, city: City, trust: Trust, custodians: Sequence[Keyring], weeks: int, now: datetime
) -> list[Epoch]:
    """Mint the keys of this week and the following ones, `weeks` in all, where there are none.

    Gives the weeks minted. Raises NotAdmitted when no admitted device has a key for a week, and
    BadSignature when too few custodians are here.
    """
    wrap_keys = {device: offered(store, device, trust)[1] for device in devices(store, trust)}
    current = keys.epoch_at(now, city.zone)
    minted = []
    for epoch in (current.plus(n) for n in range(weeks)):
        if store.read(keys.bundle_name(city.queue, epoch)) is None:
            ready = {d: offer[str(epoch)] for d, offer in wrap_keys.items() if str(epoch) in offer}
            if not ready:
                raise NotAdmitted(f"no admitted device has a key for week {epoch}")
            _mint_week(store, city, trust, custodians, epoch, ready)
            minted.append(epoch)
    _sign_record(store, city, trust, custodians)
    return minted


def weeks_ahead(store: Store, city: City, now: datetime) -> int:
    """How many weeks in a row, from this one on, have keys."""
    epoch, count = keys.epoch_at(now, city.zone), 0
    while store.read(keys.bundle_name(city.queue, epoch.plus(count))) is not None:
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
        for part in keys.PARTS
    }
    rows = [(kid, keys.public_key(keys.seed(*pair, kid))) for kid, pair in halves.items()]
    body = keys.bundle_body(city.queue, trust.deployment, epoch, city.zone, rows)
    bundle = _signed(body, "bundle", custodians, trust)  # first: it may be refused
    for kid, (device_half, server_half) in halves.items():
        wraps = {
            device: keys.seal_to(wrap_key, wrap_info(kid, device), device_half)
            for device, wrap_key in ready.items()
        }
        store.put_keys(kid, server_half, wraps)
    # Last: a bundle that nobody can open must never be published.
    store.publish(keys.bundle_name(city.queue, epoch), bundle, 0)


def _devices(store: Store, trust: Trust) -> tuple[list[str], int]:
    held = store.read("devices")
    return (openings.admitted_devices(held[0], trust), held[1]) if held else ([], 0)


def _sign_record(store: Store, city: City, trust: Trust, custodians: Sequence[Keyring]) -> None:
    head = keys.record_head(city.queue, sweep.record(store, city.queue)[0])
    signed = _signed(head, "record", custodians, trust)
    _publish_over(store, keys.record_head_name(city.queue), signed)


def _publish_over(store: Store, name: str, document: bytes) -> None:
    """In the place of whatever is published under that name."""
    held = store.read(name)
    store.publish(name, document, held[1] if held else 0)


def _signed(body: bytes, kind: str, custodians: Sequence[Keyring], trust: Trust) -> bytes:
    document = keys.signed_document(body, [custodian.sign(kind, body) for custodian in custodians])
    # Nothing is published that would not be believed.
    keys.verify(document, kind, trust.custodians, trust.threshold)
    return document


def _wrap_keys_name(device: str) -> str:
    return f"wrap-keys#{device}"
