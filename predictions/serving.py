"""The active version's predictor, held in memory by every process that answers."""

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error

from predictions.models import ModelVersion

if TYPE_CHECKING:
    from classifier.predictor import Predictor

# A promoted version answers everywhere after this long at the most.
SECONDS_BETWEEN_LOOKS = 1.0


class NoActiveVersionError(Exception):
    """No version has been promoted yet."""


class Active(NamedTuple):
    version: ModelVersion
    predictor: "Predictor"


_active: Active | None = None
_failure: Error | NoActiveVersionError | None = None
_looked_at = float("-inf")
_lock = threading.Lock()


def active() -> Active:
    """The active version, looked up anew when the last look is a second old, by one thread at a time: the
    others go on with what is known, and wait only where nothing is.

    Raises NoActiveVersionError, or Django's OperationalError while the database is away.
    """
    if _is_old() and _lock.acquire(blocking=_active is None and _failure is None):
        try:
            if _is_old():
                _look_again()
        finally:
            _lock.release()
    if failure := _failure:
        raise type(failure)(*failure.args) from failure
    if _active is None:
        raise NoActiveVersionError
    return _active


def _is_old() -> bool:
    return time.monotonic() - _looked_at > SECONDS_BETWEEN_LOOKS


def _look_again() -> None:
    global _active, _failure, _looked_at
    try:
        _active, _failure = _look(_active), None
    except (Error, NoActiveVersionError) as failure:
        _failure = failure.with_traceback(None)
    _looked_at = time.monotonic()


def _look(held: Active | None) -> Active:
    """Ask for the key alone while the version stays: its row names every drawing that it was made from."""
    active_versions = ModelVersion.objects.filter(active=True)
    if held and active_versions.filter(pk=held.version.pk).exists():
        return held
    version = active_versions.first()
    if version is None:
        raise NoActiveVersionError
    return Active(version, version.predictor())
