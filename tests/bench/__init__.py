"""`make bench`: what things cost here, each beside a baseline measured in the same run.

A measure is a function `measure(quick)` that gives rows, in a module of this folder. It lets what
it measures and the baseline take turns (`table.taking_turns`, `table.medians`), and hands every
turn to a `table.Row`. A new one gets a line in `MEASURES` of `__main__.py`; its rows get theirs in
`tests/test_bench.py`, which runs every measure with small numbers.
"""
