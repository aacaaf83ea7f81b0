"""The active version's predictor, held in memory by every process that answers."""

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from django.db import Error

from predictions.models import ModelVersion, Promotion, UnreadableWeightsError

if TYPE_CHECKING:
    from classifier.predictor import Predictor

logger = logging.getLogger(__name__)
# A promoted version answers everywhere after this long at the most.
SECONDS_BETWEEN_LOOKS = 1.0
# When the database has failed; to ask one that is known to be away costs nothing.
SECONDS_AFTER_A_FAILURE = 0.2
TRIED_STAND_INS = 3


class NoActiveVersionError(Exception):
    """No version has been promoted yet."""


class Active(NamedTuple):
    version: ModelVersion
    predictor: "Predictor"


_active: Active | None = None
# The active version, while another answers in its place.
_unreadable: ModelVersion | None = None
_failure: Error | NoActiveVersionError | UnreadableWeightsError | None = None
_looked_at = float("-inf")
_lock = threading.Lock()


def active() -> Active:
    """The active version, looked up anew when the last look is a second old, by one thread at a time: the
    others go on with what is known, and wait only where nothing is.

    Raises NoActiveVersionError, UnreadableWeightsError, or Django's OperationalError while the database is
    away.
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


def unreadable() -> ModelVersion | None:
    """The active version, if it can't be read and what `active` gives only stands in for it."""
    return _unreadable


def _is_old() -> bool:
    failed = isinstance(_failure, Error)
    seconds = min(SECONDS_AFTER_A_FAILURE, SECONDS_BETWEEN_LOOKS) if failed else SECONDS_BETWEEN_LOOKS
    return time.monotonic() - _looked_at > seconds


def _look_again() -> None:
    global _active, _failure, _looked_at
    try:
        _active, _failure = _look(_active), None
    except (Error, NoActiveVersionError, UnreadableWeightsError) as failure:
        _failure = failure.with_traceback(None)
    _looked_at = time.monotonic()


def _look(held: Active | None) -> Active:
    """Ask for the key alone while the version stays: its row names every drawing that it was made from."""
    global _unreadable
    active_versions = ModelVersion.objects.filter(active=True)
    if held and active_versions.filter(pk=(_unreadable or held.version).pk).exists():
        return held
    version = active_versions.first()
    if version is None:
        raise NoActiveVersionError
    try:
        found, _unreadable = Active(version, version.tried_predictor()), None
    except UnreadableWeightsError as error:
        logger.error("%s An earlier version goes on answering, where there is one.", error)
        found, _unreadable = held or _stand_in(version, error), version
    return found


def _stand_in(version: ModelVersion, error: UnreadableWeightsError) -> Active:
    """In a process that has not answered yet, the newest promoted version before that can be read."""
    kept = Promotion.objects.all().that_stand().filter(version__to_forget_since=None)
    earlier = kept.exclude(version=version).select_related("version")
    for promotion in earlier[:TRIED_STAND_INS]:
        with suppress(UnreadableWeightsError):
            return Active(promotion.version, promotion.version.tried_predictor())
    raise error
