"""What somebody else does at the same time, on a database connection of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

SECONDS_UNTIL_COMMIT = 0.5


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """The block begins when the work is done but not committed; it is committed half a second later."""
    done = threading.Event()

    def run() -> None:
        with transaction.atomic():
            work()
            done.set()
            time.sleep(SECONDS_UNTIL_COMMIT)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(60)
    yield
    thread.join()
