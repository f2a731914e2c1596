"""A whole small programme, recorded by the release of the day: its store, a keyring, signed papers
and sealed requests. `make.py` calls it for what is missing. What is recorded stays for ever: a
later release must read it.

Two weeks pass: one is destroyed and stands in the signed record, its requests are gone; in the next
ones requests wait, have places, were answered, cancelled or moved.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from quietdesk import codes, envelopes, hpke, replies, request, sweep, weeks
from quietdesk.envelopes import Envelope
from quietdesk.hpke import Kid
from quietdesk.openings import Opening
from quietdesk.signed import Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.store.sqlite import Sqlite
from quietdesk.wire import b64
from tests.world import ASKED, CHEAP, NOON, PASSPHRASE, World, compiled_city, make_custodian

LATER = NOON + timedelta(weeks=2)  # Wednesday noon of 2026-W49, when all of it is read
VISIT = Opening((LATER + timedelta(days=8)).date(), "10:00", "corona")
AFTER = replace(VISIT, at="13:00")

CITY = compiled_city()
EVERYTHING: Mapping[str, Sequence[str]] = {
    "centers": [center.id for center in CITY.centers],
    "windows": list(request.WINDOWS),
    "people": ["6"],
    "children": ["6"],
    "visit_type": ["replace"],
    "language": ["other"],
    "access": list(CITY.access),
    "reach": list(request.REACH),
    "phone": ["+1 718 555 0123 4567"],
    "phone_owner": ["shared"],
}
NAMES = {
    "Latin": "ạ", "Cyrillic": "щ", "Arabic": "ع", "Bengali": "ব", "Hangul": "힣", "Han": "𠮷",
}  # fmt: skip


class Recorder:
    """One programme in a folder, with what was asked under which code."""

    def __init__(self, folder: Path):
        small = replace(CITY, centers=tuple(it for it in CITY.centers if it.id == VISIT.center))
        custodian = make_custodian()
        trust = Trust((custodian.public_key,), 1, CITY.deployment)
        device = keyring.new("device", trust, PASSPHRASE, CHEAP)
        device = device.topped_up(weeks.epoch_at(NOON, CITY.zone).plus(n) for n in range(5))
        self.path = folder / "recorded.db"
        self.store = Sqlite(self.path)
        self.world = World(small, self.store, trust, custodian, device)
        self.asked: dict[str, dict[str, Any]] = {}
        upload.upload_wrap_keys(self.store, device, small, NOON)
        ceremony.admit(self.store, small, trust, [custodian], device.public_key, NOON)
        ceremony.mint(self.store, small, trust, [custodian], 3, NOON)
        self.world.publisher().publish(NOON)
        self.store.put(self.world.sealed(NOON))
        sweep.run(self.store, small, LATER)
        ceremony.mint(self.store, small, trust, [custodian], 2, LATER)
        self.world.publisher().publish(LATER)
        found = self.world.opener().prove(LATER)
        upload.say_found(self.store, device, small, LATER, found.proved, found.failed)
        self._requests()

    def _requests(self) -> None:
        desk = self.world.desk()
        self._put("as most people ask", ASKED)
        self._put("no more than is needed", {
            **ASKED, "centers": ["any"], "windows": ["any"], "people": ["1"], "children": [],
            "access": [], "reach": [], "phone": [], "phone_owner": [],
        })  # fmt: skip
        for script, letter in NAMES.items():
            self._put(f"all there is, in {script}", EVERYTHING | {"name": [letter * 80]})
        self._take("takes a time", ASKED, VISIT)
        placed = self._put("placed by the desk", EVERYTHING | {"name": ["Ana Lucía"]})
        desk.place(desk.open(placed), AFTER, LATER)
        refused = self._put("answered that there is no place", ASKED)
        desk.refuse(desk.open(refused), LATER)
        self.store.erase(self._put("cancelled", ASKED), stub=True)
        waited = self._put("moved to a time", ASKED)
        taken = self._sealed("moved to a time", ASKED, AFTER)
        self.store.replace(waited, taken)

    def _put(self, name: str, typed: Mapping[str, Sequence[str]]) -> Envelope:
        envelope = self._sealed(name, typed)
        self.store.put(envelope)
        return envelope

    def _take(self, name: str, typed: Mapping[str, Sequence[str]], opening: Opening) -> None:
        self.store.take(self._sealed(name, typed, opening))

    def _sealed(
        self, name: str, typed: Mapping[str, Sequence[str]], opening: Opening | None = None
    ) -> Envelope:
        """As a phone seals it, under the code that the name has."""
        code = self.asked.setdefault(name, {"code": codes.new()})["code"]
        secrets = codes.derive(code, CITY.deployment)
        asked = request.parse({**typed, "opening": [str(opening or "")]}, CITY)
        self.asked[name]["request"] = request.values(asked)
        born = weeks.epoch_at(LATER, CITY.zone)
        epoch = opening.epoch if opening else born
        held = self.world.bundle(LATER + timedelta(weeks=epoch.week - born.week))
        reply = replies.waiting((LATER + timedelta(days=10)).date())
        if opening:
            center = CITY.center(opening.center)
            assert center is not None
            reply = replies.placed(opening, center)
        envelope = envelopes.seal(
            request.pack(asked, secrets.reply), held, secrets, opening, born,
            replies.write(reply),
        )  # fmt: skip
        end = weeks.expires(epoch, born, CITY.zone, CITY.serve_days)
        return envelopes.admitted(envelope, "P", end)

    # --- What is kept of it ---

    def sql(self) -> str:
        """The store as statements that make it again."""
        db = sqlite3.connect(self.path)
        pragmas = [
            f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        text = "\n".join([*db.iterdump(), *pragmas])
        db.close()
        return f"-- A store as a release wrote it, recorded by programme.py.\n{text}\n"

    def keyring(self) -> str:
        """The device's locked file."""
        return keyring.lock(self.world.device).decode() + "\n"

    def papers(self) -> dict[str, Any]:
        """Every signed paper, by the name under which the store has it."""
        trust, device = self.world.trust, self.world.device
        names = [
            "bundle#main#2026-W49", "bundle#main#2026-W50", "devices", "openings#main",
            "openings#main#desk", f"wrap-keys#{device.id}", "record#main#2026",
            "record-head#main#years",
        ]  # fmt: skip
        held = {name: self.store.read(name) for name in names}
        papers = {name: paper[0].decode() for name, paper in held.items() if paper}
        return {
            "queue": "main",
            "now": int(LATER.timestamp()),
            "trust": {
                "custodians": [b64(spki) for spki in trust.custodians],
                "threshold": trust.threshold,
                "deployment": trust.deployment,
            },
            "device": device.id,
            "free": [str(it) for it in self.world.publisher().free(LATER) if not it.path],
            "papers": papers,
        }

    def sealed(self) -> dict[str, Any]:
        """The requests that stand in the store, each as it went over the wire, and what opens it;
        `request` is what the person asked, `opening` where the desk placed it since."""
        live = weeks.live(LATER, CITY.zone, CITY.serve_days)
        cases, seeds = [], {}
        for name, asked in self.asked.items():
            secrets = codes.derive(asked["code"], CITY.deployment)
            envelope = self.store.find("main", secrets.id, live, LATER)
            if envelope is None:
                continue
            for part in (envelope.visit, envelope.contact):
                seeds[str(part.kid)] = self._seed(part.kid).hex()
            wire = json.loads(envelopes.write(envelope))
            reply = envelopes.open_reply(envelope.reply, secrets.reply, secrets.id)
            more = {"opening": str(envelope.opening or ""), "reply": reply, "envelope": wire}
            cases.append({"name": name, **asked, **more})
        return {"deployment": CITY.deployment, "seeds": seeds, "cases": cases}

    def _seed(self, kid: Kid) -> bytes:
        device = self.world.device
        wrap = self.store.wrap(kid, device.id)
        half = device.unwrap(kid, wrap)
        return hpke.seed(half, self.store.server_half(kid), kid)
