"""This device's public wrap keys, one for each coming week: signed by it, and in the store.

Custodians read them when they mint: what is not there, or does not verify, gets no half of a key.
The keyring's file is the truth. A key is in it before it is here, and what is here is mended until
it names the very keys that the file holds.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from quietdesk import bundles, hpke, weeks
from quietdesk.city import City
from quietdesk.errors import (
    BadBundle,
    BadSignature,
    CannotOpen,
    Conflict,
    NoKeyring,
    NotAdmitted,
)
from quietdesk.signed import Paper, Trust, key_id, own_key, read_signed, signed_document
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import WRAP_WEEKS_AHEAD, Keyring
from quietdesk.store import Store
from quietdesk.weeks import MAX_SERVE_DAYS, Epoch
from quietdesk.wire import unb64

WRAP_WEEKS_BACK = MAX_SERVE_DAYS // 7  # older ones are over whatever the city says
_TRIES = 10  # each one lost to another process of this very device, which is done then


def upload_wrap_keys(store: Store, device: Keyring, city: City, now: datetime) -> None:
    """Publish the device's public wrap keys, signed by the device. Raises Conflict when another
    process of the device did so meanwhile."""
    number, _, seq = _uploaded(store, device)
    _publish(store, device, city, now, number + 1, seq)


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
        number, named, seq = _uploaded(store, device)
        # The file after the upload: who changes it between the two publishes later, over ours.
        held = keyring.read(path, device.kind, device.trust.deployment)
        full = keyring.reread(held, device)
        if all(named.get(it) == hpke.public_key(seed) for it, seed in full.wrap_seeds.items()):
            return full
        try:
            _publish(store, full, city, now, number + 1, seq)
            return full
        except Conflict:  # of another process of this device: its upload is looked at now
            continue
    raise Conflict("other processes of this device upload its keys again and again")


def coming(city: City, now: datetime) -> list[Epoch]:
    """The weeks a device holds wrap keys for: those before whose key day is ahead, so that it can
    still be given what waits in them, this one, and ten more."""
    current = weeks.epoch_at(now, city.zone)
    around = (current.plus(n) for n in range(-WRAP_WEEKS_BACK, WRAP_WEEKS_AHEAD + 1))
    return [it for it in around if not weeks.over(it, now, city.zone, city.serve_days)]


def lost(store: Store, device: Keyring, city: City, now: datetime) -> tuple[Epoch, ...]:
    """The weeks whose key day is ahead that were minted for this device to a key that it does not
    have any more, as when an older copy of its keyring was put back: no upload can mend them."""
    return tuple(it for it in coming(city, now) if _is_lost(store, device, city, it))


def _is_lost(store: Store, device: Keyring, city: City, epoch: Epoch) -> bool:
    held = store.read(bundles.name(city.queue, epoch))
    if held is None:
        return False
    try:
        keys = bundles.signed(held[0], device.trust, city.queue).keys
        wraps = {kid: store.wrap(kid, device.id) for kid, _ in keys.values()}
    except (BadBundle, BadSignature, CannotOpen):
        return False  # another trouble, and pulling names it
    try:
        for kid, wrap in wraps.items():
            device.unwrap(kid, wrap)
    except CannotOpen:
        return True
    return False


def offered(store: Store, device: str, trust: Trust) -> tuple[bytes, dict[Epoch, bytes]]:
    """The public key (SPKI) a device names itself by, and its wrap keys by epoch, from its upload.
    Raises NotAdmitted when there is no upload that the device itself signed."""
    held = store.read(_name(device))
    spki, paper = _offer(held[0] if held else None, device, trust)
    return spki, paper.says


def _offer(raw: bytes | None, device: str, trust: Trust) -> tuple[bytes, Paper[dict[Epoch, bytes]]]:
    if raw is None:
        raise NotAdmitted(f"device {device} has not uploaded its keys; run there: device new")
    try:
        spki = own_key(raw)
        if key_id(spki).hex() != device:
            raise BadSignature("another device's key")
        paper = read_signed(raw, "wrap-keys", [spki], 1, _wrap_keys, trust.deployment)
    except BadSignature:
        raise NotAdmitted(f"the keys that device {device} uploaded do not verify") from None
    return spki, paper


def _wrap_keys(document: Mapping[str, Any]) -> dict[Epoch, bytes]:
    return {
        Epoch.parse(epoch): unb64(pk, hpke.PUBLIC_KEY_BYTES)
        for epoch, pk in document["keys"].items()
    }


def _uploaded(store: Store, device: Keyring) -> tuple[int, dict[Epoch, bytes], int]:
    """The number of this device's upload, the keys that it names, and the seq to write over."""
    raw, seq = store.read(_name(device.id)) or (None, 0)
    try:
        _, paper = _offer(raw, device.id, device.trust)
    except NotAdmitted:  # there is none, or none of its own
        return 0, {}, seq
    return paper.number, paper.says, seq


def _publish(
    store: Store, device: Keyring, city: City, now: datetime, number: int, seq: int
) -> None:
    body = device.wrap_keys(number, now.astimezone(city.zone).date())
    document = signed_document(body, [device.sign("wrap-keys", body)])
    store.publish(_name(device.id), document, seq)


def _name(device: str) -> str:
    return f"wrap-keys#{device}"
