"""This device's public wrap keys, one for each coming week: signed by it, and in the store.

Custodians read them when they mint: what is not there, or does not verify, gets no half of a key.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from quietdesk import hpke, weeks
from quietdesk.city import City
from quietdesk.errors import BadSignature, NotAdmitted
from quietdesk.signed import Paper, Trust, key_id, own_key, read_signed, signed_document
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import WRAP_WEEKS_AHEAD, Keyring
from quietdesk.store import Store
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64


def upload_wrap_keys(store: Store, device: Keyring, city: City, now: datetime) -> None:
    """Publish the device's public wrap keys, signed by the device."""
    try:
        before = _offer(store, device.id, device.trust)[1].number
    except NotAdmitted:  # there is none, or none of its own
        before = 0
    body = device.wrap_keys(before + 1, now.astimezone(city.zone).date())
    document = signed_document(body, [device.sign("wrap-keys", body)])
    publish_over(store, _name(device.id), document)


def top_up(store: Store, path: Path, device: Keyring, city: City, now: datetime) -> Keyring:
    """The device's keyring with a wrap key for every coming week, saved at `path` and uploaded
    where the store lacks one. Run for a new device and after every pull: one that is used never
    runs out."""
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
    return [current.plus(n) for n in range(WRAP_WEEKS_AHEAD + 1)]


def offered(store: Store, device: str, trust: Trust) -> tuple[bytes, dict[Epoch, bytes]]:
    """The public key (SPKI) a device names itself by, and its wrap keys by epoch, from its upload.
    Raises NotAdmitted when there is no upload that the device itself signed."""
    spki, paper = _offer(store, device, trust)
    return spki, paper.says


def _offer(store: Store, device: str, trust: Trust) -> tuple[bytes, Paper[dict[Epoch, bytes]]]:
    held = store.read(_name(device))
    if held is None:
        raise NotAdmitted(f"device {device} has not uploaded its keys; run there: device new")
    try:
        spki = own_key(held[0])
        if key_id(spki).hex() != device:
            raise BadSignature("another device's key")
        paper = read_signed(held[0], "wrap-keys", [spki], 1, _wrap_keys, trust.deployment)
    except BadSignature:
        raise NotAdmitted(f"the keys that device {device} uploaded do not verify") from None
    return spki, paper


def _wrap_keys(document: Mapping[str, Any]) -> dict[Epoch, bytes]:
    return {
        Epoch.parse(epoch): unb64(pk, hpke.PUBLIC_KEY_BYTES)
        for epoch, pk in document["keys"].items()
    }


def publish_over(store: Store, name: str, document: bytes) -> None:
    """Publish a document in the place of whatever has that name."""
    held = store.read(name)
    store.publish(name, document, held[1] if held else 0)


def _name(device: str) -> str:
    return f"wrap-keys#{device}"
