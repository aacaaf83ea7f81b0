"""Drift: do people draw what they drew when the reference was taken?

Each drawing gives a few figures. A figure's rank among the reference's becomes a normal score, and a
two-sided cumulative sum (CUSUM; Page, 1954, "Continuous Inspection Schemes", Biometrika 41) adds the scores
up: ordinary drawings cancel out, a shift grows with every drawing until it crosses the limit.

A fall of accuracy has a chart of its own. A calibrated confidence says how likely a drawing is read wrong, so
also how much likelier the confidence is after a fall than before. The logarithms of these ratios are summed
up, which finds a fall sooner than any other sum that gives as few false alarms (Moustakides, 1986, "Optimal
Stopping Times for Detecting Changes in Distributions", Annals of Statistics 14).
"""

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.ink import Ink

FEATURES = ("ink", "size", "pen_width", "confidence", "embedding_distance")
# The smallest shift that counts, in standard deviations: two samples of 500 drawings differ by 0.06 anyway.
# The limit is what 20,000 ordinary drawings stay under: see docs/learning-loop.md.
ALLOWANCE = 0.25
LIMIT = 30.0

# A fall of so much is looked for, from the share that is expected wrong among so many drawings before; of few
# the share is too uncertain. The limit is chosen by benchmarks/drift_delay.py.
FALL = 0.03
DRAWINGS_BEFORE, FEWEST_BEFORE = 20_000, 2_000
FALL_LIMIT = 7.0
EXPECTED_ERRORS = "expected_errors"

Figures = dict[str, NDArray[np.float64]]


def size_and_pen_width(ink: Ink) -> tuple[float, float]:
    """The longer side of the ink's box and the mean width of its strokes, as shares of the image's longer
    side. A stroke's area is its length times its width, its outline twice its length; the outline is the sum
    of the brightness gradient. Measured on the drawing as sent: the model's input has lost both."""
    shares = ink / 255.0
    rows, columns = np.flatnonzero(ink.max(1) > 127), np.flatnonzero(ink.max(0) > 127)
    if not len(rows):
        return float("nan"), float("nan")
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    framed = np.pad(shares, 1)
    outline = np.hypot(np.diff(framed, axis=0)[:, :-1], np.diff(framed, axis=1)[:-1]).sum()
    return float(side / max(ink.shape)), float(2 * shares.sum() / outline / max(ink.shape))


def centres(embeddings: NDArray[np.float64], digits: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, d) features and (n,) digits → (k, d), the mean of each digit that occurs."""
    return np.stack([embeddings[digits == digit].mean(0) for digit in np.unique(digits)])


def embedding_distance(embeddings: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) distances to the nearest digit's centre."""
    distances: NDArray[np.float64] = np.linalg.norm(embeddings[:, None] - means[None], axis=2).min(axis=1)
    return distances


@dataclass(frozen=True)
class Reference:
    """The figures of ordinary drawings, sorted, a figure that none of them has left out."""

    figures: Figures

    @classmethod
    def of(cls, figures: Figures) -> "Reference":
        known = {name: np.sort(values[np.isfinite(values)]) for name, values in figures.items()}
        return cls({name: values for name, values in known.items() if len(values)})

    def scores(self, figures: Figures) -> Figures:
        """Each figure's normal score, 0 where a drawing lacks the figure."""
        return {name: self._scores(self.figures[name], figures[name]) for name in self.figures}

    @staticmethod
    def _scores(reference: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.searchsorted(reference, values, "left") + np.searchsorted(reference, values, "right")
        shares = (below / 2 + 0.5) / (len(reference) + 1)
        scores = np.array([NormalDist().inv_cdf(share) for share in shares.tolist()])
        return np.where(np.isfinite(values), scores, 0.0)


@dataclass
class Charts:
    """The running sums: for each figure how far it has gone up and down."""

    sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, scores: Figures) -> list[dict[str, Any]]:
        """Add drawings in their order; return an alarm for each sum that crosses the limit."""
        alarms = []
        for name, values in scores.items():
            for number, score in enumerate(values.tolist()):
                up, down = self.sums.get(name, (0.0, 0.0))
                sums = max(0.0, up + score - ALLOWANCE), max(0.0, down - score - ALLOWANCE)
                self.sums[name] = sums
                for direction, before, after in zip(("higher", "lower"), (up, down), sums, strict=True):
                    if before <= LIMIT < after:
                        alarms.append({"figure": name, "direction": direction, "drawing": number})
        return alarms

    def add_confidences(self, confidences: NDArray[np.float64], wrong_before: float) -> list[dict[str, Any]]:
        """Add drawings in their order to the chart of the errors to be expected; return an alarm where it
        crosses its limit. `wrong_before` is the share that used to be expected wrong."""
        alarms, (total, _) = [], self.sums.get(EXPECTED_ERRORS, (0.0, 0.0))
        for number, score in enumerate(fall_scores(confidences, wrong_before).tolist()):
            before, total = total, max(0.0, total + score)
            if before <= FALL_LIMIT < total:
                alarms.append({"figure": EXPECTED_ERRORS, "direction": "higher", "drawing": number})
        self.sums[EXPECTED_ERRORS] = total, 0.0
        return alarms


def fall_scores(confidences: NDArray[np.float64], wrong_before: float) -> NDArray[np.float64]:
    """The logarithm of how many times likelier each confidence is after a fall, by Bayes' rule."""
    before, after = wrong_before, wrong_before + FALL
    right, wrong = (1 - after) / (1 - before), after / before
    return np.asarray(np.log(confidences * right + (1 - confidences) * wrong))
