"""Where configuration comes from: one table, read by the entry points only.

Defaults are the one-machine set-up; the cloud sets variables, a newcomer sets none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quietdesk import textfile
from quietdesk.errors import BadSetting
from quietdesk.signed import DEMO, Trust
from quietdesk.wire import unb64

SETTINGS = (
    ("QUIETDESK_STAGE", "demo", "demo or production. Production refuses demo keys and settings."),
    ("QUIETDESK_STORE", "sqlite:var/requests.db",
     "Where envelopes wait: sqlite:PATH or dynamodb:PREFIX."),
    ("QUIETDESK_CITY", "site/city", "Folder of the city profile, for the site build."),
    ("QUIETDESK_PROFILE", "build/city.json",
     "The compiled city profile, which the site build writes and all else reads."),
    ("QUIETDESK_SITE", "build/site", "Folder the website is built into and served from."),
    ("QUIETDESK_CUSTODIANS", "file:var/custodians.txt",
     "Custodians' public keys (base64, spaces between), or file:PATH of a file that holds them."),
    ("QUIETDESK_THRESHOLD", "1", "How many custodians must sign; production needs 2 or more."),
    ("QUIETDESK_KEYRING", "var/device.keyring", "This device's keyring."),
    ("QUIETDESK_ORIGIN", "",
     "What CloudFront says to the functions, and what it said before; without it all may ask."),
    ("QUIETDESK_ADDRESS", "",
     "Where people reach the website, such as https://cards.example.org; forms of others do not "
     "count. Without it: the host that each call names."),
    ("QUIETDESK_PASSPHRASE_FILE", "", "File whose first line is the passphrase, for scripts."),
)  # fmt: skip


# Powertools would log whole events, with what residents wrote in them.
_FORBIDDEN = ("POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEV", "POWERTOOLS_DEBUG")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the entry points pass down. `custodians` are public keys, SPKI in DER."""

    stage: str
    store: str
    city: Path
    profile: Path
    site: Path
    custodians: tuple[bytes, ...]
    threshold: int
    keyring: Path
    origin: tuple[str, ...]
    address: str
    passphrase_file: Path | None

    def trust(self, deployment: str) -> Trust:
        """Whom to believe for this deployment. Raises BadSetting when production would believe
        demo keys or a single custodian, and when fewer are named than must sign."""
        if self.stage == "production":
            if deployment == DEMO:
                raise BadSetting("deployment is demo; production needs a name and keys of its own")
            if self.threshold < 2:
                raise BadSetting("QUIETDESK_THRESHOLD must be 2 or more in production")
        if deployment != DEMO and self.threshold < 2:
            raise BadSetting("QUIETDESK_THRESHOLD must be 2 or more for any deployment but demo")
        if 0 < len(set(self.custodians)) < self.threshold:
            names = len(set(self.custodians))
            raise BadSetting(
                f"QUIETDESK_CUSTODIANS names {names}, and QUIETDESK_THRESHOLD asks for "
                f"{self.threshold} who sign"
            )
        return Trust(self.custodians, self.threshold, deployment)


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in a mapping such as `os.environ`. Raises BadSetting."""
    values = {name: environ.get(name, default) for name, default, _ in SETTINGS}
    for name in _FORBIDDEN:
        if environ.get(name, "").lower() not in ("", "0", "false"):
            raise BadSetting(f"{name} must not be set: logs would hold what residents write")
    stage = values["QUIETDESK_STAGE"]
    if stage not in ("demo", "production"):
        raise BadSetting("QUIETDESK_STAGE must be demo or production")
    threshold = values["QUIETDESK_THRESHOLD"]
    if not threshold.isdecimal() or int(threshold) < 1:
        raise BadSetting("QUIETDESK_THRESHOLD must be a whole number of 1 or more")
    custodians = _custodians(values["QUIETDESK_CUSTODIANS"])
    passphrase_file = values["QUIETDESK_PASSPHRASE_FILE"]
    return Settings(
        stage=stage,
        store=values["QUIETDESK_STORE"],
        city=Path(values["QUIETDESK_CITY"]),
        profile=Path(values["QUIETDESK_PROFILE"]),
        site=Path(values["QUIETDESK_SITE"]),
        custodians=custodians,
        threshold=int(threshold),
        keyring=Path(values["QUIETDESK_KEYRING"]),
        origin=tuple(values["QUIETDESK_ORIGIN"].split()),
        address=values["QUIETDESK_ADDRESS"].rstrip("/"),
        passphrase_file=Path(passphrase_file) if passphrase_file else None,
    )


def _custodians(value: str) -> tuple[bytes, ...]:
    if value.startswith("file:"):
        path = Path(value.removeprefix("file:"))
        # Before the first start there is no such file; without custodians every form stays closed.
        try:
            value = textfile.read(path) if path.exists() else ""
        except (OSError, ValueError):
            raise BadSetting("the file that QUIETDESK_CUSTODIANS names cannot be read") from None
    try:
        keys = tuple(unb64(word) for word in value.split())
    except ValueError:
        raise BadSetting("QUIETDESK_CUSTODIANS must be base64 public keys, or file:PATH") from None
    if len(set(keys)) != len(keys):
        raise BadSetting("QUIETDESK_CUSTODIANS names the same key twice")
    return keys
