"""How soon a fall of accuracy from 99 to 96 % is flagged, without any label, and how often by mistake.

    python -m benchmarks.drift_delay [--runs 200] [--limits 5 6 7 8]

Confidences of the shipped model on drawings of people (benchmarks/data): 99 % that it reads right, 1 % that
it reads wrong. The fall mixes in capital letters, or more of the drawings that it reads wrong, or unsure
drawings whose confidences say what they should. One half of all drawings is for choosing the limit, the other
measures. The chart is the product's, which looks at batches of 500 and compares them with the 20,000 before.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training import drift

DATA = Path(__file__).resolve().parent / "data"
BATCH = 500
ORDINARY = 50_000  # drawings in which at most one false alarm is wanted
FALLEN = 3_000  # drawings after the fall
WRONG, FALL = 0.01, 0.03

Values = NDArray[np.float64]
Rng = np.random.Generator


class Drawn(NamedTuple):
    """Confidences: of drawings read right, of those read wrong, and of letters."""

    right: Values
    wrong: Values
    letters: Values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--limits", type=float, nargs="+", default=[5, 6, 7, 8])
    options = parser.parse_args()
    choosing, measuring = halves(read_confidences())
    header = " | ".join(f"{name}: median, within 500" for name in FALLS)
    print(f"| half | limit | false alarms in 50,000 | {header} |")
    print(f"|---|---:|---:|{'---:|' * len(FALLS)}")
    shipped = drift.FALL_LIMIT
    for limit in options.limits:
        print(line("choosing", choosing, limit, options.runs), flush=True)
    print(line("measuring", measuring, shipped, options.runs))


def read_confidences() -> Drawn:
    from classifier.checkpoint import SHIPPED
    from classifier.predictor import Predictor
    from training.drawings import load_drawings
    from training.evaluate import as_strokes

    predictor = Predictor.from_bytes(SHIPPED.read_bytes())
    sure: dict[bool, list[Values]] = {True: [], False: []}
    for name in ("strokes-dev", "strokes-dev-2"):
        drawings = load_drawings(DATA / f"{name}.npz")
        probabilities = predictor.probabilities(as_strokes(drawings))[0]
        right = probabilities.argmax(1) == drawings.labels
        for which in sure:
            sure[which].append(probabilities.max(1)[right == which])
    letters = predictor.probabilities(as_strokes(load_drawings(DATA / "letters-dev.npz")))[0].max(1)
    return Drawn(np.concatenate(sure[True]), np.concatenate(sure[False]), letters)


def halves(drawn: Drawn) -> tuple[Drawn, Drawn]:
    rng = np.random.default_rng(0)
    mixed = [rng.permutation(values) for values in drawn]
    return Drawn(*(values[::2] for values in mixed)), Drawn(*(values[1::2] for values in mixed))


def ordinary(drawn: Drawn, count: int, rng: Rng, wrong: float = WRONG) -> Values:
    is_wrong = rng.random(count) < wrong
    return np.where(is_wrong, rng.choice(drawn.wrong, count), rng.choice(drawn.right, count))


def with_letters(drawn: Drawn, count: int, rng: Rng) -> Values:
    mixed = rng.random(count) < FALL / (1 - WRONG)
    return np.where(mixed, rng.choice(drawn.letters, count), ordinary(drawn, count, rng))


def with_mistakes(drawn: Drawn, count: int, rng: Rng) -> Values:
    return ordinary(drawn, count, rng, WRONG + FALL)


def with_unsure(drawn: Drawn, count: int, rng: Rng) -> Values:
    """As many drawings below 90 % as it takes for the share that is expected wrong to grow by the fall."""
    unsure = np.concatenate([drawn.right, drawn.wrong])
    unsure = unsure[unsure < 0.9]
    usual = 1 - ordinary(drawn, 100_000, np.random.default_rng(0)).mean()
    mixed = rng.random(count) < FALL / (1 - unsure.mean() - usual)
    return np.where(mixed, rng.choice(unsure, count), ordinary(drawn, count, rng))


FALLS: dict[str, Callable[[Drawn, int, Rng], Values]] = {
    "letters": with_letters,
    "more of its mistakes": with_mistakes,
    "unsure drawings": with_unsure,
}


def line(half: str, drawn: Drawn, limit: float, runs: int) -> str:
    drift.FALL_LIMIT = limit
    rng = np.random.default_rng(1)
    start = drift.DRAWINGS_BEFORE
    ordinary_runs = max(runs // 10, 1)
    false = sum(len(alarms(ordinary(drawn, start + ORDINARY, rng))) for _ in range(ordinary_runs))
    cells = [f"{false / ordinary_runs:.2f}"]
    for fall in FALLS.values():
        delays = np.array([delay(drawn, fall, rng) for _ in range(runs)])
        cells.append(f"{np.median(delays):.0f}, {(delays <= 500).mean():.0%}")
    return f"| {half} | {limit} | {' | '.join(cells)} |"


def delay(drawn: Drawn, fall: Callable[[Drawn, int, Rng], Values], rng: Rng) -> float:
    """Drawings from the fall to the first alarm after it; the fall is anywhere in a batch."""
    start = drift.DRAWINGS_BEFORE + int(rng.integers(BATCH))
    found = alarms(np.concatenate([ordinary(drawn, start, rng), fall(drawn, FALLEN, rng)]))
    return next((number - start + 1 for number in found if number >= start), np.inf)


def alarms(confidences: Values) -> list[int]:
    """Places of the alarms, each acknowledged at once: the sums begin anew."""
    charts, found, start = drift.Charts(), [], drift.DRAWINGS_BEFORE
    while start < len(confidences):
        before = float(1 - confidences[start - drift.DRAWINGS_BEFORE : start].mean())
        raised = charts.add_confidences(confidences[start : start + BATCH], before)
        found += [start + alarm["drawing"] for alarm in raised]
        if raised:
            charts = drift.Charts()
        start += BATCH
    return found


if __name__ == "__main__":
    main()
