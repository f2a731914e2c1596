"""`make bench`: every measure runs and gives all of its rows, and what fails is said. How fast
anything is, no test asks."""

import json
import re

import pytest

from tests.bench import __main__ as bench
from tests.bench.alone import measured
from tests.bench.table import NotHere, Row, medians, taking_turns, written

MATERIAL = "mkdocs-material"
COLD = "Python + cryptography + one seal"
# Of each measure with small numbers its rows, and what each is beside.
ROWS = {
    "open": {
        "open 100 of 200 envelopes": "ML-KEM-768 + X25519, two parts",
        "open 100 of 200 envelopes, rate": "ML-KEM-768 + X25519, two parts",
        "open 100 of 200 envelopes, largest process": "",
    },
    "seal": {
        "seal in Python": "two bare encapsulations",
        "seal in Chromium 6x slower, first": "not slowed",
        "seal in Chromium 6x slower, later": "not slowed",
    },
    "page": {
        "the whole site is built": MATERIAL,
        **{
            f"{page}, {what}": MATERIAL
            for page in ("home", "papers", "privacy", "request page")
            for what in ("en, gzip", "requests")
        },
    },
    "lighthouse": {
        f"request page, {what}": MATERIAL
        for what in ("performance", "accessibility", "best-practices", "largest contentful paint")
    },
    "cold": {
        f"submit, {store}, {what}": COLD
        for store in ("SQLite", "DynamoDB on ministack")
        for what in ("start to 201", "peak", "imported")
    },
    "bundle": {
        "bundle, size": "what Lambda takes",
        **{
            f"bundle {kind}, {what}": f"the same {COLD}"
            for kind in ("with bytecode", "without bytecode")
            for what in ("start to 201", "peak", "imported")
        },
    },
    "warm": {"warm JSON request, no store": "one seal of 1,024 bytes"},
    "check": {
        f"check, {what} of 20 in a turn": "unknown id"
        for what in ("5th percentile", "median", "95th percentile")
    },
    "desk": {
        "pull and open 100, one core": "unsealing alone, one core",
        "order, flag and filter 100": "pulling and opening",
        "100 opened requests in memory, process": "",
        "propose places for 20": "placing them",
        "place 20, SQLite": "sealing them alone",
        "pull and open 200, one core": "unsealing alone, one core",
        "order, flag and filter 200": "pulling and opening",
        "200 opened requests in memory, process": "",
    },
    "store": {
        "SQLite, puts": "bare sqlite3",
        "SQLite, pulls": "bare sqlite3",
        "SQLite, sweep of 100 of 200": "bare sqlite3",
    },
    "emulators": {
        f"DynamoDB on {name}, {what}": "SQLite store"
        for name in ("ministack", "moto")
        for what in ("puts", "pulls", "sweep of 20 of 40")
    },
    "destroy": {
        "SQLite, 2,000 rows of one week destroyed": "",
        "SQLite, 2,000 rows of one week destroyed, process": "",
    },
    "destroy-emulator": {
        "DynamoDB on ministack, 200 rows of one week destroyed": "",
        "DynamoDB on ministack, 200 rows of one week destroyed, process": "",
    },
}
SLOW = Row("slow", "s", [4, 2, 9], [1, 2, 3], "quick", at_most=2)


@pytest.mark.process
@pytest.mark.parametrize("name", [*bench.MEASURES])
def test_measure_gives_all_of_its_rows(name):
    try:
        rows = measured(bench.MEASURES[name], quick=True)
    except NotHere as reason:
        pytest.skip(str(reason))

    assert {row.measure: row.against for row in rows} == ROWS[name]
    for row in rows:
        assert 0 < min(row.figures) <= row.figure <= max(row.figures), row
        assert (row.ratio is None) == (not row.against), row
        assert len(row.ratios) == len(row.baselines), row


@pytest.fixture
def told(monkeypatch, tmp_path, capsys):
    """Runs the command with other measures than ours; gives its exit code, what it printed, what
    it said beside, and what it kept."""
    monkeypatch.setattr(bench, "TARGET", tmp_path / "bench.json")

    def run(measures, *argv):
        monkeypatch.setattr(bench, "MEASURES", dict.fromkeys(measures, ""))
        outcomes = iter(measures.values())

        def measure(_, quick):
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(bench, "measured", measure)
        code = bench.main(argv)
        kept = json.loads(bench.TARGET.read_text()) if bench.TARGET.exists() else None
        return code, *capsys.readouterr(), kept

    return run


def test_measure_that_fails_is_said_and_the_others_are_still_measured(told):
    code, printed, beside, kept = told({"broken": AssertionError("no 201"), "sound": [SLOW]})

    assert code == 1
    assert "broken could not be measured" in beside
    assert "AssertionError: no 201" in beside
    assert "slow" in printed
    assert kept["failed"] == ["broken"]
    assert [row["measure"] for row in kept["rows"]] == ["slow"]


@pytest.mark.process
def test_measure_that_raises_in_its_own_process_fails_here():
    with pytest.raises(ModuleNotFoundError):
        measured("nowhere:measure", quick=True)


def test_measure_that_lacks_a_tool_is_said_to_be_left_out(told):
    code, _, beside, kept = told({"bundle": NotHere("there is no python3.13")})

    assert code == 0
    assert "bundle was left out: there is no python3.13" in beside
    assert kept["left_out"] == {"bundle": "there is no python3.13"}


def test_small_numbers_do_not_overwrite_what_was_measured(told):
    assert told({"sound": [SLOW]}, "--quick")[3] is None


def test_missed_aim_is_shown_and_is_no_failure(told):
    code, printed, *_ = told({"sound": [SLOW]})

    assert code == 0
    assert "<= 2x MISSED" in printed


def test_table_shows_median_spread_and_ratio_of_the_turns():
    line = written([SLOW]).splitlines()[1]

    cells = ["slow", "4 s", "2..9", "2 (quick)", "1..3", "3x", "1..4", "3", "<= 2x MISSED"]
    assert re.split(" {2,}", line) == cells


def test_rate_is_as_many_times_as_slow_as_its_baseline_is_higher():
    assert Row("puts", "/s", [50, 20], [100, 100], "bare").ratios == [2, 5]


def test_aim_may_be_of_the_figure():
    assert not Row("zip", "MB", [10], [5], "at most", at_most=15, aim_of_figure=True).missed
    assert Row("memory", "MB", [300], at_most=200).missed


@pytest.mark.parametrize(("figures", "baselines"), [([], []), ([1, 2], [1]), ([1], [1, 2])])
def test_row_has_a_figure_of_each_turn_and_a_baseline_of_each_or_none(figures, baselines):
    with pytest.raises(ValueError, match="each turn"):
        Row("half", "s", figures, baselines)


def test_who_begins_changes_from_turn_to_turn():
    began = []

    def named(name):
        return lambda turn: began.append(name) or f"{name}{turn}"

    given = taking_turns(range(3), named("a"), named("b"))

    assert began == ["a", "b", "b", "a", "a", "b"]
    assert given == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]


def test_calls_alternate_within_a_turn():
    called = []
    taken = medians(2, 3, lambda: called.append("a"), lambda: called.append("b"))

    assert [len(turns) for turns in taken] == [2, 2]
    assert called == ["a", "b", "b", "a", "a", "b"] * 2
