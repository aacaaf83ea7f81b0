"""Fine-tuning: what it changes, and how much of that is kept."""

from dataclasses import replace

import pytest
import torch

from classifier.checkpoint import load
from classifier.model import DigitNet
from tests import samples
from training.finetune import FineTuning, finetune

QUICK = FineTuning(steps=3, drawings_share=0.25, batch=32, made_up=20)


def tune(network: DigitNet, settings: FineTuning) -> dict[str, torch.Tensor]:
    mnist = samples.mnist()
    return finetune(network, mnist.train, mnist.test[:50], mnist.validation, settings).state_dict()


def test_half_of_the_way_is_half_way() -> None:
    network = load(samples.SMALL.read_bytes()).network()
    start, end, half = network.state_dict(), tune(network, QUICK), tune(network, replace(QUICK, kept=0.5))
    weights = [name for name, tensor in start.items() if tensor.is_floating_point()]
    assert any(not torch.equal(start[name], end[name]) for name in weights)
    for name in weights:
        assert torch.allclose(half[name], (start[name] + end[name]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("drawings", "steps", "share", "kept"),
    [(10, 401, 0.2, 0.5), (1_200, 600, 0.3, 0.6), (5_800, 1_366, 0.4, 0.85), (90_000, 1_500, 0.4, 0.85)],
)
def test_the_more_drawings_the_more_of_them_is_learned(
    drawings: int, steps: int, share: float, kept: float
) -> None:
    settings = FineTuning.for_drawings(drawings)
    assert (settings.steps, settings.drawings_share, round(settings.kept, 2)) == (steps, share, kept)
