"""What a row of either store says, typed. A damaged value is read as an empty one."""

from quietdesk.hpke import NO_KEY, Kid
from quietdesk.openings import Opening, named
from quietdesk.weeks import NO_WEEK, Epoch


def epoch(text: str) -> Epoch:
    """The week of that name, or NO_WEEK."""
    try:
        return Epoch.parse(text)
    except ValueError:
        return NO_WEEK


def kid(text: str) -> Kid:
    """The key of that name, or NO_KEY."""
    try:
        return Kid.parse(text)
    except ValueError:
        return NO_KEY


def opening(text: str) -> Opening | None:
    """The opening of that id, or None."""
    try:
        return named(text)
    except ValueError:
        return None
