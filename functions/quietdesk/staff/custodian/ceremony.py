"""The custodians' work: admitting devices, and minting the keys of coming weeks.

Both halves of a minted key exist in this process for a moment; a device half leaves it only as
wraps, a server half only into the store, and no seed is ever written.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from quietdesk import bundles, devices, hpke, record, weeks
from quietdesk.city import City
from quietdesk.devices import Device, Devices
from quietdesk.errors import (
    BadBundle,
    BadRecord,
    BadSignature,
    Conflict,
    DamagedDocument,
    NotAdmitted,
    NotAllowed,
    NoUpload,
    QuietdeskError,
    SameLabel,
)
from quietdesk.hpke import Kid
from quietdesk.signed import Trust, key_id, signed_document, verify_signatures
from quietdesk.staff.device import upload
from quietdesk.staff.device.keyring import Keyring, wrap_info
from quietdesk.staff.device.upload import Upload
from quietdesk.store import Store
from quietdesk.weeks import Epoch

# Custodians' programmes of the first version named no role: all did what a scheduler does.
ROLE = "scheduler"


@dataclass(frozen=True, slots=True)
class Offer:
    """What is known of an admitted device: its label, its signed row, and its upload, or `why`
    there is none to use: no_upload, unverified or damaged. There is no row where a list of the
    first version has its label and no upload says which key that is."""

    label: str
    device: Device | None
    upload: Upload | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that cannot open a week, and why: what Offer says of its upload; no_key (it offers
    none for that week), malformed (what it offers is no public key); or, for keys that were made
    before, what stands with Standing."""

    device: str
    admitted: date | None
    epoch: Epoch
    why: str


@dataclass(frozen=True, slots=True)
class Minting:
    """What became of a minting: the weeks that got keys; every device that cannot open one of the
    weeks that were asked for; the weeks without keys, since no device is ready for them; the
    `trouble` with single weeks, whose document cannot be used or was written by somebody else
    meanwhile; and why the record of destruction could not be signed, if so."""

    minted: tuple[Epoch, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    refused: tuple[Epoch, ...] = ()
    trouble: Mapping[Epoch, QuietdeskError] = field(default_factory=dict)
    unsigned: QuietdeskError | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a device opens a published week. `state` is proved or failed (at that device, since a
    day), untried (it has a wrap), none, or unknown: who asks may not look."""

    state: str
    since: date | None = None


def offers(store: Store, city: City, trust: Trust, now: datetime) -> list[Offer]:
    """The admitted devices, as custodians signed them, and what they uploaded. Raises
    BadSignature."""
    return _offers(store, trust, _listed(store, trust)[0], _today(city, now))


def admitted(store: Store, trust: Trust) -> Devices:
    """The list of devices, as custodians signed it. Raises BadSignature."""
    return _listed(store, trust)[0]


def admit(
    store: Store,
    city: City,
    trust: Trust,
    custodians: Sequence[Keyring],
    spki: bytes,
    now: datetime,
) -> tuple[str, ...]:
    """Add the device with that public key to the signed list. Compare its words with the device's
    own screen first.

    Gives the labels of devices that are in the list no more: one of the first version had them, and
    nothing says which keys they are. Raises NoUpload and SameLabel.
    """
    upload.of(store, spki, trust)
    before, seq = _listed(store, trust)
    known = _offers(store, trust, before, _today(city, now))
    there = [it.device for it in known if it.device]
    if any(it.id == key_id(spki).hex() and it.spki != spki for it in there):
        raise SameLabel("another admitted device has the same number")
    if spki not in (it.spki for it in there):
        there.append(Device(spki, ROLE, _today(city, now)))
    removed = [it for it in before.removed if it.spki != spki]
    # Over the list that was read: who admitted another device meanwhile is not undone.
    _publish(store, city, trust, custodians, replace(before, admitted=tuple(there),
             removed=tuple(removed)), seq, now)  # fmt: skip
    return tuple(sorted({it.label for it in known} - {it.id for it in there}))


def mint(
    store: Store,
    city: City,
    trust: Trust,
    custodians: Sequence[Keyring],
    count: int,
    now: datetime,
    seen: Callable[[Epoch], None] = lambda _: None,
) -> Minting:
    """Mint the keys of this week and the following ones, `count` in all, where there are none;
    `seen` is told each week as soon as it has keys.

    What one device uploaded, or one week's document, hinders no other. No device is left out in
    silence, also not of weeks that were made before, by somebody who perhaps never came to say so.
    Raises NotAdmitted when no device is admitted, BadSignature when too few custodians are here or
    the list of devices is not theirs, and StoreUnavailable.
    """
    listed, seq = _listed(store, trust)
    known = _offers(store, trust, listed, _today(city, now))
    if not known:
        raise NotAdmitted("there is no admitted device yet, so no key was made")
    if listed.labels and all(it.device for it in known):
        whole = replace(listed, admitted=tuple(it.device for it in known if it.device))
        _publish(store, city, trust, custodians, whole, seq, now)
    minted, refused, left_out = [], [], list[LeftOut]()
    trouble: dict[Epoch, QuietdeskError] = {}
    current = weeks.epoch_at(now, city.zone)
    for epoch in (current.plus(n) for n in range(count)):
        try:
            held = store.read(bundles.name(city.queue, epoch))
            if held is not None:
                left_out += _left_out(store, trust, city.queue, epoch, held[0], known)
                continue
        except (BadBundle, BadSignature, DamagedDocument) as error:
            trouble[epoch] = error
            continue
        try:
            made, out = _mint_week(store, city, trust, custodians, epoch, known, now)
        except Conflict as error:  # another custodian mints: who is left out, the next run says
            trouble[epoch] = error
            continue
        left_out += out
        if made:
            minted.append(epoch)
            seen(epoch)
        else:
            refused.append(epoch)
    return Minting(
        tuple(minted), tuple(left_out), tuple(refused), trouble,
        _sign_record(store, city, trust, custodians, now),
    )  # fmt: skip


def kids_of(raw: bytes, trust: Trust, queue: str) -> list[Kid]:
    """The keys that a published bundle names. Raises BadSignature or BadBundle."""
    return [kid for kid, _ in bundles.signed(raw, trust, queue).keys.values()]


def standing(store: Store, offer: Offer, kids: Collection[Kid]) -> Standing:
    """Whether that device opens with these keys, which are a published week's."""
    proved = offer.upload.proved if offer.upload else {}
    failed = offer.upload.failed if offer.upload else {}
    if days := [failed[kid] for kid in kids if kid in failed]:
        return Standing("failed", max(days))
    if proved.keys() >= set(kids):
        return Standing("proved", max(proved[kid] for kid in kids))
    try:
        wrapped = all(store.wrapped(kid, offer.label) for kid in kids)
    except NotAllowed:  # where the release before kept wraps, custodians have no right
        return Standing("unknown")
    return Standing("untried" if wrapped else "none")


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
    known: Sequence[Offer],
    now: datetime,
) -> tuple[bool, list[LeftOut]]:
    """Whether the week got keys, and whom it leaves out; nothing is kept where that is everybody.
    Raises Conflict when somebody else has made that week meanwhile."""
    halves = {
        Kid(city.queue, part, epoch, secrets.token_hex(4)): (
            secrets.token_bytes(32),
            secrets.token_bytes(32),
        )
        for part in hpke.PARTS
    }
    left_out: list[LeftOut] = []
    wraps: dict[Kid, dict[str, bytes]] = {kid: {} for kid in halves}
    for offer in known:
        try:
            for kid, wrap in _wrapped(halves, offer, epoch).items():
                wraps[kid][offer.label] = wrap
        except _NoWrap as error:
            left_out.append(_out(offer, epoch, error.why))
    if len(left_out) == len(known):
        return False, left_out
    rows = [(kid, hpke.public_key(hpke.seed(*pair, kid))) for kid, pair in halves.items()]
    today = _today(city, now)
    body = bundles.body(city.queue, trust.deployment, epoch, city.zone, rows, 1, today)
    bundle = _signed(body, "bundle", custodians, trust)  # first: it may be refused
    for kid, (_, server_half) in halves.items():
        store.put_keys(kid, server_half, wraps[kid])
    # Last: a bundle that nobody can open must never be published.
    store.publish(bundles.name(city.queue, epoch), bundle, 0)
    return True, left_out


class _NoWrap(Exception):
    """No wrap can be made for a device; `why` as in LeftOut."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


def _wrapped(
    halves: Mapping[Kid, tuple[bytes, bytes]], offer: Offer, epoch: Epoch
) -> dict[Kid, bytes]:
    """Each device half, sealed to the device. Raises _NoWrap."""
    if offer.upload is None:
        raise _NoWrap(offer.why)
    if epoch not in offer.upload.keys:
        raise _NoWrap("no_key")
    key = offer.upload.keys[epoch]
    try:
        return {
            kid: hpke.seal_to(key, wrap_info(kid, offer.label), half)
            for kid, (half, _) in halves.items()
        }
    except ValueError:
        raise _NoWrap("malformed") from None


def _left_out(
    store: Store, trust: Trust, queue: str, epoch: Epoch, raw: bytes, known: Iterable[Offer]
) -> list[LeftOut]:
    """Who cannot open a week that has keys already."""
    kids = kids_of(raw, trust, queue)
    stand = [(it, standing(store, it, kids).state) for it in known]
    return [_out(it, epoch, why) for it, why in stand if why in ("failed", "none", "unknown")]


def _out(offer: Offer, epoch: Epoch, why: str) -> LeftOut:
    return LeftOut(offer.label, offer.device.admitted if offer.device else None, epoch, why)


def _listed(store: Store, trust: Trust) -> tuple[Devices, int]:
    raw, seq = store.read(devices.NAME) or (None, 0)
    return devices.read(raw, trust), seq


def _offers(store: Store, trust: Trust, listed: Devices, today: date) -> list[Offer]:
    found = []
    for device in listed.admitted:
        try:
            found.append(Offer(device.id, device, upload.of(store, device.spki, trust)))
        except NoUpload as error:
            found.append(Offer(device.id, device, None, error.reason))
    for label in listed.labels:
        try:
            it = upload.labelled(store, label, trust)
            found.append(Offer(label, Device(it.spki, ROLE, listed.signed_on or today), it))
        except NoUpload as error:
            found.append(Offer(label, None, None, error.reason))
    return found


def _publish(
    store: Store,
    city: City,
    trust: Trust,
    custodians: Sequence[Keyring],
    says: Devices,
    seq: int,
    now: datetime,
) -> None:
    """Sign the list of devices and publish it over that of the seq."""
    number, today = says.number + 1, _today(city, now)
    body = devices.body(says.admitted, says.removed, trust.deployment, number, today)
    store.publish(devices.NAME, _signed(body, "devices", custodians, trust), seq)


def _sign_record(
    store: Store, city: City, trust: Trust, custodians: Sequence[Keyring], now: datetime
) -> QuietdeskError | None:
    """Vouch for the record as it stands; gives what is in the way."""
    name, before, today = record.head_name(city.queue), 0, _today(city, now)
    try:
        held, seq = store.read(name) or (None, 0)
        if held is not None:
            with suppress(BadSignature, BadRecord):  # a damaged head is signed anew, from 1 on
                before = record.read_head(held, trust, city.queue).number
        lines = record.read(store, city.queue, today).lines
        head = record.head(city.queue, lines, trust.deployment, before + 1, today)
        # Over the head that was read: who signed more lines meanwhile is not undone.
        store.publish(name, _signed(head, "record", custodians, trust), seq)
    except (BadRecord, DamagedDocument, Conflict) as error:
        return error
    return None


def _signed(body: bytes, kind: str, custodians: Sequence[Keyring], trust: Trust) -> bytes:
    document = signed_document(body, [custodian.sign(kind, body) for custodian in custodians])
    # Nothing is published that would not be believed.
    verify_signatures(document, kind, trust.custodians, trust.threshold)
    return document


def _today(city: City, now: datetime) -> date:
    return now.astimezone(city.zone).date()
