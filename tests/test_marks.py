"""Which tests are core is decided by what they use, and who is wrong about it is told."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from tests import marks
from tests.examples import examples

NOTHING = [sys.executable, "-c", ""]


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(NOTHING),
        lambda: subprocess.Popen(NOTHING),
        lambda: os.system("true"),  # noqa: S605
        lambda: os.fork(),
        lambda: os.posix_spawn(sys.executable, NOTHING, {}),
        lambda: os.execv(sys.executable, NOTHING),  # noqa: S606
    ],
    ids=["run", "Popen", "system", "fork", "posix_spawn", "exec"],
)
def test_core_test_that_starts_a_process_fails_and_says_so(start):
    with pytest.raises(pytest.fail.Exception, match="this test is core, but it starts a process"):
        start()


@pytest.mark.process
def test_test_that_says_so_may_start_one():
    assert subprocess.run(NOTHING).returncode == 0


@pytest.fixture
def starts_one(another_process):
    return subprocess.run(NOTHING)


def test_test_is_of_the_process_that_its_fixture_starts(starts_one, request):
    assert starts_one.returncode == 0
    assert marked(request) == {"process"}


@pytest.mark.parametrize(
    ("name", "found"), [("sqlite", set()), ("moto", {"emulator"}), ("ministack", {"emulator"})]
)
def test_test_is_of_the_emulator_that_its_parameter_names(name, found):
    parameters = SimpleNamespace(params={"store_spec": name})
    item = SimpleNamespace(fixturenames=["store_spec", "world"], callspec=parameters)

    assert marks.of_fixtures(item) == found


@pytest.mark.slow
def test_long_test_is_not_core(request):
    assert marked(request) == {"slow"}


def test_test_that_uses_nothing_of_these_is_core(tmp_path, request):
    assert marked(request) == {"core"}


def marked(request):
    return {mark for mark in ("core", *marks.APART) if request.node.get_closest_marker(mark)}


@given(integers())
@examples(1)
def test_what_hypothesis_tries_is_in_a_soak(marks_of, _):
    assert "hypothesis" in marks_of


@pytest.fixture
def marks_of(request):
    return {mark.name for mark in request.node.iter_markers()}
