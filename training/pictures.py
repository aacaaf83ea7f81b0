"""The pictures of an evaluation, drawn with matplotlib: confusions, reliability, refusals, worst errors."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluate import PENS, SIZES, Answers
from training.model_card import ModelCard

COLUMNS, ROWS = 12, 5  # of the worst errors


def draw(card: ModelCard, folder: Path) -> None:
    """Draw the pictures into the folder, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (inputs, answers) in card.sets.items():
        file = name.lower().replace(" ", "_")
        confusions(answers, name, folder / f"confusions_{file}.png")
        worst(inputs, answers, folder / f"worst_{file}.png")
    answered = {name: answers for name, (_, answers) in card.sets.items()}
    reliabilities(answered, folder / "reliability.png")
    for way in card.others.keys() & card.sets.keys():
        refusals(answered[way], card.others[way], folder / f"refusals_{way}.png")
    if card.grid:
        grid(card.grid.cells, folder / "grid.png")


def confusions(answers: Answers, title: str, path: Path) -> None:
    """Rows are labels, columns what was read; the diagonal is left out, so that the errors show."""
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (answers.labels, answers.digits), 1)
    np.fill_diagonal(counts, 0)
    figure = Figure((5, 5))
    axes = figure.subplots()
    axes.imshow(counts, cmap="Reds")
    for (label, digit), count in np.ndenumerate(counts):
        axes.text(digit, label, str(count or ""), ha="center", va="center")
    axes.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="label", title=title)
    _save(figure, path)


def reliabilities(sets: dict[str, Answers], path: Path) -> None:
    """Accuracy over confidence, a line for each set; the diagonal is honesty."""
    figure = Figure((5, 5))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for name, answers in sets.items():
        confidence, accuracy, _ = answers.reliability()
        axes.plot(confidence, accuracy, "o-", label=f"{name}: error {answers.calibration_error():.2%}")
    axes.set(xlabel="confidence", ylabel="accuracy", title="Reliability")
    axes.legend()
    _save(figure, path)


def refusals(digits: Answers, others: Answers, path: Path) -> None:
    """The share of others refused over the share of digits refused, as the threshold moves."""
    thresholds = np.quantile(digits.scores, 1 - np.linspace(0, 0.1, 101))
    refused = [[(part.scores > threshold).mean() for part in (digits, others)] for threshold in thresholds]
    x, y = np.transpose(refused)
    figure = Figure((5, 4))
    axes = figure.subplots()
    axes.plot(100 * x, 100 * y)
    axes.axvline(2, color="grey", linewidth=1)
    axes.set(xlabel="% of digits refused", ylabel="% of others refused", title="Refusals")
    axes.grid(alpha=0.3)
    _save(figure, path)


def worst(inputs: NDArray[np.uint8], answers: Answers, path: Path) -> None:
    """The errors that the model was surest of, as "label → read" with its confidence."""
    confidence = answers.confidence
    order = [index for index in np.argsort(-confidence) if not answers.correct[index]]
    figure = Figure((COLUMNS, ROWS * 1.25))
    axes = figure.subplots(ROWS, COLUMNS)
    for axis in axes.flat:
        axis.axis("off")
    for index, axis in zip(order, axes.flat, strict=False):
        axis.imshow(inputs[index], cmap="gray_r")
        axis.set_title(
            f"{answers.labels[index]} → {answers.digits[index]}  {confidence[index]:.0%}", fontsize=8
        )
    figure.suptitle(f"The surest of {len(order)} errors")
    _save(figure, path)


def grid(cells: NDArray[np.float64], path: Path) -> None:
    figure = Figure((5, 4))
    axes = figure.subplots()
    axes.imshow(cells, cmap="RdYlGn", vmin=0.9, vmax=1)
    for (row, column), accuracy in np.ndenumerate(cells):
        axes.text(column, row, f"{accuracy:.1%}", ha="center", va="center", fontsize=8)
    axes.set(xticks=range(len(PENS)), xticklabels=PENS, yticks=range(len(SIZES)), yticklabels=SIZES)
    axes.set(xlabel="pen, pixels", ylabel="size, pixels", title="Accuracy by size and pen")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
