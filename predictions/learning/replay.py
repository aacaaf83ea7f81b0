"""Replay: how would another version have read the drawings in the log?"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from django.db.models import Q
from django.template.defaultfilters import pluralize
from django.utils import timezone
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from predictions import pictures
from predictions.models import ModelVersion, Prediction
from predictions.models.job import ReportProgress

if TYPE_CHECKING:
    from classifier.predictor import Predictor

BATCH = 2000
# All changed drawings are counted; so many are kept by id, to be looked at.
KEPT = 500

Columns = tuple[UUID, datetime, bytes, int, int | None, str]


def replay(report: ReportProgress, version: str, since: str | None = None) -> dict[str, Any]:
    """Read every logged drawing (`since` an ISO time with its zone, if given) with a version, in batches, so
    that memory stays the same however long the log is. Raises ModelVersion.DoesNotExist."""
    predictor = ModelVersion.objects.get(name=version).predictor()
    rows = Prediction.objects.filter(superseded=False, created_at__lte=timezone.now())
    if since:
        rows = rows.filter(created_at__gte=datetime.fromisoformat(since))
    total, tally = rows.count(), Tally()
    for batch, probabilities in read(predictor, batches(rows)):
        tally.add(batch, probabilities)
        report(min(tally.rows / total, 1.0), f"{tally.rows:,} of {total:,} drawing{pluralize(total)}")
    return {"version": version, "since": since, **tally.result()}


def batches(rows: Any) -> Iterator[list[Columns]]:  # noqa: ANN401  (django-stubs has no type for values_list's rows)
    """Oldest first. Each batch is a query of its own that starts where the last one ended: no cursor is held
    open while the model reads."""
    columns = rows.order_by("created_at", "pk").values_list(
        "pk", "created_at", "input", "digit", "true_label", "review_status"
    )
    batch = list(columns[:BATCH])
    while batch:
        yield batch
        key, time = batch[-1][:2]
        later = columns.filter(Q(created_at__gt=time) | Q(pk__gt=key), created_at__gte=time)
        batch = list(later[:BATCH])


def read(
    predictor: "Predictor", following: Iterator[list[Columns]]
) -> Iterator[tuple[list[Columns], NDArray[np.float64]]]:
    """Each batch with its (n, 10) probabilities, in order. Every core reads a batch of its own: cores that
    share one wait for each other for half of the time."""
    import torch

    def one_thread() -> None:
        torch.get_num_threads()  # torch sets its own number at the first call in a thread
        threadpool_limits(1, user_api="openmp")

    def probabilities(batch: list[Columns]) -> NDArray[np.float64]:
        return predictor.probabilities(pictures.stack(row[2] for row in batch))[0]

    cores, under_way = torch.get_num_threads(), deque[tuple[list[Columns], Future[NDArray[np.float64]]]]()
    with ThreadPoolExecutor(cores, initializer=one_thread) as pool:
        for batch in following:
            under_way.append((batch, pool.submit(probabilities, batch)))
            if len(under_way) > cores:
                first, reading = under_way.popleft()
                yield first, reading.result()
        for first, reading in under_way:
            yield first, reading.result()


@dataclass
class Tally:
    """The changes so far; `moves[a, b]` counts drawings that were read as a and are now read as b."""

    rows: int = 0
    moves: NDArray[np.int64] = field(default_factory=lambda: np.zeros((10, 10), np.int64))
    reviewed: int = 0
    right_before: int = 0
    right_after: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def add(self, batch: list[Columns], probabilities: NDArray[np.float64]) -> None:
        before, after = np.array([row[3] for row in batch]), probabilities.argmax(1)
        # Drawings that are no digit have no right answer here.
        accepted = Prediction.ReviewStatus.ACCEPTED
        truth = np.array([row[4] if row[5] == accepted and row[4] is not None else -1 for row in batch])
        truth[truth > 9] = -1
        np.add.at(self.moves, (before, after), 1)
        self.rows += len(batch)
        self.reviewed += int((truth >= 0).sum())
        self.right_before += int((truth == before).sum())
        self.right_after += int((truth == after).sum())
        for at in np.flatnonzero(before != after)[: KEPT - len(self.kept)]:
            self.kept.append(
                {
                    "id": str(batch[at][0]),
                    "before": int(before[at]),
                    "after": int(after[at]),
                    "confidence": round(float(probabilities[at].max()), 4),
                    "truth": int(truth[at]) if truth[at] >= 0 else None,
                }
            )

    def result(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "changed": int(self.moves.sum() - self.moves.trace()),
            "moves": self.moves.tolist(),
            "reviewed": self.reviewed,
            "accuracy_before": self.right_before / self.reviewed if self.reviewed else None,
            "accuracy_after": self.right_after / self.reviewed if self.reviewed else None,
            "drawings": self.kept,
        }
