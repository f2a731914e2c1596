"""What became of a piece of work: what was done with each request, what was not and why, whom to
call, and what is left. The console and the commands put it into words.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from quietdesk.errors import QuietdeskError, StoreUnavailable, TracesRemain
from quietdesk.openings import Opening
from quietdesk.staff.desk.placing import NOBODY, Entered
from quietdesk.staff.desk.publisher import UNCHANGED, Changes
from quietdesk.staff.desk.queue import NOTHING, Pulled
from quietdesk.staff.device.opener import NO_PROOFS, Opened, Proofs, Unopened

Closing = tuple[str, date]  # a center, and the day that it is closed


class Decision(StrEnum):
    """What a request may be answered with, beside an opening."""

    WAIT = "wait"
    NONE = "none"
    ERASE = "erase"


Choice = Opening | Decision


def choice(text: str) -> Choice:
    """An answer as forms write it: wait, none, erase or the id of an opening. Raises ValueError."""
    return Decision(text) if text in list(Decision) else Opening.parse(text)


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """What became of one request. `did` is placed, wait, none, erase, or of what was erased back or
    seatless (back, and its seat somebody else's by now); it is "" with the `error` that stood in
    the way. `meant` is erase where that was asked for, done or not. `name` is None when nobody had
    opened it. `now` is how it stands, None when it is gone; `had` is the visit it had. `tell` is
    how who had a time on a closed day hears of it: call; door when they may come in vain; "" when
    they look with the code in time."""

    id: str
    name: str | None = None
    did: str = ""
    now: Opened | Unopened | None = None
    had: Opening | None = None
    tell: str = ""
    meant: str = ""
    error: QuietdeskError | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """What became of one piece of work; what it has nothing to do with is empty. `stopped` is why
    the store ended it: `doubtful` is then the request of which it is not known whether it has its
    answer, the last of those `answered`, and `untried` others are left as they were. `left` is who
    still has a place on the day that was closed, None when nobody could look. `unready` is why this
    device could not get keys for coming weeks, or not say which keys it opens with; `proofs` are
    those. It has no repr."""

    queue: Pulled = NOTHING
    unready: Exception | None = None
    proofs: Proofs = NO_PROOFS
    answered: tuple[Answered, ...] = ()
    stopped: StoreUnavailable | None = None
    untried: int = 0
    closing: Closing | None = None
    changes: Changes = UNCHANGED
    left: tuple[Opened | Unopened, ...] | None = ()
    entered: Entered = NOBODY

    @property
    def counts(self) -> Mapping[str, int]:
        """How many were answered in each way."""
        return Counter(it.did for it in self.answered if it.did)

    @property
    def seats_back(self) -> int:
        """How many of those that were erased held a seat."""
        return sum(it.did == Decision.ERASE and it.had is not None for it in self.answered)

    @property
    def doubtful(self) -> Answered | None:
        """The request at which the store did not answer, if it was at one."""
        last = self.answered[-1] if self.answered else None
        return last if last and not last.did and lost(last.error) else None

    @property
    def not_done(self) -> tuple[Answered, ...]:
        """Those that did not get their answer, as far as anybody knows."""
        return tuple(it for it in self.answered if not it.did)

    @property
    def traces(self) -> QuietdeskError | None:
        """That erased bytes stay for a while, if they do."""
        return next((it.error for it in self.answered if it.did and it.error), None)

    def told(self, how: str) -> tuple[Answered, ...]:
        """Those who hear of it by a call, or nowhere but at the door."""
        return tuple(it for it in self.answered if it.tell == how)

    @property
    def became(self) -> Mapping[str, Opened | Unopened | None]:
        """How the requests stand that were touched, for the queue."""
        return {it.id: it.now for it in self.answered} | {it.id: it for it in self.left or ()}


@dataclass(frozen=True, slots=True)
class Started:
    """Work on so many requests begins; `changes` is what was published first."""

    total: int
    changes: Changes | None = None


Step = Started | Opened | Unopened | Answered
Seen = Callable[[Step], None]  # told each step; what it raises ends the work there


def unseen(_: Step) -> None:
    """For who only wants the outcome."""


def lost(error: QuietdeskError | None) -> bool:
    """Whether nobody knows what the store did."""
    return isinstance(error, StoreUnavailable) and not isinstance(error, TracesRemain)
