"""Intervals for the share of drawings that are read right."""

import numpy as np
import pytest

from benchmarks.interval_coverage import WORLDS, World, labels_for, read_odds, simulate
from predictions.intervals import Cells, Interval, Values, expect, wilson

Logs = list[tuple[float, Interval, Interval]]
LOGS = 150
ONE_GROUP = np.zeros(2, np.int64)


def test_wilsons_interval_is_wilsons() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263."""
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_expectations_follow_bayes_rule() -> None:
    sure, claimed = np.array([0.9, 0.9, 0.9]), np.array([False, True, True])
    nothing, agreed, contradicted = expect(sure, claimed, np.array([False, True, False]))
    assert (nothing, agreed) == (0.9, pytest.approx(0.9 * 0.97 / (0.9 * 0.97 + 0.1 * 0.03 / 9)))
    assert contradicted == pytest.approx(0.9 * 0.03 / (0.9 * 0.03 + 0.1 * 0.97))


def test_without_a_label_there_is_no_interval() -> None:
    zeros = np.zeros(2)
    assert (
        Cells(ONE_GROUP, np.array([0.5, 0.9]), np.array([3.0, 5.0]), zeros, zeros, zeros).interval() is None
    )


def test_expectations_that_are_all_alike_leave_the_labels_alone() -> None:
    one = np.array([200.0])
    found = Cells(np.array([0]), np.array([0.97]), np.array([4000.0]), one, one, one).interval()
    assert found == pytest.approx(wilson(200, 200), abs=0.003)


def test_drawings_that_are_no_digits_are_not_counted_as_read_wrong() -> None:
    """They are unsure: their expectations are far below what digits' are."""
    expected, rows = np.array([0.5, 0.99]), np.array([1000.0, 9000.0])
    decided, digits, right = np.array([40.0, 360.0]), np.array([0.0, 360.0]), np.array([0.0, 356.0])
    found = Cells(ONE_GROUP, expected, rows, decided, digits, right).interval()
    assert found is not None
    assert found[0] < 356 / 360 < found[1]
    assert found[1] - found[0] < 0.045


def test_a_group_that_the_lot_favours_counts_as_much_as_it_is_of_all_drawings() -> None:
    """Half of its labels are errors; but these are a tenth of the drawings, and two thirds of the labels."""
    expected, rows = np.array([0.5, 0.99]), np.array([1000.0, 9000.0])
    decided, right = np.array([200.0, 100.0]), np.array([100.0, 99.0])
    found = Cells(np.array([0, 1]), expected, rows, decided, decided, right).interval()
    assert found is not None
    assert found[0] < 0.1 * 0.5 + 0.9 * 0.99 < found[1]
    assert found[1] - found[0] < 0.06


def test_a_group_without_a_label_leaves_open_what_is_not_known_of_it() -> None:
    expected, rows = np.array([0.5, 0.99]), np.array([5000.0, 5000.0])
    some, none = np.array([50.0, 100.0]), np.array([0.0, 100.0])
    right = some * expected
    known = Cells(np.array([0, 1]), expected, rows, some, some, right).interval()
    open_ = Cells(np.array([0, 1]), expected, rows, none, none, none * expected).interval()
    assert known is not None
    assert open_ is not None
    assert open_[1] - open_[0] > 2 * (known[1] - known[0])


@pytest.fixture(scope="module")
def odds() -> Values:
    return read_odds()


@pytest.fixture(scope="module", params=WORLDS.items(), ids=list(WORLDS))
def logs(request: pytest.FixtureRequest, odds: Values) -> tuple[str, Logs]:
    world: World
    name, world = request.param
    rng = np.random.default_rng(5)
    return name, [simulate(rng, odds, world, 200) for _ in range(LOGS)]


def test_the_interval_holds_wherever_confidences_are_wrong(logs: tuple[str, Logs]) -> None:
    """Nominally in 95 %; of 150 logs in 91 %, or chance alone would fail it."""
    held = [low <= truth <= high for truth, _, (low, high) in logs[1]]
    assert np.mean(held) >= 0.91


def test_the_interval_saves_labels(logs: tuple[str, Logs]) -> None:
    """Most where confidences are right; how many is measured by `benchmarks.interval_coverage`."""
    name, found = logs
    truth = float(np.mean([truth for truth, _, _ in found]))
    width = float(np.mean([high - low for _, _, (low, high) in found]))
    assert labels_for(width, truth) > 200 * (4 if name.startswith("calibrated") else 2.5)
