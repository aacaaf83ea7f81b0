"""From any image file to pixels.

A file may come from anybody: its format is told by its content, what decoding costs is known before anything
is decoded, and what would cost more than it may is refused.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from classifier.grey_png import read_grey_png
from classifier.image_cost import LONGEST_SIDE as LONGEST_SIDE
from classifier.image_cost import Header, TooManyPartsError, read_header, strip_rows

Pixels = NDArray[np.uint8]
Packed = NDArray[np.uint32]  # one number a pixel: red in its lowest byte, alpha in its highest

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # by Pillow's names: all that is read anywhere
MOST_BYTES = 15_000_000  # of a file
MOST_PIXELS = 20_000_000
MOST_JPEG_PIXELS = 50_000_000  # a JPEG is decoded at the scale that is needed
MOST_MEMORY = 56_000_000  # bytes for decoding, the file itself among them
MOST_SECONDS = 0.22  # of one core for decoding
COSTLY = 4_000_000  # bytes for decoding

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_OTHERS = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "icon"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    *((b"P%d" % number, "PPM") for number in range(1, 8)),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DrawingError(ValueError):
    """The drawing can't be read; `code` is for programs: blank_drawing, not_an_image, unsupported_format or
    image_too_large."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def decode(data: bytes) -> Pixels:
    """Return (H, W) grey or (H, W, 3) coloured pixels: upright, opaque, at most LONGEST_SIDE a side; of an
    animation, the first frame that is not blank. Raises DrawingError."""
    header = _affordable_header(data)
    with _readable():
        if header.frames == 1:
            grey = _read_quickly(header)
            if grey is not None:
                return grey
            return _pixels(_small(_open(header)), header)  # what was opened is gone before pixels are made
        return _animation(header)


def _read_quickly(header: Header) -> Pixels | None:
    """A drawing of a canvas, in a third of the time that it takes otherwise; None for any other picture."""
    if header.format != "PNG" or header.memory > COSTLY or header.orientation in _TURNS:
        return None
    return read_grey_png(header.data) if max(header.width, header.height) <= LONGEST_SIDE else None


def is_costly(data: bytes) -> bool:
    """Whether decoding takes more than COSTLY bytes: told from the header, so that a server can let in only
    as many at once as there is memory for. Raises DrawingError as `decode` would."""
    return len(data) > COSTLY or _affordable_header(data).memory > COSTLY


@contextmanager
def _readable() -> Iterator[None]:
    """Pillow's decoders raise whatever their format's code stumbles over."""
    try:
        yield
    except TooManyPartsError as error:
        raise _too_large() from error
    except Exception as error:
        raise DrawingError("The file is not a readable image.", code="not_an_image") from error


def _too_large() -> DrawingError:
    return DrawingError(
        f"To decode this picture would cost too much. A file may have {MOST_BYTES // 10**6} MB, a JPEG "
        f"{MOST_JPEG_PIXELS // 10**6} megapixels (fewer if it is progressive), any other picture "
        f"{MOST_PIXELS // 10**6} megapixels (fewer if it is coloured).",
        code="image_too_large",
    )


def _affordable_header(data: bytes) -> Header:
    if len(data) > MOST_BYTES:
        raise _too_large()
    kind = _format(data)
    with _readable():
        header = read_header(kind, data)
    most = MOST_JPEG_PIXELS if kind == "JPEG" else MOST_PIXELS
    if header.pixels > most or header.memory > MOST_MEMORY or header.seconds > MOST_SECONDS:
        raise _too_large()
    return header


def _format(data: bytes) -> str:
    """One of FORMATS, by the file's first bytes. Raises DrawingError for all others."""
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise DrawingError(
            "HEIC, HEIF and AVIF pictures can't be read here; please send a JPEG. On an iPhone, share or "
            "export the photo as JPEG, or choose Settings → Camera → Formats → Most Compatible before you "
            "take it.",
            code="unsupported_format",
        )
    for start, name in _OTHERS:
        if data.startswith(start):
            raise DrawingError(
                f"{name} files can't be read here; please send a PNG, JPEG, WebP, GIF or BMP.",
                code="unsupported_format",
            )
    raise DrawingError("The file is not a readable image.", code="not_an_image")


def _open(header: Header) -> Image.Image:
    image = Image.open(io.BytesIO(header.data), formats=[header.format])
    if image.width > header.width or image.height > header.height:
        raise ValueError("Pillow reads another size than the one whose cost is known")
    if header.reduction > 1:
        image.draft(
            None, (max(1, header.width // header.reduction), max(1, header.height // header.reduction))
        )
    return image


def _animation(header: Header) -> Pixels:
    image = _open(header)
    pixels = _pixels(_small(image), header)
    with suppress(EOFError):  # there may be fewer frames than the header says
        for number in range(1, header.frames):
            if not _is_blank(pixels):
                break
            image.seek(number)
            pixels = _pixels(_small(image), header)
    return pixels


def _is_blank(pixels: Pixels) -> bool:
    return bool((pixels == pixels[0, 0]).all())


def _small(image: Image.Image) -> Image.Image:
    """As L, RGB or RGBA, and reduced to LONGEST_SIDE by averaging over areas. A larger picture is never
    converted as a whole, but strip by strip."""
    image.load()
    levels = _levels(image) if image.mode == "I;16" else None
    scale = max(image.size) / LONGEST_SIDE
    if scale <= 1:
        return _plain(image, levels)
    width, height = (max(1, round(side / scale)) for side in image.size)
    result = Image.new(_plain_mode(image), (width, height))
    rows = strip_rows(*image.size)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        upper, lower = top * image.height / height, bottom * image.height / height
        strip = _plain(image.crop((0, floor(upper), image.width, ceil(lower))), levels)
        box = (0, upper - floor(upper), image.width, lower - floor(upper))
        result.paste(strip.resize((width, bottom - top), Image.Resampling.BOX, box), (0, top))
    return result


def _plain_mode(image: Image.Image) -> str:
    if image.mode == "I;16":
        return "L"
    if image.has_transparency_data:
        return "RGBA"
    return "L" if image.mode in ("1", "L") else "RGB"


def _plain(image: Image.Image, levels: Pixels | None) -> Image.Image:
    if levels is not None:
        return Image.fromarray(levels[np.asarray(image)])
    mode = _plain_mode(image)
    return image if image.mode == mode else image.convert(mode)


def _levels(image: Image.Image) -> Pixels:
    """The grey of each of 65,536 values: sixteen bits have no agreed white, so the darkest and the lightest
    pixel span the range."""
    extremes = np.asarray(image.getextrema(), dtype=np.float32)
    low, span = extremes[0], max(float(extremes[1] - extremes[0]), 1.0)
    grey = (np.arange(2**16, dtype=np.float32) - low) * (255 / span)
    return np.asarray(np.rint(grey.clip(0, 255)), dtype=np.uint8)


def _pixels(image: Image.Image, header: Header) -> Pixels:
    if header.orientation in _TURNS:
        image = image.transpose(_TURNS[header.orientation])
    if image.mode == "L":
        return np.asarray(image)
    packed = _packed(image) if image.mode == "RGB" else _on_paper(image)
    if all(map(_is_grey, _rows(packed))):
        return packed.astype(np.uint8)
    return packed.view(np.uint8).reshape(*packed.shape, 4)[..., :3].copy()


def _packed(image: Image.Image) -> Packed:
    mode = "RGBX" if image.mode == "RGB" else image.mode
    return np.frombuffer(image.tobytes("raw", mode), "<u4").reshape(image.height, image.width)


def _rows(packed: Packed) -> list[Packed]:
    """A few rows at a time, so that what is computed of them takes little memory."""
    return np.array_split(packed, packed.size // 100_000 + 1)


def _is_grey(packed: Packed) -> bool:
    return not ((packed ^ packed >> 8) & 0xFFFF).any()  # red and green differ, or green and blue


def _on_paper(image: Image.Image) -> Packed:
    """Lay an RGBA image on white paper where its ink is dark, on black where it is light."""
    packed = _packed(image)
    if packed.min() >= 0xFF000000:  # opaque
        return packed
    if not _is_dark(packed):
        return _packed(image.convert("RGBa"))
    laid = _packed(image.convert("RGBa")).copy()
    for rows in _rows(laid):
        rows += (255 - (rows >> 24)) * np.uint32(0x010101)
    return laid


def _is_dark(packed: Packed) -> bool:
    """Whether the mean brightness, weighted by alpha, is in the lower half."""
    brightness = weight = 0
    for rows in _rows(packed):
        alpha = rows >> 24
        weight += 3 * int(alpha.sum(dtype=np.int64))
        colours = (rows & 255) + (rows >> 8 & 255) + (rows >> 16 & 255)
        brightness += int((colours * alpha).sum(dtype=np.int64))
    return brightness < 128 * max(weight, 255)
