"""A small programme for tests: city, store, custodian, device, keys. Time is an argument."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from os import urandom
from pathlib import Path
from typing import Any

from quietdesk import bundles, codes, envelopes, replies, request, weeks
from quietdesk.bundles import Bundle
from quietdesk.city import City
from quietdesk.codes import Secrets
from quietdesk.envelopes import Envelope
from quietdesk.openings import Opening
from quietdesk.pages import Pages
from quietdesk.programme import Programme
from quietdesk.request import NO_REST, Rest
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.desk.publisher import Publisher
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.keyring import Cost, Keyring
from quietdesk.staff.device.opener import Opened, Opener, Unopened, waiting
from quietdesk.store import Store, open_store
from quietdesk.website.profile import compile_profile
from quietdesk.weeks import Epoch

ROOT = Path(__file__).resolve().parent.parent
PROFILE = ROOT / "build" / "city.json"  # what `make site` writes and the commands read
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)  # for tests only
PASSPHRASE = "correct horse battery staple"
# A Wednesday noon in New York, week 2026-W47.
NOON = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
WEEK = timedelta(weeks=1)
NO_WORDS = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'

ASKED: Mapping[str, Sequence[str]] = {
    "centers": ["corona"],
    "windows": ["mon-am", "sat-pm"],
    "people": ["2"],
    "children": ["1"],
    "visit_type": ["new"],
    "language": ["bn"],
    "access": ["step_free"],
    "name": ["রহিমা"],
    "reach": ["text"],
    "phone": ["(718) 555-0123"],
    "phone_owner": ["mine"],
}


@cache
def compiled_city() -> City:
    """The city of this repository, read once by each process: twelve languages take a while."""
    return City.from_data(compile_profile(ROOT / "site/city", ROOT / "site/words"))


class Desk:
    """What opens and what answers, side by side."""

    def __init__(self, world: "World", opener: Opener, placing: Placing):
        self.open = opener.open
        self.place, self.wait, self.refuse = placing.place, placing.wait, placing.refuse
        self.enter = placing.enter
        self._world, self._opener, self._placing = world, opener, placing

    def pull(self, now: datetime) -> Iterator[Opened | Unopened]:
        """Every envelope that waits in the queue, opened where that can be."""
        return map(self._opener.tried, waiting(self._world.store, self._world.city, now))

    def erase(self, item: Opened) -> None:
        self._placing.erase(item.envelope)


@dataclass(frozen=True)
class World:
    """Everything of one programme, with keys minted for four weeks from NOON."""

    city: City
    store: Store
    trust: Trust
    custodian: Keyring
    device: Keyring
    spec: str = ""

    def bundle(self, now: datetime = NOON) -> Bundle:
        epoch = weeks.epoch_at(now, self.city.zone)
        raw = self.raw_bundle(epoch)
        return bundles.verify(raw, self.trust, self.city.queue, now)

    def raw_bundle(self, epoch: Epoch) -> bytes:
        held = self.store.read(bundles.name(self.city.queue, epoch))
        assert held is not None
        return held[0]

    def sealed(
        self,
        now: datetime = NOON,
        code: str | None = None,
        rest: Rest = NO_REST,
        **typed: list[str],
    ) -> Envelope:
        """An envelope as a phone seals it, ready for the store; with `rest`, as a phone with the
        page of a newer release does."""
        asked = request.parse({**ASKED, **typed}, self.city)
        secrets = codes.derive(code, self.city.deployment) if code else any_secrets()
        parts = request.pack(asked, secrets.reply, rest)
        envelope = envelopes.seal(parts, self.bundle(now), secrets)
        epoch = envelope.epoch
        end = weeks.expires(epoch, epoch, self.city.zone, self.city.serve_days)
        return envelopes.admitted(envelope, "P", end)

    def programme(self, clock: Callable[[], datetime] = lambda: NOON) -> Programme:
        """What the functions answer for."""
        pages = Pages(self.city, self.trust.custodians, self.trust.threshold)
        return Programme(self.city, self.store, self.trust, pages, clock)

    def opener(self, device: Keyring | None = None) -> Opener:
        return Opener(self.store, self.city, self.trust, device or self.device)

    def desk(self, device: Keyring | None = None) -> "Desk":
        return Desk(self, self.opener(device), Placing(self.store, self.city, self.trust))

    def publisher(self, device: Keyring | None = None) -> Publisher:
        return Publisher(self.store, self.city, self.trust, device or self.device)

    def taken(self, opening: Opening, now: datetime = NOON, code: str | None = None) -> Envelope:
        """An envelope that takes an opening, as a phone seals it."""
        typed = {**ASKED, "opening": [str(opening)]}
        secrets = codes.derive(code, self.city.deployment) if code else any_secrets()
        parts = request.pack(request.parse(typed, self.city), secrets.reply)
        raw, born = self.raw_bundle(opening.epoch), weeks.epoch_at(now, self.city.zone)
        bundle = bundles.verify(raw, self.trust, self.city.queue, now, opening.epoch)
        center = self.city.center(opening.center)
        assert center is not None
        reply = replies.write(replies.placed(opening, center))
        envelope = envelopes.seal(parts, bundle, secrets, opening, born, reply)
        end = weeks.expires(opening.epoch, born, self.city.zone, self.city.serve_days)
        return envelopes.admitted(envelope, "P", end)


class BrokenStore:
    """A store in which everything fails as no store should. It quotes what it was given."""

    def begin(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def fail(*given: object) -> None:
            raise RuntimeError(f"broken in {name} {given}")

        return fail


def any_secrets() -> Secrets:
    """What some code stands for that nobody uses. A code of one's own takes 50 ms to derive."""
    return Secrets(urandom(16), urandom(32), urandom(32))


def make_custodian() -> Keyring:
    return keyring.new("custodian", Trust((), 1, DEMO), PASSPHRASE, CHEAP)


def make_world(
    folder: Path, now: datetime = NOON, spec: str = "", custodian: Keyring | None = None
) -> World:
    city = compiled_city()
    spec = spec or f"sqlite:{folder / 'requests.db'}"
    store = open_store(spec, patient=True)
    custodian = custodian or make_custodian()
    trust = Trust((custodian.public_key,), 1, city.deployment)
    device = keyring.new("device", trust, PASSPHRASE, CHEAP)
    device = device.topped_up(upload.coming(city, now))
    upload.upload_wrap_keys(store, device, city, now)
    ceremony.admit(store, city, trust, [custodian], device.public_key, now)
    ceremony.mint(store, city, trust, [custodian], 4, now)
    return World(city, store, trust, custodian, device, spec)


def put_over(store: Store, name: str, document: bytes) -> None:
    """A document in the place of whatever has that name."""
    held = store.read(name)
    store.publish(name, document, held[1] if held else 0)


def another_device(world: World) -> Keyring:
    device = keyring.new("device", world.trust, PASSPHRASE, CHEAP)
    return device.topped_up(upload.coming(world.city, NOON))


def with_threshold(trust: Trust, threshold: int, *more: bytes) -> Trust:
    return replace(trust, threshold=threshold, custodians=(*trust.custodians, *more))
