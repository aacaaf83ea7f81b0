"""The gate: is a candidate at least as good as the active version, on the same digits?

Everything is paired: both versions read the same inputs, so that only where they differ counts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from classifier.predictor import Predictor
from training.dataset import Digits
from training.evaluate import calibration_error

SIGNIFICANCE = 0.05
DIGIT_TOLERANCE = 0.003  # share of a digit's drawings
CALIBRATION_TOLERANCE = (
    0.002  # expected calibration error, a difference too small to see in the page's percentages
)
TIME_RATIO = 1.5
LABEL_ERROR_SHARE = 0.1


class Check(TypedDict):
    """One question to a candidate, as it is stored and shown; the rest of each kind are its numbers."""

    name: str
    passed: bool


class AccuracyCheck(Check):
    digits: int
    active: float
    candidate: float
    lost: int
    won: int
    p_value: float


class DigitCheck(Check):
    worst: int
    worse_beyond_noise: float


class CalibrationCheck(Check):
    active: float
    candidate: float
    growth_beyond_noise: float


class TimeCheck(Check):
    active_ms: float
    candidate_ms: float


class LabelCheck(Check):
    doubted: int
    drawings: int


class Decision(TypedDict):
    """The gate's word on a candidate: `against` is the name of the version that was active, `at` an ISO
    time."""

    against: str
    passed: bool
    checks: list[Check]
    at: str


@dataclass(frozen=True)
class Paired:
    """One set of n digits, at least one, as both versions read it: (n,) labels, (n, 10) probabilities."""

    name: str
    labels: NDArray[np.int64]
    active: NDArray[np.float64]
    candidate: NDArray[np.float64]

    @classmethod
    def of(cls, name: str, digits: Digits, active: Predictor, candidate: Predictor) -> "Paired":
        read = [predictor.probabilities(digits.images)[0] for predictor in (active, candidate)]
        return cls(name, digits.labels, *read)

    def outcomes(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether the active version, and whether the candidate, read each digit right."""
        return self.active.argmax(1) == self.labels, self.candidate.argmax(1) == self.labels


def checks_of(paired: Paired) -> list[Check]:
    return [not_worse(paired), no_digit_worse(paired), calibration_not_worse(paired)]


def not_worse(paired: Paired) -> AccuracyCheck:
    """The exact McNemar test, one-sided (McNemar, 1947, Psychometrika 12): of the digits that only one of
    the two reads right, does the active version read significantly more than half?"""
    before, after = paired.outcomes()
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    p_value = binomtest(lost, lost + won, 0.5, alternative="greater").pvalue if lost + won else 1.0
    return {
        "name": f"accuracy on {paired.name}",
        "passed": bool(p_value >= SIGNIFICANCE),
        "digits": len(paired.labels),
        "active": _share(before),
        "candidate": _share(after),
        "lost": lost,
        "won": won,
        "p_value": round(float(p_value), 6),
    }


def no_digit_worse(paired: Paired) -> DigitCheck:
    """No digit may be read worse by more than the tolerance beyond twice the noise of the paired difference:
    the root of the number of digits that the two read differently."""
    before, after = paired.outcomes()
    excess = {}
    for digit in np.unique(paired.labels):
        change = before[paired.labels == digit].astype(int) - after[paired.labels == digit]
        excess[int(digit)] = float((change.sum() - 2 * np.sqrt(np.abs(change).sum())) / len(change))
    worst = max(excess, key=excess.__getitem__)
    return {
        "name": f"each digit of {paired.name}",
        "passed": excess[worst] <= DIGIT_TOLERANCE,
        "worst": worst,
        "worse_beyond_noise": round(excess[worst], 6),
    }


def calibration_not_worse(paired: Paired) -> CalibrationCheck:
    """The expected calibration error must not grow by more than the tolerance beyond the noise, which
    resampling the digits measures (Efron, 1979, "Bootstrap Methods", Annals of Statistics 7)."""
    random = np.random.default_rng(0)
    count = len(paired.labels)
    growths = [_calibration_growth(paired, random.integers(0, count, count)) for _ in range(200)]
    least = float(np.quantile(growths, SIGNIFICANCE))
    return {
        "name": f"calibration on {paired.name}",
        "passed": least <= CALIBRATION_TOLERANCE,
        "active": round(calibration_error(paired.active, paired.labels), 6),
        "candidate": round(calibration_error(paired.candidate, paired.labels), 6),
        "growth_beyond_noise": round(least, 6),
    }


def _calibration_growth(paired: Paired, at: NDArray[np.int64]) -> float:
    active, candidate = (
        calibration_error(read[at], paired.labels[at]) for read in (paired.active, paired.candidate)
    )
    return candidate - active


def not_slower(active: Callable[[], object], candidate: Callable[[], object], turns: int = 200) -> TimeCheck:
    """One digit's forward pass, timed in turns so that whatever else the machine does hits both."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for forward, times in zip((active, candidate), seconds, strict=True):
            start = time.perf_counter()
            forward()
            times.append(time.perf_counter() - start)
    before, after = median(seconds[0]), median(seconds[1])
    return {
        "name": "forward time",
        "passed": after <= TIME_RATIO * before,
        "active_ms": round(before * 1000, 4),
        "candidate_ms": round(after * 1000, 4),
    }


def labels_trusted(doubted: int, drawings: int) -> LabelCheck:
    """Of the labels that are new since the active version, not too many may be doubted: what was trained
    beside wrong labels must not answer, however well it does on a hold-out labelled by the same hand."""
    share = doubted / drawings if drawings else 0.0
    return {
        "name": "reviewed labels",
        "passed": share <= LABEL_ERROR_SHARE,
        "doubted": doubted,
        "drawings": drawings,
    }


def _share(right: NDArray[np.bool_]) -> float:
    return round(float(right.mean()), 6)
