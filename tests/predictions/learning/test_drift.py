"""The monitor tells drift from ordinary drawings: real pen strokes, drawn on a canvas by simulated hands."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from benchmarks import drift_delay
from classifier.checkpoint import SHIPPED
from classifier.predictor import Predictor
from classifier.preprocess import read_picture, to_input
from predictions.admin.drift import banner
from predictions.learning.drift import look_for_drift, measure
from predictions.models import DriftMonitor, ModelVersion, Prediction
from tests import samples
from tests.drawings import logged
from training.drawings import Drawings, Hand, draw, load_drawings
from training.drift import (
    DRAWINGS_BEFORE,
    EXPECTED_ERRORS,
    Charts,
    Figures,
    Reference,
    centres,
    embedding_distance,
    size_and_pen_width,
)
from training.evaluate import any_hands

DATA = samples.DATA
SIMULATED = 20_000


def canvases(drawings: Drawings, seed: int, pen: float = 1.0) -> Iterator[bytes]:
    """Each drawing by a hand of its own, whose pen is so many times as wide as usual."""
    for strokes, hand in zip(drawings.strokes, any_hands(seed), strict=False):
        yield draw(strokes, replace(hand, pen=hand.pen * pen))


@pytest.fixture(scope="module")
def figures() -> dict[str, Figures]:
    """The monitor's figures, with the shipped model."""
    predictor = Predictor.from_bytes(SHIPPED.read_bytes())
    digits, letters = (load_drawings(DATA / f"{name}-sample.npz") for name in ("strokes", "letters"))
    sets = {
        "reference": [*canvases(digits, 1), *canvases(digits, 2)],
        "ordinary": [*canvases(digits, 3), *canvases(digits, 4)],
        "thick": [*canvases(digits, 5, pen=2)],
        "letters": [*canvases(letters, 6)],
    }
    inks = {name: [read_picture(canvas) for canvas in images] for name, images in sets.items()}
    inputs = {name: np.stack([to_input(ink) for ink in drawn]) for name, drawn in inks.items()}
    features = {name: predictor.embed(images) for name, images in inputs.items()}
    read = {name: predictor.probabilities(images)[0] for name, images in inputs.items()}
    means = centres(features["reference"], read["reference"].argmax(1))
    as_sent = {name: np.array([size_and_pen_width(ink) for ink in drawn]) for name, drawn in inks.items()}
    return {
        name: {
            "ink": inputs[name].mean((1, 2)) / 255,
            "size": as_sent[name][:, 0],
            "pen_width": as_sent[name][:, 1],
            "confidence": read[name].max(1),
            "embedding_distance": embedding_distance(features[name], means),
        }
        for name in sets
    }


def sample(figures: Figures, count: int, random: np.random.Generator) -> Figures:
    """So many drawings, drawn from these with replacement."""
    at = random.integers(0, len(figures["ink"]), count)
    return {name: values[at] for name, values in figures.items()}


def test_no_alarm_in_20000_ordinary_drawings(figures: dict[str, Figures]) -> None:
    reference = Reference.of(figures["reference"])
    drawn = sample(figures["ordinary"], SIMULATED, np.random.default_rng(0))
    assert Charts().add(reference.scores(drawn)) == []


@pytest.mark.parametrize("seed", range(5))
def test_doubled_pen_width_is_found_within_300_drawings(figures: dict[str, Figures], seed: int) -> None:
    reference = Reference.of(figures["reference"])
    drawn = sample(figures["thick"], 300, np.random.default_rng(seed))
    alarms = Charts().add(reference.scores(drawn))
    assert ("pen_width", "higher") in {(alarm["figure"], alarm["direction"]) for alarm in alarms}


@pytest.mark.parametrize("seed", range(5))
def test_a_fifth_of_letters_is_found_within_300_drawings(figures: dict[str, Figures], seed: int) -> None:
    random = np.random.default_rng(seed)
    digits, letters = sample(figures["ordinary"], 300, random), sample(figures["letters"], 300, random)
    mixed = random.random(300) < 0.2
    drawn = {name: np.where(mixed, letters[name], digits[name]) for name in digits}
    assert Charts().add(Reference.of(figures["reference"]).scores(drawn))


@pytest.mark.parametrize(("size", "pen"), [(100, 8), (180, 20), (220, 40)])
def test_size_and_pen_width_are_those_of_the_drawing(size: float, pen: float) -> None:
    line = [np.array([[0.0, 0.0], [0.0, 1.0]])]
    measured_size, measured_pen = size_and_pen_width(read_picture(draw(line, Hand(size, pen))))
    assert measured_size == pytest.approx((size + pen) / 280, abs=0.01)
    assert measured_pen == pytest.approx(pen / 280, rel=0.25)


def test_drawing_without_a_figure_changes_nothing() -> None:
    reference = Reference.of({"size": np.arange(100.0), "pen_width": np.full(100, np.nan)})
    scores = reference.scores({"size": np.array([np.nan, 99.0]), "pen_width": np.array([1.0, 1.0])})
    assert list(scores) == ["size"]
    assert scores["size"][0] == 0
    assert scores["size"][1] > 2


Log = Callable[..., None]


@pytest.fixture
def log(version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Logs the sample's drawings, an hour ago and in order; forty make a reference."""
    monkeypatch.setattr("predictions.learning.drift.REFERENCE_SIZE", 40)
    drawings, start = load_drawings(DATA / "strokes-sample.npz"), timezone.now() - timedelta(hours=1)
    count = iter(range(10_000))

    def log(pen: float) -> None:
        for canvas in canvases(drawings.sample(40), seed=int(pen), pen=pen):
            row = to_input(read_picture(canvas))
            logged(version, row, 3, image=canvas, created_at=start + timedelta(seconds=next(count)))

    return log


def test_first_drawings_become_the_reference(version: ModelVersion, log: Log) -> None:
    look_for_drift()
    assert DriftMonitor.objects.get().reference is None
    log(pen=1)
    look_for_drift()
    monitor = DriftMonitor.objects.get()
    assert monitor.reference
    assert (monitor.reference["drawings"], monitor.seen, monitor.alarms) == (40, 0, [])
    look_for_drift()
    assert DriftMonitor.objects.get().seen == 0


def test_drift_raises_the_banner_and_the_metric_until_it_is_acknowledged(
    version: ModelVersion, log: Log, client: Client, admin_user: User, rf: RequestFactory
) -> None:
    request = rf.get("/admin/")
    request.user = admin_user
    log(pen=1)
    log(pen=2)
    look_for_drift()
    monitor = DriftMonitor.objects.get()
    assert monitor.seen == 40
    found: Any = {(alarm["figure"], alarm["direction"]) for alarm in monitor.alarms}
    assert ("pen_width", "higher") in found
    assert "pen width higher" in str(banner(request))
    drift = f'digits_drift{{model_version="{version.name}"}}'
    assert f"{drift} {len(monitor.alarms)}.0" in client.get("/metrics").content.decode()
    monitor.acknowledge(admin_user)
    assert banner(request) is None
    assert f"{drift} 0.0" in client.get("/metrics").content.decode()
    assert DriftMonitor.objects.get().acknowledged_by == admin_user


def test_what_is_acknowledged_while_drawings_are_compared_stays_so(
    version: ModelVersion, log: Log, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(pen=1)
    log(pen=2)
    look_for_drift()
    log(pen=2)

    def acknowledge_and_measure(*arguments: Any) -> Figures:
        if DriftMonitor.objects.get().acknowledged_by is None:
            DriftMonitor.objects.get().acknowledge(admin_user)
        return measure(*arguments)

    monkeypatch.setattr("predictions.learning.drift.measure", acknowledge_and_measure)
    look_for_drift()
    monitor = DriftMonitor.objects.get()
    assert monitor.acknowledged_by == admin_user
    assert monitor.acknowledged_at
    assert monitor.seen == 80
    assert min(alarm["after"] for alarm in monitor.alarms) > 40  # found anew, and in the new drawings only


def test_reviews_that_are_counted_while_drawings_are_compared_are_not_lost(
    version: ModelVersion, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(pen=1)
    log(pen=1)

    def count_and_measure(*arguments: Any) -> Figures:
        DriftMonitor.objects.update(reviewed=7, reviewed_right=6)
        monkeypatch.setattr("predictions.learning.drift._count_reviewed", list)  # would count once more
        return measure(*arguments)

    monkeypatch.setattr("predictions.learning.drift.measure", count_and_measure)
    look_for_drift()
    monitor = DriftMonitor.objects.get()
    assert (monitor.seen, monitor.reviewed, monitor.reviewed_right) == (40, 7, 6)


def test_drawings_in_progress_are_not_looked_at(version: ModelVersion, log: Log) -> None:
    log(pen=1)
    look_for_drift()
    logged(version, bytes(784), 3)  # a moment ago: its next state may supersede it
    look_for_drift()
    assert DriftMonitor.objects.get().seen == 0


def test_accuracy_on_reviewed_drawings_is_kept(version: ModelVersion, admin_user: User) -> None:
    from tests.drawings import accepted, unique

    accepted(version, unique(1), 3)
    accepted(version, unique(2), 3, digit=5)
    accepted(version, unique(3), 10)
    look_for_drift()
    assert DriftMonitor.objects.get().accuracy == 0.5
    Prediction.objects.all().review(admin_user, "rejected")  # taken back, all of them
    look_for_drift()
    assert DriftMonitor.objects.get().accuracy is None


@pytest.mark.parametrize("place", [0, 41])
def test_picture_that_can_not_be_read_is_passed_over(version: ModelVersion, log: Log, place: int) -> None:
    """Among those of the reference, and among those that are compared with it."""
    log(pen=1)
    log(pen=1)
    key = Prediction.objects.order_by("created_at")[place].pk
    with connection.cursor() as cursor:
        cursor.execute("UPDATE predictions_prediction SET image = 'no picture' WHERE id = %s", [key])
    look_for_drift()
    monitor = DriftMonitor.objects.get()
    assert monitor.reference
    assert (monitor.reference["drawings"], monitor.seen) == (40, 40)
    assert len(monitor.reference["figures"]["size"]) == (39 if place == 0 else 40)


@pytest.fixture(scope="module")
def confidences() -> drift_delay.Drawn:
    return drift_delay.read_confidences()


def test_no_fall_is_found_in_20000_ordinary_drawings(confidences: drift_delay.Drawn) -> None:
    random = np.random.default_rng(0)
    drawn = drift_delay.ordinary(confidences, DRAWINGS_BEFORE + SIMULATED, random)
    assert drift_delay.alarms(drawn) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_fall_that_confidences_show_is_found_within_500_drawings(
    confidences: drift_delay.Drawn, seed: int
) -> None:
    random = np.random.default_rng(seed)
    assert drift_delay.delay(confidences, drift_delay.with_unsure, random) <= 500


def test_a_fall_is_an_alarm_until_it_is_acknowledged(
    version: ModelVersion, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.drawings import unique

    monkeypatch.setattr("predictions.learning.drift.REFERENCE_SIZE", 40)
    monkeypatch.setattr("training.drift.FEWEST_BEFORE", 60)
    start, count = timezone.now() - timedelta(hours=1), iter(range(1000))

    def log(*values: float) -> list[str]:
        for confidence in values:
            at = start + timedelta(seconds=(number := next(count)))
            logged(version, unique(number), 3, confidence=confidence, created_at=at)
        look_for_drift()
        return [alarm["figure"] for alarm in DriftMonitor.objects.get().alarms]

    usual = [0.999] * 19 + [0.9]
    log(*usual, *usual)
    assert EXPECTED_ERRORS not in log(*usual)
    assert EXPECTED_ERRORS in log(*[0.5] * 10)
    monitor = DriftMonitor.objects.get()
    assert "expected errors higher" in monitor.banner()
    monitor.acknowledge(admin_user)
    assert EXPECTED_ERRORS not in log(*usual)
