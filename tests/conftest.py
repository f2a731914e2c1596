"""Fixtures that more than one file uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from quietdesk.city import City
from tests.serving import CHROMIUM_ARGS, Served, build_site, chromium, serving
from tests.world import World, compiled_city, make_world


@pytest.fixture(scope="session")
def city() -> City:
    return compiled_city()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        yield launched
        launched.close()


@pytest.fixture
def served(world: World, tmp_path: Path) -> Iterator[Served]:
    """The whole programme on a free port: the built site, the functions, the store."""
    site = build_site(tmp_path / "site", world.trust.custodians)
    with serving(world, site) as running:
        yield running
