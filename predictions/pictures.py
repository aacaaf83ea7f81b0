"""The model's inputs as pictures and as arrays: bytes from a row in, PNGs and stacks out."""

import base64
import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28  # pixels of an input
Stored = bytes | memoryview  # what a row gives back


def as_array(model_input: Stored) -> NDArray[np.uint8]:
    """(28, 28) of one stored input; writable, as torch wants it."""
    return stack([model_input]).reshape(SIDE, SIDE)


def stack(inputs: Iterable[Stored]) -> NDArray[np.uint8]:
    """(n, 28, 28) of n stored inputs, without a copy for each."""
    return np.frombuffer(bytearray().join(inputs), np.uint8).reshape(-1, SIDE, SIDE)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """(height, width) grey or (height, width, 3) coloured pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def base64_png(pixels: NDArray[np.uint8]) -> str:
    return base64.b64encode(png(pixels)).decode()
