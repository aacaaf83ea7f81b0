"""The parts that ink falls into, and which of them are the digit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Contrast = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]
Box = tuple[slice, slice]

FAINTEST = 16.0  # of 255; a picture without more contrast is blank
SHARES = (0.12, 0.2, 0.3, 0.4, 0.5, 0.65)  # of the highest contrast, at which parts are looked for
NEIGHBOURS = np.ones((3, 3), np.bool_)  # pixels that touch at a corner belong together
SMALLEST_FRAME = 24  # pixels
RIVAL_MASS, RIVAL_SIZE = 0.4, 0.6  # of the main part's
SPECK = 0.005  # of the heaviest part; a lighter one is noise


@dataclass(frozen=True)
class Part:
    number: int
    box: Box
    mass: float  # the sum of its contrast

    @property
    def sides(self) -> tuple[int, int]:
        rows, columns = self.box
        return int(rows.stop - rows.start), int(columns.stop - columns.start)

    @property
    def size(self) -> int:
        return max(self.sides)

    @property
    def is_line(self) -> bool:
        return self.size > 14 * min(self.sides)

    def is_inside(self, picture: Contrast) -> bool:
        """Whether it ends before the picture's edge."""
        ends = picture.shape
        return all(side.start > 1 and side.stop < end - 1 for side, end in zip(self.box, ends, strict=True))

    def encloses(self, other: "Part") -> bool:
        return all(a.start < b.start and b.stop < a.stop for a, b in zip(self.box, other.box, strict=True))

    def gap(self, other: "Part") -> int:
        pairs = zip(self.box, other.box, strict=True)
        return int(max(max(a.start - b.stop, b.start - a.stop) for a, b in pairs))


@dataclass(frozen=True)
class Parts:
    """`labels` has each part's number where the part is, 0 elsewhere; `share` of the highest contrast is
    where they were found."""

    labels: Labels
    parts: list[Part]
    share: float

    @cached_property
    def main(self) -> Part:
        """The heaviest; rests of rulings and frames are long and straight, so anything else comes first."""
        heaviest = max(self.parts, key=lambda part: part.mass)
        others = [part for part in self.parts if not part.is_line and part.mass > 0.15 * heaviest.mass]
        return max(others, key=lambda part: part.mass) if heaviest.is_line and others else heaviest

    @cached_property
    def chosen(self) -> list[Part]:
        return [part for part in self.parts if part is self.main or self._belongs(part)]

    @property
    def main_is_alone(self) -> bool:
        """Nothing that was left out could be the digit as well, by its ink or by its size."""
        return not any(
            part.mass > RIVAL_MASS * self.main.mass
            or (part.size > RIVAL_SIZE * self.main.size and self._has_same_pen(part))
            for part in self.parts
            if part not in self.chosen
        )

    def _has_same_pen(self, part: Part) -> bool:
        """A ruling or the rest of a frame is thinner."""
        return self.width(part) > 0.5 * self.width(self.main)

    def _belongs(self, part: Part) -> bool:
        """A stroke of the same digit is near, no mere speck, and drawn with the same pen."""
        is_near = part.gap(self.main) < 0.25 * self.main.size and part.mass > 0.02 * self.main.mass
        return is_near and self._has_same_pen(part)

    def mask(self) -> Mask:
        """Where the chosen parts are."""
        return np.isin(self.labels, [part.number for part in self.chosen])

    def mask_of(self, part: Part) -> Mask:
        """Within the part's own box."""
        return np.equal(self.labels[part.box], part.number)

    def width(self, part: Part) -> float:
        """Of its pen, in pixels."""
        return pen_width(self.mask_of(part))


def outline(mask: Mask) -> Mask:
    """The pixels with a neighbour outside; what touches the mask's own edge is outline as well."""
    inside = np.zeros_like(mask)
    inside[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inside


def pen_width(mask: Mask) -> float:
    """In pixels: twice the area over the length of the outline."""
    return float(2 * mask.sum() / max(1, outline(mask).sum()))


def find_parts(contrast: Contrast, shares: Sequence[float] = SHARES) -> Parts | None:
    """The parts inside the picture at the contrast where the main one is whole, yet touches nothing else;
    None in a blank picture.

    At a low contrast a digit hangs together with the rulings that it is written on, at a high one it falls
    to pieces. Where every part touches the picture's edge, so does the digit.
    """
    highest = float(ndimage.uniform_filter(contrast, 3).max(initial=0))
    if highest < FAINTEST:
        return None
    best = None
    for share in shares:
        parts = _inside(_label(contrast, highest, share), contrast)
        if parts.parts and (best is None or parts.main.mass > 1.6 * best.main.mass):
            best = parts
    return best or _label(contrast, highest, 0.3)


def _label(contrast: Contrast, highest: float, share: float) -> Parts:
    labels, count = ndimage.label(contrast > max(share * highest, 0.6 * FAINTEST), NEIGHBOURS)
    masses = np.bincount(labels.ravel(), contrast.ravel(), count + 1)
    masses[0] = 0  # what is no part
    boxes = ndimage.find_objects(labels)
    heavy = np.flatnonzero(masses > SPECK * masses.max())
    return Parts(labels, [Part(int(n), boxes[n - 1], float(masses[n])) for n in heavy], share)


def _inside(found: Parts, contrast: Contrast) -> Parts:
    """Without what touches the edge of the picture, and without frames."""
    inside = [part for part in found.parts if part.is_inside(contrast)]
    kept = []
    for part in inside:
        if part.size < SMALLEST_FRAME or not is_frame(found.mask_of(part)):
            kept.append(part)
        elif not any(part.encloses(other) and 4 * other.size > part.size for other in inside):
            kept += _without_frame(found, part, contrast)
    return replace(found, parts=kept)


def is_frame(mask: Mask) -> bool:
    """Whether a mask cut to its box has a line along each of the box's four sides."""
    return all(_has_side(view) for view in (mask, mask[:, ::-1], mask.T, mask.T[:, ::-1]))


def _has_side(mask: Mask) -> bool:
    """On the left, within a tilt of five degrees; corners may be rounded."""
    height, width = mask.shape
    rows = mask[height // 16 : height - height // 16]
    first = np.sort(rows.argmax(axis=1))
    return bool(rows.any(axis=1).all() and first[int(0.97 * (len(first) - 1))] <= max(2, 0.09 * width))


def _without_frame(found: Parts, frame: Part, contrast: Contrast) -> list[Part]:
    """What hangs together with a frame: the parts that remain without its sides. They are labelled anew."""
    own, inner = found.mask_of(frame), found.mask_of(frame)
    for view in (inner, inner[:, ::-1], inner.T, inner.T[:, ::-1]):
        _peel(view)
    rest = _label(contrast[frame.box] * inner, 0.0, 0.0)
    if sum(part.mass for part in rest.parts) < 0.15 * frame.mass:
        return [frame]
    labels, above = found.labels[frame.box], int(found.labels.max())
    labels[own] = 0
    labels[inner] = rest.labels[inner] + above
    return [replace(part, number=part.number + above, box=_move(part.box, frame.box)) for part in rest.parts]


def _move(box: Box, within: Box) -> Box:
    rows, columns = (
        slice(side.start + outer.start, side.stop + outer.start)
        for side, outer in zip(box, within, strict=True)
    )
    return rows, columns


def _peel(mask: Mask) -> None:
    """Take the first line off each row, as thick as it usually is."""
    inked = mask.any(axis=1)
    if not inked.any():
        return
    columns, first = np.arange(mask.shape[1]), mask.argmax(axis=1)[:, None]
    ends = ~mask & (columns > first)
    lengths = np.where(ends.any(axis=1), ends.argmax(axis=1), mask.shape[1]) - first[:, 0]
    mask &= columns >= first + int(np.median(lengths[inked])) + 2
