"""Demo keys for one machine: made on first start, with a passphrase everybody knows.

They belong to the deployment `demo`, which production settings refuse.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from quietdesk.city import City
from quietdesk.errors import BadSetting, QuietdeskError
from quietdesk.settings import Settings
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.keyring import COST, Cost
from quietdesk.store import Store
from quietdesk.wire import b64

PASSPHRASE = "quietdesk demo passphrase"  # noqa: S105 - printed at every start, guards nothing
MINT_BELOW_WEEKS = 2
MINT_WEEKS = 6  # so that every week in which a time may be taken has keys


def set_up(settings: Settings, city: City, cost: Cost = COST) -> None:
    """Make the demo custodian and device where there are none yet. Raises BadSetting unless the
    programme is the demo."""
    if city.deployment != DEMO or settings.stage != "demo":
        raise BadSetting("demo keys are only for the deployment demo; see docs/operations.md")
    device_path, custodian_path, custodians_path = _paths(settings)
    if device_path.exists():
        return
    if custodian_path.exists():
        folder = device_path.parent
        raise QuietdeskError(
            f"{device_path} is gone, and with it what opens the requests that wait; "
            f"put it back, or delete {folder}/ to start afresh"
        )
    custodian = keyring.new("custodian", Trust((), 1, DEMO), PASSPHRASE, cost)
    keyring.save(custodian_path, keyring.lock(custodian))
    device = keyring.new("device", Trust((custodian.public_key,), 1, DEMO), PASSPHRASE, cost)
    keyring.save(custodians_path, b64(custodian.public_key).encode() + b"\n")
    keyring.save(device_path, keyring.lock(device))


def keep_minted(settings: Settings, store: Store, city: City, trust: Trust, now: datetime) -> None:
    """Top up the demo device's keys and mint when fewer than two weeks are ahead."""
    if ceremony.weeks_ahead(store, city, now) > MINT_BELOW_WEEKS:
        return
    device_path, custodian_path, _ = _paths(settings)
    device, custodian = _unlocked(device_path, custodian_path)
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
        (device,) = _unlocked(settings.keyring)
        Publisher(store, city, trust, device).publish(now)


def _unlocked(*paths: Path) -> Sequence[keyring.Keyring]:
    return [keyring.unlock(path.read_bytes(), PASSPHRASE) for path in paths]


def _paths(settings: Settings) -> tuple[Path, Path, Path]:
    folder = settings.keyring.parent
    return settings.keyring, folder / "custodian.keyring", folder / "custodians.txt"
