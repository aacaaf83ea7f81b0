"""How well explanations tell which ink an answer hangs on: the product's parts beside a saliency map.

    python -m benchmarks.explanations [--digits 400]

Deletion and insertion curves (Petsiuk et al., 2018, "RISE", arXiv 1806.07421) over the model's input, for
parts, for gradient times input (Shrikumar et al., 2016, arXiv 1605.01713) and for ink in random order. Then
how often another digit is read when the part, or as much ink, is left out. Prints a markdown table.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from classifier.deciding_part import find_part, find_variants, weigh
from classifier.ink import Ink, box_of
from classifier.model import DIGITS, to_tensor
from classifier.predictor import Predictor
from classifier.preprocess import Strokes, render_strokes, to_input
from tests.product import REPOSITORY
from training.drawings import load_drawings

Scores = NDArray[np.float64]  # (28, 28); ink with a higher one matters more
STEPS = 20
PIECES, PATCHES = "pieces of strokes", "patches of ink"
CHANCE = np.random.default_rng(0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--digits", type=int, default=400, help="how many; default: %(default)s")
    torch.set_num_threads(1)
    predictor = Predictor.from_bytes((REPOSITORY / "classifier/shipped.safetensors").read_bytes())
    file = Path(__file__).with_name("data") / "strokes-dev.npz"
    drawings = load_drawings(file).sample(parser.parse_args().digits).strokes
    print("| explanation | deletion | insertion | another digit is read |\n|---|---|---|---|")
    for name, score in METHODS.items():
        figures = np.mean([measure(predictor, strokes, name, score) for strokes in drawings], axis=0)
        print(f"| {name} | {figures[0]:.3f} | {figures[1]:.3f} | {figures[2]:.1%} |")
    print(f"\n{len(drawings)} drawings. Finding a part: {time_parts(predictor, drawings)}")


def measure(
    predictor: Predictor, strokes: Strokes, name: str, score: Callable[[Predictor, Strokes, int], Scores]
) -> tuple[float, float, bool]:
    """The areas below both curves, and whether another digit is read without as much ink as the part has."""
    ink = render_strokes(strokes)
    seen = to_input(ink)
    digit = predictor.read(seen[None])[0].digit
    scores = score(predictor, strokes, digit)
    order = np.flatnonzero(seen)[np.argsort(-scores.ravel()[np.flatnonzero(seen)], kind="stable")]
    deleted, inserted = [], []
    for step in range(STEPS + 1):
        without, alone = seen.copy(), np.zeros_like(seen)
        chosen = order[: round(step / STEPS * len(order))]
        without.ravel()[chosen] = 0
        alone.ravel()[chosen] = seen.ravel()[chosen]
        deleted.append(without)
        inserted.append(alone)
    areas = [area(predictor, inputs, digit) for inputs in (deleted, inserted)]
    return areas[0], areas[1], is_changed(predictor, strokes, name, scores, digit)


def area(predictor: Predictor, inputs: list[Ink], digit: int) -> float:
    """Below the probability of the digit that was read first; without ink, any digit is as likely."""
    probabilities, _ = predictor.probabilities(np.stack(inputs))
    return float(np.trapezoid(probabilities[:, digit], dx=1 / STEPS))


def is_changed(predictor: Predictor, strokes: Strokes, name: str, scores: Scores, digit: int) -> bool:
    ink = render_strokes(strokes).copy()
    part = find_part(predictor, ink, None if name == PATCHES else strokes, digit)
    if part is None or name in (PIECES, PATCHES):
        return part is not None and part.reading.digit != digit
    order = np.argsort(-enlarge(scores, ink).ravel(), kind="stable")
    ink.ravel()[order[: np.count_nonzero(part.mask)]] = 0
    return predictor.read(to_input(ink)[None])[0].digit != digit


def enlarge(scores: Scores, ink: Ink) -> Scores:
    """The scores of the input's pixels on the ink that it was made of."""
    box, inner = box_of(ink, int(ink.max()) // 8), box_of(to_input(ink), 0)
    assert box and inner
    large = np.full(ink.shape, -np.inf)
    large[box] = Image.fromarray(scores[inner].astype(np.float32)).resize(
        ink[box].shape[::-1], Image.Resampling.NEAREST
    )
    return large


def reduce(large: Scores, ink: Ink) -> Scores:
    """The scores of the ink on the pixels of the input that is made of it."""
    box, inner = box_of(ink, int(ink.max()) // 8), box_of(to_input(ink), 0)
    assert box and inner
    scores = np.full((28, 28), -np.inf)
    height, width = (side.stop - side.start for side in inner)
    scores[inner] = Image.fromarray(large[box].astype(np.float32)).resize(
        (width, height), Image.Resampling.BOX
    )
    return scores


def by_parts(predictor: Predictor, strokes: Strokes, digit: int, *, sent: bool = True) -> Scores:
    """Each pixel's score is that of the best part that it is in."""
    ink = render_strokes(strokes)
    large = np.full(ink.shape, -1.0)
    variants = list(find_variants(ink, strokes if sent else None))
    if weighed := weigh(predictor, variants, digit):
        for variant, value in zip(variants, weighed[1].tolist(), strict=True):
            large[variant.mask] = np.maximum(large[variant.mask], value)
    return reduce(large, ink)


def by_patches(predictor: Predictor, strokes: Strokes, digit: int) -> Scores:
    return by_parts(predictor, strokes, digit, sent=False)


def by_gradient(predictor: Predictor, strokes: Strokes, digit: int) -> Scores:
    pixels = to_tensor(torch.from_numpy(to_input(render_strokes(strokes))[None])).requires_grad_()
    (gradient,) = torch.autograd.grad(predictor.network(pixels)[0, :DIGITS].max(), pixels)
    return np.asarray((gradient * pixels)[0, 0].detach().double())


def at_random(predictor: Predictor, strokes: Strokes, digit: int) -> Scores:
    return CHANCE.random((28, 28))


METHODS = {
    PIECES: by_parts,
    PATCHES: by_patches,
    "gradient times input": by_gradient,
    "random": at_random,
}


def time_parts(predictor: Predictor, drawings: Sequence[Strokes]) -> str:
    texts = []
    for name, sent in (("strokes", True), ("ink", False)):
        taken = []
        for strokes in drawings:
            ink, started = render_strokes(strokes), time.perf_counter()
            find_part(predictor, ink, strokes if sent else None, 0)
            taken.append(1000 * (time.perf_counter() - started))
        texts.append(f"of {name} {np.median(taken):.1f} ms, at most {max(taken):.1f} ms")
    return "; ".join(texts)


if __name__ == "__main__":
    main()
