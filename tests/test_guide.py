import re

import pytest

from quietdesk.city import read_yaml
from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.site.guide import Facts, Guide
from tests.world import ROOT


@pytest.fixture
def guide(city):
    return Guide(Pages(city, (b"one",), 1), ROOT / "site/city")


def test_fact_that_does_not_exist_stops_the_build(guide):
    with pytest.raises(BadCity, match=r"en/x\.md: .*'no_such_fact'"):
        guide.markdown("{{ facts.no_such_fact }}", "en", "en/x.md")


def test_unverified_fact_without_a_mark_stops_the_build(guide):
    with pytest.raises(BadCity, match="minimum_age"):
        guide.markdown("From {{ facts.minimum_age }} years.", "en", "en/x.md")


def test_unverified_fact_is_marked_in_the_language_of_the_page(guide):
    text = "{{ facts.minimum_age }}. {{ confirm('minimum_age') }}"

    assert "(confirm with the programme)" in guide.markdown(text, "en", "x")
    assert "10. " in guide.markdown(text, "es", "x")
    assert "(confirme con el programa)" in guide.markdown(text, "es", "x")


def test_verified_fact_needs_no_mark():
    facts = Facts({"days": (3, True), "fee": ("$10", False)})

    assert (facts["days"], facts["fee"]) == (3, "$10")
    assert facts.owed == {"fee"}


def test_template_of_a_page_cannot_reach_into_python(guide):
    with pytest.raises(BadCity):
        guide.markdown("{{ ''.__class__.__mro__ }}", "en", "x")


def test_every_paper_is_in_the_table_with_its_points(guide, city):
    papers = read_yaml(ROOT / "site/city/documents.yml")
    for half in ("identity", "residency"):
        html = guide.markdown(f"{{{{ papers('{half}') }}}}", "en", "x")

        rows = [paper for group in papers[half].values() for paper in group.values()]
        assert html.count("<tr data-paper=") == len(rows)
        assert len(re.findall(r">\d for identity<", html)) == sum(
            1 for row in rows if row.get("id")
        )
        assert len(re.findall(r">\d for address<", html)) == sum(
            1 for row in rows if row.get("res")
        )
