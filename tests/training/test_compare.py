"""The gate's statistics, on outcomes made for the purpose."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.compare import (
    Paired,
    calibration_not_worse,
    labels_trusted,
    no_digit_worse,
    not_slower,
    not_worse,
)
from training.evaluate import calibration_error

LABELS = np.arange(10_000) % 10


def reading(
    labels: NDArray[np.int64], wrong: NDArray[np.int64], confidence: float = 0.99
) -> NDArray[np.float64]:
    """Probabilities of a model that reads these rows as the next digit, and all others right."""
    read = labels.copy()
    read[wrong] = (read[wrong] + 1) % 10
    return np.where(np.eye(10)[read] > 0, confidence, (1 - confidence) / 9)


def paired(active: list[int], candidate: list[int]) -> Paired:
    """The rows that each of the two reads wrong."""
    both = [reading(LABELS, np.array(wrong, np.int64)) for wrong in (active, candidate)]
    return Paired("MNIST test", LABELS, *both)


def test_mcnemar_counts_only_the_digits_that_one_of_the_two_reads_right() -> None:
    check = not_worse(paired(active=[1, 2, 3], candidate=[3, 4]))
    assert (check["lost"], check["won"]) == (1, 2)
    assert check["p_value"] == pytest.approx(7 / 8)  # at least 1 of 3 fair coins
    assert check["passed"]


def test_significantly_worse_candidate_fails() -> None:
    assert not_worse(paired([], [1, 2, 3, 4]))["p_value"] == pytest.approx(1 / 16)
    assert not_worse(paired([], [1, 2, 3, 4]))["passed"]
    assert not not_worse(paired([], [1, 2, 3, 4, 5]))["passed"]


def test_better_and_equal_candidates_pass() -> None:
    assert not_worse(paired(list(range(50)), []))["passed"]
    assert not_worse(paired([7], [7]))["p_value"] == 1


def test_one_digit_gone_bad_fails_though_the_whole_is_better() -> None:
    sevens = [row for row in range(10_000) if row % 10 == 7][:10]  # 10 of 1000: 0.37 points beyond the noise
    twos = [row for row in range(10_000) if row % 10 == 2][:40]
    check = no_digit_worse(paired(active=twos, candidate=sevens))
    assert not check["passed"]
    assert check["worst"] == 7
    assert check["worse_beyond_noise"] == pytest.approx((10 - 2 * 10**0.5) / 1000, abs=1e-6)
    assert not_worse(paired(twos, sevens))["passed"]


def test_one_digit_within_its_noise_passes() -> None:
    sevens = [row for row in range(10_000) if row % 10 == 7][:9]
    assert no_digit_worse(paired([], sevens))["passed"]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    wrong = np.flatnonzero(LABELS == 3)  # 90 % right
    assert calibration_error(reading(LABELS, wrong, 0.97), LABELS) == pytest.approx(0.07)
    assert calibration_error(reading(LABELS, wrong, 0.9), LABELS) == pytest.approx(0, abs=1e-9)


def test_overconfident_candidate_fails() -> None:
    wrong = np.random.default_rng(0).integers(0, 10_000, 100)
    honest, boastful = (reading(LABELS, wrong, confidence) for confidence in (0.99, 0.9999))
    assert not calibration_not_worse(Paired("MNIST test", LABELS, honest, boastful))["passed"]
    assert calibration_not_worse(Paired("MNIST test", LABELS, boastful, honest))["passed"]
    assert calibration_not_worse(Paired("MNIST test", LABELS, honest, honest))["passed"]


def test_network_of_many_times_the_work_is_too_slow() -> None:
    small, large = np.ones((40, 40)), np.ones((200, 200))
    assert not not_slower(lambda: small @ small, lambda: large @ large)["passed"]
    assert not_slower(lambda: large @ large, lambda: small @ small)["passed"]


@pytest.mark.parametrize(("doubted", "passed"), [(0, True), (10, True), (11, False)])
def test_up_to_a_tenth_of_the_new_labels_may_be_doubted(doubted: int, passed: bool) -> None:
    assert labels_trusted(doubted, 100)["passed"] is passed
    assert labels_trusted(0, 0)["passed"]
