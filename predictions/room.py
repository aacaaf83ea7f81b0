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
# Files don't shrink when rows are deleted, but later rows fill the room: what the last vacuum found free in
# the log and its pictures, less what has come since. A row takes its part of a page, the end where no more
# row fits included; a picture lies in pieces, four to a page.
SIZE = """
    WITH line AS (
        SELECT 8192 / greatest(1, floor(8168 / (sum(avg_width * (1 - null_frac)) + 40))) AS bytes
        FROM pg_stats WHERE tablename = 'predictions_prediction'
    ), part AS (
        SELECT oid, relpages, reltuples, bytes
        FROM pg_class, line WHERE oid = 'predictions_prediction'::regclass
        UNION ALL
        SELECT pictures.oid, pictures.relpages, pictures.reltuples, 2048
        FROM pg_class log JOIN pg_class pictures ON pictures.oid = log.reltoastrelid
        WHERE log.oid = 'predictions_prediction'::regclass
    )
    SELECT pg_database_size(current_database()) - sum(
        greatest(0, relpages * 8192.0 - (reltuples + pg_stat_get_ins_since_vacuum(oid)) * bytes)
    ) FROM part
"""

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
        size = float(cursor.fetchone()[0]) / 1e9
    if size > settings.MOST_GB:
        return f"The database has {size:.1f} GB, and may have {settings.MOST_GB:g}: no drawings are taken."
    free = _free_gb()
    if free is not None and free < settings.LEAST_FREE_GB:
        return f"The database's disk has only {free:.1f} GB left: no drawings are taken."
    return ""


def _free_gb() -> float | None:
    """Of the embedded server's disk; where another has its files is not known, whatever it is reached by."""
    process = settings.VAR_DIR / "postgres" / "postmaster.pid"  # its fifth line is where its socket is
    with suppress(OSError):
        if process.read_text().splitlines()[4:5] == [settings.DATABASES["default"]["HOST"]]:
            return shutil.disk_usage(settings.VAR_DIR).free / 1e9
    return None
