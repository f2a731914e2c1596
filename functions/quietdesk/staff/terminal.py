"""Where a command runs, and how it talks with who typed it."""

import getpass
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quietdesk import weeks
from quietdesk.city import City
from quietdesk.errors import BadKeyring, BadSetting, NoKeyring, WrongPassphrase
from quietdesk.settings import Settings
from quietdesk.signed import Trust
from quietdesk.staff import keyring
from quietdesk.staff.keyring import Keyring
from quietdesk.store import Store, open_store

MIN_PASSPHRASE = 15  # letters; Argon2id makes each guess dear, the length makes them many


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when a command runs."""

    settings: Settings
    city: City
    now: datetime

    @property
    def trust(self) -> Trust:
        return self.settings.trust(self.city.deployment)

    def store(self, create: bool = False) -> Store:
        """The store. Only who sets a desk up makes one: in a wrong folder the others say so."""
        return open_store(self.settings.store, patient=True, create=create)

    def forget(self) -> "Here":
        """Deletes the keys of ended weeks from this device's keyring, if there is one."""
        path = self.settings.keyring
        if path.exists():
            before = path.read_bytes()
            zone, serve_days = self.city.zone, self.city.serve_days
            after = keyring.forget(
                before, lambda epoch: weeks.over(epoch, self.now, zone, serve_days)
            )
            if keyring.epochs(after) != keyring.epochs(before):
                keyring.save(path, after)
        return self

    def unlocked(self, typed: str | None = None) -> Keyring:
        """This device's keyring, for the deployment in use. Without the passphrase it asks."""
        path = self.settings.keyring
        if not path.exists():
            raise NoKeyring(f"there is no keyring at {path.absolute()}")
        device = unlock(self, path, "device", "Passphrase: ", typed)
        # What the keyring was told when it was made stands above what a setting says today.
        if device.trust != self.trust:
            raise BadSetting("QUIETDESK_CUSTODIANS are not the custodians this keyring believes")
        return device


def unlock(at: Here, path: Path, kind: str, prompt: str, typed: str | None = None) -> Keyring:
    """A keyring of that kind, made for the deployment in use: demo keys sign and open nothing else,
    whoever pins them."""
    data = path.read_bytes()
    if keyring.made_for(data) != (kind, at.city.deployment):
        raise BadKeyring(f"{path.name} is not a {kind}'s keyring for {at.city.deployment}")
    return keyring.unlock(data, passphrase(at.settings, prompt) if typed is None else typed)


def passphrase(chosen: Settings, prompt: str) -> str:
    """The passphrase that somebody types, or that stands in QUIETDESK_PASSPHRASE_FILE."""
    if chosen.passphrase_file is None:
        return _typed(prompt)
    try:
        with chosen.passphrase_file.open(encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise BadSetting("QUIETDESK_PASSPHRASE_FILE cannot be read") from None


def _typed(prompt: str) -> str:
    try:
        return getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        raise BadSetting(
            "nobody typed a passphrase; scripts set QUIETDESK_PASSPHRASE_FILE"
        ) from None


def new_passphrase(chosen: Settings) -> str:
    """A passphrase for a new keyring, typed twice. Raises WrongPassphrase."""
    words = passphrase(chosen, "New passphrase (five words or more are good): ")
    if len(words) < MIN_PASSPHRASE:
        raise WrongPassphrase(f"a passphrase has at least {MIN_PASSPHRASE} letters")
    if chosen.passphrase_file is None and _typed("Again: ") != words:
        raise WrongPassphrase("the two passphrases differ")
    return words


def agreed(question: str) -> bool:
    """Whether somebody answers a question with yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
