"""From any image file to pixels."""

import io
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from classifier.image_file import DrawingError, Pixels, decode, is_costly
from tests import samples
from tests.pictures import (
    AFFORDABLE,
    TOO_LARGE,
    animation,
    bmp,
    file,
    noise,
    photo,
    png,
    segments,
    with_segments,
)
from tests.reading_cost import Reading
from training.drawings import Hand, draw

CANVAS = draw(samples.strokes().strokes[2], Hand())


def refusal(data: bytes) -> DrawingError:
    with pytest.raises(DrawingError) as caught:
        decode(data)
    return caught.value


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
    rounded: Pixels = np.rint(pixels).astype(np.uint8)
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
    for _ in range(25):
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


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_turned_as_its_exif_says(kind: str, turned: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turned
    data = file(photo(60, 40), kind, exif=exif)
    assert np.array_equal(decode(data), decode_plainly(data))
    assert decode(data).shape == ((40, 60, 3) if turned < 5 else (60, 40, 3))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("entry", [(0x0112, 3, 1, 9), (0x0112, 3, 1, 0), (0x0111, 3, 1, 6)])
def test_exif_that_says_nothing_of_it_turns_nothing(order: str, entry: tuple[int, ...]) -> None:
    start = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    exif = b"Exif\0\0" + start + struct.pack(order + "HHIHH", *entry, 0)
    upright = file(photo(60, 40), "JPEG")
    for body in (exif, exif[:20], b"Exif\0\0", b"Exif\0\0nonsense" * 9):
        assert np.array_equal(decode(with_segments(upright, segments(0xE1, [body]))), decode(upright))


LARGE = {"1": "PNG", "L": "PNG", "P": "GIF", "RGB": "BMP", "RGBA": "PNG", "CMYK": "JPEG", "I;16": "PNG"}


@pytest.mark.parametrize("mode", LARGE)
@pytest.mark.parametrize(("size", "shape"), [((1_500, 700), (478, 1024)), ((300, 4_100), (1024, 75))])
def test_a_larger_picture_is_reduced_by_averaging(
    mode: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    image = photo(*size).convert("L").convert("RGB")
    if mode == "I;16":
        data = file(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))
    else:
        data = file(image.convert(mode), LARGE[mode])
    whole = Image.fromarray(decode_plainly(data)).convert("L")
    expected = np.asarray(whole.resize(shape[::-1], Image.Resampling.BOX), np.float32)
    pixels = decode(data)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    assert pixels.shape[:2] == shape
    assert np.abs(grey - expected).mean() < (4 if mode == "CMYK" else 1.5)  # reduced by libjpeg first


@pytest.mark.parametrize(
    ("side", "longest"), [(1024, 1024), (1025, 1024), (1999, 1024), (2000, 1000), (8100, 1013)]
)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_decoded_at_the_scale_that_is_needed(side: int, longest: int, progressive: bool) -> None:
    small = Image.linear_gradient("L")
    data = file(small.resize((side, 400)), "JPEG", progressive=progressive)
    pixels = decode(data)
    assert pixels.shape[1] == longest
    expected = np.asarray(small.resize(pixels.shape[::-1]), np.float32)
    assert np.abs(pixels.astype(np.float32) - expected).mean() < 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_that_is_not_blank_counts(kind: str) -> None:
    digit = Image.open(io.BytesIO(CANVAS)).convert("L")
    blank, other = Image.new("L", digit.size, 255), digit.transpose(Image.Transpose.ROTATE_90)
    drawing = animation(
        kind, [blank, Image.new("L", digit.size, 254), digit, other], lossless=True, duration=9
    )
    assert np.array_equal(decode(drawing), np.asarray(digit))
    assert np.array_equal(decode(animation(kind, [digit, other], lossless=True)), np.asarray(digit))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_of_nothing_is_blank(kind: str) -> None:
    pixels = decode(
        animation(kind, [Image.new("L", (50, 40), 9 + number) for number in range(40)], lossless=True)
    )
    assert pixels.shape == (40, 50)
    assert len(np.unique(pixels)) == 1


def test_the_picture_before_an_animation_counts_too() -> None:
    frames = [Image.new("L", (50, 40), 9), photo(50, 40).convert("L")]
    data = file(frames[0], save_all=True, default_image=True, append_images=[frames[0], frames[1]])
    assert np.array_equal(decode(data), np.asarray(frames[1]))


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_frame_is_read_though_a_later_one_is_damaged(kind: str) -> None:
    first, second = photo(60, 40).convert("L"), noise(60, 40, "L")
    data = animation(kind, [first, second])
    assert np.array_equal(decode(data[:-300] + b"\xee" * 300), np.asarray(first))


def test_a_jpeg_with_more_pictures_is_its_first() -> None:
    first = photo(60, 40)
    assert np.array_equal(
        decode(animation("MPO", [first, noise(60, 40)])), decode_plainly(file(first, "JPEG"))
    )


HEADS = {
    "TIFF": file(photo(9, 9), "TIFF"),
    "PPM": file(photo(9, 9), "PPM"),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "PDF": b"%PDF-1.7\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "JPEG 2000": file(photo(99, 99), "JPEG2000"),
}


@pytest.mark.parametrize("name", HEADS)
def test_other_formats_are_named_with_those_that_are_read(name: str) -> None:
    error = refusal(HEADS[name])
    assert error.code == "unsupported_format"
    assert str(error) == f"{name} files can't be read here; please send a PNG, JPEG, WebP, GIF or BMP."


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_an_iphones_format_is_refused_with_the_way_to_send_a_jpeg(brand: bytes) -> None:
    error = refusal(struct.pack(">I4s4s", 24, b"ftyp", brand) + bytes(500))
    assert error.code == "unsupported_format"
    assert "Settings → Camera → Formats → Most Compatible" in str(error)


WHOLE = {
    "PNG": CANVAS,
    "JPEG": file(photo(60, 40), "JPEG"),
    "progressive JPEG": file(photo(60, 40), "JPEG", progressive=True),
    "WEBP": file(photo(60, 40), "WEBP"),
    "lossless WEBP": file(photo(60, 40), "WEBP", lossless=True),
    "GIF": file(photo(60, 40), "GIF"),
    "BMP": file(photo(60, 40), "BMP"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_was_cut_off_is_no_image(kind: str) -> None:
    for size in {*range(1, 60), len(WHOLE[kind]) // 2}:
        if size < len(WHOLE[kind]):
            assert refusal(WHOLE[kind][:size]).code == "not_an_image"


@pytest.mark.parametrize(
    "data", [b"", b"no image", b"BMW", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert refusal(data).code == "not_an_image"


def test_jpegs_of_kinds_that_browsers_do_not_read_are_refused() -> None:
    data = WHOLE["JPEG"]
    frame = data.index(b"\xff\xc0")
    for marker in (0xC3, 0xC9, 0xCA):  # lossless; arithmetic coding
        assert refusal(data[: frame + 1] + bytes([marker]) + data[frame + 2 :]).code == "not_an_image"
    twice = data[:frame] + data[frame : frame + 19] + data[frame:]
    assert refusal(twice).code == "not_an_image"


def test_a_bitmap_with_run_lengths_is_read_while_it_is_small() -> None:
    assert (decode(bmp(200, 100, 1, b"\xc8\x07\0\0" * 100)) == 7).all()


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading]:
    """What it takes to read each file, in a process of its own."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, make in (TOO_LARGE | AFFORDABLE).items():
        (folder / name).write_bytes(make())
    command = [sys.executable, "-W", "error", "-m", "tests.reading_cost", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not result.stderr
    lines: list[Reading] = [json.loads(line) for line in result.stdout.splitlines()]
    return {reading["name"]: reading for reading in lines}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_would_cost_too_much_is_refused_from_its_header(readings: dict[str, Reading], name: str) -> None:
    assert readings[name]["outcome"] == "image_too_large"
    assert readings[name]["megabytes"] < 25
    assert readings[name]["seconds"] < 0.5


@pytest.mark.parametrize("name", AFFORDABLE)
def test_what_is_decoded_stays_within_bounds(readings: dict[str, Reading], name: str) -> None:
    damaged = {"jpeg-many-tables", "bmp-run-lengths-with-no-effect"}
    assert (readings[name]["outcome"] == "not_an_image") == (name in damaged)
    assert readings[name]["outcome"] != "image_too_large"
    assert readings[name]["megabytes"] < 60
    assert readings[name]["seconds"] < 1


def test_only_large_decodes_are_costly() -> None:
    assert not is_costly(CANVAS)
    assert not is_costly(file(photo(400, 400), "JPEG"))
    assert is_costly(file(photo(1_600, 1_200), "JPEG"))
    assert is_costly(png(4_000, 3_000))
    with pytest.raises(DrawingError):
        is_costly(TOO_LARGE["jpeg-largest"]())
