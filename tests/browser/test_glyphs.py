"""A character that no font has is seen, and with the fonts that infra/find-tools.sh brings, all
twelve languages have theirs."""

import pytest

from tests import shots
from tests.glyphs import NO_CHARACTER, missing
from tests.serving import go

ANOTHER = "\U0002fffe"
PLANTED = {
    "text": "<p>Name: {}</p>",
    "text among other scripts": "<p lang=ur>اردو {} বাংলা</p>",
    "what is typed": "<input value='Ana {}'>",
    "what is to be typed": "<input placeholder='{}'>",
    "what is written over many lines": "<textarea>{}</textarea>",
    "a choice": "<select><option>{}</option></select>",
    "what a style adds": "<style>p::after {{ content: '{}' }}</style><p>Name</p>",
}
UNSEEN = {
    "hidden": "<p hidden>{}</p>",
    "invisible": "<p style='visibility: hidden'>{}</p>",
    "another choice": "<select><option>Ana</option><option>{}</option></select>",
    "a passphrase": "<input type=password value='{}'>",
}


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("html", PLANTED.values(), ids=PLANTED)
def test_character_that_no_font_has_is_seen(visit, html, scripts):
    page = visit(java_script_enabled=scripts, clock=scripts)
    page.set_content(html.format(NO_CHARACTER))

    assert missing(page) == [NO_CHARACTER]


@pytest.mark.parametrize("html", UNSEEN.values(), ids=UNSEEN)
def test_what_is_not_shown_needs_no_font(visit, html):
    page = visit()
    page.set_content(html.format(NO_CHARACTER))

    assert missing(page) == []


def test_marks_joiners_and_signs_of_direction_need_no_box(visit):
    page = visit()
    page.set_content("<p>e\u0301 \u200e\u2066\u2069 a\u00adb\u200bc\u00a0d می\u200cخواهم</p>")

    assert missing(page) == []


def test_all_that_is_missing_is_named_once(visit):
    page = visit()
    page.set_content(f"<p>{NO_CHARACTER}a{ANOTHER}{ANOTHER}b</p><p>{ANOTHER}</p>")

    assert missing(page) == [NO_CHARACTER, ANOTHER]


def test_picture_with_a_box_is_wrong(visit, monkeypatch, tmp_path):
    monkeypatch.setattr(shots, "TARGET", tmp_path)
    page = visit()
    page.set_content(f"<p>Name: {ANOTHER}</p>")

    assert f"name: no font has {ANOTHER} (U+2FFFE)" in shots.take(page, "name")


def test_every_language_has_its_fonts_on_this_machine(visit, url, city):
    page = visit()
    for locale in city.locales:
        for name in ("", "request/"):
            go(page, f"{url}/{locale.tag}/{name}")

            assert missing(page) == [], (locale.tag, name)
