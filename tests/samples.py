"""The committed samples of tests/data, and a training small enough for them."""

from pathlib import Path

import numpy as np

from classifier.model import Config
from training.dataset import Digits, Mnist
from training.drawings import Drawings, load_drawings
from training.train import Settings

DATA = Path(__file__).with_name("data")
STROKES = DATA / "strokes-sample.npz"
LETTERS = DATA / "letters-sample.npz"
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
