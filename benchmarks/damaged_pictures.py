"""Reads damaged image files of every format that Pillow writes, and prints what came of them.

python -m benchmarks.damaged_pictures [--count 20000] [--seed 0]
"""

import argparse
import json
import sys
import time
import warnings
from collections import Counter

import numpy as np
from PIL import Image

from benchmarks.memory import peak
from classifier.image_file import LONGEST_SIDE, DrawingError, decode
from tests.pictures import animation, file, photo

MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F")
EXTREMES = (0, 1, 2, 127, 128, 254, 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.addaudithook(refuse_programs)
    print(json.dumps(read_damaged(options.count, options.seed)))


def refuse_programs(event: str, _arguments: tuple[object, ...]) -> None:
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system"):
        raise SystemExit(f"A program was started: {event}")


def read_damaged(count: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    whole = whole_files()
    outcomes: Counter[str] = Counter()
    slowest, before = 0.0, peak()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(count):
            data = damage(whole[rng.integers(len(whole))], rng)
            start = time.process_time()
            outcomes[outcome(data)] += 1
            slowest = max(slowest, time.process_time() - start)
    return {
        "files": count,
        "most megabytes": round(peak() - before, 1),
        "most seconds": round(slowest, 3),
        "warnings": len(warned),
        **outcomes,
    }


def outcome(data: bytes) -> str:
    try:
        pixels = decode(data)
    except DrawingError as error:
        return error.code
    assert pixels.dtype == np.uint8 and 0 < max(pixels.shape[:2]) <= LONGEST_SIDE
    assert pixels.ndim == 2 or pixels.shape[2] == 3
    return "read"


def whole_files() -> list[bytes]:
    Image.init()
    images = [to_mode(photo(60, 40), mode) for mode in MODES]
    saved = [save(image, kind) for kind in Image.SAVE for image in images]
    grey, coloured, transparent = images[1], images[3], images[4]
    more = [
        file(coloured, "JPEG", progressive=True),
        file(coloured, "JPEG", subsampling=0, restart_marker_blocks=1),
        file(transparent, "WEBP", lossless=True),
        *(animation(kind, [grey, coloured, grey]) for kind in ("PNG", "GIF", "WEBP", "MPO")),
    ]
    return [data for data in saved if data and len(data) < 100_000] + more * 5


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 250)
    return image.convert(mode)


def save(image: Image.Image, kind: str) -> bytes | None:
    """None where the format can't hold the mode, or needs a program or library to be written."""
    try:
        return file(image, kind)
    except Exception:
        return None


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, doubled in part, and with up to a dozen bytes changed, most of them near its header."""
    damaged = bytearray(data)
    if rng.random() < 0.2:
        del damaged[rng.integers(1, len(damaged)) :]
    if rng.random() < 0.2:
        start, end, place = sorted(rng.integers(0, len(damaged), 3))
        damaged[place:place] = damaged[start:end] * int(rng.integers(1, 50))
    reach = len(damaged) if rng.random() < 0.4 else min(len(damaged), 200)
    for place in rng.integers(0, reach, rng.integers(0, 13)):
        damaged[place] = rng.choice(EXTREMES) if rng.random() < 0.5 else rng.integers(256)
    return bytes(damaged)


if __name__ == "__main__":
    main()
