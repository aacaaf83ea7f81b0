"""Stroke files (UNIPEN digits and the like), and how a canvas would show what they hold.

A file is an .npz: `points` (n, 2) int16, x right and y down, 0 to 1000 along a drawing's longer side; drawing
i has the strokes `digit_offsets[i]` to `digit_offsets[i + 1]`, stroke j the points `stroke_offsets[j]` to
`stroke_offsets[j + 1]`; `labels`; `sources`, who recorded them.
"""

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

Strokes = list[NDArray[np.float64]]

CANVAS = 280  # pixels
OVERSAMPLE = 2


@dataclass(frozen=True)
class Drawings:
    """Strokes in units of their drawing's longer side, labels and sources."""

    strokes: list[Strokes]
    labels: NDArray[Any]
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.strokes)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Drawings":
        at = np.arange(len(self))[which]
        return Drawings([self.strokes[index] for index in at], self.labels[at], self.sources[at])

    def __add__(self, other: "Drawings") -> "Drawings":
        labels, sources = (self.labels, other.labels), (self.sources, other.sources)
        return Drawings(self.strokes + other.strokes, np.concatenate(labels), np.concatenate(sources))

    def sample(self, count: int) -> "Drawings":
        """Return at most `count` drawings, drawn evenly from the whole file."""
        return self[np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))]


@dataclass(frozen=True)
class Hand:
    """How a drawing is put on the canvas: its longer side and the pen in pixels, its place from -1 to 1, and
    whether the ink is black on white."""

    size: float = 190
    pen: float = 20
    x: float = 0
    y: float = 0
    black: bool = False


def load_drawings(path: Path) -> Drawings:
    """Raises ValueError where the file is not of this format, OSError where it can't be read."""
    try:
        with path.open("rb") as file, np.load(file) as data:
            points = data["points"].astype(np.float64) / 1000
            strokes = np.split(points, data["stroke_offsets"][1:-1])
            bounds = data["digit_offsets"].tolist()
            groups = [strokes[first:last] for first, last in pairwise(bounds)]
            return Drawings(groups, data["labels"], data["sources"])
    except (KeyError, ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is no stroke file: {error}") from error


def any_hand(rng: np.random.Generator) -> Hand:
    """Any size, pen and place that people use."""
    x, y = rng.uniform(-1, 1, 2)
    return Hand(rng.uniform(0.25, 0.85) * CANVAS, rng.uniform(10, 28), x, y)


def draw(strokes: Strokes, hand: Hand) -> bytes:
    """Return the 280×280 canvas, drawn with a round pen, as an image file."""
    extent = np.concatenate(strokes).max(axis=0) * hand.size
    room = np.maximum((CANVAS - extent) / 2 - hand.pen / 2 - 2, 0)
    origin = (CANVAS - extent) / 2 + np.array([hand.x, hand.y]) * room
    image = Image.new("L", (CANVAS * OVERSAMPLE, CANVAS * OVERSAMPLE))
    brush, radius = ImageDraw.Draw(image), hand.pen * OVERSAMPLE / 2
    for stroke in strokes:
        path = [(float(x), float(y)) for x, y in (stroke * hand.size + origin) * OVERSAMPLE]
        brush.line(path, fill=255, width=round(2 * radius), joint="curve")
        for x, y in path:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    canvas = image.resize((CANVAS, CANVAS), Image.Resampling.LANCZOS)
    file = BytesIO()
    (ImageOps.invert(canvas) if hand.black else canvas).save(file, "BMP")
    return file.getvalue()
