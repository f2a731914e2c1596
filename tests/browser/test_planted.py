"""A page of another site that knows a code and tries to make a visitor use it."""

import json
from dataclasses import dataclass
from html import escape

import pytest
from playwright.sync_api import expect

from quietdesk import codes, envelopes, local
from quietdesk.wire import b64
from tests.serving import beside
from tests.world import ASKED, NOON

PHONE = {"viewport": {"width": 360, "height": 740}}


@dataclass
class Attacker:
    """Another site: of another name, or of our name on another port. It serves one page."""

    url: str = ""
    html: str = ""

    def form(self, to, fields, kind="application/x-www-form-urlencoded"):
        inputs = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, values in fields.items()
            for value in values
        )
        self.html = (
            f'<form method="post" action="{to}" enctype="{kind}">{inputs}'
            "<button>Win a card</button></form>"
        )


@pytest.fixture(params=["localhost", "127.0.0.1"])
def attacker(request):
    site = Attacker()

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [f"<!doctype html>{site.html}".encode()]

    server = local.listen(application, local.reserve("127.0.0.1", 0))
    site.url = f"http://{request.param}:{server.effective_port}/"
    with beside(server):
        yield site


@pytest.fixture
def planted(programme):
    """The code of a request that waits; the attacker made it, and knows it."""
    code = codes.new()
    programme.store.put(programme.sealed(code=code))
    return code


def waiting(programme):
    return {item.envelope.id: item.request for item in programme.desk().pull(NOON)}


def id_of(code):
    return codes.derive(code, "demo").id


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
@pytest.mark.parametrize("step", ["review", "send"])
def test_form_that_another_site_filled_in_gets_a_code_that_it_does_not_know(
    visit, url, programme, attacker, step, scripts
):
    code = codes.new()
    page = visit(clock=False, java_script_enabled=scripts, **PHONE)
    attacker.form(f"{url}/api/requests", {**ASKED, "code": [code], "step": [step], "lang": ["en"]})
    page.goto(attacker.url)
    page.click("button")

    expect(page.locator(".notice")).to_contain_text("did not come from a page of ours")
    assert code not in page.content()
    page.click("button[value=send]")
    shown = codes.parse(page.inner_text("[data-fill=code]"))
    assert shown != code
    there = waiting(programme)
    assert id_of(shown) in there and id_of(code) not in there


@pytest.mark.parametrize("step", ["see", "move", "cancel", "yes", "send"])
def test_request_that_another_site_made_is_neither_shown_nor_written_into_nor_cancelled(
    visit, url, programme, attacker, planted, step
):
    typed = {**ASKED, "name": ["Victim"]} if step == "send" else {}
    page = visit(clock=False, java_script_enabled=False, **PHONE)
    fields = {**typed, "code": [planted], "step": [step], "lang": ["en"]}
    attacker.form(f"{url}/api/requests/check", fields)
    page.goto(attacker.url)
    page.click("button")

    expect(page.locator(".notice >> visible=true")).to_contain_text("not come from a page of ours")
    assert planted not in page.content()
    assert waiting(programme)[id_of(planted)].name == ASKED["name"][0]


def test_another_site_sends_no_json_neither_as_a_form_nor_by_script(
    visit, url, programme, attacker, planted
):
    secrets = codes.derive(planted, "demo")
    auth = b64(secrets.auth)
    fresh = json.loads(envelopes.write(programme.sealed(code=planted, name=["Victim"])))
    cancel = {"v": 1, "do": "cancel", "id": b64(secrets.id), "auth": auth}
    move = {"v": 1, "do": "move", "auth": auth, "envelope": fresh}
    page = visit(clock=False, **PHONE)
    for asked in (cancel, move):
        # The equals sign between name and value ends up in a text of the JSON.
        start, _, _ = json.dumps({**asked, "x": "="}).rpartition("=")
        attacker.form(f"{url}/api/requests/check", {start: ['"}']}, "text/plain")
        page.goto(attacker.url)
        with page.expect_response(f"{url}/api/requests/check") as answered:
            page.click("button")
        assert json.loads(answered.value.request.post_data.strip())["do"] == asked["do"]
        assert answered.value.status == 415
        page.goto(attacker.url)
        for kind in ("text/plain", "application/json"):
            failed = page.evaluate(
                """async ([address, body, kind]) => {
                  const options = { method: 'POST', body, headers: { 'Content-Type': kind } }
                  const simple = await fetch(address, { ...options, mode: 'no-cors' })
                    .then((it) => it.type, () => 'failed')
                  const asked = await fetch(address, options).then(() => 'read', () => 'failed')
                  return [simple, asked]
                }""",
                [f"{url}/api/requests/check", json.dumps(asked), kind],
            )
            assert failed[1] == "failed"

    assert waiting(programme)[secrets.id].name == ASKED["name"][0]


def test_our_own_form_says_that_it_is_ours(visit, url):
    """With `no-referrer` its origin would be `null`, which a page of anybody can say too."""
    page = visit(clock=False, java_script_enabled=False, **PHONE)
    page.goto(f"{url}/en/my-request/")
    page.fill("#f-code", codes.new())
    with page.expect_request(f"{url}/api/requests/check") as asked:
        page.click("#look-form button")

    said = asked.value.all_headers()
    assert (said["origin"], said["sec-fetch-site"]) == (url, "same-origin")
