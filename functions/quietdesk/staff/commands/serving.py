"""Verbs that run something: the demo's server, the desk's pages, signing in, and making tables."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from quietdesk import bundles, clock, settings, weeks
from quietdesk.city import City
from quietdesk.clock import Doubt
from quietdesk.errors import (
    BadCity,
    BadKeyring,
    BadSetting,
    BadSignature,
    DemoLost,
    NotSaved,
    WrongPassphrase,
)
from quietdesk.settings import Settings
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.commands import demo
from quietdesk.staff.commands.clocks import doubted
from quietdesk.staff.commands.terminal import Here, complain, hint
from quietdesk.staff.device.keyring import Keyring
from quietdesk.store import Store, open_store


def run(chosen: Settings, args: argparse.Namespace) -> int:
    """Serve the site and the form on this machine, with the timer beside them."""
    # These serve residents and no other command needs them.
    from quietdesk import local
    from quietdesk.pages import Pages
    from quietdesk.programme import Programme
    from quietdesk.website.profile import compile_profile

    city = City.from_data(compile_profile(chosen.city, Path("site/words")))
    # Before anything is made or built: another server may be serving that folder.
    reserved = local.reserve(args.host, args.port)
    store = open_store(chosen.store, destroys=True)
    with closing(store), reserved:
        demo_works = False
        if city.deployment == DEMO:
            demo_works = _demo(partial(demo.set_up, chosen, city, store))
            demo_keys = settings.read(os.environ).custodians  # now with the demo custodian's
            chosen = replace(chosen, custodians=demo_keys)
        trust = chosen.trust(city.deployment)

        evenly, residents = clock.Evenly(), NotBefore(lambda: datetime.now(UTC))

        def upkeep() -> None:
            now = datetime.now(UTC)
            so_far = evenly.so_far(now, time.monotonic())
            try:
                believed = swept(store, city, trust, now, so_far)
            finally:
                residents.look(store)
            if not believed:
                return  # nor is anything signed by a clock that is not believed
            if demo_works:
                _demo(partial(demo.keep, chosen, store, city, trust, now))

        # Who starts it is asked, where nothing else tells that its clock is right.
        here = Here(chosen, city, datetime.now(UTC)).forget()
        if here.hindered and (demo_works or city.deployment != DEMO):  # or it is said already
            complain(str(here.hindered))
            hint(here.hindered)
        here.dates(store)
        try:
            upkeep()
            _say_if_closed(store, city, trust)
        except BadSignature as error:
            whose = "the keys in the store are not of the custodians in QUIETDESK_CUSTODIANS"
            raise BadSetting(f"{error}: {whose}") from None
        print("Building the site ...", flush=True)
        built = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(chosen.site)],
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        )
        if built.returncode:
            raise BadCity("the site does not build; what is wrong stands above")
        local.compress(chosen.site)
        pages = Pages(city, trust.custodians, trust.threshold)
        programme = Programme(city, store, trust, pages, residents.now, chosen.address)
        functions = local.functions(programme)
        app = local.application(chosen.site.resolve(), pages, functions)

        server = local.listen(app, reserved)
        print(f"Quietdesk is open at http://{args.host}:{args.port}")
        print(f"Sealed requests lie in {chosen.store}, keys in {chosen.keyring.parent}/")
        if city.deployment == DEMO:
            print(f"The demo passphrase is: {demo.PASSPHRASE}")
        print("Ask for an appointment there. Then, in another terminal, be the desk:")
        print("  . .venv/bin/activate && quietdesk desk")
        print("or, without its pages: quietdesk pull")
        print("Ctrl-C stops.", flush=True)
        local.serve(server, upkeep)
    print("Stopped. Requests and keys are kept for the next start.")
    return 1 if here.hindered else 0


class NotBefore:
    """The time by which residents are served: this machine's clock, and never earlier than it was
    last believed. Else one that went back would take requests for weeks whose keys are destroyed.
    A clock that is ahead has no such end: what it takes is sealed to a later week's keys, and
    opens."""

    def __init__(self, here: Callable[[], datetime]):
        self._here = here
        self._believed = clock.NEVER

    def look(self, store: Store) -> None:
        """Look when it was last believed. Raises StoreUnavailable."""
        self._believed = clock.last_believed(store) or clock.NEVER

    def now(self) -> datetime:
        return max(self._here(), self._believed)


def swept(
    store: Store, city: City, trust: Trust, now: datetime, evenly: timedelta = timedelta(0)
) -> bool:
    """Destroy what is due on this machine, and give whether its clock is believed."""
    dates, waits = clock.to_sweep(store, city, trust, now, evenly)
    for line in doubted(dates, waits, city.zone):
        complain(line)
    if dates.doubt is Doubt.MOVED:
        complain(
            "the clock is believed after it has run evenly for a day, or gone on for two over "
            "starts, or by: quietdesk sweep"
        )
    clock.swept(store, city, dates)
    return not dates.doubt


def _demo(step: Callable[[], None]) -> bool:
    """Whether a step of the demo's upkeep was done. Its keys are not needed to serve and to
    destroy: without them it is said what is left undone."""
    try:
        step()
        return True
    except (DemoLost, BadKeyring, NotSaved, WrongPassphrase) as error:
        complain(str(error))
        hint(error)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
    complain("until then no keys are made and no times published; all else goes on")
    return False


def _say_if_closed(store: Store, city: City, trust: Trust) -> None:
    current = weeks.epoch_at(datetime.now(UTC), city.zone)
    held = store.read(bundles.name(city.queue, current))
    if held is None:
        print("There is no key for this week: the form is closed until custodians run", end=" ")
        print("quietdesk keys mint")
    else:
        bundles.signed(held[0], trust, city.queue)  # or it says whose signature is missing


def desk(at: Here, args: argparse.Namespace) -> int:
    """Open the desk's pages in this computer's browser, until Ctrl-C."""
    # Which no other command needs.
    from quietdesk.staff.console import server

    at.unhindered()

    def now() -> datetime:
        return datetime.now(UTC)

    unlock, doubt = unlocking(at, now)
    begin = None
    if at.settings.store.startswith("dynamodb:"):
        from quietdesk.staff.device.signin import Waiting  # boto3 is slow to import

        begin = partial(Waiting, now)
    with closing(at.store()) as store:
        console = server.Console(
            store,
            at.city,
            at.settings.keyring,
            unlock,
            now,
            args.lang,
            begin,
            doubt,
        )
        server.run(console, not args.no_browser)
    print("The desk is locked.")
    return 0


def unlocking(
    at: Here, now: Callable[[], datetime]
) -> tuple[Callable[[str], Keyring], Callable[[], Doubt]]:
    """What gives the keyring for a passphrase, again and again, and what then says why the clock
    was not believed. The desk may stay open over a key day: what ended meanwhile is forgotten
    first, and nothing is asked at the terminal, where nobody looks."""
    doubt = at.doubt

    def unlock(typed: str) -> Keyring:
        nonlocal doubt
        current = replace(at, now=now()).forget(ask=False)
        doubt = current.doubt
        return current.unlocked(typed)

    return unlock, lambda: doubt


def sign_in(_: Here, __: argparse.Namespace) -> int:
    """Sign in to AWS, with a code that is confirmed in a browser."""
    from quietdesk.staff.device import signin  # boto3 is slow to import

    def show(it: signin.Code) -> None:
        print(f"Open this address in a browser: {it.address}")
        print(f"Confirm there, if it shows this code: {it.code}")
        print("Waiting. Ctrl-C stops.", flush=True)

    signin.sign_in(show, lambda: datetime.now(UTC), time.sleep)
    print("Signed in.")
    return 0


def store_create(at: Here, _: argparse.Namespace) -> int:
    """Make the tables of a DynamoDB store, for demos."""
    kind, prefix = at.settings.store.partition(":")[::2]
    if kind != "dynamodb" or not prefix:
        raise BadSetting("only a store of dynamodb:PREFIX has tables to make; see --store")
    from quietdesk.store.dynamodb.tables import create_tables

    for table in create_tables(prefix):
        print(f"Table {table} made.")
    return 0
