"""What a deployment costs, from the template and infra/prices.yml: a month before anybody asks, and
for a thousand requests. `python -m infra.costs` prints the tables of docs/scale.md."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from infra.template import Template, of_type, read, render
from quietdesk import textfile

PRICES = Path(__file__).parent / "prices.yml"

# What one person does who asks: reads six pages, opens the form, takes a time, and looks twice.
PAGES, FILES, PAGE_KB = 6, 15, 90  # files: pages, styles, scripts; kB compressed, all together
CALLS = 5  # times, key, request, twice looked at
SECONDS = 0.12  # of a warm call; the first one of a process takes about a second
# DynamoDB counts writes in whole kB, reads in whole 4 kB, and both twice in a transaction.
ITEM_BYTES = 4_855  # an envelope with the names of its attributes
OPENINGS = 300  # counters of free times that a list of times reads, one unit each
WEEKS = 6  # live weeks in which `check` asks for an id
PULLS = 10  # times that the desk reads a request before it is erased


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill. `usd` is for a month, or for 1,000 requests."""

    what: str
    count: str
    usd: Decimal
    source: str


def prices() -> dict[str, dict[str, Any]]:
    """The price list, `fixed` and `used` together."""
    written = yaml.safe_load(textfile.read(PRICES))
    return {**written["fixed"], **written["used"]}


def monthly(rendered: Template) -> list[Line]:
    """What the stack costs a month while nobody asks."""
    counts = {
        "web_acl": len(list(of_type(rendered, "AWS::WAFv2::WebACL"))),
        "web_rule": sum(len(acl["Rules"]) for _, acl in of_type(rendered, "AWS::WAFv2::WebACL")),
        "alarm": len(list(of_type(rendered, "AWS::CloudWatch::Alarm"))),
        "metric": 1,
        "secret": 1,
    }
    return [_line(name, Decimal(count), str(count)) for name, count in counts.items()]


def per_thousand() -> list[Line]:
    """What a thousand requests cost, from the first page to the day they are destroyed."""
    return [_line(name, Decimal(str(each)) * 1000, _said(each)) for name, each in _each()]


def write_units() -> int:
    """Write request units of one request: taken with a seat, placed in another week, destroyed."""
    item = math.ceil(ITEM_BYTES / 1024)
    taken = 2 * (item + 1)
    placed = 2 * (item + 1 + 1 + 1)  # the new envelope, the stub, and two counters
    destroyed = item + 1
    return taken + placed + destroyed


def read_units() -> int:
    """Read request units: the times, documents, looking twice, and the desk's pulls."""
    item = math.ceil(ITEM_BYTES / 4096)
    documents = 12  # bundle, list and devices, up to 4 kB each, several times
    return OPENINGS + documents + 2 * (item + WEEKS - 1) + PULLS * item


def _each() -> Iterator[tuple[str, float]]:
    yield "edge_request", FILES + CALLS
    yield "edge_gb", PAGE_KB / 1_000_000
    yield "edge_function", FILES
    yield "waf_request", FILES + CALLS
    yield "api_request", CALLS
    yield "function_call", CALLS
    yield "function_gb_second", CALLS * SECONDS * 0.5
    yield "write_unit", write_units()
    yield "read_unit", read_units()


def _line(name: str, count: Decimal, said: str) -> Line:
    price = prices()[name]
    usd = count * Decimal(str(price["usd"])) / Decimal(str(price.get("per", 1)))
    seen = "" if price["stored"] else ", not looked up"
    return Line(price["what"], said, usd, f"{price['source']} ({price['read']}{seen})")


def _said(number: float) -> str:
    return f"{number:g}"


def lines(rendered: Template) -> list[str]:
    """What `make deploy` says before it acts."""
    fixed = sum(line.usd for line in monthly(rendered))
    used = sum(line.usd for line in per_thousand())
    return [
        f"about ${fixed:.2f} a month before anybody asks, ${used:.2f} for 1,000 requests",
        "(infra/prices.yml, docs/scale.md; nobody has compared them with a bill yet)",
    ]


def table(bill: list[Line], each: str) -> str:
    """A bill as a table of Markdown."""
    rows = [f"| {it.what} | {it.count} | {it.usd:.3f} | {it.source} |" for it in bill]
    total = f"| **together** | | **{sum(it.usd for it in bill):.2f}** | |"
    head = f"| what | {each} | US$ | price from (read on) |\n| --- | --- | --- | --- |"
    return "\n".join([head, *rows, total])


if __name__ == "__main__":
    print(table(monthly(render(read())), "count"))
    print()
    print(table(per_thousand(), "for one request"))
