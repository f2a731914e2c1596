import pytest

from quietdesk.website.styles import Names, needed, slim

PAGE = '<html><body class="page"><p id="top" class="a b" hidden>x</p></body></html>'


def names():
    found = Names()
    found.feed(PAGE)
    return found.found


@pytest.mark.parametrize(
    "rule",
    [
        "p{color:red}",
        ".a{color:red}",
        "body.page>p#top{color:red}",
        "p:hover::before{color:red}",
        "p[hidden]{color:red}",
        "p:not(.gone){color:red}",
        "*{color:red}",
        "@media print{.a{color:red}}",
        "@media (prefers-color-scheme: dark){.a{color:red}}",
        "@media (prefers-reduced-motion: reduce){*{animation:none}}",
        "@supports (display: grid){.a{color:red}}",
    ],
)
def test_rule_that_a_page_may_use_stays(rule):
    assert needed(rule, names()) == rule


@pytest.mark.parametrize(
    "rule",
    [
        ".gone{color:red}",
        "p.gone{color:red}",
        "#gone{color:red}",
        "table{color:red}",
        "p[data-gone]{color:red}",
        "@media print{.gone{color:red}}",
        "@keyframes gone{from{color:red}}",
        ":root{--gone:1}",
        ":root{--one:var(--two)}:root{--two:1}",
    ],
)
def test_rule_that_no_page_uses_goes(rule):
    assert needed(rule, names()) == ""


def test_rule_for_a_direction_stays_for_pages_that_have_one():
    assert needed('[dir="rtl"] .a{color:red}', {*names(), "dir"}) != ""


def test_of_several_selectors_those_that_are_used_stay():
    assert needed(".gone,.a, p.gone{color:red}", names()) == ".a{color:red}"


def test_animation_and_variable_that_are_used_stay():
    css = ":root{--one:1}@keyframes turn{from{color:red}}.a{animation:turn 1s;top:var(--one)}"

    assert needed(css, names()) == css


def test_class_that_a_script_adds_is_kept_and_our_styles_come_last(tmp_path):
    sheet = tmp_path / "site/assets/stylesheets/main.css"
    sheet.parent.mkdir(parents=True)
    sheet.write_text(".added{color:red}.gone{color:red}.a{color:red}")
    (tmp_path / "site/assets/look.css").write_text("/* Ours. */ .b { color: blue; } .gone { }")
    (tmp_path / "site/index.html").write_text(f"{PAGE}<link href=main.css>")
    (tmp_path / "page.js").write_text('element.className = "small added"; gone()')

    slim(tmp_path / "site", tmp_path)

    assert sheet.read_text() == ".added{color:red}.a{color:red}.b{color: blue}"
