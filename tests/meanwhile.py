"""What somebody else does at the same time, on a database connection of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

SECONDS_UNTIL_COMMIT = 0.5


def at_once(*steps: Callable[[], object]) -> None:
    """Do all of these at the same moment, each in a thread and on a connection of its own."""
    start = threading.Barrier(len(steps))

    def run(step: Callable[[], object]) -> None:
        start.wait()
        step()
        connection.close()

    threads = [threading.Thread(target=run, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


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
