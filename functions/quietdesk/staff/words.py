"""What staff are told, in one table: what went wrong by its code, and the words of states.

English text is the key of every translation; console and commands only put it somewhere. What to
do next stands at each error, in quietdesk.errors.
"""

from quietdesk.errors import QuietdeskError

# By the code of an error, or of a notice that no error makes. Those of CannotOpen stand in a list:
# nothing in them comes from the request itself.
SAID = {
    "passphrase": "The passphrase does not unlock this computer’s keyring.",
    "no_keyring": "There is no keyring on this computer.",
    "keyring": "This computer’s keyring is damaged.",
    "keyring_inside": "This computer’s keyring is damaged.",
    "foreign_keyring": "The keyring on this computer is a custodian’s, or for another programme.",
    "keyring_too_new": "This computer’s keyring was written by a newer Quietdesk.",
    "keyring_changed": "This computer’s keyring, or its passphrase, was changed meanwhile.",
    "custodian": "A custodian’s keyring is missing, damaged, or for another programme.",
    "not_saved": "This computer’s keyring could not be saved. The file there is whole.",
    "keyring_busy": "Another window of Quietdesk does not let go of this computer’s keyring.",
    "not_admitted": "Custodians have not admitted this computer yet.",
    "setting": "A setting of this computer is not right.",
    "time_over": "That time is over. Nothing was changed.",
    "no_seats": "That time has no free seat any more. Nothing was changed.",
    "conflict": "Somebody else changed this meanwhile. Nothing of theirs was overwritten.",
    "changed": "Somebody else changed it meanwhile. Nothing of theirs was overwritten; "
    "the queue shows it as it is now.",
    "gone": "It is not there any more: the person cancelled it, or somebody erased it.",
    "no_day": "Choose a center and a day.",
    "too_old": "The request would be destroyed before that day. Nothing was changed.",
    "too_long": "It is too long to be changed. Nothing was changed.",
    "signature": "Something in the store is not signed by whom it must be.",
    "document": "A signed document in the store is not the one that belongs there.",
    "bundle": "The key of that week cannot be used. Nothing was changed.",
    "no_key_yet": "There is no key for that week. Nothing was changed.",
    "no_key_now": "There is no key for this week. Nothing was changed.",
    # What only the store knows is not promised: a piece of work is of many writes, and where an
    # answer was lost, the write may be done.
    "traces": "It was done. Erased bytes are still in the file of the store.",
    "half": "The times are published, and not all counts of their seats are.",
    "too_new": "The store was written by a newer Quietdesk.",
    "busy": "The store is busy.",
    "refused": "The cloud does not accept your sign-in any more.",
    "not_allowed": "You are signed in, and your role may not do this.",
    "clock": "This computer’s clock is wrong, so the cloud does not answer it.",
    "clock_ahead": "This computer’s clock is ahead of the store’s date. Set it. "
    "Keys whose day has not come are kept.",
    "clock_behind": "This computer’s clock is behind a day that has begun already. Set it.",
    "clock_unasked": "The store did not say what day it is. Keys that are due by this computer’s "
    "clock alone are kept until it does.",
    "clock_moved": "This computer’s clock has moved, and nothing else says what day it is. Keys "
    "that are due by it alone are kept. Set it; if it is right, run: quietdesk sweep.",
    "clock_disagrees": "This computer’s clock is wrong.",
    "damaged_document": "A document in the store is damaged.",
    "store": "The store does not answer. It is not known whether this was done.",
    "no_store": "There is no store of Quietdesk at that place.",
    "unsure": "The store does not answer. It is not known whether this was kept.",
    "destroyed": "the key of its week is destroyed; the person has to ask again",
    "moved": "the time outside is not the one inside; somebody may have changed it",
    "twice": "it was sent in two weeks; the first one is shown",
    "foreign": "it is damaged, or was not locked by our page",
    "malformed": "what is inside is not a request of our form",
    "early": "its week’s keys were made before this computer was admitted",
    "no_key": "this computer has no key for its week",
    "damaged": "its row in the store is damaged",
    "cannot_open": "it does not open on this computer",
    "may_open": "Another computer may open it. It was not erased.",
    "corrected": "It had been entered the first time. What is written now has taken its place.",
    "answered": "It had been entered the first time, and somebody has answered it since. "
    "What was corrected is not stored.",
    "working": "The desk was still at work. What was pressed meanwhile was not done.",
    "locked": "The desk was locked. Nothing was changed.",
    "old_page": "That page was an old one. Nothing was changed; this is how it stands.",
    "nobody": "No request was chosen. Tick some first.",
    "published": "Published.",
    "told": "Noted as told.",
    "not_confirmed": "Nobody confirmed the code in time, or it was denied.",
    "unreadable": "What was sent could not be read. Nothing was changed.",
    "elsewhere": "Only a page of this desk, on this computer, may ask for that.",
    "no_page": "There is no page at this address.",
    "used_address": "This address opens the desk once: it was used, or its time is over. "
    "Another stands where the desk was started, and ends what this one opened.",
    "half_fails": "What this computer has of the key of week {week} does not work "
    "(device {device}). Tell a custodian.",
    "opens_none": "Requests that wait: {count}. This computer can open none of them.",
    "opens_from": "It opens requests of week {week} (from {day} on) and later ones.",
    "opens_once_made": "Once custodians have made its key, it opens requests of week {week} "
    "(from {day} on) and later ones.",
    "lost_weeks": "These weeks were locked for this computer (device {device}) with a key that it "
    "does not have any more. What waits in them does not open here: {weeks}.",
    "lost_next": "If another computer opens them, work there until their key day. If none does, "
    "tell a custodian today: whoever asked in those weeks has to ask again.",
    "not_topped_up": "The keys for coming weeks could not be made ready on this computer. "
    "If this stays, tell a custodian.",
}

# What went wrong that is no error of ours, and what to do.
OTHERS: dict[type[Exception], tuple[str, str]] = {
    OSError: (
        "A file of this computer cannot be read or written.",
        "Check the disk, then try again.",
    ),
    Exception: (
        "This did not work, and it is not your mistake.",
        "Go back to the queue and look whether it was done.",
    ),
}

LANES = {
    "V": "vouched for",
    "P": "locked on their phone",
    "K": "entered by staff",
    "N": "sent without a script",
}
STATES = {"waiting": "Waiting", "placed": "Has a place", "none": "No place"}
REACH_BY = {"text": "Text message", "call": "Call", "voicemail": "Voice message"}


def said(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do: an error of ours by its code, or that of the nearest class
    above it which has words."""
    if isinstance(error, QuietdeskError):
        codes = [
            error.code,
            *(it.code for it in type(error).__mro__ if issubclass(it, QuietdeskError)),
        ]
        if code := next((it for it in codes if it in SAID), None):
            return SAID[code], error.next
    return next(OTHERS[kind] for kind in type(error).__mro__ if kind in OTHERS)


def shown(text: str) -> str:
    """A resident's text as staff may see it: no controls, and nothing that reorders what is around
    it. Joiners stay, since Bengali and Urdu need them."""
    return "".join(
        letter if letter.isprintable() or letter in "\u200c\u200d" else "\ufffd" for letter in text
    )
