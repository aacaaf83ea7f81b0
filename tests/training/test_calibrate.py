"""Temperature and thresholds."""

import numpy as np
import pytest
import torch

from classifier.checkpoint import SHIPPED, Calibration, load
from classifier.predictor import Predictor
from tests import samples
from training import synthesis
from training.calibrate import ODD, SEED, UNCLEAR, calibrate
from training.evaluate import ask


def test_a_network_that_is_too_sure_of_itself_is_cooled_down() -> None:
    validation = samples.mnist().validation
    usual = load(SHIPPED.read_bytes()).network()
    boastful = load(SHIPPED.read_bytes()).network()
    with torch.no_grad():
        for part in (boastful.head.weight, boastful.head.bias):
            part *= 1.5
    temperatures = [calibrate(network, validation).temperature for network in (usual, boastful)]
    assert temperatures[1] / temperatures[0] == pytest.approx(1.5, rel=0.1)


def test_the_thresholds_refuse_the_shares_of_made_up_digits_that_they_are_set_to() -> None:
    validation = samples.mnist().validation
    network = load(SHIPPED.read_bytes()).network()
    calibration = calibrate(network, validation)
    images, labels = synthesis.digits(len(validation), np.random.default_rng(SEED))
    answers = ask(Predictor(network, calibration), images, labels)
    assert (answers.scores > calibration.not_a_digit).mean() == pytest.approx(ODD, abs=0.01)
    assert (answers.confidence < calibration.confidence).mean() == pytest.approx(UNCLEAR, abs=0.01)


def test_calibration_leaves_the_network_trainable() -> None:
    network = load(SHIPPED.read_bytes()).network()
    before = network.state_dict().keys()
    assert calibrate(network, samples.mnist().validation) != Calibration()
    assert network.state_dict().keys() == before
    assert all(part.requires_grad for part in network.parameters())
