"""What a view of the desk has beside what was sent: the unlocked desk, and how to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quietdesk.city import City
from quietdesk.clock import Doubt
from quietdesk.errors import ClockNotBelieved
from quietdesk.openings import Opening
from quietdesk.staff.console.background import Background, Kind, Piece
from quietdesk.staff.console.forms import Sent
from quietdesk.staff.console.pages import Pages
from quietdesk.staff.console.session import Session, Unlocked
from quietdesk.web import Answer


@dataclass(frozen=True, slots=True)
class At:
    """Where a view runs. `keyring` is where the keyring lies."""

    desk: Unlocked
    city: City
    pages: Pages
    clock: Callable[[], datetime]
    background: Background
    keyring: Path

    def session(self) -> Session:
        """What is readable now. Raises Locked."""
        return self.desk.read(self.clock())

    def sure(self) -> None:
        """That this computer's clock was believed when the desk was unlocked, before something is
        published: seats of days that are over are then forgotten. Raises ClockNotBelieved."""
        if self.session().doubt not in (Doubt.NONE, Doubt.UNASKED):
            raise ClockNotBelieved("this computer's clock is not believed")

    def page(self, template: str, status: int = 200, **values: Any) -> Answer:
        return self.pages.page(self.desk, template, status, **values)

    def start(self, kind: Kind, total: int | None, piece: Piece) -> Answer:
        """Begin work on many requests, and go where its progress and its outcome are shown."""
        self.background.start(self.desk, kind, total, piece)
        return self.pages.to("/look")


View = Callable[[At, Sent], Answer]


def distinct(times: Sequence[Opening]) -> list[Opening]:
    """The first opening of each time and center: staff choose a time, not whose seat it is."""
    first: dict[tuple[date, str, str], Opening] = {}
    for it in times:
        first.setdefault((it.day, it.at, it.center), it)
    return list(first.values())
