"""What a device says of itself, signed by it, in the store: its public wrap keys, one for each
coming week, and which keys it has proved that it opens.

Custodians read it when they mint: who has none there, or none that verifies, gets no half of a key.
The keyring's file is the truth. A key is in it before it is here, and what is here is mended until
it names the very keys that the file holds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quietdesk import clock, hpke, weeks
from quietdesk.city import City
from quietdesk.errors import BadSignature, Conflict, DamagedDocument, NoKeyring, NoUpload
from quietdesk.hpke import Kid
from quietdesk.signed import (
    Trust,
    day_of,
    document_body,
    key_id,
    own_key,
    read_signed,
    signed_document,
)
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import WRAP_WEEKS_AHEAD, Keyring
from quietdesk.store import Store
from quietdesk.weeks import MAX_SERVE_DAYS, Epoch
from quietdesk.wire import b64, unb64

WRAP_WEEKS_BACK = MAX_SERVE_DAYS // 7  # older ones are over whatever the city says
_TRIES = 10  # each one lost to another process of this very device, which is done then


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
    """Publish the device's public wrap keys, signed by the device, with what it found before.
    Raises Conflict when another process of the device did so meanwhile."""
    says, seq = _uploaded(store, device)
    _publish(store, device, city, now, replace(says, keys=_public(device)), seq)


def top_up(store: Store, path: Path, device: Keyring, city: City, now: datetime) -> Keyring:
    """The device's keyring as its file at `path` holds it, with a wrap key for every week of
    `coming`: in the file first, and then named by the upload. Run for a new device and after every
    pull: one that is used never runs out. What the unlocked `device` remembers, and the file does
    not hold, is not put back.

    Raises NotSaved: then nothing is uploaded that is not saved; NoKeyring and KeyringChanged when
    the file went or became another; Conflict."""

    def filled(held: bytes | None) -> bytes:
        if held is None:
            raise NoKeyring("the keyring is not there any more")
        there = keyring.reread(held, device)
        full = there.topped_up(coming(city, now))
        return held if full.wrap_seeds.keys() == there.wrap_seeds.keys() else keyring.lock(full)

    keyring.update(path, filled)
    for _ in range(_TRIES):
        says, seq = _uploaded(store, device)
        # The file after the upload: who changes it between the two publishes later, over ours.
        held = keyring.read(path, device.kind, device.trust.deployment)
        full = keyring.reread(held, device)
        keys = _public(full)
        if says.keys.items() >= keys.items():
            return full
        try:
            _publish(store, full, city, now, replace(says, keys=keys), seq)
            return full
        except Conflict:  # of another process of this device: its upload is looked at now
            continue
    raise Conflict("other processes of this device upload its keys again and again")


def say_found(
    store: Store,
    device: Keyring,
    city: City,
    now: datetime,
    proved: Collection[Kid],
    failed: Collection[Kid],
) -> None:
    """Put into the upload which keys the device opens with, and which of its wraps fail, where it
    says otherwise; its wrap keys stay as they are there. By a clock that is not believed
    nothing new is said, and a day that has not begun is not left standing: custodians go by it.
    Raises NoUpload when there is none, StoreUnavailable, and Conflict."""
    of(store, device.public_key, device.trust)

    def found(day: date | None, there: Upload) -> Upload:
        """The upload by that day; where nobody knows it, without what is not so any more."""
        if day is None:
            return replace(
                there,
                proved={kid: at for kid, at in there.proved.items() if kid not in failed},
                failed={kid: at for kid, at in there.failed.items() if kid not in proved},
            )
        return replace(
            there,
            proved={kid: min(there.proved.get(kid, day), day) for kid in proved},
            failed={kid: min(there.failed.get(kid, day), day) for kid in failed},
        )

    for _ in range(_TRIES):
        there, seq = _uploaded(store, device)
        if found(now.astimezone(city.zone).date(), there) == there:
            return
        says = found(clock.today(store, city, device.trust, now), there)
        if says == there:
            return
        try:
            _publish(store, device, city, now, says, seq)
            return
        except Conflict:
            continue
    raise Conflict("other processes of this device upload its keys again and again")


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


def body(says: Upload, deployment: str, number: int, day: date) -> bytes:
    """The bytes that a device signs on a day."""

    def since(kids: Mapping[Kid, date]) -> dict[str, str]:
        return {str(kid): day.isoformat() for kid, day in kids.items()}

    return document_body(
        "wrap-keys",
        deployment,
        number,
        day,
        spki=b64(says.spki),
        keys={str(epoch): b64(key) for epoch, key in sorted(says.keys.items())},
        proved=since(says.proved),
        failed=since(says.failed),
    )


def _public(device: Keyring) -> dict[Epoch, bytes]:
    return {epoch: hpke.public_key(seed) for epoch, seed in device.wrap_seeds.items()}


def _uploaded(store: Store, device: Keyring) -> tuple[Upload, int]:
    """This device's upload, an empty one where there is none of its own, and the seq to write
    over."""
    try:
        raw, seq = store.read(_name(device.id)) or (None, 0)
    except DamagedDocument:
        raw, seq = None, 0  # it is written anew, where the store can
    if raw is not None:
        try:
            return _read(raw, device.id, device.public_key, device.trust), seq
        except NoUpload:
            pass
    return Upload(device.public_key, {}), seq


def _publish(
    store: Store, device: Keyring, city: City, now: datetime, says: Upload, seq: int
) -> None:
    today = now.astimezone(city.zone).date()
    data = body(says, device.trust.deployment, says.number + 1, today)
    document = signed_document(data, [device.sign("wrap-keys", data)])
    store.publish(_name(device.id), document, seq)


def _name(device: str) -> str:
    return f"wrap-keys#{device}"
