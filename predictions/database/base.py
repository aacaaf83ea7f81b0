"""Django's PostgreSQL for web processes: a visitor hears soon that the database is away, frozen or locked.

Django looks for `DatabaseWrapper` here, since `impatient` names this package as the engine.
"""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from django.db import connection, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

SECONDS_FOR_A_STATEMENT = 3
SECONDS_FOR_A_LOCK = 0.8
# A server that is well ends a statement itself; one that is silent for longer is frozen, or cut off. One that
# nobody has heard of lately is asked first whether it is there.
SECONDS_OF_SILENCE = 3.5
SECONDS_TO_BE_THERE = 1.0
SECONDS_HEARD = 0.5
# For work on any number of rows.
SECONDS_FOR_MANY_ROWS = 600
# A database that was away is looked for again after this long.
SECONDS_AWAY = 1.0

Result = TypeVar("Result")


def impatient(database: dict[str, Any]) -> dict[str, Any]:
    """These settings of a database with the limits above, and a connection for each thread that stays."""
    given = database["OPTIONS"]
    limits = f"-c statement_timeout={SECONDS_FOR_A_STATEMENT}s -c lock_timeout={SECONDS_FOR_A_LOCK}s"
    options = {"options": f"{given.get('options', '')} {limits}".strip(), "connect_timeout": 2}
    staying = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    return database | staying | {"ENGINE": "predictions.database", "OPTIONS": given | options}


class Outage:
    """Remembers that the database was away: one thread a second tries again, and all others fail at once."""

    def __init__(self) -> None:
        self._try_at: float | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        self._try_at = time.monotonic() + SECONDS_AWAY

    def end(self) -> None:
        self._try_at = None

    def forbids(self) -> bool:
        """False for the one that may try."""
        if self._try_at is None:  # as nearly always: without the lock
            return False
        with self._lock:
            may_try = time.monotonic() >= (self._try_at or 0)
            if may_try:
                self.begin()
            return not may_try


outage = Outage()


class Connection(psycopg.Connection[Any]):
    """Does not wait for a server that is silent for longer than `patience`, in seconds."""

    patience = SECONDS_OF_SILENCE
    heard_at = float("-inf")  # by any of this process's connections

    @contextmanager
    def wait_at_most(self, seconds: float) -> Iterator[None]:
        before, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = before

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        try:
            result = super().wait(gen, interval, timeout or self.patience)
            Connection.heard_at = time.monotonic()
            return result
        except _WaitTimeout:
            outage.begin()
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"The database was silent for {self.patience:g} seconds."
            ) from None


class DatabaseWrapper(PostgresWrapper):
    connection: Connection | None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        if outage.forbids():
            raise psycopg.OperationalError("The database was away a moment ago.")
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        try:
            connected = Connection.connect(**conn_params)
        except psycopg.OperationalError:
            outage.begin()
            raise
        outage.end()
        return connected

    def is_usable(self) -> bool:
        """Django asks before a request's first statement. A connection that the server has closed can be read
        from; to hear from the server itself costs a round trip, which is kept for when nobody has lately."""
        if self.connection is None or self.connection.closed or has_something_to_read(self.connection):
            return False
        if time.monotonic() - Connection.heard_at < SECONDS_HEARD:
            return True
        with self.connection.wait_at_most(SECONDS_TO_BE_THERE):
            return bool(super().is_usable())


def has_something_to_read(held: Connection) -> bool:
    poller = select.poll()
    poller.register(held.fileno(), select.POLLIN)
    return bool(poller.poll(0))


@contextmanager
def take_time() -> Iterator[None]:
    """A transaction about any number of rows, whose statements may take long in a web process too."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not isinstance(held := connection.connection, Connection):
            yield  # nothing hurries other processes
            return
        cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS_FOR_MANY_ROWS}s'")
        with held.wait_at_most(SECONDS_FOR_MANY_ROWS):
            yield
