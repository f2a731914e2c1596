"""What a view of the desk has beside what was sent: the unlocked desk, and how to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from quietdesk.city import City
from quietdesk.clock import Doubt
from quietdesk.errors import ClockNotBelieved
from quietdesk.openings import Opening
from quietdesk.staff import words
from quietdesk.staff.console.background import Background, Kind, Piece
from quietdesk.staff.console.forms import Sent, Spot
from quietdesk.staff.console.pages import Pages
from quietdesk.staff.console.session import Session, Unlocked
from quietdesk.web import Answer


@dataclass(frozen=True, slots=True)
class At:
    """Where a view runs. `keyring` is where the keyring lies, and `spot` where in the queue who
    asks is."""

    desk: Unlocked
    city: City
    pages: Pages
    clock: Callable[[], datetime]
    background: Background
    keyring: Path
    spot: Spot

    def session(self) -> Session:
        """What is readable now. Raises Locked."""
        return self.desk.read(self.clock())

    def sure(self) -> None:
        """That this computer's clock was believed when the desk was unlocked: before something is
        published, since seats of days that are over are then forgotten, and before a request is
        sealed to a week or a resident is told a day. Raises ClockNotBelieved."""
        if self.session().doubt not in (Doubt.NONE, Doubt.UNASKED):
            raise ClockNotBelieved("this computer's clock is not believed")

    def page(self, template: str, status: int = 200, **values: Any) -> Answer:
        """A page, with the notice that is shown once."""
        code = self.desk.swap(lambda it: replace(it, notice="")).notice
        notice = words.SAID.get(code, "")
        return self.pages.page(self.desk, template, status, spot=self.spot, notice=notice, **values)

    def to(self, path: str, **more: object) -> Answer:
        """To another page of ours, with the spot. No page is the answer to a form: browsers ask
        before they show such a page again, and keep the form with it."""
        return self.pages.to(self.spot.address(path, **more))

    def to_queue(self, notice: str = "") -> Answer:
        """Back to the queue, where one was; `notice` is a code of SAID."""
        self.say(notice)
        return self.pages.to(self.spot.queue)

    def say(self, notice: str) -> None:
        """Show a notice, a code of SAID, on the next page."""
        self.desk.swap(lambda it: replace(it, notice=notice))

    def start(self, kind: Kind, total: int | None, piece: Piece) -> Answer:
        """Begin work on many requests, and go where its progress and its outcome are shown."""
        if not self.background.start(self.desk, kind, total, piece):
            self.say("working")
        return self.to("/look")


View = Callable[[At, Sent], Answer]


def distinct(times: Sequence[Opening]) -> list[Opening]:
    """The first opening of each time and center: staff choose a time, not whose seat it is."""
    first: dict[tuple[date, str, str], Opening] = {}
    for it in times:
        first.setdefault((it.day, it.at, it.center), it)
    return list(first.values())
