"""From pixels to the file that is stored."""

import io

import numpy as np
import pytest
from PIL import Image

from classifier.image_file import LONGEST_SIDE, decode
from classifier.stored_picture import MOST_STORED, encode
from tests import samples
from tests.pictures import file, noise, photo
from training.drawings import Hand, draw

STORED_WITHOUT_LOSS = {
    "canvas": decode(draw(samples.strokes().strokes[2], Hand())),
    "coloured": decode(file(noise(200, 300))),
    "one pixel": np.full((1, 1), 7, np.uint8),
    "one row": np.arange(LONGEST_SIDE, dtype=np.uint8)[None],
    "flat": np.full((LONGEST_SIDE, LONGEST_SIDE, 3), (9, 99, 199), np.uint8),
}


@pytest.mark.parametrize("name", STORED_WITHOUT_LOSS)
def test_what_is_stored_comes_back_as_it_was(name: str) -> None:
    pixels = STORED_WITHOUT_LOSS[name]
    assert encode(pixels).startswith(b"\x89PNG")
    assert len(encode(pixels)) <= MOST_STORED
    assert np.array_equal(decode(encode(pixels)), pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(pixels)))), pixels)


@pytest.mark.parametrize(
    "pixels",
    [noise(1024, 1024), noise(1024, 1024, "L"), photo(1024, 900)],
    ids=["noise", "grey noise", "photo"],
)
def test_what_is_stored_is_small_whatever_the_picture(pixels: Image.Image) -> None:
    stored = encode(np.asarray(pixels))
    assert len(stored) <= MOST_STORED
    assert max(decode(stored).shape) >= 512


def test_nothing_but_pixels_is_stored() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker of the camera"
    for kind in ("PNG", "JPEG", "WEBP"):
        data = file(photo(1_400, 900), kind, exif=exif, comment=b"a comment")
        assert b"maker of the camera" in data
        assert not Image.open(io.BytesIO(encode(decode(data)))).getexif()
        assert b"maker of the camera" not in encode(decode(data))
