"""Calibration: makes a trained network's probabilities honest, and fixes when it refuses to answer."""

import copy

import numpy as np
from numpy.typing import NDArray

from classifier.checkpoint import Calibration
from classifier.model import DigitNet
from classifier.predictor import Predictor
from training import synthesis
from training.dataset import Digits

SEED = 0  # of the made-up digits; a training's own seed starts at 1
TEMPERATURES = np.geomspace(0.4, 2.5, 60)
# Chosen on the development drawings (docs/experiments.md): real hands are odder than made-up ones,
# so confidence in them is to be lower, and the share of them refused is several times as large.
WARMER = 1.15
ODD = 0.004
UNCLEAR = 0.001


def calibrate(network: DigitNet, validation: Digits) -> Calibration:
    """Fix temperature and thresholds on digits that the network was not trained on: MNIST's validation part
    and as many made-up ones."""
    made_up = Digits(*synthesis.digits(len(validation), np.random.default_rng(SEED)))
    predictor = Predictor(copy.deepcopy(network), Calibration())
    both = validation + made_up
    temperature = WARMER * _temperature(predictor.probabilities(both.images)[0], both.labels)
    probabilities, scores = Predictor(copy.deepcopy(network), Calibration(temperature)).probabilities(
        made_up.images
    )
    return Calibration(
        temperature=temperature,
        not_a_digit=float(np.quantile(scores, 1 - ODD)),
        confidence=float(np.quantile(probabilities.max(axis=1), UNCLEAR)),
    )


def _temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature at which the labels are likeliest (Guo et al., 2017). Softmax at another temperature is
    the probabilities to a power, normalised."""
    logs = np.log(probabilities.clip(1e-12))
    losses = [_loss(logs / temperature, labels) for temperature in TEMPERATURES]
    return float(TEMPERATURES[np.argmin(losses)])


def _loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    likelihoods = logits[np.arange(len(labels)), labels] - np.logaddexp.reduce(logits, axis=1)
    return float(-likelihoods.mean())
