import shutil
from datetime import date

import pytest

from quietdesk import envelopes, replies
from quietdesk.city import City, Hours
from quietdesk.errors import BadCity
from quietdesk.openings import Opening
from quietdesk.website.profile import compile_profile
from tests.world import ROOT


@pytest.fixture
def profile(tmp_path):
    """A copy of the profile to spoil, and a way to compile it."""
    shutil.copytree(ROOT / "site/city", tmp_path / "city")
    shutil.copytree(ROOT / "site/words", tmp_path / "words")
    return tmp_path


def compiled(profile):
    return City.from_data(compile_profile(profile / "city", profile / "words"))


EN_TIME = '"{hour12}:{minute} {half}", halves: [AM, PM]'
WEEKDAYS = "s {days: [mon, tue, wed, thu, fri]"  # of its openings, not of its hours
MORNING = 'am: {at: ["09:00", "10:00", "11:00"], seats: 12}'
AFTERNOON = 'pm: {at: ["13:00", "14:00", "15:00"], seats: 12}'
BRONX = "id: bronx-library,"


def spoil(profile, file, before, after):
    """Write something else where `before` first stands in a file of the profile."""
    path = profile / "city" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def bronx(profile, before, after):
    """The center bronx-library with something else in its entry."""
    spoil(profile, "centers.yml", before, after)
    return compiled(profile).center("bronx-library")


def test_language_that_is_a_draft_is_left_out(profile):
    spoil(profile, "languages.yml", "tag: es,", "tag: es, draft: true,")

    assert "es" not in [locale.tag for locale in compiled(profile).locales]


def test_words_of_the_city_add_to_those_that_ship_and_win(profile):
    (profile / "city/words").mkdir()
    (profile / "city/words/es.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "Home"\nmsgstr "Portada"\n\nmsgid "Our bus"\nmsgstr "Nuestro autobús"\n'
    )

    spanish = compiled(profile).words["es"]

    assert (spanish["Home"], spanish["Our bus"]) == ("Portada", "Nuestro autobús")
    assert spanish["Your privacy"] == "Su privacidad"


def test_language_with_24_hours_needs_no_halves(profile):
    spoil(profile, "languages.yml", EN_TIME, '"{hour} h {minute}"')

    english = compiled(profile).locale("en")

    assert english.halves == ("", "")
    assert [english.time(at) for at in ("09:30", "14:05")] == ["9 h 30", "14 h 05"]


def test_weekdays_of_hours_may_stand_in_any_order(profile):
    spoil(profile, "centers.yml", "[mon, tue, wed, thu, fri], from", "[fri, mon], from")

    assert compiled(profile).center("corona").hours == (Hours(("mon", "fri"), "09:00", "17:00"),)


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("programme.yml", "queue: main", "queue: Main Queue", "programme.yml: queue"),
        ("programme.yml", "serve_days: 7", "serve_days: 22", "serve_days must be a whole number"),
        (
            "programme.yml",
            "answer_by_days: 10",
            "answer_by_days: 15",
            "programme.yml: answer_by_days must be at most 14 while serve_days is 7: "
            "write answer_by_days: 14, or serve_days: 8",
        ),
        ("programme.yml", "serve_days: 7", "serve_days: 2", "write answer_by_days: 9, or serve_"),
        ("programme.yml", "answer_by_days: 10", "answer_by_days: 29", "number from 1 to 28"),
        ("programme.yml", "America/New_York", "Gotham", "a time zone"),
        ("programme.yml", "max_people: 6", "max_people: six", "max_people"),
        ("programme.yml", "visit_types: [new,", "visit_types: [new, new,", "different short names"),
        ("centers.yml", "id: corona", "id: any", "must not be the word any"),
        ("centers.yml", "id: corona", "id: bronx-library", "the same name"),
        ("centers.yml", "name: Corona,", "", "centers 4: name"),
        ("centers.yml", BRONX, f"{BRONX} access: [lift],", "centers 1: access must be some of"),
        ("centers.yml", BRONX, f"{BRONX} access: [],", "centers 1: access must be some of"),
        ("centers.yml", BRONX, f"{BRONX} languages: [xx],", "languages must be some of en, es"),
        ("centers.yml", BRONX, f"{BRONX} transit: 7,", "centers 1: transit must be text"),
        ("centers.yml", 'to: "17:00"', 'to: "9-5"', "centers 1: hours 1: to"),
        ("centers.yml", 'to: "17:00"', 'to: "08:00"', "hours 1: to must be later than from"),
        (
            "centers.yml",
            "hours: &office",
            "hours: 9-5, old: &office",
            "centers 1: hours must be a list",
        ),
        (
            "centers.yml",
            "{days: [mon, tue, wed, thu, fri], from",
            "{days: [monday], from",
            "centers 1: hours 1: days must be some of mon",
        ),
        ("languages.yml", "direction: ltr", "direction: down", "direction"),
        ("languages.yml", "{day}", "{hour}", "day_pattern"),
        ("languages.yml", "ltr, desk: true", "ltr, desk: perhaps", "desk must be true or false"),
        ("languages.yml", "locales:", "locales: [", "languages.yml is not YAML"),
    ],
)
def test_spoiled_file_is_named_with_what_is_wrong(profile, file, before, after, message):
    spoil(profile, file, before, after)

    with pytest.raises(BadCity, match=message):
        compiled(profile)


def test_center_keeps_what_somebody_told_of_it(profile):
    told = 'access: [seats, step_free], transit: "7 train", languages: [es, ase],'
    center = bronx(profile, BRONX, f"{BRONX} {told}")

    assert (center.access, center.transit, center.languages) == (
        ("seats", "step_free"), "7 train", ("es", "ase"),
    )  # fmt: skip


@pytest.mark.parametrize("file", ["city/centers.yml", "words/es.po"])
def test_missing_file_is_named(profile, file):
    (profile / file).unlink()

    with pytest.raises(BadCity, match=file.partition("/")[2]):
        compiled(profile)


def test_empty_and_doubtful_translations_are_left_out(profile):
    (profile / "words/es.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "one"\nmsgstr "uno"\n\nmsgid "two"\nmsgstr ""\n\n'
        '#, fuzzy\nmsgid "three"\nmsgstr "tres"\n'
    )

    assert compiled(profile).words["es"] == {"one": "uno"}


def test_language_that_babel_does_not_know_brings_its_own_names(profile):
    path = profile / "city/languages.yml"
    months = ", ".join(f"{n}m" for n in range(1, 13))
    row = (
        '  - {tag: qaa, name: Q, direction: rtl, day_pattern: "{weekday} {day} {month}", '
        'time_pattern: "{hour}:{minute}", '
        f"dates: {{weekdays: [a, b, c, d, e, f, g], months: [{months}]}}}}"
    )
    path.write_text(path.read_text().replace("locales:", f"locales:\n{row}", 1))
    shutil.copy(profile / "words/es.po", profile / "words/qaa.po")

    added = compiled(profile).locale("qaa")
    assert added.day(date(2026, 12, 3)) == "d 3 12m"
    assert added.time("14:05") == "14:05"


# --- Openings in centers.yml ---------------------------------------------------------------------


def test_centers_that_ship_open_on_weekdays_with_four_seats_a_time(city):
    for center in city.centers:
        assert center.days == ("mon", "tue", "wed", "thu", "fri")
        assert dict(center.times) == dict.fromkeys(
            ("09:00", "10:00", "11:00", "13:00", "14:00", "15:00"), 4
        )
        assert (center.dates, center.closed, center.path) == ((), (), "")
    assert city.listed == city.centers


@pytest.mark.parametrize(
    ("seats", "times"),
    [
        (12, (("09:00", 4), ("10:00", 4), ("11:00", 4))),
        (14, (("09:00", 5), ("10:00", 5), ("11:00", 4))),
        (2, (("09:00", 1), ("10:00", 1))),
        (1, (("09:00", 1),)),
    ],
)
def test_seats_of_a_part_of_day_are_spread_and_the_earlier_times_get_more(profile, seats, times):
    spoil(profile, "centers.yml", f", {AFTERNOON}", "")

    center = bronx(profile, MORNING, MORNING.replace("12", str(seats)))

    assert center.times == times


def test_times_are_in_order_however_they_were_written(profile):
    center = bronx(
        profile, '["09:00", "10:00", "11:00"], seats: 12', '["11:00", "09:00"], seats: 3'
    )

    assert center.times[:2] == (("09:00", 2), ("11:00", 1))


def test_center_without_opens_has_no_times(profile):
    spoil(profile, "centers.yml", "verified: false,\n     opens: *weekdays}", "verified: false}")

    center = compiled(profile).center("grand-army-plaza")

    assert (center.days, center.times) == ((), ())


def test_pop_up_has_dates_in_the_place_of_weekdays(profile):
    center = bronx(profile, BRONX, f"{BRONX} dates: [2026-12-05, 2026-12-06],")

    assert (center.dates, center.days) == (("2026-12-05", "2026-12-06"), ())
    assert len(center.times) == 6


def test_closed_days_are_kept_as_dates(profile):
    assert bronx(profile, BRONX, f"{BRONX} closed: [2026-12-25],").closed == ("2026-12-25",)


def test_center_with_a_path_is_not_listed(profile):
    center = bronx(profile, BRONX, f"{BRONX} path: some-word,")

    city = compiled(profile)
    assert center.path == "some-word"
    assert center in city.centers
    assert center not in city.listed
    assert len(city.listed) == len(city.centers) - 1


def unlisted(profile, letter):
    """A center with the longest names there can be, whose name and address have 120 letters."""
    spoil(profile, "centers.yml", BRONX, f"id: {'b' * 32}, path: partner-of-ours,")
    spoil(profile, "centers.yml", "name: Bronx Library Center", f'name: "{letter * 60}"')
    spoil(profile, "centers.yml", "310 East Kingsbridge Road, Bronx 10458", letter * 60)
    return compiled(profile).center("b" * 32)


def test_longest_name_and_address_of_an_unlisted_center_fit_the_reply(profile):
    center = unlisted(profile, "x")

    opening = Opening(date(2026, 12, 3), "23:59", center.id, center.path)
    reply = replies.write(replies.placed(opening, center))
    assert len(envelopes.seal_reply(reply, bytes(32), bytes(16))) == 284


@pytest.mark.parametrize("letter", ['\\"', "\\\\", "\\x01"])
def test_letters_that_take_more_room_in_the_reply_are_counted_so(profile, letter):
    with pytest.raises(BadCity, match="centers 1: name and address must"):
        unlisted(profile, letter)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (WEEKDAYS, "s {days: [mon, thursday]", "centers 1: opens: days must be some of mon, tue"),
        (WEEKDAYS, "s {days: [mon, mon]", "opens: days must be some of"),
        (WEEKDAYS, "s {days: []", "opens: days must be some of"),
        (WEEKDAYS, "s {days: mon", "opens: days must be some of"),
        (WEEKDAYS, "s {days: [[mon]]", "opens: days must be some of"),
        (WEEKDAYS, "s {days: [{mon: 1}]", "opens: days must be some of"),
        (WEEKDAYS, "s {days: [1]", "opens: days must be some of"),
        (f"{WEEKDAYS}, ", "s {", "opens: days must be some of"),
        (f"{MORNING}, {AFTERNOON}", "noon: 12", "opens: am, pm or eve must have different times"),
        (AFTERNOON, MORNING.replace("am", "pm", 1), "am, pm or eve must have different times"),
        (AFTERNOON, AFTERNOON.replace("14:00", "13:00"), "must have different times"),
        (MORNING, "am: 12", "centers 1: opens: am must be a mapping"),
        (MORNING, "am: {}", "centers 1: opens: am must be a mapping"),
        (MORNING, 'am: {at: ["09:00"]}', "opens: am: seats must be a whole number from 1 to 500"),
        (MORNING, 'am: {at: ["09:00"], seats: 0}', "opens: am: seats must be a whole number"),
        (MORNING, 'am: {at: ["09:00"], seats: 501}', "opens: am: seats must be a whole number"),
        (MORNING, 'am: {at: ["09:00"], seats: many}', "opens: am: seats must be a whole number"),
        (MORNING, 'am: {at: ["09:00"], seats: true}', "opens: am: seats must be a whole number"),
        (MORNING, "am: {seats: 12}", "opens: am: at must be a list of times in quotes"),
        (MORNING, "am: {at: [], seats: 12}", "opens: am: at must be a list of times in quotes"),
        # Without quotes YAML reads 10:00 as a number.
        (MORNING, "am: {at: [10:00], seats: 12}", "opens: am: at must be a list of times in quot"),
        (MORNING, 'am: {at: "09:00", seats: 12}', "opens: am: at must be a list of times in quot"),
        (MORNING, 'am: {at: ["9:00"], seats: 12}', "opens: am: at must be a list of times in quo"),
        (MORNING, 'am: {at: ["09:60"], seats: 12}', "opens: am: at must be a list of times in qu"),
        (MORNING, 'am: {at: ["24:00"], seats: 12}', "opens: am: at must be a list of times in qu"),
        (MORNING, 'am: {at: ["0٩:00"], seats: 12}', "opens: am: at must be a list of times in qu"),
        ("opens: *weekdays", "opens: [mon]", "centers 2: opens must be a mapping"),
        ("opens: *weekdays", "opens: null", "centers 2: opens must be a mapping"),
        (BRONX, f"{BRONX} dates: 2026-12-05,", "centers 1: dates must be dates"),
        (BRONX, f'{BRONX} dates: ["2026-12-05"],', "centers 1: dates must be dates"),
        (BRONX, f"{BRONX} dates: [2026-12-05 10:00:00],", "centers 1: dates must be dates"),
        (BRONX, f"{BRONX} dates: [saturday],", "centers 1: dates must be dates"),
        (BRONX, f"{BRONX} dates: [20261205],", "centers 1: dates must be dates"),
        (BRONX, f"{BRONX} dates: null,", "centers 1: dates must be dates"),
        (BRONX, f"{BRONX} closed: 2026-12-25,", "centers 1: closed must be dates"),
        (BRONX, f"{BRONX} closed: [christmas],", "centers 1: closed must be dates"),
        (BRONX, f"{BRONX} closed: [2026-02-29],", "centers"),
        (BRONX, f"{BRONX} path: Partner,", "centers 1: path must be text like"),
        (BRONX, f"{BRONX} path: ab,", "centers 1: path must be text like"),
        (BRONX, f"{BRONX} path: {'p' * 16},", "centers 1: path must be text like"),
        (BRONX, f"{BRONX} path: with_line,", "centers 1: path must be text like"),
        (BRONX, f"{BRONX} path: null,", "centers 1: path must be text like"),
        (BRONX, f'{BRONX} path: "",', "centers 1: path must be text like"),
        (BRONX, f"{BRONX} path: desk,", "centers 1: path must not be the word desk"),
        ("id: bronx-library", "id: [bronx]", "centers"),
        ("id: bronx-library", "id: Bronx", "centers 1: id must be text like"),
    ],
)
def test_spoiled_openings_of_a_center_are_named(profile, before, after, message):
    spoil(profile, "centers.yml", before, after)

    with pytest.raises(BadCity, match=message) as refused:
        compiled(profile)

    assert str(refused.value).startswith("centers.yml")


@pytest.mark.parametrize(("letter", "fits"), [("x", 120), ("ব", 40)])
def test_long_name_and_address_are_refused_only_where_there_is_a_path(profile, letter, fits):
    name = letter * (fits - len("310 East Kingsbridge Road, Bronx 10458") // len(letter.encode()))
    spoil(profile, "centers.yml", "name: Bronx Library Center", f"name: {name}")
    compiled(profile)
    spoil(profile, "centers.yml", BRONX, f"{BRONX} path: partner,")
    spoil(profile, "centers.yml", f"name: {name}", f"name: {name}{letter}")

    with pytest.raises(BadCity, match="centers 1: name and address must have 120 bytes at most"):
        compiled(profile)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("offered_share: 50", "offered_share: 101", "offered_share must be a whole number from 0"),
        ("offered_share: 50", "offered_share: -1", "offered_share must be a whole number from 0"),
        ("offered_share: 50", "offered_share: 50%", "offered_share must be a whole number from 0"),
        ("offered_share: 50", "offered_share: 0.5", "offered_share must be a whole number from 0"),
        ("offered_share: 50", "offered_share: true", "offered_share must be a whole number from"),
        ("offered_share: 50", "", "offered_share must be a whole number from 0 to 100"),
        ("lock_minutes: 15", "lock_minutes: 0", "lock_minutes must be a whole number from 1 to 30"),
        ("lock_minutes: 15", "lock_minutes: 31", "lock_minutes must be a whole number from 1 to"),
        ("lock_minutes: 15", "lock_minutes: yes", "lock_minutes must be a whole number from 1 to"),
        ("lock_minutes: 15", "lock_minutes: never", "lock_minutes must be a whole number from 1"),
        ("lock_minutes: 15", "", "lock_minutes must be a whole number from 1 to 30"),
    ],
)
def test_spoiled_number_of_the_programme_is_named(profile, before, after, message):
    spoil(profile, "programme.yml", before, after)

    with pytest.raises(BadCity, match=f"programme.yml: {message}"):
        compiled(profile)


@pytest.mark.parametrize("share", [0, 100])
def test_nothing_or_everything_may_be_offered(profile, share):
    spoil(profile, "programme.yml", "offered_share: 50", f"offered_share: {share}")

    assert compiled(profile).offered_share == share


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ('"{hour12}:{minute}"', "locales 1: time_pattern must be text with"),
        ('"{minute}"', "locales 1: time_pattern must be text with"),
        ('"{hour}"', "locales 1: time_pattern must be text with"),
        ('"{hour12} {half}", halves: [AM, PM]', "locales 1: time_pattern must be text with"),
        ('"{hours}:{minute}"', "locales 1: time_pattern must be text with"),
        ('"{hour.real.x}:{minute}"', "locales 1: time_pattern must be text with"),
        ('"{hour[0]}:{minute}"', "locales 1: time_pattern must be text with"),
        ('"{}:{minute}"', "locales 1: time_pattern must be text with"),
        ('"{hour"', "locales 1: time_pattern must be text with"),
        ('"14:05"', "locales 1: time_pattern must be text with"),
        ("14", "locales 1: time_pattern must be text with"),
        ("null", "locales 1: time_pattern must be text with"),
        ('"{hour12}:{minute} {half}"', "locales 1: halves"),
        ('"{hour12}:{minute} {half}", halves: [AM]', "locales 1: halves must be a list of 2"),
        ('"{hour12}:{minute} {half}", halves: [AM, PM, EM]', "locales 1: halves must be a list"),
        ('"{hour12}:{minute} {half}", halves: AMPM', "locales 1: halves must be a list of 2"),
        ('"{hour12}:{minute} {half}", halves: [no, yes]', "locales 1: halves must be a list of 2"),
        ('"{hour12}:{minute} {half}", halves: ["", ""]', "locales 1: halves"),
        ('"{hour12}:{minute} {half}", halves: [AM, AM]', "locales 1: halves"),
    ],
)
def test_spoiled_way_of_writing_a_time_is_named(profile, time, message):
    spoil(profile, "languages.yml", EN_TIME, time)

    with pytest.raises(BadCity, match=f"languages.yml: {message}"):
        compiled(profile)


def test_language_without_a_way_of_writing_a_time_is_named(profile):
    spoil(profile, "languages.yml", f"time_pattern: {EN_TIME}", "more: 1")

    with pytest.raises(BadCity, match=r"languages\.yml: locales 1: time_pattern must"):
        compiled(profile)


@pytest.mark.parametrize("pattern", ["{weekday} {day}", "{day} {month}", "{weekday} {day.x}"])
def test_day_lacks_neither_weekday_nor_month(profile, pattern):
    spoil(profile, "languages.yml", "{weekday}, {month} {day}", pattern)

    with pytest.raises(BadCity, match=r"languages\.yml: locales 1: day_pattern must"):
        compiled(profile)
