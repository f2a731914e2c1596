"""Everything that can go wrong, on one page. A class of its own only where the next step differs.

Messages are lower case, without a full stop, and never hold a resident's words. Each class has a
`code`, which tables of words and of statuses go by and which never changes, and what to do `next`:
an English sentence, which is also the key of its translation, or "" where the message says it.
"""

from datetime import date


class QuietdeskError(Exception):
    """Anything Quietdesk refuses or cannot do. The message is fit for staff to read."""

    code: str = "failed"
    next: str = ""


class BadSetting(QuietdeskError):
    """A setting is missing, malformed or not allowed at this stage."""

    code = "setting"
    next = "The settings are listed in docs/operations.md."


class BadCity(QuietdeskError):
    """A file of the city profile does not say what it must."""

    code = "city"
    next = "Correct the file (in site/city, or in QUIETDESK_CITY), then run: make site"


class Invalid(QuietdeskError):
    """What a resident filled in needs another look; `fields` maps a field to a problem code."""

    code = "invalid"

    def __init__(self, fields: dict[str, str]):
        super().__init__(f"{len(fields)} fields need another look")
        self.fields = fields


class TooLong(Invalid):
    """A part does not fit its 1,024 bytes; `field` is the text to shorten."""

    code = "too_long"

    def __init__(self, field: str):
        super().__init__({field: "too_long"})
        self.args = (f"it is too long to be changed: {field}",)
        self.field = field


class BadCode(QuietdeskError):
    """A typed reference code is not sixteen letters and digits of the code alphabet."""

    code = "code"


class BadEnvelope(QuietdeskError):
    """An envelope is not one that a page of ours makes; `code` says which rule it breaks."""

    code = "envelope"

    def __init__(self, code: str):
        super().__init__(f"the envelope is refused: {code}")
        self.code = code


class BadSignature(QuietdeskError):
    """A signed document lacks enough valid signatures of pinned keys, or is malformed."""

    code = "signature"
    next = "Stop working and tell a custodian."


class WrongDocument(BadSignature):
    """A properly signed document is not the one that was asked for; `reason` is malformed, number
    (it is older than one that was seen), or which of its words (such as queue or deployment) is
    another."""

    code = "document"

    def __init__(self, kind: str, reason: str):
        which = {"malformed": "malformed", "number": "older than one that was seen"}
        said = which.get(reason, f"another one, of another {reason}")
        super().__init__(f"the signed document of {kind} is {said}")
        self.reason = reason


class BadBundle(QuietdeskError):
    """A properly signed bundle is not the one to seal to; `reason` is stale, early, queue,
    deployment, epoch, type or malformed. A function seals nothing then and shows the phone
    line."""

    code = "bundle"
    next = "Choose another week, and tell a custodian."

    def __init__(self, reason: str):
        super().__init__(f"the published key is refused: {reason}")
        self.reason = reason


class BadRecord(QuietdeskError):
    """The destruction record has been changed, reordered or cut."""

    code = "record"


class CannotOpen(QuietdeskError):
    """Nothing on this keyring opens the envelope. `code` says why, where there are words for it:
    damaged, foreign, malformed, early (this device was admitted later), no_key, may_open, twice."""

    code = "cannot_open"

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code or type(self).code


class OpeningMismatch(CannotOpen):
    """The opening named outside the sealed part is not the one inside it."""

    code = "moved"


class NoKeyYet(CannotOpen):
    """Custodians have not made the key of that week yet: nothing can be sealed to it."""

    code = "no_key_yet"
    next = "Choose an earlier time. Custodians make keys with: quietdesk keys mint"


class NoKeyNow(NoKeyYet):
    """There is no key for this week: nothing can be sealed now, whatever time is chosen."""

    code = "no_key_now"
    next = "Custodians make keys with: quietdesk keys mint"


class KeyDestroyed(CannotOpen):
    """The key of the envelope's week is gone; nobody can open it."""

    code = "destroyed"
    next = "Nothing can be done for these; residents ask again."

    def __init__(self, epoch: str, destroyed_on: date | None = None):
        when = f" on {destroyed_on}" if destroyed_on else ""
        super().__init__(f"the key of week {epoch} was destroyed{when}")
        self.epoch = epoch
        self.destroyed_on = destroyed_on


class WrongPassphrase(QuietdeskError):
    """The passphrase does not unlock this keyring."""

    code = "passphrase"
    next = "Type it again. If it is right, put a copy of the keyring back, or move it away."


class PassphraseUnfit(QuietdeskError):
    """A passphrase for a new keyring is too short, or was not typed the same twice."""

    code = "passphrase_unfit"
    next = "Type it again."


class BadKeyring(QuietdeskError):
    """The keyring file is damaged."""

    code = "keyring"
    next = "Put a copy of it back, or make a new one with: quietdesk device new"


class DamagedInside(BadKeyring):
    """The keyring file is damaged where only its passphrase shows it: `device new`, which asks for
    none before it makes a new one, would leave that file in its place."""

    code = "keyring_inside"
    next = "Put a copy of it back, or move it away and run: quietdesk device new"


class NoKeyring(BadKeyring):
    """There is no keyring where one was looked for."""

    code = "no_keyring"
    next = "Go to Quietdesk’s folder, or make one with: quietdesk device new"


class ForeignKeyring(BadKeyring):
    """The keyring is of another kind, or for another deployment."""

    code = "foreign_keyring"
    next = "Move that file away, or name this computer’s own in QUIETDESK_KEYRING."


class KeyringTooNew(BadKeyring):
    """The keyring was written by a newer Quietdesk."""

    code = "keyring_too_new"
    next = "Run that version."


class KeyringChanged(BadKeyring):
    """The keyring's file is not the one any more that was unlocked."""

    code = "keyring_changed"
    next = "Unlock again: lock the desk first, or repeat the command."


class BadCustodian(BadKeyring):
    """A custodian's keyring is missing, damaged, or for another deployment."""

    code = "custodian"
    next = "Name the custodian’s own file with --custodian, or put a copy of it back."


class DemoLost(QuietdeskError):
    """A keyring of the demo is gone or damaged, and what the store holds hangs on it."""

    code = "demo_lost"


class NotSaved(QuietdeskError):
    """The keyring could not be written. The old file is whole."""

    code = "not_saved"
    next = "Make room on the disk, see that the folder may be written to, then try again."


class KeyringBusy(NotSaved):
    """Another process has the keyring locked, and does not let go."""

    code = "keyring_busy"
    next = "Close Quietdesk’s other windows on this computer, then try again."


class TooFewCustodians(QuietdeskError):
    """Fewer custodians are here than must sign; the same one twice is one."""

    code = "too_few_custodians"
    next = "Name each custodian’s own file once, with a --custodian for each."


class NotAdmitted(QuietdeskError):
    """The device is not in the list that custodians signed."""

    code = "not_admitted"
    next = "Read its words to a custodian, who admits it."


class NoSuchDevice(QuietdeskError):
    """No device of that number is known in the store."""

    code = "no_such_device"
    next = "Compare the 16 digits with that computer’s. It uploads its keys with: quietdesk pull"


class SameLabel(QuietdeskError):
    """Another device with the same number is admitted: what bears it could be either's."""

    code = "same_label"
    next = "On that computer move the keyring away, and run: quietdesk device new"


class NoUpload(QuietdeskError):
    """A device's keys for coming weeks are not in the store as it signed them; `reason` is
    no_upload, unverified or damaged."""

    code = "no_upload"
    next = "On that computer run: quietdesk pull, or on a new one: quietdesk device new"

    def __init__(self, device: str, reason: str):
        said = {
            "no_upload": "has not uploaded its keys",
            "unverified": "uploaded keys that do not verify",
            "damaged": "uploaded keys that cannot be read in the store any more",
        }
        super().__init__(f"device {device} {said[reason]}")
        self.reason = reason


class NoDeviceReady(QuietdeskError):
    """No admitted device has a key for a week, so that none could open it: none was made."""

    code = "no_device_ready"
    next = "On a staff computer run: quietdesk pull. It uploads what is missing; then mint again."


class Conflict(QuietdeskError):
    """Somebody else wrote first: another envelope has this id, or it changed since it was read."""

    code = "conflict"
    next = "Look at it again, and repeat what is still needed."


class Changed(Conflict):
    """Somebody else changed the request since it was opened; it was looked at again."""

    code = "changed"


class Gone(Conflict):
    """The request was cancelled or erased since it was opened."""

    code = "gone"
    next = ""


class NoDay(Conflict):
    """There is no center of that name, or its day is over."""

    code = "no_day"
    next = ""


class NoSeats(Conflict):
    """The opening has no seat left."""

    code = "no_seats"
    next = "Choose another time."


class TimeOver(NoSeats):
    """The time of the opening has begun."""

    code = "time_over"


class StoreUnavailable(QuietdeskError):
    """The store is down, full, locked or read-only, or only its answer was lost. Whether a write
    was done is not known: no kind of this says that nothing was, unless it says so."""

    code = "store"
    next = "Check the disk and the network. Look how it stands, and repeat what is still needed."


class NoStore(StoreUnavailable):
    """There is no file where the store was looked for."""

    code = "no_store"
    next = "Go to Quietdesk’s folder, or name the store’s file with --store."


class HalfPublished(StoreUnavailable):
    """The lists of openings are published, and some counts of their seats are not. `why` stopped
    it."""

    code = "half"
    next = "Do it again: that writes the rest."

    def __init__(self, why: StoreUnavailable):
        super().__init__(f"the lists are published, and not all counts of their seats: {why}")


class DamagedDocument(StoreUnavailable):
    """A public document cannot be read as one any more. It is not read as empty: a new one would
    replace it."""

    code = "damaged_document"
    next = "Tell who looks after the store which one it is."


class TracesRemain(StoreUnavailable):
    """It was done, but deleted bytes stay in the file: somebody reads it, or the disk is full."""

    code = "traces"
    next = "The hourly sweep clears them once nobody reads the file and the disk has room."


class StoreBusy(StoreUnavailable):
    """The store is throttled, or two writes met. Of several writes, some may be done."""

    code = "busy"
    next = "Try again in a moment."


class Unsure(StoreUnavailable):
    """The store did not answer while somebody was entered, who may be kept or not. `opening` is the
    id of the time that was asked for, "" for none; `since` is what came of the next try."""

    code = "unsure"
    next = "Send it again: it is kept once, under the same code."

    def __init__(self, opening: str, since: QuietdeskError | None = None):
        super().__init__("the store did not answer while somebody was entered")
        self.opening = opening
        self.next = since.next if isinstance(since, StoreUnavailable) else type(self).next


class StoreRefused(StoreUnavailable):
    """The cloud does not know who asks: nobody is signed in, or not any more."""

    code = "refused"
    next = "Sign in with: quietdesk sign-in. Then repeat what you did."


class NotAllowed(StoreUnavailable):
    """The cloud knows who asks, and that role may not do this."""

    code = "not_allowed"
    next = "Ask who gives out the roles. To sign in again does not help."


class ClockWrong(StoreUnavailable):
    """This computer's clock is minutes away from the cloud's."""

    code = "clock"
    next = "Set the date, the time and the time zone, then try again."


class ClockNotBelieved(QuietdeskError):
    """It hangs on the date, and nothing confirms this computer's clock."""

    code = "clock_moved"
    next = "Set the date and the time. If they are right: quietdesk sweep, which asks you the day."


class ClockDisagrees(ClockNotBelieved):
    """This computer's clock is wrong: the store's date, or a day that has begun, says another."""

    code = "clock_disagrees"
    next = "Set the date, the time and the time zone, then try again."


class StoreTooNew(StoreUnavailable):
    """The store was written by a newer Quietdesk. Nothing was written."""

    code = "too_new"
    next = "Run that version."


class TooOld(QuietdeskError):
    """The request would be over before the visit, or before the day to look again."""

    code = "too_old"
    next = "Find an earlier place for it, or answer that there is none."


class NotSwept(QuietdeskError):
    """The timer could not destroy all that is due."""

    code = "not_swept"
    next = "It tries again in an hour; look at the store when the alarm stays."


class Locked(QuietdeskError):
    """The desk was locked while a page or some work was still busy with it."""

    code = "locked"
