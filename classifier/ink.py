"""From a picture's pixels to its ink: paper, light, rulings, frames and neighbours are left out.

"Ink" is an (H, W) uint8 array: 255 is full ink, 0 is none. Ink is what is narrow and differs from the paper
around it; what is wide (a shadow, the edge of a desk, a thumb) is the ground that it lies on.
"""

from collections.abc import Sequence
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from classifier.image_file import Pixels
from classifier.parts import SHARES, Contrast, Mask, Parts, find_parts, is_frame, outline
from classifier.rulings import remove_rulings

Ink = NDArray[np.uint8]

LONGEST_SIDE = 640  # pixels that are looked at; a digit that is a twelfth of that still has fifty
ICON = 64  # pixels; a smaller picture has no light and no rulings
SMALLEST = 16  # pixels with sharp edges; a digit of fewer can't be told from another
SMOOTHED = 2.7  # pixels that one seems to be, by the change along its edge, when it was enlarged smoothly
FULL_INK = 240  # ink at least this dark is left as it is; paler ink is stretched to 255
FAINTEST_INK = 24  # on a canvas; less is no ink, but the noise of a JPEG
WIDEST = 0.3  # of the picture's shorter side: what is wider in every direction is no stroke
OVERVIEW = 256  # pixels, enough to see which is the ink and which the paper
DARKEST = 40  # of 255; darker ground is measured as if it were this bright, lest its noise become ink
EDGE = (0.35, 0.75)  # of a stroke's contrast, where its ink begins and where it is full
HANDICAPS = (0, 0, 0.03)  # of dark ink, light ink, and a negative, which is rare
SUPPORT = 4  # times as telling as narrowness is an outline that lies on edges of the picture


class Found(NamedTuple):
    """The ink, and whether it is clear that this is the digit."""

    ink: Ink
    is_clear: bool


def find_ink(pixels: Pixels) -> Found:
    """Return the ink of (H, W) or (H, W, 3) pixels, all 0 where there is none; a picture of more than
    LONGEST_SIDE pixels is reduced."""
    channel = _strongest_channel(_reduce(_undo_enlarging(pixels), LONGEST_SIDE))
    distance = _distance_from_canvas(channel)
    if distance is None:
        return _choose_in_photograph(channel.astype(np.float32))
    ink = _stretch(distance)
    if max(ink.shape) > ICON and _is_printed(ink):
        return _choose(remove_rulings(ink.astype(np.float32)))
    return Found(ink, is_sharp(ink, ink > int(ink.max(initial=0)) // 8))


def _undo_enlarging(pixels: Pixels) -> Pixels:
    """One pixel for each square of equal ones, whose corners would be taken for the strokes' shape."""
    height, width = pixels.shape[:2]
    side = gcd(height, width)
    # Nearly always, the lines through the middle tell already that nothing was enlarged.
    for lines in (pixels[:, width // 2], pixels[height // 2], pixels, pixels.swapaxes(0, 1)):
        if side > 1:
            side = gcd(side, *_changes(lines))
    return pixels[::side, ::side]


def _changes(lines: Pixels) -> list[int]:
    """The numbers of the lines that are not the same as the line before."""
    differs = lines[1:] != lines[:-1]
    numbers: list[int] = (np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1)) + 1).tolist()
    return numbers


def _reduce(pixels: Pixels, side: int) -> Pixels:
    """By averaging over areas."""
    if max(pixels.shape) <= side:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image)


def _strongest_channel(pixels: Pixels) -> Pixels:
    """(H, W): the channel in which narrow things stand out most."""
    if pixels.ndim == 2:
        return pixels
    small = np.asarray(_reduce(pixels, OVERVIEW), np.float32)
    reach = max(small.shape) // 8 | 1
    narrow = np.abs(small - ndimage.uniform_filter(small, (reach, reach, 1))) ** 3
    return np.ascontiguousarray(pixels[..., int(narrow.sum(axis=(0, 1)).argmax())])


def _distance_from_canvas(channel: Pixels) -> Ink | None:
    """How far each value is from that of a ground that is one and the same everywhere, as a drawing
    program's; None where there is no such ground.

    It is the side, dark or light, that most of the picture's edge is on, and clear of ink that touches the
    edge where a drawing was cropped.
    """
    edge = np.sort(np.concatenate([channel[0], channel[-1], channel[:, 0], channel[:, -1]]))
    dark, usual, light = edge[[len(edge) // 20, len(edge) // 2, -1 - len(edge) // 20]].tolist()
    paper = np.uint8(dark if usual < 128 else light)
    distance = np.maximum(channel, paper) - np.minimum(channel, paper)
    plain, near = np.count_nonzero(distance == 0), np.count_nonzero(distance < FAINTEST_INK)
    is_plain = plain > 0.3 * channel.size and near - plain < 0.04 * channel.size
    return distance if is_plain or max(channel.shape) <= ICON else None


def _stretch(distance: Ink) -> Ink:
    darkest = int(distance.max())
    if darkest < FAINTEST_INK:
        return np.zeros(distance.shape, np.uint8)
    return distance if darkest >= FULL_INK else np.rint(distance * (255 / darkest)).astype(np.uint8)


def box_of(ink: Ink | Mask, faintest: int) -> tuple[slice, slice] | None:
    """The rows and columns that have ink over `faintest`; None where there is none."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis, initial=0) > faintest) for axis in (1, 0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else None


def _is_printed(ink: Ink) -> bool:
    """Whether there may be rulings from side to side, or a frame around everything."""
    box = box_of(ink, FAINTEST_INK)
    if box is None:
        return False
    spans = any(line.start < 2 and line.stop >= side - 1 for line, side in zip(box, ink.shape, strict=True))
    return spans or is_frame(ink[box] > FAINTEST_INK)


def is_sharp(contrast: Ink | Contrast, mask: Mask) -> bool:
    """Whether the longer side would have SMALLEST pixels, were the edges as sharp as can be: a picture that
    was enlarged, or is out of focus, has no more to tell than a small one. The more it was, the more the
    smoothness of its edges is worth."""
    box = box_of(mask, 0)
    if box is None:
        return False
    contrast, mask = contrast[box], mask[box]
    changes = np.maximum(_change(contrast), _change(contrast.T).T)[outline(mask)]
    side = max(mask.shape)
    scaled = changes.astype(np.float32) * side
    # SMALLEST where that is the side, SMOOTHED times as much where the side is far longer.
    needed = SMALLEST * SMOOTHED * side / (side + SMALLEST * (SMOOTHED - 1))

    def is_reached(full_ink: float) -> bool:
        """By the sharper quarter of the outline."""
        return bool(4 * np.count_nonzero(scaled >= needed * full_ink) >= len(scaled))

    # Nearly always, the first tells already.
    return is_reached(float(contrast.max())) or is_reached(float(np.percentile(contrast[mask], 80)))


def _change(values: Ink | Contrast) -> Ink | Contrast:
    """Between the highest and the lowest of each value and the ones above and below it."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    above, below = padded[:-2], padded[2:]
    highest, lowest = (extreme(extreme(above, values), below) for extreme in (np.maximum, np.minimum))
    return np.asarray(highest - lowest)


def _choose_in_photograph(grey: Contrast) -> Found:
    """An overview tells whether the ink is dark, or light, or light because the picture is a negative: shade
    darkens chalk as it darkens its board, but in a negative it is the ink in the shade that is brightest."""
    views = [(grey, True), (grey, False), (255 - grey, True)]
    looks = [_look(_overview(values), is_dark) for values, is_dark in views]
    supports = [support - handicap for (support, _), handicap in zip(looks, HANDICAPS, strict=True)]
    best = int(np.argmax(supports))
    return _choose(remove_rulings(_contrast(*views[best])), [looks[best][1]])


def _overview(grey: Contrast) -> Contrast:
    step = max(1, max(grey.shape) // OVERVIEW)
    return np.asarray(Image.fromarray(grey).reduce(step), np.float32)


def _contrast(grey: Contrast, is_dark: bool) -> Contrast:
    """How far each pixel is from its paper, from 0 to 255.

    The paper is what remains when everything narrow and dark (or light) is filled: a morphological closing
    (or opening). The contrast is a share of the brighter of both, as light falls on both alike.
    """
    grey = ndimage.gaussian_filter(grey, 0.7)
    size = int(min(grey.shape) * WIDEST) | 1
    paper = _close(grey, size) if is_dark else -_close(-grey, size)
    contrast = 255 * np.abs(paper - grey) / np.maximum(np.maximum(paper, grey), DARKEST)
    usual = float(np.median(contrast[::2, ::2]))
    noise = 1.48 * float(np.median(np.abs(contrast[::2, ::2] - usual)))
    return np.asarray(np.maximum(contrast - usual - 2 * noise, 0), dtype=np.float32)


def _close(values: Contrast, size: int) -> Contrast:
    for spread in (ndimage.maximum_filter1d, ndimage.minimum_filter1d):
        for axis in (0, 1):
            values = spread(values, size, axis, mode="nearest")
    return values


def _look(grey: Contrast, is_dark: bool) -> tuple[float, float]:
    """How much the dark (or light) things look like ink, which has edges all around and is narrow; and the
    share of the highest contrast where that is."""
    parts = find_parts(remove_rulings(_contrast(grey, is_dark)))
    if parts is None:
        return -1, SHARES[0]
    narrowness = 1 - parts.width(parts.main) / parts.main.size
    return SUPPORT * _edges_around(grey, parts) + narrowness, parts.share


def _edges_around(grey: Contrast, parts: Parts) -> float:
    """The share of the main part's outline where the picture changes as it does along most of it."""
    window, edge = grey[parts.main.box], outline(parts.mask_of(parts.main))
    change = (ndimage.maximum_filter(window, 3) - ndimage.minimum_filter(window, 3))[edge]
    return float((change > 0.3 * np.percentile(change, 75)).mean())


def _choose(contrast: Contrast, shares: Sequence[float] = SHARES) -> Found:
    """The digit is the heaviest part and what belongs to it; the rest is left out."""
    parts = find_parts(contrast, shares)
    if parts is None:
        return Found(np.zeros(contrast.shape, np.uint8), False)
    mask = parts.mask()
    level = float(np.percentile(contrast[mask], 80))
    near = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=2)
    low, high = EDGE
    ink = np.clip((contrast / level - low) / (high - low), 0, 1) * near
    is_alone = parts.main.is_inside(contrast) and parts.main_is_alone
    is_clear = is_alone and is_sharp(contrast, mask)
    return Found(np.rint(255 * ink).astype(np.uint8), is_clear)
