"""What adopters and their lawyers read, held against the code."""

import re
from dataclasses import fields

import pytest
from infra import inventory, rules

from quietdesk import request
from quietdesk.envelopes import Envelope
from tests.world import ROOT

DOCS = ROOT / "docs"
TESTS = "\n".join(it.read_text("utf-8") for it in (ROOT / "tests").rglob("test_*.py"))


def named_tests():
    return sorted(set(re.findall(r"`(test_\w+)`", (DOCS / "threat-model.md").read_text("utf-8"))))


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


def test_threat_model_names_tests():
    assert len(named_tests()) >= 20


@pytest.mark.parametrize("name", named_tests())
def test_each_test_that_the_threat_model_names_is_there(name):
    assert f"def {name}(" in TESTS


def test_threat_model_is_one_page():
    words = (DOCS / "threat-model.md").read_text("utf-8").split()

    assert len(words) < 1300


def test_answers_to_scanners_are_what_the_rules_hold():
    answers = (DOCS / "scanners.md").read_text("utf-8")

    assert "infra/rules.py" in answers
    for finding in ("CKV_AWS_28", "CKV_AWS_18", "CKV_AWS_86", "CKV_AWS_116", "CKV2_AWS_31"):
        assert answers.count(finding) == 1
    assert len(rules.RULES) >= 14
