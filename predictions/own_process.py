"""Work in a process of its own: whatever it loads, torch above all, is given back when it ends."""

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

import django
from django.utils.module_loading import import_string

SECONDS_TO_STOP = 10

Report = Callable[..., None]


class ProcessFailedError(RuntimeError):
    """The process has ended without a word, as one that is killed."""


def call(function: str, report: Report | None = None, **arguments: Any) -> Any:  # noqa: ANN401
    """Call the function of that dotted name in a new process; return its result.

    If there is a `report` here, the function gets one as its first argument. Whatever it reports is reported
    here; where that raises, the process is stopped. Raises what the function raises, and ProcessFailedError.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, function, bool(report), arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        return _listen(ours, report)
    except EOFError:
        process.join()
        raise ProcessFailedError(f"its process ended with code {process.exitcode}") from None
    finally:
        process.terminate()
        process.join(SECONDS_TO_STOP)
        process.kill()
        process.join()


def _listen(pipe: Connection, report: Report | None) -> Any:  # noqa: ANN401
    while True:
        word, content = pipe.recv()
        if word == "raised":
            raise content
        if word == "returned":
            return content
        if report:
            report(*content)


def _work(pipe: Connection, function: str, reports: bool, arguments: dict[str, Any]) -> None:
    """Ends in good order when it is terminated, and at once when its parent is no more, which alone decides
    about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()
    try:
        report = [lambda *content: pipe.send(("reported", content))] if reports else []
        result = import_string(function)(*report, **arguments)
        _end_with(pipe, "returned", result)
    except Exception as error:
        error.add_note(traceback.format_exc())
        _end_with(pipe, "raised", _sendable(error))


def _end_with(pipe: Connection, word: str, content: object) -> None:
    """From here on the process ends by itself; told to, it would break off what it does at its end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe.send((word, content))


def _sendable(error: Exception) -> Exception:
    """Not every error survives the way through a pipe; its text does."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return RuntimeError(str(error))
    return error


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent  # noqa: S101  (for the type checker)
    parent.join()
    os._exit(1)
