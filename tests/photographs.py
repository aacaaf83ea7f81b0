"""Photographs of digits on paper, made from people's strokes: light, lines, grain and all."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.drawings import Strokes

PAPER, PEN, LINES = (236, 232, 224), (42, 44, 62), (150, 172, 210)
UPRIGHT, TURNED = 1, 6  # as EXIF says it


def photograph(
    digits: list[Strokes], number: int, *, size: tuple[int, int] = (1600, 1200), height: float = 0.5,
    pen: float = 0.06, squares: int = 0, shadow: float = 0.35,
) -> Image.Image:  # fmt: skip
    """The digits side by side, each `height` of the picture's, the pen a share of that; a soft shadow lies
    over the paper. The same number gives the same picture."""
    rng = np.random.default_rng(number)
    sheet = Image.new("RGB", size, PAPER)
    if squares:
        rule(sheet, squares)
    for place, strokes in enumerate(digits, 1):
        write(sheet, strokes, (size[0] * place / (len(digits) + 1), size[1] / 2), size[1] * height, pen)
    return light(sheet.filter(ImageFilter.GaussianBlur(1.5)), shadow, rng)


def rule(sheet: Image.Image, squares: int) -> None:
    """Lines of squared paper, `squares` pixels apart."""
    brush = ImageDraw.Draw(sheet)
    for x in range(squares // 3, sheet.width, squares):
        brush.line([(x, 0), (x, sheet.height)], fill=LINES, width=4)
    for y in range(squares // 2, sheet.height, squares):
        brush.line([(0, y), (sheet.width, y)], fill=LINES, width=4)


def write(sheet: Image.Image, strokes: Strokes, centre: tuple[float, float], side: float, pen: float) -> None:
    brush, radius = ImageDraw.Draw(sheet), side * pen / 2
    middle = np.concatenate(strokes).max(axis=0) / 2
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in (stroke - middle) * side + centre]
        brush.line(points, fill=PEN, width=round(2 * radius))
        for x, y in points:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PEN)


def light(sheet: Image.Image, shadow: float, rng: np.random.Generator) -> Image.Image:
    """A slanting light, a shadow with a soft edge, and a camera's grain."""
    down, across = np.mgrid[0 : sheet.height, 0 : sheet.width] / sheet.width
    edge = across + rng.uniform(-0.5, 0.5) * down - rng.uniform(0.4, 0.6)
    lit = (1 - 0.2 * down) * (1 - shadow / (1 + np.exp(-edge / 0.04)))
    grain = rng.normal(0, 3, (sheet.height, sheet.width))
    pixels = np.asarray(sheet) * lit[..., None] + grain[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, orientation: int = UPRIGHT) -> bytes:
    """As a phone stores it: turned on its side, with a tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    turned = picture.rotate(90, expand=True) if orientation == TURNED else picture
    turned.save(file, "JPEG", quality=88, exif=exif)
    return file.getvalue()
