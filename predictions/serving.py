"""The active version's predictor, held in memory by every process that answers."""

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from predictions.versions import ModelVersion

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
_looked_at = float("-inf")
_lock = threading.Lock()


def active() -> Active:
    """The active version, looked up anew when the last look is a second old.

    Raises NoActiveVersionError, or Django's OperationalError while the database is away.
    """
    global _active, _looked_at
    if _active is None or time.monotonic() - _looked_at > SECONDS_BETWEEN_LOOKS:
        with _lock:
            _active = _look(_active)
            _looked_at = time.monotonic()
    return _active


def _look(held: Active | None) -> Active:
    active_versions = ModelVersion.objects.filter(active=True)
    if held and active_versions.filter(pk=held.version.pk).exists():
        return held
    version = active_versions.first()
    if version is None:
        raise NoActiveVersionError
    return Active(version, load(version))


def load(version: ModelVersion) -> "Predictor":
    """The predictor of any version; torch is imported here and not before."""
    from classifier.predictor import Predictor

    return Predictor.from_bytes(bytes(version.checkpoint))


def install_shipped() -> ModelVersion:
    """Make the weights that come with the code a version, and the active one."""
    from classifier.checkpoint import SHIPPED, load

    data = SHIPPED.read_bytes()
    metrics = load(data).metrics
    version = ModelVersion.objects.create(
        name=ModelVersion.objects.next_name(),
        checkpoint=data,
        metrics=metrics,
        data_fingerprint=metrics["data_fingerprint"],
        seed=metrics["seed"],
        code_version=metrics["code_version"],
    )
    version.promote(reason="The shipped model.")
    return version
