"""The zip for Windows desks: the same bytes each time, whole without a network, and it works as far
as can be told where there is no Windows."""

import ast
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from email.parser import HeaderParser

import pytest
from infra import desk_bundle
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from quietdesk import settings
from quietdesk.errors import BadSetting
from quietdesk.wire import b64
from tests.process import environment
from tests.waiting import CEILING
from tests.world import PASSPHRASE, ROOT

# Python 3.13 of python.org on a PC, as markers see it (PEP 508).
WINDOWS = {
    "implementation_name": "cpython",
    "implementation_version": "3.13.0",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_system": "Windows",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "win32",
}
EXTRAS = ("desk", "local")


def told(custodian, **more):
    return settings.read(
        {
            "QUIETDESK_STORE": "dynamodb:city",
            "QUIETDESK_CUSTODIANS": b64(custodian.public_key),
            "QUIETDESK_CITY": str(ROOT / "site" / "city"),
            **more,
        }
    )


@pytest.fixture(scope="module")
def made(another_process, custodian, tmp_path_factory):
    out = tmp_path_factory.mktemp("desk") / "desk.zip"
    return out, desk_bundle.build(out, told(custodian))


@pytest.fixture(scope="module")
def files(made):
    with zipfile.ZipFile(made[0]) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture(scope="module")
def wheels(files):
    """The wheels by the names of their packages: version, tags, and the file itself."""
    found = {}
    for name, data in files.items():
        if name.startswith("wheels/"):
            package, version, _, tags = parse_wheel_filename(name.removeprefix("wheels/"))
            found[package] = (version, tags, zipfile.ZipFile(io.BytesIO(data)))
    return found


def test_the_same_sources_give_the_same_bytes(made, custodian, tmp_path, monkeypatch):
    again = tmp_path / "deeper" / "again.zip"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")

    assert desk_bundle.build(again, told(custodian)) == made[1]
    assert again.read_bytes() == made[0].read_bytes()


def test_every_wheel_runs_on_a_windows_pc_with_python_313(wheels):
    theirs = {
        *cpython_tags((3, 13), platforms=[desk_bundle.PLATFORM]),
        *compatible_tags((3, 13), "cp313", [desk_bundle.PLATFORM]),
    }

    assert len(wheels) > 15
    for package, (_, tags, _) in wheels.items():
        assert tags & theirs, package
    platforms = {tag.platform for tag in wheels["cryptography"][1]}
    assert platforms == {desk_bundle.PLATFORM}


def test_nothing_is_missing_where_there_is_no_network(wheels):
    wanted = [("quietdesk", extra) for extra in ("", *EXTRAS)]
    seen = set()
    while wanted:
        package, extra = wanted.pop()
        if (package, extra) in seen:
            continue
        seen.add((package, extra))
        assert package in wheels, package
        archive = wheels[package][2]
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = HeaderParser().parsestr(archive.read(metadata).decode())
        for line in said.get_all("Requires-Dist") or ():
            need = Requirement(line)
            if need.marker and not need.marker.evaluate({**WINDOWS, "extra": extra}):
                continue
            name = canonicalize_name(need.name)
            assert name in wheels and need.specifier.contains(wheels[name][0]), line
            wanted += [(name, it) for it in ("", *need.extras)]

    assert {package for package, _ in seen} == set(wheels)


def test_pip_takes_all_of_it_with_its_hashes_from_the_folder_alone(files, tmp_path):
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    windows = ["--platform", desk_bundle.PLATFORM, "--python-version", "3.13"]
    alone = ["--no-index", "--find-links", str(tmp_path / "wheels"), "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", *windows, *alone]
    command += ["--target", str(tmp_path / "to"), "--implementation", "cp"]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PIP_")}

    for wanted in (["--require-hashes", "-r", str(tmp_path / "desk.txt")], ["quietdesk"]):
        done = subprocess.run([*command, *wanted], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Would install" in done.stdout


def test_the_lock_in_the_zip_has_the_hash_of_every_wheel_but_ours(files):
    lock = files["desk.txt"].decode()

    assert lock == desk_bundle.LOCK.read_text()
    for name, data in files.items():
        if name.startswith("wheels/") and not name.startswith("wheels/quietdesk-"):
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" in lock, name


def test_there_is_only_what_a_desk_needs(files, wheels, custodian):
    ours = set(wheels["quietdesk"][2].namelist())

    assert "quietdesk/staff/console/assets/desk.js" in ours
    for left_out in ("website/", "cloud.py", "handler.py"):
        assert not [name for name in ours if name.startswith(f"quietdesk/{left_out}")]
    for name in {*files, *ours}:
        assert not re.search(r"(^|/)(tests?|var|__pycache__)/|\.(keyring|db|pem|key|pyc)$", name)
    everything = b"".join([*files.values(), *(wheels["quietdesk"][2].read(it) for it in ours)])
    assert b64(custodian.public_key).encode() in files["settings.cmd"]
    for secret in (custodian.signing_key, b64(custodian.signing_key).encode(), b"PRIVATE KEY"):
        assert secret not in everything


def test_the_compiled_city_is_in_it_and_is_installed_where_commands_look_for_it(files):
    assert json.loads(files["city.json"])["deployment"] == "demo"
    # A newer version brings its own: it is no setting of this computer.
    assert b'copy /y "%HERE%city.json" "%TO%\\city.json"' in files["install.cmd"]
    assert b'set "QUIETDESK_PROFILE=%~dp0city.json"' in files["quietdesk.cmd"]


TEXTS = sorted(path.name for path in (ROOT / "infra" / "desk").iterdir())


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_as_windows_reads_them(files, name):
    text = files[name].decode("ascii")

    assert text.endswith("\r\n") and "\r\n" in text
    assert "\n" not in text.replace("\r\n", "")
    assert not re.search(r"@[A-Z]+@", text)
    assert not re.search(r"(^|[\s\"'=:])~?/(usr|bin|home|tmp|var|etc|opt|root|dev)\b", text)
    assert "var/" not in text


SCRIPTS = [name for name in TEXTS if name.endswith(".cmd")]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_ask_for_no_administrator_and_no_network(files, name):
    text = files[name].decode().lower()

    for word in (
        "runas", "-verb", "elevat", "net session", "hklm", "programfiles", "setx", "reg add",
        "http", "curl", "wget", "bitsadmin", "invoke-", "certutil", "-index-url", "winget",
    ):  # fmt: skip
        assert word not in text, word


def test_what_is_installed_comes_out_of_the_zip_only(files):
    text = files["install.cmd"].decode()
    installs = [line for line in text.splitlines() if " install " in line and line.startswith('"')]

    assert len(installs) == 2
    for line in installs:
        for option in ("--isolated", "--no-index", "--find-links", "--only-binary :all:"):
            assert option in line
    assert "--require-hashes" in installs[0] and "--no-deps quietdesk" in installs[1]
    assert "%LOCALAPPDATA%\\Quietdesk" in text
    for word in re.findall(r"[\w.-]+\.(?:cmd|txt|config|md)", text):
        assert word in {name.rpartition("/")[2] for name in files}, word
    # Every place that a script goes to is there.
    for label in re.findall(r"goto (\w+)", text):
        assert f"\r\n:{label}\r\n" in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"QUIETDESK_STORE": "sqlite:var/requests.db"}, "QUIETDESK_STORE"),
        ({"QUIETDESK_STORE": 'dynamodb:a" & echo b'}, "QUIETDESK_STORE"),
        ({"QUIETDESK_CUSTODIANS": ""}, "QUIETDESK_CUSTODIANS"),
        ({"QUIETDESK_STAGE": "production"}, "deployment is demo"),
    ],
)
def test_desk_that_could_not_work_is_not_made(custodian, tmp_path, more, said):
    with pytest.raises(BadSetting, match=said):
        desk_bundle.build(tmp_path / "never.zip", told(custodian, **more))
    assert not (tmp_path / "never.zip").exists()


def test_what_is_missing_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.delenv("QUIETDESK_STORE", raising=False)

    assert desk_bundle.main(["--out", "never.zip"]) == 1
    assert capsys.readouterr().err.startswith("desk-bundle: QUIETDESK_STORE must be")


# --- It runs, with nothing but what is in the zip ------------------------------------------------

PROGRAM = """
import sys
from importlib.abc import MetaPathFinder
ours, left_out, words = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]

class NotThere(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in left_out:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.path.insert(0, ours)
sys.meta_path.insert(0, NotThere())
from quietdesk.staff.commands import main as cli
assert cli.__file__.startswith(ours), cli.__file__
sys.exit(cli.main(words))
"""
NOT_IN_IT = "babel,mkdocs,segno,tinycss2,yaml,playwright,pytest"


@pytest.fixture
def desk(files, wheels, tmp_path):
    """Runs a command of the wheel, where no package is that the zip does not have."""
    ours = tmp_path / "ours"
    wheels["quietdesk"][2].extractall(ours)
    (tmp_path / "pass").write_text(PASSPHRASE)
    (tmp_path / "city.json").write_bytes(files["city.json"])
    env = {
        **environment(tmp_path),
        "QUIETDESK_PASSPHRASE_FILE": str(tmp_path / "pass"),
        "QUIETDESK_PROFILE": str(tmp_path / "city.json"),
    }

    def run(*words):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, str(ours), NOT_IN_IT, *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=CEILING,
        )

    return run


def test_a_desk_of_the_zip_makes_its_keyring_and_works(desk, tmp_path, custodian):
    (tmp_path / "custodians.txt").write_text(b64(custodian.public_key))

    device = desk("device", "new", "--deployment", "demo")
    listed = desk("keys", "list")
    pulled = desk("pull")

    assert device.returncode == 0, device.stderr
    assert "Words:" in device.stdout
    # Custodians have signed nothing yet, and a store in a file has no date of its own.
    alone = "quietdesk: nothing but this computer's clock says what day it is\n"
    assert (listed.returncode, listed.stderr) == (0, alone)
    assert (pulled.returncode, pulled.stdout) == (0, "No requests are waiting.\n"), pulled.stderr
    assert desk("--help").returncode == 0
    assert "--no-browser" in desk("desk", "--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("translations",),
        ("run",),
        ("poster", "--kind", "cards", "--lang", "en", "--site", "https://a.example", "--out", "x"),
    ],
)
def test_command_that_needs_more_says_so(desk, words):
    refused = desk(*words)

    assert refused.returncode == 1
    assert refused.stderr.startswith("quietdesk: this computer does not have")
    assert "hint:" in refused.stderr and "Traceback" not in refused.stderr


# --- What only other systems have ----------------------------------------------------------------

# Of the standard library, what Python's manual calls "Availability: Unix"; mypy checks the same
# with --platform win32 (make lint), as far as it knows the types.
MODULES = {"crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource",
           "spwd", "syslog", "termios", "tty"}  # fmt: skip
NAMES = {
    "os": {"O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_SYNC", "WNOHANG", "chown", "chroot",
           "fchdir", "fchmod", "fchown", "fork", "forkpty", "geteuid", "getgid", "getegid",
           "getgroups", "getloadavg", "getpgid", "getpgrp", "getuid", "killpg", "lchown", "lockf",
           "mkfifo", "mknod", "nice", "openpty", "pathconf", "posix_fallocate", "posix_spawn",
           "pread", "pwrite", "sched_getaffinity", "sendfile", "setegid", "seteuid", "setgid",
           "setpgid", "setsid", "setuid", "statvfs", "sync", "sysconf", "uname", "wait", "wait3",
           "wait4"},
    "signal": {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1",
               "SIGUSR2", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer",
               "sigwait"},
    "socket": {"AF_UNIX", "SO_REUSEPORT"},
    "subprocess": {"preexec_fn"},
    "time": {"tzset", "clock_gettime", "pthread_getcpuclockid"},
}  # fmt: skip


class ForWindows(ast.NodeTransformer):
    """A function without what stands after `if sys.platform == "win32": return ...`."""

    def visit_FunctionDef(self, node):
        for at, statement in enumerate(node.body):
            if isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Return):
                if ast.unparse(statement.test) == "sys.platform == 'win32'":
                    del node.body[at + 1 :]
                    break
        return self.generic_visit(node)


def posix_only(source):
    """What a source uses that Windows does not have."""
    found = set()
    for node in ast.walk(ForWindows().visit(ast.parse(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} & MODULES
            found |= {alias.name for alias in node.names} & NAMES.get(node.module or "", set())
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} & NAMES.get(node.value.id, set())
        elif isinstance(node, ast.keyword):
            found |= {node.arg} & {"preexec_fn", "start_new_session"}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # strftime's "no zero before it" is another letter on Windows.
            found |= set(re.findall(r"%-[dHIjmMSUwWy]", node.value))
            found |= set(re.findall(r"^/(?:dev|etc|proc|tmp|usr|var)\b", node.value))
    return found


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "functions" / "quietdesk").rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT / "functions")),
)
def test_no_module_calls_what_windows_does_not_have(path):
    assert posix_only(path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", {"fcntl"}),
        ("def f():\n if sys.platform == 'win32':\n  return\n import fcntl", set()),
        ("def f():\n if sys.platform == 'linux':\n  return\n import fcntl", {"fcntl"}),
        ("def f():\n if sys.platform == 'win32':\n  pass\n import fcntl", {"fcntl"}),
        ("from pwd import getpwnam", {"pwd"}),
        ("from signal import SIGKILL, SIGTERM", {"SIGKILL"}),
        ("import os\nos.fchmod(1, 2)\nos.chmod('a', 2)", {"fchmod"}),
        ("import os\nos.chown('a', os.geteuid(), 1)", {"chown", "geteuid"}),
        ("run(['a'], preexec_fn=f)", {"preexec_fn"}),
        ("day.strftime('%-d')", {"%-d"}),
        ("open('/dev/null')", {"/dev"}),
        ("import os\nos.open(os.devnull, os.O_WRONLY)", set()),
    ],
)
def test_the_search_finds_what_it_looks_for(source, found):
    assert posix_only(source) == found
