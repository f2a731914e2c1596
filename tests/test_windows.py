"""Several windows of two computers, in any order: no published key is lost but by an older copy."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from quietdesk import bundles, hpke, weeks
from quietdesk.errors import CannotOpen
from quietdesk.hpke import Kid, PrivateKey
from quietdesk.signed import Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.weeks import Epoch
from tests.examples import examples
from tests.windows import Office, Window
from tests.world import NOON, PASSPHRASE, make_custodian, make_world

WINDOWS = 2  # of each computer
COMPUTER = st.integers(0, 1)
WINDOW = st.integers(0, WINDOWS - 1)
CUSTODIAN = make_custodian()


@dataclass(frozen=True)
class Seen:
    """How one computer stands in the weeks whose key day is ahead: the public keys that its file
    makes, those that its upload names, the published keys that have a half for it, and those of
    them that it opens. An upload may go on naming an ended week: nobody makes keys for it."""

    held: dict[Epoch, bytes]
    named: dict[Epoch, bytes]
    given: set[Kid]
    opened: set[Kid]

    @property
    def lacking(self) -> set[Kid]:
        return self.given - self.opened


class Computer:
    """One device: its file, its windows, and the copies of the file that somebody kept."""

    def __init__(self, office: Office, file: bytes):
        self.office = office
        keyring.save(office.path, file)
        self.windows = [self.opened() for _ in range(WINDOWS)]
        self.copies = [file]
        # Since an older copy was put back, until its upload is mended: it may name lost keys.
        self.restored = False
        # The keys that an older copy took away: nobody can open these again.
        self.gone: set[Kid] = set()
        # The weeks that do not open, as the last window that pulled said, also in the upload.
        self.told: set[Epoch] = set()

    def opened(self) -> Window:
        """A window in which somebody typed the passphrase, and which waits now."""
        window = Window(self.office)
        window.tell("unlock", NOON)
        assert window.answer() == (None, ())
        return window

    def unlocked(self) -> keyring.Keyring:
        return keyring.unlock(self.office.path.read_bytes(), PASSPHRASE)


class Windows(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="quietdesk-windows-"))
        self.now = NOON
        self.world = world = make_world(self.folder, custodian=CUSTODIAN)
        second = keyring.new("device", world.trust, PASSPHRASE, world.device.cost)
        second = second.topped_up(upload.coming(world.city, NOON))
        upload.upload_wrap_keys(world.store, second, world.city, NOON)
        ceremony.admit(world.store, world.city, world.trust, [CUSTODIAN], second.public_key, NOON)
        self.computers = []
        for device in (world.device, second):
            path = self.folder / device.id / "device.keyring"
            office = Office(world.city, world.trust, world.spec, path)
            self.computers.append(Computer(office, keyring.lock(device)))

    def teardown(self) -> None:
        for computer in getattr(self, "computers", ()):
            for window in computer.windows:
                window.close()
        if hasattr(self, "world"):
            self.world.store.close()
            shutil.rmtree(self.folder)

    # --- What happens in an office ---------------------------------------------------------------

    @rule(at=COMPUTER, number=WINDOW)
    def unlock(self, at: int, number: int) -> None:
        """Somebody types the passphrase. Then the window waits, at a question perhaps."""
        window = self.computers[at].windows[number]
        window.tell("unlock", self.now)
        assert window.answer() == (None, ())

    @rule(at=COMPUTER, number=WINDOW)
    def pull(self, at: int, number: int) -> None:
        window = self.computers[at].windows[number]
        window.tell("pull", self.now)
        self._pulled(at, window.answer())

    @rule(at=COMPUTER)
    def pull_in_all_windows_at_once(self, at: int) -> None:
        windows = self.computers[at].windows
        for window in windows:
            window.tell("pull", self.now)
        for window in windows:
            self._pulled(at, window.answer())
        assert self._seen(at).named == self._seen(at).held, "the upload is not as the file"

    @rule(at=COMPUTER, number=WINDOW)
    def monday(self, at: int, number: int) -> None:
        """The week's rhythm: one window pulls, then custodians make all keys that they can."""
        self.now += timedelta(days=7)
        self.pull(at, number)
        self.mint(11)

    @rule(at=COMPUTER, number=WINDOW)
    def forget(self, at: int, number: int) -> None:
        window, city = self.computers[at].windows[number], self.world.city
        window.tell("forget", self.now)
        assert window.answer() == (None, ())
        for epoch in keyring.epochs(self.computers[at].office.path.read_bytes()):
            assert not weeks.over(epoch, self.now, city.zone, city.serve_days)

    @rule(at=COMPUTER, number=WINDOW, file=st.integers(1, 2), after=st.booleans())
    def kill(self, at: int, number: int, file: int, after: bool) -> None:
        """In the middle of forgetting, or of topping up, if that writes so many files."""
        computer = self.computers[at]
        window = computer.windows[number]
        for do in ("forget", "pull"):
            window.tell(do, self.now, (file, after))
            if window.answer() is None:
                window.close()
                computer.windows[number] = computer.opened()
                return

    @rule(count=st.integers(1, 11))
    def mint(self, count: int) -> None:
        world = self.world
        before = [self._seen(at) for at in range(len(self.computers))]
        did = ceremony.mint(world.store, world.city, world.trust, [CUSTODIAN], count, self.now)
        named = {(it.device, it.epoch) for it in did.left_out}
        current = weeks.epoch_at(self.now, world.city.zone)
        asked = {it for it in self._minted() if current <= it.epoch < current.plus(count)}
        for at, computer in enumerate(self.computers):
            after, device = self._seen(at), computer.unlocked().id
            without = asked - after.given
            told = {kid for kid in asked & after.lacking if kid.epoch in computer.told}
            left_out = {(device, kid.epoch) for kid in without | told}
            assert left_out <= named, "a device is left out without a word"
            new = {it for it in after.lacking if it not in before[at].given}
            assert computer.restored or not new, "a key was made for what nobody has"
            computer.gone |= new

    @rule(at=COMPUTER)
    def copy_is_kept(self, at: int) -> None:
        self.computers[at].copies.append(self.computers[at].office.path.read_bytes())

    @rule(at=COMPUTER, back=st.integers(1, 3))
    def copy_is_put_back(self, at: int, back: int) -> None:
        computer, before = self.computers[at], self._seen(at)
        keyring.save(computer.office.path, computer.copies[-min(back, len(computer.copies))])
        computer.restored = True
        computer.gone |= before.opened - self._seen(at).opened

    # --- What is always true ---------------------------------------------------------------------

    @invariant()
    def no_published_key_is_lost_but_by_an_older_copy(self) -> None:
        for at, computer in enumerate(self.computers):
            seen = self._seen(at)
            assert seen.lacking <= computer.gone, "a key is lost over which nobody put a copy"
            named_and_held = seen.named.items() <= seen.held.items()
            assert computer.restored or named_and_held, "the upload names what nobody has"

    # --- Looking, from outside -------------------------------------------------------------------

    def _pulled(self, at: int, answer: object) -> None:
        seen, computer = self._seen(at), self.computers[at]
        lost = tuple(sorted({kid.epoch for kid in seen.lacking}))
        assert answer == (None, lost), "what does not open is not what was said"
        computer.restored = computer.restored and seen.named != seen.held
        computer.told = set(lost)

    def _seen(self, at: int) -> Seen:
        world, device = self.world, self.computers[at].unlocked()
        given, opened = set(), set()
        for kid in self._minted():
            try:
                wrap = world.store.wrap(kid, device.id)
            except CannotOpen:  # it was made before that device was there, or left it out
                continue
            given.add(kid)
            if opens(device.wrap_seeds.get(kid.epoch), kid, device.id, wrap):
                opened.add(kid)
        ahead, seeds = upload.coming(world.city, self.now), device.wrap_seeds
        named = upload.of(world.store, device.public_key, world.trust).keys
        return Seen(
            {it: public(seeds[it]) for it in ahead if it in seeds},
            {it: named[it] for it in ahead if it in named},
            given,
            opened,
        )

    def _minted(self) -> set[Kid]:
        names = [bundles.name("main", it) for it in upload.coming(self.world.city, self.now)]
        raws = [held[0] for name in names if (held := self.world.store.read(name))]
        return {kid for raw in raws for kid in kids(raw, self.world.trust)}


@cache
def kids(raw: bytes, trust: Trust) -> tuple[Kid, ...]:
    return tuple(kid for kid, _ in bundles.signed(raw, trust, "main").keys.values())


@cache
def public(seed: bytes) -> bytes:
    return hpke.public_key(seed)


@cache
def opens(seed: bytes | None, kid: Kid, device: str, wrap: bytes) -> bool:
    try:
        return bool(seed and PrivateKey(seed).open(keyring.wrap_info(kid, device), wrap))
    except CannotOpen:
        return False


@pytest.mark.hypothesis
@pytest.mark.process
def test_no_key_is_lost_whatever_two_computers_with_two_windows_each_do():
    # As it is found, in seconds: to look for a shorter one starts hundreds of processes.
    found = settings(examples(5), stateful_step_count=25, phases=[Phase.generate])
    run_state_machine_as_test(Windows, settings=found)
