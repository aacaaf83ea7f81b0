"""Do the intervals for accuracy hold, and how many labels does the prediction-powered one save?

    python -m benchmarks.interval_coverage [--logs 1000]

Simulated logs of twenty drawings a label, confidences as the shipped model has them on drawings of people, an
accuracy of 97 to 99.5 %. Six visitors in ten say which digit it was, three in a hundred of those wrongly.
Operators err in 2 % of drawings; what one calls an error of the model a second one reads too, and a third
decides where they differ. Both intervals get the same labels.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictions.intervals import Cells, Interval, expect, wilson

DATA = Path(__file__).resolve().parent / "data"
ROWS_PER_LABEL = 20
OPERATOR_ERRS, CLAIMED, SLIPS = 0.02, 0.6, 0.03
CELLS = 200
LABELS = (40, 100, 200, 400, 1000)

Values = NDArray[np.float64]
Rng = np.random.Generator
# Log odds of confidence and place in the log, from 0 to 1 → what the model says, and how likely it is right.
World = Callable[[Values, Values], tuple[Values, Values]]


def chance(odds: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-odds)))


def drift(odds: Values, age: Values) -> Values:
    """Half-way through, people begin to draw what the model is less sure of."""
    return odds - 1.2 * (age > 0.5)


WORLDS: dict[str, World] = {
    "calibrated": lambda odds, age: (chance(odds), chance(odds)),
    "calibrated, with drift": lambda odds, age: (chance(drift(odds, age)), chance(drift(odds, age))),
    "drift that confidence does not show": lambda odds, age: (chance(odds), chance(drift(odds, age))),
    "too sure": lambda odds, age: (chance(odds), chance(0.6 * odds)),
    "not sure enough": lambda odds, age: (chance(odds), chance(odds + 1)),
    "1 % wrong, however sure": lambda odds, age: (chance(odds), 0.99 * chance(odds)),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    odds = read_odds()
    print("| confidences | labels | Wilson holds | powered holds | as narrow as Wilson's with | at best |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, world in WORLDS.items():
        for labels in LABELS:
            rng = np.random.default_rng([options.seed, labels])
            best = at_best(rng, odds, world)
            logs = [simulate(rng, odds, world, labels) for _ in range(options.logs)]
            print(f"{line(name, labels, logs)} {best:.2f} × |", flush=True)


def read_odds() -> Values:
    """Log odds of the shipped model's confidences on the drawings of people."""
    from classifier.checkpoint import SHIPPED
    from classifier.predictor import Predictor
    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    predictor = Predictor.from_bytes(SHIPPED.read_bytes())
    files = [DATA / "strokes-dev.npz", DATA / "strokes-dev-2.npz"]
    inputs = np.concatenate([as_strokes(load_drawings(file)) for file in files])
    sure = predictor.probabilities(inputs)[0].max(1)
    return np.asarray(np.log(sure / (1 - sure)), np.float64)


def simulate(rng: Rng, odds: Values, world: World, labels: int) -> tuple[float, Interval, Interval]:
    """The truth of one log, and what the two intervals say of it."""
    rows = ROWS_PER_LABEL * labels
    drawn = rng.choice(odds, rows) + rng.uniform(0, 1.2)
    confidence, likely = world(drawn, np.linspace(0, 1, rows))
    right = rng.random(rows) < likely
    claimed, slips = rng.random(rows) < CLAIMED, rng.random(rows) < SLIPS
    agrees = np.where(right, ~slips, slips & (rng.random(rows) < 1 / 9))
    expected = expect(confidence, claimed, agrees)
    sample = rng.choice(rows, labels, replace=False)
    called = review(rng, right[sample])
    interval = cells(expected, sample, called).interval()
    assert interval
    return float(right.mean()), wilson(int(called.sum()), labels), interval


def at_best(rng: Rng, odds: Values, world: World, rows: int = 100_000) -> float:
    """How many times the labels the best figures would save, if it were known how good they are: what they
    leave open, beside what nothing leaves open."""
    drawn = rng.choice(odds, rows) + rng.uniform(0, 1.2, rows)
    _, likely = world(drawn, np.linspace(0, 1, rows))
    right = rng.random(rows) < likely
    claimed, slips = rng.random(rows) < CLAIMED, rng.random(rows) < SLIPS
    agrees = np.where(right, ~slips, slips & (rng.random(rows) < 1 / 9))
    expected = expect(likely, claimed, agrees)
    return float(right.var() / (expected * (1 - expected)).mean())


def review(rng: Rng, right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What operators call right in the end."""
    errs = rng.random((3, len(right))) < OPERATOR_ERRS
    alike = rng.random((2, len(right))) < 1 / 9  # whether a wrong label is one certain digit
    first = np.where(right, ~errs[0], errs[0] & alike[0])
    both_err = errs[0] & errs[1] & alike[1]
    return np.asarray(first | (right & ~both_err & ~errs[2]))


def cells(expected: Values, sample: NDArray[np.int64], called: NDArray[np.bool_]) -> Cells:
    order = np.argsort(expected)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) * CELLS // len(order)
    rows = np.bincount(place, minlength=CELLS).astype(float)
    decided = np.bincount(place[sample], minlength=CELLS).astype(float)
    right = np.bincount(place[sample], called.astype(float), CELLS).astype(float)
    return Cells(np.bincount(place, expected, CELLS) / rows, rows, decided, decided, right)


def line(name: str, labels: int, logs: list[tuple[float, Interval, Interval]]) -> str:
    truth, plain, powered = (np.array(values) for values in zip(*logs, strict=True))
    held = [float(((low <= truth) & (truth <= high)).mean()) for low, high in (plain.T, powered.T)]
    width = float(np.mean(powered[:, 1] - powered[:, 0]))
    needed = labels_for(width, float(truth.mean()))
    return f"| {name} | {labels:,} | {held[0]:.1%} | {held[1]:.1%} | {needed / labels:.2f} × the labels |"


def labels_for(width: float, share: float) -> int:
    """How many labels Wilson's interval needs to be that narrow at such a share, by halving."""
    few, many = 2, 1 << 18
    while many - few > 1:
        middle = (few + many) // 2
        low, high = wilson_at(share, middle)
        few, many = (few, middle) if high - low <= width else (middle, many)
    return many


def wilson_at(share: float, rows: int) -> Interval:
    """Its mean bounds there: counts are whole numbers, and their mean need not be one."""
    most = min(rows, int(rows * (1 - share) + 6 * np.sqrt(rows * share * (1 - share))) + 3)
    errors = np.arange(most + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])
    chance_of_each = logs[rows] - logs[errors] - logs[rows - errors]
    weights = np.exp(chance_of_each + errors * np.log(1 - share) + (rows - errors) * np.log(share))
    bounds = np.array([wilson(rows - int(count), rows) for count in errors])
    low, high = weights @ bounds / weights.sum()
    return float(low), float(high)


if __name__ == "__main__":
    main()
