"""What the desk's commands say of requests, openings and what became of the work."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

from quietdesk.city import City
from quietdesk.errors import (
    ClockNotBelieved,
    KeyDestroyed,
    NoDeviceReady,
    NotAdmitted,
    StoreUnavailable,
)
from quietdesk.openings import Opening
from quietdesk.staff.commands.naming import MIN_ID
from quietdesk.staff.commands.terminal import complain, hint
from quietdesk.staff.custodian.ceremony import Minting, Offer, Standing
from quietdesk.staff.desk import queue
from quietdesk.staff.desk.publisher import Changes
from quietdesk.staff.desk.queue import Proposal, Pulled
from quietdesk.staff.device.opener import Opened, Proofs, Unopened
from quietdesk.staff.outcome import Answered, Outcome, Seen, Started, Step
from quietdesk.staff.words import shown
from quietdesk.weeks import NO_WEEK, Epoch


def name(item: Opened) -> str:
    return f"{item.id[:MIN_ID]} {shown(item.request.name)}"


def where(opening: Opening, city: City) -> str:
    center = city.center(opening.center)
    return f"{opening.day} {opening.at}, {center.name if center else opening.center} ({opening})"


def standing(item: Opened, city: City) -> str:
    """Where a request stands."""
    if item.opening:
        return where(item.opening, city)
    if item.state == "none":
        return "answered: no place"
    again = item.reply.look_again if item.reply else None
    return f"waits; looks again on {again}" if again else "waits"


def in_words(item: Opened, number: str, city: City) -> str:
    """The lines of one request."""
    asked = item.request
    centers = {center.id: center.name for center in city.centers}
    rows = {
        "Name": asked.name,
        "People": f"{asked.people}, of them {asked.children} aged 10 to 13",
        "Centers": ", ".join(centers.get(center, center) for center in asked.centers),
        "Times": ", ".join(asked.windows),
        "Visit": asked.visit_type,
        "Language": asked.language,
        "Access": ", ".join(asked.access) or "-",
        "Answer": ", ".join(asked.reach) or "looks with the code",
        "Phone": f"{asked.phone} ({asked.phone_owner})" if asked.phone else "-",
        "State": standing(item, city),
    }
    lines = [
        f"{item.id[:MIN_ID]}  {number}, week {item.envelope.epoch}, "
        f"lane {shown(item.envelope.lane)}"
    ]
    lines += [f"  {label:<9} {shown(text)}" for label, text in rows.items()]
    return "\n".join(lines) + "\n"


def counted(pulled: Pulled, hidden: int = 0) -> str:
    """How many requests are in each state; `hidden` as in Here.hidden."""
    if not pulled.items and pulled.shut:
        return f"{len(pulled.shut)} requests wait. This computer can open none of them."
    if not pulled.items and hidden:
        return (
            f"{hidden} requests are kept. By this computer's clock none of them is to be read now."
        )
    if not pulled.items:
        return "No requests are waiting."
    said = f"{pulled.counts['waiting']} waiting"
    for state, words in (("placed", "placed"), ("none", "answered: no place")):
        if count := pulled.counts[state]:
            said += f", {count} {words}"
    return f"{said}."


def nag(items: Iterable[Opened], city: City, now: datetime) -> None:
    """Say who is destroyed soon, and who was told to look again by today."""
    waits = list(items)
    days = Counter(queue.ends(item, city) for item in queue.due(waits, now))
    for day, count in sorted(days.items()):
        complain(f"{count} requests that still wait are destroyed on {day}")
    if late := len(queue.promised(waits, city, now)):
        complain(f"{late} were told to look again by today and have no answer yet")


def unopened(shut: Sequence[Unopened], total: int) -> None:
    """Say how many requests do not open, and why."""
    why: dict[str, list[Unopened]] = {}
    for item in shut:
        why.setdefault(str(item.reason), []).append(item)
    for reason, items in why.items():
        complain(f"cannot open {len(items)} of {total} requests: {reason}")
        if isinstance(items[0].reason, KeyDestroyed):
            hint(items[0].reason)


def hidden(count: int, why: type[ClockNotBelieved]) -> None:
    """Say how many requests a clock that is not believed hides, if it hides any."""
    if count:
        complain(f"by this computer's clock {count} requests are over or too far ahead")
        complain("that clock is not believed, and no request is erased by it alone")
        hint(why(""))


def shut(item: Unopened) -> dict[str, object]:
    """One that does not open, as a program reads it."""
    seat = item.opening
    held = {"center": seat.center, "day": str(seat.day), "time": seat.at} if seat else None
    week = "" if item.week == NO_WEEK else str(item.week)
    why = str(item.reason)
    return {"id": item.id, "week": week, "why": why, "junk": item.junk, "seat": held}


def shut_line(item: Unopened, city: City) -> str:
    """One that does not open, in words."""
    week = "no week" if item.week == NO_WEEK else f"week {item.week}"
    seat = f"holds a seat: {where(item.opening, city)}" if item.opening else "holds no seat"
    kept = "" if item.junk else "; not erased here"
    return f"{item.id[:MIN_ID]}  {week}, {seat}; {item.reason}{kept}"


def junk_counted(pulled: Pulled) -> str:
    """How many no computer opens, and how many only this one does not."""
    seats = sum(it.opening is not None for it in pulled.junk)
    others = len(pulled.shut) - len(pulled.junk)
    return f"No computer opens {len(pulled.junk)}; seats they hold: {seats}. Others: {others}."


# --- What became of keys -------------------------------------------------------------------------

# Why a device does not open a week, and what to do, if a custodian can do anything about it.
_AGAIN = "run on that computer: quietdesk pull. It uploads what is missing; then mint again"
WHY = {
    "no_upload": ("it has not uploaded its keys", _AGAIN),
    "unverified": ("the keys it uploaded do not verify", _AGAIN),
    "damaged": (
        "the keys it uploaded cannot be read in the store",
        "move its keyring away, make a new one there with: quietdesk device new, and admit it",
    ),
    "no_key": ("it has no key for that week yet", _AGAIN),
    "malformed": ("the key it uploaded for that week is none", _AGAIN),
    "failed": (
        "its half of the key was tried there and does not work",
        "tell who looks after that computer: another one must open that week",
    ),
    "none": ("the week's key was made before it was admitted, or without it", ""),
    "unknown": ("whether it has its half cannot be seen with this sign-in", ""),
}
_STANDS = {
    "untried": "a wrap, not tried yet",
    "none": "none",
    "unknown": "not known: this sign-in may not look",
}


def made(epoch: Epoch) -> None:
    """Says that a week has keys, as soon as it has."""
    print(f"Week {epoch}: key made.")


def minted(minting: Minting, count: int) -> int:
    """Say whom a minting leaves out and why, and which weeks have no keys; gives the exit code.
    Raises NoDeviceReady for those."""
    if not minting.minted and not minting.refused and not minting.trouble:
        print(f"The next {count} weeks have keys already.")
    out: dict[tuple[str, date | None, str], list[Epoch]] = {}
    for it in minting.left_out:
        out.setdefault((it.device, it.admitted, it.why), []).append(it.epoch)
    for (device, admitted, why), epochs in out.items():
        since = f", admitted on {admitted}," if admitted else ""
        complain(f"device {device}{since} does not open {_weeks(epochs)}: {WHY[why][0]}")
    # Where there is no key at all, the error has its own hint.
    named = {it.why for it in minting.left_out if it.epoch not in minting.refused}
    for text in dict.fromkeys(WHY[why][1] for why in WHY if why in named and WHY[why][1]):
        complain(f"hint: {text}")
    for epoch, error in minting.trouble.items():
        complain(f"week {epoch}: {error}")
        hint(error)
    if minting.unsigned:
        complain(f"the record of destruction was not signed: {minting.unsigned}")
        hint(minting.unsigned)
    if minting.refused:
        weeks = _weeks(minting.refused)
        raise NoDeviceReady(f"no admitted device has a key for {weeks}, so none was made")
    return 1 if minting.trouble or minting.unsigned else 0


def seen_of(offer: Offer) -> str:
    """A device, when it was admitted, and in which week its upload was last signed."""
    parts = [f"Device {offer.label}"]
    if offer.device:
        parts.append(f"admitted on {offer.device.admitted}")
    if offer.upload is None:
        parts.append(WHY[offer.why][0])
    elif offer.upload.signed_on:
        parts.append(f"last seen in week {Epoch.of(offer.upload.signed_on)}")
    return ", ".join(parts)


def stands(it: Standing) -> str:
    """Whether a device opens a week."""
    if it.state == "proved":
        return f"proved on {it.since}"
    if it.state == "failed":
        return f"a wrap that fails there, since {it.since}"
    return _STANDS[it.state]


def _weeks(epochs: Sequence[Epoch]) -> str:
    return f"week {epochs[0]}" if len(epochs) == 1 else f"weeks {', '.join(map(str, epochs))}"


# --- What was pulled -----------------------------------------------------------------------------


def opens_none(proofs: Proofs) -> None:
    """Say from when on this computer opens requests, when it opens none of those that wait."""
    if proofs.admitted is False:
        complain("custodians have not admitted this computer")
        hint(NotAdmitted(""))
    first = proofs.opens_from or proofs.unmade
    if first:
        begins = first.days[0]
        made = "" if proofs.opens_from else ", once custodians have made its key"
        complain(f"it opens requests of week {first} (from {begins} on) and later ones{made}")


def proposed(proposals: Sequence[Proposal], otherwise: str, city: City) -> None:
    """Say which place is proposed for each, and what else happens with who has none."""
    for it in proposals:
        print(f"{name(it.item)}: {where(it.opening, city) if it.opening else otherwise}")


def changed(changes: Changes) -> str:
    """What publishing did."""
    return (
        f"{changes.added} openings are new, {changes.removed} are gone, "
        f"{changes.changed} have another number of seats."
    )


# --- What became of it ---------------------------------------------------------------------------


def each(say: Callable[[Answered], None]) -> Seen:
    """Says what was done with each request as soon as it is: should the next one fail, nobody could
    tell any more. What was not done is said in any case."""

    def seen(step: Step) -> None:
        if isinstance(step, Started) and step.changes is not None:
            print(changed(step.changes))
        elif isinstance(step, Answered) and step.did:
            say(step)
        elif isinstance(step, Answered) and isinstance(step.error, StoreUnavailable):
            complain(f"{_who(step)}: it is not known whether this was done")
        elif isinstance(step, Answered):
            complain(f"{_who(step)}: {step.error}")

    return seen


def nothing(_: Answered) -> None:
    """For what is said with a number at the end."""


def erased(it: Answered) -> None:
    print(f"Erased {it.id[:MIN_ID]}.")


def answered(city: City) -> Callable[[Answered], None]:
    """Says where each request stands now."""

    def say(it: Answered) -> None:
        if isinstance(it.now, Opened):
            print(f"{name(it.now)}: {standing(it.now, city)}")

    return say


def told(city: City) -> Callable[[Answered], None]:
    """Says of each request of a closed day whom to call, and where it stands now."""

    def say(it: Answered) -> None:
        if isinstance(it.now, Opened):
            print(f"{_call(it.now)}; {standing(it.now, city)}")

    return say


def was_told(it: Answered) -> None:
    print(f"Told {_who(it)}.")


def to_tell(item: Opened, city: City) -> str:
    """Who has to be told that a day is closed, how, and where their request stands now."""
    return f"{item.untold}: {_call(item)}; {standing(item, city)}"


def ended(outcome: Outcome, names: Sequence[str]) -> int:
    """Say what to do about what was not done, and give how many requests were. `names` are those of
    all of them, in turn. Say how many, then call `fail`."""
    errors = [it.error for it in outcome.not_done if it.error and it is not outcome.doubtful]
    for error in {it.code: it for it in errors}.values():
        hint(error)
    done = sum(outcome.counts.values())
    if outcome.doubtful:
        at = names[len(outcome.answered) - 1]
        complain(f"stopped at {at}: {done} were done, {outcome.untried} are as they were")
    return done


def fail(outcome: Outcome) -> None:
    """Raises what stopped the work, or that traces remain of what was erased. Last: who reads it
    has read before what was done all the same."""
    if failed := outcome.stopped or outcome.traces:
        raise failed


def _who(it: Answered) -> str:
    return it.id[:MIN_ID] if it.name is None else f"{it.id[:MIN_ID]} {shown(it.name)}"


def _call(item: Opened) -> str:
    asked = item.request
    if not asked.reach:
        return f"{name(item)} only looks with the code"
    how = f"{', '.join(asked.reach)} {asked.phone} ({asked.phone_owner})"
    return f"call {name(item)}: {shown(how)}"
