"""The command `quietdesk`: one function per verb that staff say. Output to stdout, talk to stderr.

Exit codes: 0 done, 1 refused or failed (one line of what, one of what to do), 2 wrong usage.
Before it does its work, every command but `translations` deletes the keys of ended weeks from this
device's keyring: `run` once its store is open, the others first of all. What hinders that is said,
and ends with 1; it stops nobody who needs no keyring, least of all who destroys in the store.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from io import TextIOWrapper

from quietdesk import settings
from quietdesk.city import City
from quietdesk.errors import QuietdeskError
from quietdesk.staff.commands import keys
from quietdesk.staff.commands.parser import build_parser
from quietdesk.staff.commands.terminal import Here, complain, hint

_OF_THE_FOLDER = ("run", "translations")  # which need no keyring, and compile the city themselves


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    # A terminal that cannot write a letter of a name shows its number, not a trace with the letter.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    now = datetime.now(UTC)
    try:
        args = build_parser().parse_args(argv)
        told = {"QUIETDESK_STORE": args.store} if args.store else {}
        chosen = settings.read(os.environ | told)
        if args.command in _OF_THE_FOLDER:
            return int(args.run(chosen, args))
        here = Here(chosen, City.load(chosen.profile), now)
        # Who makes a new keyring in the place of a damaged one forgets what is in it all the same.
        return int(args.run(here, args)) if args.run is keys.device_new else _forgot(here, args)
    except QuietdeskError as error:
        complain(str(error))
        hint(error)
        return 1
    except ModuleNotFoundError as error:
        # A desk's computer has neither what makes the website nor what makes posters.
        complain(f"this computer does not have {error.name}")
        complain("hint: run that command in Quietdesk's own folder")
        return 1
    except BrokenPipeError:
        # Who read the output had enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # Of a socket, a pipe or a library there is no file, and perhaps no words.
        why = error.strerror or f"this computer refused it ({type(error).__name__})"
        complain(f"{error.filename}: {why}" if error.filename else why)
        where = "that file and its folder" if error.filename else "the disk and the network"
        complain(f"hint: check {where}, and look whether it was done")
        return 1
    except KeyboardInterrupt:
        return 130


def _forgot(here: Here, args: argparse.Namespace) -> int:
    """Run a command once the keys of ended weeks are deleted, or what hindered it is said."""
    here = here.forget()
    if here.hindered is None:
        return int(args.run(here, args))
    complain(str(here.hindered))
    hint(here.hindered)
    try:
        args.run(here, args)
    except QuietdeskError as error:
        if error is not here.hindered:  # which is said already
            raise
    return 1


if __name__ == "__main__":
    sys.exit(main())
