"""Photographs of digits, made from pen strokes, in every condition that the reader should manage.

    python -m benchmarks.photographs FOLDER [CONDITION ...] [--count 100] [--strokes FILE.npz]

Writes FOLDER/CONDITION/NUMBER_DIGIT.jpg (or .png), for every condition where none is named; each picture
depends on its drawing and its number alone. `manage.py evaluate_model --photos FOLDER` measures on them.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from benchmarks.scene import (
    BLACK,
    PRINT,
    Brush,
    Colour,
    Frame,
    Rng,
    Scene,
    Thing,
    band,
    box,
    coin,
    desk,
    form,
    gradient,
    margin,
    neighbour,
    pencil,
    rulings,
    shadow,
    sheet,
    specks,
    text,
    thumb,
    vignette,
)
from training.drawings import Drawings, Hand, Strokes, draw, load_drawings

WHITE: Colour = (255, 255, 255)
GREY_PAPER: Colour = (158, 156, 152)
YELLOW_PAPER: Colour = (240, 220, 120)
RED_PAPER: Colour = (190, 90, 80)
BOARD: Colour = (38, 62, 50)
SLATE: Colour = (30, 30, 32)
BLUE: Colour = (60, 80, 170)
GREEN: Colour = (70, 140, 90)
RED: Colour = (210, 60, 60)
GREY: Colour = (110, 110, 112)
MARKER: Colour = (245, 226, 70)
PENCIL: Colour = (168, 167, 170)
CHALK: Colour = (225, 228, 222)
MARGIN: Colour = (220, 90, 90)
WOOD: Colour = (92, 64, 40)
STEEL: Colour = (60, 60, 64)
SKIN: Colour = (214, 160, 132)
SHEET: Colour = (90, 94, 104)
YELLOW: Colour = (196, 150, 30)
BRASS: Colour = (150, 130, 90)
DIRT: Colour = (70, 60, 50)

STROKES = Path(__file__).with_name("data") / "strokes-dev.npz"


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
