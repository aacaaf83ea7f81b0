"""Work in a process of its own: whatever it loads, torch above all, is given back when it ends."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import get_context, parent_process

import django
from django.utils.module_loading import import_string

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_STOP = 10


class ProcessFailedError(RuntimeError):
    """The process ended with an error, which it has printed, or was killed."""

    def __init__(self, code: int) -> None:
        super().__init__(f"its process ended with code {code}")
        self.code = code


def run(function: str, *arguments: object, should_stop: Callable[[], bool]) -> bool:
    """Call the function of that dotted name in a new process; False where it had to be stopped.

    Raises ProcessFailedError.
    """
    process = get_context("spawn").Process(target=_call, args=(function, arguments), daemon=True)
    process.start()
    while process.is_alive() and not should_stop():
        process.join(SECONDS_BETWEEN_LOOKS)
    if process.is_alive():
        process.terminate()
        process.join(SECONDS_TO_STOP)
        process.kill()
        process.join()
        return False
    if process.exitcode:
        raise ProcessFailedError(process.exitcode)
    return True


def _call(function: str, arguments: tuple[object, ...]) -> None:
    """Ends in good order when it is terminated, and at once when its parent is no more, which alone decides
    about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()
    import_string(function)(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent  # noqa: S101  (for the type checker)
    parent.join()
    os._exit(1)
