"""That the database is away, as this process has noticed; and the look-out for its return."""

import logging
import math
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_FAIL = 5  # after the end of an outage, what it has kept waiting may still say that it failed


class Outage:
    """While it is known, nobody waits for the database: a thread of its own looks for it, and says so in the
    log when it has gone and when it is back."""

    def __init__(self) -> None:
        self.is_known = False
        self.is_silent = False  # or else it refuses connections, and those that are there go on
        self.ended = -math.inf
        self.parameters: dict[str, Any] = {}  # of a connection
        self._lock = threading.Lock()

    def begin(self, why: object, *, is_silent: bool) -> None:
        with self._lock:
            self.is_silent = self.is_silent or is_silent
            if self.is_known:
                return
            self.is_known = True
        logger.error("The database is away: %s", why)
        try:
            threading.Thread(target=self._look_out, daemon=True).start()
        except RuntimeError:  # no thread to be had: who comes next finds out anew
            self._end()

    def _look_out(self) -> None:
        began = time.monotonic()
        while not self._can_connect():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self._end()
        logger.warning("The database is there again, after %.1f seconds.", time.monotonic() - began)

    def _end(self) -> None:
        with self._lock:
            self.is_known = self.is_silent = False
            self.ended = time.monotonic()

    def has_been_told(self) -> bool:
        """Whether the log knows why a request fails now."""
        return self.is_known or time.monotonic() - self.ended < SECONDS_TO_FAIL

    def _can_connect(self) -> bool:
        with suppress(psycopg.Error, OSError):  # the latter where this process has no file left, say
            psycopg.connect(**self.parameters).close()
            return True
        return False

    def hears_from_server(self, seconds: float) -> bool:
        """Whether somebody takes a new connection, or refuses it, within so many seconds. Where nobody can be
        asked, nothing speaks against it."""
        heard = threading.Event()

        def ask() -> None:
            self._can_connect()
            heard.set()

        try:
            threading.Thread(target=ask, daemon=True).start()
        except RuntimeError:
            return True
        return heard.wait(seconds)


outage = Outage()
