"""The import table of docs/decisions/0002-modules.md, and what the tree must look like."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.world import ROOT

PACKAGE = ROOT / "functions" / "quietdesk"

# Module: what it may import of ours. Every module has a row; nothing outside staff imports staff.
BELOW = [
    "errors", "wire", "codes", "keys", "envelopes", "city", "openings", "replies", "request",
    "settings", "store", "pages", "programme", "web",
]  # fmt: skip
TABLE = {
    "__init__": [],
    "errors": [],
    "wire": [],
    "codes": ["errors"],
    "city": ["errors", "openings"],
    "keys": ["wire", "errors"],
    "settings": ["wire", "keys", "errors"],
    "envelopes": ["codes", "keys", "wire", "errors"],
    "openings": ["wire", "keys", "errors"],
    "replies": ["city", "errors", "openings"],
    "request": ["city", "envelopes", "errors", "openings", "wire"],
    "store": ["envelopes", "keys", "errors"],
    "pages": ["request", "city", "openings", "replies", "settings", "errors", "wire", "keys"],
    "web": [],
    "wsgi": ["web"],
    "programme": ["city", "keys", "pages", "store"],
    "intake": BELOW,
    "gateway": [],
    "sweep": ["city", "wire", "keys", "store", "errors"],
    "local": [*BELOW, "gateway", "wsgi", "intake", "sweep"],
    "cloud": [*BELOW, "intake", "sweep"],
    "handler": ["cloud"],
    "website": BELOW,
    "hooks": [*BELOW, "website"],
}
STAFF = [*BELOW, "gateway", "wsgi", "intake", "sweep", "local", "website", "staff"]

# The same inside staff, from the ground up: what opens, what is done, one work, two faces.
ROOMS = {
    "__init__": [],
    "words": [],
    "device": [],
    "desk": ["device"],
    "custodian": ["device"],
    "work": ["device", "desk"],
    "console": ["words", "device", "desk", "work"],
    "commands": ["words", "device", "desk", "custodian", "work", "console"],
}
MOST_LINES = 400  # so that a room can be read from top to bottom


def modules():
    return [*sorted(PACKAGE.rglob("*.py")), ROOT / "site" / "hooks.py"]


def name_of(path):
    """The module's row: a package is one module to the others."""
    return path.stem if path.parent in (PACKAGE, ROOT / "site") else path.parent.name


def allowed_to(path):
    return STAFF if PACKAGE / "staff" in path.parents else TABLE[name_of(path)]


def imports_of(path):
    """The modules of ours that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from quietdesk import keys` names a module, `from quietdesk.keys import Kid` is in it
            names = [node.module]
            if node.module in ("quietdesk", "quietdesk.website", "quietdesk.staff"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path.name} has a relative import, which this test does not follow")
        found |= {name.split(".")[1] for name in names if name.startswith("quietdesk.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_the_table_allows(path):
    assert imports_of(path) <= {name_of(path), *allowed_to(path)}


def test_the_import_test_sees_every_form_of_import(tmp_path):
    file = tmp_path / "probe.py"
    file.write_text(
        "import quietdesk.store\nfrom quietdesk import keys\n"
        "def f():\n    from quietdesk.staff.work import Work\n"
    )

    assert imports_of(file) == {"store", "keys", "staff"}


def room_of(path):
    """The room of staff that a file is in, or is."""
    inside = path.relative_to(PACKAGE / "staff")
    return inside.parts[0].removesuffix(".py")


def named(name):
    """The file of a module of ours, None for what is no module."""
    path = ROOT / "functions" / Path(*name.split("."))
    return next((it for it in (path.with_suffix(".py"), path / "__init__.py") if it.exists()), None)


def files_used_by(path):
    """The files of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {named(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found.add(named(f"{node.module}.{alias.name}") or named(node.module))
    return found - {None}


STAFF_FILES = sorted((PACKAGE / "staff").rglob("*.py"))


@pytest.mark.parametrize("path", STAFF_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_room_of_staff_imports_only_the_rooms_below(path):
    used = {room_of(it) for it in files_used_by(path) if PACKAGE / "staff" in it.parents}

    assert used - {room_of(path)} <= {*ROOMS[room_of(path)]}


def test_rooms_of_staff_stand_upon_each_other():
    below = []
    for room, uses in ROOMS.items():
        assert {*uses} <= {*below}
        below.append(room)
    assert {room_of(path) for path in STAFF_FILES} == {*ROOMS}


def test_no_module_comes_back_to_itself_by_what_it_imports():
    uses = {path: files_used_by(path) - {path} for path in PACKAGE.rglob("*.py")}
    left = dict(uses)
    while free := [path for path, used in left.items() if not used & left.keys()]:
        for path in free:
            del left[path]

    assert sorted(str(path.relative_to(PACKAGE)) for path in left) == []


@pytest.mark.parametrize("path", STAFF_FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_room_of_staff_can_be_read_from_top_to_bottom(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_every_module_opens_with_what_it_hides():
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_the_top_level_is_fixed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    top = {name.partition("/")[0] for name in tracked if name}

    assert top <= {
        "site", "functions", "infra", "tests", "docs", "mkdocs.yml", "pyproject.toml", "README.md",
        "CHANGELOG.md", "LICENSE", "Makefile", ".ci", ".gitignore",
    }  # fmt: skip


def test_readme_has_under_120_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
