"""The model's inputs as pictures and as arrays: bytes from a row in, PNGs and stacks out."""

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from classifier.stored_picture import encode_png

SIDE = 28  # pixels of an input
Stored = bytes | memoryview  # what a row gives back


def as_array(model_input: Stored) -> NDArray[np.uint8]:
    """(28, 28) of one stored input; writable, as torch wants it."""
    return stack([model_input]).reshape(SIDE, SIDE)


def stack(inputs: Iterable[Stored]) -> NDArray[np.uint8]:
    """(n, 28, 28) of n stored inputs, without a copy for each."""
    return np.frombuffer(bytearray().join(inputs), np.uint8).reshape(-1, SIDE, SIDE)


def base64_png(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(encode_png(pixels)).decode()
