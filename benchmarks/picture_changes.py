"""How often a picture that is inverted, scaled or padded is read as another digit than before.

    python -m benchmarks.photographs FOLDER --count 10
    python -m benchmarks.picture_changes FOLDER

Scaled by a factor from 0.3 to 3, padded by up to half a side with the paper of its edge. Prints every picture
that is read differently, and a table.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from classifier.checkpoint import SHIPPED
from classifier.image_file import Pixels, decode
from classifier.predictor import Predictor
from training.photographs import Result, find_photographs, read

Rng = np.random.Generator


def invert(pixels: Pixels, rng: Rng) -> Pixels:
    return 255 - pixels


def scale(pixels: Pixels, rng: Rng) -> Pixels:
    factor = np.exp(rng.uniform(np.log(0.3), np.log(3)))
    height, width = (max(1, round(side * factor)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def pad(pixels: Pixels, rng: Rng) -> Pixels:
    """Rulings go on."""
    widths = [tuple((side * rng.uniform(0, 0.5, 2)).astype(int).tolist()) for side in pixels.shape[:2]]
    return np.pad(pixels, [*widths, (0, 0)][: pixels.ndim], mode="edge")


CHANGES: dict[str, Callable[[Pixels, Rng], Pixels]] = {"inverted": invert, "scaled": scale, "padded": pad}


def change(file: bytes, name: str, rng: Rng) -> bytes:
    changed = io.BytesIO()
    Image.fromarray(CHANGES[name](decode(file), rng)).save(changed, "BMP")
    return changed.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    pictures = find_photographs(parser.parse_args().folder)
    predictor, others = Predictor.from_bytes(SHIPPED.read_bytes()), dict.fromkeys(CHANGES, 0)
    for number, picture in enumerate(tqdm(pictures, disable=None)):
        file = picture.path.read_bytes()
        before = read(predictor, file)
        for name in CHANGES:
            after = read(predictor, change(file, name, np.random.default_rng(number)))
            if after.digit != before.digit:
                others[name] += 1
                print(f"{name} {picture.condition}/{picture.path.name}: {show(before)} → {show(after)}")
    print(f"{'':<24}{'count':>8}{'another digit':>15}")
    for name, count in others.items():
        print(f"{name:<24}{len(pictures):>8,}{count / len(pictures):>15.2%}")


def show(result: Result) -> str:
    digit = "nothing" if result.digit is None else str(result.digit)
    return f"{digit}, uncertain" if result.uncertain else digit


if __name__ == "__main__":
    main()
