"""Django's `migrate`, beside a site that goes on answering."""

import time
from typing import Any

import psycopg
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from predictions.database.base import SECONDS_FOR_A_LOCK, SECONDS_FOR_MANY_ROWS
from predictions.management.plain import PlainCommand

# A migration that wants a table for itself queues behind whoever reads it, and visitors queue behind the
# migration: for less time than they wait for a lock, and again until the longest export has ended.
BRIEFLY = f"{SECONDS_FOR_A_LOCK / 2}s"
SECONDS_BETWEEN_TRIES = 5.0
SECONDS_TO_TRY = SECONDS_FOR_MANY_ROWS + 60


class Command(PlainCommand, migrate.Command):
    makes_tables = True

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BRIEFLY}'")
            with connection.execute_wrapper(wait_outside_transactions):
                self.try_again(*args, **options)
            cursor.execute("RESET lock_timeout")

    def try_again(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        deadline = time.monotonic() + SECONDS_TO_TRY
        while True:
            try:
                super().handle(*args, **options)
            except OperationalError as problem:
                is_locked = isinstance(problem.__cause__, psycopg.errors.LockNotAvailable)
                if not is_locked or time.monotonic() > deadline:
                    raise
            else:
                return
            self.stdout.write("A table that a migration wants for itself is in use; it is tried again.")
            time.sleep(SECONDS_BETWEEN_TRIES)


def wait_outside_transactions(execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: ANN401
    """There, a migration that is given up is not undone, and can't be tried again. Most of what it does there
    it does concurrently, in nobody's way."""
    if context["connection"].in_atomic_block:
        return execute(statement, params, many, context)
    with context["connection"].connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")
        try:
            return execute(statement, params, many, context)
        finally:
            cursor.execute(f"SET lock_timeout = '{BRIEFLY}'")
