import shutil
from datetime import date

import pytest

from quietdesk import city as cities
from quietdesk.errors import BadCity
from tests.world import ROOT


@pytest.fixture
def profile(tmp_path):
    """A copy of the profile to spoil, and a way to compile it."""
    shutil.copytree(ROOT / "site/city", tmp_path / "city")
    shutil.copytree(ROOT / "site/words", tmp_path / "words")
    return tmp_path


def compile_profile(profile):
    return cities.from_data(cities.compile_profile(profile / "city", profile / "words"))


def test_profile_that_ships_is_valid(city):
    assert city.deployment == "demo"
    assert {locale.tag for locale in city.locales} >= {"en", "es"}
    assert city.run_by == ""


def test_days_are_written_as_each_language_writes_them(city):
    day = date(2026, 12, 3)

    assert city.locale("en").day(day) == "Thursday, December 3"
    assert city.locale("es").day(day) == "jueves 3 de diciembre"


def test_unknown_language_gets_the_first_one(city):
    assert city.locale("../../etc") is city.locales[0]


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("programme.yml", "queue: main", "queue: Main Queue", "programme.yml: queue"),
        ("programme.yml", "serve_days: 7", "serve_days: 22", "serve_days must be a whole number"),
        ("programme.yml", "America/New_York", "Gotham", "a time zone"),
        ("programme.yml", "max_people: 6", "max_people: six", "max_people"),
        ("programme.yml", "visit_types: [new,", "visit_types: [new, new,", "different short names"),
        ("centers.yml", "id: corona", "id: any", "must not be the word any"),
        ("centers.yml", "id: corona", "id: bronx-library", "the same name"),
        ("centers.yml", "name: Corona,", "", "centers 4: name"),
        ("languages.yml", "direction: ltr", "direction: down", "direction"),
        ("languages.yml", "{day}", "{hour}", "day_pattern"),
        ("languages.yml", "locales:", "locales: [", "languages.yml is not YAML"),
    ],
)
def test_spoiled_file_is_named_with_what_is_wrong(profile, file, before, after, message):
    path = profile / "city" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))

    with pytest.raises(BadCity, match=message):
        compile_profile(profile)


@pytest.mark.parametrize("file", ["city/centers.yml", "words/es.po"])
def test_missing_file_is_named(profile, file):
    (profile / file).unlink()

    with pytest.raises(BadCity, match=file.partition("/")[2]):
        compile_profile(profile)


def test_empty_and_doubtful_translations_are_left_out(profile):
    (profile / "words/es.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "one"\nmsgstr "uno"\n\nmsgid "two"\nmsgstr ""\n\n'
        '#, fuzzy\nmsgid "three"\nmsgstr "tres"\n'
    )

    assert compile_profile(profile).words["es"] == {"one": "uno"}


def test_language_that_babel_does_not_know_brings_its_own_names(profile):
    path = profile / "city/languages.yml"
    months = ", ".join(f"{n}m" for n in range(1, 13))
    row = (
        '  - {tag: qaa, name: Q, direction: rtl, day_pattern: "{weekday} {day} {month}", '
        f"dates: {{weekdays: [a, b, c, d, e, f, g], months: [{months}]}}}}"
    )
    path.write_text(path.read_text().replace("locales:", f"locales:\n{row}", 1))
    shutil.copy(profile / "words/es.po", profile / "words/qaa.po")

    assert compile_profile(profile).locale("qaa").day(date(2026, 12, 3)) == "d 3 12m"
