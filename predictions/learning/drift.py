"""Looks for drift: compares the drawings that come in with the reference of the version that answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction
from django.db.models import Avg, Count, F, Q
from django.utils import timezone

from predictions import pictures
from predictions.models import NOT_A_DIGIT, DriftMonitor, ModelVersion, Prediction
from predictions.models.webhook import announce

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from training.drift import Figures

# So many drawings make a reference where the version was not given one by its training.
REFERENCE_SIZE = 500
BATCH = 500
# By then a drawing in progress has been superseded by its next state, and every open transaction has ended.
SECONDS_UNTIL_SETTLED = 30
# What a look at a batch changes; operators change, and `_count_reviewed` counts, the rest.
CHANGED = ["reference", "charts", "alarms", "seen", "last_time", "last_id"]


def look_for_drift(until: datetime | None = None) -> None:
    """Compare what the active version has answered since the last look; torch is loaded only if there is
    anything to compare."""
    version = ModelVersion.objects.active()
    if version is None:
        return
    predictor = cache(version.predictor)
    until = until or timezone.now() - timedelta(seconds=SECONDS_UNTIL_SETTLED)
    DriftMonitor.objects.get_or_create(version=version)
    while _look_at_batch(version, predictor, until):
        pass
    _count_reviewed()


def _count_reviewed() -> None:
    """Reviews come in for every version, active or not."""
    accepted = Prediction.objects.filter(
        review_status=Prediction.ReviewStatus.ACCEPTED, true_label__lt=NOT_A_DIGIT
    )
    counts = (
        accepted.order_by()
        .values("model_version")
        .annotate(reviewed=Count("pk"), right=Count("pk", filter=Q(true_label=F("digit"))))
    )
    DriftMonitor.objects.exclude(version__in=[row["model_version"] for row in counts]).update(
        reviewed=0, reviewed_right=0
    )
    for row in counts:
        DriftMonitor.objects.filter(version=row["model_version"]).update(
            reviewed=row["reviewed"], reviewed_right=row["right"]
        )


def _look_at_batch(version: ModelVersion, predictor: Callable[[], "Predictor"], until: datetime) -> bool:
    """False when there was nothing left to look at. Pictures are read outside of any transaction."""
    monitor = DriftMonitor.objects.get(version=version)
    before, alarms_before = (monitor.last_id, monitor.acknowledged_at), len(monitor.alarms)
    size = BATCH if monitor.reference else REFERENCE_SIZE
    rows = list(monitor.following(until)[:size])
    if not rows or (monitor.reference is None and len(rows) < REFERENCE_SIZE):
        return False
    if monitor.reference is None:
        monitor.reference = make_reference(rows, predictor())
    else:
        _compare(monitor, rows, predictor())
    monitor.last_time, monitor.last_id = rows[-1].created_at, rows[-1].pk
    with transaction.atomic():
        now = DriftMonitor.objects.select_for_update().get(version=version)
        # Where somebody else has looked at the same drawings, or acknowledged the drift before them, they are
        # looked at anew.
        if (now.last_id, now.acknowledged_at) == before:
            monitor.save(update_fields=CHANGED)
            for alarm in monitor.alarms[alarms_before:]:
                announce("drift", version=version.name, **alarm)
    return True


def _compare(monitor: DriftMonitor, rows: list[Prediction], predictor: "Predictor") -> None:
    from training.drift import Charts, Reference

    assert monitor.reference  # noqa: S101  (for the type checker)
    reference = Reference({name: np.array(values) for name, values in monitor.reference["figures"].items()})
    charts = Charts({name: (up, down) for name, (up, down) in monitor.charts.items()})
    figures = measure(rows, predictor, np.array(monitor.reference["centres"]))
    alarms = charts.add(reference.scores(figures))
    if wrong_before := _wrong_before(monitor):
        alarms += charts.add_confidences(figures["confidence"], wrong_before)
    for alarm in alarms:
        number = alarm.pop("drawing")
        monitor.alarms.append(
            alarm | {"after": monitor.seen + number + 1, "at": rows[number].created_at.isoformat()}
        )
    monitor.charts = charts.sums
    monitor.seen += len(rows)


def _wrong_before(monitor: DriftMonitor) -> float | None:
    """The share that was expected wrong of the drawings up to the last one seen; None where they are few."""
    from training import drift

    if monitor.last_time is None:
        return None
    newest = monitor.preceding()[: drift.DRAWINGS_BEFORE].values("pk", "confidence")
    counted = newest.aggregate(drawings=Count("pk"), confidence=Avg("confidence"))
    enough = counted["drawings"] >= drift.FEWEST_BEFORE
    return 1 - counted["confidence"] if enough else None


def make_reference(rows: list[Prediction], predictor: "Predictor") -> dict[str, Any]:
    """The reference as JSON, from drawings that count as ordinary, read by this very version: another, which
    may have answered them, is surer or less sure than it."""
    from training.drift import Reference, centres

    inputs = pictures.stack(row.input for row in rows)
    probabilities, _ = predictor.probabilities(inputs)
    means = centres(predictor.embed(inputs), probabilities.argmax(1))
    read = measure(rows, predictor, means) | {"confidence": probabilities.max(1)}
    figures = Reference.of(read).figures
    return {
        "drawings": len(rows),
        "centres": means.round(4).tolist(),
        "figures": {name: values.round(6).tolist() for name, values in figures.items()},
    }


def measure(rows: list[Prediction], predictor: "Predictor", means: "np.ndarray[Any, Any]") -> "Figures":
    from training.drift import embedding_distance

    inputs = pictures.stack(row.input for row in rows)
    as_sent = np.array([_size_and_pen_width(row) for row in rows])
    return {
        "ink": inputs.mean((1, 2)) / 255,
        "size": as_sent[:, 0],
        "pen_width": as_sent[:, 1],
        "confidence": np.array([row.confidence for row in rows]),
        "embedding_distance": embedding_distance(predictor.embed(inputs), means),
    }


def _size_and_pen_width(row: Prediction) -> tuple[float, float]:
    """Unknown for drawings that came as strokes only."""
    from training.drift import size_and_pen_width

    ink = row.picture_ink()
    return (np.nan, np.nan) if ink is None else size_and_pen_width(ink)
