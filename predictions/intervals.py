"""How many of all drawings are read right, from the labels of few: an interval that may be trusted.

Prediction-powered inference (A. N. Angelopoulos et al., "Prediction-powered inference", Science 382, 2023;
with a lot that favours doubtful drawings, T. Zrnic and E. J. Candès, "Active statistical inference", ICML
2024): every drawing has a figure for how likely it was read right, and the labels of those that a lot chose
say how far these figures are off. `ppi-python` does the same for a mean, but its interval is the normal one,
which holds too rarely for 40 to 400 labels and shares near 100 %.
"""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # of a normal variable's 95 %
Values = NDArray[np.float64]
Truths = NDArray[np.bool_]
Interval = tuple[float, float]

# Of visitors' claims; assumed. Where many confirm whatever was read, the interval holds less often.
SLIPS = 0.03
# So many errors in a group say as much as the theory: with fewer, the spread that its labels show is chance.
ERRORS_TO_TRUST = 2
# Of drawings read right, those that end as errors though several operators looked, who slip in one of fifty.
OPERATORS_ERRORS = 0.0005
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
    """Drawings alike, counted: the `group` within which the lot was even; how likely they were `expected` to
    be right; how many there are; of how many that a lot chose there is a decision; of how many of these that
    is a digit, and the digit that was read."""

    group: NDArray[np.int64]
    expected: Values
    rows: Values
    decided: Values
    digits: Values
    right: Values

    def interval(self) -> Interval | None:
        """95 % interval for the share of all digits that were read right; None without labels.

        As Wilson's it consists of the shares that the labels do not contradict. What chance may do under such
        a share follows from the expectations, their log odds shifted until they have it for their mean, and,
        the more errors a group has, from what its labels show.
        """
        if not self.digits.sum():
            return None
        found, digits = self._found()
        shifted = _shift(self.expected)
        shares = self.rows @ shifted / self.rows.sum()
        # More errors than were found spread further; how much further, simulated logs have told
        # (benchmarks/interval_coverage.py).
        further = np.maximum((1 - shares) / max(1 - found, 1 / self.digits.sum()), 1)
        errors = self._sums(self.digits - self.right)[:, None]
        theory, shown = self._theory(shifted), self._shown(found)[:, None] * further
        mixed = (ERRORS_TO_TRUST * theory + errors * shown) / (ERRORS_TO_TRUST + errors)
        near = (
            np.abs(shares - found) <= Z * np.sqrt(self._part**2 / self._labels * self._left @ mixed) / digits
        )
        possible = [*shares[near], min(max(found, 0.0), 1.0)]
        return float(min(possible)), float(min(max(possible) + OPERATORS_ERRORS, 1))

    def _found(self) -> tuple[float, float]:
        """The share of digits that were read right, and of drawings that are digits: what was expected of
        all, and in each group as much more or less as its labels say."""
        weights = self._part / self._labels
        more = weights @ self._sums(self.right - self.decided * self.expected)
        digits = 1 - float(weights @ self._sums(self.decided - self.digits))
        return float(self.rows @ self.expected / self.rows.sum() + more) / digits, digits

    def _theory(self, shifted: Values) -> Values:
        """(groups, shifts): the variance of what expectations leave open, were they right when shifted."""
        rows = self._members * self.rows / self._sums(self.rows)[:, None]
        off = shifted - self.expected[:, None]
        left_open = rows @ (shifted * (1 - shifted) + off**2) - (rows @ off) ** 2
        return np.asarray(np.maximum(left_open, 0))  # rounding may fall below

    def _shown(self, found: float) -> Values:
        """The same of each group as its labels show it."""
        expected, no_digits = self.expected, self.decided - self.digits
        wrong = self.digits - self.right
        squares = self.right * (1 - expected) ** 2 + wrong * expected**2 + no_digits * (expected - found) ** 2
        sums = self.right * (1 - expected) - wrong * expected - no_digits * (expected - found)
        means = self._sums(sums) / self._labels
        spread = np.maximum(self._sums(squares) - self._labels * means**2, 0)
        return np.asarray(spread / np.maximum(self._labels - 1, 1))

    def _sums(self, values: Values) -> Values:
        return np.asarray(self._members @ values)

    @cached_property
    def _members(self) -> Values:
        """(groups, cells): 1 where the cell is of the group."""
        return np.asarray(np.unique(self.group)[:, None] == self.group, np.float64)

    @cached_property
    def _part(self) -> Values:
        """Each group's, of all drawings."""
        return np.asarray(self._sums(self.rows) / self.rows.sum())

    @cached_property
    def _labels(self) -> Values:
        """Of each group; where there is none, the theory counts as one."""
        return np.asarray(np.maximum(self._sums(self.decided), 1))

    @property
    def _left(self) -> Values:
        """Each group's part that is not decided."""
        return np.asarray(1 - self._sums(self.decided) / self._sums(self.rows))


def _shift(expected: Values) -> Values:
    """(n,) expectations → (n, shifts), each shift of their log odds a column."""
    sure = np.clip(expected, 1e-9, 1 - 1e-9)
    return np.asarray(1 / (1 + np.exp(-(np.log(sure / (1 - sure))[:, None] + SHIFTS))))
