"""What a measure gives, and how the table of them is written.

The machine is shared and noisy, so a figure means little without the baseline of the same run.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.world import ROOT

FOLDER = ROOT / "build/bench"


@dataclass(frozen=True)
class Row:
    """One line of the table. `at_most` is the aim: of the ratio where there is one and
    `aim_of_figure` is not set, else of the figure."""

    measure: str
    figure: float
    unit: str
    baseline: float | None = None
    against: str = ""
    at_most: float | None = None
    aim_of_figure: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times as long, or as much, as the baseline."""
        if not self.baseline or not self.figure:
            return None
        rate = self.unit.endswith("/s")
        return self.baseline / self.figure if rate else self.figure / self.baseline

    @property
    def missed(self) -> bool:
        aimed = self.figure if self.aim_of_figure or self.ratio is None else self.ratio
        return self.at_most is not None and aimed > self.at_most

    @property
    def aim(self) -> str:
        if self.at_most is None:
            return ""
        of_ratio = self.ratio is not None and not self.aim_of_figure
        return f"<= {self.at_most:g}{'x' if of_ratio else f' {self.unit}'}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "missed": self.missed}


def written(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [("measure", "figure", "baseline", "ratio", "aim", "")]
    for row in rows:
        baseline = "" if row.baseline is None else f"{number(row.baseline)} ({row.against})"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        figure = f"{number(row.figure)} {row.unit}"
        missed = "MISSED" if row.missed else ""
        lines.append((row.measure, figure, baseline, ratio, row.aim, missed))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    text = ""
    for line in lines:
        text += "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text = text.rstrip() + "\n"
    return text


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def medians(count: int, *calls: Callable[[], object]) -> list[float]:
    """The median seconds of each call, with the calls taking turns."""
    return [times[50] for times in spread(count, *calls)]


def spread(count: int, *calls: Callable[[], object]) -> list[list[float]]:
    """The 0th to 100th percentile of the seconds of each call, with the calls taking turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(count):
        for times, call in zip(taken, calls, strict=True):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
    return [[min(times), *statistics.quantiles(times, n=100), max(times)] for times in taken]


def cores() -> int:
    return os.cpu_count() or 1
