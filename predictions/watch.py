"""The watch: compares what people draw with the reference of the version that answers."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from classifier.preprocess import DrawingError, decode_image
from predictions.models import NOT_A_DIGIT, Prediction
from predictions.versions import ModelVersion

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from training.drift import Figures

# So many drawings make a reference where the version was not given one by its training.
REFERENCE_SIZE = 500
BATCH = 500
# By then a drawing in progress has been superseded by its next state, and every open transaction has ended.
SECONDS_UNTIL_SETTLED = 30


class WatchQuerySet(models.QuerySet["Watch"]):
    def alarmed(self) -> Self:
        """Watches of the active version with drift that nobody has acknowledged."""
        return self.filter(version__active=True).exclude(alarms=[])


class Watch(models.Model):
    """How far the watch of one version has come; `reference` and `charts` are training.drift's."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, primary_key=True, related_name="watch")
    reference = models.JSONField(null=True, help_text="Figures of ordinary drawings; made once.")
    charts = models.JSONField(default=dict)
    alarms = models.JSONField(default=list, help_text="Drift found since the last acknowledgement.")
    seen = models.PositiveBigIntegerField(default=0, help_text="Drawings compared with the reference.")
    reviewed = models.PositiveBigIntegerField(default=0, help_text="Accepted drawings, digits only.")
    reviewed_right = models.PositiveBigIntegerField(default=0)
    last_time = models.DateTimeField(null=True)
    last_id = models.UUIDField(null=True)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)

    objects = WatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return f"{self.version}: {self.banner() or 'no drift'}"

    def banner(self) -> str:
        """What the admin shows on top; empty without drift."""
        found = [f"{alarm['figure'].replace('_', ' ')} {alarm['direction']}" for alarm in self.alarms]
        return f"Drift: {', '.join(found)}" if found else ""

    @property
    def accuracy(self) -> float | None:
        """The share of the reviewed drawings that the version read right, as of the last look."""
        return self.reviewed_right / self.reviewed if self.reviewed else None

    def acknowledge(self, by: Any) -> None:  # noqa: ANN401
        """Take the alarms down and begin to sum up anew."""
        self.alarms, self.charts = [], {}
        self.acknowledged_by, self.acknowledged_at = by, timezone.now()
        self.save(update_fields=["alarms", "charts", "acknowledged_by", "acknowledged_at"])

    def following(self, until: datetime) -> models.QuerySet[Prediction]:
        """This version's drawings after the last one seen, oldest first."""
        rows = Prediction.objects.filter(
            model_version=self.version_id, superseded=False, created_at__lte=until
        )
        if self.last_time:
            later = Q(created_at__gt=self.last_time) | Q(pk__gt=self.last_id)
            rows = rows.filter(later, created_at__gte=self.last_time)
        return rows.order_by("created_at", "pk").only(
            "pk", "created_at", "image", "input", "digit", "confidence"
        )


def look(until: datetime | None = None) -> None:
    """Compare what the active version has answered since the last look; torch is needed for that."""
    from predictions import serving

    version = ModelVersion.objects.active()
    if version is None:
        return
    predictor = serving.load(version)
    until = until or timezone.now() - timedelta(seconds=SECONDS_UNTIL_SETTLED)
    Watch.objects.get_or_create(
        version=version, defaults={"reference": version.metrics.get("drift_reference")}
    )
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
    for row in counts:
        Watch.objects.filter(version=row["model_version"]).update(
            reviewed=row["reviewed"], reviewed_right=row["right"]
        )


@transaction.atomic
def _look_at_batch(version: ModelVersion, predictor: "Predictor", until: datetime) -> bool:
    """False when there was nothing left to look at."""
    watch = Watch.objects.select_for_update().get(version=version)
    size = BATCH if watch.reference else REFERENCE_SIZE
    rows = list(watch.following(until)[:size])
    if not rows or (watch.reference is None and len(rows) < REFERENCE_SIZE):
        return False
    if watch.reference is None:
        watch.reference = make_reference(rows, predictor)
    else:
        _compare(watch, rows, predictor)
    watch.last_time, watch.last_id = rows[-1].created_at, rows[-1].pk
    watch.save()
    return True


def _compare(watch: Watch, rows: list[Prediction], predictor: "Predictor") -> None:
    from training.drift import Charts, Reference

    assert watch.reference  # noqa: S101  (for the type checker)
    reference = Reference({name: np.array(values) for name, values in watch.reference["figures"].items()})
    charts = Charts({name: (up, down) for name, (up, down) in watch.charts.items()})
    figures = measure(rows, predictor, np.array(watch.reference["centres"]))
    for alarm in charts.add(reference.scores(figures)):
        number = alarm.pop("drawing")
        watch.alarms.append(
            alarm | {"after": watch.seen + number + 1, "at": rows[number].created_at.isoformat()}
        )
    watch.charts = charts.sums
    watch.seen += len(rows)


def make_reference(rows: list[Prediction], predictor: "Predictor") -> dict[str, Any]:
    """The reference as JSON, from drawings that count as ordinary."""
    from training.drift import Reference, centres

    digits = np.array([row.digit for row in rows])
    means = centres(predictor.embed(inputs_of(rows)), digits)
    figures = Reference.of(measure(rows, predictor, means)).figures
    return {
        "drawings": len(rows),
        "centres": means.round(4).tolist(),
        "figures": {name: values.round(6).tolist() for name, values in figures.items()},
    }


def measure(rows: list[Prediction], predictor: "Predictor", means: "np.ndarray[Any, Any]") -> "Figures":
    from training.drift import embedding_distance

    inputs = inputs_of(rows)
    as_sent = np.array([_size_and_pen_width(row) for row in rows])
    return {
        "ink": inputs.mean((1, 2)) / 255,
        "size": as_sent[:, 0],
        "pen_width": as_sent[:, 1],
        "confidence": np.array([row.confidence for row in rows]),
        "embedding_distance": embedding_distance(predictor.embed(inputs), means),
    }


def inputs_of(rows: list[Prediction]) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    return np.frombuffer(bytearray().join(row.input for row in rows), np.uint8).reshape(-1, 28, 28)


def _size_and_pen_width(row: Prediction) -> tuple[float, float]:
    """Unknown for drawings that came as strokes only."""
    from training.drift import size_and_pen_width

    try:
        return size_and_pen_width(decode_image(bytes(row.image))) if row.image else (np.nan, np.nan)
    except DrawingError:
        return np.nan, np.nan
