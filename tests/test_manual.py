"""docs/operations.md is typed as it stands: real keys, and a week of a desk until its key day."""

import os
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.transcripts import Shell, Typed, commands
from tests.world import ROOT

MANUAL = (ROOT / "docs" / "operations.md").read_text("utf-8")
KEYS, WEEK = "Real keys on one machine", "A week, as it is typed"
OFF = ", after days when the machine was off"
HOUR = 15  # in UTC: ten in the morning in New York
# Every program of the shell starts on that day; the clock of the computer stays as it is.
CLOCK = """
import datetime, os
from pathlib import Path

wanted = datetime.datetime.fromisoformat(Path(os.environ["TEST_DAY"]).read_text())
apart = wanted - datetime.datetime.now(datetime.UTC)

class OtherDay(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + apart

datetime.datetime = OtherDay
"""
PASSPHRASES = {
    "PASSPHRASE-OF-AMINA": "amina alone knows these words",
    "PASSPHRASE-OF-BEN": "ben has other words of his own",
    "PASSPHRASE-OF-DESK": "five words of a desk computer",
}


class Office:
    """A fresh copy of the repository on a computer whose date is told, and a shell there."""

    def __init__(self, folder: Path):
        left_out = shutil.ignore_patterns(
            ".git", ".venv", "build", "var", "node_modules", "tests", ".*_cache", "*.pyc"
        )
        self.folder = folder / "quietdesk"
        shutil.copytree(ROOT, self.folder, ignore=left_out)
        self._environment()
        self._day = folder / "day"
        (folder / "clock").mkdir()
        (folder / "clock" / "sitecustomize.py").write_text(CLOCK)
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        env["TEST_DAY"] = str(self._day)
        env["PYTHONPATH"] = f"{folder / 'clock'}:{self.folder / 'functions'}"
        self.shell = Shell(self.folder, env, self._passphrase, dict(PASSPHRASES))
        self._now: datetime | None = None

    def _environment(self) -> None:
        """What `make` installs is there: that of these tests."""
        for entry in Path(sys.prefix).iterdir():
            there = self.folder / ".venv" / entry.name
            there.parent.mkdir(exist_ok=True)
            there.symlink_to(entry)
        (self.folder / ".venv" / "run.stamp").unlink(missing_ok=True)
        (self.folder / ".venv" / "run.stamp").touch()

    def _passphrase(self, keyring: str) -> str:
        name = Path(keyring).stem.upper() if keyring.endswith(".keyring") else "DESK"
        return PASSPHRASES[f"PASSPHRASE-OF-{name}"]

    def is_the(self, day: datetime, off: bool = False) -> None:
        """It is that day, at ten. At the end of each day before, the timer of `quietdesk run` has
        swept once more, unless the machine was off."""
        while not off and self._now and (evening := _evening(self._now)) < day:
            self._at(evening)
            self.shell.run(Typed((), "quietdesk sweep", ("…",)))
        self._at(day)

    def _at(self, moment: datetime) -> None:
        self._now = moment
        self._day.write_text(moment.isoformat())


def _evening(moment: datetime) -> datetime:
    """The next eleven o'clock in the evening, in New York."""
    return moment.replace(hour=4) + timedelta(days=1)


def under(heading: str) -> list[Typed]:
    return [it for it in commands(MANUAL) if heading in it.headings]


def day_of(typed: Typed) -> datetime:
    """The day that a heading says: “Monday, 30 November 2026”."""
    said = typed.headings[-1].removesuffix(OFF)
    day = datetime.strptime(said, "%A, %d %B %Y").replace(hour=HOUR, tzinfo=UTC)
    assert f"{day:%A}" == said.partition(",")[0]
    return day


def test_every_command_of_the_two_sections_is_one_that_runs() -> None:
    """Nothing in them is only shown: what stands in a block is typed below."""
    for heading in (KEYS, WEEK):
        section = MANUAL.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        shown = set(re.findall(r"^\s*(?:\$ )?(quietdesk [^`\n]+)", section, re.MULTILINE))
        typed = {it.command.partition("\n")[0].partition("=")[0] for it in under(heading)}
        assert len(under(heading)) > 5
        assert {it for it in shown if it.partition("=")[0] not in typed} == set()


@pytest.mark.process
def test_real_keys_and_a_week_are_made_as_the_manual_says(tmp_path: Path) -> None:
    office = Office(tmp_path)
    week = under(WEEK)
    office.is_the(day_of(week[0]))
    for typed in under(KEYS):
        office.shell.run(typed)
    for typed in week:
        office.is_the(day_of(typed), typed.headings[-1].endswith(OFF))
        office.shell.run(typed)

    # And nothing that a custodian or a desk typed is anywhere but in the files made for it.
    kept = {"amina.txt", "ben.txt", "desk.txt"}
    there = [it for it in office.folder.iterdir() if it.is_file() and it.name not in kept]
    there += [it for it in (office.folder / "var").rglob("*") if it.is_file()]
    for words in PASSPHRASES.values():
        assert [it for it in there if words.encode() in it.read_bytes()] == []
