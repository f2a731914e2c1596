"""Verbs of devices and custodians: keyrings, admitting, minting, and what was destroyed."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from quietdesk import bundles, clock, record, weeks
from quietdesk.errors import (
    BadBundle,
    BadCustodian,
    BadKeyring,
    BadSetting,
    BadSignature,
    DamagedDocument,
    KeyringTooNew,
    NoKeyring,
    NoSuchDevice,
    NoUpload,
    QuietdeskError,
    TooFewCustodians,
)
from quietdesk.signed import DEMO, Trust
from quietdesk.staff.commands import wording
from quietdesk.staff.commands.clocks import doubted
from quietdesk.staff.commands.terminal import (
    Here,
    agreed,
    complain,
    new_passphrase,
    passphrase_in,
    typed_passphrase,
    unlock,
)
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.staff.device.keyring import Keyring
from quietdesk.wire import b64


def device_new(at: Here, args: argparse.Namespace) -> int:
    """Make this computer's keyring, and upload its public keys. Where there is one, what an earlier
    call left undone is finished, and its words are shown again."""
    if not at.trust.custodians:
        raise BadSetting("QUIETDESK_CUSTODIANS is empty; a device must know whom to believe")
    path = at.settings.keyring
    if path.exists() and not _damaged(path.read_bytes()):
        device = at.forget().unlocked()
        complain(f"there is a keyring at {path} already; for a new one, move it away first")
    elif not _wanted(at, args.deployment):
        return 1
    else:
        device = keyring.new("device", at.trust, new_passphrase(at.settings))
        keyring.update(path, partial(_made, path, device))
    with closing(at.store(create=True)) as store:
        device = upload.top_up(store, path, device, at.city, at.now)
    print(f"Device {device.id}\nWords: {keyring.fingerprint(device.public_key)}")
    print("Read the words to a custodian, who runs: quietdesk device admit " + device.id)
    return 0


def _made(path: Path, made: Keyring, held: bytes | None) -> bytes:
    """What a keyring's file is to hold in which nothing of use lies; never in another's place."""
    if held is not None and not _damaged(held):
        raise QuietdeskError(f"there is a keyring at {path} already; move it away first")
    if held is not None:
        aside = path.with_name(f"{path.name}.damaged-{hashlib.sha256(held).hexdigest()[:8]}")
        keyring.update(aside, lambda _: held)
        complain(f"the damaged file is {aside} now; delete it when nobody can mend it")
    return keyring.lock(made)


def _damaged(data: bytes) -> bool:
    """Whether a file is a device's keyring that no passphrase unlocks."""
    try:
        keyring.check(data)
    except (KeyringTooNew, BadCustodian):  # which stay, whoever's place they are in
        return False
    except BadKeyring:
        return True
    return False


def device_admit(at: Here, args: argparse.Namespace) -> int:
    """Admit a device whose words somebody compared."""
    label = args.id.lower()
    with closing(at.store()) as store:
        try:
            spki = upload.labelled(store, label, at.trust).spki
        except NoUpload as error:
            if error.reason != "no_upload":
                raise
            raise NoSuchDevice(f"no device {label} has uploaded keys") from None
        words = keyring.fingerprint(spki)
        print(f"Device {label}\nWords: {words}")
        if not args.yes and not agreed("Does that device show the same words?"):
            print("The device was not admitted.", file=sys.stderr)
            return 1
        at.sure(store)
        signers = _signers(at, args)
        lost = ceremony.admit(store, at.city, at.trust, signers, spki, at.now)
    print("Admitted. It can open the weeks that are minted from now on.")
    for label in lost:
        complain(f"device {label} is not in the list any more: its whole key is not known")
    if lost:
        complain("hint: run there: quietdesk pull. Then admit it again")
    return 0


def custodian_new(at: Here, args: argparse.Namespace) -> int:
    """Make a custodian's keyring. Where there is one, its words and its key are shown again."""
    deployment = at.city.deployment
    if args.file.exists():
        custodian = unlock(at, args.file, "custodian", f"Passphrase of {args.file.name}: ")
        complain(f"there is a keyring at {args.file} already; for a new one, name another file")
    elif not _wanted(at, args.deployment):
        return 1
    else:
        words = new_passphrase(at.settings)
        custodian = keyring.new("custodian", Trust((), 1, deployment), words)
        keyring.update(args.file, partial(_made, args.file, custodian))
    print(f"Words: {keyring.fingerprint(custodian.public_key)}")
    print(f"Public key, for QUIETDESK_CUSTODIANS:\n{b64(custodian.public_key)}")
    return 0


def mint(at: Here, args: argparse.Namespace) -> int:
    """Make the keys of this week and coming ones."""
    with closing(at.store()) as store:
        at.sure(store)
        signers = _signers(at, args)
        minting = ceremony.mint(store, at.city, at.trust, signers, args.weeks, at.now, wording.made)
    return wording.minted(minting, args.weeks)


def list_(at: Here, _: argparse.Namespace) -> int:
    """List weeks, their keys and key days."""
    current, queue = weeks.epoch_at(at.now, at.city.zone), at.city.queue
    status = 0
    with closing(at.store()) as store:
        today = at.now.astimezone(at.city.zone).date()
        destroyed = record.read(store, queue, today).keys_gone
        known = ceremony.offers(store, at.city, at.trust, at.now)
        for offer in known:
            print(wording.seen_of(offer))
        for epoch in (current.plus(n) for n in range(-8, keyring.WRAP_WEEKS_AHEAD + 1)):
            if gone := destroyed.get(epoch):
                print(f"{epoch}  destroyed on {gone}")
                continue
            try:
                held = store.read(bundles.name(queue, epoch))
                if held is None:
                    continue
                kids = ceremony.kids_of(held[0], at.trust, queue)
            except (BadBundle, BadSignature, DamagedDocument) as error:
                complain(f"week {epoch}: {error}")
                status = 1
                continue
            day = weeks.key_day(epoch, at.city.serve_days)
            print(f"{epoch}  key made; destroyed on {day}")
            for offer in known:
                print(f"    {offer.label}  {wording.stands(ceremony.standing(store, offer, kids))}")
    return status


def forget(at: Here, _: argparse.Namespace) -> int:
    """Say what is left in the keyring: the ended weeks were deleted before this began, as before
    nearly every command, or wait until it is sure that they are over. It exists for a computer's
    own timer, which hears of those by the exit code."""
    at.unhindered()
    if not at.settings.keyring.exists():
        raise NoKeyring(f"there is no keyring at {at.settings.keyring.absolute()}")
    left = keyring.epochs(at.settings.keyring.read_bytes())
    zone, days = at.city.zone, at.city.serve_days
    waiting = sum(weeks.over(it, at.now, zone, days) for it in left)
    became = f"{waiting} wait to be deleted" if waiting else "those of ended weeks are deleted"
    print(f"This keyring holds keys of {len(left)} weeks; {became}.")
    return 1 if waiting else 0


def sweep_now(at: Here, _: argparse.Namespace) -> int:
    """Destroy the keys of ended weeks, as the timer does."""
    with closing(at.store(destroys=True)) as store:
        dates, waits = at.dates(store)
        lines = clock.swept(store, at.city, dates)
    for line in lines:
        which = ", ".join(map(str, line.epochs))
        erased = f"{line.erased} or a few more" if line.erased else "fewer than 10"
        print(
            {
                record.KEYS: f"Week {which}: keys destroyed.",
                record.ROWS: f"Week {which}: all requests erased, {erased}.",
                record.AGAIN: f"Week {which}: {len(line.kids)} keys and {erased} requests had come"
                " back, and were destroyed again.",
            }[line.kind]
        )
    if not lines:
        print("No week's keys were due to be destroyed.")
    for said in doubted(dates, waits, at.city.zone):
        complain(said)
    return 1 if waits else 0


def show_record(at: Here, _: argparse.Namespace) -> int:
    """Print the record of destruction, and check it."""
    queue, today = at.city.queue, at.now.astimezone(at.city.zone).date()
    with closing(at.store()) as store:
        documents = record.documents(store, queue, today)
        heads = store.read(record.head_name(queue)), store.read(record.head_name_before(queue))
    if not any(documents):
        print("Nothing has been destroyed yet.", file=sys.stderr)
        return 0
    for document in documents:  # as it stands, so that anybody can check it again
        sys.stdout.write(document.decode(errors="replace"))
    lines = record.chain(documents)
    # What was signed before there were years covers the first document alone.
    of_heads = (lines, record.parse(documents[0]))
    signed = [(it, head[0]) for it, head in zip(of_heads, heads, strict=True) if head]
    if not signed:
        raise BadSignature("no custodian has signed the record yet")
    count = max(record.verify(covered, head, at.trust, queue) for covered, head in signed)
    # Of the lines since then only the chain was looked at: nobody has signed them.
    said = f"custodians have signed {f'the first {count}' if count else 'none of them yet'}"
    print(f"The record is in order: {len(lines)} lines; {said}.", file=sys.stderr)
    return 0


def custodians(
    at: Here, paths: Sequence[Path] | None, passphrases: Sequence[Path] | None = None
) -> list[Keyring]:
    """The unlocked keyrings of custodians, the demo's by default. Each has a passphrase of its own:
    it stands in a file of its own or is typed. A single one's may be that of the settings."""
    chosen = paths or [at.settings.keyring.parent / "custodian.keyring"]
    if passphrases and len(passphrases) != len(chosen):
        raise BadSetting(
            f"{len(chosen)} custodians need as many passphrase files, not {len(passphrases)}"
        )
    unlocked = []
    for number, path in enumerate(chosen):
        prompt, typed = f"Passphrase of {path.name}: ", None
        if passphrases:
            typed = passphrase_in(passphrases[number], "the passphrase file of " + path.name)
        elif len(chosen) > 1:
            typed = typed_passphrase(prompt)
        unlocked.append(unlock(at, path, "custodian", prompt, typed))
    return unlocked


def _signers(at: Here, args: argparse.Namespace) -> list[Keyring]:
    """The custodians of a command that signs. Raises TooFewCustodians."""
    unlocked = custodians(at, args.custodian, args.passphrase_file)
    believed = {it.public_key for it in unlocked} & {*at.trust.custodians}
    if len(believed) < at.trust.threshold:
        raise TooFewCustodians(
            f"{len(believed)} of the custodians who are believed here sign, and "
            f"{at.trust.threshold} must"
        )
    return unlocked


def _wanted(at: Here, word: str | None) -> bool:
    """Whether a keyring for the deployment of this folder is wanted; a script says its word. It
    comes from what `make site` compiled, which need not be what stands in programme.yml now."""
    deployment = at.city.deployment
    if word is not None:
        if word != deployment:
            raise BadSetting(f"the deployment in {at.settings.profile} is {deployment}, not {word}")
        return True
    complain(f"the deployment in {at.settings.profile} is {deployment}")
    if deployment == DEMO:
        complain("demo is for trying things out; production refuses its keys")
    if agreed(f"Make a keyring that is for {deployment} for good?"):
        return True
    complain("no keyring was made")
    complain("hint: put another word into programme.yml of your city, then run: make site")
    return False
