"""What adopters and their lawyers read, held against the code."""

import ast
import re
from dataclasses import fields

import pytest
from infra import inventory, rules

from quietdesk import request
from quietdesk.envelopes import Envelope
from tests.world import ROOT

DOCS = ROOT / "docs"
NOT_TESTS = {"submit", "check", "status", "milliseconds"}  # what else stands in backticks


def names_of_tests():
    """Every test function and every file of tests, by name."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        found |= {it.name for it in tree.body if isinstance(it, ast.FunctionDef)} | {path.stem}
    return {name for name in found if name.startswith("test_")}


def proofs_lacking(page):
    """What is wrong with the tests that a threat model names: one sentence each."""
    there = names_of_tests()
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    for row in rows:
        named = set(re.findall(r"`([^`]+)`", row)) - NOT_TESTS
        who = row.split("**")[1]
        if not named & there:
            yield f"{who}: no test proves what it says"
        for name in sorted(named - there):
            yield f"{who}: there is no test {name}"
    if not rows:
        yield "there is no table"


def test_inventory_is_the_one_that_the_fields_give():
    assert (DOCS / "inventory.md").read_text("utf-8") == inventory.page()


def test_inventory_without_a_field_is_refused(monkeypatch):
    monkeypatch.setattr(inventory, "SEALED", inventory.SEALED[1:])
    with pytest.raises(ValueError, match="than a request"):
        inventory.page()
    monkeypatch.undo()
    monkeypatch.setattr(inventory, "OUTSIDE", inventory.OUTSIDE[1:])
    with pytest.raises(ValueError, match="than an envelope"):
        inventory.page()


def test_inventory_says_something_of_every_field():
    told = {row.field for row in (*inventory.SEALED, *inventory.OUTSIDE)}

    assert told == {*request.FIELDS, *(field.name for field in fields(Envelope))}
    assert all(row.purpose and row.readers and row.days for row in inventory.PASSING)


def test_each_row_of_the_threat_model_names_its_tests():
    page = (DOCS / "threat-model.md").read_text("utf-8")

    assert list(proofs_lacking(page)) == []
    assert len(re.findall(r"`test_\w+`", page)) >= 20


def test_row_without_a_test_and_a_test_that_is_gone_are_named():
    page = """
| who | sees |
| --- | --- |
| **Who reads** | nothing: `test_silence` |
| **Who asks** | nothing, says `submit` |
| **Who waits** | nothing: `test_silence`, `test_of_last_year` |
"""

    assert list(proofs_lacking(page)) == [
        "Who asks: no test proves what it says",
        "Who waits: there is no test test_of_last_year",
    ]
    assert list(proofs_lacking("")) == ["there is no table"]


def test_threat_model_is_one_page():
    words = (DOCS / "threat-model.md").read_text("utf-8").split()

    assert len(words) < 1300


def test_answers_to_scanners_are_what_the_rules_hold():
    answers = (DOCS / "scanners.md").read_text("utf-8")

    assert "infra/rules.py" in answers
    for finding in ("CKV_AWS_28", "CKV_AWS_18", "CKV_AWS_86", "CKV_AWS_116", "CKV2_AWS_31"):
        assert answers.count(finding) == 1
    assert len(rules.RULES) >= 14
