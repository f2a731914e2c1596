"""What a measure gives, and how the table of it is written.

The machine is shared and noisy: the same work may take twice as long a minute later. So what is
measured and its baseline take turns, every turn gives one figure for both, and the table shows the
median of the turns with the lowest and the highest beside it. A ratio is of one turn.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from tests.world import ROOT

T = TypeVar("T")
U = TypeVar("U")
FOLDER = ROOT / "build/bench"
HEADS = ("measure", "median", "spread", "baseline", "spread", "ratio", "spread", "turns", "aim")


class NotHere(Exception):
    """What a measure needs is not on this machine. The message says what."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the figure of each turn, and beside it the baseline of the same turn.
    `at_most` is the aim: of the ratio where there is one and `aim_of_figure` is not set, else of
    the figure."""

    measure: str
    unit: str
    figures: Sequence[float]
    baselines: Sequence[float] = ()
    against: str = ""
    at_most: float | None = None
    aim_of_figure: bool = False

    def __post_init__(self) -> None:
        if not self.figures or len(self.baselines) not in (0, len(self.figures)):
            raise ValueError(f"{self.measure}: each turn has a figure, and each or none a baseline")

    @property
    def figure(self) -> float:
        return statistics.median(self.figures)

    @property
    def ratios(self) -> list[float]:
        """How many times as long, or as much, as the baseline: of each turn in which both are not
        zero."""
        rate = self.unit.endswith("/s")
        return [
            baseline / figure if rate else figure / baseline
            for figure, baseline in zip(self.figures, self.baselines, strict=False)
            if figure and baseline
        ]

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def missed(self) -> bool:
        aimed = self.figure if self.aim_of_figure or self.ratio is None else self.ratio
        return self.at_most is not None and aimed > self.at_most

    @property
    def aim(self) -> str:
        if self.at_most is None:
            return ""
        of_ratio = self.ratio is not None and not self.aim_of_figure
        aim = f"<= {self.at_most:g}{'x' if of_ratio else f' {self.unit}'}"
        return f"{aim} MISSED" if self.missed else aim

    def as_json(self) -> dict[str, Any]:
        found = {"figure": self.figure, "ratio": self.ratio, "ratios": self.ratios}
        return {**asdict(self), **found, "missed": self.missed}


def written(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [HEADS]
    for row in rows:
        baseline = f"{_middle(row.baselines)} ({row.against})" if row.baselines else ""
        ratio = f"{_middle(row.ratios)}x" if row.ratios else ""
        figures = (f"{_middle(row.figures)} {row.unit}", _spread(row.figures))
        beside = (baseline, _spread(row.baselines), ratio, _spread(row.ratios))
        lines.append((row.measure, *figures, *beside, str(len(row.figures)), row.aim))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = ""
    for line in lines:
        text += "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text = text.rstrip() + "\n"
    return text


def _middle(values: Sequence[float]) -> str:
    return number(statistics.median(values))


def _spread(values: Sequence[float]) -> str:
    """The lowest and the highest; nothing where all turns gave the same, or there was but one."""
    return f"{number(min(values))}..{number(max(values))}" if len({*values}) > 1 else ""


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def taking_turns(turns: Iterable[U], *works: Callable[[U], T]) -> list[list[T]]:
    """What each work gives, turn by turn. Every second turn begins with the last one, so that none
    always finds the machine as the same other left it."""
    given: list[list[T]] = [[] for _ in works]
    order = list(zip(given, works, strict=True))
    for turn in turns:
        for results, work in order:
            results.append(work(turn))
        order.reverse()
    return given


def percentiles(turns: int, count: int, *calls: Callable[[], object]) -> list[list[list[float]]]:
    """For each call and turn the 0th to 100th percentile of its seconds. A turn is `count` rounds
    in which the calls alternate."""
    taken: list[list[list[float]]] = [[] for _ in calls]
    for _ in range(turns):
        rounds = taking_turns(range(count), *(lambda _, call=call: seconds(call) for call in calls))
        for of_turns, times in zip(taken, rounds, strict=True):
            of_turns.append([min(times), *statistics.quantiles(times, n=100), max(times)])
    return taken


def medians(turns: int, count: int, *calls: Callable[[], object]) -> list[list[float]]:
    """For each call the median seconds of each turn."""
    return [[turn[50] for turn in found] for found in percentiles(turns, count, *calls)]


def cores() -> int:
    return os.cpu_count() or 1
