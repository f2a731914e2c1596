import re
import shutil
from dataclasses import replace

import pytest

from quietdesk.city import CENTER_ACCESS, Center, Hours
from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.website.checked import read_yaml
from quietdesk.website.facts import Facts
from quietdesk.website.guide import ACCESS, Guide
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

    assert (facts["days"], facts["fee"]) == (3, '<bdi dir="ltr">$10</bdi>')
    assert facts.owed == {"fee"}


def test_mark_of_a_fact_that_does_not_exist_stops_the_build(guide):
    with pytest.raises(BadCity, match=r"en/x\.md: there is no fact no_such_fact"):
        guide.markdown("{{ confirm('no_such_fact') }}", "en", "en/x.md")


def test_fact_that_is_said_in_words_has_no_value_to_show(guide):
    with pytest.raises(BadCity, match=r"supervisor is true: say it in words"):
        guide.markdown("{{ facts.supervisor }}", "en", "en/x.md")


@pytest.fixture
def stated(city, tmp_path):
    """A Guide over other facts."""

    def make(text):
        shutil.copy(ROOT / "site/city/documents.yml", tmp_path)
        (tmp_path / "facts.yml").write_text(text)
        return Guide(Pages(city, (b"one",), 1), tmp_path)

    return make


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fact: {}", "facts.yml must have the one key facts"),
        ("facts: {}\nmore: 1", "facts.yml must have the one key facts"),
        ("facts: [fee]", "facts.yml must have the one key facts"),
        ("facts: {fee: 3}", "facts.yml: fee must be like"),
        ("facts: {fee: {value: 3, verifed: true}}", "facts.yml: fee has an unknown key: verifed"),
        ("facts: {fee: {value: 3}}", "facts.yml: fee: verified must be true or false"),
        ("facts: {fee: {value: 3, verified: soon}}", "facts.yml: fee: verified must be"),
        ("facts: {fee: {verified: true}}", "facts.yml: fee: value must be text, a whole number"),
        ("facts: {fee: {value: '', verified: true}}", "facts.yml: fee: value must be"),
        ("facts: {fee: {value: false, verified: true}}", "facts.yml: fee: value must be"),
        ("facts: {fee: {value: [3], verified: true}}", "facts.yml: fee: value must be"),
        (
            "facts: {minimum_age: {value: 3, verified: true}}",
            "documents.yml has these facts already: minimum_age",
        ),
    ],
)
def test_what_is_wrong_with_a_fact_is_named(stated, text, message):
    with pytest.raises(BadCity, match=re.escape(message)):
        stated(text)


def test_facts_that_no_page_uses_are_named(stated):
    rows = ("fee: {value: 3, verified: true}", "free: {value: true, verified: true}",
            "days: {value: 1, verified: false, source: '1.4'}")  # fmt: skip
    guide = stated(f"facts: {{{', '.join(rows)}}}")
    assert guide.unused() == ["days", "fee", "free"]

    guide.markdown("{{ facts.fee }}", "en", "x")
    guide.markdown("Free. {{ confirm('free') }}", "es", "x")

    assert guide.unused() == ["days"]


def test_page_says_which_written_rule_destroys_or_that_there_is_none_yet(city):
    text = (ROOT / "site/pages/en/privacy.md").read_text("utf-8").split("---\n", 2)[2]

    def said(authority):
        pages = Pages(replace(city, retention_authority=authority), (b"one",), 1)
        return Guide(pages, ROOT / "site/city").markdown(text, "en", "x")

    assert "No office has adopted a written rule yet." in said("")
    assert "The written rule is: Publisher A &amp; B." in said("Publisher A & B")


# --- Centers -------------------------------------------------------------------------------------


def test_every_access_of_a_center_has_words():
    assert tuple(ACCESS) == CENTER_ACCESS


def shown(city, days=(), **values):
    center = Center(
        "fair", "Street <Fair>", "1 Main St", (Hours(days, "10:00", "14:00"),), **values
    )
    guide = Guide(Pages(replace(city, centers=(center,)), (b"one",), 1), ROOT / "site/city")
    return guide.markdown("{{ centers() }}", "en", "x")


def test_center_shows_what_somebody_told_us(city):
    html = shown(
        city, verified=True, access=("step_free", "toilet"), transit="7 to 103 St",
        languages=("es", "ase"), dates=("2026-12-05", "2026-12-03"), closed=("2026-12-25",),
    )  # fmt: skip

    assert "Street &lt;Fair&gt;" in html
    for said in (
        "<dd>A way in without steps</dd><dd>A toilet without steps</dd>",
        '<dd><bdi lang="en" dir="ltr">7 to 103 St</bdi></dd>',
        '<dd lang="es">Español</dd><dd>American Sign Language</dd>',
        "<dd>Thursday, December 3</dd><dd>Saturday, December 5</dd>",
        "<dd>Saturday, December 5</dd><dd>10:00 AM – 2:00 PM</dd>",
        "<dt>Closed on</dt><dd>Friday, December 25</dd>",
    ):
        assert said in html
    assert "confirm with the programme" not in html


def test_center_says_nothing_that_nobody_told_us(city):
    html = shown(city, verified=False, days=("tue", "thu"))

    assert re.findall(r"<dt>(.*?)</dt>", html) == ["Address", "Opening hours"]
    hours = "<dd>Tuesday: 10:00 AM – 2:00 PM</dd><dd>Thursday: 10:00 AM – 2:00 PM</dd>"
    assert hours in html
    assert "(confirm with the programme)" in html


def test_center_that_has_a_path_is_not_shown(city):
    assert "Main St" not in shown(city, verified=True, path="partner")


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
