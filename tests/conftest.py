"""Fixtures that more than one file uses."""

import fcntl
import gc
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from infra import bundle
from playwright.sync_api import Browser, sync_playwright

from quietdesk.city import City
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import Keyring
from quietdesk.store import open_store, sqlite
from quietdesk.store.dynamodb.tables import create_tables
from quietdesk.store.sqlite import room
from tests.emulators import Emulator, be_patient, emulator
from tests.runtime_api import programme_on_lambda
from tests.serving import (
    ADDRESS,
    CHROMIUM_ARGS,
    Served,
    build_site,
    chromium,
    compile_ours,
    patient,
    serving,
)
from tests.waiting import CEILING
from tests.world import (
    NOON,
    PASSPHRASE,
    World,
    compiled_city,
    make_custodian,
    make_world,
)

# The second has the profile of a soak, which is chosen before any test is read.
pytest_plugins = ["tests.marks", "tests.examples"]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before any worker starts, what `make site` writes and the commands read: on a fresh clone it
    is not there yet."""
    gc.disable()  # until everything is imported and collected: none of it ever goes
    if not hasattr(session.config, "workerinput"):
        compile_ours()


def pytest_collection_finish() -> None:
    """The console collects garbage whenever it locks: let it look at what tests made, and not at
    all the modules and tests that there are."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def patient_stores() -> Iterator[None]:
    """Who waits for another to have written to SQLite waits until that hangs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "BUSY_SECONDS", CEILING)
        patch.setattr(room, "RESERVE", 1 << 16)  # which hundreds of stores make
        patch.setattr(room, "CHUNK", 1 << 14)
        yield


@pytest.fixture(scope="session", autouse=True)
def stretched_once() -> Iterator[None]:
    """A code that several tests use is stretched by one of them: what comes out is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "pbkdf2_hmac", cache(hashlib.pbkdf2_hmac))
        yield


@pytest.fixture(scope="session")
def another_process() -> None:
    """What a fixture asks for that starts a process, so that no test that uses it is core."""


@pytest.fixture(scope="session")
def city() -> City:
    return compiled_city()


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Emulator]]:
    """The DynamoDB emulator of a name, started when first asked for."""
    running: dict[str, Emulator] = {}
    with ExitStack() as stack:

        def start(name: str) -> Emulator:
            if name not in running:
                folder = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context(emulator(name, folder))
            return running[name]

        yield start


@pytest.fixture
def store_spec(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A fresh store: on SQLite, or on the emulator that a test's parameter names."""
    name = getattr(request, "param", "sqlite")
    if name == "sqlite":
        return f"sqlite:{tmp_path / 'requests.db'}"
    start: Callable[[str], Emulator] = request.getfixturevalue("emulators")
    for variable, value in start(name).environment().items():
        monkeypatch.setenv(variable, value)
    be_patient(monkeypatch.setattr)
    prefix = f"t{secrets.token_hex(4)}"
    create_tables(prefix)
    return f"dynamodb:{prefix}"


Shared = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Has a file or folder of a name made once for all workers of this run, by the one that first
    asks. Nobody changes it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def get(name: str, make: Callable[[Path], object]) -> Path:
        made, fresh = root / name, root / f"{name}.fresh"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                make(fresh)
                fresh.rename(made)
        return made

    return get


@pytest.fixture(scope="session")
def custodian(shared: Shared) -> Keyring:
    """One for all tests, so that the site, which names its key, is built once."""
    kept = shared("custodian", lambda it: it.write_bytes(keyring.lock(make_custodian())))
    return keyring.unlock(kept.read_bytes(), PASSPHRASE)


@pytest.fixture(scope="session")
def site(another_process: None, custodian: Keyring, shared: Shared) -> Path:
    """The built website."""
    return shared("site", lambda it: build_site(it, (custodian.public_key,)))


@pytest.fixture(scope="session")
def site_with_address(another_process: None, custodian: Keyring, shared: Shared) -> Path:
    """The website as it is built when its address is known."""
    keys = (custodian.public_key,)
    return shared("known", lambda it: build_site(it, keys, address=f"{ADDRESS}/"))


@pytest.fixture(scope="session")
def minted(custodian: Keyring, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A programme on SQLite that is closed again; tests get copies of its file."""
    made = make_world(tmp_path_factory.mktemp("minted"), custodian=custodian)
    made.store.close()
    return made


@pytest.fixture(scope="session")
def published(minted: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same with the coming openings published."""
    made = _copied(minted, f"sqlite:{tmp_path_factory.mktemp('published') / 'requests.db'}")
    made.publisher().publish(NOON)
    made.store.close()
    return made


@pytest.fixture
def world(
    request: pytest.FixtureRequest, store_spec: str, tmp_path: Path, custodian: Keyring
) -> Iterator[World]:
    if store_spec.startswith("sqlite:"):
        source = "published" if "open_world" in request.fixturenames else "minted"
        made = _copied(request.getfixturevalue(source), store_spec)
    else:
        made = make_world(tmp_path, spec=store_spec, custodian=custodian)
    yield made
    made.store.close()


@pytest.fixture
def open_world(world: World, store_spec: str) -> World:
    """The world, where staff have published the coming openings."""
    if not store_spec.startswith("sqlite:"):
        world.publisher().publish(NOON)
    return world


def _copied(world: World, spec: str) -> World:
    shutil.copyfile(world.spec.removeprefix("sqlite:"), spec.removeprefix("sqlite:"))
    return replace(world, spec=spec, store=open_store(spec, patient=True))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM_ARGS, timeout=CEILING * 1000
        )
        yield patient(launched)
        launched.close()


@pytest.fixture
def served(
    request: pytest.FixtureRequest, world: World, site: Path, tmp_path: Path
) -> Iterator[Served]:
    """The whole programme on a free port: the built site, the functions, the store. With the
    parameter `lambda` the functions are run by Lambda's own client, in a process of theirs."""
    if getattr(request, "param", "") != "lambda":
        with serving(world, site) as running:
            yield running
        return
    with (
        programme_on_lambda(world, tmp_path / "lambda.log") as function,
        serving(world, site, function) as running,
    ):
        yield running


def python313() -> str | None:
    """Where the Python of Lambda is on this machine: named, on PATH, or one of pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = [os.environ.get("PYTHON313"), None, *root.glob("versions/3.13.*/bin/python3.13")]
    for path in named:
        with pytest.MonkeyPatch.context() as patch:
            if path:
                patch.setenv("PYTHON313", str(path))
            try:
                return str(bundle.python())
            except bundle.CannotBundle:
                continue
    return None


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions write into their log."""
    written = StringIO()
    monkeypatch.setattr("quietdesk.log.sys", SimpleNamespace(stderr=written))
    return written


@pytest.fixture(scope="session")
def lambdas_python(another_process: None) -> Iterator[str]:
    """The Python of Lambda, for `make bundle`; without it what needs it is left out."""
    found = python313()
    if found is None:
        pytest.skip("there is no python3.13 here, and the bundle refuses another")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON313", found)
        yield found
