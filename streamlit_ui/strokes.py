"""What the canvas draws, as strokes for the API."""

from math import ceil, dist
from typing import Any

from streamlit_ui.session import Stroke

SIZE = 280
LINE = 8  # the longest line, in pixels, that still passes for a piece of a curve
Point = tuple[float, float]


def stroke(path: list[list[Any]]) -> Stroke:
    """The points of an SVG path of M, Q and L commands as it looks: curved between where the pen was."""
    points: list[Point] = []
    for _, *numbers in path:
        points += _curve(*points[-1:], *zip(numbers[::2], numbers[1::2], strict=True))
    return [[round(min(max(value, 0), SIZE), 1) for value in point] for point in points]


def _curve(*way: Point) -> list[Point]:
    """The points after the first of a Bézier curve with one control point; the last, where it is no curve."""
    if len(way) < 3:
        return [way[-1]]
    start, control, end = way
    pieces = ceil((dist(start, control) + dist(control, end)) / LINE) or 1
    shares = [piece / pieces for piece in range(1, pieces + 1)]
    return [_between(_between(start, control, at), _between(control, end, at), at) for at in shares]


def _between(one: Point, other: Point, share: float) -> Point:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])
