"""How the vectors were made: `python -m tests.vectors.make` writes a file that is missing. What is
there is never changed: old envelopes must stay readable. Further cases are added by hand, as "sealed
by JavaScript" was with tests/browser/seal.mjs. All keys are test keys, and public.

Both test_vectors.py and tests/browser/vectors.mjs read them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quietdesk import bundles, codes, devices, envelopes, hpke, openings, replies, request
from quietdesk.bundles import Bundle
from quietdesk.city import City
from quietdesk.devices import Device, Removed
from quietdesk.errors import Invalid
from quietdesk.hpke import Kid
from quietdesk.openings import Listing, Opening
from quietdesk.signed import Trust, signed_document
from quietdesk.staff.device import keyring
from quietdesk.staff.device.keyring import Keyring
from quietdesk.weeks import Epoch
from quietdesk.wire import b64, unb64
from tests.vectors.programme import Recorder
from tests.world import ASKED, CHEAP, PASSPHRASE, compiled_city

FOLDER = Path(__file__).resolve().parent
NOW = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
WEEK = Epoch(2026, 47)
CODE = "7K3M-9QXT-2B6H-W3ZD"


def main() -> None:
    for name, make in (
        ("code", make_code),
        ("request", make_request),
        ("bundle", make_bundle),
        ("bundle_edges", make_bundle_edges),
        ("bundle_papers", make_bundle_papers),
        ("envelope", make_envelope),
        ("openings", make_openings),
        ("devices", make_devices),
        ("sealed-2", make_sealed_with_numbers),
    ):
        write(f"{name}.json", make)
    with TemporaryDirectory() as folder:
        made = Recorder(Path(folder))
        write("sealed-1.json", made.sealed)
        write("papers-3.json", made.papers)
        write("device-1.keyring", made.keyring)
        write("store-2.sql", made.sql)


def write(name: str, make: Callable[[], Any]) -> None:
    """Makes the file if it is missing. What made the others need not work any more."""
    path = FOLDER / name
    if not path.exists():
        made = make()
        text = (
            made if isinstance(made, str) else json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        )
        path.write_text(text)
        print(f"made {name}")


def make_code() -> dict[str, Any]:
    derived = []
    for code, deployment in ((CODE, "demo"), (CODE, "somewhere"), ("0000-0000-0000-0000", "demo")):
        secrets = codes.derive(code, deployment)
        values = {"id": secrets.id.hex(), "auth": secrets.auth.hex(), "reply": secrets.reply.hex()}
        derived.append({"code": code, "deployment": deployment, **values})
    read = [
        "7k3m-9qxt-2b6h-w3zd",
        "7K3M9QXT2B6HW3ZD",
        " 7K3M 9QXT\t2B6H W3ZD\n",
        "o0OI-1iLl-0000-1111",
        "\u30007K3M\x859QXT\x1f2B6H--W3ZD-",
    ]
    return {
        "derive": derived,
        "read": [{"typed": typed, "code": codes.parse(typed)} for typed in read],
        "refused": ["", "7K3M-9QXT-2B6H-W3Z", "7K3M-9QXT-2B6H-W3ZDD", "7K3M-9QXT-2B6H-W3ZU", "৭K3M-9QXT-2B6H-W3ZD", "\ufeff7K3M-9QXT-2B6H-W3ZD"],
    }  # fmt: skip


def make_request() -> dict[str, Any]:
    city = compiled_city()
    centers = [center.id for center in city.centers]
    changes: list[dict[str, list[str]]] = [
        {}, {"centers": ["corona", "any"]}, {"windows": ["sat-pm", "mon-am", "sat-pm"]},
        {"windows": [], "opening": ["corona-1"]}, {"opening": ["corona.2026-12-03.0930"]},
        {"centers": [], "windows": [], "opening": [" corona.2028-02-29.2359.st-marys "]},
        {"opening": ["corona.2026-02-29.0930"]}, {"opening": ["corona.2026-12-03.2400"]},
        {"opening": ["nowhere.2026-12-03.0930"]}, {"opening": ["corona.2026-12-03.0930.X"]},
        {"opening": ["corona.2026-12-03.0930\n"]}, {"opening": [""]}, {"people": ["৩"]}, {"people": ["٢"]},
        {"people": [" 2 "]}, {"children": []}, {"name": ["  Ana \u202e  Lucía\t"]},
        {"name": ["Luci\u0301a"]}, {"name": ["می\u200cخواهم"]}, {"name": ["𝔸" * 80]},
        {"name": ["<b>\"Ana\" & 'Eva'</b> \\"]}, {"phone": ["+1 (718) 555.0123"]},
        {"phone": ["৭১৮-৫৫৫-০১২৩"]}, {"phone": ["718–555–0123"]},
        {"reach": [], "phone": [], "phone_owner": ["mine"]}, {"centers": centers},
        {"windows": list(request.WINDOWS), "access": list(city.access), "name": ["ব" * 80]},
        {"centers": ["nowhere"]}, {"windows": ["mon-night"]}, {"windows": []}, {"people": ["two"]},
        {"people": ["0"]}, {"people": ["7"]}, {"people": ["-1"]}, {"people": ["1.5"]},
        {"people": ["1"], "children": ["2"]}, {"visit_type": ["steal"]}, {"visit_type": []},
        {"language": ["tlh"]}, {"access": ["jacuzzi"]}, {"name": ["a" * 81]},
        {"name": ["\u202e \u200b"]}, {"name": [" \u3000 "]}, {"phone": []}, {"phone": ["call me"]},
        {"phone": ["123"]}, {"phone": ["1234567890123456"]}, {"phone_owner": []},
        {"phone_owner": ["boss"]}, {"reach": []}, {"reach": ["pigeon"]},
    ]  # fmt: skip
    edges: list[dict[str, list[str]]] = [
        {"people": ["۲"]}, {"people": ["२"]}, {"people": ["２"]}, {"people": ["", "2", "3"]},
        {"name": ["A\ufeffn\u2060a\u00ad\u206f"]}, {"name": ["\x1fA\u0085na\u3000\u1680B"]},
        {"centers": ["\u3000corona\x85"]}, {"phone": ["\u200e718\u2010555\u201501\xa023"]},
        {"access": ["any"]}, {"people": ["0002"]}, {"people": ["x"], "children": ["3"]},
        {"centers": ["\ufeffcorona"]}, {"phone": ["718+5550123"]},
    ]  # fmt: skip
    cases = [{**ASKED, **change} for change in changes] + [{}]
    cases += [{**ASKED, **change} for change in edges]
    valid, invalid = [], []
    for typed in cases:
        try:
            asked = request.parse(typed, city)
        except Invalid as error:
            invalid.append({"typed": typed, "problems": error.fields})
        else:
            parts = request.pack(asked, bytes(32))
            packed = {
                "visit": parts.visit.decode().rstrip(),
                "contact": parts.contact.decode().rstrip(),
            }
            valid.append({"typed": typed, "request": request.values(asked), **packed})
    rules = {
        "centers": centers,
        "opening_centers": centers,
        "visit_types": city.visit_types,
        "languages": city.languages,
        "access": city.access,
        "max_people": city.max_people,
    }
    eight = [f"center-{n}" for n in range(8)]
    for n in (6, 7):
        typed = {**ASKED, "centers": eight[:n]}
        try:
            asked = request.parse(typed, with_centers(city, eight))
        except Invalid as error:
            invalid.append({"centers": eight, "typed": typed, "problems": error.fields})
    short = request.values(request.parse(ASKED, city))
    too_long = [
        {"request": short | {"name": "ব" * 400}, "field": "name"},
        {"request": short | {"phone": "7" * 1000}, "field": "phone"},
    ]
    return {"rules": rules, "valid": valid, "invalid": invalid, "too_long": too_long}


def with_centers(city: City, ids: list[str]) -> City:
    return replace(city, centers=tuple(replace(city.centers[0], id=id) for id in ids))


def make_bundle() -> dict[str, Any]:
    zone = compiled_city().zone
    one, two, stranger = (
        keyring.new("custodian", Trust((), 1, "vectors"), PASSPHRASE, CHEAP) for _ in range(3)
    )
    rows = [
        (f"main.{part}.{WEEK}.0000000{n}", hpke.public_key(bytes([n] * 32)))
        for n, part in enumerate(hpke.PARTS)
    ]
    body = bundles.body("main", "vectors", WEEK, zone, rows, 1, NOW.date())

    def signed(body: bytes, *signers: keyring.Keyring, kind: str = "bundle") -> str:
        return signed_document(body, [s.sign(kind, body) for s in signers]).decode()

    def changed(**values: object) -> str:
        return signed(json.dumps({**json.loads(body), **values}).encode(), one, two)

    flipped = bytearray(body)
    flipped[100] ^= 1
    good = signed(body, one, two)
    doc = json.loads(good)
    start, end = int(WEEK.start(zone).timestamp()), int(WEEK.end(zone).timestamp())
    now = int(NOW.timestamp())
    day = 86_400
    cases: list[dict[str, Any]] = [
        {"name": "good", "raw": good, "now": now, "expect": "good"},
        {"name": "good with a third signature", "raw": signed(body, one, stranger, two), "now": now, "expect": "good"},
        {"name": "stale", "raw": good, "now": end + 4 * day, "expect": "stale"},
        {"name": "early", "raw": good, "now": start - 3 * day, "expect": "early"},
        {"name": "other queue", "raw": good, "now": now, "queue": "other", "expect": "queue"},
        {"name": "other deployment", "raw": changed(deployment="demo"), "now": now, "expect": "deployment"},
        {"name": "one changed byte", "raw": json.dumps(doc | {"body": b64(bytes(flipped))}), "now": now, "expect": "signatures"},
        {"name": "too few signatures", "raw": signed(body, one), "now": now, "expect": "signatures"},
        {"name": "repeated signature", "raw": signed(body, one, one), "now": now, "expect": "signatures"},
        {"name": "foreign signer", "raw": signed(body, one, stranger), "now": now, "expect": "signatures"},
        {"name": "another kind of document", "raw": signed(body, one, two, kind="devices"), "now": now, "expect": "signatures"},
        {"name": "no signatures", "raw": json.dumps(doc | {"sigs": []}), "now": now, "expect": "signatures"},
        {"name": "not JSON", "raw": "{", "now": now, "expect": "signatures"},
        {"name": "another version", "raw": changed(v=2), "now": now, "expect": "malformed"},
        {"name": "another week's keys", "raw": changed(epoch="2026-W48"), "now": now, "expect": "malformed"},
        {"name": "no keys", "raw": changed(keys=[]), "now": now, "expect": "malformed"},
        {"name": "one part twice", "raw": changed(keys=[json.loads(body)["keys"][0]] * 2), "now": now, "expect": "malformed"},
    ]  # fmt: skip
    trust = {
        "custodians": [b64(one.public_key), b64(two.public_key)],
        "threshold": 2,
        "deployment": "vectors",
    }
    return {"queue": "main", "trust": trust, "cases": cases}


def make_bundle_edges() -> dict[str, Any]:
    """What make_bundle leaves out; a case may have a `trust` of its own. `clock` is for phones only,
    whose clock may be 26 hours wrong."""
    zone = compiled_city().zone
    one, two = (keyring.new("custodian", Trust((), 1, "vectors"), PASSPHRASE, CHEAP) for _ in "ab")
    rows = [
        (f"main.{part}.{WEEK}.0000000{n}", hpke.public_key(bytes([n] * 32)))
        for n, part in enumerate(hpke.PARTS)
    ]
    body = bundles.body("main", "vectors", WEEK, zone, rows, 1, NOW.date())
    doc = json.loads(body)
    visit, contact = doc["keys"]

    def signed(body: bytes) -> str:
        return signed_document(body, [s.sign("bundle", body) for s in (one, two)]).decode()

    def changed(**values: object) -> str:
        return signed(json.dumps({**doc, **values}).encode())

    def renamed(part: dict[str, str], old: str, new: str) -> dict[str, str]:
        return part | {"kid": part["kid"].replace(old, new)}

    good = signed(body)
    outer = json.loads(good)
    first, second = outer["sigs"]
    short = b64(unb64(first["sig"])[:63])
    # Blanks at the end of JSON mean nothing; with this many the last letter has bits to spare.
    spare = json.loads(signed(body + b" " * ((1 - len(body)) % 3)))
    stray = spare["body"][:-1] + chr(ord(spare["body"][-1]) + 1)
    now = int(NOW.timestamp())
    trust = {
        "custodians": [b64(one.public_key), b64(two.public_key)],
        "threshold": 2,
        "deployment": "vectors",
    }
    twice = trust | {"custodians": [b64(one.public_key)] * 2}
    wrong: list[tuple[str, str, str]] = [
        ("signatures under each other's names", json.dumps(outer | {"sigs": [first | {"by": second["by"]}, second | {"by": first["by"]}]}), "signatures"),
        ("a short signature beside two good ones", json.dumps(outer | {"sigs": [first, second, first | {"sig": short}]}), "signatures"),
        ("body with a padding sign", json.dumps(spare | {"body": spare["body"] + "=="}), "signatures"),
        ("body spelled with stray bits", json.dumps(spare | {"body": stray}), "signatures"),
        ("a third key", changed(keys=[visit, contact, contact]), "malformed"),
        ("a key of another queue", changed(keys=[visit, renamed(contact, "main.", "other.")]), "malformed"),
        ("a key of another part", changed(keys=[visit, renamed(contact, "contact", "visit")]), "malformed"),
        ("a key of another week", changed(keys=[visit, renamed(contact, "W47", "W48")]), "malformed"),
        ("a short key", changed(keys=[visit, contact | {"pk": b64(unb64(contact["pk"])[:-1])}]), "malformed"),
        ("no dates", changed(not_before=None, not_after=None), "malformed"),
        ("not an object", signed(b"[]"), "malformed"),
    ]  # fmt: skip
    cases: list[dict[str, Any]] = [
        {"name": "good", "raw": good, "now": now, "expect": "good"},
        {"name": "one custodian pinned twice", "raw": good, "now": now, "trust": twice, "expect": "signatures"},
        {"name": "threshold of none", "raw": json.dumps(outer | {"sigs": []}), "now": now, "trust": trust | {"threshold": 0}, "expect": "signatures"},
        *({"name": name, "raw": raw, "now": now, "expect": expect} for name, raw, expect in wrong),
    ]  # fmt: skip
    hours = 3600
    before, after = doc["not_before"], doc["not_after"]
    clock = [
        {"name": "26 hours slow", "now": before - 26 * hours, "expect": "good"},
        {"name": "more than 26 hours slow", "now": before - 26 * hours - 1, "expect": "early"},
        {"name": "26 hours fast", "now": after + 26 * hours, "expect": "good"},
        {"name": "more than 26 hours fast", "now": after + 26 * hours + 1, "expect": "stale"},
    ]
    return {"queue": "main", "trust": trust, "cases": cases, "clock": clock}


def make_bundle_papers() -> dict[str, Any]:
    """What every signed document carries, said in a bundle: type, number and day."""
    held = make_bundle()
    one, two = (keyring.new("custodian", Trust((), 1, "vectors"), PASSPHRASE, CHEAP) for _ in "ab")
    good = json.loads(unb64(json.loads(held["cases"][0]["raw"])["body"]))

    def signed(**said: object) -> str:
        body = json.dumps(
            {it: value for it, value in (good | said).items() if value != "left out"}
        ).encode()
        return signed_document(body, [s.sign("bundle", body) for s in (one, two)]).decode()

    old = {"type": "left out", "number": "left out", "day": "left out"}
    cases: list[tuple[str, dict[str, object], str]] = [
        ("all of them", {}, "good"),
        ("none of them, as it was signed before", old, "good"),
        ("no number", {"number": "left out"}, "good"),
        ("no day", {"day": "left out"}, "good"),
        ("the highest number", {"number": 2**53 - 1}, "good"),
        ("more, by a newer release", {"minted_by": "a", "roles": {"a": [1]}}, "good"),
        ("another type", {"type": "devices"}, "type"),
        ("a type that is none", {"type": 1}, "type"),
        ("a type of nothing", {"type": None}, "type"),
        *((f"number {it!r}", {"number": it}, "malformed") for it in (-1, 1.5, True, "1", None, [1], 2**53)),
        *((f"day {it!r}", {"day": it}, "malformed") for it in ("", "2026-11-31", "2026-02-29", "20261118", "2026-W47-3", "0000-01-01", "2026-11-18\n", "٢٠٢٦-11-18", None, 20261118, ["2026-11-18"])),
    ]  # fmt: skip
    trust = {
        "custodians": [b64(one.public_key), b64(two.public_key)],
        "threshold": 2,
        "deployment": "vectors",
    }
    now = int(NOW.timestamp())
    return {
        "queue": "main",
        "trust": trust,
        "cases": [
            {"name": name, "raw": signed(**said), "now": now, "expect": expect}
            for name, said, expect in cases
        ],
    }


def make_envelope() -> dict[str, Any]:
    city = compiled_city()
    halves, seeds, bundle_keys = {}, {}, {}
    for n, part in enumerate(hpke.PARTS):
        kid = Kid("main", part, WEEK, f"0000000{n}")
        halves[kid] = {
            "device": bytes([0xD0 + n] * 32).hex(),
            "server": bytes([0x50 + n] * 32).hex(),
        }
        seeds[kid] = hpke.seed(*(bytes.fromhex(half) for half in halves[kid].values()), kid)
        bundle_keys[part] = (kid, hpke.public_key(seeds[kid]))
    bundle = Bundle("main", "demo", WEEK, 0, 0, bundle_keys)
    secrets = codes.derive(CODE, "demo")
    parts = request.pack(request.parse(ASKED, city), secrets.reply)
    wire = json.loads(envelopes.write(envelopes.seal(parts, bundle, secrets)))
    other = codes.derive("0000-0000-0000-0000", "demo")
    theirs = json.loads(envelopes.write(envelopes.seal(parts, bundle, other)))
    visit, contact = wire["visit"], wire["contact"]

    def resealed(data: bytes) -> dict[str, Any]:
        return {**wire, "visit": {**visit, "sealed": b64(data)}}

    sealed = unb64(visit["sealed"])
    flipped = bytearray(sealed)
    flipped[1500] ^= 1
    moved = visit["kid"].replace("W47", "W48")
    plain = {str(kid): seed.hex() for kid, seed in seeds.items()}
    alone = {
        side: {str(kid): hpke.seed(*((bytes.fromhex(pair["device"]), bytes(32)) if side == "device" else (bytes(32), bytes.fromhex(pair["server"]))), kid).hex() for kid, pair in halves.items()}
        for side in ("device", "server")
    }  # fmt: skip
    shut = "cannot open"
    cases: list[dict[str, Any]] = [
        {"name": "sealed by Python", "envelope": wire, "expect": "opens"},
        {"name": "wrong key", "envelope": wire, "seeds": dict.fromkeys(plain, "00" * 32), "expect": shut},
        {"name": "device half alone", "envelope": wire, "seeds": alone["device"], "expect": shut},
        {"name": "server half alone", "envelope": wire, "seeds": alone["server"], "expect": shut},
        {"name": "moved part", "envelope": {**wire, "contact": theirs["contact"]}, "expect": shut},
        {"name": "swapped parts", "envelope": {**wire, "visit": {**visit, "sealed": contact["sealed"]}, "contact": {**contact, "sealed": visit["sealed"]}}, "expect": shut},
        {"name": "wrong week", "envelope": {**wire, "visit": {**visit, "kid": moved}}, "seeds": {**plain, moved: plain[visit["kid"]]}, "expect": shut},
        {"name": "wrong week of birth", "envelope": {**wire, "born": "2026-W46"}, "expect": shut},
        {"name": "flipped byte", "envelope": resealed(bytes(flipped)), "expect": shut},
        {"name": "missing byte", "envelope": resealed(sealed[:-1]), "expect": "size"},
        {"name": "extra byte", "envelope": resealed(sealed + b"\0"), "expect": "size"},
        {"name": "unknown version", "envelope": {**wire, "v": 2}, "expect": "version"},
    ]  # fmt: skip
    return {
        "code": CODE,
        "deployment": "demo",
        "halves": {str(kid): pair for kid, pair in halves.items()},
        "seeds": plain,
        "public_keys": {str(kid): b64(pk) for kid, pk in bundle_keys.values()},
        "visit": parts.visit.decode().rstrip(),
        "contact": parts.contact.decode().rstrip(),
        "cases": cases,
    }


def make_openings() -> dict[str, Any]:
    """Ids, weeks, signed lists and replies."""
    good = [
        "corona.2026-12-03.0930",
        "a.1970-01-01.0000",
        "x_y-2.9999-12-31.2359.abc",
        "corona.2024-12-30.1700.desk",
    ]
    bad = ["", "corona", "corona.2026-13-01.0930", "corona.2026-02-30.0930", "corona.2026-12-03.2400", "corona.2026-12-03.0960", "Corona.2026-12-03.0930", "corona.2026-12-03.0930.", "corona.2026-12-03.0930.ab", "corona.2026-12-03.0930.a-path-too-long-x", "corona.2026-12-03.09:30", "corona.٢٠26-12-03.0930", "corona.0000-01-01.0930", " corona.2026-12-03.0930", "corona.2026-12-03.0930\n"]  # fmt: skip
    custodian = keyring.new("custodian", Trust((), 1, "demo"), PASSPHRASE, CHEAP)
    trust = Trust((custodian.public_key,), 1, "demo")
    device, other = (keyring.new("device", trust, PASSPHRASE, CHEAP) for _ in range(2))
    seats = {Opening(date(2026, 12, 3), at, "corona"): 4 for at in ("09:30", "13:00")}
    listed = Listing("", True, seats, frozenset({("corona", date(2026, 12, 4))}))

    def devices(*admitted: str, deployment: str = "demo") -> str:
        body = json.dumps({"v": 1, "deployment": deployment, "devices": admitted}).encode()
        return signed_document(body, [custodian.sign("devices", body)]).decode()

    def signed(
        listing: Listing = listed, by: Any = device, queue: str = "main", deployment: str = "demo"
    ) -> str:
        body = openings.listing_body(listing, queue, deployment, by.public_key, 1, NOW.date())
        return signed_document(body, [by.sign("openings", body)]).decode()

    document = json.loads(signed())
    tampered = json.loads(unb64(document["body"]))
    tampered["times"]["corona"]["2026-12-03"]["10:00"] = 9
    changed = json.dumps({**document, "body": b64(json.dumps(tampered).encode())})
    partner = Listing("partner", True, {replace(it, path="partner"): n for it, n in seats.items()})
    admitted = devices(device.id)
    cases = [
        {"name": "good", "devices": admitted, "openings": signed(), "expect": "good"},
        {"name": "a path", "devices": admitted, "openings": signed(partner), "path": "partner", "expect": "good"},
        {"name": "no devices", "devices": devices(), "openings": signed(), "expect": "refused"},
        {"name": "another device", "devices": admitted, "openings": signed(by=other), "expect": "refused"},
        {"name": "one changed byte", "devices": admitted, "openings": changed, "expect": "refused"},
        {"name": "no signature", "devices": admitted, "openings": json.dumps({**document, "sigs": []}), "expect": "refused"},
        {"name": "another queue", "devices": admitted, "openings": signed(queue="other"), "expect": "refused"},
        {"name": "another deployment", "devices": admitted, "openings": signed(deployment="gotham"), "expect": "refused"},
        {"name": "devices of another deployment", "devices": devices(device.id, deployment="gotham"), "openings": signed(), "expect": "refused"},
        {"name": "the list of a path for everybody", "devices": admitted, "openings": signed(partner), "expect": "refused"},
        {"name": "not JSON", "devices": admitted, "openings": "{", "expect": "refused"},
        {"name": "devices not signed", "devices": "{}", "openings": signed(), "expect": "refused"},
    ]  # fmt: skip
    return {
        "good": [{"id": id, "week": str(Opening.parse(id).epoch)} for id in good],
        "bad": bad,
        "trust": {"custodians": [b64(custodian.public_key)], "threshold": 1, "deployment": "demo"},
        "queue": "main",
        "free": [*map(str, seats), *map(str, partner.seats)],
        "cases": cases,
        "replies": [
            {"code": CODE, "says": replies.write(reply), "sealed": b64(envelopes.seal_reply(replies.write(reply), secrets.reply, secrets.id))}
            for secrets in [codes.derive(CODE, "demo")]
            for reply in (
                replies.waiting(date(2026, 12, 4)),
                replies.Reply("none"),
                replies.Reply("placed", None, Opening.parse("corona.2026-12-03.0930")),
                replies.Reply("placed", None, Opening.parse("hall.2026-12-03.0930.partner"), "Église", "3, rue du Port"),
            )
        ],
    }  # fmt: skip


def make_devices() -> dict[str, Any]:
    """Lists of openings, and the list of devices that says whose signature counts: whole keys."""
    custodian = keyring.new("custodian", Trust((), 1, "demo"), PASSPHRASE, CHEAP)
    trust = Trust((custodian.public_key,), 1, "demo")
    device, second, other = (keyring.new("device", trust, PASSPHRASE, CHEAP) for _ in range(3))
    day = NOW.date()
    seats = {Opening(date(2026, 12, 3), at, "corona"): 4 for at in ("09:30", "13:00")}

    def listed(
        *admitted: Keyring, removed: Sequence[Keyring] = (), deployment: str = "demo", v: int = 2
    ) -> str:
        keys = [Device(it.public_key, "scheduler", day) for it in admitted]
        gone = [Removed(it.public_key, day) for it in removed]
        says = json.loads(devices.body(keys, gone, deployment, 1, day)) | {"v": v}
        body = json.dumps(says).encode()
        return signed_document(body, [custodian.sign("devices", body)]).decode()

    def signed(by: Keyring = device, names: Keyring | None = None, label: bytes = b"") -> str:
        spki = (names or by).public_key
        body = openings.listing_body(Listing("", True, seats), "main", "demo", spki, 1, day)
        whose, signature = by.sign("openings", body)
        return signed_document(body, [(label or whose, signature)]).decode()

    both, labels = listed(device, second), [device.id]
    as_before = json.dumps({"v": 1, "deployment": "demo", "devices": labels}).encode()
    old = signed_document(as_before, [custodian.sign("devices", as_before)]).decode()
    mixed = json.dumps({"v": 2, "deployment": "demo", "devices": labels, "removed": []}).encode()
    in_new = signed_document(mixed, [custodian.sign("devices", mixed)]).decode()
    cases = [
        {"name": "good", "devices": both, "openings": signed(), "expect": "good"},
        {"name": "the other device", "devices": both, "openings": signed(second), "expect": "good"},
        {"name": "labels, as before", "devices": old, "openings": signed(), "expect": "good"},
        {"name": "names another key than the one that signed", "devices": both, "openings": signed(names=other), "expect": "good"},
        {"name": "a stranger", "devices": both, "openings": signed(other), "expect": "refused"},
        {"name": "a stranger who names an admitted key", "devices": both, "openings": signed(other, names=device), "expect": "refused"},
        {"name": "a stranger under an admitted label", "devices": both, "openings": signed(other, names=device, label=bytes.fromhex(device.id)), "expect": "refused"},
        {"name": "a stranger under a label of before", "devices": old, "openings": signed(other, label=bytes.fromhex(device.id)), "expect": "refused"},
        {"name": "a device that was removed", "devices": listed(second, removed=[device]), "openings": signed(), "expect": "refused"},
        {"name": "nobody is admitted", "devices": listed(), "openings": signed(), "expect": "refused"},
        {"name": "labels in the new version", "devices": in_new, "openings": signed(), "expect": "refused"},
        {"name": "keys in the old version", "devices": listed(device, v=1), "openings": signed(), "expect": "refused"},
        {"name": "a version that nobody knows", "devices": listed(device, v=3), "openings": signed(), "expect": "refused"},
        {"name": "another deployment", "devices": listed(device, deployment="gotham"), "openings": signed(), "expect": "refused"},
    ]  # fmt: skip
    return {
        "trust": {"custodians": [b64(custodian.public_key)], "threshold": 1, "deployment": "demo"},
        "queue": "main",
        "free": [*map(str, seats)],
        "cases": cases,
    }


def make_sealed_with_numbers() -> dict[str, Any]:
    """The requests of sealed-1, in parts that carry the number of their fields; and as a newer
    release seals them, with fields that this one does not know."""
    before = json.loads((FOLDER / "sealed-1.json").read_text())
    seeds = {Kid.parse(it): bytes.fromhex(seed) for it, seed in before["seeds"].items()}
    private_keys = {kid: hpke.PrivateKey(seed) for kid, seed in seeds.items()}
    newer = request.Rest('{"f":3,"ticket":"C-014","called":null}', '{"f":4,"voice":{"from":9.5}}')
    cases = []
    for case in before["cases"]:
        old = envelopes.read(json.dumps(case["envelope"]).encode())
        asked, key, _ = request.unpack(envelopes.unseal(old, private_keys))
        keys = {
            it.kid.part: (it.kid, hpke.public_key(seeds[it.kid])) for it in (old.visit, old.contact)
        }
        bundle = Bundle("main", "demo", old.epoch, 0, 0, keys)
        for rest in (request.NO_REST, newer) if case["opening"] else (request.NO_REST,):
            parts = request.pack(asked, key, rest, 2)
            sealed = envelopes.reseal(old, parts, bundle, old.opening, old.reply)
            told: dict[str, Any] = {
                "visit": parts.visit.decode().rstrip(),
                "contact": parts.contact.decode().rstrip(),
            }
            if rest is newer:
                told = {"name": f"{case['name']}, by a newer release", "rest": asdict(rest)}
            cases.append({**case, **told, "envelope": json.loads(envelopes.write(sealed))})
    return {"deployment": before["deployment"], "seeds": before["seeds"], "cases": cases}


if __name__ == "__main__":
    main()
