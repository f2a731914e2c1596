import pytest

from quietdesk.errors import BadCity
from quietdesk.website.sources import Sources, State, read_text, source_hash
from tests.world import ROOT

ENGLISH = "# Papers\n\nBring your papers.\n"


def write(folder, tag, name, body, **meta):
    path = folder / tag / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{key}: {value}\n" for key, value in {"title": "T", **meta}.items())
    path.write_text(f"---\n{lines}---\n{body}", "utf-8")


@pytest.fixture
def folder(tmp_path):
    for name in ("papers", "privacy"):
        write(tmp_path / "pages", "en", name, ENGLISH, status="draft")
    return tmp_path


def sources(folder):
    return Sources(folder / "pages", folder / "own", ("en", "fr"))


def translate(folder, name, status="unreviewed", made_from=ENGLISH, where="pages"):
    write(
        folder / where, "fr", name, "# Papiers", status=status, source_hash=source_hash(made_from)
    )


def test_page_without_translation_is_shown_in_english_and_says_so(folder):
    shown = sources(folder).shown("fr", "papers")

    assert sources(folder).state("fr", "papers") is State.MISSING
    assert (shown.lang, shown.text.body, shown.notes) == ("en", ENGLISH, ("english",))


@pytest.mark.parametrize(
    ("status", "made_from", "state", "lang", "notes"),
    [
        ("reviewed", ENGLISH, State.REVIEWED, "fr", ()),
        ("unreviewed", ENGLISH, State.UNREVIEWED, "fr", ("unreviewed",)),
        ("draft", ENGLISH, State.MISSING, "en", ("english",)),
        ("ready", ENGLISH, State.MISSING, "en", ("english",)),
        ("reviewed", "other", State.STALE, "fr", ("older",)),
        ("unreviewed", "other", State.STALE, "fr", ("older", "unreviewed")),
        ("stale", "other", State.STALE, "fr", ("older", "unreviewed")),
    ],
)
def test_state_decides_what_is_shown_and_said(folder, status, made_from, state, lang, notes):
    translate(folder, "papers", status, made_from)

    site = sources(folder)

    assert site.state("fr", "papers") is state
    assert (site.shown("fr", "papers").lang, site.shown("fr", "papers").notes) == (lang, notes)


def test_old_promise_of_privacy_is_not_shown(folder):
    translate(folder, "privacy", "reviewed", "other")

    assert sources(folder).shown("fr", "privacy").lang == "en"


def test_page_of_the_city_replaces_the_one_that_ships(folder):
    translate(folder, "papers")
    write(folder / "own", "fr", "papers", "# Nos papiers", status="reviewed",
          source_hash=source_hash(ENGLISH))  # fmt: skip

    assert sources(folder).shown("fr", "papers").text.body == "# Nos papiers"


def test_translation_of_a_page_that_the_city_replaced_is_not_one_of_it(folder):
    translate(folder, "papers")
    write(folder / "own", "en", "papers", "# Our papers")

    assert sources(folder).shown("en", "papers").text.body == "# Our papers"
    assert sources(folder).state("fr", "papers") is State.MISSING


def test_space_around_a_text_does_not_make_its_translation_stale():
    assert source_hash("\n# Papers\n") == source_hash("# Papers")


@pytest.mark.parametrize("text", ["# Papers", "---\n- a\n---\n# P", "---\ntitle: [\n---\n# P"])
def test_file_without_front_matter_is_named(tmp_path, text):
    (tmp_path / "x.md").write_text(text)

    with pytest.raises(BadCity, match=r"x\.md"):
        read_text(tmp_path / "x.md")


def test_every_page_that_ships_can_be_read():
    for path in (ROOT / "site/pages").rglob("*.md"):
        assert read_text(path).meta["title"], path
