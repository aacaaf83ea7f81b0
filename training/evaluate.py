"""Evaluation: a predictor's answers to drawings, in figures. One forward path: the predictor that serves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product, repeat

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from classifier.checkpoint import SetFigures
from classifier.predictor import Predictor
from classifier.preprocess import read_picture, render_strokes, to_input
from training.drawings import Drawings, Hand, any_hand, draw

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]

BINS = 15
REFUSED = 0.02  # the share of digits that may be refused where refusals are compared
SIZES = (60, 110, 160, 215, 270)  # pixels, the longer side of the pen's path
PENS = (6, 14, 22, 30, 40)  # pixels
PLACES = tuple(product((-1, 0, 1), repeat=2))


@dataclass(frozen=True)
class Answers:
    """The answers of a predictor to n inputs whose labels are known."""

    labels: NDArray[np.int64]
    probabilities: Floats  # (n, 10)
    scores: Floats  # (n,) not a digit
    refused: NDArray[np.bool_]

    def of(self, which: NDArray[np.bool_]) -> "Answers":
        return Answers(self.labels[which], self.probabilities[which], self.scores[which], self.refused[which])

    @property
    def digits(self) -> NDArray[np.int64]:
        digits: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return digits

    @property
    def correct(self) -> NDArray[np.bool_]:
        return np.equal(self.digits, self.labels)

    @property
    def confidence(self) -> Floats:
        confidence: Floats = self.probabilities.max(axis=1)
        return confidence

    def reliability(self) -> tuple[Floats, Floats, Floats]:
        """Return the mean confidence, the accuracy and the share of answers of each bin that is not empty."""
        bins = np.minimum((self.confidence * BINS).astype(np.int64), BINS - 1)
        counts = np.bincount(bins, minlength=BINS)
        sums = (np.bincount(bins, values, minlength=BINS) for values in (self.confidence, self.correct))
        confidence, accuracy = (values[counts > 0] / counts[counts > 0] for values in sums)
        return confidence, accuracy, counts[counts > 0] / len(self.labels)

    def calibration_error(self) -> float:
        return calibration_error(self.probabilities, self.labels)

    def figures(self) -> SetFigures:
        """For tables and metrics."""
        count, right = len(self.labels), int(self.correct.sum())
        low, high = interval(right, count)
        return {
            "count": count,
            "errors": count - right,
            "accuracy": right / count,
            "interval": [round(low, 6), round(high, 6)],
            "calibration_error": self.calibration_error(),
            "refused": float(self.refused.mean()),
        }


def interval(successes: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, E. B. Wilson's (1927, "Probable Inference", JASA 22)."""
    found = binomtest(successes, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def calibration_error(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """The expected calibration error over 15 equal bins of confidence (Naeini et al., 2015, "Obtaining Well
    Calibrated Probabilities Using Bayesian Binning")."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(bins, confidence - correct)).sum() / len(labels))


def ask(predictor: Predictor, inputs: NDArray[np.uint8], labels: NDArray[np.int64]) -> Answers:
    probabilities, scores = predictor.probabilities(inputs)
    return Answers(labels, probabilities, scores, predictor.reasons(probabilities, scores) != "")


def refused_at(digits: Answers, others: Answers, share: float = REFUSED) -> float:
    """Return the share of others that are refused by the score that refuses `share` of the digits."""
    return float((others.scores > np.quantile(digits.scores, 1 - share)).mean())


def as_strokes(drawings: Drawings) -> Images:
    """Return (n, 28, 28) inputs of the drawings sent as strokes."""
    return np.stack(
        [to_input(render_strokes([path.tolist() for path in drawing])) for drawing in drawings.strokes]
    )


def as_pixels(drawings: Drawings, hands: Iterable[Hand]) -> Images:
    """Return (n, 28, 28) inputs of the drawings sent as images of canvases, each by its own hand."""
    pairs = zip(drawings.strokes, hands, strict=False)
    return np.stack([to_input(read_picture(draw(strokes, hand))) for strokes, hand in pairs])


def any_hands(seed: int = 0) -> Iterator[Hand]:
    rng = np.random.default_rng(seed)
    while True:
        yield any_hand(rng)


def grid(predictor: Predictor, drawings: Drawings) -> Floats:
    """Return (sizes, pens) accuracies of pixels in nine places and, taking turns, both polarities."""
    cells = np.zeros((len(SIZES), len(PENS)))
    for (row, size), (column, pen) in product(enumerate(SIZES), enumerate(PENS)):
        correct = []
        for number, (x, y) in enumerate(PLACES):
            inputs = as_pixels(drawings, repeat(Hand(size, pen, x, y, black=number % 2 == 1)))
            correct.append(ask(predictor, inputs, drawings.labels).correct)
        cells[row, column] = np.mean(correct)
    return cells


def changed_answers(predictor: Predictor, drawings: Drawings) -> float:
    """Return the share of cases where moving, scaling or inverting a drawing changes the digit read."""
    usual = Hand(160, 16)
    moved = [replace(usual, x=x, y=y) for x, y in PLACES if x or y]
    scaled = [replace(usual, size=size, pen=size / 10) for size in SIZES]
    others = [*moved, *scaled, replace(usual, black=True)]
    before, *after = (
        ask(predictor, as_pixels(drawings, repeat(hand)), drawings.labels).digits for hand in (usual, *others)
    )
    return float(np.mean([digits != before for digits in after]))
