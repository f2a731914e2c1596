"""One programme for all browser tests: served with the real headers, its clock standing at noon."""

import pytest

from quietdesk.openings import Opening
from tests.serving import serving
from tests.world import NOON, make_world

PHONE = {"viewport": {"width": 360, "height": 740}}
OPENING = "corona.2026-11-24.1000"  # which every test may take


@pytest.fixture(scope="session")
def programme(tmp_path_factory, custodian):
    made = make_world(tmp_path_factory.mktemp("programme"), custodian=custodian)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def url(programme, site):
    with serving(programme, site) as running:
        yield running.url


@pytest.fixture
def visit(browser):
    """Opens pages in a browser of their own whose clock agrees with the programme's; they are
    closed again even when the test fails, for an open page keeps the server from stopping."""
    contexts = []

    def open_page(clock=True, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        if clock:
            context.clock.install(time=NOON)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def taking(programme):
    """Times that residents may take, while the tests of a module run."""
    programme.publisher().publish(NOON, taking=True)
    programme.store.set_seats({Opening.parse(OPENING): 100})
    yield
    programme.publisher().publish(NOON, taking=False)


@pytest.fixture
def page(visit, url):
    """The form on a phone, with its times."""
    opened = visit(**PHONE)
    opened.goto(f"{url}/en/request/")
    opened.wait_for_selector("#times details")
    return opened
