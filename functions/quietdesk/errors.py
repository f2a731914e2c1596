"""Everything that can go wrong, on one page. A class of its own only where the next step differs.

Messages are lower case, without a full stop, and never hold a resident's words.
"""

from datetime import date


class QuietdeskError(Exception):
    """Anything Quietdesk refuses or cannot do. The message is fit for staff to read."""


class BadSetting(QuietdeskError):
    """A setting is missing, malformed or not allowed at this stage. Next: correct it."""


class BadCity(QuietdeskError):
    """A file of the city profile does not say what it must. Next: correct the file it names."""


class Invalid(QuietdeskError):
    """What a resident filled in needs another look; `fields` maps a field to a problem code."""

    def __init__(self, fields: dict[str, str]):
        super().__init__(f"{len(fields)} fields need another look")
        self.fields = fields


class TooLong(Invalid):
    """A part does not fit its 1,024 bytes; `field` is the text to shorten."""

    def __init__(self, field: str):
        super().__init__({field: "too_long"})
        self.args = (f"it is too long to be changed: {field}",)
        self.field = field


class BadCode(QuietdeskError):
    """A typed reference code is not sixteen letters and digits of the code alphabet."""


class BadEnvelope(QuietdeskError):
    """An envelope is not one that a page of ours makes; `code` says which rule it breaks."""

    def __init__(self, code: str):
        super().__init__(f"the envelope is refused: {code}")
        self.code = code


class BadSignature(QuietdeskError):
    """A signed document lacks enough valid signatures of pinned keys, or is malformed."""


class WrongDocument(BadSignature):
    """A properly signed document is not the one that was asked for; `reason` is malformed, number
    (it is older than one that was seen), or which of its words (such as queue or deployment) is
    another."""

    def __init__(self, kind: str, reason: str):
        which = {"malformed": "malformed", "number": "older than one that was seen"}
        said = which.get(reason, f"another one, of another {reason}")
        super().__init__(f"the signed document of {kind} is {said}")
        self.reason = reason


class BadBundle(QuietdeskError):
    """A properly signed bundle is not the one to seal to; `reason` is stale, early, queue,
    deployment, epoch, type or malformed. Next: seal nothing and show the phone line."""

    def __init__(self, reason: str):
        super().__init__(f"the published key is refused: {reason}")
        self.reason = reason


class BadRecord(QuietdeskError):
    """The destruction record has been changed, reordered or cut."""


class CannotOpen(QuietdeskError):
    """No key on this keyring opens the envelope."""


class OpeningMismatch(CannotOpen):
    """The opening named outside the sealed part is not the one inside it."""


class KeyDestroyed(CannotOpen):
    """The key of the envelope's week is gone; nobody can open it."""

    def __init__(self, epoch: str, destroyed_on: date | None = None):
        when = f" on {destroyed_on}" if destroyed_on else ""
        super().__init__(f"the key of week {epoch} was destroyed{when}")
        self.epoch = epoch
        self.destroyed_on = destroyed_on


class WrongPassphrase(QuietdeskError):
    """The passphrase does not unlock this keyring."""


class BadKeyring(QuietdeskError):
    """The keyring file is damaged, of another version, or for another deployment."""


class NoKeyring(BadKeyring):
    """There is no keyring where one was looked for. Next: go to the right folder, or make one."""


class NotAdmitted(QuietdeskError):
    """The device is not in the list that custodians signed. Next: have a custodian admit it."""


class Conflict(QuietdeskError):
    """Somebody else wrote first: another envelope has this id, or it changed since it was read."""


class NoSeats(Conflict):
    """The opening has no seat left."""


class StoreUnavailable(QuietdeskError):
    """The store is down, full, locked or read-only. Nothing was written. Next: try again later."""


class TracesRemain(StoreUnavailable):
    """It was done, but deleted bytes stay in the file while somebody reads. Next: sweep later."""


class StoreBusy(StoreUnavailable):
    """The store is throttled, or two writes met. Nothing was written. Next: try again soon."""


class StoreRefused(StoreUnavailable):
    """The cloud does not know who asks: nobody is signed in, or not any more. Nothing was written.
    Next: sign in again."""


class NotAllowed(StoreUnavailable):
    """The cloud knows who asks, and that role may not do this. Nothing was written. Next: ask who
    gives out the roles; signing in again would not help."""


class ClockWrong(StoreUnavailable):
    """This computer's clock is minutes away from the cloud's. Nothing was written. Next: set it."""


class StoreTooNew(StoreUnavailable):
    """The store was written by a newer Quietdesk. Nothing was written. Next: run that version."""


class TooOld(QuietdeskError):
    """The request would be over before the day to look again. Next: answer that there is no
    place, or find one."""


class NotSwept(QuietdeskError):
    """The timer could not destroy all that is due. Next: it tries again in an hour; look at the
    store when the alarm stays."""
