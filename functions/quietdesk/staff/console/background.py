"""Work on many requests, in one thread beside the pages, one piece after the other.

It builds, and then swaps in what came of it. The lock ends it before the next request: every step
is swapped in, and after the lock nothing can be.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from quietdesk.envelopes import Envelope
from quietdesk.errors import Locked
from quietdesk.staff.console.session import Job, Session, Unlocked
from quietdesk.staff.outcome import Answered, Decision, Outcome, Seen, Started, Step

AT_ONCE = 20  # so many are answered without a page that shows the progress

Kind = Literal["pull", "answer"]
Piece = Callable[[Session, Seen], Outcome]


class Background:
    """The thread, and the one piece of work that a desk may have there."""

    def __init__(self, clock: Callable[[], datetime]):
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, "desk")
        self._starting = Lock()

    def start(self, desk: Unlocked, kind: Kind, total: int | None, piece: Piece) -> bool:
        """Begin a piece of work on so many requests, None when nobody knows yet. A short one is
        done when this returns, and another waits for it; while a long one goes on none begins.
        Gives whether it did. Raises Locked."""
        with self._starting:
            job = desk.peek().job
            if job and job.running:
                return False
            desk.swap(lambda it: replace(it, job=Job(kind, total)))
            done = self._worker.submit(self._do, desk, piece)
            if total is not None and total <= AT_ONCE:
                done.result()
            return True

    def close(self) -> None:
        """Wait until the work has noticed that the desk is locked, and take no more."""
        self._worker.shutdown()

    def _do(self, desk: Unlocked, piece: Piece) -> None:
        answered: list[Answered] = []

        def seen(step: Step) -> None:
            if isinstance(step, Started):
                total = step.total
                desk.swap(lambda it: _with_job(it, total=total))
                return
            if isinstance(step, Answered):
                answered.append(step)
            desk.swap(lambda it: _with_job(it, done=it.job.done + 1 if it.job else 0))

        with suppress(Locked):  # then nobody is there to read what came of it
            began = desk.read(self._clock())
            try:
                outcome = piece(began, seen)
            except Locked:
                raise
            except Exception as error:  # it is shown where the result would be
                failed = error.with_traceback(None)
                left = Outcome(answered=tuple(answered))
                desk.swap(lambda it: _ended(_with(it, left, began), error=failed))
            else:
                desk.swap(lambda it: _ended(_with(it, outcome, began), outcome=outcome))


def _with_job(session: Session, **changes: Any) -> Session:
    return replace(session, job=replace(session.job, **changes)) if session.job else session


def _ended(session: Session, **came_of_it: Any) -> Session:
    return _with_job(session, running=False, **came_of_it)


def _with(session: Session, outcome: Outcome, began: Session) -> Session:
    """The session with what became of the requests, or with a queue that was pulled anew, beside
    what staff did since it began: then proposals and questions about the old one mean nothing any
    more."""
    if outcome.queue.at is None:
        erased = _erased(session, outcome, began)
        return replace(session, queue=session.queue.changed(outcome.became), erased=erased)
    return replace(
        session,
        queue=outcome.queue.keeping(began.queue, session.queue),
        unready=outcome.unready,
        proofs=outcome.proofs,
        plan=None,
        asked=None,
    )


def _erased(session: Session, outcome: Outcome, began: Session) -> Mapping[str, Envelope]:
    """What was erased and is not back. One of which it is not known whether it was erased is among
    it: put back while it is still there, it stays as it is."""
    erased, before = dict(session.erased), began.queue.envelopes
    for it in outcome.answered:
        if it.did in ("back", "seatless"):
            erased.pop(it.id, None)
        elif it.meant == Decision.ERASE and (it.did or it is outcome.doubtful):
            erased[it.id] = before[it.id]
    return erased
