"""A whole evaluation: the figures of the model card as one table."""

from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from classifier.predictor import Predictor
from training.dataset import Digits
from training.drawings import Drawings, Hand
from training.evaluate import (
    REFUSED,
    Answers,
    Images,
    any_hands,
    as_pixels,
    as_strokes,
    ask,
    changed_answers,
    grid,
    refused_at,
)

MNIST = "MNIST test"
GRID = 200  # drawings for the grid: each is drawn in hundreds of ways
MOVED = 1_000  # drawings for the changed answers, which are few


@dataclass(frozen=True)
class Grid:
    """Accuracy by size and pen over one sample of drawings, as strokes over the same sample, and the share of
    answers that change over a larger one."""

    cells: NDArray[np.float64]
    strokes: float
    changed: float


@dataclass(frozen=True)
class ModelCard:
    """`sets` are inputs and answers by the way they came; `sources` are those of every set but MNIST's."""

    sets: dict[str, tuple[Images, Answers]]
    sources: NDArray[np.str_]
    others: dict[str, Answers]
    grid: Grid | None


def measure(
    predictor: Predictor, test: Digits, digits: Drawings | None, others: Drawings | None
) -> ModelCard:
    inputs = {MNIST: (test.images, test.labels)}
    if digits:
        inputs |= {way: (images, digits.labels) for way, images in _ways(digits).items()}
    sets = {name: (images, ask(predictor, images, labels)) for name, (images, labels) in inputs.items()}
    refused = (
        {way: ask(predictor, images, others.labels) for way, images in _ways(others).items()}
        if others
        else {}
    )
    sources = digits.sources if digits else np.array([], dtype=np.str_)
    return ModelCard(sets, sources, refused, _grid(predictor, digits) if digits else None)


def _ways(drawings: Drawings) -> dict[str, Images]:
    """The inputs of neat canvases, of canvases drawn anyhow, and of the strokes themselves."""
    return {
        "draw": as_pixels(drawings, repeat(Hand())),
        "draw_anyhow": as_pixels(drawings, any_hands()),
        "strokes": as_strokes(drawings),
    }


def _grid(predictor: Predictor, drawings: Drawings) -> Grid:
    sample = drawings.sample(GRID)
    strokes = ask(predictor, as_strokes(sample), sample.labels).correct.mean()
    return Grid(grid(predictor, sample), float(strokes), changed_answers(predictor, drawings.sample(MOVED)))


def table(card: ModelCard) -> str:
    lines = [f"{'':<24}{'count':>8}{'accuracy':>10}{'calibration error':>19}{'refused':>9}"]
    for name, (_, answers) in card.sets.items():
        lines.append(_line(name, answers))
        if name != MNIST:
            lines += [
                _line(f"  {source}", answers.of(card.sources == source)) for source in np.unique(card.sources)
            ]
    lines += [_others_line(card, way, answers) for way, answers in card.others.items()]
    return "\n".join(lines + (_grid_lines(card.grid) if card.grid else []))


def _line(name: str, answers: Answers) -> str:
    figures = answers.figures()
    return (
        f"{name:<24}{figures['count']:>8,}{figures['accuracy']:>10.2%}"
        f"{figures['calibration_error']:>19.2%}{figures['refused']:>9.2%}"
    )


def _others_line(card: ModelCard, way: str, answers: Answers) -> str:
    line = f"{'others, ' + way:<24}{len(answers.labels):>8,}{'':>29}{answers.refused.mean():>9.2%}"
    if way in card.sets:
        share = refused_at(card.sets[way][1], answers)
        line += f"  ({share:.2%} where {REFUSED:.0%} of the digits are)"
    return line


def _grid_lines(grid: Grid) -> list[str]:
    return [
        f"Grid of {grid.cells.size} sizes and pens: from {grid.cells.min():.2%} to {grid.cells.max():.2%} as "
        f"pixels, {grid.strokes:.2%} as strokes; moving, scaling or inverting changes {grid.changed:.2%}.",
    ]
