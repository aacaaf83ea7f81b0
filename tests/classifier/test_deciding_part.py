"""The part that an answer hangs on, of drawings by people."""

import time
import tracemalloc

import numpy as np
import pytest

from classifier.deciding_part import LONGEST, MOST, MOST_POINTS, Part, find_part, scale, split_strokes
from classifier.ink import Ink
from classifier.predictor import Predictor
from classifier.preprocess import Strokes, render_strokes, to_input
from mnistsite.settings import BASE_DIR
from tests import samples

DRAWINGS = samples.strokes().strokes[:60]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.from_bytes((BASE_DIR / "classifier" / "shipped.safetensors").read_bytes())


def find(predictor: Predictor, ink: Ink, strokes: Strokes | None) -> tuple[int, Part]:
    digit = predictor.read(to_input(ink)[None])[0].digit
    part = find_part(predictor, ink, strokes, digit)
    assert part
    return digit, part


@pytest.mark.parametrize("by_strokes", [True, False])
def test_without_its_part_nearly_every_drawing_is_read_otherwise(
    predictor: Predictor, by_strokes: bool
) -> None:
    changed = 0
    for strokes in DRAWINGS:
        digit, part = find(predictor, render_strokes(strokes), strokes if by_strokes else None)
        assert part.reading == predictor.read(part.rest[None])[0]
        changed += part.reading.digit != digit
    assert changed > 0.8 * len(DRAWINGS)


def test_part_is_of_the_ink_and_at_most_half_of_it(predictor: Predictor) -> None:
    for strokes in DRAWINGS:
        ink = render_strokes(strokes)
        _, part = find(predictor, ink, None)
        assert part.mask.any()
        assert ink[part.mask].all()
        assert part.mask.sum() < 1.2 * LONGEST * (ink > 0).sum()


def test_pieces_together_are_the_drawing(predictor: Predictor) -> None:
    for strokes in DRAWINGS:
        ink = render_strokes(strokes)
        for share, part, rest in split_strokes(scale(strokes)):
            assert share <= LONGEST or len(rest) < len(strokes)
            drawn = [render_strokes(paths, frame=scale(strokes)) for paths in (part, rest)]
            assert (np.maximum(*drawn) != ink).mean() < 0.01, "cuts are rounded to whole pixels"


def test_enlarged_picture_has_the_same_part(predictor: Predictor) -> None:
    ink = render_strokes(DRAWINGS[1])
    large = np.pad(ink.repeat(3, axis=0).repeat(3, axis=1), 40)
    _, part = find(predictor, ink, None)
    _, of_large = find(predictor, large, None)
    assert of_large.reading.digit == part.reading.digit
    assert (of_large.mask[40:-40:3, 40:-40:3] == part.mask).mean() > 0.98


def test_large_picture_takes_the_memory_of_a_few_copies_and_not_of_one_for_each_part(
    predictor: Predictor,
) -> None:
    ink = np.pad(render_strokes(DRAWINGS[1]).repeat(3, axis=0).repeat(3, axis=1), 40)
    tracemalloc.start()
    find(predictor, ink, None)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 25 * ink.nbytes


@pytest.mark.parametrize("strokes", [[[(3, 3)]], [[(3, 3), (3, 3)]]])
def test_single_point_has_no_part(predictor: Predictor, strokes: Strokes) -> None:
    assert find_part(predictor, render_strokes(strokes), strokes, 1) is None


def test_work_is_bounded_however_much_was_drawn(predictor: Predictor) -> None:
    scribble = np.random.default_rng(0).uniform(0, 200, (40, 250, 2))
    drawings: list[Strokes] = [list(scribble), list(scribble[:, : MOST_POINTS // len(scribble)])]
    for strokes in drawings:
        started = time.process_time()
        find(predictor, render_strokes(strokes), strokes)
        assert time.process_time() - started < 1
    assert MOST <= 32
