"""That the database is away, as this process has noticed; and the look-out for its return."""

import logging
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 0.2


class Outage:
    """While it is known, nobody waits for the database: a thread of its own looks for it, and says so in the
    log when it has gone and when it is back."""

    def __init__(self) -> None:
        self.is_known = False
        self.parameters: dict[str, Any] = {}  # of a connection
        self._lock = threading.Lock()

    def begin(self, why: object) -> None:
        with self._lock:
            if self.is_known:
                return
            self.is_known = True
        logger.error("The database is away: %s", why)
        threading.Thread(target=self._look_out, daemon=True).start()

    def _look_out(self) -> None:
        began = time.monotonic()
        while not self._can_connect():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self.is_known = False
        logger.warning("The database is there again, after %.1f seconds.", time.monotonic() - began)

    def _can_connect(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(**self.parameters).close()
            return True
        return False

    def hears_from_server(self, seconds: float) -> bool:
        """Whether somebody takes a new connection, or refuses it, within so many seconds."""
        heard = threading.Event()

        def ask() -> None:
            self._can_connect()
            heard.set()

        threading.Thread(target=ask, daemon=True).start()
        return heard.wait(seconds)


outage = Outage()
