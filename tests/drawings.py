"""Rows of the log for tests of the learning loop."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import numpy as np
from django.utils import timezone

from predictions.models import ModelVersion, Prediction
from predictions.models.split import side_of

Inputs = "np.ndarray[Any, np.dtype[np.uint8]]"

FIRST = 2**64  # no test counts so far by itself
# Rows and visitors in their order, the same at each run: trainings and checks go by them. conftest.py begins
# anew with each test.
keys: Iterator[UUID] = iter(())


def begin_anew() -> None:
    global keys
    keys = (UUID(int=number) for number in count(FIRST))


def visitor_on(side: str) -> UUID:
    """Another visitor at each call, whose drawings stand on that side."""
    return next(visitor for visitor in keys if side_of(visitor) == side)


def logged(
    version: ModelVersion, drawing: Any, digit: int, visitor: UUID | None = None, **changes: Any
) -> Prediction:
    """One row that `version` answered with `digit`; `drawing` is a (28, 28) array or 784 bytes."""
    values: dict[str, Any] = {
        "id": next(keys),
        "model_version": version,
        "input": bytes(drawing) if isinstance(drawing, bytes) else drawing.astype(np.uint8).tobytes(),
        "digit": digit,
        "visitor": visitor or next(keys),
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
