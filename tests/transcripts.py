"""Types what a manual says, word for word: its ```console blocks, into a real shell at a terminal.

`$ ` begins a command and `> ` goes on with it. Below stands all that is printed, and behind a
prompt what a person answers. `…` stands for whatever is printed there. A word of capitals and
dashes, such as DEVICE-ID, stands for what was printed in its place, from then on. A passphrase is
typed where one is asked for, and shows nowhere. Every command must end with 0.
"""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import CEILING

WORD = re.compile(r"\b[A-Z]{2,}(?:-[A-Z]+)+\b")
_HEADING = re.compile(r"(#+) (.+)")
_ANSWERED = re.compile(r"(.*(?:\[y/N\]|Enter keeps them:)) (\S+)")
_PASSPHRASE = re.compile(r"(?:New passphrase.*|Passphrase(?: of (?P<of>\S+))?|Again):")


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of a manual, the headings that it stands under, and the lines below it."""

    headings: tuple[str, ...]
    command: str
    printed: tuple[str, ...]


def commands(manual: str) -> Iterator[Typed]:
    """What a manual says to type, from its beginning to its end."""
    headings: list[str] = []
    block: list[str] | None = None
    indent = 0
    for line in manual.splitlines():
        stripped = line.strip()
        if block is not None:
            if stripped == "```":
                yield from _of_block(tuple(headings), block)
                block = None
            else:
                block.append(line[indent:])
        elif stripped == "```console":
            block = []
            indent = len(line) - len(line.lstrip())
        elif heading := _HEADING.fullmatch(line):
            headings = [*headings[: len(heading[1]) - 1], heading[2]]


def _of_block(headings: tuple[str, ...], lines: Sequence[str]) -> Iterator[Typed]:
    assert lines and lines[0].startswith("$ "), f"a block of {headings} begins with no command"
    command: list[str] = []
    printed: list[str] = []
    for line in [*lines, "$ "]:
        if line.startswith("$ "):
            if command:
                yield Typed(headings, "\n".join(command), tuple(printed))
            command, printed = [line[2:]], []
        elif line.startswith("> ") and not printed:
            command.append(line[2:])
        else:
            printed.append(line)


@dataclass(slots=True)
class Shell:
    """A shell at a terminal: folder and exported variables stay from one command to the next.
    `passphrase` gives what is typed for a keyring, `values` what words of capitals stand for."""

    folder: Path
    env: dict[str, str]
    passphrase: Callable[[str], str]
    values: dict[str, str] = field(default_factory=dict)
    _state: Path = field(init=False)

    def __post_init__(self) -> None:
        self._state = self.folder / ".shell"
        self._state.write_text(f"cd {self.folder}\n")

    def run(self, typed: Typed) -> None:
        """Types a command and the answers below it. Fails where anything else is printed, or where
        it does not end with 0."""
        command = self._filled(typed.command)
        status, printed = self._at_a_terminal(command, [self._filled(it) for it in typed.printed])
        said = f"$ {command}\n{printed}"
        assert status == 0, f"it ended with {status}:\n{said}"
        wanted = _Wanted(typed.printed, self.values)
        found = wanted.pattern.fullmatch(printed)
        assert found, f"the manual has below it\n{wanted.text}\nand this was printed:\n{said}"
        self.values |= wanted.captured(found)

    def _filled(self, text: str) -> str:
        return WORD.sub(lambda word: self.values.get(word[0], word[0]), text)

    def _at_a_terminal(self, command: str, lines: Sequence[str]) -> tuple[int, str]:
        keep = f"{{ export -p; echo cd \"'$PWD'\"; }} > {self._state}"
        program = f". {self._state}\n{command}\nstatus=$?\n{keep}\nexit $status"
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", program],
            env=self.env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        screen = _Screen(ours)
        try:
            of = command.split()[-1]  # the keyring that a command makes, unless the prompt names it
            for line in lines:
                if answered := _ANSWERED.fullmatch(line):
                    screen.answer(answered[1], answered[2])
                elif asked := _PASSPHRASE.fullmatch(line.strip()):
                    screen.answer(line.strip(), self.passphrase(asked["of"] or of))
            screen.read_on(lambda: False)
        finally:
            os.close(ours)
        return process.wait(CEILING), screen.text()


def _own_terminal() -> None:
    """The terminal at 0 is that of this process: passphrases are asked for there."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class _Screen:
    """What stands on a terminal."""

    def __init__(self, terminal: int):
        self._terminal, self._bytes, self._seen = terminal, b"", 0

    def text(self) -> str:
        lines = self._bytes.decode().replace("\r\n", "\n").split("\n")
        return "\n".join(line.rstrip() for line in lines)

    def answer(self, prompt: str, said: str) -> None:
        """Types, once the prompt stands there."""
        wanted = prompt.encode()
        assert self.read_on(lambda: wanted in self._bytes[self._seen :]), (
            f"nobody asked “{prompt}”:\n{self.text()}"
        )
        self._seen = self._bytes.index(wanted, self._seen) + len(wanted)
        os.write(self._terminal, said.encode() + b"\n")

    def read_on(self, enough: Callable[[], bool]) -> bool:
        """Reads until it is enough, or nothing more comes; whether it is enough."""
        ends = time.monotonic() + CEILING
        while not enough():
            left = ends - time.monotonic()
            assert select.select([self._terminal], [], [], max(left, 0))[0], (
                f"it waits for something that the manual does not answer:\n{self.text()}"
            )
            try:
                more = os.read(self._terminal, 65536)
            except OSError:  # nobody holds the other end any more
                more = b""
            if not more:
                return enough()
            self._bytes += more
        return True


class _Wanted:
    """Lines of a manual as a pattern: what is known is filled in, the rest is to be found. A line
    of `…` alone stands for as many lines as there are, none included."""

    def __init__(self, lines: Sequence[str], values: Mapping[str, str]):
        self.text, self._values = "\n".join(lines), values
        self._words: list[str] = []
        patterns = ["(?:.*\n)*?" if it == "…" else self._line(it) + "\n" for it in lines]
        self.pattern = re.compile("".join(patterns))

    def _line(self, text: str) -> str:
        return "".join(map(self._part, re.split(rf"({WORD.pattern}|…)", text.rstrip())))

    def _part(self, part: str) -> str:
        if part == "…":
            return ".*?"
        if not WORD.fullmatch(part) or part in self._values:
            return re.escape(self._values.get(part, part))
        if part in self._words:
            return f"(?P={_name(part)})"
        self._words.append(part)
        return rf"(?P<{_name(part)}>\S+)"

    def captured(self, found: re.Match[str]) -> dict[str, str]:
        return {word: found[_name(word)] for word in self._words}


def _name(word: str) -> str:
    return word.replace("-", "_")
