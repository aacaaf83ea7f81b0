"""How photographs of digits are read whose answers are known: their folders are named after conditions."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from classifier.image_file import DrawingError
from classifier.predictor import Predictor
from classifier.preprocess import read_drawing, to_input

COUNT, RIGHT, UNCERTAIN, WRONG = "count", "right", "uncertain", "wrong and sure"


@dataclass(frozen=True)
class Photograph:
    path: Path
    label: int

    @property
    def condition(self) -> str:
        return self.path.parent.name


@dataclass(frozen=True)
class Result:
    """Of one photograph; no digit where nothing was read."""

    digit: int | None
    uncertain: bool


def find_photographs(folder: Path) -> list[Photograph]:
    """FOLDER/CONDITION/NAME_DIGIT.SUFFIX, by condition and name. Raises ValueError where there are none, or
    a name does not end in a digit."""
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not paths:
        raise ValueError(f"There are no pictures in the folders of {folder}.")
    return [Photograph(path, _label(path)) for path in paths]


def _label(path: Path) -> int:
    found = re.search(r"(?:^|\D)(\d)$", path.stem, re.ASCII)
    if found is None:
        raise ValueError(f"The name must end in the picture's digit, as in 12_7.jpg: {path}")
    return int(found[1])


def read(predictor: Predictor, data: bytes) -> Result:
    """As the API reads a picture; one that is refused is as good as uncertain."""
    try:
        drawing = read_drawing(data)
        model_input = to_input(drawing.ink)
    except DrawingError:
        return Result(None, True)
    reading = predictor.read_clearly(model_input, is_clear=drawing.is_clear)
    return Result(reading.digit, reading.uncertain)


def count(predictor: Predictor, photographs: Iterable[Photograph]) -> dict[str, Counter[str]]:
    """For each condition, how many were read right and how many were uncertain, which may go together, and
    how many were wrong and sure."""
    counts: dict[str, Counter[str]] = {}
    for photograph in photographs:
        result = read(predictor, photograph.path.read_bytes())
        is_right = result.digit == photograph.label
        counts.setdefault(photograph.condition, Counter()).update(
            {
                COUNT: 1,
                RIGHT: is_right,
                UNCERTAIN: result.uncertain,
                WRONG: not (is_right or result.uncertain),
            }
        )
    return counts


def table(counts: dict[str, Counter[str]]) -> str:
    lines = [f"{'':<24}{COUNT:>8}{RIGHT:>10}{UNCERTAIN:>11}{WRONG:>16}"]
    rows = counts | {"altogether": sum(counts.values(), Counter())}
    return "\n".join(lines + [_line(name, row) for name, row in rows.items()])


def _line(name: str, row: Counter[str]) -> str:
    right, uncertain, wrong = (row[kind] / row[COUNT] for kind in (RIGHT, UNCERTAIN, WRONG))
    return f"{name:<24}{row[COUNT]:>8,}{right:>10.2%}{uncertain:>11.2%}{wrong:>16.2%}"
