"""From a drawing to the model's input."""

import io

import numpy as np
import pytest
from PIL import Image

from classifier.image_file import DrawingError
from classifier.ink import Ink
from classifier.preprocess import read_picture, render_strokes, to_input
from tests import samples
from training.drawings import Hand, draw

DIGITS = samples.mnist().test.images
# Its centre of mass is far from where rounding to whole pixels turns over.
DRAWING = samples.strokes().strokes[2]
CANVAS = read_picture(draw(DRAWING, Hand()))


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def cropped(image: Ink) -> Ink:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()


def difference(first: Ink, second: Ink) -> float:
    """Mean absolute difference, full ink being 1."""
    return float(np.abs(first.astype(float) - second).mean() / 255)


def test_digits_of_mnist_come_back_bit_for_bit() -> None:
    changed = sum(not np.array_equal(to_input(cropped(digit)), digit) for digit in DIGITS)
    assert len(DIGITS) == 1_000
    assert changed <= 1


def test_digits_of_mnist_as_files_come_back_bit_for_bit_in_both_polarities() -> None:
    for digit in DIGITS[:100]:
        assert np.array_equal(to_input(read_picture(file(Image.fromarray(digit)))), digit)
        assert np.array_equal(to_input(read_picture(file(Image.fromarray(255 - digit)))), digit)


def test_the_input_has_a_box_of_20_and_its_centre_of_mass_at_14() -> None:
    for drawing in samples.strokes().strokes[:50]:
        result = to_input(render_strokes([path.tolist() for path in drawing]))
        assert max(cropped(result).shape) == 20
        rows, columns = (result.sum(axis=axis, dtype=float) for axis in (1, 0))
        for mass in (rows, columns):
            assert 13.5 <= (mass * np.arange(28)).sum() / mass.sum() < 14.5


def test_ink_that_would_leave_the_image_stays_inside() -> None:
    ink = np.zeros((100, 100), np.uint8)
    ink[:20], ink[:, 50] = 255, 255
    assert to_input(ink).sum(dtype=int) > 0
    assert max(cropped(to_input(ink)).shape) == 20


def white_on_black() -> Image.Image:
    return Image.fromarray(CANVAS)


def with_alpha(ink: int) -> Image.Image:
    """Ink of one grey on nothing."""
    grey = Image.new("L", white_on_black().size, ink)
    return Image.merge("LA", (grey, white_on_black()))


def coloured(paper: tuple[int, int, int], ink: tuple[int, int, int]) -> Image.Image:
    size = white_on_black().size
    return Image.composite(Image.new("RGB", size, ink), Image.new("RGB", size, paper), white_on_black())


EXACT = {
    "white on black": white_on_black(),
    "black on white": Image.fromarray(255 - CANVAS),
    "black on transparent": with_alpha(0),
    "white on transparent": with_alpha(255),
    "RGBA": white_on_black().convert("RGBA"),
    "palette": white_on_black().convert("P"),
    "sixteen bits": Image.fromarray(CANVAS.astype(np.uint16) * 257),
}
CLOSE = {
    "one bit": white_on_black().convert("1"),
    "navy on yellow": coloured((255, 240, 150), (20, 20, 90)),
    "red on green of the same lightness": coloured((0, 110, 0), (215, 0, 0)),
    "pale pencil": Image.fromarray(255 - CANVAS // 4),
    "CMYK": coloured((255, 255, 255), (0, 0, 0)).convert("CMYK"),
    "two inches": white_on_black().resize((1600, 1600), Image.Resampling.BICUBIC),
    "a thumbnail": white_on_black().resize((64, 64), Image.Resampling.BOX),
}


@pytest.mark.parametrize("kind", EXACT)
def test_the_same_drawing_in_another_form_gives_the_same_input(kind: str) -> None:
    assert np.array_equal(to_input(read_picture(file(EXACT[kind]))), to_input(CANVAS))


@pytest.mark.parametrize("kind", CLOSE)
def test_the_same_drawing_in_other_colours_and_sizes_gives_nearly_the_same_input(kind: str) -> None:
    container = "JPEG" if CLOSE[kind].mode == "CMYK" else "PNG"
    assert difference(to_input(read_picture(file(CLOSE[kind], container))), to_input(CANVAS)) < 0.02


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP"])
def test_other_formats_are_read(kind: str) -> None:
    assert difference(to_input(read_picture(file(white_on_black(), kind))), to_input(CANVAS)) < 0.02


def test_a_photo_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    turned = white_on_black().transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(to_input(read_picture(file(turned, exif=exif))), to_input(CANVAS))


def test_moving_and_inverting_change_nothing() -> None:
    first = to_input(CANVAS)
    moved = np.roll(CANVAS, (13, -7), axis=(0, 1))
    assert np.array_equal(to_input(moved), first)
    assert np.array_equal(to_input(read_picture(draw(DRAWING, Hand(black=True)))), first)


def refused(data: bytes) -> str:
    with pytest.raises(DrawingError) as caught:
        to_input(read_picture(data))
    return caught.value.code


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_image_is_refused(shade: int) -> None:
    assert refused(file(Image.new("L", (280, 280), shade))) == "blank_drawing"


def test_paper_with_a_jpegs_noise_is_blank() -> None:
    noise = np.random.default_rng(0).integers(235, 250, (200, 200)).astype(np.uint8)
    assert refused(file(Image.fromarray(noise))) == "blank_drawing"


def test_strokes_look_like_the_same_drawing_on_a_canvas() -> None:
    strokes = to_input(render_strokes([path.tolist() for path in DRAWING]))
    assert difference(strokes, to_input(read_picture(draw(DRAWING, Hand(pen=28.4))))) < 0.02


@pytest.mark.parametrize("unit", [1e-300, 1e-6, 1, 280, 1e9, 1e300])
def test_strokes_may_be_in_any_unit(unit: float) -> None:
    usual = to_input(render_strokes([path.tolist() for path in DRAWING]))
    scaled = to_input(render_strokes([(path * unit).tolist() for path in DRAWING]))
    assert difference(usual, scaled) < 0.001


def test_the_largest_numbers_overflow_nothing() -> None:
    largest = float(np.finfo(np.float64).max)
    assert to_input(render_strokes([[(-largest, -largest), (largest, largest)]])).any()


@pytest.mark.parametrize("stroke", [[(5.0, 5.0)], [(5.0, 5.0)] * 3, [(0.0, 0.0)], [(1e300, -1e300)]])
def test_one_point_is_a_dot(stroke: list[tuple[float, float]]) -> None:
    dot = to_input(render_strokes([stroke]))
    assert cropped(dot).shape == (20, 20)
    assert dot[14, 14] == 255


@pytest.mark.parametrize("strokes", [[], [[]], [[], []]])
def test_strokes_without_points_are_blank(strokes: list[list[tuple[float, float]]]) -> None:
    with pytest.raises(DrawingError) as caught:
        render_strokes(strokes)
    assert caught.value.code == "blank_drawing"


def test_the_width_of_the_pen_is_mnists() -> None:
    drawn = [to_input(render_strokes([path.tolist() for path in d])) for d in samples.strokes().strokes]
    mean_ink = [float(np.mean([image.mean() for image in images])) for images in (drawn, DIGITS)]
    assert mean_ink[0] == pytest.approx(mean_ink[1], rel=0.2)
