"""Signing in with a code, against a stand-in for AWS; and what a desk says when nobody has."""

import json
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event

import boto3
import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider

from quietdesk.errors import BadSetting, StoreRefused, StoreUnavailable
from quietdesk.staff.device import signin
from quietdesk.store import open_store
from tests.aws_stub import (
    CODE,
    DENIED,
    EXPIRED,
    GIVEN,
    PENDING,
    REFRESH,
    SECRET,
    SLOW_DOWN,
    TOKEN,
    error,
    stub,
)
from tests.process import quietdesk
from tests.waiting import until


@pytest.fixture
def aws():
    with stub() as running:
        yield running


@pytest.fixture
def at(aws, tmp_path, monkeypatch):
    """Signs a profile in, on a computer of its own. Gives what was shown, and the waits."""

    def signed(profile, *tokens, now=datetime(2026, 11, 18, 12, tzinfo=UTC)):
        for name, value in aws.environment(tmp_path, profile).items():
            monkeypatch.setenv(name, value)
        aws.tokens = list(tokens)
        shown, waits = [], []
        signin.sign_in(shown.append, lambda: now + timedelta(seconds=sum(waits)), waits.append)
        return shown, waits

    return signed


def kept(home):
    (file,) = (home / ".aws" / "sso" / "cache").iterdir()
    return file, json.loads(file.read_text())


def test_code_is_shown_and_the_token_lies_where_botocore_looks_for_it(aws, at, tmp_path):
    shown, _ = at("desk", PENDING, GIVEN)

    assert [it.code for it in shown] == [CODE]
    assert shown[0].address == f"https://city.example/device?user_code={CODE}"
    file, token = kept(tmp_path)
    assert (token["accessToken"], token["refreshToken"]) == (TOKEN, REFRESH)
    assert token["expiresAt"] == "2026-11-18T13:00:00Z"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ("/device_authorization", {
        "clientId": "us", "clientSecret": SECRET, "startUrl": "https://city.example/start",
    }) in aws.asked  # fmt: skip
    assert aws.asked[0][1]["scopes"] == ["sso:account:access"]


def test_it_waits_as_long_as_it_is_told(at):
    _, waits = at("desk", PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, GIVEN)

    assert waits == [0, 0, 5, 5, 10]


@pytest.mark.parametrize(
    ("answers", "said"),
    [([DENIED], "denied"), ([EXPIRED], "in time"), ([PENDING, SLOW_DOWN] * 50, "in time")],
)
def test_sign_in_that_nobody_confirms_ends_and_keeps_nothing(at, tmp_path, answers, said):
    with pytest.raises(StoreRefused, match=said) as refused:
        at("desk", *answers)

    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert not (tmp_path / ".aws" / "sso").exists()


def test_desk_that_stays_open_works_again_once_somebody_signed_in(aws, at, tmp_path, monkeypatch):
    for kind in (SSOTokenProvider, SSOProvider):  # which look for HOME when they are imported
        folder = str(tmp_path / ".aws" / "sso" / "cache")
        monkeypatch.setattr(kind, "_SSO_TOKEN_CACHE_DIR", folder)
    for name, value in aws.environment(tmp_path, "desk").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    with closing(open_store("dynamodb:desk")) as store:
        with pytest.raises(StoreRefused):
            store.read("devices")
        at("desk", GIVEN, now=datetime.now(UTC))
        assert store.read("devices") is None


@pytest.mark.parametrize("profile", ["nothing", "elsewhere", "not-there"])
def test_profile_that_cannot_sign_in_is_said(aws, at, profile):
    with pytest.raises(BadSetting, match="profile"):
        at(profile)
    assert aws.asked == []


def test_service_that_does_not_answer_is_said(aws, at, monkeypatch):
    monkeypatch.setattr(signin, "PATIENT", signin.Config(retries={"total_max_attempts": 1}))
    aws.answer = lambda *_: error("InvalidClientException", SECRET)
    with pytest.raises(StoreRefused, match="portal") as refused:
        at("desk")
    assert SECRET not in str(refused.value)

    aws.url = "http://127.0.0.1:9"  # nobody listens there
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        at("desk")


def test_sign_in_goes_on_beside_other_work(aws, tmp_path, monkeypatch):
    for name, value in aws.environment(tmp_path, "desk").items():
        monkeypatch.setenv(name, value)
    confirmed = Event()

    def answer(path, *rest):
        if path == "/token" and not confirmed.is_set():
            return PENDING
        return real(path, *rest)

    real, aws.answer, aws.tokens = aws.answer, answer, [GIVEN]
    waiting = signin.Waiting(lambda: datetime.now(UTC))
    until(lambda: waiting.code)
    assert (waiting.code.code, waiting.running) == (CODE, True)
    confirmed.set()
    until(lambda: not waiting.running)

    assert waiting.error is None
    assert kept(tmp_path)[1]["accessToken"] == TOKEN
    assert TOKEN not in repr(vars(waiting))


def test_sign_in_that_is_stopped_asks_no_more_and_keeps_nothing(aws, tmp_path, monkeypatch):
    for name, value in aws.environment(tmp_path, "desk").items():
        monkeypatch.setenv(name, value)
    aws.tokens = [PENDING] * 10_000
    waiting = signin.Waiting(lambda: datetime.now(UTC))
    until(lambda: waiting.code)

    waiting.stop()
    until(lambda: not waiting.running)

    assert isinstance(waiting.error, StoreRefused)
    assert not (tmp_path / ".aws" / "sso").exists()


# --- As a person types it ------------------------------------------------------------------------


@pytest.fixture
def desk(another_process, aws, tmp_path, monkeypatch):
    """Runs a command on a computer with that profile."""

    def run(*words, profile="desk"):
        for name, value in aws.environment(tmp_path, profile).items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        return quietdesk(tmp_path, "--store", "dynamodb:desk", *words)

    return run


@pytest.mark.parametrize("profile", ["desk", "old"])
def test_who_signs_in_can_work_and_no_token_is_printed(aws, desk, profile):
    before = desk("keys", "list", profile=profile)
    aws.tokens = [PENDING, GIVEN]
    signed = desk("sign-in", profile=profile)
    after = desk("keys", "list", profile=profile)

    assert before.returncode == 1
    assert "nobody is signed in" in before.stderr and "quietdesk sign-in" in before.stderr
    assert signed.returncode == 0, signed.stderr
    assert CODE in signed.stdout and signed.stdout.endswith("Signed in.\n")
    assert (after.returncode, after.stderr) == (0, "")
    for secret in (TOKEN, REFRESH, SECRET, "the-device"):
        assert secret not in signed.stdout + signed.stderr


def test_session_that_ended_is_said(aws, desk):
    given = {**GIVEN[1], "accessToken": "another"}  # which the portal does not know any more
    aws.tokens = [(200, given)]
    desk("sign-in")

    late = desk("keys", "list")

    assert late.returncode == 1
    assert "nobody is signed in to the cloud, or not any more" in late.stderr
    assert "quietdesk sign-in" in late.stderr and "Traceback" not in late.stderr


def test_role_that_the_portal_does_not_give_is_no_reason_to_sign_in_again(aws, desk):
    aws.tokens, aws.portal = [GIVEN], error("ForbiddenException", status=403)
    desk("sign-in")

    refused = desk("keys", "list")

    assert refused.returncode == 1
    assert "your role may not do this" in refused.stderr and "sign-in" not in refused.stderr


def test_denied_sign_in_ends_with_a_hint(aws, desk):
    aws.tokens = [DENIED]

    denied = desk("sign-in")

    assert denied.returncode == 1
    assert "denied in the browser" in denied.stderr and "hint: sign in with" in denied.stderr


# --- What day it is ------------------------------------------------------------------------------


@pytest.fixture
def date(aws, tmp_path, monkeypatch):
    """The store's date, as a computer learns it on which nobody is signed in."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment(tmp_path, "desk").items():
        monkeypatch.setenv(name, value)

    def date():
        with closing(open_store("dynamodb:desk")) as store:
            return store.date()

    return date


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"TableNames": []}),
        error("MissingAuthenticationTokenException"),
        error("InvalidSignatureException", "Signature expired: planted"),
        error("AccessDeniedException", status=403),
    ],
)
def test_date_is_that_of_any_answer_and_nobody_signs_for_it(aws, date, answer):
    """AWS refuses what a wrong clock signs, and its refusal is dated all the same."""
    aws.dynamodb = answer

    assert date() == datetime(2026, 11, 18, 17, tzinfo=UTC)
    assert aws.signed == [False]
    assert [target for target, _ in aws.asked] == ["DynamoDB_20120810.ListTables"]


@pytest.mark.parametrize("silent", [None, "soon", ""])
def test_store_that_tells_no_date_is_said_to(aws, date, silent):
    aws.date = silent

    with pytest.raises(StoreUnavailable, match="what day it is"):
        date()


def test_store_that_cannot_be_reached_tells_no_date(aws, date, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")

    with pytest.raises(StoreUnavailable):
        date()
