"""A real training, of a tiny network on the sample."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from classifier.model import DigitNet
from tests import samples
from training.train import Progress, train, validation_accuracy


@cache
def train_tiny(seed: int = 1) -> tuple[DigitNet, list[Progress]]:
    mnist, progress = samples.mnist(), list[Progress]()
    network = train(mnist.train, mnist.validation, replace(samples.TINY, seed=seed), progress.append)
    return network, progress


def test_it_learns() -> None:
    network, progress = train_tiny()
    losses = [step.loss for step in progress]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert validation_accuracy(network, samples.mnist().validation, "cpu") > 0.3


def test_progress_tells_step_and_loss_and_the_accuracy_after_each_epoch() -> None:
    network, progress = train_tiny()
    steps = 1_050 // samples.TINY.batch
    counted = [part for part in progress if part.accuracy is None]
    assert [part.step for part in counted] == list(range(1, 3 * steps + 1))
    measured = [part for part in progress if part.accuracy is not None]
    assert [part.step for part in measured] == [steps, 2 * steps, 3 * steps]
    assert {part.steps for part in progress} == {3 * steps}
    assert progress[-1].accuracy == validation_accuracy(network, samples.mnist().validation, "cpu")


def test_one_seed_gives_the_same_weights_and_another_others() -> None:
    first = train_tiny()[0].state_dict()
    train_tiny.cache_clear()
    same, other = train_tiny()[0].state_dict(), train_tiny(seed=2)[0].state_dict()
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_made_up_drawings_are_made_anew_after_some_epochs() -> None:
    mnist, kept = samples.mnist(), train_tiny()[0].state_dict()
    network = train(mnist.train, mnist.validation, replace(samples.TINY, renewal=1))
    assert not torch.equal(kept["head.weight"], network.state_dict()["head.weight"])


def test_the_network_is_ready_to_serve() -> None:
    network, _ = train_tiny()
    assert not network.training
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 11)


def test_training_leaves_the_data_as_it_was() -> None:
    mnist = samples.mnist()
    before = mnist.train.fingerprint()
    train(mnist.train, mnist.validation, replace(samples.TINY, epochs=1))
    assert mnist.train.fingerprint() == before


def test_too_few_drawings_for_one_batch_are_an_error() -> None:
    mnist = samples.mnist()
    with pytest.raises(ValueError, match="at least one batch"):
        train(
            mnist.train[:40],
            mnist.validation,
            replace(samples.TINY, made_up_digits=5, slashed_zeros=1, non_digits=1),
        )
