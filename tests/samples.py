"""The committed samples of tests/data, and a training small enough for them.

python -m tests.samples    makes the small network anew, in a minute or two
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from classifier.checkpoint import dump
from classifier.model import Config
from training.dataset import Digits, Mnist
from training.drawings import Drawings, load_drawings
from training.recipe import CLOSING, make_checkpoint, split
from training.train import Settings

DATA = Path(__file__).with_name("data")
STROKES = DATA / "strokes-sample.npz"
LETTERS = DATA / "letters-sample.npz"
# A twelfth of the shipped network's work, for tests in which any version that reads digits will do.
SMALL = DATA / "small.safetensors"
TINY = Settings(
    epochs=3,
    batch=64,
    made_up_digits=100,
    slashed_zeros=50,
    non_digits=100,
    averaging=0.9,
    config=Config(channels=(4, 8, 16), features=16),
)


def mnist() -> Mnist:
    """800 digits to train on, 200 to validate, 1,000 of the test set."""
    with np.load(DATA / "mnist-sample.npz") as data:
        train, test = (
            Digits(data[f"{part}_images"], data[f"{part}_labels"].astype(np.int64))
            for part in ("train", "test")
        )
    return Mnist(train[:800], train[800:], test)


def strokes() -> Drawings:
    return load_drawings(STROKES)


def letters() -> Drawings:
    return load_drawings(LETTERS)


def make_small() -> bytes:
    """A checkpoint that reads about 97 % of MNIST and of made-up digits, by the recipe of every other."""
    start = replace(
        TINY,
        epochs=20,
        learning_rate=0.01,
        made_up_digits=3_000,
        slashed_zeros=100,
        non_digits=1_000,
        averaging=0.98,
        config=Config(channels=(6, 12, 24), features=24),
    )
    return dump(make_checkpoint(split(mnist(), {}), start, replace(CLOSING, steps=400, batch=64)))


if __name__ == "__main__":
    SMALL.write_bytes(make_small())
