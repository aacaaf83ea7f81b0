"""What to do where the database has gone away under long work: it was restarted, or a router dropped us."""

import time

from django.db import InterfaceError, OperationalError, connection

LOST = (OperationalError, InterfaceError)
SECONDS_TO_WAIT = 60


def drop_if_lost() -> None:
    """Let go of a connection that has broken; the next statement takes another one."""
    if not connection.in_atomic_block and not connection.is_usable():
        connection.close()


def connect_again_if_lost() -> None:
    """Wait for a database that has gone away. Raises OperationalError where it does not come back."""
    drop_if_lost()
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
