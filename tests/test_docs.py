"""What README and the manuals tell people to type is what there is."""

import re
import shlex
import subprocess

import pytest

from quietdesk.staff.commands.parser import build_parser
from tests.world import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What stands for something of the reader's own.
STANDS_FOR = {
    "ID": "00112233",
    "CENTER": "corona",
    "DAY": "2026-12-03",
    "OPENING": "corona.2026-12-03.0930",
    "FILE": "one.keyring",
    "PREFIX": "p",
    "COMMAND": "pull",
    "N": "2",
    "TAG": "ht",
}
VERBS = [
    (), ("run",), ("pull",), ("done",), ("sweep",), ("store",), ("store", "create"), ("device",),
    ("device", "new"), ("device", "admit"), ("custodian",), ("custodian", "new"), ("keys",),
    ("keys", "mint"), ("keys", "list"), ("keys", "forget"), ("desk",), ("place",), ("wait",),
    ("reply",), ("enter",), ("openings",), ("openings", "publish"), ("openings", "list"),
    ("openings", "close"), ("openings", "reopen"), ("poster",), ("translations",), ("record",),
    ("sign-in",),
]  # fmt: skip


def commands():
    found = set()
    for page in PAGES:
        text = page.read_text()
        found |= set(re.findall(r"`(quietdesk [^`]+)`", text))
        found |= set(re.findall(r"^    (?:.*&& )?(quietdesk [^#\n]+)", text, re.MULTILINE))
    return sorted(command.strip() for command in found)


def test_there_are_commands_to_check():
    assert len(commands()) >= 8


@pytest.mark.parametrize("command", commands())
def test_command_of_the_manual_is_understood(command):
    words = [
        re.sub(r"[A-Z]+", lambda name: STANDS_FOR.get(name[0], name[0]), word)
        for word in shlex.split(command)[1:]
    ]
    if words == ["--help"]:
        words = ["pull"]
    if words in (["device"], ["keys"]):  # names a group of commands
        words += ["list"] if words == ["keys"] else ["new"]

    build_parser().parse_args(words)


@pytest.mark.process
def test_make_has_every_target_the_manual_names():
    helped = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    there = {line.split()[0] for line in helped.splitlines()}

    assert there >= {"run", "test", "lint", "site", "shots", "bench", "help"}
    for page in PAGES:
        for target in re.findall(r"`make ([\w-]+)", page.read_text()):
            assert target in there, f"{page.name}: make {target}"


def test_links_between_our_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_speaks_the_words_of_staff(words, capsys):
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args([*words, "--help"])
    helped = capsys.readouterr().out

    assert helped.startswith("usage: ")
    for word in ("epoch", "envelope", "wrap", "kid", "hpke", "bundle"):
        assert not re.search(rf"\b{word}", helped.lower()), word
