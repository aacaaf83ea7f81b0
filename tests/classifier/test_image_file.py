"""From any image file to pixels, and from pixels to the file that is stored."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from classifier.image_file import DrawingError, Pixels, decode

RANDOM = np.random.default_rng(0)


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(DrawingError) as caught:
        decode(data)
    return caught.value.code


def decode_plainly(data: bytes) -> Pixels:
    """What `decode` gives for a picture of at most LONGEST_SIDE a side, with arrays of floats."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode == "I;16":
        values = np.asarray(image, dtype=np.float32)
        low, high = float(values.min()), float(values.max())
        pixels = ((values - low) * (255 / max(high - low, 1.0)))[..., None]
    elif image.has_transparency_data:
        layers = np.asarray(image.convert("RGBA"), dtype=np.float64)
        colours, alpha = layers[..., :3], layers[..., 3:] / 255
        lightness = (colours * alpha).sum() / max(3 * float(alpha.sum()), 1.0)
        pixels = colours * alpha + (255 if lightness < 128 else 0) * (1 - alpha)
    else:
        pixels = np.atleast_3d(np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")))
    rounded = np.rint(pixels).astype(np.uint8)
    is_grey = (rounded == rounded[..., :1]).all()
    return rounded[..., 0] if is_grey else rounded


# Modes that each format can hold.
MODES = {
    "PNG": ("1", "L", "LA", "P", "P transparent", "P alpha", "L key", "RGB key", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("L", "RGB", "RGBA"),
    "GIF": ("1", "L", "P", "P transparent", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}
KINDS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]


def random_picture(rng: np.random.Generator, mode: str) -> tuple[Image.Image, dict[str, object]]:
    """Of any size and content, and how it is saved."""
    width, height = (int(side) for side in rng.integers(1, 60, 2))
    if mode == "I;16":
        most = int(rng.choice([2, 256, 65_536]))
        return Image.fromarray(rng.integers(0, most, (height, width)).astype(np.uint16)), {}
    layers = rng.integers(0, 256, (height, width, 4)).astype(np.uint8)
    if rng.random() < 0.5:  # grey
        layers[..., 1] = layers[..., 2] = layers[..., 0]
    if rng.random() < 0.5:  # opaque, transparent or both
        layers[..., 3] = rng.choice([0, 255], (height, width)) if rng.random() < 0.7 else 255
    if rng.random() < 0.5:  # dark or light
        layers[..., :3] = layers[..., :3] // 4 + int(rng.choice([0, 180]))
    image = Image.fromarray(layers)
    if mode in ("LA", "RGBA"):
        return image.convert(mode), {}
    name, _, extra = mode.partition(" ")
    image = image.convert("RGB").convert(name, palette=Image.Palette.ADAPTIVE)
    keys = {
        "transparent": 1,
        "alpha": rng.integers(0, 256, 256).astype(np.uint8).tobytes(),
        "key": image.getpixel((0, 0)),
    }
    return image, {"transparency": keys[extra]} if extra else {}


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_any_picture_has_the_values_that_plain_decoding_gives(kind: str, mode: str) -> None:
    rng = np.random.default_rng(KINDS.index((kind, mode)))
    for _ in range(40):
        image, options = random_picture(rng, mode)
        if kind in ("JPEG", "WEBP", "PNG"):
            exif = Image.Exif()
            exif[0x0112] = int(rng.integers(0, 10))
            options["exif"] = exif
        if kind == "JPEG":
            options["progressive"] = bool(rng.integers(2))
        data = file(image, kind, **options)
        pixels = decode(data)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, decode_plainly(data))
