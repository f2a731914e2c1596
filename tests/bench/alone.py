"""Each measure has a process of its own, where nothing else was loaded or set."""

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.table import Row


def measured(measure: str, quick: bool) -> "list[Row]":
    """The rows that a measure, `module:function`, gives."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, measure, quick).result()


def _run(measure: str, quick: bool) -> "list[Row]":
    module, _, function = measure.partition(":")
    rows: list[Row] = getattr(import_module(f"tests.bench.{module}"), function)(quick)
    return rows
