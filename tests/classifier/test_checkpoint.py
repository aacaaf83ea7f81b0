"""Weights in bytes."""

import json

import pytest
import torch
from safetensors.torch import save

from classifier.checkpoint import KEY, SHIPPED, Calibration, Checkpoint, Metrics, dump, load
from classifier.model import Config, DigitNet


def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    config = Config(channels=(2, 4, 6), features=8)
    metrics = load(SHIPPED.read_bytes()).metrics
    return Checkpoint(config, DigitNet(config).state_dict(), Calibration(0.7, 0.6, 0.5), metrics)


def test_what_was_dumped_is_loaded() -> None:
    first, second = checkpoint(), load(dump(checkpoint()))
    assert (second.config, second.calibration, second.metrics) == (
        first.config,
        first.calibration,
        first.metrics,
    )
    for name, tensor in first.weights.items():
        assert torch.allclose(second.weights[name], tensor, rtol=1e-3, atol=1e-6), name


def test_the_same_weights_give_the_same_bytes() -> None:
    assert dump(checkpoint()) == dump(checkpoint())
    assert dump(load(dump(checkpoint()))) == dump(checkpoint())


def test_the_shipped_weights_take_at_most_a_megabyte_and_say_where_they_come_from() -> None:
    data = SHIPPED.read_bytes()
    assert len(data) <= 1_000_000
    metrics = load(data).metrics
    assert metrics and metrics.keys() == Metrics.__annotations__.keys()


def weights(**changed: torch.Tensor) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in {**checkpoint().weights, **changed}.items()}


FACTS = {"config": {"channels": [2, 4, 6], "features": 8}, "calibration": {}, "metrics": {}}
BAD = {
    "nothing": b"",
    "text": b"not a checkpoint",
    "half of it": dump(checkpoint())[:-100],
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00",
    "another model's file": save({"a": torch.zeros(2)}),
    "no metadata": save(weights()),
    "metadata that is no JSON": save(weights(), {KEY: "{"}),
    "metadata that is no object": save(weights(), {KEY: "[]"}),
    "missing weights": save({"head.bias": torch.zeros(11)}, {KEY: json.dumps(FACTS)}),
    "weights of another shape": save(weights(**{"head.bias": torch.zeros(3)}), {KEY: json.dumps(FACTS)}),
    "too few channels": save(
        weights(), {KEY: json.dumps({**FACTS, "config": {"channels": [2, 4], "features": 8}})}
    ),
    "negative channels": save(
        weights(), {KEY: json.dumps({**FACTS, "config": {"channels": [-1, 4, 6], "features": 8}})}
    ),
    "huge channels": save(
        weights(), {KEY: json.dumps({**FACTS, "config": {"channels": [2**40, 4, 6], "features": 8}})}
    ),
    "unknown calibration": save(weights(), {KEY: json.dumps({**FACTS, "calibration": {"x": 1}})}),
}


@pytest.mark.parametrize("kind", BAD)
def test_anything_else_is_refused_in_plain_words(kind: str) -> None:
    with pytest.raises(ValueError, match="Not a digit checkpoint"):
        load(BAD[kind])
