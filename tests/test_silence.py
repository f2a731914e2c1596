"""Nothing a resident writes, and nothing about who asked, stays anywhere but in sealed envelopes.

Planted values go into every field, header, query, cookie and path of a real server, through success
and failure. Then every log, file and answer is searched for them, in every spelling that a
careless line of code would leave behind.
"""

import base64
import http.client
import json
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from quietdesk import codes, envelopes
from quietdesk.errors import BadBundle, NotAllowed, StoreBusy
from quietdesk.wire import b64
from tests.events import FORM, JSON, OURS, event, submit, text
from tests.process import quietdesk_run, stop
from tests.runtime_api import level
from tests.waiting import CEILING, free_port
from tests.world import ASKED

FIELDS = {
    "name": "Zubrowkaplant রহিমা",
    "phone": "+15559876123",
    "people": "peopleplant41",
    "visit_type": "visitplant42",
    "language": "languageplant43",
    "centers": "centersplant44",
    "windows": "windowsplant45",
    "access": "accessplant46",
    "reach": "reachplant47",
    "phone_owner": "ownerplant48",
    "children": "childrenplant49",
    "lang": "langplant50",
    "step": "stepplant51",
    "code": "codeplant52",
    "week": "weekplant54",
    "path": "pathplant55",
    "shown": "shownplant56",
    "opening": "openingplant57",
    "nationality": "nationalityplant53",
}
AROUND = {
    "User-Agent": "agentplant61",
    "Referer": "https://refererplant62.example/",
    "X-Forwarded-For": "198.51.100.77",
    "Cookie": "session=cookieplant63",
    "Accept-Language": "languageheaderplant64",
    "X-Anything": "headerplant65",
}
QUERY, PATH = "queryplant71", "pathplant72"
OPENING = "corona.2026-12-03.0930"


def spellings(value: str) -> set[bytes]:
    """The value as text, percent, JSON, hex, and base64 at each of its three alignments."""
    raw = value.encode()
    found = {
        raw,
        quote(value).encode(),
        quote(value, safe="").encode(),
        json.dumps(value)[1:-1].encode(),
    }
    found |= {raw.hex().encode(), raw.hex().upper().encode(), value.encode("utf-16-le")}
    for shift in range(3):
        # Without the letters at either end that also depend on what stands beside the value.
        encoded = base64.b64encode(b"\0" * shift + raw)
        middle = encoded[4 if shift else 0 : -4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def forms_of(code: str) -> list[bytes]:
    """A code with and without its dashes, and as the ten bytes that it writes down."""
    letters = code.replace("-", "")
    number = 0
    for letter in letters:
        number = number << 5 | codes.ALPHABET.index(letter)
    return [code.encode(), letters.encode(), letters.lower().encode(), number.to_bytes(10, "big")]


def leaks(data: bytes, planted: list[str]) -> list[str]:
    """The planted values that are in the data, in any spelling."""
    folded = data.lower()
    return [
        value
        for value in planted
        if any(spelling.lower() in folded for spelling in spellings(value))
    ]


def everything_in(*folders: Path) -> bytes:
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


@pytest.mark.parametrize("value", [*FIELDS.values(), *AROUND.values()])
def test_the_search_finds_every_spelling_so_it_can_fail(tmp_path, value):
    leaky = [
        value,
        quote(value),
        json.dumps({"field": value}),
        value.encode().hex(),
        base64.b64encode(f"x{value}yz".encode()).decode(),
        base64.urlsafe_b64encode(f'{{"f":"{value}"}}'.encode()).decode(),
        f"name={quote(value, safe='')}&more=1",
    ]
    for number, line in enumerate(leaky):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "some.log").write_text(f"before {line} after")

        assert leaks(everything_in(folder), [value]) == [value], line


def test_the_search_finds_nothing_where_there_is_nothing(tmp_path):
    (tmp_path / "some.log").write_text('{"message":"answered","status":201}')

    assert leaks(everything_in(tmp_path), [*FIELDS.values(), *AROUND.values()]) == []


class Visitor:
    """Sends planted headers with everything, and remembers the answers."""

    def __init__(self, port: int):
        self.port = port
        self.answers: list[tuple[int, bytes, bytes]] = []

    def send(self, method: str, path: str, body: bytes = b"", kind: str = "") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CEILING)
        headers = {**AROUND, **OURS, **({"Content-Type": kind} if kind else {})}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        sent = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
        self.answers.append((response.status, sent.encode(), content))
        connection.close()
        return content.decode(errors="replace")

    def check(self, step: str, code: str, **typed: object) -> str:
        body = urlencode({"lang": "es", **typed, "step": step, "code": code}, doseq=True).encode()
        return self.send("POST", "/api/requests/check", body, FORM)

    def form(self, **typed: object) -> str:
        return self.send("POST", "/api/requests", urlencode(typed, doseq=True).encode(), FORM)


@pytest.mark.process
def test_silence(tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    port = free_port()
    env = {**os.environ, "TMPDIR": str(temp), "PYTHONDONTWRITEBYTECODE": "1"}
    with (
        (tmp_path / "server.log").open("wb") as log,
        quietdesk_run(tmp_path, port, log, env) as run,
    ):
        visitor = Visitor(port)
        good = {**ASKED, "name": FIELDS["name"], "phone": FIELDS["phone"], "lang": "es"}

        # Success, by the plain form.
        review = visitor.form(**good, step="review")
        code = codes.parse(review.partition('name="code" value="')[2][:19])
        done = visitor.form(**good, step="send", code=code)
        assert code in text({"body": done})
        visitor.form(**good, step="send", code=code)

        # With the code: see, take a time, move, cancel.
        visitor.send("GET", "/api/openings")
        visitor.send("GET", "/api/request/es")
        taken = visitor.form(**{**good, "opening": OPENING}, step="review", code="")
        moved = {**good, "name": FIELDS["name"]}
        for step in ("see", "move", "review", "change", "send", "calendar", "cancel", "yes", "see"):
            visitor.check(step, code, **(moved if step in ("review", "change", "send") else {}))
        # For a request that is gone, after a reply that was never given, from a path nobody has.
        lost = {**moved, **{field: FIELDS[field] for field in ("week", "path", "shown")}}
        assert FIELDS["name"] in visitor.check("send", code, **lost)
        secrets = codes.derive(code, "demo")
        for do in ("see", "cancel", "move", "stepplant51"):
            asked = {"v": 1, "do": do, "id": b64(secrets.id), "auth": b64(secrets.auth)}
            body = json.dumps({**asked, "envelope": FIELDS}).encode()
            visitor.send("POST", "/api/requests/check", body, JSON)
        for value in FIELDS.values():
            visitor.check("see", value)
            visitor.check(value, code)
        visitor.send("GET", f"/api/openings/{PATH}")
        visitor.send("GET", f"/api/request/es/{PATH}?{QUERY}")
        visitor.send("GET", f"/api/request/es/at/{PATH}")
        visitor.send("GET", f"/es/request/at/{PATH}/")
        assert "<form" in taken

        # Every way to fail that a person or a script can find.
        for field, value in FIELDS.items():
            visitor.form(**{**good, "step": "review", field: value})
        visitor.form(**good, step="send", code=FIELDS["code"])
        visitor.form(**{**good, "name": "Other"}, step="send", code=code)
        junk = json.dumps(FIELDS).encode()
        for body in (junk, b"{", junk * 20, b'{"v":1,' + junk[1:]):
            visitor.send("POST", "/api/requests", body, JSON)
        visitor.send("POST", "/api/requests", junk, FORM)
        visitor.send("POST", "/api/requests", b"name=%ff" + junk, FORM)
        visitor.send("POST", "/api/requests", junk, f"text/{FIELDS['name'].partition(' ')[0]}")
        visitor.send("POST", f"/api/requests?{QUERY}", junk, JSON)
        for path in (f"/api/{PATH}", f"/{PATH}/../{PATH}", f"/es/{PATH}?{QUERY}=1", "/%00%ff"):
            visitor.send("GET", path)
            visitor.send("DELETE", path)
        visitor.send("GET", f"/api/keys/{PATH}/{PATH}")
        visitor.send(PATH.upper(), "/")
        malformed(port)

        # The store is locked by somebody else.
        blocker = sqlite3.connect(tmp_path / "requests.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        visitor.form(**good, step="send", code=codes.new())
        blocker.execute("ROLLBACK")
        blocker.close()
        stop(run)

    statuses = {status for status, _, _ in visitor.answers}
    assert {200, 201, 400, 404, 409, 413, 415, 503} <= statuses

    on_disk = everything_in(tmp_path, temp) if any(temp.iterdir()) else everything_in(tmp_path)
    everywhere = [*FIELDS.values(), *AROUND.values(), QUERY, PATH, code]
    assert b"answered" in (tmp_path / "server.log").read_bytes()
    assert leaks(on_disk, everywhere) == []
    assert [form for form in forms_of(code) if form in on_disk] == []
    # What is around a form is in no answer; what is in it, in its own page only, never in a header.
    for _, headers, content in visitor.answers:
        assert leaks(headers, everywhere) == []
        assert leaks(content, [*AROUND.values(), QUERY, PATH]) == []
    for status, _, content in visitor.answers:
        told = leaks(content, list(FIELDS.values()))
        has_code = code.encode() in content or code in text(
            {"body": content.decode(errors="replace")}
        )
        # Typed text comes back in a form page only; a code on the page of it and when it is shown.
        assert not told or (b"<form" in content and status in (200, 400, 409, 503))
        # Also the page that says that what was typed is no code.
        assert not has_code or b'name="code"' in content or b'class="code"' in content


def malformed(port: int) -> None:
    """Lines that are not HTTP; the server must not quote them."""
    import socket

    for line in (f"GET /{PATH}", f"{PATH} / HTTP/1.1", f"GET / HTTP/1.1\r\n{PATH}\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=CEILING) as raw:
            raw.sendall(line.encode() + b"\r\n\r\n")
            raw.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda raw=raw: raw.recv(4096), b""))
        assert leaks(answer, [PATH]) == []


def test_exception_text_reaches_no_log_and_no_answer(world, monkeypatch, log, caplog, capfd):
    """An exception whose text is the resident's own words, in every step that could raise one."""
    planted = FIELDS["name"]

    def broken(*_, **__):
        raise ValueError(planted)

    body = envelopes.write(world.sealed())
    form = filled_in()
    answers = []
    for module, name in (
        (world.store, "put"),
        (world.store, "read"),
        (envelopes, "read"),
        (envelopes, "seal"),
        (codes, "derive"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, broken)
            handler = submit(world)
            answers += [
                handler(event("POST", "/api/requests", data, kind, AROUND), None)
                for data, kind in ((body, JSON), (form, FORM))
            ]

    seen = "".join([log.getvalue(), caplog.text, *capfd.readouterr(), str(answers)])
    assert 500 in {answer["statusCode"] for answer in answers}
    assert leaks(seen.encode(), [planted, *AROUND.values()]) == []
    failed = [answer for answer in answers if answer["statusCode"] == 500]
    assert log.getvalue().count('"Foreign"') == len(failed) > 1


def failing(store, monkeypatch, error):
    def failed(*_):
        raise error

    monkeypatch.setattr(store, "read", failed)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(FIELDS["name"]), ("ERROR", "Foreign", 500)),
        (StoreBusy(FIELDS["name"]), ("WARN", "StoreBusy", 503)),
        (BadBundle("stale"), ("WARN", "BadBundle", 503)),
    ],
)
def test_log_lines_hold_a_fixed_text_a_status_a_duration_and_a_class_only(
    world, log, capfd, monkeypatch, error, said
):
    body = envelopes.write(world.sealed())
    failing(world.store, monkeypatch, error)
    submit(world)(event("POST", "/api/requests", body, JSON, AROUND), None)

    line = json.loads(log.getvalue())
    assert [*capfd.readouterr()] == ["", ""]
    assert set(line) == {"level", "timestamp", "message", "error", "status", "milliseconds"}
    assert (line["level"], line["error"], line["status"]) == said
    assert line["message"] == "answered"
    assert level(log.getvalue()) == said[0]


def test_no_line_tells_of_an_answer_that_went_well(world, log, capfd):
    """Nor of one that the person who asked can put right."""
    handler, body = submit(world), envelopes.write(world.sealed())
    asked = [("/api/requests", body), ("/api/requests", b"{"), ("/nothing", b"")]
    answers = [handler(event("POST", *it, JSON, AROUND), None) for it in asked]

    assert [it["statusCode"] for it in answers] == [201, 400, 404]
    assert [log.getvalue(), *capfd.readouterr()] == ["", "", ""]


@pytest.mark.parametrize(
    ("do", "status"),
    [
        (lambda world: event("GET", "/api/openings"), 503),
        (lambda world: event("GET", "/api/keys/main/current"), 503),
        (lambda world: event("GET", "/api/request/es"), 200),  # a page without times
        (lambda world: event("POST", "/api/requests", filled_in(), FORM), 503),
    ],
)
def test_every_answer_that_lacks_the_store_is_in_the_log_with_its_class(
    world, log, monkeypatch, do, status
):
    asked = do(world)
    failing(world.store, monkeypatch, NotAllowed(FIELDS["name"]))

    answer = submit(world)(asked, None)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    said = [(line["level"], line["error"], line["status"]) for line in lines]
    assert said == [("WARN", "NotAllowed", status)]
    assert answer["statusCode"] == status
    assert leaks((log.getvalue() + str(answer)).encode(), [FIELDS["name"]]) == []


def filled_in() -> bytes:
    return urlencode({**ASKED, "step": "send", "code": codes.new()}, doseq=True).encode()
