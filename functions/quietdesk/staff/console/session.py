"""What is readable while the desk is unlocked: one value, swapped whole, and gone when it locks.

A page is made of one Session and of nothing that changes under it. Work beside it makes another
and swaps it in. After the lock nothing can be read any more, and nothing written back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Literal

from quietdesk.city import City
from quietdesk.clock import Doubt
from quietdesk.envelopes import Envelope
from quietdesk.errors import Locked, QuietdeskError
from quietdesk.staff.console.forms import Form
from quietdesk.staff.desk.placing import Entered
from quietdesk.staff.desk.queue import NOTHING, Pulled
from quietdesk.staff.device.opener import NO_PROOFS, Opened, Proofs
from quietdesk.staff.outcome import Choice, Closing, Outcome
from quietdesk.staff.work import Work
from quietdesk.weeks import destroyed_at, live

LEAVE: Literal["leave"] = "leave"  # in a plan: answer nothing


@dataclass(frozen=True, slots=True)
class Look:
    """One request that somebody looks at, and whether with its contact. Its page is asked for by a
    number, since nothing of a request may stand in an address."""

    id: str
    contact: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer to many requests that takes something away, and waits for a yes; `junk`: to some
    that do not open."""

    number: int
    answer: Choice
    ids: tuple[str, ...]
    junk: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is proposed for each request, by its id. `closing` is the center and day that will be
    closed, when that is why."""

    number: int
    choices: Mapping[str, Choice | Literal["leave"]]
    closing: Closing | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Slip:
    """Somebody who was entered, with the number of the form that it came from."""

    form: str
    entered: Entered


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """What was typed for somebody, why it was not taken, and the code that stands for this form
    until it is. `tried` are the openings, "" for none, that it may be kept with already."""

    form: str
    typed: Form
    error: QuietdeskError
    code: str
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Job:
    """Work on many requests: how far it is, and in the end what became of it."""

    kind: Literal["pull", "answer"]
    total: int | None = None
    done: int = 0
    running: bool = True
    outcome: Outcome | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """Everything readable at one moment, and the work that reads and writes it. `unready` and
    `proofs` as in work.Outcome. `doubt`: why this computer's clock was not believed when it was
    unlocked. `number` is the last by which a page was told from an older one. `entering` is the
    number of the form that is being sent, None when none is. `unsure` are the forms, by their
    numbers, of which nobody knows whether they were kept. `erased` is what was erased here, by its
    id and still sealed, so that it can be put back until the desk locks. `notice`, a code of SAID,
    and `problem` are shown once. It has no repr."""

    work: Work
    queue: Pulled = NOTHING
    unready: Exception | None = None
    proofs: Proofs = NO_PROOFS
    doubt: Doubt = Doubt.NONE
    job: Job | None = None
    plan: Plan | None = None
    asked: Asked | None = None
    slip: Slip | None = None
    draft: Draft | None = None
    entering: str | None = None
    unsure: Mapping[str, Draft] = field(default_factory=dict)
    erased: Mapping[str, Envelope] = field(default_factory=dict)
    looks: Mapping[int, Look] = field(default_factory=dict)
    notice: str = ""
    problem: Exception | None = None
    number: int = 0

    @property
    def items(self) -> Mapping[str, Opened]:
        """The opened requests by id."""
        return self.queue.items


Change = Callable[[Session], Session]


class Unlocked:
    """A desk from one unlocking to the lock that ends it. Threads share it."""

    def __init__(self, work: Work, city: City, now: datetime, doubt: Doubt = Doubt.NONE):
        self._lock = Lock()
        self._session: Session | None = Session(work, doubt=doubt)
        self.touched = now
        weeks = live(now, city.zone, city.serve_days)
        self.key_day = min(destroyed_at(it, city.zone, city.serve_days) for it in weeks)

    def read(self, now: datetime) -> Session:
        """What is readable now: requests that are over are not. Raises Locked."""
        self.swap(lambda it: replace(it, queue=it.queue.live(now)))
        return self.peek()

    def peek(self) -> Session:
        """What is readable, as it was last swapped in. Raises Locked."""
        session = self._session
        if session is None:
            raise Locked("the desk was locked meanwhile")
        return session

    def swap(self, change: Change) -> Session:
        """Put another session in the place of this one, and give the one that was there. Raises
        Locked."""
        with self._lock:
            before = self.peek()
            self._session = change(before)
            return before

    def lock(self) -> None:
        """Let go of everything that is readable, at once."""
        with self._lock:
            self._session = None
