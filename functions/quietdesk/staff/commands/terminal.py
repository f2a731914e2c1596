"""Where a command runs, and how it talks with who typed it."""

import getpass
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from quietdesk import clock, textfile
from quietdesk.city import City
from quietdesk.clock import Dates, Doubt, Loss
from quietdesk.errors import (
    BadKeyring,
    BadSetting,
    ClockDisagrees,
    ClockNotBelieved,
    NotSaved,
    PassphraseUnfit,
    QuietdeskError,
)
from quietdesk.settings import Settings
from quietdesk.signed import Trust
from quietdesk.staff import words
from quietdesk.staff.commands.clocks import doubted, may_ask, vouched
from quietdesk.staff.device import forgetting, keyring, opener
from quietdesk.staff.device.keyring import Keyring
from quietdesk.staff.outcome import Outcome
from quietdesk.staff.work import Work
from quietdesk.store import Store, open_store

MIN_PASSPHRASE = 15  # letters; Argon2id makes each guess dear, the length makes them many


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when a command runs; `doubt` is why its clock is not believed, `declined` that
    whoever is there was asked, and did not say that it is right, and `hindered` what kept the keys
    of ended weeks in this device's keyring."""

    settings: Settings
    city: City
    now: datetime
    doubt: Doubt = Doubt.NONE
    declined: bool = False
    hindered: BadKeyring | NotSaved | None = None

    @property
    def trust(self) -> Trust:
        return self.settings.trust(self.city.deployment)

    def store(self, create: bool = False, destroys: bool = False) -> Store:
        """The store. Only who sets a desk up makes one: in a wrong folder the others say so."""
        return open_store(self.settings.store, patient=True, create=create, destroys=destroys)

    def forget(self, ask: bool = True) -> "Here":
        """Deletes the keys of ended weeks from this device's keyring, if there is one, and says
        when this computer's clock is not believed. Where there is no other clock it may `ask`. A
        keyring that does not let it is no reason not to destroy in the store."""
        try:
            return self._forget(ask)
        except (BadKeyring, NotSaved) as error:
            return replace(self, hindered=error)

    def _forget(self, ask: bool) -> "Here":
        path = self.settings.keyring
        due = forgetting.due(path, self.city, self.now, self.store, self._trust())
        if due is None:
            return self
        dates, waits = due.dates, due.waits
        declined = False
        if ask and waits and may_ask(dates):
            declined = not vouched(dates, waits, self.city.zone)
            if not declined:
                with closing(self.store()) as store:
                    dates, waits = clock.believe(store, self.now), ()
        forgetting.forget(path, self.city, dates)
        for line in doubted(dates, waits, self.city.zone):
            complain(line)
        return replace(self, doubt=dates.doubt, declined=declined)

    def sure(self, store: Store) -> None:
        """That it is the day that this computer's clock says: before something is signed with it
        that others take for a proof, before seats of days that are over are forgotten, and before a
        request is sealed to a week or a resident is told a day. Raises ClockNotBelieved and
        StoreUnavailable."""
        dates, _ = self.dates(store)
        if dates.doubt:
            raise _kind(dates)(doubted(dates, (), self.city.zone)[0])

    def dates(self, store: Store) -> tuple[Dates, Sequence[Loss]]:
        """What is known of the time where that store is, and what waits in it for more to be known.
        Where nothing else tells, the person here is asked. Raises StoreUnavailable."""
        dates, waits = clock.to_sweep(store, self.city, self.trust, self.now)
        if not self.declined and may_ask(dates) and vouched(dates, waits, self.city.zone):
            return clock.believe(store, self.now), ()
        return dates, waits

    def hidden(self) -> tuple[int, type[ClockNotBelieved]]:
        """How many requests this computer's clock hides, where it is not believed: it calls them
        over, or their week too far ahead; and in which way it is not. Raises StoreUnavailable."""
        with closing(self.store()) as store:
            dates, _ = clock.to_sweep(store, self.city, self.trust, self.now)
            count = opener.hidden(store, self.city, self.now) if dates.doubt else 0
            return count, _kind(dates)

    def _trust(self) -> Trust | None:
        try:
            return self.trust
        except BadSetting:  # which a command says that needs it
            return None

    def unhindered(self) -> None:
        """For who needs this device's keyring. Raises what hindered forgetting."""
        if self.hindered is not None:
            raise self.hindered

    def unlocked(self, typed: str | None = None) -> Keyring:
        """This device's keyring, for the deployment in use. Without the passphrase it asks."""
        self.unhindered()
        device = unlock(self, self.settings.keyring, "device", "Passphrase: ", typed)
        # What the keyring was told when it was made stands above what a setting says today.
        if not device.trust.same_as(self.trust):
            raise BadSetting("QUIETDESK_CUSTODIANS are not the custodians this keyring believes")
        return device

    def work(self, store: Store, device: Keyring | None = None) -> Work:
        """The work on the queue of a store, with an unlocked device or without."""
        trust = device.trust if device else self.trust
        return Work(store, self.city, trust, lambda: self.now, device)


def _kind(dates: Dates) -> type[ClockNotBelieved]:
    """In which way a clock is not believed: where another one tells the day, nobody is asked."""
    return ClockNotBelieved if dates.doubt is Doubt.MOVED else ClockDisagrees


@contextmanager
def at_work(at: Here, sure: bool = False) -> Iterator[Work]:
    """The work with this device unlocked; with `sure`, as Here.sure."""
    device = at.unlocked()
    with closing(at.store()) as store:
        if sure:
            at.sure(store)
        yield at.work(store, device)


@contextmanager
def at_the_queue(at: Here, sure: bool = False) -> Iterator[tuple[Work, Outcome]]:
    """The work with this device unlocked, and what came of pulling the queue; `sure` as in
    at_work."""
    with at_work(at, sure) as work:
        pulled = work.pull(at.settings.keyring, {})
        say_not_ready(pulled)
        yield work, pulled


def unlock(at: Here, path: Path, kind: str, prompt: str, typed: str | None = None) -> Keyring:
    """A keyring of that kind, made for the deployment in use."""
    keyring.read(path, kind, at.city.deployment)  # nobody types a passphrase for what is not there
    words = passphrase(at.settings, prompt) if typed is None else typed
    # And again: somebody may have typed for minutes, while another process wrote.
    return keyring.unlock(keyring.read(path, kind, at.city.deployment), words)


def passphrase(chosen: Settings, prompt: str) -> str:
    """The passphrase that somebody types, or that stands in QUIETDESK_PASSPHRASE_FILE."""
    if chosen.passphrase_file is None:
        return typed_passphrase(prompt)
    return passphrase_in(chosen.passphrase_file, "QUIETDESK_PASSPHRASE_FILE")


def passphrase_in(path: Path, name: str) -> str:
    """The passphrase in a file, which `name` stands for. Raises BadSetting."""
    try:
        words = textfile.read(path).split("\n", 1)[0]
    except OSError:
        raise BadSetting(f"{name} cannot be read") from None
    except ValueError:
        raise BadSetting(f"{name} is no text in UTF-8; save it as UTF-8 in your editor") from None
    if not words:
        raise BadSetting(f"the first line of {name} is empty")
    return words


def typed_passphrase(prompt: str) -> str:
    try:
        # Without a terminal getpass would warn, and then show what is typed.
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt, stream=sys.stderr)
    except (EOFError, getpass.GetPassWarning):
        raise BadSetting(
            "nobody typed a passphrase; scripts set QUIETDESK_PASSPHRASE_FILE"
        ) from None


def new_passphrase(chosen: Settings) -> str:
    """A passphrase for a new keyring, typed twice. Raises PassphraseUnfit."""
    words = passphrase(chosen, "New passphrase (five words or more are good): ")
    if len(words) < MIN_PASSPHRASE:
        raise PassphraseUnfit(f"a passphrase has at least {MIN_PASSPHRASE} letters")
    if chosen.passphrase_file is None and typed_passphrase("Again: ") != words:
        raise PassphraseUnfit("the two passphrases differ")
    return words


def agreed(question: str) -> bool:
    """Whether somebody answers a question with yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def complain(text: str) -> None:
    """Say what went wrong: a line of talk. Where nobody can be told (a log on a full disk, a pipe
    that was closed), the work goes on: the exit code says that there was something."""
    with suppress(OSError):
        print(f"quietdesk: {text}", file=sys.stderr, flush=True)


def say_not_ready(pulled: Outcome) -> None:
    """Say what this device has no keys for: coming weeks, or weeks that were made already."""
    if pulled.unready:
        complain(words.SAID["not_topped_up"])
        what, next = words.said(pulled.unready)
        complain(f"{what} {next}".strip())
    it = pulled.proofs
    if it.lost:
        weeks = ", ".join(map(str, it.lost))
        complain(words.SAID["lost_weeks"].format(weeks=weeks, device=it.device))
        complain(words.SAID["lost_next"])
    for week, why in it.bad.items():
        if week not in it.lost:
            said = words.SAID["half_fails"].format(week=week, device=it.device)
            complain(f"{said} ({why})")


def hint(error: QuietdeskError) -> None:
    """Say what to do next, if the error knows."""
    if text := error.next:
        complain(f"hint: {text[0].lower()}{text[1:].rstrip('.')}")
