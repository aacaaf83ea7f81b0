"""The database itself refuses rows that break an invariant."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone

from predictions.models import ModelVersion, Prediction, Promotion
from tests import rows

UNKNOWN = {"data_fingerprint": "", "code_version": ""}


def row(version: ModelVersion, **changes: Any) -> Prediction:
    sound = {
        "model_version": version,
        "input": bytes(784),
        "digit": 3,
        "confidence": 0.9,
        "probabilities": [0.1] * 10,
        "latency_ms": 1.0,
    }
    return Prediction(**sound | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"digit": 10},
        {"confidence": 1.01},
        {"confidence": -0.01},
        {"probabilities": [0.5] * 9},
        {"user_label": 11, "user_label_at": timezone.now()},
        {"user_label": 3},
        {"true_label": 11},
        {"review_status": "accepted", "reviewed_at": timezone.now()},
        {"review_status": "accepted", "true_label": 3},
        {"review_status": "undecided", "reviewed_at": timezone.now()},
        {"uncertain": True},
        {"reason": "low_confidence"},
    ],
)
def test_unsound_row_is_refused(version: ModelVersion, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        row(version, **changes).save()


def test_sound_row_is_kept(version: ModelVersion) -> None:
    row(version, review_status="accepted", true_label=10, reviewed_at=timezone.now()).save()
    assert Prediction.objects.get().true_label == 10


def test_only_one_version_is_active(version: ModelVersion) -> None:
    with pytest.raises(IntegrityError):
        ModelVersion.objects.create(name="two", metrics=version.metrics, seed=0, active=True, **UNKNOWN)


def test_promotion_is_logged_with_who_and_what_was_before(version: ModelVersion, admin_user: User) -> None:
    newer = rows.version("two")
    newer.promote(by=admin_user, reason="better", override=True)
    promotion = Promotion.objects.first()
    assert promotion is not None
    assert (promotion.version, promotion.previous, promotion.by) == (newer, version, admin_user)
    assert ModelVersion.objects.active() == newer
