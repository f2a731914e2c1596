"""The import table of docs/decisions/0002-modules.md, and what the tree must look like."""

import ast
import re
import subprocess
from graphlib import TopologicalSorter

import pytest

from tests.world import ROOT

PACKAGE = ROOT / "functions" / "quietdesk"

# Module: what it may import of ours. Every module has a row; nothing outside staff imports staff.
BELOW = [
    "errors", "textfile", "wire", "weeks", "codes", "hpke", "signed", "bundles", "devices",
    "openings",
    "envelopes", "city", "replies", "request", "settings", "store", "pages", "programme", "web",
]  # fmt: skip
TABLE = {
    "__init__": [],
    "errors": [],
    "log": ["errors"],
    "textfile": [],
    "wire": [],
    "weeks": [],
    "codes": ["errors"],
    "hpke": ["weeks", "errors"],
    "signed": ["wire", "errors"],
    "bundles": ["hpke", "signed", "weeks", "wire", "errors"],
    "city": ["errors"],
    "settings": ["textfile", "wire", "signed", "errors"],
    "devices": ["signed", "wire", "errors"],
    "openings": ["devices", "signed", "weeks", "wire", "errors"],
    "envelopes": ["bundles", "codes", "hpke", "openings", "weeks", "wire", "errors"],
    "replies": ["city", "errors", "openings"],
    "request": ["city", "envelopes", "errors", "openings", "wire"],
    "store": ["envelopes", "hpke", "openings", "weeks", "errors"],
    "pages": ["request", "city", "openings", "replies", "weeks", "wire"],
    "web": [],
    "wsgi": ["web"],
    "programme": ["city", "pages", "signed", "store"],
    "intake": [*BELOW, "log"],
    "events": ["intake", "programme", "web"],
    "record": ["hpke", "signed", "store", "weeks", "errors"],
    "sweep": ["bundles", "city", "hpke", "record", "store", "weeks", "wire", "errors"],
    "clock": [
        "bundles",
        "city",
        "devices",
        "record",
        "signed",
        "store",
        "sweep",
        "weeks",
        "errors",
    ],
    "connections": [],
    "local": [*BELOW, "connections", "log", "wsgi", "intake", "sweep"],
    "cloud": [*BELOW, "log", "clock", "events", "intake", "record", "sweep"],
    "handler": ["cloud", "log"],
    "website": BELOW,
    "hooks": [*BELOW, "website"],
}
STAFF = [*BELOW, "wsgi", "intake", "record", "sweep", "clock", "local", "website", "staff"]


# The same inside the packages that have rooms of their own; "" is the package itself.
WEBSITE = {
    "": [],
    "addresses": ["sources"],
    "checked": [],
    "documents": ["checked", "papers"],
    "documents_page": ["documents", "facts", "papers"],
    "facts": ["checked"],
    "faults": ["prose", "sources", "translations", "words"],
    "guide": ["documents", "documents_page", "facts", "outreach"],
    "outreach": [],
    "papers": [],
    "profile": ["checked"],
    "prose": [],
    "sources": [],
    "styles": [],
    "translations": ["checked", "prose", "sources", "words"],
    "words": ["checked", "documents", "documents_page", "guide", "outreach"],
}
STORE = {
    "": ["documents", "dynamodb", "dynamodb.calls", "sqlite"],
    "documents": [],
    "dynamodb": ["documents", "dynamodb.calls", "dynamodb.items", "dynamodb.tables"],
    "dynamodb.aws_errors": [],
    "dynamodb.calls": ["dynamodb.aws_errors", "dynamodb.items"],
    "dynamodb.items": ["documents", "typed"],
    "dynamodb.tables": ["dynamodb.aws_errors", "dynamodb.calls"],
    "sqlite": ["documents", "sqlite.room", "sqlite.rows", "sqlite.schema", "typed"],
    "sqlite.room": [],
    "sqlite.rows": ["typed"],
    "sqlite.schema": [],
    "typed": [],
}
PAGES = {
    "": ["english", "speech", "visits"],
    "english": [],
    "speech": ["english"],
    "visits": ["english", "speech"],
}
INTAKE = {
    "": ["check", "submit"],
    "answers": [],
    "check": ["answers", "entry", "held", "plain", "posted"],
    "entry": ["offer"],
    "held": [],
    "offer": [],
    "plain": ["answers", "entry", "held", "offer", "posted"],
    "posted": ["answers"],
    "submit": ["answers", "entry", "offer", "plain", "posted"],
}
INSIDE = {"website": WEBSITE, "store": STORE, "pages": PAGES, "intake": INTAKE}

# The rooms of staff, from the ground up: what opens, what is done, one work, two faces.
STAFF_ROOMS = {
    "": [],
    "words": [],
    "device": [],
    "desk": ["device"],
    "custodian": ["device"],
    "outcome": ["desk", "device"],
    "work": ["outcome", "desk", "device"],
    "console": ["work", "outcome", "desk", "device", "words"],
    "commands": ["console", "work", "outcome", "custodian", "desk", "device", "words"],
}


def modules():
    return [*sorted(PACKAGE.rglob("*.py")), ROOT / "site" / "hooks.py"]


def with_infra():
    return [*modules(), *sorted((ROOT / "infra").glob("*.py"))]


def module_of(path):
    """The name under which a file is imported: `quietdesk.store.sqlite`."""
    for root in (ROOT / "functions", ROOT / "site", ROOT):
        if path.is_relative_to(root):
            parts = path.relative_to(root).with_suffix("").parts
            return ".".join(part for part in parts if part != "__init__")
    return path.stem


MODULES = {module_of(path) for path in with_infra()}


def room_of(module):
    """The row of a module: a package is one module to the others."""
    return module.split(".")[1] if "." in module else module if module == "hooks" else "__init__"


def allowed_to(module):
    return STAFF if room_of(module) == "staff" else TABLE[room_of(module)]


def imports_of(path):
    """The modules of ours that a file imports, wherever in the file."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from quietdesk import hpke` names a module, `from quietdesk.hpke import Kid` is in it
            named |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path.name} has a relative import, which this test does not follow")
    ours = {name for name in named if name.split(".")[0] in ("quietdesk", "infra")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in ours}


def inside(package, module):
    """The name of a module within a package of ours."""
    return module.removeprefix(f"quietdesk.{package}").removeprefix(".")


def room_of_staff(module):
    """The first part of its name within staff, "" for the package itself."""
    return inside("staff", module).partition(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_the_table_allows(path):
    module = module_of(path)
    rooms = {room_of(it) for it in imports_of(path) if it != "quietdesk"}

    assert rooms <= {room_of(module), *allowed_to(module)}


@pytest.mark.parametrize(
    ("package", "path"),
    [(it, path) for it in INSIDE for path in sorted((PACKAGE / it).rglob("*.py"))],
    ids=lambda it: it if isinstance(it, str) else str(it.relative_to(PACKAGE)),
)
def test_room_of_a_package_imports_only_what_its_table_allows(package, path):
    table, own = INSIDE[package], f"quietdesk.{package}"
    found = {inside(package, it) for it in imports_of(path) if f"{it}.".startswith(f"{own}.")}

    assert found <= {*table[inside(package, module_of(path))]}


@pytest.mark.parametrize(
    "path",
    sorted((PACKAGE / "staff").rglob("*.py")),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_room_of_staff_imports_only_rooms_below(path):
    own = room_of_staff(module_of(path))
    found = {room_of_staff(it) for it in imports_of(path) if room_of(it) == "staff"}

    assert found <= {own, *STAFF_ROOMS[own]}


def test_each_room_of_staff_stands_on_those_before_it():
    rooms = list(STAFF_ROOMS)

    assert all({*below} <= {*rooms[: rooms.index(room)]} for room, below in STAFF_ROOMS.items())
    assert {*rooms} == {room_of_staff(it) for it in MODULES if room_of(it) == "staff"}


def test_the_tables_have_no_row_for_what_is_gone():
    rooms = {room_of(module_of(path)) for path in modules()}
    within = {
        name: {inside(name, module_of(path)) for path in (PACKAGE / name).rglob("*.py")}
        for name in INSIDE
    }

    assert set(TABLE) == rooms - {"staff"}
    assert {name: set(table) for name, table in INSIDE.items()} == within


def test_no_module_leads_back_to_itself():
    graph = {module_of(path): imports_of(path) - {module_of(path)} for path in with_infra()}

    TopologicalSorter(graph).prepare()  # raises CycleError with the way round


def test_no_script_leads_back_to_itself_and_each_is_loaded():
    graph = {
        path.stem: set(re.findall(r"(?:from|import) '\./(\w+)\.js'", path.read_text("utf-8")))
        for path in SCRIPTS
    }
    order = list(TopologicalSorter(graph).static_order())
    loaded, left = set(), ["form", "documents"]
    while left:
        name = left.pop()
        loaded.add(name)
        left += graph[name] - loaded

    assert loaded == set(order) == set(graph)


def test_the_import_test_sees_every_form_of_import(tmp_path):
    file = tmp_path / "probe.py"
    file.write_text(
        "import quietdesk.store\nfrom quietdesk import hpke\n"
        "from quietdesk.website import papers\nfrom quietdesk.store.sqlite import schema, PAGE\n"
        "def f():\n    from quietdesk.staff.work import Work\n"
    )

    assert imports_of(file) == {
        "quietdesk.store", "quietdesk.hpke", "quietdesk.website.papers",
        "quietdesk.store.sqlite", "quietdesk.store.sqlite.schema", "quietdesk.staff.work",
    }  # fmt: skip


# --- Rooms that can be read from top to bottom ---------------------------------------------------

MOST_LINES, MOST_OF_A_STORE, MOST_OF_A_SCRIPT = 400, 500, 250
SCRIPTS = sorted((ROOT / "site" / "script").glob("*.js"))


def most_of(path):
    if path.suffix == ".js":
        return MOST_OF_A_SCRIPT
    if path == PACKAGE / "errors.py":
        return MOST_OF_A_STORE  # all that can go wrong, on one page
    return MOST_OF_A_STORE if PACKAGE / "store" in path.parents else MOST_LINES


def test_every_file_can_be_read_from_top_to_bottom():
    lines = {
        str(path.relative_to(ROOT)): (len(path.read_text("utf-8").splitlines()), most_of(path))
        for path in [*with_infra(), *SCRIPTS]
    }
    long = {name: found for name, (found, most) in lines.items() if found > most}

    assert len(lines) > 80
    assert long == {}


def test_every_module_opens_with_what_it_hides():
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), path


@pytest.mark.process
def test_the_top_level_is_fixed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    top = {name.partition("/")[0] for name in tracked if name}

    assert top <= {
        "site", "functions", "infra", "tests", "docs", "mkdocs.yml", "pyproject.toml", "README.md",
        "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", ".ci", ".gitignore",
    }  # fmt: skip


def test_nothing_that_was_built_lies_in_the_package():
    """All of it goes into the zips."""
    assert [str(path) for path in PACKAGE.rglob("*.json")] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_pages_for_newcomers_have_under_120_lines(name):
    assert len((ROOT / name).read_text("utf-8").splitlines()) < 120


# --- The map -------------------------------------------------------------------------------------

MAP = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_file_that_the_map_names_is_there():
    named = set(re.findall(r"`([\w./-]+\.(?:py|js|yaml|yml|html|po))`", MAP))
    around = (PACKAGE, ROOT, ROOT / "site" / "script")
    missing = {name for name in named if not any((base / name).exists() for base in around)}

    assert len(named) > 40
    assert missing == set()


def test_the_map_is_one_page():
    assert len(MAP.splitlines()) < 110


def test_the_map_names_every_room():
    rooms = {room_of(module_of(path)) for path in modules()} - {"__init__", "handler"}

    assert {room for room in rooms if not re.search(rf"\b{room}\b", MAP)} == set()
