"""scikit-learn's 1,797 digits of people, of 8×8 pixels each, as they are and enlarged, black on white.

    python -m benchmarks.tiny_digits FOLDER

`manage.py evaluate_model --photos FOLDER` measures on them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIZES = {
    "8-pixels": (8, Image.Resampling.NEAREST),
    "32-pixels-in-squares": (32, Image.Resampling.NEAREST),
    "32-pixels-smooth": (32, Image.Resampling.BICUBIC),
    "160-pixels-in-squares": (160, Image.Resampling.NEAREST),
    "160-pixels-smooth": (160, Image.Resampling.BICUBIC),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    digits = load_digits()
    for name, (side, method) in SIZES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            tiny = Image.fromarray(np.rint(255 - values * (255 / 16)).astype(np.uint8))
            tiny.resize((side, side), method).save(folder / name / f"{number}_{label}.png")


if __name__ == "__main__":
    main()
