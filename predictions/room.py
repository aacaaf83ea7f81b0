"""Whether there is room for one more drawing: the database's size and its disk, looked at now and then."""

import logging
import shutil
import threading
import time
from contextlib import suppress

from django.conf import settings
from django.db import Error, connection

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 10.0
SECONDS_WHILE_FULL = 0.5  # when somebody waits for room
SIZE = "SELECT pg_database_size(current_database())"

_lack = ""
_looked_at = float("-inf")
_lock = threading.Lock()


class NoRoomError(Exception):
    """No more drawings are taken; the message says so to visitors."""


def check() -> None:
    """Raises NoRoomError while there is no room."""
    if lack():
        raise NoRoomError("There is no room for more drawings at the moment; nothing of this one was kept.")


def lack() -> str:
    """What there is too little of, for operators; empty while there is room. As it was seen last, while the
    database is away: whatever needs that says so."""
    global _looked_at
    seconds = SECONDS_WHILE_FULL if _lack else SECONDS_BETWEEN_LOOKS
    if time.monotonic() - _looked_at > seconds and _lock.acquire(blocking=False):
        try:
            with suppress(Error):
                _look_again()
        finally:
            _looked_at = time.monotonic()
            _lock.release()
    return _lack


def _look_again() -> None:
    global _lack
    found = _look()
    if found != _lack:
        logger.warning("%s", found or "There is room for drawings again.")
    _lack = found


def _look() -> str:
    with connection.cursor() as cursor:
        cursor.execute(SIZE)
        size = cursor.fetchone()[0] / 1e9
    if size > settings.MOST_GB:
        return f"The database has {size:.1f} GB, and may have {settings.MOST_GB:g}: no drawings are taken."
    free = _free_gb()
    if free is not None and free < settings.LEAST_FREE_GB:
        return f"The database's disk has only {free:.1f} GB left: no drawings are taken."
    return ""


def _free_gb() -> float | None:
    """Of the embedded server's disk; nobody can ask another machine's."""
    if not settings.DATABASES["default"]["HOST"].startswith("/"):
        return None
    return shutil.disk_usage(settings.VAR_DIR).free / 1e9
