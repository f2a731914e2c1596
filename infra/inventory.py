"""Every field that is kept of a resident, in the shape of New York's identifying-information
report: what, why, who reads it, how long, told to whom. `python -m infra.inventory` prints it."""

from dataclasses import dataclass, fields

from quietdesk import request
from quietdesk.envelopes import Envelope

NOBODY = "nobody"
STAFF = "staff with an admitted computer"
STORE = "who can read the store"
LIVE = "until erased, or key day"


@dataclass(frozen=True, slots=True)
class Row:
    """One field: whether it can identify somebody, what for, who reads it, for how long."""

    field: str
    identifies: str
    purpose: str
    readers: str
    days: str
    told_to: str = NOBODY


def _sealed(field: str, identifies: str, purpose: str) -> Row:
    return Row(field, identifies, purpose, STAFF, LIVE)


# Sealed on the phone, or in the function for a phone without scripts.
SEALED = (
    _sealed("centers", "no", "where the person can come"),
    _sealed("windows", "no", "when the person can come"),
    _sealed("opening", "no", "the time that was taken; stands outside the seal too"),
    _sealed("people", "no", "how many places the visit needs"),
    _sealed("children", "no", "children from 10 to 13 need other papers"),
    _sealed("visit_type", "no", "first card, renewal, replacement or change"),
    _sealed("language", "with others", "an interpreter is there"),
    _sealed("access", "with others", "what the person needs at the center: ticks, no reasons"),
    _sealed("name", "yes, if it is a real one", "to be called by; a nickname will do"),
    _sealed("reach", "no", "whether staff may call, text or leave a message; each is off at first"),
    _sealed("phone", "yes", "only of who wants to be called or texted"),
    _sealed("phone_owner", "no", "so that staff say nothing to who answers a shared phone"),
)
# Outside the seal, since the store works with it.
OUTSIDE = (
    Row("queue", "no", "which office", STORE, LIVE),
    Row("id", "no: derives from the code", "to find it again with the code", STORE, LIVE),
    Row("auth_hash", "no: derives from the code", "only the code cancels", STORE, LIVE),
    Row("born", "no: a week", "nothing lives for more than 60 days", STORE, LIVE),
    Row("opening", "no: place and time", "seats are counted", STORE, LIVE),
    Row("visit", "sealed", "the part for scheduling, 2,160 bytes", STORE, LIVE),
    Row("contact", "sealed", "the part for calling, 2,160 bytes", STORE, LIVE),
    Row(
        "reply",
        "locked with the code",
        "the answer, and the closed day of who was not told",
        STORE,
        LIVE,
    ),
    Row("lane", "no: a letter", "with or without scripts", STORE, LIVE),
    Row("digest", "no", "what was sent twice is kept once", STORE, "until key day"),
    Row("rev", "no: a number", "two changes at once lose nothing", STORE, LIVE),
    Row("expires", "no: a day", "when it ends", STORE, "until key day"),
)
# What passes and is not kept.
PASSING = (
    Row("the code", "shows the answer", "to see, cancel or move", "the person", "never kept"),
    Row("address and browser", "yes", "to answer", "the cloud, meanwhile", "never kept by us"),
    Row("a plain form", "as above", "phones without scripts", "the function", "while it answers"),
)
HEAD = """\
# Inventory of fields

In the shape of New York's identifying-information report: what is collected, why, who reads it,
how long, told to whom. Made by `python -m infra.inventory > docs/inventory.md` from the list of
fields in the code; a test compares.

"Key day" is `serve_days` (7, at most 21) after the week ends to which the request is sealed;
60 days after it was first sent, whatever is set. Told to nobody means: by us. What a court order
can reach is in [threat-model.md](threat-model.md).

"""
NEVER = """\
Immigration or citizenship status, birthplace, nationality, any number or picture of a paper, SSN or
ITIN, full date of birth, home address, employer, income, health, race, religion, gender, record. A
test holds the list of fields, and fails on any other."""


def page() -> str:
    """The whole page in Markdown. Raises ValueError when a field is missing here."""
    if tuple(row.field for row in SEALED) != request.FIELDS:
        raise ValueError("the inventory has other fields than a request")
    if {row.field for row in OUTSIDE} != {field.name for field in fields(Envelope)}:
        raise ValueError("the inventory has other fields than an envelope")
    return (
        HEAD
        + "\n".join(
            f"## {title}\n\n{_table(rows)}\n"
            for title, rows in (
                ("Sealed: only staff can open it", SEALED),
                ("Outside the seal", OUTSIDE),
                ("Passes, and is not kept", PASSING),
            )
        )
        + f"\n## Never asked\n\n{NEVER}\n"
    )


def _table(rows: tuple[Row, ...]) -> str:
    head = "| field | identifies somebody | why | who reads it | how long | told to |"
    lines = [
        f"| {it.field} | {it.identifies} | {it.purpose} | {it.readers} | {it.days} | {it.told_to} |"
        for it in rows
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *lines])


if __name__ == "__main__":
    print(page(), end="")
