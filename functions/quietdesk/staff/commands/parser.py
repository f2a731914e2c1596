"""Every command of `quietdesk` with its words and its help, in one parser."""

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from quietdesk.errors import BadSetting
from quietdesk.staff.commands import demo, keys, openings, requests, serving, website
from quietdesk.staff.device.keyring import WRAP_WEEKS_AHEAD

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

MIN_WEEKS, MAX_WEEKS = 1, WRAP_WEEKS_AHEAD + 1
_ID_HELP = "an id, or its first 8 digits or more"


def build_parser() -> argparse.ArgumentParser:
    """Every command with its help; `run` in what it gives is the function of the command."""
    parser = argparse.ArgumentParser(
        prog="quietdesk", description="The desk of a municipal ID programme that keeps no list."
    )
    parser.add_argument(
        "--store", metavar="STORE", help="sqlite:PATH or dynamodb:PREFIX (QUIETDESK_STORE)"
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _serving(verbs)
    _requests(verbs)
    _openings(verbs)
    _poster(verbs)
    _destruction(verbs)
    _keyrings(verbs)
    return parser


def _serving(verbs: "Verbs") -> None:
    run = verbs.add_parser("run", help="serve the site and the form on this machine")
    run.add_argument("--port", type=_port, default=8000)
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    run.set_defaults(run=serving.run)

    translations = verbs.add_parser("translations", help="what the translations still need")
    translations.add_argument("tag", metavar="TAG", nargs="?", help="one language, such as ht")
    translations.add_argument("--update", action="store_true", help="bring site/words up to date")
    translations.set_defaults(run=website.translations)

    desk = verbs.add_parser("desk", help="open the desk's pages in this computer's browser")
    desk.add_argument("--lang", default="en", metavar="TAG", help="language of the pages (en)")
    desk.add_argument("--no-browser", action="store_true", help="only print the address")
    desk.set_defaults(run=serving.desk)

    signing = verbs.add_parser("sign-in", help="sign in to AWS with the profile in AWS_PROFILE")
    signing.set_defaults(run=serving.sign_in)


def _requests(verbs: "Verbs") -> None:
    pull = verbs.add_parser("pull", help="open the waiting requests and list them")
    pull.add_argument("--json", action="store_true", help="one JSON object a line")
    pull.set_defaults(run=requests.pull)

    place = verbs.add_parser("place", help="give requests the proposed time, or one you name")
    _add_requests(place)
    place.add_argument("--at", metavar="OPENING", help="a free opening, for one request")
    place.add_argument("--yes", action="store_true", help="do not ask")
    place.set_defaults(run=requests.place)

    wait = verbs.add_parser("wait", help="keep requests for another week")
    _add_requests(wait)
    wait.set_defaults(run=requests.wait)

    reply = verbs.add_parser("reply", help="answer requests")
    reply.add_argument("answer", choices=["no-place"], help="no-place: ask again, or call")
    reply.add_argument("id", metavar="ID", nargs="+", help=_ID_HELP)
    reply.set_defaults(run=requests.reply, all=False)  # nobody turns everybody away at once

    done = verbs.add_parser("done", help="erase requests that are dealt with")
    done.add_argument("id", metavar="ID", nargs="+", help=_ID_HELP)
    done.add_argument("--yes", action="store_true", help="do not ask")
    done.set_defaults(run=requests.done)

    junk = verbs.add_parser("junk", help="what no computer opens").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = junk.add_parser("list", help="list what does not open, why, and the seats it holds")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=requests.junk_list)
    erase = junk.add_parser("erase", help="erase what no computer opens; its seats come back")
    which = erase.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", nargs="*", default=[], help=_ID_HELP)
    which.add_argument("--all", action="store_true", help="all that no computer opens")
    erase.add_argument("--yes", action="store_true", help="do not ask")
    erase.set_defaults(run=requests.junk_erase)

    enter = verbs.add_parser("enter", help="ask for somebody: the form's fields as JSON on stdin")
    enter.set_defaults(run=requests.enter)


def _openings(verbs: "Verbs") -> None:
    times = verbs.add_parser("openings", help="the times people can come").add_subparsers(
        required=True, metavar="COMMAND"
    )
    publish = times.add_parser("publish", help="publish the times of the coming weeks")
    publish.add_argument("--taking", choices=["on", "off"], help="may residents take times?")
    publish.set_defaults(run=openings.publish)
    listing = times.add_parser("list", help="list the coming times and the seats left")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=openings.list_)
    close = times.add_parser("close", help="close a center for a day; answer who had a time")
    _add_day(close)
    close.add_argument("--yes", action="store_true", help="do not ask")
    close.set_defaults(run=openings.close)
    reopen = times.add_parser("reopen", help="take back that a day was closed")
    _add_day(reopen)
    reopen.set_defaults(run=openings.reopen)


def _poster(verbs: "Verbs") -> None:
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
    poster.set_defaults(run=website.poster)


def _destruction(verbs: "Verbs") -> None:
    sweep = verbs.add_parser("sweep", help="destroy the keys of ended weeks now, as the timer does")
    sweep.set_defaults(run=keys.sweep_now)
    record = verbs.add_parser("record", help="print the record of destruction, and check it")
    record.set_defaults(run=keys.show_record)


def _keyrings(verbs: "Verbs") -> None:
    store = verbs.add_parser("store", help="the store").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = store.add_parser("create", help="make the tables of a DynamoDB store, for demos")
    create.set_defaults(run=serving.store_create)

    device = verbs.add_parser("device", help="this computer's keyring").add_subparsers(
        required=True, metavar="COMMAND"
    )
    new_device = device.add_parser("new", help="make this computer's keyring and upload its keys")
    _add_deployment(new_device)
    new_device.set_defaults(run=keys.device_new)
    admit = device.add_parser("admit", help="admit a device (custodians)")
    admit.add_argument("id", metavar="ID", help="the 16 digits that `device new` printed there")
    admit.add_argument("--yes", action="store_true", help="the words were compared already")
    _add_custodians(admit)
    admit.set_defaults(run=keys.device_admit)

    custodian = verbs.add_parser("custodian", help="a custodian's keyring").add_subparsers(
        required=True, metavar="COMMAND"
    )
    new_custodian = custodian.add_parser("new", help="make a custodian's keyring")
    new_custodian.add_argument("file", type=Path, metavar="FILE")
    _add_deployment(new_custodian)
    new_custodian.set_defaults(run=keys.custodian_new)

    weeks = verbs.add_parser("keys", help="the keys of weeks").add_subparsers(
        required=True, metavar="COMMAND"
    )
    mint = weeks.add_parser("mint", help="make the keys of this week and coming ones (custodians)")
    mint.add_argument("--weeks", type=_weeks, default=demo.MINT_WEEKS, metavar="N")
    _add_custodians(mint)
    mint.set_defaults(run=keys.mint)
    listing = weeks.add_parser("list", help="list weeks, their keys and key days")
    listing.set_defaults(run=keys.list_)
    forget = weeks.add_parser("forget", help="delete ended weeks from this keyring")
    forget.set_defaults(run=keys.forget)


# --- Words that several commands take ------------------------------------------------------------


def _add_day(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("center", metavar="CENTER", help="its id in centers.yml")
    parser.add_argument("day", metavar="DAY", type=_day, help="such as 2026-12-03")


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
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        action="append",
        metavar="FILE",
        help="for scripts: the file with a custodian's passphrase; one for each --custodian",
    )


def _add_deployment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deployment", metavar="WORD", help="do not ask: make it only if the deployment is WORD"
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a day such as 2026-12-03 is needed") from None


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
