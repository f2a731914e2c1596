import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from quietdesk import bundles, codes, envelopes, local
from quietdesk.errors import StoreUnavailable
from quietdesk.signed import signed_document
from quietdesk.web import HEADERS
from quietdesk.weeks import Epoch
from quietdesk.wire import unb64
from tests.events import FORM, JSON, error, event, fill_in, get, post, submit, text
from tests.world import ASKED, NOON, WEEK, make_custodian

CODE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b")


def stored(world, now=NOON):
    return list(world.desk().pull(now))


# --- Envelopes -----------------------------------------------------------------------------------


def test_envelope_is_stored_and_the_day_to_look_again_is_told(world):
    envelope = world.sealed()

    answer = post(submit(world), envelopes.write(envelope))

    assert answer["statusCode"] == 201
    assert json.loads(answer["body"]) == {"look_again": "2026-11-28"}
    (opened,) = stored(world)
    assert (opened.envelope.id, opened.envelope.lane) == (envelope.id, "P")
    assert opened.envelope.expires == envelope.expires


def test_retry_is_answered_as_the_first_time(world):
    handler, body = submit(world), envelopes.write(world.sealed())

    first, second = post(handler, body), post(handler, body)

    assert (first["statusCode"], first["body"]) == (second["statusCode"], second["body"])
    assert len(stored(world)) == 1


def test_another_envelope_under_the_same_id_is_refused(world):
    handler, code = submit(world), codes.new()
    post(handler, envelopes.write(world.sealed(code=code)))

    answer = post(handler, envelopes.write(world.sealed(code=code, name=["Other"])))

    assert (answer["statusCode"], error(answer)) == (409, "conflict")
    assert [item.request.name for item in stored(world)] == ASKED["name"]


def test_week_before_is_accepted_for_24_hours_only(world):
    body = envelopes.write(world.sealed())
    monday = Epoch(2026, 48).start(world.city.zone)

    late = post(submit(world, monday + timedelta(hours=24, seconds=1)), body)
    assert (late["statusCode"], error(late)) == (400, "epoch")
    assert post(submit(world, monday + timedelta(hours=24)), body)["statusCode"] == 201


def test_coming_week_is_refused(world):
    body = envelopes.write(world.sealed(now=NOON + WEEK))

    assert error(post(submit(world), body)) == "epoch"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: replace(e, born=Epoch(2026, 46)), "epoch"),
        (lambda e: replace(e, opening="corona-1"), "opening"),
        (lambda e: replace(e, reply=e.reply[:-1]), "size"),
        (
            lambda e: replace(
                e, visit=replace(e.visit, kid=replace(e.visit.kid, nonce="00000000"))
            ),
            "epoch",
        ),
        (
            lambda e: replace(
                e,
                queue="other",
                visit=replace(e.visit, kid=replace(e.visit.kid, queue="other")),
                contact=replace(e.contact, kid=replace(e.contact.kid, queue="other")),
            ),
            "queue",
        ),
    ],
)  # fmt: skip
def test_envelope_for_somewhere_else_is_refused(world, change, code):
    answer = post(submit(world), envelopes.write(change(world.sealed())))

    assert (answer["statusCode"], error(answer)) == (400, code)
    assert stored(world) == []


def test_envelope_over_the_size_is_refused(world):
    answer = post(submit(world), b" " * 8193)

    assert (answer["statusCode"], error(answer)) == (413, "too_large")


def test_another_kind_of_body_is_refused(world):
    answer = post(submit(world), b"{}", "text/plain")

    assert (answer["statusCode"], error(answer)) == (415, "media_type")


# --- The plain form ------------------------------------------------------------------------------


def test_plain_form_is_read_back_then_sealed_and_the_code_is_shown(world):
    handler = submit(world)

    review = fill_in(handler, "review")
    assert review["statusCode"] == 200
    assert stored(world) == []
    code = CODE.search(review["body"])[0]
    done = fill_in(handler, "send", code=[code])

    assert done["statusCode"] == 201
    assert code in text(done)
    assert "Saturday, November 28" in text(done)
    (opened,) = stored(world)
    assert opened.request.name == "রহিমা"
    assert opened.envelope.lane == "N"
    assert opened.envelope.id == codes.derive(code, "demo").id


@pytest.mark.parametrize("opening", ["", "corona.2026-12-03.1300"])
def test_page_with_the_code_says_nothing_of_what_was_typed(world, opening):
    """It is printed, left on a table, shown to others."""
    world.publisher().publish(NOON)

    done = fill_in(submit(world), "send", code=[codes.new()], opening=[opening])

    assert done["statusCode"] == 201
    for typed in (ASKED["name"][0], ASKED["phone"][0], "7185550123"):
        assert typed not in unescape(done["body"])


def test_plain_form_sent_twice_is_stored_once(world):
    handler, code = submit(world), codes.new()

    first, second = fill_in(handler, "send", code=[code]), fill_in(handler, "send", code=[code])

    assert (first["statusCode"], first["body"]) == (second["statusCode"], second["body"])
    assert len(stored(world)) == 1


def test_plain_form_with_other_answers_under_the_same_code_is_refused_and_kept(world):
    handler, code = submit(world), codes.new()
    fill_in(handler, "send", code=[code])

    answer = fill_in(handler, "send", code=[code], name=["Other"])

    assert answer["statusCode"] == 409
    assert 'value="Other"' in answer["body"]


def test_problems_are_shown_in_the_forms_language_with_all_that_was_typed(world):
    answer = fill_in(submit(world), "review", lang="es", people=["ninguna"], name=["<b>Ana</b>"])

    assert answer["statusCode"] == 400
    assert '<html lang="es"' in answer["body"]
    assert 'value="ninguna"' in answer["body"]
    assert "&lt;b&gt;Ana&lt;/b&gt;" in answer["body"]
    assert "<b>Ana" not in answer["body"]
    assert stored(world) == []


def test_what_fits_no_part_is_refused_in_the_form_with_all_that_was_typed(world):
    """In a city with many long names of help at a visit; only packing tells."""
    many = tuple(f"{n:02}" + "x" * 30 for n in range(32))
    crowded = replace(world, city=replace(world.city, access=many))

    answer = fill_in(submit(crowded), "send", access=many, code=[codes.new()])

    assert answer["statusCode"] == 400
    assert "Write a shorter name" in text(answer)
    assert ASKED["name"][0] in answer["body"]
    assert list(world.store.pull("main", [Epoch(2026, 47)], NOON)) == []


def test_change_brings_back_the_form_as_it_was(world):
    answer = fill_in(submit(world), "change", code=[codes.new()])

    assert answer["statusCode"] == 200
    assert 'value="রহিমা"' in answer["body"]


def test_code_that_is_none_is_replaced(world):
    answer = fill_in(submit(world), "send", code=["hello"])

    assert answer["statusCode"] == 400
    assert CODE.search(answer["body"])
    assert stored(world) == []


@pytest.mark.parametrize(
    "body", [b"birthplace=x", b"name=%ff", b"name=\xff", b"&".join([b"access=quiet"] * 101)]
)
def test_body_that_our_form_cannot_send_is_refused(world, body):
    answer = post(submit(world), body, FORM)

    assert answer["statusCode"] == 400
    assert "<html" in answer["body"]


def test_form_over_the_size_is_refused(world):
    assert post(submit(world), b"name=" + b"x" * 16_384, FORM)["statusCode"] == 413


def test_body_that_is_not_base64_is_refused(world):
    broken = event("POST", "/api/requests", b"x", FORM) | {"body": "%%%"}

    assert submit(world)(broken, None)["statusCode"] == 400


# --- When the store does not answer --------------------------------------------------------------


def broken_store(monkeypatch, world):
    def refuse(*_):
        raise StoreUnavailable("full")

    monkeypatch.setattr(world.store, "put", refuse)


def test_store_that_does_not_answer_is_never_a_201(world, monkeypatch):
    body = envelopes.write(world.sealed())
    broken_store(monkeypatch, world)

    answer = post(submit(world), body)

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "120"
    assert json.loads(answer["body"]) == {"error": "unavailable", "phone": "311"}


def test_plain_form_is_kept_when_the_store_does_not_answer(world, monkeypatch):
    broken_store(monkeypatch, world)

    answer = fill_in(submit(world), "send", code=[codes.new()])

    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "120"
    assert 'value="রহিমা"' in answer["body"]
    assert "311" in answer["body"]


def test_code_is_not_lost_when_the_answer_of_the_store_is(world, monkeypatch):
    """The request was kept, and only the answer did not come back."""
    real, code = world.store.put, codes.new()

    def lost(envelope):
        real(envelope)
        raise StoreUnavailable("timeout")

    handler = submit(world)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "put", lost)
        unsure = fill_in(handler, "send", code=[code])
    again = fill_in(handler, "send", code=[CODE.search(unsure["body"])[0]])

    assert unsure["statusCode"] == 503
    assert "We do not know if yours was kept" in text(unsure)
    assert 'value="send"' in unsure["body"]
    assert (again["statusCode"], code in text(again)) == (201, True)
    assert len(stored(world)) == 1


def test_form_sent_again_after_monday_midnight_is_stored_once(world):
    monday = Epoch(2026, 48).start(world.city.zone)
    before, after = (submit(world, monday + timedelta(seconds=n)) for n in (-1, 1))
    week = re.search(r'name="week" value="([^"]*)', fill_in(before, "review")["body"])[1]
    sent = {"code": [codes.new()], "week": [week]}

    answers = [fill_in(before, "send", **sent), fill_in(after, "send", **sent)]

    assert [answer["statusCode"] for answer in answers] == [201, 201]
    assert len(stored(world, monday)) == 1


def test_form_sent_again_when_its_week_is_long_over_is_answered_as_the_first_time(world):
    """Else one person would wait twice, under one code: in that week and in this one."""
    sent = {"code": [codes.new()], "week": ["2026-W47"]}
    first = fill_in(submit(world), "send", **sent)

    again = fill_in(submit(world, NOON + WEEK), "send", **sent)

    assert [it["statusCode"] for it in (first, again)] == [201, 201]
    assert sent["code"][0] in text(again)
    assert [it.envelope.epoch for it in stored(world, NOON + WEEK)] == [Epoch(2026, 47)]


def test_time_that_a_store_has_for_an_answer_begins_with_each_of_them(world, monkeypatch):
    begun = []
    monkeypatch.setattr(world.store, "begin", lambda: begun.append(1))
    handler = submit(world)

    for count in (1, 2):
        fill_in(handler, "review")
        assert len(begun) == count


@pytest.mark.parametrize("week", ["", "2026-W10", "2026-W48", "junk"])
def test_week_that_is_not_accepted_is_replaced_by_the_current_one(world, week):
    answer = fill_in(submit(world), "send", code=[codes.new()], week=[week])

    assert answer["statusCode"] == 201
    assert [item.envelope.epoch for item in stored(world)] == [Epoch(2026, 47)]


def test_form_closes_when_there_is_no_key_to_seal_to(world):
    later = submit(world, NOON + 10 * WEEK)

    answer = fill_in(later, "send", code=[codes.new()])

    assert answer["statusCode"] == 503
    assert 'value="রহিমা"' in answer["body"]


# --- Keys, unknown addresses, headers ------------------------------------------------------------


@pytest.mark.parametrize("kind", [JSON, FORM])
def test_form_closes_when_the_key_is_not_the_custodians(world, kind):
    """Whoever can write into the store gets nothing to read."""
    body = envelopes.write(world.sealed())
    if kind == FORM:
        body = urlencode({**ASKED, "step": "send", "code": codes.new()}, doseq=True).encode()
    name = bundles.name("main", Epoch(2026, 47))
    held, seq = world.store.read(name)
    says = unb64(json.loads(held)["body"])
    forged = signed_document(says, [make_custodian().sign("bundle", says)])
    world.store.publish(name, forged, seq)

    answer = post(submit(world), body, kind)

    assert answer["statusCode"] == 503
    assert "closed" in str(answer["body"])
    assert list(world.store.pull("main", ["2026-W47"], NOON)) == []


def test_current_key_and_a_weeks_key_are_public(world):
    handler = submit(world)

    current, named = get(handler, "/api/keys/main/current"), get(handler, "/api/keys/main/2026-W47")

    assert current["statusCode"] == 200
    assert current["body"] == named["body"]
    assert bundles.verify(current["body"].encode(), world.trust, "main", NOON)


@pytest.mark.parametrize(
    "path", ["/api/keys/main/2026-W10", "/api/keys/main/next", "/api/keys/other/current"]
)
def test_key_that_is_not_there_is_not_found(world, path):
    answer = get(submit(world), path)

    assert (answer["statusCode"], error(answer)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/requests"),
        ("GET", "/api/"),
        ("POST", "/api/x.css"),
        ("DELETE", "/api/requests"),
    ],
)
def test_no_address_lists_anything(world, method, path):
    world.store.put(world.sealed())

    answer = submit(world)(event(method, path), None)

    assert answer["statusCode"] == 404
    assert "<html" in answer["body"]


def test_every_answer_has_the_headers_and_is_not_cached(world):
    handler = submit(world)
    answers = [
        post(handler, envelopes.write(world.sealed())),
        post(handler, b"{"),
        fill_in(handler, "review"),
        fill_in(handler, "review", people=["many"]),
        fill_in(handler, "change", code=[codes.new()]),
        fill_in(handler, "send", code=[codes.new()]),
        get(handler, "/api/keys/main/current"),
        get(handler, "/api/nothing"),
        handler({}, None),
    ]

    for answer in answers:
        assert answer["headers"].items() >= HEADERS.items()
        assert answer["headers"]["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer["headers"]
        assert "cookies" not in answer or not answer["cookies"]


def test_headers_let_a_page_load_send_and_be_framed_by_nothing_elsewhere():
    policy = HEADERS["Content-Security-Policy"].split("; ")

    assert {it for it in policy if it.endswith("'none'")} == {
        "default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'",
    }  # fmt: skip
    assert {it for it in policy if not it.endswith("'none'")} == {
        "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
        "form-action 'self'",
    }  # fmt: skip
    assert HEADERS["Referrer-Policy"] == "same-origin"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Cross-Origin-Opener-Policy"] == "same-origin"


def test_what_nobody_foresaw_is_answered_with_a_fixed_page(world, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret words")

    monkeypatch.setattr(world.store, "put", broken)

    answer = post(submit(world), envelopes.write(world.sealed()))

    assert answer["statusCode"] == 500
    assert "secret words" not in str(answer)


def test_nobody_is_answered_with_another_persons_form(world):
    """On one machine, where threads answer beside each other; on Lambda a process has one event at
    a time."""
    functions = local.functions(world.programme())

    def ask(number):
        typed = {**ASKED, "name": [f"Person{number:03}"], "lang": ["en"], "step": ["review"]}
        environ = EnvironBuilder("/api/requests", method="POST", data=typed).get_environ()
        body, _, _ = run_wsgi_app(functions, environ)
        return number, re.findall(r"Person\d{3}", b"".join(body).decode())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(200)))

    for number, names in answers:
        assert set(names) == {f"Person{number:03}"}
