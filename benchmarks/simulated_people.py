"""People of a stroke file: visitors who draw on the running API, and an operator who reviews."""

import base64
import io
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import requests
from django.core.management import CommandError
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from predictions.models import Prediction
    from training.drawings import Drawings, Strokes

DRAWINGS_PER_VISITOR = 20
WRONG_CLAIMS = 0.05
WRONG_REVIEWS = 0.02
BATCH = 12
STRAIGHT = 0.1  # of a line's length, how far its points stray
LYING = 2  # times as wide as high

# The label that each drawing truly has; None where nobody can read it.
Truth = dict[UUID, int | None]


def is_readable(strokes: "Strokes", label: int) -> bool:
    """Whether a person would read the label: of a lone straight line only a 1, and only if it does not lie.

    Such lines, cut out of a 4 or a 7 or written by mistake, are most of what is wrong in pen recordings, and
    can be told without any model (docs/data-card.md).
    """
    points = np.concatenate(strokes) - np.concatenate(strokes).mean(axis=0)
    length, stray = np.linalg.svd(points, compute_uv=False)
    width, height = np.ptp(points, axis=0)
    is_line = len(strokes) == 1 and stray < STRAIGHT * length
    return not is_line or (label == 1 and width < LYING * height)


def send(drawings: "Drawings", api: str) -> Truth:
    """Send the drawings as the page does, each visitor's together, visitors in random order. A file keeps one
    person's drawings together."""
    from training.drawings import draw
    from training.evaluate import any_hands

    chance, hands, session = np.random.default_rng(0), any_hands(), requests.Session()
    people = np.array_split(np.arange(len(drawings)), max(1, len(drawings) // DRAWINGS_PER_VISITOR))
    truth: Truth = {}
    for person in chance.permutation(len(people)).tolist():
        visitor = uuid5(NAMESPACE_URL, f"simulated person {person}")
        for at in people[person]:
            strokes, label = drawings.strokes[at], int(drawings.labels[at])
            body = {
                "image": base64_png(draw(strokes, next(hands))),
                "strokes": [stroke.tolist() for stroke in strokes],
                "visitor": str(visitor),
                "source": "page",
            }
            key = post(session, f"{api}/api/predict", body)["id"]
            claim = err(label, WRONG_CLAIMS, chance)
            post(session, f"{api}/api/predictions/{key}/feedback", {"label": claim})
            truth[UUID(key)] = label if is_readable(strokes, label) else None
    return truth


def err(label: int, share: float, chance: np.random.Generator) -> int:
    """The label, or in this share of cases another digit."""
    return (label + int(chance.integers(1, 10))) % 10 if chance.random() < share else label


def base64_png(canvas: bytes) -> str:
    """A picture in any format as the page sends it."""
    file = io.BytesIO()
    Image.open(io.BytesIO(canvas)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def post(session: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Wait where the API says so; CommandError where it does not answer as it should."""
    answer = session.post(url, json=body, timeout=30)
    while answer.status_code in (429, 503):
        time.sleep(float(answer.headers["Retry-After"]))
        answer = session.post(url, json=body, timeout=30)
    if not answer.ok:
        raise CommandError(f"{url} answered {answer.status_code}: {answer.text[:200]}")
    result: dict[str, Any] = answer.json()
    return result


def find_operator() -> "User":
    from django.contrib.auth.models import User

    return User.objects.get_or_create(username="operator", defaults={"is_staff": True})[0]


def work_through_queue(operator: "User", count: int) -> "Iterator[Prediction]":
    """The next `count` rows as the review desk hands them out, each to be reviewed before the next."""
    from predictions.models import Prediction

    while count:
        batch = Prediction.objects.all().queue(operator, min(BATCH, count), [])
        if not batch:
            raise CommandError(f"The queue is empty, {count} reviews too early.")
        yield from batch
        count -= len(batch)


def review(row: "Prediction", label: int | None, operator: "User", **facts: Any) -> None:  # noqa: ANN401
    """Accept the label, or reject what nobody can read."""
    status = row.ReviewStatus.REJECTED if label is None else row.ReviewStatus.ACCEPTED
    row.review(operator, status, label, expected_version=row.row_version, **facts)


def review_queue(truth: Truth, count: int, chance: np.random.Generator) -> None:
    """As an operator who errs now and then, whatever was claimed."""
    operator = find_operator()
    for row in work_through_queue(operator, count):
        label = truth[row.pk]
        seen = None if label is None else err(label, WRONG_REVIEWS, chance)
        review(row, seen, operator, selected_by=row.selected_by_queue)


def look_again_at_doubts(truth: Truth, chance: np.random.Generator) -> int:
    """The operator gives every label that the label check doubts a second look; how many there were."""
    from predictions.models import LabelDoubt

    doubts = list(LabelDoubt.objects.open().select_related("prediction"))
    for row in [doubt.prediction for doubt in doubts]:
        label = truth[row.pk]
        review(row, None if label is None else err(label, WRONG_REVIEWS, chance), find_operator())
    return len(doubts)


def halve(sources: NDArray[np.str_], seed: int = 1) -> NDArray[np.bool_]:
    """A fixed random half of each source's drawings."""
    chance, half = np.random.default_rng(seed), np.zeros(len(sources), np.bool_)
    for source in np.unique(sources):
        at = chance.permutation(np.flatnonzero(sources == source))
        half[at[: len(at) // 2]] = True
    return half


def drawing_id(place: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"drawing {place}")


def log_reviewed(inputs: NDArray[np.uint8], labels: list[int], places: NDArray[np.int64]) -> None:
    """Log drawings as accepted, without the API; `places` in a file, whose neighbours are one person's."""
    from django.utils import timezone

    from predictions.models import ModelVersion, Prediction

    version = ModelVersion.objects.active()
    assert version
    readings = version.predictor().read(inputs)
    Prediction.objects.bulk_create(
        Prediction.from_reading(
            reading,
            id=drawing_id(place),
            model_version=version,
            input=pixels.tobytes(),
            visitor=uuid5(NAMESPACE_URL, f"person {place // DRAWINGS_PER_VISITOR}"),
            latency_ms=1.0,
            review_status=Prediction.ReviewStatus.ACCEPTED,
            true_label=label,
            reviewed_at=timezone.now(),
        )
        for reading, pixels, label, place in zip(readings, inputs, labels, places.tolist(), strict=True)
    )
