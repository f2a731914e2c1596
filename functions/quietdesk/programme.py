"""The programme that views answer for: one value, made where a process starts and passed down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from quietdesk.city import City
from quietdesk.pages import Pages
from quietdesk.signed import Trust
from quietdesk.store import Store


@dataclass(frozen=True, slots=True, repr=False)
class Programme:
    """A city with its store and pages, whom it believes, and what time it is. `address` is where
    people reach it, such as `https://cards.example.org`; "" where that is the host of each call.
    Threads share it."""

    city: City
    store: Store
    trust: Trust
    pages: Pages
    clock: Callable[[], datetime]
    address: str = ""
