import re
from datetime import date

import pytest
from babel.dates import format_date

from quietdesk.city import City, Hours
from quietdesk.errors import BadCity
from tests.world import PROFILE


def test_compiled_profile_is_read_from_the_file_that_it_is_told(city):
    assert City.load(PROFILE) == city


def test_profile_that_is_not_compiled_is_named_with_the_next_step(tmp_path):
    with pytest.raises(BadCity, match=r"nowhere\.json; run: make site"):
        City.load(tmp_path / "nowhere.json")


def test_profile_that_ships_is_valid(city):
    assert city.deployment == "demo"
    assert {locale.tag for locale in city.locales} >= {"en", "es"}
    assert city.run_by == ""


DAYS = {
    "en": "Thursday, December 3",
    "es": "jueves 3 de diciembre",
    "zh-Hans": "12月3日星期四",
    "zh-Hant": "12月3日 星期四",
    "ru": "четверг, 3 декабря",
    "bn": "বৃহস্পতিবার, 3 ডিসেম্বর",
    "ht": "jedi 3 desanm",
    "ko": "12월 3일 목요일",
    "ar": "الخميس، 3 ديسمبر",
    "ur": "جمعرات، 3 دسمبر",
    "fr": "jeudi 3 décembre",
    "pl": "czwartek, 3 grudnia",
}


def test_days_are_written_as_each_language_writes_them(city):
    day = date(2026, 12, 3)

    assert {locale.tag: locale.day(day) for locale in city.locales} == DAYS


@pytest.mark.parametrize("tag", sorted(set(DAYS) - {"en", "ht"}))
def test_days_are_those_of_the_unicode_cldr_without_the_year(city, tag):
    locale = city.locale(tag)
    for day in (date(2026, month, 10 + month) for month in range(1, 13)):
        full = format_date(day, "full", tag.replace("-", "_"))
        known = re.sub(r"2026年|[,،]? (de )?2026(\sг\.)?|2026년 ", "", full)
        if tag == "bn":  # January and February, as Bangladesh spells them now
            known = known.replace("য়ারী", "য়ারি").replace("য়ারী", "য়ারি")

        # Running text has no comma in Spanish: "el jueves 3 de diciembre".
        assert locale.day(day) == (known.replace(",", "") if tag == "es" else known)


def test_haitian_creole_is_not_french(city):
    creole, french = city.locale("ht"), city.locale("fr")

    assert set(creole.weekdays) & set(french.weekdays) == set()
    assert set(creole.months) & set(french.months) == {"avril"}
    assert creole.time("14:05") == "2:05 nan apremidi"


def test_days_and_times_have_digits_that_phones_and_signs_have(city):
    for locale in city.locales:
        said = locale.day(date(2026, 10, 29)) + locale.time("14:05")
        assert all(letter in "0123456789" for letter in said if letter.isdigit()), locale.tag


def test_languages_ship_in_the_order_of_the_chooser_with_their_own_names(city):
    assert list(DAYS) == [locale.tag for locale in city.locales]
    assert [it.tag for it in city.locales if it.direction == "rtl"] == ["ar", "ur"]
    assert [it.tag for it in city.locales if it.desk] == ["en", "es"]


@pytest.mark.parametrize(
    ("at", "english", "spanish"),
    [
        ("00:05", "12:05 AM", "12:05 a. m."),
        ("09:30", "9:30 AM", "9:30 a. m."),
        ("11:59", "11:59 AM", "11:59 a. m."),
        ("12:00", "12:00 PM", "12:00 p. m."),
        ("14:05", "2:05 PM", "2:05 p. m."),
        ("23:59", "11:59 PM", "11:59 p. m."),
    ],
)
def test_times_are_written_as_each_language_writes_them(city, at, english, spanish):
    assert city.locale("en").time(at) == english
    assert city.locale("es").time(at) == spanish


@pytest.mark.parametrize(
    ("days", "english"),
    [
        ("mon tue wed thu fri", ["Monday – Friday"]),
        ("mon tue sat", ["Monday – Tuesday", "Saturday"]),
        ("tue thu", ["Tuesday", "Thursday"]),
        ("mon tue wed thu fri sat sun", ["Monday – Sunday"]),
        ("", [""]),
    ],
)
def test_opening_hours_are_written_by_runs_of_weekdays(city, days, english):
    hours = Hours(tuple(days.split()), "09:00", "17:30")

    assert city.locale("en").hours(hours) == [(day, "9:00 AM – 5:30 PM") for day in english]


def test_opening_hours_are_in_the_language_of_the_page(city):
    office = city.center("corona").hours[0]

    assert city.locale("es").hours(office) == [("lunes – viernes", "9:00 a. m. – 5:00 p. m.")]
    assert city.locale("zh-Hant").hours(office)[0][0] == "星期一 – 星期五"


def test_unknown_language_gets_the_first_one(city):
    assert city.locale("../../etc") is city.locales[0]
