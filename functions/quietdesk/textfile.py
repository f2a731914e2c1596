"""Files that people write, read as their editors save them.

Notepad and PowerShell begin a file with a mark, end lines with CR and LF, and save UTF-16 where
nobody chose it. None of that is part of what somebody wrote.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))


def read(path: Path) -> str:
    """The text of a file, without a mark, its lines ended by LF. Raises OSError, and ValueError for
    what is neither UTF-8 nor marked as UTF-16."""
    return decoded(path.read_bytes())


def decoded(data: bytes) -> str:
    """As `read`, of the bytes of a file. Raises ValueError."""
    mark, encoding = next((it for it in _MARKS if data.startswith(it[0])), (b"", "utf-8"))
    text = data.removeprefix(mark).decode(encoding)
    if "\0" in text:  # UTF-16 without a mark, or no text at all
        raise ValueError("not a text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
