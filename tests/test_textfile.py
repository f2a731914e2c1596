"""Files that people write, as their editors save them."""

import codecs

import pytest
from infra.plans import read_plan

from quietdesk import settings, textfile
from quietdesk.errors import BadCity
from quietdesk.website.checked import read_yaml
from quietdesk.website.sources import read_text
from quietdesk.wire import b64
from tests.world import ROOT

TEXT = "name: কর্নার\nday: Montag\n"
SAVED = {
    "as we do": TEXT.encode(),
    "marked": codecs.BOM_UTF8 + TEXT.encode(),
    "notepad": codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode(),
    "powershell": codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16 the other way": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "old mac": TEXT.replace("\n", "\r").encode(),
}
NO_TEXT = {
    "cp1252": "Müller".encode("cp1252"),
    "utf-16 without a mark": "Anna".encode("utf-16-le"),
    "cut": codecs.BOM_UTF16_LE + b"a",
    "picture": b"\x89PNG\r\n\x1a\n\x00",
}


@pytest.fixture(params=SAVED.values(), ids=SAVED.keys())
def saved(request, tmp_path):
    (tmp_path / "file").write_bytes(request.param)
    return tmp_path / "file"


def resaved(path, text):
    """A file as Notepad of an older Windows saves it when it is told Unicode."""
    path.write_bytes(codecs.BOM_UTF16_LE + text.replace("\n", "\r\n").encode("utf-16-le"))


def test_text_is_the_same_however_it_was_saved(saved):
    assert textfile.read(saved) == TEXT


def test_mark_inside_a_text_stays(tmp_path):
    (tmp_path / "file").write_text("a\ufeffb", "utf-8")

    assert textfile.read(tmp_path / "file") == "a\ufeffb"


@pytest.mark.parametrize("data", NO_TEXT.values(), ids=NO_TEXT.keys())
def test_what_is_no_text_is_refused(tmp_path, data):
    (tmp_path / "file").write_bytes(data)

    with pytest.raises(ValueError):
        textfile.read(tmp_path / "file")


def test_profile_of_a_city_is_read(saved):
    assert read_yaml(saved) == {"name": "কর্নার", "day": "Montag"}


def test_profile_that_is_no_text_is_named(tmp_path):
    (tmp_path / "facts.yml").write_bytes("Zürich: 1".encode("cp1252"))

    with pytest.raises(BadCity, match=r"facts\.yml"):
        read_yaml(tmp_path / "facts.yml")


def test_list_of_custodians_is_read(tmp_path, custodian):
    resaved(tmp_path / "custodians.txt", b64(custodian.public_key) + "\n")

    read = settings.read({"QUIETDESK_CUSTODIANS": f"file:{tmp_path / 'custodians.txt'}"})

    assert read.custodians == (custodian.public_key,)


def test_page_of_a_city_is_read(tmp_path):
    page = ROOT / "site/pages/en/privacy.md"
    resaved(tmp_path / "privacy.md", page.read_text("utf-8"))

    again, first = read_text(tmp_path / "privacy.md"), read_text(page)

    assert (again.body, again.meta) == (first.body, first.meta)


def test_plan_of_a_deployment_is_read(tmp_path):
    resaved(
        tmp_path / "deploy.yml",
        "demo:\n  account: '1'\n  domain:\n  custodians: []\n  threshold: 1\n  alarms: a@b.c\n",
    )

    assert read_plan(tmp_path, "demo").alarms == "a@b.c"
