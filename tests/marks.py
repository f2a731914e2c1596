"""Which tests are quick and need nothing but this process, decided here.

A test that starts a browser, an emulator of AWS or any other process has the mark of that; one that
is too long for every day is `slow`. All others are `core`, and `make check` runs them. A core test
that starts a process all the same does not start it: it fails and says so.
"""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

APART = ("browser", "emulator", "process", "slow")
# What a test has that uses one of these, however indirectly.
OF_FIXTURE = {
    "another_process": "process",
    "browser": "browser",
    "emulators": "emulator",
}
STARTS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
     "subprocess.Popen"}
)  # fmt: skip

_core = False  # whether the test that runs now is one


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in of_fixtures(item):
            item.add_marker(mark)
        if not any(item.get_closest_marker(mark) for mark in APART):
            item.add_marker("core")


def of_fixtures(item: pytest.Item) -> set[str]:
    found = {OF_FIXTURE[name] for name in getattr(item, "fixturenames", ()) if name in OF_FIXTURE}
    parameters = getattr(item, "callspec", None)
    if parameters and parameters.params.get("store_spec", "sqlite") != "sqlite":
        found.add("emulator")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _core
    _core = item.get_closest_marker("core") is not None
    try:
        return (yield)
    finally:
        _core = False


def _watch(event: str, _: tuple[Any, ...]) -> None:
    if _core and event in STARTS:
        pytest.fail(
            f"this test is core, but it starts a process ({event}): mark it with process, or let "
            "the fixture that does ask for another_process",
            pytrace=False,
        )


sys.addaudithook(_watch)
