"""`infra/find-tools.sh`: what the tests need is found, installed when nobody must be asked, or else
named. It runs here with a PATH of our own, where each tool is as the test has it."""

import os
import subprocess

import pytest

from tests.world import ROOT

pytestmark = pytest.mark.process

ALL = "fontconfig fonts-noto-core fonts-noto-cjk"


class Machine:
    """A folder with the only tools that there are."""

    def __init__(self, folder):
        self.folder = folder
        self.has("uname", "echo Linux")
        for tool in ("chromium", "npm", "node"):
            self.has(tool, "exit 0")

    def has(self, tool, program):
        path = self.folder / tool
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)

    def lacks_fonts(self, of):
        """fc-list that finds no font of that kind, until apt has installed something."""
        none = f'[ ! -e {self.folder}/installed ] && case "$1" in {of}) true ;; *) false ;; esac'
        self.has("fc-list", f"{{ {none}; }} || echo Some font")

    def has_apt(self, *, asks):
        self.has("id", "echo 1000")
        self.has("sudo", "exit 1" if asks else 'shift; exec "$@"')
        self.has("true", "exit 0")
        self.has("apt-get", f'[ "$1" = update ] || echo "$@" >> {self.folder}/installed')

    def find(self):
        return subprocess.run(
            ["/bin/sh", ROOT / "infra/find-tools.sh"],
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
        )

    @property
    def installed(self):
        path = self.folder / "installed"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_nothing_is_said_where_all_is_there(machine):
    machine.lacks_fonts("nothing")
    found = machine.find()

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.parametrize("without", [":lang=bn", ":lang=ko", ":lang=zh-tw", "'Noto Nastaliq Urdu'"])
def test_fonts_of_a_script_that_are_missing_are_installed(machine, without):
    machine.lacks_fonts(without)
    machine.has_apt(asks=False)
    found = machine.find()

    assert found.returncode == 0
    assert f"--no-install-recommends {ALL}\n" in machine.installed


def test_without_fontconfig_no_font_is_known(machine):
    machine.has_apt(asks=False)
    found = machine.find()

    assert ALL in machine.installed
    assert found.returncode == 1  # this apt brings no fc-list
    assert "Noto fonts" in found.stderr


def test_where_apt_would_ask_the_command_is_printed(machine):
    machine.lacks_fonts(":lang=bn")
    machine.has_apt(asks=True)
    found = machine.find()

    assert found.returncode == 1
    assert f"sudo apt install {ALL}" in found.stderr
    assert not machine.installed


def test_macos_has_its_own_fonts(machine):
    machine.has("uname", "echo Darwin")
    assert machine.find().returncode == 0

    os.unlink(machine.folder / "node")
    found = machine.find()
    assert found.returncode == 1
    assert "brew install node" in found.stderr
    assert "fonts are part of macOS" in found.stderr


def test_other_systems_are_told_what_to_install(machine):
    machine.lacks_fonts(":lang=ar")
    found = machine.find()

    assert found.returncode == 1
    assert "Nastaliq Urdu" in found.stderr
