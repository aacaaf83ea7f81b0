"""From a drawing to the model's input, by MNIST's own rules: for training, serving and evaluation alike.

"Ink" is an (H, W) uint8 array: 255 is full ink, 0 is none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from classifier.image_file import DrawingError, decode
from classifier.ink import Ink, box_of, find_ink
from classifier.parts import pen_width
from classifier.stored_picture import encode, is_lossless

# Of finite (x, y) points, y down, in any unit.
Strokes = Sequence[Sequence[Sequence[float]] | NDArray[np.float64]]

INPUT_SIZE = 28  # pixels; MNIST's image
BOX_SIZE = 20  # pixels; the ink's longer side within it
CENTRE = 14  # the pixel that holds the centre of mass
PEN = 0.13  # pen width as a share of the longer side: MNIST's 2.5 of 20 pixels
SMALLEST_MEASURED = 64  # pixels; the width of a pen can't be measured in a smaller drawing
THIN_SHARE = 0.2  # of the box; with more ink than that no pen is thin
THIN_PEN, WIDENED_PEN = 0.05, 0.08  # of the longer side: a pen under the first is given the second
STROKE_SIZE = 160  # pixels; eight times the box, which smooths the edges when it is scaled down


def blank_drawing() -> DrawingError:
    return DrawingError("The drawing is blank.", code="blank_drawing")


class Drawing(NamedTuple):
    """A drawing as it was understood: its ink, and whether it is clear that this is the digit. `file` is the
    picture that came, as it may be stored: our own file, small, without metadata."""

    ink: Ink
    is_clear: bool
    file: bytes | None = None


def read_drawing(data: bytes | None, strokes: Strokes | None = None) -> Drawing:
    """Read an image file, or strokes where there are any: the image beside them is only kept.

    The ink is that of `file`, so that a stored picture always reads as it did when it came. Raises
    DrawingError; where there is no ink, `to_input` does.
    """
    if data is None:
        return Drawing(render_strokes(strokes or []), is_clear=True)
    pixels = decode(data)
    file = encode(pixels)
    if strokes:
        return Drawing(render_strokes(strokes), is_clear=True, file=file)
    return Drawing(*find_ink(pixels if is_lossless(file) else decode(file)), file)


def read_picture(data: bytes) -> Ink:
    """The ink of any image file; all 0 where there is none. Raises DrawingError."""
    return read_drawing(data).ink


def read_stored(file: bytes) -> Ink:
    """The ink of a file that `read_drawing` made."""
    return find_ink(decode(file)).ink


def render_strokes(strokes: Strokes, pen: float = PEN, frame: Strokes | None = None) -> Ink:
    """Draw strokes; `pen` is a share of the longer side. Where they are a part of the drawing `frame`, they
    are placed as in that.

    Every stroke drawing gets the same pen, so that its width, which says nothing of the digit, can't
    mislead. Raises DrawingError where there is no point at all.
    """
    paths = _paths(strokes)
    if not paths:
        raise blank_drawing()
    points = np.concatenate(_paths(frame) if frame else paths)
    unit = float(np.abs(points).max()) or 1.0  # divides first: the span of huge numbers would overflow
    corner = (points / unit).min(axis=0)
    span = float(((points / unit).max(axis=0) - corner).max()) or 1.0
    radius = pen * STROKE_SIZE / 2
    scaled = [(path / unit - corner) / span * (STROKE_SIZE - 2 * radius) + radius + 1 for path in paths]
    return _draw_paths(scaled, radius)


def _paths(strokes: Strokes) -> list[NDArray[np.float64]]:
    return [np.asarray(stroke, dtype=np.float64).reshape(-1, 2) for stroke in strokes if len(stroke)]


def _draw_paths(paths: Sequence[NDArray[np.float64]], radius: float) -> Ink:
    image = Image.new("L", (STROKE_SIZE + 3, STROKE_SIZE + 3))
    brush = ImageDraw.Draw(image)
    for path in paths:
        corners = [(float(x), float(y)) for x, y in path]
        brush.line(corners, fill=255, width=round(2 * radius))
        for x, y in corners:  # round ends and joints
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(image, dtype=np.uint8)


def to_input(ink: Ink) -> Ink:
    """Return the (28, 28) input as MNIST was made: the ink's box scaled, its aspect kept, to a longer side
    of 20 pixels, and moved by whole pixels until the centre of mass lies at index 14 (LeCun et al., 1998,
    "Gradient-Based Learning Applied to Document Recognition", section III-A).

    A digit of MNIST that is cropped to its ink comes back bit for bit. Raises DrawingError without ink.
    """
    # Cropped first, so that not even rounding depends on where the ink was.
    cropped = _thicken(np.ascontiguousarray(ink[_box(ink)]))
    height, width = cropped.shape
    scale = BOX_SIZE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging over whole areas is how MNIST was reduced; a smaller drawing needs interpolation.
    method = Image.Resampling.BOX if scale <= 1 else Image.Resampling.BILINEAR
    return _centre(np.asarray(Image.fromarray(cropped).resize(size, method)))


def _thicken(ink: Ink) -> Ink:
    """A pen that is very thin for its drawing would leave no more than a shadow in 20 pixels."""
    size = max(ink.shape)
    if size < SMALLEST_MEASURED or int(ink.sum(dtype=np.int64)) > THIN_SHARE * 255 * size**2:
        return ink
    pen = pen_width(ink > 127) / size
    reach = round((WIDENED_PEN - pen) * size) if pen < THIN_PEN else 0
    return np.asarray(ndimage.maximum_filter(np.pad(ink, reach), reach | 1), np.uint8) if reach else ink


def _box(ink: Ink) -> tuple[slice, slice]:
    """The rows and columns of the ink. In anything larger than MNIST's own images it must be clearly ink:
    the noise around a drawing must not widen the box."""
    box = box_of(ink, int(ink.max(initial=0)) // 8 if max(ink.shape) > INPUT_SIZE else 0)
    if box is None:
        raise blank_drawing()
    return box


def _centre(small: Ink) -> Ink:
    result = np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8)
    top, left = (_offset(small.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
    result[top : top + small.shape[0], left : left + small.shape[1]] = small
    return result


def _offset(mass: NDArray[np.int64]) -> int:
    """Where a line of masses begins so that their centre falls in [13.5, 14.5), inside the image."""
    centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
    return int(np.clip(np.ceil(CENTRE - 0.5 - centre), 0, INPUT_SIZE - len(mass)))
