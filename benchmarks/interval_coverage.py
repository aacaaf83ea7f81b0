"""Do the intervals for accuracy hold, and how many labels does the prediction-powered one save?

    python -m benchmarks.interval_coverage [--logs 1000]

Simulated logs of twenty drawings a label, confidences as the shipped model has them on drawings of people, an
accuracy of 97 to 99.5 %. Six visitors in ten say which digit it was, three in a hundred of those wrongly.
Operators err in 2 % of drawings; what one calls an error of the model a second one reads too, and a third
decides where they differ. The queue's two lots choose what is labelled, the even one one in three, and the
powered interval has the labels of both; Wilson's has as many, all from an even lot. `--even 1` leaves the
uneven lot out. `--careless 0.3`: three in ten visitors confirm whatever was read.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictions.intervals import Cells, Interval, expect, wilson
from predictions.lots import DOUBTFUL_SHARE, SURE_FROM, UNCLAIMED_SHARE

DATA = Path(__file__).resolve().parent / "data"
ROWS_PER_LABEL = 20
OPERATOR_ERRS, CLAIMED, SLIPS = 0.02, 0.6, 0.03
EVEN = 1 / 3  # of the labels, from the even lot: the queue hands out twice as many rows of the other
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
    parser.add_argument("--even", type=float, default=EVEN)
    parser.add_argument("--careless", type=float, default=0.0)
    options = parser.parse_args()
    odds = read_odds()
    print("| confidences | labels | Wilson holds | powered holds | as narrow as Wilson's with |")
    print("|---|---:|---:|---:|---:|")
    for name, world in WORLDS.items():
        for labels in LABELS:
            rng = np.random.default_rng([options.seed, labels])
            logs = [
                simulate(rng, odds, world, labels, options.even, options.careless)
                for _ in range(options.logs)
            ]
            print(line(name, labels, logs), flush=True)


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


def simulate(
    rng: Rng, odds: Values, world: World, labels: int, even: float = EVEN, careless: float = 0.0
) -> tuple[float, Interval, Interval]:
    """The truth of one log, and what the two intervals say of it."""
    rows = ROWS_PER_LABEL * labels
    drawn = rng.choice(odds, rows) + rng.uniform(0, 1.2, rows)
    confidence, likely = world(drawn, np.linspace(0, 1, rows))
    right = rng.random(rows) < likely
    claimed, slips = rng.random(rows) < CLAIMED, rng.random(rows) < SLIPS
    agrees = np.where(right, ~slips, (slips & (rng.random(rows) < 1 / 9)) | (rng.random(rows) < careless))
    group = np.where(claimed & agrees, 0, np.where(claimed | (confidence < SURE_FROM), 2, 1))
    sample = draw(rng, group, labels, even)
    called = review(rng, right[sample])
    interval = cells(group, expect(confidence, claimed, agrees), sample, called).interval()
    assert interval
    alone = review(rng, right[rng.choice(rows, labels, replace=False)])
    return float(right.mean()), wilson(int(alone.sum()), labels), interval


def draw(rng: Rng, group: NDArray[np.int64], labels: int, even: float) -> NDArray[np.int64]:
    """What is labelled first: rows of the even lot, and of the uneven one those that it puts first."""
    lottery = rng.random(len(group))
    order = np.argsort(lottery)
    first, rest = np.split(order, [round(even * labels)])
    rest = rest[group[rest] > 0]
    place = (lottery[rest] - lottery[first[-1]]) / np.array([0, UNCLAIMED_SHARE, DOUBTFUL_SHARE])[group[rest]]
    return np.concatenate([first, rest[np.argsort(place)][: labels - len(first)]])


def review(rng: Rng, right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What operators call right in the end."""
    errs = rng.random((3, len(right))) < OPERATOR_ERRS
    alike = rng.random((2, len(right))) < 1 / 9  # whether a wrong label is one certain digit
    first = np.where(right, ~errs[0], errs[0] & alike[0])
    both_err = errs[0] & errs[1] & alike[1]
    return np.asarray(first | (right & ~both_err & ~errs[2]))


def cells(
    group: NDArray[np.int64], expected: Values, sample: NDArray[np.int64], called: NDArray[np.bool_]
) -> Cells:
    """Drawings of one group that are expected to be right about as surely."""
    bins = np.floor(-6 * np.log(1.000001 - expected)).astype(int)
    keys, place = np.unique(bins * 3 + group, return_inverse=True)

    def count(which: NDArray[np.int64], values: Values | None = None) -> Values:
        return np.bincount(which, values, len(keys)).astype(float)

    rows, decided = count(place), count(place[sample])
    right = count(place[sample], called.astype(float))
    return Cells(keys % 3, count(place, expected) / rows, rows, decided, decided, right)


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
