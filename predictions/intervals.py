"""How many of all drawings are read right, from the labels of few: an interval that may be trusted.

Prediction-powered inference (A. N. Angelopoulos et al., "Prediction-powered inference", Science 382, 2023;
its tuned form, PPI++, arXiv:2311.01453): every drawing has a figure for how likely it was read right, and the
labels of a random sample say how far these figures are off. `ppi-python` does the same for a mean, but its
interval is the normal one, which holds too rarely for 40 to 400 labels and shares near 100 %.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # of a normal variable's 95 %
Values = NDArray[np.float64]
Truths = NDArray[np.bool_]
Interval = tuple[float, float]

SLIPS = 0.03  # of visitors' claims; assumed: it changes how wide an interval is, not whether it holds
# So many errors in the sample say as much as the theory: with fewer, the spread that it shows is chance.
ERRORS_TO_TRUST = 2
SHIFTS = np.linspace(-9, 9, 721)  # of a confidence's log odds


def wilson(right: int, rows: int) -> Interval:
    """E. B. Wilson, "Probable inference", JASA 22 (1927), p. 209-212."""
    share = right / rows
    middle = (share + Z * Z / (2 * rows)) / (1 + Z * Z / rows)
    half = Z * sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows)) / (1 + Z * Z / rows)
    return middle - half, middle + half


def expect(confidence: Values, claimed: Truths, agrees: Truths) -> Values:
    """How likely each drawing was read right, by Bayes' rule: as sure as the model was, where its visitor
    said nothing; surer or less sure where the visitor agreed or contradicted."""
    wrong = 1 - confidence
    agreed = confidence * (1 - SLIPS) / (confidence * (1 - SLIPS) + wrong * SLIPS / 9)
    contradicted = confidence * SLIPS / (confidence * SLIPS + wrong * (1 - SLIPS))
    return np.where(claimed, np.where(agrees, agreed, contradicted), confidence)


@dataclass(frozen=True)
class Cells:
    """Drawings alike, counted: how likely they were `expected` to be right; how many there are; of how many
    the random sample has a decision; of how many of these that is a digit, and the digit that was read."""

    expected: Values
    rows: Values
    decided: Values
    digits: Values
    right: Values

    def interval(self) -> Interval | None:
        """95 % interval for the share of all digits that were read right; None without labels.

        As Wilson's it consists of the shares that the sample does not contradict. What chance may do under
        such a share follows from the expectations, their log odds shifted until they have it for their mean
        (Wilson's variance, where expectations say nothing), and the more errors the sample has, from the
        spread that it shows.
        """
        digits, decided, rows = self.digits.sum(), self.decided.sum(), self.rows.sum()
        if not digits:
            return None
        weights, part = self.rows / rows, digits / decided
        share = self.right.sum() / digits
        errors = digits - self.right.sum()
        # For each decision: is it a digit that was read right, less the share; the sum is 0.
        excess = self.right - share * self.digits
        spread = float(_variance(weights, self.expected))
        slope = self._slope(excess, decided, spread)
        found = share + slope / part * (weights - self.decided / decided) @ self.expected
        seen = self._seen(excess, share, slope, decided) / part**2
        drawn = slope**2 * spread / rows / part**2
        shifted = _shift(self.expected)
        left_open = _variance(weights, shifted - slope * self.expected[:, None])
        theory = (weights @ (shifted * (1 - shifted)) + left_open) / digits
        shares = weights @ shifted
        # More errors than were found spread further; how much further, simulated logs have told
        # (benchmarks/interval_coverage.py).
        shown = seen * np.sqrt(np.maximum((1 - shares) / max(1 - found, 1 / digits), 1))
        mixed = (ERRORS_TO_TRUST * theory + errors * shown) / (ERRORS_TO_TRUST + errors)
        near = np.abs(shares - found) <= Z * np.sqrt(mixed + drawn)
        possible = [*shares[near], min(max(found, 0.0), 1.0)]
        return float(min(possible)), float(max(possible))

    def _slope(self, excess: Values, decided: float, spread: float) -> float:
        """How far to follow the expectations, so that the interval is the narrowest (PPI++); as far as they
        deserve if they are right where the sample has few errors to tell."""
        if not spread:
            return 0.0
        errors = self.digits.sum() - self.right.sum()
        told = self.expected @ excess / decided / spread
        slope = (ERRORS_TO_TRUST + errors * told) / (ERRORS_TO_TRUST + errors)
        return float(min(max(slope, 0.0), 1.0) / (1 + decided / self.rows.sum()))

    def _seen(self, excess: Values, share: float, slope: float, decided: float) -> float:
        """The variance of the mean of what the expectations leave open, as the sample shows it."""
        squares = self.right * (1 - share) ** 2 + (self.digits - self.right) * share**2
        followed = slope * self.expected
        mean = -(self.decided @ followed) / decided
        total = squares.sum() - 2 * followed @ excess + self.decided @ followed**2
        return float((total / decided - mean**2) / max(decided - 1, 1))


def _variance(weights: Values, values: Values) -> Values:
    return np.asarray(weights @ values**2 - (weights @ values) ** 2)


def _shift(expected: Values) -> Values:
    """(n,) expectations → (n, shifts), each shift of their log odds a column."""
    sure = np.clip(expected, 1e-9, 1 - 1e-9)
    return np.asarray(1 / (1 + np.exp(-(np.log(sure / (1 - sure))[:, None] + SHIFTS))))
