"""The command `quietdesk`: one function per verb that staff say. Output to stdout, talk to stderr.

Exit codes: 0 done, 1 refused or failed (one line of what, one of what to do), 2 wrong usage.
Every command first deletes the keys of ended weeks from this device's keyring.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from quietdesk import bundles, settings, sweep, weeks
from quietdesk.city import Center, City
from quietdesk.errors import (
    BadCity,
    BadKeyring,
    BadSetting,
    BadSignature,
    ClockWrong,
    Conflict,
    NoKeyring,
    NotAdmitted,
    NotAllowed,
    QuietdeskError,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
    TracesRemain,
    WrongPassphrase,
)
from quietdesk.settings import Settings
from quietdesk.signed import DEMO, Trust
from quietdesk.staff import ceremony, commands, demo, keyring
from quietdesk.staff.keyring import Keyring
from quietdesk.staff.terminal import Here, agreed, new_passphrase, unlock
from quietdesk.store import Store, open_store
from quietdesk.wire import b64

_ID_HELP = "an id, or its first 8 digits or more"
MIN_WEEKS, MAX_WEEKS = 1, keyring.WEEKS_AHEAD + 1

_HINTS: dict[type[QuietdeskError], str] = {
    BadCity: "correct the file (in site/city, or in QUIETDESK_CITY), then run: make site",
    BadSetting: "the settings are listed in docs/operations.md",
    NoKeyring: "run this in Quietdesk's folder after make run, or see docs/operations.md",
    BadSignature: "the keys in the store are not of the custodians in QUIETDESK_CUSTODIANS",
    BadKeyring: "restore nothing: make a new keyring with: quietdesk device new",
    WrongPassphrase: "try again; the demo passphrase is printed by: make run",
    NotAdmitted: "a custodian admits a device with: quietdesk device admit ID",
    StoreUnavailable: "check disk, network and store; see with: quietdesk pull",
    TracesRemain: "it was done; the next hourly sweep clears the rest",
    StoreBusy: "try again in a moment; quietdesk pull shows what was done",
    StoreRefused: "sign in with: quietdesk sign-in (or aws sso login), then repeat the command",
    NotAllowed: "who gives out the roles can change that; see docs/operations.md, who may do what",
    ClockWrong: "set this computer's date, time and time zone, then repeat the command",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    # A terminal that cannot write a letter of a name shows its number, not a trace with the letter.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    now = datetime.now(UTC)
    try:
        args = build_parser().parse_args(argv)
        told = {"QUIETDESK_STORE": args.store} if args.store else {}
        chosen = settings.read(os.environ | told)
        if args.command == "run":  # which compiles the city itself
            return _run(chosen, args)
        if args.command == "translations":  # which needs no keyring, and no compiled city
            return _translations(chosen, args)
        return int(args.run(Here(chosen, City.load(chosen.profile), now).forget(), args))
    except QuietdeskError as error:
        print(f"quietdesk: {error}", file=sys.stderr)
        if hint := _HINTS.get(type(error)):
            print(f"quietdesk: hint: {hint}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        # A desk's computer has neither what makes the website nor what makes posters.
        print(f"quietdesk: this computer does not have {error.name}", file=sys.stderr)
        print("quietdesk: hint: run that command in Quietdesk's own folder", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who read the output had enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"quietdesk: {error.filename}: {error.strerror}", file=sys.stderr)
        print("quietdesk: hint: check that file and its folder", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Every command with its help."""
    parser = argparse.ArgumentParser(
        prog="quietdesk", description="The desk of a municipal ID programme that keeps no list."
    )
    parser.add_argument(
        "--store", metavar="STORE", help="sqlite:PATH or dynamodb:PREFIX (QUIETDESK_STORE)"
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    run = verbs.add_parser("run", help="serve the site and the form on this machine")
    run.add_argument("--port", type=_port, default=8000)
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")

    translations = verbs.add_parser("translations", help="what the translations still need")
    translations.add_argument("tag", metavar="TAG", nargs="?", help="one language, such as ht")
    translations.add_argument("--update", action="store_true", help="bring site/words up to date")

    console = verbs.add_parser("desk", help="open the desk's pages in this computer's browser")
    console.add_argument("--lang", default="en", metavar="TAG", help="language of the pages (en)")
    console.add_argument("--no-browser", action="store_true", help="only print the address")
    console.set_defaults(run=_desk)

    signing = verbs.add_parser("sign-in", help="sign in to AWS with the profile in AWS_PROFILE")
    signing.set_defaults(run=_sign_in)

    pull = verbs.add_parser("pull", help="open the waiting requests and list them")
    pull.add_argument("--json", action="store_true", help="one JSON object a line")
    pull.set_defaults(run=commands.pull)

    place = verbs.add_parser("place", help="give requests the proposed time, or one you name")
    _add_requests(place)
    place.add_argument("--at", metavar="OPENING", help="a free opening, for one request")
    place.add_argument("--yes", action="store_true", help="do not ask")
    place.set_defaults(run=commands.place)

    wait = verbs.add_parser("wait", help="keep requests for another week")
    _add_requests(wait)
    wait.set_defaults(run=commands.wait)

    reply = verbs.add_parser("reply", help="answer requests")
    reply.add_argument("answer", choices=["no-place"], help="no-place: ask again, or call")
    reply.add_argument("id", metavar="ID", nargs="+", help=_ID_HELP)
    reply.set_defaults(run=commands.reply, all=False)  # nobody turns everybody away at once

    done = verbs.add_parser("done", help="erase requests that are dealt with")
    done.add_argument("id", metavar="ID", nargs="+", help=_ID_HELP)
    done.add_argument("--yes", action="store_true", help="do not ask")
    done.set_defaults(run=commands.done)

    enter = verbs.add_parser("enter", help="ask for somebody: the form's fields as JSON on stdin")
    enter.set_defaults(run=commands.enter)

    openings = verbs.add_parser("openings", help="the times people can come").add_subparsers(
        required=True, metavar="COMMAND"
    )
    publish = openings.add_parser("publish", help="publish the times of the coming weeks")
    publish.add_argument("--taking", choices=["on", "off"], help="may residents take times?")
    publish.set_defaults(run=commands.openings_publish)
    listing = openings.add_parser("list", help="list the coming times and the seats left")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=commands.openings_list)
    close = openings.add_parser("close", help="close a center for a day; answer who had a time")
    _add_day(close)
    close.add_argument("--yes", action="store_true", help="do not ask")
    close.set_defaults(run=commands.openings_close)
    reopen = openings.add_parser("reopen", help="take back that a day was closed")
    _add_day(reopen)
    reopen.set_defaults(run=commands.openings_reopen)

    poster = verbs.add_parser("poster", help="make a poster, handbills or blank cards as a file")
    where = poster.add_mutually_exclusive_group()
    where.add_argument("--center", metavar="CENTER", help="its id in centers.yml")
    where.add_argument("--path", metavar="WORD", help="the path of a center that is not listed")
    poster.add_argument("--lang", required=True, metavar="TAG", help="language, such as es")
    poster.add_argument("--second", metavar="TAG", help="a second language on the same sheet")
    poster.add_argument("--kind", choices=["poster", "handbill", "cards"], default="poster")
    poster.add_argument(
        "--site", required=True, type=_site, metavar="ADDRESS", help="https:// and its name"
    )
    poster.add_argument("--out", required=True, type=Path, metavar="FILE", help="an .html file")
    poster.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    poster.set_defaults(run=_poster)

    sweeping = verbs.add_parser(
        "sweep", help="destroy the keys of ended weeks now, as the timer does"
    )
    sweeping.set_defaults(run=_sweep)

    verbs.add_parser("record", help="print the record of destruction, and check it").set_defaults(
        run=_record
    )

    store = verbs.add_parser("store", help="the store").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = store.add_parser("create", help="make the tables of a DynamoDB store, for demos")
    create.set_defaults(run=_store_create)

    device = verbs.add_parser("device", help="this computer's keyring").add_subparsers(
        required=True, metavar="COMMAND"
    )
    new_device = device.add_parser("new", help="make this computer's keyring and upload its keys")
    new_device.set_defaults(run=_device_new)
    admit = device.add_parser("admit", help="admit a device (custodians)")
    admit.add_argument("id", metavar="ID", help="the 16 digits that `device new` printed there")
    admit.add_argument("--yes", action="store_true", help="the words were compared already")
    _add_custodians(admit)
    admit.set_defaults(run=_device_admit)

    custodian = verbs.add_parser("custodian", help="a custodian's keyring").add_subparsers(
        required=True, metavar="COMMAND"
    )
    new_custodian = custodian.add_parser("new", help="make a custodian's keyring")
    new_custodian.add_argument("file", type=Path, metavar="FILE")
    new_custodian.set_defaults(run=_custodian_new)

    key = verbs.add_parser("keys", help="the keys of weeks").add_subparsers(
        required=True, metavar="COMMAND"
    )
    mint = key.add_parser("mint", help="make the keys of this week and coming ones (custodians)")
    mint.add_argument("--weeks", type=_weeks, default=demo.MINT_WEEKS, metavar="N")
    _add_custodians(mint)
    mint.set_defaults(run=_keys_mint)
    key.add_parser("list", help="list weeks, their keys and key days").set_defaults(run=_keys_list)
    key.add_parser("forget", help="delete ended weeks from this keyring").set_defaults(run=_forget)
    return parser


def _add_day(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("center", metavar="CENTER", help="its id in centers.yml")
    parser.add_argument("day", metavar="DAY", type=commands.day, help="such as 2026-12-03")


def _add_requests(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", nargs="*", default=[], help=_ID_HELP)
    which.add_argument("--all", action="store_true", help="all that wait")


def _add_custodians(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--custodian",
        type=Path,
        action="append",
        metavar="FILE",
        help="a custodian's keyring; repeat for each (the demo custodian's by default)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a number from 1 to 65535 is needed")
    return int(text)


def _site(text: str) -> str:
    from quietdesk.website import outreach  # which needs what no other command does

    try:
        return outreach.site_address(text)
    except BadSetting as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _weeks(text: str) -> int:
    if not text.isdecimal() or not MIN_WEEKS <= int(text) <= MAX_WEEKS:
        raise argparse.ArgumentTypeError(f"a number from {MIN_WEEKS} to {MAX_WEEKS} is needed")
    return int(text)


# --- Commands ------------------------------------------------------------------------------------


def _run(chosen: Settings, args: argparse.Namespace) -> int:
    # These serve residents and no other command needs them.
    from quietdesk import local
    from quietdesk.pages import Pages
    from quietdesk.programme import Programme
    from quietdesk.website.profile import compile_profile

    city = City.from_data(compile_profile(chosen.city, Path("site/words")))
    if city.deployment == DEMO:
        demo.set_up(chosen, city)
        demo_keys = settings.read(os.environ).custodians  # now with the demo custodian's
        chosen = replace(chosen, custodians=demo_keys)
    trust = chosen.trust(city.deployment)
    # Before anything is built: another server may be serving that folder.
    reserved = local.reserve(args.host, args.port)
    store = open_store(chosen.store)

    def upkeep() -> None:
        now = datetime.now(UTC)
        sweep.run(store, city, now)
        if city.deployment == DEMO:
            demo.keep_minted(chosen, store, city, trust, now)
            demo.keep_published(chosen, store, city, trust, now)

    with closing(store), reserved:
        Here(chosen, city, datetime.now(UTC)).forget()
        upkeep()
        _say_if_closed(store, city, trust)
        print("Building the site ...", flush=True)
        built = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(chosen.site)],
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        )
        if built.returncode:
            raise BadCity("the site does not build; what is wrong stands above")
        pages = Pages(city, trust.custodians, trust.threshold)
        programme = Programme(city, store, trust, pages, lambda: datetime.now(UTC))
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
    return 0


def _say_if_closed(store: Store, city: City, trust: Trust) -> None:
    current = weeks.epoch_at(datetime.now(UTC), city.zone)
    held = store.read(bundles.name(city.queue, current))
    if held is None:
        print("There is no key for this week: the form is closed until custodians run", end=" ")
        print("quietdesk keys mint")
    else:
        bundles.signed(held[0], trust, city.queue)  # or it says whose signature is missing


def _desk(at: Here, args: argparse.Namespace) -> int:
    from quietdesk.staff.console import Console, run  # which no other command needs

    def unlock_now(typed: str) -> Keyring:
        # The desk may stay open over a key day: what ended meanwhile is forgotten first.
        return replace(at, now=datetime.now(UTC)).forget().unlocked(typed)

    def clock() -> datetime:
        return datetime.now(UTC)

    begin = None
    if at.settings.store.startswith("dynamodb:"):
        from quietdesk.staff.signin import Waiting  # boto3 is slow to import

        begin = partial(Waiting, clock)
    with closing(at.store()) as store:
        console = Console(store, at.city, at.settings.keyring, unlock_now, clock, args.lang, begin)
        run(console, not args.no_browser)
    print("The desk is locked.")
    return 0


def _sign_in(_: Here, __: argparse.Namespace) -> int:
    from quietdesk.staff.signin import Code, sign_in  # boto3 is slow to import

    def show(it: Code) -> None:
        print(f"Open this address in a browser: {it.address}")
        print(f"Confirm there, if it shows this code: {it.code}")
        print("Waiting. Ctrl-C stops.", flush=True)

    sign_in(show, lambda: datetime.now(UTC), time.sleep)
    print("Signed in.")
    return 0


def _poster(at: Here, args: argparse.Namespace) -> int:
    from quietdesk.pages import Pages
    from quietdesk.website.outreach import Sheets

    langs = tuple(dict.fromkeys(filter(None, (args.lang, args.second))))
    tags = [locale.tag for locale in at.city.locales]
    for lang in langs:
        if lang not in tags:
            raise Conflict(f"there are no words in {lang}; there are in: {', '.join(tags)}")
    center = _center_of(at.city, args)
    if args.out.exists() and not args.overwrite:
        raise Conflict(f"there is a file at {args.out} already; --overwrite replaces it")
    styles = Path("site/pages/assets/sheets.css").read_text("utf-8")
    sheet = Sheets(Pages(at.city, (), 1), args.site).file(args.kind, langs, center, styles)
    args.out.write_text(sheet, "utf-8")
    print(f"{args.out} is made. Open it in a browser and print it on Letter or A4 paper.")
    return 0


def _center_of(city: City, args: argparse.Namespace) -> Center | None:
    """The center of a poster or of handbills. Raises Conflict; cards have none."""
    if args.kind == "cards":
        if args.center or args.path:
            raise Conflict("cards are the same for every center; leave out --center and --path")
        return None
    if args.path:
        chosen = [center for center in city.centers if center.path == args.path]
        if len(chosen) != 1:
            raise Conflict(f"{len(chosen)} centers have that path; a poster is for one")
        return chosen[0]
    listed = {center.id: center for center in city.listed}
    if args.center not in listed:
        raise Conflict(f"--center must be one of: {', '.join(listed)}; others have a --path")
    return listed[args.center]


def _translations(chosen: Settings, args: argparse.Namespace) -> int:
    from quietdesk.website import faults  # Babel is not on every computer
    from quietdesk.website.translations import Translations

    site = Translations(Path("site"), chosen.city)
    tags = [language.tag for language in site.languages]
    if args.tag and args.tag not in tags:
        raise BadCity(f"languages.yml has no language {args.tag}")
    if args.update:
        for path in site.update():
            print(f"{path} is up to date now.")
        return 0
    print("\n".join(faults.table(site)))
    shown = [language.tag for language in site.languages if not language.draft]
    wanted = [args.tag] if args.tag else shown
    problems = [it for tag in wanted for it in faults.problems(site, tag)]
    if problems:
        print("", *problems, sep="\n")
    return 1 if problems else 0


def _sweep(at: Here, _: argparse.Namespace) -> int:
    with closing(at.store()) as store:
        lines = sweep.run(store, at.city, at.now)
    for line in lines:
        print(f"Week {line.epoch}: keys destroyed, {line.envelopes_erased} requests erased.")
    if not lines:
        print("No week's keys were due to be destroyed.")
    return 0


def _record(at: Here, _: argparse.Namespace) -> int:
    queue = at.city.queue
    with closing(at.store()) as store:
        held = store.read(sweep.record_name(queue))
        head = store.read(sweep.record_head_name(queue))
    if held is None:
        print("Nothing has been destroyed yet.", file=sys.stderr)
        return 0
    sys.stdout.write(held[0].decode())  # as it stands, so that anybody can check it again
    if head is None:
        raise BadSignature("no custodian has signed the record yet")
    signed = sweep.verify_record(held[0], head[0], at.trust, queue)
    said = "weeks; nothing was changed since custodians signed it"
    print(f"The record is in order: {len(signed)} {said}.", file=sys.stderr)
    return 0


def _store_create(at: Here, _: argparse.Namespace) -> int:
    kind, prefix = at.settings.store.partition(":")[::2]
    if kind != "dynamodb" or not prefix:
        raise BadSetting("only a store of dynamodb:PREFIX has tables to make; see --store")
    from quietdesk.store.dynamodb.tables import create_tables

    for table in create_tables(prefix):
        print(f"Table {table} made.")
    return 0


def _device_new(at: Here, _: argparse.Namespace) -> int:
    if at.settings.keyring.exists():
        raise Conflict(f"there is a keyring at {at.settings.keyring} already; move it away first")
    if not at.trust.custodians:
        raise BadSetting("QUIETDESK_CUSTODIANS is empty; a device must know whom to believe")
    device = keyring.new("device", at.trust, new_passphrase(at.settings))
    with closing(at.store(create=True)) as store:
        device = ceremony.top_up(store, at.settings.keyring, device, at.city, at.now)
    print(f"Device {device.id}\nWords: {keyring.fingerprint(device.public_key)}")
    print("Read the words to a custodian, who runs: quietdesk device admit " + device.id)
    return 0


def _device_admit(at: Here, args: argparse.Namespace) -> int:
    with closing(at.store()) as store:
        spki, _ = ceremony.offered(store, args.id, at.trust)
        words = keyring.fingerprint(spki)
        print(f"Device {args.id}\nWords: {words}")
        if not args.yes and not agreed("Does that device show the same words?"):
            print("The device was not admitted.", file=sys.stderr)
            return 1
        custodians = _custodians(at, args.custodian)
        ceremony.admit(store, at.city, at.trust, custodians, args.id, at.now)
    print("Admitted. It can open the weeks that are minted from now on.")
    return 0


def _custodian_new(at: Here, args: argparse.Namespace) -> int:
    if args.file.exists():
        raise Conflict(f"there is a file at {args.file} already")
    custodian = keyring.new(
        "custodian", Trust((), 1, at.city.deployment), new_passphrase(at.settings)
    )
    keyring.save(args.file, keyring.lock(custodian))
    print(f"Words: {keyring.fingerprint(custodian.public_key)}")
    print(f"Public key, for QUIETDESK_CUSTODIANS:\n{b64(custodian.public_key)}")
    return 0


def _keys_mint(at: Here, args: argparse.Namespace) -> int:
    with closing(at.store()) as store:
        custodians = _custodians(at, args.custodian)
        minted = ceremony.mint(store, at.city, at.trust, custodians, args.weeks, at.now)
    for epoch in minted:
        print(f"Week {epoch}: key made.")
    if not minted:
        print(f"The next {args.weeks} weeks have keys already.")
    return 0


def _keys_list(at: Here, _: argparse.Namespace) -> int:
    path = at.settings.keyring
    held = set(keyring.epochs(path.read_bytes())) if path.exists() else set()
    current = weeks.epoch_at(at.now, at.city.zone)
    with closing(at.store()) as store:
        destroyed = {line.epoch: line for line in sweep.record(store, at.city.queue)[0]}
        for epoch in (current.plus(n) for n in range(-8, keyring.WEEKS_AHEAD + 1)):
            if line := destroyed.get(str(epoch)):
                print(f"{epoch}  destroyed on {line.destroyed_at}")
            elif store.read(bundles.name(at.city.queue, epoch)) is not None:
                day = weeks.destroyed_at(epoch, at.city.zone, at.city.serve_days)
                here = "on this device too" if str(epoch) in held else "not on this device"
                local_day = day.astimezone(at.city.zone).date()
                print(f"{epoch}  key made, {here}; destroyed on {local_day}")
    return 0


def _forget(at: Here, _: argparse.Namespace) -> int:
    # Every command has just done it; this one exists for a computer's own timer.
    if not at.settings.keyring.exists():
        raise NoKeyring(f"there is no keyring at {at.settings.keyring.absolute()}")
    left = len(keyring.epochs(at.settings.keyring.read_bytes()))
    print(f"This keyring holds keys of {left} weeks; those of ended weeks are deleted.")
    return 0


# --- What commands share -------------------------------------------------------------------------


def _custodians(at: Here, paths: Sequence[Path] | None) -> list[Keyring]:
    chosen = paths or [at.settings.keyring.parent / "custodian.keyring"]
    custodians = []
    for path in chosen:
        if not path.exists():
            raise NoKeyring(f"there is no custodian's keyring at {path.absolute()}")
        custodians.append(unlock(at, path, "custodian", f"Passphrase of {path.name}: "))
    return custodians


if __name__ == "__main__":
    sys.exit(main())
