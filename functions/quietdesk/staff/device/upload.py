"""What a device says of itself, signed by it, in the store: its public wrap keys, one for each
coming week, and which keys it has proved that it opens.

Custodians read it when they mint: who has none there, or none that verifies, gets no half of a key.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quietdesk import weeks
from quietdesk.city import City
from quietdesk.errors import BadSignature, DamagedDocument, NoUpload
from quietdesk.hpke import Kid
from quietdesk.signed import Trust, day_of, key_id, own_key, read_signed, signed_document
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import WRAP_WEEKS_AHEAD, Keyring
from quietdesk.store import Store
from quietdesk.weeks import MAX_SERVE_DAYS, Epoch
from quietdesk.wire import unb64

WRAP_WEEKS_BACK = MAX_SERVE_DAYS // 7  # older ones are over whatever the city says


@dataclass(frozen=True, slots=True)
class Upload:
    """What a device says of itself: its public key (SPKI), its public wrap keys by week (1,216
    bytes each, if it made no mistake), and what it found when it tried its wraps: the keys that it
    opens with and those of which its wrap fails, each with the day since which that is so. `number`
    and `signed_on` as in signed.Paper."""

    spki: bytes
    keys: Mapping[Epoch, bytes]
    proved: Mapping[Kid, date] = field(default_factory=dict)
    failed: Mapping[Kid, date] = field(default_factory=dict)
    number: int = 0
    signed_on: date | None = None


def upload_wrap_keys(store: Store, device: Keyring, city: City, now: datetime) -> None:
    """Publish the device's public wrap keys, signed by the device, with what it found before."""
    try:
        before = of(store, device.public_key, device.trust)
    except NoUpload:  # there is none, or none of its own
        before = Upload(device.public_key, {})
    _upload(store, device, city, now, before)


def say_found(
    store: Store,
    device: Keyring,
    city: City,
    now: datetime,
    proved: Collection[Kid],
    failed: Collection[Kid],
) -> None:
    """Put into the upload which keys the device opens with, and which of its wraps fail, where it
    says otherwise. Raises NoUpload when there is none."""
    there, today = of(store, device.public_key, device.trust), now.astimezone(city.zone).date()
    found = replace(
        there,
        proved={kid: there.proved.get(kid, today) for kid in proved},
        failed={kid: there.failed.get(kid, today) for kid in failed},
    )
    if found != there:
        _upload(store, device, city, now, found)


def _upload(store: Store, device: Keyring, city: City, now: datetime, says: Upload) -> None:
    today = now.astimezone(city.zone).date()
    body = device.wrap_keys(says.number + 1, today, says.proved, says.failed)
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
        there = of(store, full.public_key, full.trust).keys
    except NoUpload:
        there = {}
    if not full.wrap_seeds.keys() <= there.keys():
        upload_wrap_keys(store, full, city, now)
    return full


def coming(city: City, now: datetime) -> list[Epoch]:
    """The weeks a device holds wrap keys for: those before whose key day is ahead, so that it can
    still be given what waits in them, this one, and ten more."""
    current = weeks.epoch_at(now, city.zone)
    around = (current.plus(n) for n in range(-WRAP_WEEKS_BACK, WRAP_WEEKS_AHEAD + 1))
    return [it for it in around if not weeks.over(it, now, city.zone, city.serve_days)]


def of(store: Store, spki: bytes, trust: Trust) -> Upload:
    """The upload of the device that has this public key. Raises NoUpload when there is none that
    this very key signed."""
    label = key_id(spki).hex()
    return _read(_held(store, label), label, spki, trust)


def labelled(store: Store, label: str, trust: Trust) -> Upload:
    """The upload under a label, signed by a key that has that label: whose it is, somebody must
    compare. Raises NoUpload when there is none."""
    held = _held(store, label)
    try:
        spki = own_key(held)
    except BadSignature:
        raise NoUpload(label, "unverified") from None
    if key_id(spki).hex() != label:
        raise NoUpload(label, "unverified")
    return _read(held, label, spki, trust)


def _held(store: Store, label: str) -> bytes:
    try:
        held = store.read(_name(label))
    except DamagedDocument:
        raise NoUpload(label, "damaged") from None
    if held is None:
        raise NoUpload(label, "no_upload")
    return held[0]


def _read(raw: bytes, label: str, spki: bytes, trust: Trust) -> Upload:
    def parse(document: Mapping[str, Any]) -> Upload:
        # A key of the wrong size is that week's trouble, and no other's.
        keys = {Epoch.parse(epoch): unb64(pk) for epoch, pk in document["keys"].items()}
        proved, failed = (
            {Kid.parse(kid): day_of(day) for kid, day in document.get(name, {}).items()}
            for name in ("proved", "failed")
        )
        return Upload(spki, keys, proved, failed)

    try:
        paper = read_signed(raw, "wrap-keys", [spki], 1, parse, trust.deployment)
    except BadSignature:
        raise NoUpload(label, "unverified") from None
    return replace(paper.says, number=paper.number, signed_on=paper.signed_on)


def publish_over(store: Store, name: str, document: bytes) -> None:
    """Publish a document in the place of whatever has that name."""
    held = store.read(name)
    store.publish(name, document, held[1] if held else 0)


def _name(device: str) -> str:
    return f"wrap-keys#{device}"
