"""`make breaks`: breaks a promise in a copy of the tree, and demands that its tests turn red.

A test that cannot fail proves nothing. So each break of tests/breaks.py is applied to a copy, and
each test that it names must fail there because of an assertion, and pass without the break. A text
that is not found, a module that does not load or a test that did not run is not red.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from tests.breaks import BREAKS, Break
from tests.waiting import CEILING
from tests.world import ROOT

HANGS_SECONDS = 4 * CEILING  # a run is of several tests
SHOWN_SECONDS = 60  # so long a test may wait for what a broken page never shows
RED = "red"
SCRIPT = Path("site", "script")
# What is not of the tree, or is in the way of a copy. The environment is shared.
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "var", "node_modules", ".hypothesis", ".*_cache"
)
# How pytest begins the message of a test that failed by its own assertion, or by `pytest.raises`.
_ASSERTED = ("assert ", "AssertionError", "Failed: ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test said of a break: RED, or why it does not count as red."""

    broken: Break
    test: str
    said: str


@dataclass(slots=True)
class Tree:
    """The tree that is copied, and what its copies share: node's packages, fetched when needed."""

    root: Path
    folder: Path
    _packages: Path | None = None
    _guard: Lock = field(default_factory=Lock)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A copy of the tree that lasts as long as the block."""
        with TemporaryDirectory(dir=self.folder) as folder:
            to = Path(folder, "tree")
            shutil.copytree(self.root, to, ignore=_LEFT_OUT)
            if (self.root / ".venv").exists():
                (to / ".venv").symlink_to(self.root / ".venv")
            yield to

    def packages(self) -> Path:
        """The folder node_modules of site/script, with what its lock names."""
        with self._guard:
            if self._packages is None:
                folder = self.folder / "packages"
                folder.mkdir()
                for name in ("package.json", "package-lock.json"):
                    shutil.copy(self.root / SCRIPT / name, folder)
                _run(["npm", "ci", "--no-audit", "--no-fund"], folder)
                self._packages = folder / "node_modules"
            return self._packages


def verdicts(
    breaks: Sequence[Break], root: Path = ROOT, at_once: int | None = None
) -> Iterator[Verdict]:
    """A verdict for each test of each break, in the order of the breaks."""
    files: dict[str, list[str]] = {}
    for test in dict.fromkeys(test for it in breaks for test in it.tests):
        files.setdefault(test.partition("::")[0], []).append(test)
    with TemporaryDirectory() as folder, ThreadPoolExecutor(at_once or os.cpu_count()) as pool:
        tree = Tree(root, Path(folder))
        before: dict[str, str] = {}
        for said in pool.map(partial(_unbroken, tree), files.values()):
            before |= said
        for found in pool.map(partial(_verdicts, tree, before), breaks):
            yield from found


def _unbroken(tree: Tree, tests: Sequence[str]) -> dict[str, str]:
    with tree.copy() as copy:
        return _asked(copy, tests)


def _verdicts(tree: Tree, before: dict[str, str], broken: Break) -> list[Verdict]:
    with tree.copy() as copy:
        if trouble := apply(broken, tree, copy):
            said = dict.fromkeys(broken.tests, trouble)
        else:
            said = _asked(copy, broken.tests, SHOWN_SECONDS)
    for test in broken.tests:
        if before[test] != "passed":
            said[test] = f"without the break: {before[test]}"
    return [Verdict(broken, test, said[test]) for test in broken.tests]


def apply(broken: Break, tree: Tree, copy: Path) -> str:
    """Break a copy of the tree; says what is wrong if that cannot be done."""
    path = copy / broken.file
    text = path.read_text("utf-8")
    if text.count(broken.text) != 1:
        return f"its text stands {text.count(broken.text)} times in {broken.file}"
    path.write_text(text.replace(broken.text, broken.instead), "utf-8")
    if path.parent == copy / SCRIPT:  # what pages load is built of it
        (path.parent / "node_modules").symlink_to(tree.packages())
        _run(["npm", "run", "build"], path.parent)
    return ""


def _asked(copy: Path, tests: Sequence[str], ceiling: float = CEILING) -> dict[str, str]:
    """What the tests say in a copy: passed, RED, or why neither. They wait for nothing longer than
    the ceiling, in seconds."""
    report = copy.parent / "report.xml"
    command = [
        sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-p", "no:randomly",
        f"--junitxml={report}", *tests,
    ]  # fmt: skip
    # The copy's package comes before the one that the environment leads to.
    env = {**os.environ, "PYTHONPATH": str(copy / "functions")}
    env["QUIETDESK_TEST_CEILING"] = str(ceiling)
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):  # it is no part of the run that asks
        env.pop(name, None)
    try:
        subprocess.run(command, cwd=copy, env=env, capture_output=True, timeout=HANGS_SECONDS)
    except subprocess.TimeoutExpired:
        return dict.fromkeys(tests, "did not end")
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - ours
    return {test: _said(_cases_of(test, cases)) for test in tests}


def _cases_of(test: str, cases: Iterable[ET.Element]) -> list[ET.Element]:
    """The cases of a test: one, or one for each of its parameters."""
    path, _, name = test.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    return [
        case
        for case in cases
        if case.get("classname") == module
        and (case.get("name") == name or str(case.get("name")).startswith(f"{name}["))
    ]


def _said(cases: Sequence[ET.Element]) -> str:
    """RED if a case failed by an assertion; else why that is not so."""
    failures = [case.find("failure") for case in cases]
    messages = [str(it.get("message")) for it in failures if it is not None]
    if any(message.startswith(_ASSERTED) for message in messages):
        return RED
    if messages:
        return f"failed without an assertion: {messages[0].splitlines()[0]}"
    if any(case.find("error") is not None for case in cases):
        return "broke before it began"
    if not cases or all(case.find("skipped") is not None for case in cases):
        return "did not run"
    return "passed"


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=HANGS_SECONDS)


def main(names: Sequence[str], breaks: Sequence[Break] = BREAKS, root: Path = ROOT) -> int:
    """Print a line a test; 1 if one of them is not red, 2 if there is no break of that name."""
    if unknown := set(names) - {it.name for it in breaks}:
        print(f"there is no break named {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    chosen = [it for it in breaks if not names or it.name in names]
    width = max(len(it.name) for it in chosen)
    green = 0
    for it in verdicts(chosen, root):
        green += it.said != RED
        print(f"{it.broken.name:<{width}}  {it.test}  {it.said}", flush=True)
    print(f"Broken: {len(chosen)}. Tests that are not red: {green}.")
    return 1 if green else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
