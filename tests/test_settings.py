import pytest

from quietdesk import settings
from quietdesk.errors import BadSetting
from quietdesk.wire import b64
from tests.world import ROOT


def test_a_newcomer_sets_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    read = settings.read({})

    assert (read.stage, read.store, read.threshold) == ("demo", "sqlite:var/requests.db", 1)
    assert read.custodians == ()


def test_custodians_are_read_from_the_variable_or_a_file(tmp_path):
    keys = (b"one", b"two")
    text = " ".join(b64(key) for key in keys)
    (tmp_path / "custodians.txt").write_text(text + "\n")

    for value in (text, f"file:{tmp_path / 'custodians.txt'}"):
        assert settings.read({"QUIETDESK_CUSTODIANS": value}).custodians == keys


@pytest.mark.parametrize(
    "wrong",
    [
        {"QUIETDESK_STAGE": "staging"},
        {"QUIETDESK_THRESHOLD": "0"},
        {"QUIETDESK_THRESHOLD": "two"},
        {"QUIETDESK_CUSTODIANS": "not base64!"},
        {"QUIETDESK_CUSTODIANS": "b25l b25l"},
        {"POWERTOOLS_LOGGER_LOG_EVENT": "true"},
        {"POWERTOOLS_DEV": "1"},
        {"POWERTOOLS_DEBUG": "1"},
    ],
)
def test_wrong_setting_is_refused_by_name(wrong):
    with pytest.raises(BadSetting, match=next(iter(wrong))):
        settings.read(wrong)


@pytest.mark.parametrize("junk", [b"\xff\xfe\x00", b"\x80abc", "кАbc".encode("utf-16-le")])
def test_file_of_custodians_that_is_not_text_is_said(tmp_path, junk):
    (tmp_path / "junk").write_bytes(junk)

    with pytest.raises(BadSetting, match="cannot be read"):
        settings.read({"QUIETDESK_CUSTODIANS": f"file:{tmp_path / 'junk'}"})


def test_production_refuses_demo_keys():
    read = settings.read({"QUIETDESK_STAGE": "production", "QUIETDESK_THRESHOLD": "2"})

    with pytest.raises(BadSetting, match="demo"):
        read.trust("demo")


@pytest.mark.parametrize("stage", ["demo", "production"])
def test_one_custodian_is_enough_for_the_demo_only(stage):
    read = settings.read({"QUIETDESK_STAGE": stage})

    with pytest.raises(BadSetting, match="QUIETDESK_THRESHOLD"):
        read.trust("somewhere")


def test_every_setting_is_in_the_operations_manual():
    manual = (ROOT / "docs" / "operations.md").read_text()

    for name, _, _ in settings.SETTINGS:
        assert f"`{name}`" in manual


def test_fewer_custodians_than_must_sign_are_said_as_that():
    """Else every document in the store would seem to be signed by the wrong people."""
    named = {"QUIETDESK_CUSTODIANS": "b25l", "QUIETDESK_THRESHOLD": "2"}

    with pytest.raises(BadSetting, match="names 1, and QUIETDESK_THRESHOLD asks for 2"):
        settings.read(named).trust("somewhere")


def test_no_custodians_at_all_leave_every_form_closed():
    assert settings.read({"QUIETDESK_THRESHOLD": "2"}).trust("somewhere").custodians == ()
