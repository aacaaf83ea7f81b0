"""Photographs of digits, made from pen strokes: paper, rulings, light, pens, things beside the digit, JPEG.

    python -m benchmarks.photographs FOLDER [CONDITION ...] [--count 100] [--strokes FILE.npz]

Writes FOLDER/CONDITION/NUMBER_DIGIT.jpg (or .png), for every condition where none is named; each picture
depends on its drawing and its number alone. `manage.py evaluate_model --photos FOLDER` measures on them.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from tqdm import tqdm

from training.drawings import Drawings, Hand, Strokes, draw, load_drawings

Colour = tuple[int, int, int]
Values = NDArray[np.float32]
Factors = NDArray[np.floating]
Rng = np.random.Generator
Brush = ImageDraw.ImageDraw

STROKES = Path(__file__).with_name("data") / "strokes-dev.npz"
OVERSAMPLE = 2
ORIENTATION = 0x0112  # EXIF's tag
TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}

WHITE: Colour = (255, 255, 255)
PAPER: Colour = (236, 233, 226)
GREY_PAPER: Colour = (158, 156, 152)
YELLOW_PAPER: Colour = (240, 220, 120)
RED_PAPER: Colour = (190, 90, 80)
BOARD: Colour = (38, 62, 50)
SLATE: Colour = (30, 30, 32)
BLACK: Colour = (45, 43, 48)
BLUE: Colour = (60, 80, 170)
GREEN: Colour = (70, 140, 90)
RED: Colour = (210, 60, 60)
GREY: Colour = (110, 110, 112)
MARKER: Colour = (245, 226, 70)
PENCIL: Colour = (168, 167, 170)
CHALK: Colour = (225, 228, 222)
RULING: Colour = (150, 172, 214)
MARGIN: Colour = (220, 90, 90)
PRINT: Colour = (40, 40, 40)
WOOD: Colour = (92, 64, 40)
STEEL: Colour = (60, 60, 64)
SKIN: Colour = (214, 160, 132)
SHEET: Colour = (90, 94, 104)
YELLOW: Colour = (196, 150, 30)
BRASS: Colour = (150, 130, 90)
DIRT: Colour = (70, 60, 50)


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


# Canvases, as a drawing program shows them


def canvas(strokes: Strokes, rng: Rng) -> bytes:
    return _png(_canvas(strokes, Hand()))


def thin_canvas(strokes: Strokes, rng: Rng) -> bytes:
    """A pen of one pixel on 280."""
    return _png(_canvas(strokes, Hand(pen=1, black=True)))


def as_small_as_mnist(strokes: Strokes, rng: Rng) -> bytes:
    image = ImageOps.invert(_canvas(strokes, Hand()).resize((28, 28), Image.Resampling.LANCZOS))
    image.save(file := io.BytesIO(), "JPEG", quality=75)
    return file.getvalue()


def _canvas(strokes: Strokes, hand: Hand) -> Image.Image:
    return Image.open(io.BytesIO(draw(strokes, hand)))


def _png(image: Image.Image) -> bytes:
    image.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def with_thing(draw: Callable[[Brush, Frame, Rng], None], *colours: Colour) -> Scene:
    return Scene(size=300, off=0.06, things=(Thing(draw, colours),))


def scan(thing: Thing) -> Scene:
    """Without light and grain."""
    plain = Scene(320, 320, size=160, off=0.03, blur=0, grain=0, quality=None)
    return replace(plain, paper=WHITE, ink=(0, 0, 0), things=(thing,))


def cell(height: float, pen: float) -> Scene:
    """Of a grid over digits' heights, as shares of the picture's, and pens, as shares of the digit's height;
    moved as far as there is room."""
    return Scene(size=640 * height, pen=pen, off=min(0.12, max(0, (1 - height * (1 + pen)) / 2 - 0.03)))


SCENES = {
    "ball-point": Scene(),
    "felt-tip": Scene(pen=0.11),
    "uneven-light": Scene(light=gradient(0.65)),
    "soft-shadow": Scene(light=shadow(0.45, 0.04)),
    "ruled-paper": Scene(size=264, things=(rulings(160, 3),)),
    "squared-paper": Scene(size=304, things=(rulings(160, 3, squares=True),)),
    "black-box": Scene(things=(box(448, 5),), off=0.04),
    "pencil": Scene(ink=PENCIL, gaps=0.35, grain=3),
    "yellow-marker": Scene(ink=MARKER, pen=0.11),
    "grey-on-grey": Scene(ink=GREY, paper=GREY_PAPER),
    "small-in-large": Scene(2300, 1700, size=150, off=0.3, grain=2, quality=80),
    "tilt-25": Scene(tilt=25),
    # Further light
    "hard-shadow": Scene(light=shadow(0.45, 0.0001)),
    "shadow-band": Scene(light=band(0.4, 0.2)),
    "vignette": Scene(light=vignette(0.45)),
    "dim-light": Scene(light=gradient(0.4), grain=4),
    # Things beside the digit
    "desk": with_thing(desk, WOOD, STEEL, BRASS),
    "thumb": with_thing(thumb, SKIN),
    "second-sheet": with_thing(sheet, SHEET),
    "text": with_thing(text, BLACK),
    "pencil-beside": with_thing(pencil, YELLOW, STEEL),
    "coin": with_thing(coin, BRASS),
    "specks": Scene(things=(Thing(specks, (DIRT,)),)),
    "neighbour": with_thing(neighbour, BLACK),
    # Printed lines
    "margin": Scene(size=300, things=(rulings(60, 2), Thing(margin, (MARGIN,))), off=0.08),
    "form": Scene(size=300, things=(Thing(form, (PRINT,)),), off=0.04),
    "close-box": Scene(things=(box(340, 5),), off=0.02),
    "blue-box": Scene(things=(box(420, 8, BLUE),), off=0.04),
    "fine-squares": Scene(size=304, things=(rulings(32, 2, squares=True),)),
    "pencil-on-rulings": Scene(size=264, ink=PENCIL, gaps=0.3, things=(rulings(80, 3),)),
    "pencil-on-squares": Scene(size=304, ink=PENCIL, gaps=0.1, things=(rulings(40, 2, squares=True),)),
    # Pens and papers
    "chalk": Scene(paper=BOARD, ink=CHALK, pen=0.08, gaps=0.25, grain=5),
    "thin-chalk": Scene(paper=SLATE, ink=CHALK, light=gradient(0.6), grain=4),
    "red-stamp": Scene(ink=RED, pen=0.09, gaps=0.3),
    "marker": Scene(size=400, pen=0.14, off=0.02),
    "thin-pen": Scene(pen=0.03),
    "blue-on-yellow": Scene(ink=BLUE, paper=YELLOW_PAPER),
    "green-on-red": Scene(ink=GREEN, paper=RED_PAPER),
    # Cameras and files
    "blur": Scene(blur=4),
    "grain": Scene(grain=10, quality=60),
    "jpeg-30": Scene(quality=30),
    "turned-by-exif": Scene(orientations=(3, 6, 8)),
    "phone": Scene(1500, 2000, size=700, light=gradient(0.7), grain=4),
    "scan-box": scan(box(230, 3, (0, 0, 0))),
    "scan-rulings": scan(rulings(40, 2)),
} | {
    f"grid-{100 * height:02.0f}-{100 * pen:02.0f}": cell(height, pen)
    for height, pen in product((0.08, 0.15, 0.3, 0.55, 0.8), (0.03, 0.06, 0.1, 0.14))
}

CONDITIONS: dict[str, Callable[[Strokes, Rng], bytes]] = {
    "canvas": canvas,
    "one-pixel-pen": thin_canvas,
    "mnist-size": as_small_as_mnist,
    **{name: scene.photograph for name, scene in SCENES.items()},
}


def write(folder: Path, drawings: Drawings, name: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (strokes, label) in enumerate(zip(drawings.strokes, drawings.labels, strict=True)):
        data = CONDITIONS[name](strokes, np.random.default_rng(number))
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
        (folder / name / f"{number}_{label}.{suffix}").write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("conditions", nargs="*", metavar="CONDITION", help=", ".join(CONDITIONS))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--strokes", type=Path, default=STROKES)
    options = parser.parse_args()
    drawings = load_drawings(options.strokes).sample(options.count)
    if unknown := set(options.conditions) - CONDITIONS.keys():
        parser.error(f"There is no condition {', '.join(sorted(unknown))}.")
    for name in tqdm(options.conditions or CONDITIONS):
        write(options.folder, drawings, name)


if __name__ == "__main__":
    main()
