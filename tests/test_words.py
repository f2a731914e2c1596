import pytest

from quietdesk.errors import BadCity
from quietdesk.pages.english import CONFIRM, NOTICES, QUESTIONS
from quietdesk.website import words
from tests.world import ROOT

CITY = ROOT / "site/city"
FILE = """# Spanish.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: es\\n"

# Said at the door.
msgid "Home"
msgstr "Inicio"

msgid "Gone"
msgstr "Ido"

msgid "{points} for identity"
msgstr "{points} de identidad"
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "es.po").write_text(FILE)
    return tmp_path / "es.po"


def test_texts_come_from_templates_modules_and_tables():
    found = words.of_site()

    assert len(found) == len({*found}) > 200
    for text in ("Leave this page", "Any place", CONFIRM, *QUESTIONS.values(), *NOTICES.values()):
        assert text in found
    assert words.NOTE not in found


def test_texts_of_the_desk_are_apart():
    desk = words.of_desk()

    assert {"The desk was locked. Nothing was changed.", "Waiting", "Try again in a moment.",
            "Choose another time."} <= {*desk}  # fmt: skip
    assert {*desk} & {*words.of_site()} == set()


def test_texts_of_the_city_are_its_name_and_its_papers():
    found = words.of_city(CITY)

    assert found[0] == "Municipal ID help desk"
    assert "ID card from your consulate" in found


def test_update_adds_new_texts_empty_and_drops_those_that_are_gone(path):
    assert words.update(path, ["{points} for identity", "Home", "100 % {new}"], "Spanish")

    text = path.read_text()
    assert "Gone" not in text
    assert text.endswith('msgid "100 % {new}"\nmsgstr ""\n')
    assert "#," not in text
    assert text.startswith(FILE.partition('msgid "Gone"')[0])


def test_update_changes_nothing_twice(path):
    texts = ["Home", "A long text that no editor should break. " * 9]
    words.update(path, texts, "Spanish")
    before = path.read_bytes()

    assert words.update(path, texts, "Spanish") is False
    assert path.read_bytes() == before


def test_file_of_a_new_language_has_every_text_and_its_language(tmp_path):
    words.update(tmp_path / "zh-Hant.po", ["Home"], "繁體中文")

    assert words.catalog(tmp_path / "zh-Hant.po") == {"Home": ""}
    assert '"Language: zh-Hant\\n"' in (tmp_path / "zh-Hant.po").read_text("utf-8")


def test_comments_are_kept_above_their_text(path):
    words.update(path, ["Home"], "Spanish")

    assert words.comments(path) == {"Home": ("Said at the door.",)}


def test_file_that_is_no_catalog_is_named(path):
    path.write_text("what?")

    with pytest.raises(BadCity, match=r"es\.po"):
        words.catalog(path)
