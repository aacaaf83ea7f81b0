"""Rows of the log for tests of the learning loop."""

from typing import Any
from uuid import UUID, uuid4

import numpy as np
from django.utils import timezone

from predictions.models import ModelVersion, Prediction

Inputs = "np.ndarray[Any, np.dtype[np.uint8]]"


def logged(
    version: ModelVersion, drawing: Any, digit: int, visitor: UUID | None = None, **changes: Any
) -> Prediction:
    """One row that `version` answered with `digit`; `drawing` is a (28, 28) array or 784 bytes."""
    values: dict[str, Any] = {
        "model_version": version,
        "input": bytes(drawing) if isinstance(drawing, bytes) else drawing.astype(np.uint8).tobytes(),
        "digit": digit,
        "visitor": visitor or uuid4(),
        "confidence": 0.9,
        "probabilities": [0.1] * 10,
        "latency_ms": 1.0,
    }
    return Prediction.objects.create(**values | changes)


def accepted(version: ModelVersion, drawing: Any, label: int, **changes: Any) -> Prediction:
    """One row whose label an operator has accepted."""
    review: dict[str, Any] = {"review_status": "accepted", "true_label": label, "reviewed_at": timezone.now()}
    return logged(version, drawing, changes.pop("digit", label % 10), **review | changes)


def unique(number: int) -> bytes:
    """An input that no other number has."""
    return number.to_bytes(4, "big").rjust(784, b"\1")
