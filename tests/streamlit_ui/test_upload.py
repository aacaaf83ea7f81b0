"""Uploads: what is sent to the API for a photo, a scan or anything else."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from streamlit_ui.client import RefusedError
from streamlit_ui.photo import LONGEST_SIDE, prepare

CORNER = [(300, 200), (300, 700), (800, 700)]


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def drawing(ink: int, paper: int, size: tuple[int, int] = (1200, 900)) -> Image.Image:
    picture = Image.new("L", size, paper)
    ImageDraw.Draw(picture).line(CORNER, fill=ink, width=40)
    return picture


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def ink(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(opened(data)) < 128


def test_large_photo_is_scaled_down_and_fits_the_api() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (3000, 4000))
    photo = np.clip(np.asarray(drawing(50, 190, (4000, 3000))) + noise, 0, 255).astype(np.uint8)
    sent = prepare(encoded(Image.fromarray(photo), "JPEG"))
    assert max(opened(sent).size) == LONGEST_SIDE
    assert len(sent) * 4 / 3 < 900_000


@pytest.mark.parametrize("tag", range(1, 9))
def test_rotation_tag_is_applied(tag: int) -> None:
    upright = drawing(20, 230)
    back = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    turned = upright
    for step in back.get(tag, []):
        turned = turned.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = tag
    sent = ink(prepare(encoded(turned, "JPEG", exif=exif, quality=95)))
    assert (sent == ink(prepare(encoded(upright, "JPEG", quality=95)))).mean() > 0.999


def test_light_and_shadow_are_no_ink() -> None:
    """A slanting light and the soft edge of a shadow, as over a sheet beneath a lamp."""
    down, across = np.mgrid[0:900, 0:1200]
    light = (1 - 0.5 * across / 1200) * (1 - 0.3 / (1 + np.exp((450 - down) / 20)))
    photo = Image.fromarray((np.asarray(drawing(40, 230)) * light).astype(np.uint8))
    sent, flat = ink(prepare(encoded(photo, "JPEG"))), ink(prepare(encoded(drawing(40, 230), "JPEG")))
    assert (sent == flat).mean() > 0.995
    assert sent.mean() > 0.02


def test_white_on_black_is_turned_to_black_on_white() -> None:
    assert (ink(prepare(encoded(drawing(250, 5)))) == ink(prepare(encoded(drawing(5, 250))))).all()


def test_transparent_is_paper() -> None:
    layered = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    ImageDraw.Draw(layered).line([(200, 100), (200, 400)], fill=(20, 20, 60, 255), width=30)
    sent = ink(prepare(encoded(layered)))
    assert 0.01 < sent.mean() < 0.1


def test_small_picture_is_sent_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    assert (np.asarray(opened(prepare(encoded(Image.fromarray(pixels))))) == pixels).all()


def test_empty_sheet_stays_empty() -> None:
    assert not ink(prepare(encoded(Image.new("L", (800, 600), 220)))).any()


@pytest.mark.parametrize("data", [b"", b"not a picture", encoded(drawing(0, 255), "JPEG")[:500]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        prepare(data)


def test_picture_with_too_many_pixels_is_refused() -> None:
    with pytest.raises(RefusedError, match="picture"):
        prepare(encoded(Image.new("1", (20_000, 20_000))))
