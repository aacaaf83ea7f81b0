"""A photo or scan of one digit, made ready for the API: upright, small, and its light made even."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from streamlit_ui.client import RefusedError

LONGEST_SIDE = 1024  # pixels; a digit needs no more, and the API takes no more than 1 MB
SMALLEST_PHOTO = 256  # pixels; a smaller picture is no photo and has no uneven light
MOST_PIXELS = 100_000_000
CELL = 16  # pixels; the light is looked at in cells of this size
REACH = 9  # cells; wider than any pen, so that there is paper in every neighbourhood
FAINTEST_INK = 0.15  # of the paper's brightness


def prepare(data: bytes) -> bytes:
    """A grey PNG, at most LONGEST_SIDE a side. Raises RefusedError where the data is no picture."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise RefusedError("This picture has too many pixels.")
            picture.draft("L", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))  # a JPEG decodes no more than it needs
            grey = _on_white(ImageOps.exif_transpose(picture))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise RefusedError("This file cannot be read as a picture.") from problem
    grey.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX, reducing_gap=None)
    file = io.BytesIO()
    (even_out_light(grey) if max(grey.size) > SMALLEST_PHOTO else grey).save(file, "PNG")
    return file.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    """Grey; transparent pixels become paper."""
    if not picture.has_transparency_data:
        return picture.convert("L")
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("L")


def even_out_light(grey: Image.Image) -> Image.Image:
    """Dark ink on white paper, whatever light and shadow fell on it: every pixel is compared with the
    brightest paper around it. A picture without ink comes back as it is."""
    if _is_light_on_dark(grey):
        grey = ImageOps.invert(grey)
    shade = 1 - np.asarray(grey, np.float32) / np.maximum(_paper(grey), 1)
    darkest = float(np.quantile(shade, 0.999))
    if darkest < FAINTEST_INK:
        return grey
    ink = np.clip((shade / darkest - 0.5) / 0.25, 0, 1)  # below are noise and shadows, above is ink
    white = Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8))
    return white.filter(ImageFilter.MedianFilter(5))  # specks of dust


def _is_light_on_dark(grey: Image.Image) -> bool:
    """Ink stands out from its close surroundings, a shadow's soft edge does not."""
    surroundings = np.asarray(grey.filter(ImageFilter.BoxBlur(2 * CELL)), np.float32)
    darker, lighter = np.quantile(np.asarray(grey) - surroundings, [0.002, 0.998])
    return bool(lighter > -darker)


def _paper(grey: Image.Image) -> NDArray[np.float32]:
    """The brightness of the paper at every pixel, had nobody written on it."""
    cells = grey.resize([max(1, side // CELL) for side in grey.size], Image.Resampling.BOX)
    paper = cells.filter(ImageFilter.MaxFilter(REACH)).filter(ImageFilter.GaussianBlur(REACH / 3))
    return np.asarray(paper.resize(grey.size, Image.Resampling.BICUBIC), np.float32)
