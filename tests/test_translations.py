"""The translations that ship are complete and true to the English; and each check can fail."""

import re
import shutil

import pytest
import yaml

from quietdesk.staff.commands.main import main
from quietdesk.website import faults, prose, words
from quietdesk.website.checked import read_yaml
from quietdesk.website.faults import CHECKS, back_translations
from quietdesk.website.sources import source_hash
from quietdesk.website.translations import Translations
from tests.world import ROOT

BACK = ROOT / "tests/back_translation"
SHIPPED = Translations(ROOT / "site", ROOT / "site/city")
SHOWN = [language.tag for language in SHIPPED.languages if not language.draft]

ENGLISH = """# Your card

Call {{ phone }}. Bring your papers.

1. See the [list of papers](papers.md).
"""
CREOLE = """# Kat ou

Rele {{ phone }}. Pote papye ou yo.

1. Gade [lis papye yo](papers.md).
"""


# --- What ships ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", SHOWN)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_translation_that_ships_has_no_problem(check, tag):
    assert list(check(SHIPPED, tag)) == []


@pytest.mark.parametrize("tag", [tag for tag in SHOWN if tag != "en"])
def test_translation_that_ships_was_put_back_into_english_as_it_is_today(tag):
    assert (BACK / tag / "words.po").exists()
    assert list(back_translations(SHIPPED, tag, BACK)) == []


def test_catalogs_are_as_make_words_writes_them(tmp_path):
    shutil.copytree(ROOT / "site/words", tmp_path / "words")
    for tag in SHOWN:
        path = tmp_path / f"words/{tag}.po"
        assert not words.update(path, SHIPPED.texts(tag), tag), "run: make words"


def test_glossary_names_only_its_terms_and_texts_that_there_are():
    glossary = SHIPPED.glossary

    for locked in glossary["languages"].values():
        assert locked.keys() <= glossary["terms"].keys()
    for tag, terms in glossary["exceptions"].items():
        assert terms.keys() <= glossary["terms"].keys()
        assert {text for texts in terms.values() for text in texts} <= {*SHIPPED.texts(tag)}


# --- Every check can fail ------------------------------------------------------------------------


class Small:
    """A site of one page and two strings in three languages, true at first."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "site/city", folder / "city")
        (folder / "words").mkdir()
        self.page("en", ENGLISH)
        for tag in ("ht", "zh-Hans", "zh-Hant"):
            self.page(tag, CREOLE)
            self.strings(tag, {})
        terms = {"card": ["card", "cards"], "paper": ["papers"]}
        self.glossary = {
            "terms": terms,
            "languages": {"ht": {"card": ["kat"], "paper": ["papye"]}},
            "exceptions": {},
            "stays_english": [],
        }

    def page(self, tag, body, **meta):
        meta = {"title": "T", "status": "unreviewed", "source_hash": source_hash(ENGLISH), **meta}
        path = self.folder / f"pages/{tag}/card.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\n{yaml.safe_dump(meta)}---\n{body}", "utf-8")

    def strings(self, tag, said):
        catalog = "".join(f'msgid "{text}"\nmsgstr "{it}"\n\n' for text, it in said.items())
        head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        (self.folder / f"words/{tag}.po").write_text(head + catalog, "utf-8")

    @property
    def site(self):
        (self.folder / "words/glossary.yml").write_text(yaml.safe_dump(self.glossary), "utf-8")
        return Translations(self.folder, self.folder / "city")

    def said(self, check, tag="ht"):
        return list(check(self.site, tag))


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path)


CHECKS_OF_PAGES = [
    faults.missing_pages, faults.states, faults.facts_and_links,
    faults.numbers, faults.untranslated, faults.glossary, faults.spelling,
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS_OF_PAGES, ids=lambda check: check.__name__)
def test_true_translation_has_no_problem(small, check):
    small.strings("ht", {"Bring your papers.": "Pote papye ou yo."})

    assert small.said(check) == []


@pytest.mark.parametrize("meta", [{"status": "draft"}, {"status": "done"}])
def test_draft_counts_as_missing(small, meta):
    small.page("ht", CREOLE, **meta)

    assert small.said(faults.missing_pages) == ["ht/card.md is missing, or a draft"]


def test_missing_page_and_string_are_named(small):
    (small.folder / "pages/ht/card.md").unlink()

    assert small.said(faults.missing_pages) == ["ht/card.md is missing, or a draft"]
    assert "ht.po has no translation of 'Leave this page'" in small.said(faults.missing_strings)


def test_desk_is_asked_only_of_languages_that_staff_use(small):
    desk = {*words.of_desk()}

    assert desk <= {*small.site.texts("es")}
    assert not desk & {*small.site.texts("ht")}


def test_note_may_be_empty_when_every_page_is_reviewed(small):
    note = f"ht.po has no translation of {words.NOTE!r}"
    assert note in small.said(faults.missing_strings)

    small.page("ht", CREOLE, status="reviewed")

    assert note not in small.said(faults.missing_strings)


def test_string_that_nothing_says_any_more_is_named(small):
    small.strings("ht", {"Old": "Vye"})

    (problem,) = small.said(faults.left_over_strings)

    assert "'Old'" in problem


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        ({"source_hash": "0"}, "is older than the English: .*source_hash: "),
        ({"source_hash": "0", "status": "reviewed"}, "is older than the English"),
        ({"status": "stale"}, "is marked stale, but"),
        ({"status": "fine"}, "status must be one of"),
        ({"title": ""}, "has no title"),
        ({"status": "reviewed", "reviewed_on": "soon"}, "reviewed_by must name a role"),
        ({"status": "reviewed", "reviewed_by": "An office"}, "reviewed_on must be a day"),
    ],
)
def test_front_matter_that_cannot_be_true_is_named(small, meta, problem):
    small.page("ht", CREOLE, **meta)

    assert [it for it in small.said(faults.states) if re.search(problem, it)]


def test_older_page_may_be_marked_stale(small):
    small.page("ht", CREOLE, source_hash="0", status="stale")

    assert small.said(faults.states) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("{{ phone }}", "{{ facts.fee }}", "lacks {{ phone }} and adds {{ facts.fee }}"),
        ("papers.md", "privacy.md", "lacks ](papers.md) and adds ](privacy.md)"),
        ("Kat ou", "Kat ou { #kat }", "adds { #kat }"),
    ],
)
def test_other_facts_and_links_are_named(small, before, after, problem):
    small.page("ht", CREOLE.replace(before, after))

    assert small.said(faults.facts_and_links) == [f"ht/card.md: {problem}"]


@pytest.mark.parametrize("said", ["{other} konsa", "konsa", "{day} {day}", "{day"])
def test_other_values_in_a_string_are_named(small, said):
    small.strings("ht", {"Look again on {day}.": said})

    assert len(small.said(faults.placeholders)) == 1


@pytest.mark.parametrize("digits", ["3", "৩", "٣", "12"])
def test_number_of_any_script_that_is_no_fact_is_named(small, digits):
    small.page("ht", CREOLE + f"\nPote {digits} papye.\n")

    assert small.said(faults.numbers) == [f"ht/card.md has the number {digits}, which is no fact"]


def test_english_that_is_left_is_named_in_latin_letters(small):
    small.page("ht", CREOLE + "\nPote papye: Bring your papers when ou vini.\n")
    small.page("en", ENGLISH + "\nWhen you come.\n")
    small.strings("ht", {"Home": "Leave this page now"})

    found = small.said(faults.untranslated)

    assert found[0] == "ht/card.md has English left: Bring your papers when"
    assert "ht.po: 'Home' has English left" not in found


def test_english_that_is_left_is_named_in_other_letters(small):
    small.page("zh-Hans", "# 卡\n\n请致电 Department of Finance Office.\n")
    small.strings("zh-Hans", {"Home": "首页 Social Security card {day} one two three"})

    assert small.said(faults.untranslated, "zh-Hans") == [
        "zh-Hans/card.md has English left: Department of Finance Office"
    ]

    small.glossary["stays_english"] = ["Department of Finance Office"]
    assert small.said(faults.untranslated, "zh-Hans") == []


def test_locked_word_that_is_not_used_is_named(small):
    small.page("ht", CREOLE.replace("Kat ou", "Idantite ou"))
    small.strings("ht", {"Bring your papers.": "Pote dokiman ou yo.", "{card}": "{card}"})

    assert small.said(faults.glossary) == [
        "ht/card.md does not say kat for 'card'",
        "ht.po: 'Bring your papers.' does not say papye for 'paper'",
    ]

    small.glossary["exceptions"] = {"ht": {"paper": ["Bring your papers."]}}
    assert len(small.said(faults.glossary)) == 1


def test_term_without_a_locked_word_is_named(small):
    del small.glossary["languages"]["ht"]["card"]

    assert "glossary.yml has no word for 'card' in ht" in small.said(faults.glossary)


@pytest.mark.parametrize("said", ["Pote vos papye", "Nan l'adrès la", "Nan d’autres kote"])
def test_french_in_haitian_creole_is_named(small, said):
    small.page("ht", f"# {said}")
    small.strings("ht", {"Home": said})

    assert len(small.said(faults.spelling)) == 2
    assert prose.french_words("Ou ka vini lè ou vle, ak papye ou yo, pou kat la.") == []


def test_characters_of_the_other_chinese_are_named(small):
    small.page("zh-Hans", "# 请預約")
    small.page("zh-Hant", "# 請预約")
    small.strings("zh-Hant", {"Home": "首页"})

    assert small.said(faults.spelling, "zh-Hans") == ["zh-Hans/card.md: 預 約"]
    assert small.said(faults.spelling, "zh-Hant") == [
        "zh-Hant/card.md: 预",
        "zh-Hant.po: 'Home': 页",
    ]


def test_page_with_something_left_to_fill_in_is_named(tmp_path):
    (tmp_path / "a.html").write_text("<p>{{ days }}</p>")
    (tmp_path / "b.html").write_text("<p>fine</p>")

    assert list(faults.left_to_fill_in(tmp_path)) == ["a.html has something left to fill in"]


# --- Back-translations ---------------------------------------------------------------------------


@pytest.fixture
def back(small, tmp_path):
    """The site with a back-translation of its one page and one string."""
    small.strings("ht", {"Look again on {day}.": "Gade ankò {day}."})
    folder = tmp_path / "back"
    write_back(folder, ENGLISH, "Look again {day}.", "Gade ankò {day}.")
    return small, folder


def write_back(folder, body, said, made_from, page=CREOLE):
    (folder / "ht").mkdir(parents=True, exist_ok=True)
    (folder / "ht/card.md").write_text(f"---\nsource_hash: {source_hash(page)}\n---\n{body}")
    (folder / "ht/words.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        f"# {prose.string_mark(made_from)}\n"
        f'msgid "Look again on {{day}}."\nmsgstr "{said}"\n'
    )


def problems_of(back):
    small, folder = back
    return list(back_translations(small.site, "ht", folder))


def test_back_translation_of_today_has_no_problem(back):
    assert problems_of(back) == []


def test_missing_back_translation_is_named(back):
    shutil.rmtree(back[1])

    assert problems_of(back) == [
        "ht/card.md has no back-translation",
        "ht.po: 'Look again on {day}.' has no back-translation",
    ]


def test_back_translation_of_an_older_text_is_named(back):
    write_back(back[1], ENGLISH, "Look again {day}.", "Gade {day}.", page="# Kat")

    page, string = problems_of(back)

    assert source_hash(CREOLE) in page
    assert string.startswith(
        "ht.po: the back-translation of 'Look again on {day}.' is not of today"
    )
    assert string.endswith(f"# {prose.string_mark('Gade ankò {day}.')}")


def test_back_translation_with_other_facts_is_named(back):
    body = ENGLISH.replace("{{ phone }}", "311")
    write_back(back[1], body, "Look again.", "Gade ankò {day}.")

    facts, digits, values = problems_of(back)

    assert facts.endswith("lacks {{ phone }}")
    assert digits.endswith("has the number 311")
    assert values.endswith("fills in other values")


# --- The command ---------------------------------------------------------------------------------


def test_command_prints_the_state_of_every_page_in_every_language(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)

    assert main(["translations"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(SHIPPED.languages) == 12
    assert all(name in lines[0] for name in SHIPPED.sources.names)


def test_command_says_what_is_wrong_and_fails(small, monkeypatch, capsys):
    assert faults.problems(small.site, "ht")  # which writes its glossary
    (small.folder / "site").symlink_to(small.folder)
    monkeypatch.chdir(small.folder)

    assert main(["translations", "ht"]) == 1
    assert "ht.po has no translation of 'Leave this page'" in capsys.readouterr().out

    assert main(["translations", "xx"]) == 1
    assert "languages.yml has no language xx" in capsys.readouterr().err


def test_command_makes_the_catalog_of_a_new_language(small, monkeypatch):
    assert small.site
    (small.folder / "site").symlink_to(small.folder)
    monkeypatch.chdir(small.folder)

    assert main(["translations", "--update"]) == 0

    assert words.catalog(small.folder / "words/ur.po").keys() == {*small.site.texts("ur")}


def test_another_city_gets_files_of_its_own(small, monkeypatch):
    """What ships stays as it is: its own papers and languages are in the city's folder."""
    other = small.folder / "other"
    shutil.copytree(small.folder / "city", other)
    programme = other / "programme.yml"
    programme.write_text(programme.read_text().replace("name: Municipal", "name: Harbour", 1))
    before = (small.folder / "words/ht.po").read_bytes()
    assert small.site

    Translations(small.folder, other).update()

    assert (small.folder / "words/ht.po").read_bytes() == before
    name = read_yaml(programme)["name"]
    assert words.catalog(other / "words/ht.po") == {name: ""}
    assert "Leave this page" in words.catalog(other / "words/ur.po")
