"""The desk's console, as each of its tests finds it."""

import pytest

from quietdesk.errors import (
    QuietdeskError,
)
from quietdesk.staff.console.pages import Pages
from quietdesk.staff.desk.publisher import Publisher
from tests.console.staff import Staff, made
from tests.serving import Clock
from tests.world import NOON


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def console(world, tmp_path, clock):
    yield from made(world, tmp_path, clock)


@pytest.fixture
def staff(console):
    return Staff(console)


@pytest.fixture
def publish(world):
    """Publishes the openings of the coming weeks."""

    def publish():
        publisher = Publisher(world.store, world.city, world.trust, world.device)
        publisher.publish(NOON)
        return publisher

    return publish


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    """What nobody foresaw is answered with a page of fixed words; here it fails the test."""
    unforeseen = []
    answer = Pages.failed

    def failed(self, desk, error, *more):
        if not isinstance(error, QuietdeskError | OSError):
            unforeseen.append(error)
        return answer(self, desk, error, *more)

    monkeypatch.setattr(Pages, "failed", failed)
    yield unforeseen
    assert unforeseen == []
