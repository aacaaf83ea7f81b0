"""A digit on paper, photographed: paper, rulings, light, pens, things beside the digit, grain, JPEG.

A photograph depends on its scene, its drawing and the random numbers given, and on nothing else.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.drawings import Strokes

Colour = tuple[int, int, int]
Values = NDArray[np.float32]
Factors = NDArray[np.floating]
Rng = np.random.Generator
Brush = ImageDraw.ImageDraw

OVERSAMPLE = 2
ORIENTATION = 0x0112  # EXIF's tag
TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}

PAPER: Colour = (236, 233, 226)
BLACK: Colour = (45, 43, 48)
RULING: Colour = (150, 172, 214)
PRINT: Colour = (40, 40, 40)


class Frame(NamedTuple):
    """The picture's sides and the digit's centre, in pixels."""

    width: int
    height: int
    x: float
    y: float


@dataclass(frozen=True)
class Thing:
    """Something on the paper beside or below the digit; `draw` paints how much it covers, up to 255."""

    draw: Callable[[Brush, Frame, Rng], None]
    colours: tuple[Colour, ...]  # of which one is chosen


Light = Callable[[Values, Values, Rng], Factors]  # columns and rows from 0 to 1 → share of the full light


@dataclass(frozen=True)
class Scene:
    """How a digit is written and photographed."""

    width: int = 640  # pixels
    height: int = 640
    size: float = 320  # pixels, the longer side of the pen's path
    pen: float = 0.06  # a share of it
    ink: Colour = BLACK
    gaps: float = 0  # the share of ink that is missing where the pen skips
    paper: Colour = PAPER
    things: tuple[Thing, ...] = ()
    light: Light | None = None
    off: float = 0.12  # from the middle at most, a share of the sides
    tilt: float = 0  # degrees, to the left or right
    blur: float = 0.8  # pixels
    grain: float = 2.5  # standard deviation
    quality: int | None = 88  # of the JPEG; None is a PNG
    orientations: tuple[int, ...] = (1,)  # as EXIF has them

    def photograph(self, strokes: Strokes, rng: Rng) -> bytes:
        x, y = (side * (0.5 + rng.uniform(-self.off, self.off)) for side in (self.width, self.height))
        frame = Frame(self.width, self.height, x, y)
        picture = np.full((self.height, self.width, 3), self.paper, np.float32)
        for thing in self.things:
            layer = Image.new("L", (self.width, self.height))
            thing.draw(ImageDraw.Draw(layer), frame, rng)
            _cover(picture, layer, thing.colours[rng.integers(len(thing.colours))])
        _cover(picture, self._write(strokes, frame, rng), self.ink)
        if self.light:
            rows, columns = np.mgrid[: self.height, : self.width].astype(np.float32)
            picture *= self.light(columns / self.width, rows / self.height, rng)[..., None]
        image = _to_image(picture).filter(ImageFilter.GaussianBlur(self.blur))
        grain = self.grain * _noise(self.height, self.width, rng)
        return self._save(_to_image(np.asarray(image, np.float32) + grain[..., None]), rng)

    def _write(self, strokes: Strokes, frame: Frame, rng: Rng) -> Image.Image:
        """How much the ink covers."""
        pen, reach = self.size * self.pen, int(self.size * (0.75 + self.pen)) + 4
        brush = ImageDraw.Draw(image := Image.new("L", (2 * reach * OVERSAMPLE,) * 2))
        turn, middle = self.tilt * rng.choice((-1, 1)), np.concatenate(strokes).max(axis=0) / 2
        for stroke in strokes:
            path = (_turn((stroke - middle) * self.size, turn) + reach) * OVERSAMPLE
            _draw_line(brush, [(float(x), float(y)) for x, y in path], pen * OVERSAMPLE)
        whole = Image.new("L", (frame.width, frame.height))
        whole.paste(image.reduce(OVERSAMPLE), (round(frame.x) - reach, round(frame.y) - reach))
        if not self.gaps:
            return whole
        skips = _noise(frame.height, frame.width, rng) > 0.4
        return Image.fromarray((np.asarray(whole) * (1 - self.gaps * skips)).astype(np.uint8))

    def _save(self, image: Image.Image, rng: Rng) -> bytes:
        file, exif = io.BytesIO(), Image.Exif()
        if self.quality is None:
            image.save(file, "PNG")
            return file.getvalue()
        exif[ORIENTATION] = orientation = int(rng.choice(self.orientations))
        turned = image.transpose(TURNS[orientation]) if orientation in TURNS else image
        turned.save(file, "JPEG", quality=self.quality, exif=exif)
        return file.getvalue()


def _cover(picture: Values, layer: Image.Image, colour: Colour) -> None:
    share = np.asarray(layer, np.float32)[..., None] / 255
    picture += share * (np.array(colour, np.float32) - picture)


def _to_image(picture: Values) -> Image.Image:
    return Image.fromarray(np.rint(picture.clip(0, 255)).astype(np.uint8))


def _noise(height: int, width: int, rng: Rng) -> Values:
    """Of a standard deviation of 1, in grains of two pixels."""
    noise = rng.standard_normal((height + 1, width + 1), np.float32)
    return np.asarray((noise[1:, 1:] + noise[1:, :-1] + noise[:-1, 1:] + noise[:-1, :-1]) / 2, np.float32)


def _turn(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(points @ np.array([[cosine, sine], [-sine, cosine]]))


def _draw_line(brush: Brush, path: list[tuple[float, float]], width: float) -> None:
    """With round ends."""
    brush.line(path, fill=255, width=max(1, round(width)), joint="curve")
    for x, y in path:
        brush.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)


# Light


def gradient(darkest: float) -> Light:
    """From full light in one corner or at one side to `darkest` opposite."""

    def light(x: Values, y: Values, rng: Rng) -> Factors:
        across, down = (float(part) for part in rng.uniform(-1, 1, 2))
        share = ((x - 0.5) * across + (y - 0.5) * down) / (abs(across) + abs(down)) + 0.5
        return darkest + (1 - darkest) * share

    return light


def shadow(depth: float, softness: float) -> Light:
    """Over one side; its edge is `softness` of the width wide."""

    def light(x: Values, y: Values, rng: Rng) -> Factors:
        edge = x - rng.uniform(0.35, 0.65) + (y - 0.5) * rng.uniform(-0.6, 0.6)
        return np.asarray(1 - depth / (1 + np.exp(-(edge / softness).clip(-50, 50))))

    return light


def band(depth: float, width: float) -> Light:
    """A shadow with two hard edges, as of a cable or a window's bar."""

    def light(x: Values, y: Values, rng: Rng) -> Factors:
        middle = x - rng.uniform(0.1, 0.9) + (y - 0.5) * rng.uniform(-0.6, 0.6)
        return np.asarray(1 - depth * (abs(middle) < width / 2))

    return light


def vignette(darkest: float) -> Light:
    """Darker towards the corners."""

    def light(x: Values, y: Values, rng: Rng) -> Factors:
        return 1 - (1 - darkest) * 2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)

    return light


# Things


def rulings(gap: int, thickness: int, colour: Colour = RULING, *, squares: bool = False) -> Thing:
    def draw(brush: Brush, frame: Frame, rng: Rng) -> None:
        for y in range(int(rng.integers(gap)), frame.height, gap):
            brush.line((0, y, frame.width, y), fill=255, width=thickness)
        for x in range(int(rng.integers(gap)), frame.width, gap) if squares else ():
            brush.line((x, 0, x, frame.height), fill=255, width=thickness)

    return Thing(draw, (colour,))


def box(side: int, thickness: int, colour: Colour = PRINT) -> Thing:
    """Printed around the digit."""

    def draw(brush: Brush, frame: Frame, rng: Rng) -> None:
        x, y, half = frame.x, frame.y, side / 2
        brush.rectangle((x - half, y - half, x + half, y + half), outline=255, width=thickness)

    return Thing(draw, (colour,))


def form(brush: Brush, frame: Frame, rng: Rng) -> None:
    """The middle one of a row of boxes."""
    width, height = frame[:2]
    for y in (0.13 * height, 0.87 * height):
        brush.line((0, y, width, y), fill=255, width=4)
    for x in (0.13 * width, 0.87 * width):
        brush.line((x, 0.13 * height, x, 0.87 * height), fill=255, width=4)


def margin(brush: Brush, frame: Frame, rng: Rng) -> None:
    x = frame.width * rng.choice((0.06, 0.94))
    brush.line((x, 0, x, frame.height), fill=255, width=3)


def desk(brush: Brush, frame: Frame, rng: Rng) -> None:
    brush.polygon(_strip(frame, rng), fill=255)


def sheet(brush: Brush, frame: Frame, rng: Rng) -> None:
    """Another one, a bit darker, with a line of shadow at its edge."""
    corners = _strip(frame, rng)
    brush.polygon(corners, fill=40)
    brush.line(corners[1:3], fill=130, width=4)


def _strip(frame: Frame, rng: Rng) -> list[tuple[float, float]]:
    """Along any side; its inner edge, between the second and the third corner, is not quite parallel."""
    start, end = np.clip(rng.uniform(0.04, 0.14) + rng.uniform(-0.05, 0.05) * np.array((-1, 1)), 0.02, 1)
    corners = [(-0.01, -0.01), (float(start), -0.01), (float(end), 1.01), (-0.01, 1.01)]
    if rng.random() < 0.5:
        corners = [(1 - x, y) for x, y in corners]
    if rng.random() < 0.5:
        corners = [(y, x) for x, y in corners]
    return [(x * frame.width, y * frame.height) for x, y in corners]


def thumb(brush: Brush, frame: Frame, rng: Rng) -> None:
    """Holds the sheet from the left or the right."""
    x, y = frame.width * rng.choice((0, 1)), frame.height * rng.uniform(0.55, 1)
    half_width, half_height = frame.width * rng.uniform(0.08, 0.13), frame.height * rng.uniform(0.12, 0.2)
    brush.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=255)


def text(brush: Brush, frame: Frame, rng: Rng) -> None:
    """A printed line above or below."""
    place = 0.04 * frame.width, frame.height * rng.choice((0.02, 0.93))
    font = ImageFont.load_default(size=int(rng.integers(16, 24)))
    brush.text(place, "Please write one digit here: name, date 12.04.", fill=255, font=font)


def pencil(brush: Brush, frame: Frame, rng: Rng) -> None:
    """Lies beside the digit, across the whole picture."""
    x, slant = frame.width * rng.choice((0.05, 0.95)), frame.width * rng.uniform(-0.03, 0.03)
    brush.line((x - slant, -10, x + slant, frame.height + 10), fill=255, width=frame.width // 28)


def coin(brush: Brush, frame: Frame, rng: Rng) -> None:
    x, y = frame.width * rng.choice((0.08, 0.92)), frame.height * rng.choice((0.08, 0.92))
    radius = 0.06 * frame.width
    brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def specks(brush: Brush, frame: Frame, rng: Rng) -> None:
    for _ in range(12):
        x, y, radius = rng.uniform(0, frame.width), rng.uniform(0, frame.height), rng.uniform(1, 4)
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(rng.integers(80, 255)))


def neighbour(brush: Brush, frame: Frame, rng: Rng) -> None:
    """Another digit, cut by the picture's side."""
    x, y, half = frame.width * rng.choice((-0.02, 1.02)), 0.45 * frame.height, 0.08 * frame.width
    brush.ellipse((x - half, y - 2 * half, x + half, y + 2 * half), outline=255, width=18)


# Two digits


def side_by_side(left: Strokes, right: Strokes) -> Strokes:
    """Two drawings as one that is half as high, its longer side 1 again."""
    gap = np.array((1.5, 0))
    return [stroke / 2.5 for stroke in [*left, *(stroke + gap for stroke in right)]]
