"""The part of a drawing that its answer hangs on most, and what would be read had it not been drawn.

Parts are pieces of strokes where strokes were sent, else patches of ink. Each is left out in turn, and what
remains is read like any drawing, all in one batch: whoever draws it again without that part gets that answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from classifier.ink import Ink, box_of
from classifier.parts import Mask
from classifier.preprocess import Strokes, render_strokes, to_input

if TYPE_CHECKING:  # torch, which only those import who load a predictor
    from classifier.predictor import Predictor, Reading

PIECES = 8  # of the whole drawing
LONGEST = 0.5  # of the drawing, unless a whole stroke is longer
MOST = 32  # parts that are tried
MOST_POINTS = 300  # of strokes: with more, drawing them so often would take too long
OVERVIEW = 64  # pixels; the patches' borders need no more
ROUNDS = 5  # after which patches hardly move

Path = NDArray[np.float64]
Labels = NDArray[np.intp]


class Part(NamedTuple):
    """`mask` is the part within the drawing's ink; `rest` the input without it, read as `reading`."""

    mask: Mask
    rest: Ink
    reading: "Reading"


class Variant(NamedTuple):
    """A part, as a share of the drawing, and what remains of the ink without it."""

    share: float
    rest: Ink
    mask: Mask


def find_part(predictor: "Predictor", ink: Ink, strokes: Strokes | None, digit: int) -> Part | None:
    """The part without which the drawing looks most like another digit than `digit`, small parts before large
    ones; None where the drawing is too small to have parts."""
    weighed = weigh(predictor, find_variants(ink, strokes), digit)
    if weighed is None:
        return None
    inputs, values = weighed
    best = int(values.argmax())
    mask = next(islice(find_variants(ink, strokes), best, None)).mask
    return Part(mask, inputs[best], predictor.read(inputs[best][None])[0])


def weigh(
    predictor: "Predictor", variants: Iterable[Variant], digit: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]] | None:
    """The variants' inputs; and how much each looks like another digit, less the share that is left out. Each
    variant is let go when its input is made: of a large picture, it has two million bytes."""
    made = [(to_input(variant.rest), variant.share) for variant in variants]
    if not made:
        return None
    inputs = np.stack([pixels for pixels, _ in made])
    others, not_a_digit = predictor.probabilities(inputs)
    others[:, digit] = 0
    likeness = others.max(axis=1) * (1 - not_a_digit)
    return inputs, likeness - [share for _, share in made]


def find_variants(ink: Ink, strokes: Strokes | None) -> Iterator[Variant]:
    if strokes and sum(map(len, strokes)) <= MOST_POINTS:
        return islice(_without_pieces(strokes), MOST)
    return islice(_without_patches(ink), MOST)


# Pieces of strokes


def _without_pieces(strokes: Strokes) -> Iterator[Variant]:
    whole = scale(strokes)
    for share, part, rest in split_strokes(whole):
        left = render_strokes(rest, frame=whole)
        yield Variant(share, render_strokes(rest), (render_strokes(part, frame=whole) > 127) & (left < 128))


def scale(strokes: Strokes) -> list[Path]:
    """To at most 1 from 0: lengths between huge numbers would overflow."""
    paths = [np.asarray(stroke, np.float64).reshape(-1, 2) for stroke in strokes if len(stroke)]
    unit = float(np.abs(np.concatenate(paths)).max()) or 1.0
    return [path / unit for path in paths]


def split_strokes(paths: list[Path]) -> Iterator[tuple[float, list[Path], list[Path]]]:
    """Each part's share of the drawing, the part, and the strokes that remain."""
    lengths = [_length(path) for path in paths]
    total = sum(lengths) or 1.0
    for at, path in enumerate(paths):
        others, whole = [*paths[:at], *paths[at + 1 :]], lengths[at] / total
        pieces = _cut(path, max(1, round(PIECES * whole)))
        for first, last in _runs(len(pieces)):
            share = whole * (last - first) / len(pieces)
            rest = [np.concatenate(run) for run in (pieces[:first], pieces[last:]) if run]
            if (rest or others) and (share <= LONGEST or not rest):
                yield share, [np.concatenate(pieces[first:last])], [*others, *rest]


def _runs(count: int) -> Iterator[tuple[int, int]]:
    """The first and the one after the last of each run of neighbours, short ones first."""
    return ((first, first + size) for size in range(1, count + 1) for first in range(count - size + 1))


def _length(path: Path) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _cut(path: Path, count: int) -> list[Path]:
    """Pieces of equal length; neighbours share the point where they were cut."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    cuts = np.linspace(0, along[-1], count + 1)
    ends = np.stack([np.interp(cuts, along, path[:, axis]) for axis in (0, 1)], axis=1)
    inner = [path[(along > low) & (along < high)] for low, high in pairwise(cuts)]
    return [np.concatenate([ends[at : at + 1], inner[at], ends[at + 1 : at + 2]]) for at in range(count)]


# Patches of ink


def _without_patches(ink: Ink) -> Iterator[Variant]:
    box = box_of(ink, int(ink.max(initial=0)) // 8)
    if box is None:
        return
    labels, touching, shares = _patches(ink[box])
    for patches in _groups(touching):
        share = float(shares[list(patches)].sum())
        if share <= LONGEST:
            mask = np.zeros(ink.shape, np.bool_)
            mask[box] = np.isin(labels, list(patches))
            yield Variant(share, np.where(mask, 0, ink).astype(np.uint8), mask & (ink > 0))


def _patches(ink: Ink) -> tuple[Labels, Mask, NDArray[np.float64]]:
    """Each pixel's patch (the nearest of centres that are spread over the ink evenly), which patches touch,
    and each one's share of the ink."""
    image = Image.fromarray(ink)
    image.thumbnail((OVERVIEW, OVERVIEW), Image.Resampling.BOX)
    small = np.asarray(image)
    inside = small > small.max() // 8
    points = np.argwhere(inside).astype(np.float64)
    centres = _spread(points)
    grid = np.indices(small.shape).reshape(2, -1).T
    labels = _nearest(grid, centres).reshape(small.shape)
    touching = np.zeros((len(centres), len(centres)), np.bool_)
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        both = inside[first] & inside[second]
        touching[labels[first][both], labels[second][both]] = True
    large = Image.fromarray(labels.astype(np.uint8)).resize(ink.shape[::-1], Image.Resampling.NEAREST)
    shares = np.bincount(labels[inside], minlength=len(centres)) / len(points)
    return np.asarray(large, np.intp), touching | touching.T, shares


def _spread(points: Path) -> Path:
    """Centres, each as far as can be from those before, then moved into the middle of what is nearest."""
    centres = points[:1]
    while len(centres) < min(PIECES, len(points)):
        centres = np.vstack([centres, points[_distances(points, centres).min(axis=1).argmax()]])
    for _ in range(ROUNDS):
        nearest = _nearest(points, centres)
        centres = np.stack([points[nearest == at].mean(axis=0) for at in np.unique(nearest)])
    return centres


def _distances(points: Path, centres: Path) -> Path:
    return np.asarray(((points[:, None] - centres) ** 2).sum(axis=2))


def _nearest(points: NDArray[np.float64] | Labels, centres: Path) -> Labels:
    return np.asarray(_distances(np.asarray(points, np.float64), centres).argmin(axis=1))


def _groups(touching: Mask) -> list[frozenset[int]]:
    """Patches alone, then two that touch, then three that hang together."""
    alone = [frozenset([patch]) for patch in range(len(touching))]
    pairs = _grow(alone, touching)
    return [*alone, *pairs, *_grow(pairs, touching)]


def _grow(groups: Sequence[frozenset[int]], touching: Mask) -> list[frozenset[int]]:
    """Each group with one more patch that touches it, once."""
    grown = (
        group | {int(patch)}
        for group in groups
        for patch in np.flatnonzero(touching[list(group)].any(axis=0))
        if patch not in group
    )
    return list(dict.fromkeys(grown))
