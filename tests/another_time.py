"""`quietdesk` on a computer whose clock is wrong by so many hours: a process of its own.

python -m tests.another_time HOURS COMMAND ...
"""

import sys
from datetime import datetime, timedelta, tzinfo
from typing import Self

from quietdesk.staff.commands import main, serving

HOURS, *WORDS = sys.argv[1:]


class Wrong(datetime):
    """What this computer's clock says."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=float(HOURS))


if __name__ == "__main__":
    for module in (main, serving):
        setattr(module, "datetime", Wrong)  # noqa: B010 - a name that the module imported
    sys.exit(main.main(WORDS))
