"""The functions as Lambda loads them: who may ask, what is made at the start, what sweep says."""

import io
import json
from contextlib import redirect_stdout
from urllib.parse import urlencode

import pytest

from quietdesk import cloud, settings
from quietdesk.errors import BadSetting, NotSwept, StoreUnavailable
from quietdesk.weeks import Epoch
from quietdesk.wire import b64
from tests.events import FORM, event
from tests.runtime_api import on_lambda
from tests.world import ASKED, NOON, WEEK, make_world

CODE = "7K3M-9QXT-2B6H-W3ZD"
NEW, OLD = "new-word-of-the-origin", "old-word-of-the-origin"
PLANTED = "plantedcloud17"


@pytest.fixture
def world(tmp_path, custodian):
    made = make_world(tmp_path, custodian=custodian)
    yield made
    made.store.close()


def environment(world, **more):
    return {
        "QUIETDESK_STORE": world.spec,
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
        "QUIETDESK_ORIGIN": f"{NEW} {OLD}",
        **more,
    }


def answering(world, name="submit", **more):
    chosen = settings.read(environment(world, **more))
    return cloud.answering(name, chosen, world.city, lambda: NOON)


def ask(handler, said=None, path="/api/openings"):
    headers = {} if said is None else {cloud.ORIGIN_HEADER: said}
    return handler(event("GET", path, headers=headers), None)


@pytest.mark.parametrize("said", [NEW, OLD])
def test_who_comes_through_cloudfront_is_answered_also_while_the_word_changes(world, said):
    assert ask(answering(world), said)["statusCode"] == 200


def test_code_counts_from_the_sites_address_and_not_from_the_functions_own(world):
    typed = urlencode({**ASKED, "step": "review", "code": CODE}, doseq=True).encode()
    handler = answering(world, QUIETDESK_ADDRESS="https://cards.example/")

    def page(origin):
        said = {cloud.ORIGIN_HEADER: NEW, "Host": "abc.execute-api.example", "Origin": origin}
        return handler(event("POST", "/api/requests", typed, FORM, said), None)["body"]

    assert CODE in page("https://cards.example")
    assert CODE not in page("https://abc.execute-api.example")
    assert CODE not in page("http://cards.example")


@pytest.mark.parametrize("said", [None, "", NEW[:-1], NEW + "x", f"{NEW} {OLD}", "né", PLANTED])
def test_who_does_not_is_refused_with_a_fixed_page_and_every_header(world, said, capsys):
    answer = ask(answering(world), said)

    assert answer["statusCode"] == 403
    assert answer["headers"]["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert world.city.phone in answer["body"]
    assert PLANTED not in json.dumps(answer) + "".join(capsys.readouterr())


def test_who_is_refused_reaches_no_store(world, monkeypatch):
    def touched(*_):
        raise AssertionError("the store was asked")

    handler = answering(world, "check")
    for name in ("begin", "find", "read", "seats"):
        monkeypatch.setattr(type(world.store), name, touched)

    assert ask(handler, "wrong", "/api/requests/check")["statusCode"] == 403


@pytest.mark.parametrize("odd", [{}, {"headers": None}, {"headers": {}}])
def test_what_is_not_http_is_refused(world, odd):
    assert answering(world)(odd, None)["statusCode"] == 403


def test_what_only_our_own_hands_could_send_is_refused_and_logged(world, log):
    """Not even a table of headers, and half a letter: whose text Lambda's client would print."""
    for odd in ([PLANTED], {"headers": {cloud.ORIGIN_HEADER: f"{PLANTED}\ud800"}}):
        assert answering(world)(odd, None)["statusCode"] == 403

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(it["level"], it["error"]) for it in lines] == [("ERROR", "Foreign")] * 2
    assert PLANTED not in log.getvalue()


def test_functions_without_an_origin_do_not_start(world):
    with pytest.raises(BadSetting, match="QUIETDESK_ORIGIN"):
        answering(world, QUIETDESK_ORIGIN=" ")


def test_a_function_of_no_name_does_not_start(world):
    with pytest.raises(BadSetting, match="QUIETDESK_FUNCTION"):
        cloud.make(environment(world, QUIETDESK_FUNCTION="everything"))


def test_demo_keys_do_not_start_in_production(world):
    with pytest.raises(BadSetting, match="demo"):
        answering(world, QUIETDESK_STAGE="production", QUIETDESK_THRESHOLD="2")


def swept(world, now):
    said = io.StringIO()
    with redirect_stdout(said):
        cloud.sweeping(world.store, world.city, lambda: now)({PLANTED: PLANTED}, None)
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_sweep_says_how_many_weeks_it_destroyed_and_how_long_the_keys_last(world, caplog):
    world.store.put(world.sealed())
    key_day = NOON + 3 * WEEK

    metric = swept(world, key_day)[-1]

    assert [(line.message, line.weeks) for line in caplog.records] == [("swept", 2)]
    # Keys were minted for four weeks from NOON's, and of the fourth three days have gone.
    assert metric["DaysOfKeys"] == [4.0]
    assert list(world.store.pull("main", [Epoch(2026, 47)], NOON)) == []


def test_metric_of_sweep_has_no_dimension_but_the_deployment(world):
    metric = swept(world, NOON)[-1]
    told = metric["_aws"]["CloudWatchMetrics"]

    assert [rows["Dimensions"] for rows in told] == [[["Deployment"]]]
    assert [row["Name"] for rows in told for row in rows["Metrics"]] == ["DaysOfKeys"]
    assert metric["Deployment"] == world.city.deployment


def test_without_keys_no_day_is_left(world):
    assert swept(world, NOON + 9 * WEEK)[-1]["DaysOfKeys"] == [0.0]


class Dated:
    """A store that tells its date."""

    def __init__(self, store, date):
        self._store, self._date = store, date

    def __getattr__(self, name):
        return getattr(self._store, name)

    def date(self):
        return self._date


@pytest.mark.parametrize(("clock", "date"), [(3, 0), (0, 3)])
def test_sweep_destroys_nothing_while_its_clock_and_the_stores_date_differ_and_is_an_error(
    world, log, clock, date
):
    store = Dated(world.store, NOON + date * WEEK)
    envelope = world.sealed()
    world.store.put(envelope)

    with pytest.raises(NotSwept):
        cloud.sweeping(store, world.city, lambda: NOON + clock * WEEK)({}, None)

    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["error"]) == ("ERROR", "clocks apart", "NotSwept")
    assert list(world.store.pull("main", [Epoch(2026, 47)], NOON)) == [envelope]
    assert world.store.server_half(envelope.visit.kid)


def test_sweep_destroys_what_both_say_is_over(world):
    store = Dated(world.store, NOON + 3 * WEEK)
    world.store.put(world.sealed())

    cloud.sweeping(store, world.city, lambda: NOON + 3 * WEEK)({}, None)

    assert list(world.store.pull("main", [Epoch(2026, 47)], NOON)) == []


@pytest.mark.parametrize(
    ("problem", "named"),
    [(StoreUnavailable(PLANTED), "StoreUnavailable"), (ValueError(PLANTED), "Foreign")],
)
def test_sweep_that_failed_is_an_error_that_quotes_nothing(world, monkeypatch, log, problem, named):
    def broken(*_):
        raise problem

    monkeypatch.setattr(type(world.store), "destroy_keys", broken)

    with pytest.raises(NotSwept) as caught:
        swept(world, NOON + 3 * WEEK)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    said = [(it["level"], it["message"], it["error"]) for it in lines]
    assert said == [("ERROR", "not swept", named)]
    assert PLANTED not in str(caught.value) + log.getvalue()
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.process
@pytest.mark.parametrize("name", ["submit", "check"])
def test_lambdas_own_client_loads_the_handler_and_it_stays_silent(world, tmp_path, name):
    log = tmp_path / "lambda.log"
    env = environment(world, QUIETDESK_FUNCTION=name, AWS_LAMBDA_LOG_LEVEL="WARN")
    with on_lambda("quietdesk.handler.handler", env, log) as function:
        refused = function(event("GET", f"/api/{PLANTED}"), None)
        answer = ask(lambda e, _: function(e, None), NEW, f"/api/{PLANTED}")

    assert (refused["statusCode"], answer["statusCode"]) == (403, 404)
    assert log.read_text() == ""


@pytest.mark.process
def test_what_went_wrong_is_the_only_line_of_an_answering_function(world, tmp_path):
    log = tmp_path / "lambda.log"
    env = environment(world, QUIETDESK_FUNCTION="submit", AWS_LAMBDA_LOG_LEVEL="WARN")
    env["QUIETDESK_STORE"] = "dynamodb:nowhere"
    env |= {
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    with on_lambda("quietdesk.handler.handler", env, log) as function:
        answer = ask(lambda e, _: function(e, None), NEW)

    assert answer["statusCode"] == 503
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(it["message"], it["status"], it["error"]) for it in lines] == [
        ("answered", 503, "StoreUnavailable")
    ]


@pytest.mark.process
def test_timer_that_failed_prints_only_fixed_words(world, tmp_path):
    log = tmp_path / "lambda.log"
    env = environment(world, QUIETDESK_FUNCTION="sweep", AWS_LAMBDA_LOG_LEVEL="INFO")
    world.store.publish("record#main", PLANTED.encode(), 0)
    with on_lambda("quietdesk.handler.handler", env, log) as function:
        function({PLANTED: PLANTED}, None)

    assert "NotSwept" in log.read_text()
    assert PLANTED not in log.read_text()
