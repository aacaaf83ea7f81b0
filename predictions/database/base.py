"""Django's PostgreSQL for web processes: a visitor hears soon that the database is away, frozen or locked.

Django looks for `DatabaseWrapper` here, since `impatient` names this package as the engine.
"""

import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import psycopg
from django.db import connection, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from psycopg.abc import PQGen
from psycopg.waiting import Ready

from predictions.database.outage import outage

SECONDS_FOR_A_STATEMENT = 3
SECONDS_FOR_A_LOCK = 0.8
# A statement may be slow, or the server frozen: when nobody has heard of it for so long, it is asked for
# another connection.
SECONDS_OF_SILENCE = 0.3
SECONDS_TO_ANSWER = 0.5
# After so long an idle connection is tried before it is used.
SECONDS_HEARD = 0.5
# A server that is well ends a statement itself; where it does not, this connection alone is cut off.
SECONDS_OF_PATIENCE = 3.5
# Psycopg prepares what asks for it, as the statement that logs does: half of its cost. By Django's default it
# prepares nothing.
NEVER_BY_ITSELF = sys.maxsize
# For work on any number of rows.
SECONDS_FOR_MANY_ROWS = 600

Result = TypeVar("Result")


def impatient(database: dict[str, Any]) -> dict[str, Any]:
    """These settings of a database with the limits above, and a connection for each thread that stays."""
    given = database["OPTIONS"]
    limits = f"-c statement_timeout={SECONDS_FOR_A_STATEMENT}s -c lock_timeout={SECONDS_FOR_A_LOCK}s"
    options = {"options": f"{given.get('options', '')} {limits}".strip(), "connect_timeout": 2}
    options["prepare_threshold"] = NEVER_BY_ITSELF
    staying = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    return database | staying | {"ENGINE": "predictions.database", "OPTIONS": given | options}


class Connection(psycopg.Connection[Any]):
    """Notices that the server is frozen, and does not wait for anything longer than `patience`, in
    seconds."""

    patience = SECONDS_OF_PATIENCE
    heard_at = float("-inf")  # by any of this process's connections

    @contextmanager
    def wait_at_most(self, seconds: float) -> Iterator[None]:
        before, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = before

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        return super().wait(self._listen(gen), interval, timeout)

    def _listen(self, gen: PQGen[Result]) -> PQGen[Result]:
        """Psycopg comes here whenever the server has said something, and after each `interval` of silence."""
        began = time.monotonic()
        ready: Any = None  # with which a generator begins
        try:
            while True:
                ready = yield gen.send(ready)
                if ready == Ready.NONE:
                    self._bear_silence(began)
        except StopIteration as done:
            Connection.heard_at = time.monotonic()
            return cast(Result, done.value)

    def _bear_silence(self, began: float) -> None:
        """Raises OperationalError where there is nobody to wait for."""
        waited = time.monotonic() - began
        if waited > self.patience:
            self._give_up(f"It said nothing for {waited:.1f} seconds.")
        if waited > SECONDS_OF_SILENCE and not is_heard():
            outage.begin("It is silent.", is_silent=True)
            self._give_up("It is silent.")

    def _give_up(self, why: str) -> None:
        self.pgconn.finish()
        raise psycopg.OperationalError(why)


def is_heard() -> bool:
    """Whether the server has said anything lately, or does when it is asked."""
    if time.monotonic() - Connection.heard_at < SECONDS_OF_SILENCE:
        return True
    if heard := not outage.is_silent and outage.hears_from_server(SECONDS_TO_ANSWER):
        Connection.heard_at = time.monotonic()
    return heard


class DatabaseWrapper(PostgresWrapper):
    connection: Connection | None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        if outage.is_known:
            raise psycopg.OperationalError("The database was away a moment ago.")
        self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        outage.parameters = conn_params
        # Psycopg itself waits for two seconds at least.
        if not outage.hears_from_server(SECONDS_OF_SILENCE + SECONDS_TO_ANSWER):
            outage.begin("It is silent.", is_silent=True)
            raise psycopg.OperationalError("It is silent.")
        try:
            return Connection.connect(**conn_params)
        except (psycopg.OperationalError, OSError) as problem:
            outage.begin(problem, is_silent=isinstance(problem, psycopg.errors.ConnectionTimeout))
            raise psycopg.OperationalError(str(problem)) from problem

    def is_usable(self) -> bool:
        """Django asks before a request's first statement. A connection that the server has closed can be read
        from; to hear from the server itself costs a round trip, which is kept for when nobody has lately."""
        if self.connection is None or self.connection.closed or has_something_to_read(self.connection):
            return False
        return time.monotonic() - Connection.heard_at < SECONDS_HEARD or bool(super().is_usable())


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
