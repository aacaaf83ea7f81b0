"""Rows for tests: what is not asked for is plausible."""

from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.models import Permission, User

import classifier
from predictions.models import ModelVersion, Prediction
from predictions.models.insert import VALUES

CHECKPOINT = Path(classifier.__file__).with_name("shipped.safetensors").read_bytes()
INPUT = np.zeros((28, 28), np.uint8)
INPUT[4:24, 13:16] = 255


def version(name: str = "v1") -> ModelVersion:
    """A stored version with the shipped weights, or the one that has the name already."""
    stored = ModelVersion.objects.filter(name=name).first() or ModelVersion.objects.register(CHECKPOINT)
    if stored.name != name:
        stored.name = name
        stored.save(update_fields=["name"])
    return stored


def prediction(digit: int = 1, confidence: float = 0.9, **fields: Any) -> Prediction:
    """A stored row; a lot of 0.5 keeps it out of the random sample."""
    probabilities = [(1 - confidence) / 9] * 10
    probabilities[digit] = confidence
    fields = {
        "input": INPUT.tobytes(),
        "latency_ms": 3.0,
        "lottery": 0.5,
        "model_version": version(),
    } | fields
    row = Prediction(digit=digit, confidence=confidence, probabilities=probabilities, **fields)
    is_new = fields.keys() <= {"model_version", "strokes", *VALUES}
    row.log() if is_new else row.save(
        force_insert=True
    )  # what was decided since is no part of the log's statement
    row.refresh_from_db()
    return row


def claimed(label: int, **fields: Any) -> Prediction:
    row = prediction(**fields)
    row.claim(label)
    row.refresh_from_db()
    return row


def operator(name: str = "olive", *permissions: str) -> User:
    """Somebody of the staff with these permissions of ours, by default those of an operator."""
    user = User.objects.create_user(name, password="a password", is_staff=True)
    names = permissions or ("view_prediction", "change_prediction")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user
