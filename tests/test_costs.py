"""What it costs, as docs/scale.md says it."""

import pytest
from infra import costs, template

from quietdesk.store.dynamodb.items import item_of
from tests.world import ROOT


def size(item):
    """Bytes of an item as DynamoDB counts them: names and values (developer guide, item sizes)."""
    total = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        number = (len(str(value)) + 1) // 2 + 1
        total += len(name) + {"B": len(value), "S": len(str(value).encode()), "N": number}[kind]
    return total


def test_an_envelope_is_as_large_as_the_bill_takes_it_to_be(world):
    assert abs(size(item_of(world.sealed())) - costs.ITEM_BYTES) <= 40  # ids of centers


def test_manual_has_the_tables_that_the_template_and_the_prices_give():
    manual = (ROOT / "docs" / "scale.md").read_text("utf-8")

    assert costs.table(costs.monthly(template.render(template.read())), "count") in manual
    assert costs.table(costs.per_thousand(), "for one request") in manual


@pytest.mark.parametrize("name", costs.prices())
def test_each_price_says_where_and_when_it_was_read(name):
    price = costs.prices()[name]

    assert price["usd"] > 0 and price["what"] and price["source"]
    assert str(price["read"]) >= "2026-11-23"
    assert (price["source"] == "from memory") != price["stored"]


def test_more_alarms_cost_more():
    written = template.read()
    before = sum(line.usd for line in costs.monthly(template.render(template.read())))
    written["Resources"]["Another"] = written["Resources"]["SilenceAlarm"]

    assert sum(line.usd for line in costs.monthly(template.render(written))) > before


def test_deploying_says_what_it_costs():
    said = costs.lines(template.render(template.read()))

    assert "$8.60 a month" in said[0] and "for 1,000 requests" in said[0]
