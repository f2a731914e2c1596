"""The list of breaks does not rot, and what says that a test noticed one can itself fail."""

import ast

import pytest

from tests import breaking
from tests.breaking import RED
from tests.breaks import BREAKS, Break
from tests.world import ROOT

HOUSE = "def greeting(name):\n    return 'hello'\n"
HOUSE_TESTS = """
import pytest
from house import greeting

@pytest.fixture
def loud():
    return greeting("Ana").upper()

def test_it_can_be_loud(loud):
    assert loud == "HELLO"

def test_nobody_is_named():
    assert greeting("Ana") == "hello"

def test_nothing_is_said_of_it():
    greeting("Ana")

def test_that_fails_already():
    assert greeting("Ana") == "good day"
"""
NAMED = ("return 'hello'", "return f'hello {name}'")
SEEN = "tests/test_house.py::test_nobody_is_named"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A tree so small that a run takes a moment."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    root = tmp_path / "house"
    root.mkdir()
    (root / "functions").mkdir()
    (root / "functions" / "house.py").write_text(HOUSE)
    (root / "tests").mkdir()
    (root / "tests" / "__init__.py").write_text("")
    (root / "tests" / "test_house.py").write_text(HOUSE_TESTS)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return root


def broken(text, instead, *tests, file="functions/house.py"):
    return Break("the-break", "nobody is named", file, text, instead, tests or (SEEN,))


def functions_of(path):
    return {it.name for it in ast.parse(path.read_text("utf-8")).body if hasattr(it, "name")}


# --- The list ------------------------------------------------------------------------------------


def test_there_are_breaks_enough_and_each_has_a_name_and_a_promise_of_its_own():
    assert len(BREAKS) >= 30
    assert len({it.name for it in BREAKS}) == len(BREAKS)
    assert len({(it.file, it.text, it.instead) for it in BREAKS}) == len(BREAKS)
    assert all(it.promise and it.tests and it.text != it.instead for it in BREAKS)


@pytest.mark.parametrize("it", BREAKS, ids=lambda it: it.name)
def test_text_of_a_break_stands_once_in_its_file_and_its_tests_are_there(it):
    assert (ROOT / it.file).read_text("utf-8").count(it.text) == 1, it.file
    for test in it.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(ROOT / path), test


# --- What notices --------------------------------------------------------------------------------


@pytest.mark.process
def test_break_that_its_test_notices_is_red(house, capsys):
    assert breaking.main([], [broken(*NAMED)], house) == 0
    assert f"the-break  {SEEN}  {RED}" in capsys.readouterr().out
    assert (house / "functions" / "house.py").read_text() == HOUSE, "only a copy was broken"


@pytest.mark.process
def test_break_that_no_test_notices_is_not_red(house):
    tests = "tests/test_house.py::test_"
    not_red = [
        (broken("    return", "    # said\n    return"), "passed"),
        (broken(*NAMED, f"{tests}nothing_is_said_of_it"), "passed"),
        (broken("def greeting", "def greets"), "did not run"),
        (broken("'hello'", "0", f"{tests}it_can_be_loud"), "broke before it began"),
        (broken("'hello'", "hello"), "failed without an assertion: NameError: name 'hello' is "),
        (broken("'good day'", "''"), "its text stands 0 times in functions/house.py"),
        (broken("e", "E"), "its text stands 6 times in functions/house.py"),
        (broken(*NAMED, f"{tests}that_fails_already"), "without the break: red"),
    ]

    found = list(breaking.verdicts([it for it, _ in not_red], house))

    assert [it.broken for it in found] == [it for it, _ in not_red]
    for verdict, (_, said) in zip(found, not_red, strict=True):
        assert verdict.said.startswith(said)


@pytest.mark.process
def test_test_that_there_is_not_is_not_red(house):
    (found,) = breaking.verdicts([broken(*NAMED, f"{SEEN}_of_old")], house)

    assert found.said == "without the break: did not run"


@pytest.mark.process
def test_break_that_no_test_notices_makes_the_run_fail(house, capsys):
    assert breaking.main([], [broken("    return", "    # said\n    return")], house) == 1
    assert f"the-break  {SEEN}  passed" in capsys.readouterr().out


@pytest.mark.process
def test_break_is_red_only_when_each_of_its_tests_is(house, capsys):
    both = broken(*NAMED, SEEN, "tests/test_house.py::test_nothing_is_said_of_it")

    assert breaking.main([], [both], house) == 1
    assert RED in capsys.readouterr().out


def test_unknown_name_is_said(house, capsys):
    assert breaking.main(["no-such-break"], [broken(*NAMED)], house) == 2
    assert "no-such-break" in capsys.readouterr().err


@pytest.mark.process
def test_breaks_of_ours_are_red():
    """Two of the list, as `make breaks` runs them all."""
    names = ("reply-not-padded", "one-signature-counted-twice")
    two = [it for it in BREAKS if it.name in names]

    assert [verdict.said for verdict in breaking.verdicts(two, at_once=1)] == [RED, RED]


@pytest.mark.process
def test_break_of_a_script_is_in_what_pages_load(tmp_path):
    """Else a browser would be shown the script from before the break."""
    (it,) = (it for it in BREAKS if it.name == "code-in-the-address")
    tree = breaking.Tree(ROOT, tmp_path)

    with tree.copy() as copy:
        assert breaking.apply(it, tree, copy) == ""
        built = (copy / "site/pages/assets/form.js").read_text()

    assert "replaceState" in built
    assert "replaceState" not in (ROOT / "site/pages/assets/form.js").read_text()
