"""Who comes to the desk's pages: one-time words, and the token that one is exchanged for.

The address that a browser is started with stands in the list of processes, where other accounts of
this computer can read it. So it has a word that lets in once, and soon. The token stands in no
command line, only in what our own pages link to. Whoever is faster with a word wins nothing by it:
who comes second is told, takes the next word, and with that the first one's token ends.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

WORD_MINUTES = 2


class Entrance:
    """The words and the token of one console. `told` is called with each further word, and shows it
    where only who started the desk can read it. Threads may call all of it at once."""

    def __init__(self, clock: Callable[[], datetime]):
        self.token = ""  # until somebody has come in
        self.told: Callable[[str], None] = lambda _: None
        self._clock = clock
        self._lock = Lock()
        self._word = ""
        self._until = datetime.max
        self._spent: set[str] = set()

    def admits(self, token: str) -> bool:
        """Whether that is the token of now."""
        return bool(self.token) and hmac.compare_digest(token.encode(), self.token.encode())

    def word(self) -> str:
        """A fresh word. The one before lets nobody in any more."""
        with self._lock:
            return self._fresh()

    def exchange(self, word: str) -> bool:
        """Whether that word lets in. Then there is another token, and the one before is none any
        more."""
        with self._lock:
            good = bool(self._word) and hmac.compare_digest(word.encode(), self._word.encode())
            if not good or self._clock() >= self._until:
                return False
            self._spend()
            self.token = secrets.token_urlsafe(32)
            return True

    def was_good(self, word: str) -> bool:
        """Whether that is a word which was used or has run out. Then the next one is told, unless
        one waits already: who asks again and again fills no screen."""
        with self._lock:
            if self._word and self._clock() >= self._until:
                self._spend()
            if word not in self._spent:
                return False
            if not self._word:
                self.told(self._fresh())
            return True

    def _fresh(self) -> str:
        self._spend()
        self._word = secrets.token_urlsafe(32)
        self._until = self._clock() + timedelta(minutes=WORD_MINUTES)
        return self._word

    def _spend(self) -> None:
        self._spent |= {self._word} - {""}
        self._word = ""
