"""Demo keys for one machine: made on first start, with a passphrase everybody knows.

They belong to the deployment `demo`, which production settings refuse.
"""

from datetime import datetime
from pathlib import Path

from quietdesk.city import City
from quietdesk.errors import BadKeyring, BadSetting, DemoLost, KeyringTooNew
from quietdesk.settings import Settings
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.device import keyring, safefile, upload
from quietdesk.staff.device.keyring import Keyring
from quietdesk.staff.device.passphrase import COST, Cost
from quietdesk.store import Store
from quietdesk.wire import b64

PASSPHRASE = "quietdesk demo passphrase"  # noqa: S105 - printed at every start, guards nothing
MINT_BELOW_WEEKS = 2
MINT_WEEKS = 6  # so that every week in which a time may be taken has keys


def set_up(settings: Settings, city: City, store: Store, cost: Cost = COST) -> None:
    """Make the demo custodian and device where there are none yet, and finish what a start that was
    stopped left half-made. Raises BadSetting unless the programme is the demo, and DemoLost when
    a keyring is gone or damaged that nothing can replace."""
    if city.deployment != DEMO or settings.stage != "demo":
        raise BadSetting("demo keys are only for the deployment demo; see docs/operations.md")
    device_path, custodian_path, custodians_path = _paths(settings)
    # Before a device is admitted nothing can have been locked for anybody.
    begun = store.read("devices") is not None
    for path, kind in ((custodian_path, "custodian"), (device_path, "device")):
        if begun or path.exists():
            _check(path, kind, settings)
    if device_path.exists() and custodian_path.exists() and custodians_path.exists():
        return
    if device_path.exists() and not custodian_path.exists():
        raise _lost(custodian_path, "custodian", "is gone", settings)
    custodian = _kept(custodian_path, "custodian", Trust((), 1, DEMO), cost)
    _kept(device_path, "device", Trust((custodian.public_key,), 1, DEMO), cost)
    # Last: until then the form is closed, since nobody is believed.
    safefile.save(custodians_path, b64(custodian.public_key).encode() + b"\n")


def _kept(path: Path, kind: str, trust: Trust, cost: Cost) -> Keyring:
    """The keyring at that path; a new one where there is none."""
    if not path.exists():
        made = keyring.lock(keyring.new(kind, trust, PASSPHRASE, cost))
        keyring.update(path, lambda held: made if held is None else held)
    return keyring.unlock(path.read_bytes(), PASSPHRASE)


def _check(path: Path, kind: str, settings: Settings) -> None:
    try:
        keyring.read(path, kind, DEMO)
    except KeyringTooNew:
        raise
    except BadKeyring:
        how = "is damaged, or another one" if path.exists() else "is gone"
        raise _lost(path, kind, how, settings) from None


def _lost(path: Path, kind: str, how: str, settings: Settings) -> DemoLost:
    # A custodian's key opens nothing: what waits is opened until the keys that there are end.
    does = "opens the requests that wait" if kind == "device" else "makes the keys of coming weeks"
    scheme, _, name = settings.store.partition(":")
    inside = scheme == "sqlite" and Path(name).absolute().is_relative_to(path.parent.absolute())
    also = "" if inside else f" and what lies in {settings.store}"
    return DemoLost(
        f"{path} {how}, and with it what {does}; put it back, "
        f"or stop and delete {path.parent}/{also} to start afresh, without the requests that wait"
    )


def keep(settings: Settings, store: Store, city: City, trust: Trust, now: datetime) -> None:
    """What the hourly timer does for the demo: keys and times for the coming weeks."""
    keep_minted(settings, store, city, trust, now)
    keep_published(settings, store, city, trust, now)


def keep_minted(settings: Settings, store: Store, city: City, trust: Trust, now: datetime) -> None:
    """Top up the demo device's keys and mint when fewer than two weeks are ahead."""
    if ceremony.weeks_ahead(store, city, now) > MINT_BELOW_WEEKS:
        return
    device_path, custodian_path, _ = _paths(settings)
    device = _unlocked(device_path, "device")
    custodian = _unlocked(custodian_path, "custodian")
    device = upload.top_up(store, device_path, device, city, now)
    listed = ceremony.admitted(store, trust).admitted
    if device.public_key not in (it.spki for it in listed):
        ceremony.admit(store, city, trust, [custodian], device.public_key, now)
    ceremony.mint(store, city, trust, [custodian], MINT_WEEKS, now)


def keep_published(
    settings: Settings, store: Store, city: City, trust: Trust, now: datetime
) -> None:
    """Publish the openings of the coming weeks, when there is something to change."""
    if Publisher(store, city, trust).preview(now):
        device = _unlocked(settings.keyring, "device")
        Publisher(store, city, trust, device).publish(now)


def _unlocked(path: Path, kind: str) -> Keyring:
    return keyring.unlock(keyring.read(path, kind, DEMO), PASSPHRASE)


def _paths(settings: Settings) -> tuple[Path, Path, Path]:
    folder = settings.keyring.parent
    return settings.keyring, folder / "custodian.keyring", folder / "custodians.txt"
