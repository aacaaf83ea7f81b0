"""Made-up drawings: digits in styles that MNIST lacks, and what people draw that is no digit.

Everything passes through `render_strokes` and `to_input`, as a drawing that somebody sends does.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from classifier.model import NOT_A_DIGIT
from classifier.preprocess import render_strokes, to_input
from training.glyphs import DIGITS, OTHERS, SLASHES

Points = NDArray[np.float64]
Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

# A digit that is written in many styles is drawn more often: each style counts the same.
STYLES = [(digit, style) for digit, styles in DIGITS.items() for style in styles]
SCALE = 4  # at which lines are drawn onto a zero
STEPS = 8  # points that a smooth stroke gets between two of its glyph's points


def digits(count: int, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Return (count, 28, 28) digits, each in a style, shape and pen of its own, and their labels."""
    chosen = [STYLES[number] for number in rng.integers(0, len(STYLES), count)]
    drawings = [_render(_write(style, rng), rng) for _, style in chosen]
    return _stack(drawings), np.array([digit for digit, _ in chosen], np.int64)


def non_digits(count: int, source: Images, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Return (count, 28, 28) drawings of anything but one digit; `source` are real 2s to 5s to spoil."""
    kinds: list[tuple[float, Callable[[], Images]]] = [
        (0.50, lambda: _render(_write(rng.choice(OTHERS), rng), rng)),
        (0.14, lambda: _render(_scribble(rng), rng)),
        (0.06, lambda: _render(_dots(rng), rng)),
        (0.04, lambda: _render(_fill(rng), rng)),
        (0.06, lambda: _render(_pair(rng), rng)),
        (0.10, lambda: _side_by_side(source[rng.integers(0, len(source), 2)], rng)),
        (0.10, lambda: _turn(source[rng.integers(len(source))], rng)),
    ]
    chosen = rng.choice(len(kinds), count, p=[share for share, _ in kinds])
    return _stack([kinds[kind][1]() for kind in chosen]), np.full(count, NOT_A_DIGIT)


def slash_zeros(count: int, zeros: Images, rng: np.random.Generator) -> tuple[Images, Labels]:
    """Return (count, 28, 28) of real zeros with what other hands add to them, a slash, a bar or a dot, and
    their labels. All but that is a real hand's."""
    chosen = zeros[rng.integers(0, len(zeros), count)]
    return _stack([_slash_zero(zero, rng) for zero in chosen]), np.zeros(count, np.int64)


def _stack(drawings: list[Images]) -> Images:
    """(n, 28, 28), also where there are none."""
    return np.array(drawings, np.uint8).reshape(-1, 28, 28)


def _slash_zero(zero: Images, rng: np.random.Generator) -> Images:
    """Draw a line onto a zero, with a pen about as wide as MNIST's."""
    height = int(28 * SCALE * rng.uniform(0.6, 1.0))  # others' are rounder than MNIST's
    large = Image.fromarray(zero).resize((28 * SCALE, height), Image.Resampling.BICUBIC)
    large = ImageOps.expand(large, 14 * SCALE)  # a slash may go far beyond
    inked = np.asarray(large) > 127
    rows = np.flatnonzero(inked.any(axis=1))
    ends = np.array(SLASHES[rng.integers(len(SLASHES))]) + rng.normal(0, 0.05, (2, 2))
    places = [_place(inked, rows, x, y) for x, y in ends.tolist()]
    ImageDraw.Draw(large).line(places, fill=255, width=int(rng.integers(SCALE, 4 * SCALE)))
    return to_input(np.asarray(large))


def _place(inked: NDArray[np.bool_], rows: NDArray[np.int64], x: float, y: float) -> tuple[float, float]:
    """The pixel at height y of the ink, x to the right of the ink's middle there; the ink's height is 1."""
    height = rows[-1] - rows[0]
    row = inked[rows[int(np.clip(y, 0, 1) * (len(rows) - 1))]]
    return float(np.flatnonzero(row).mean() + x * height), float(rows[0] + y * height)


def _render(strokes: list[Points], rng: np.random.Generator) -> Images:
    pen = float(np.exp(rng.uniform(np.log(0.03), np.log(0.4))))
    return to_input(render_strokes([[(x, y) for x, y in stroke] for stroke in strokes], pen))


def _write(style: str, rng: np.random.Generator) -> list[Points]:
    """Write a glyph as a hand would: each point, then the whole, is off a little."""
    wobble = rng.uniform(0.1, 0.7)
    return _deform([_stroke(text, wobble, rng) for text in style.split("|")], rng)


def _stroke(text: str, wobble: float, rng: np.random.Generator) -> Points:
    straight = text.startswith("-")
    points = np.array([[int(pair[0]), int(pair[1])] for pair in text.lstrip("-").split()], dtype=np.float64)
    corners = np.flatnonzero((np.diff(points, axis=0) == 0).all(axis=1)) + 1
    points += rng.normal(0, wobble, points.shape)
    points[corners] = points[corners - 1]
    return points if straight and rng.random() < 0.8 else _smooth(points)


def _smooth(points: Points) -> Points:
    """A Catmull-Rom spline through the points (Catmull and Rom, 1974)."""
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.concatenate([[before], points, [after]])
    t = np.linspace(0, 1, STEPS, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])


def _deform(strokes: list[Points], rng: np.random.Generator) -> list[Points]:
    """Slant, turn and stretch the whole, bend it by two slow waves, and move each stroke a little."""
    angle, slant = rng.normal(0, 0.12), rng.normal(0.1, 0.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, -slant], [0, 1]]) @ np.diag([np.exp(rng.normal(-0.25, 0.25)), 1.0])
    frequency, phase = rng.uniform(0.2, 0.6, 2), rng.uniform(0, 2 * np.pi, 2)
    size = rng.uniform(0, 0.5)
    return [
        points @ matrix.T
        + size * np.sin(points[:, ::-1] * frequency + phase)
        + (rng.normal(0, 0.25, 2) if number else 0)
        for number, points in enumerate(strokes)
    ]


def _scribble(rng: np.random.Generator) -> list[Points]:
    strokes = [rng.uniform(0, 9, (rng.integers(2, 9), 2)) for _ in range(rng.integers(1, 6))]
    while sum(len(stroke) for stroke in strokes) < 5:  # one or two short lines may be a digit
        strokes.append(rng.uniform(0, 9, (rng.integers(3, 9), 2)))
    return [_smooth(stroke) if rng.random() < 0.6 else stroke for stroke in strokes]


def _dots(rng: np.random.Generator) -> list[Points]:
    """One dot, or a few apart from each other."""
    count = rng.choice((1, 1, 1, 2, 3, 4))
    return [place[None] for place in rng.uniform(0, 9, (count, 2))]


def _fill(rng: np.random.Generator) -> list[Points]:
    """A box or a blob filled by going to and fro."""
    rows = np.linspace(0, rng.uniform(4, 9), 40)
    reach = 4 * np.ones(40) if rng.random() < 0.5 else 4.5 * np.sqrt(1 - np.linspace(-0.98, 0.98, 40) ** 2)
    ends = np.where(np.arange(40) % 2, reach, -reach) * rng.uniform(0.6, 1.2)
    return _deform([np.stack([ends, rows], axis=1) + rng.normal(0, 0.1, (40, 2))], rng)


def _pair(rng: np.random.Generator) -> list[Points]:
    first, second = (_write(STYLES[rng.integers(len(STYLES))][1], rng) for _ in range(2))
    right, left = max(s[:, 0].max() for s in first), min(s[:, 0].min() for s in second)
    apart = np.array([right - left + rng.uniform(0.3, 4), rng.normal(0, 0.7)])
    return [*first, *(stroke + apart for stroke in second)]


def _side_by_side(pair: Images, rng: np.random.Generator) -> Images:
    first, second = (image[:, image.any(axis=0)] for image in pair)
    gap = np.zeros((28, rng.integers(0, 6)), np.uint8)
    return to_input(np.ascontiguousarray(np.concatenate([first, gap, second], axis=1)))


def _turn(image: Images, rng: np.random.Generator) -> Images:
    """A quarter turn makes no digit of a 2, 3, 4 or 5."""
    return to_input(np.rot90(image, rng.choice((1, 3))).copy())
