"""A made-up log, of which nothing ever teaches."""

import io
import subprocess
import sys

import numpy as np
import pytest
from django.db import ProgrammingError, connection

from benchmarks import simulated_log
from predictions.learning.drawings import reviewed_drawings
from predictions.models import ModelVersion, Prediction
from predictions.transfer import export
from predictions.transfer.label_import import import_labels
from tests import rows
from training.dataset import Digits

# Vacuuming, which ends the copying, is not possible inside a test's transaction.
pytestmark = pytest.mark.django_db(transaction=True)


def simulation() -> simulated_log.Simulation:
    images = np.stack([np.frombuffer(rows.INPUT, np.uint8).reshape(28, 28)] * 3)
    return simulated_log.make_simulation(Digits(images, np.array([1, 1, 1])))


@pytest.fixture
def hundred_rows(version: ModelVersion) -> None:
    simulated_log.copy_log(simulation(), 100)


def assert_nothing_teaches() -> None:
    assert Prediction.objects.filter(review_status="accepted").exists()
    assert len(reviewed_drawings()) == 0
    assert list(export.idx()) == []
    assert [part.name for part in export.png()] == ["labels.csv"]
    assert list(export.json_lines()) == []


def test_rows_are_sound_and_read_by_the_stored_versions(version: ModelVersion) -> None:
    made = simulation()
    simulated_log.copy_log(made, 500)
    log = Prediction.objects.all()
    assert log.count() == log.filter(source=Prediction.Source.SIMULATION).count() == 500
    assert set(log.values_list("digit", flat=True)) == {made.readings[0][0].digit}
    reviewed = log.exclude(review_status="pending")
    assert 80 < reviewed.count() < 160
    assert set(reviewed.exclude(true_label=None).values_list("true_label", flat=True)) == {1}
    assert 200 < log.exclude(user_label=None).count() < 320
    assert 30 < log.filter(superseded=True).count() < 80
    first, last = log.earliest("created_at"), log.latest("created_at")
    assert (last.created_at - first.created_at).days == simulated_log.DAYS - 1


def test_accepted_rows_never_teach(hundred_rows: None) -> None:
    assert_nothing_teaches()


def test_rows_that_an_operator_accepts_again_never_teach(hundred_rows: None) -> None:
    Prediction.objects.all().review(rows.operator(), "accepted", 1, selected_by=Prediction.SelectedBy.LIST)
    assert Prediction.objects.filter(review_status="accepted").count() == 100
    assert_nothing_teaches()


def test_rows_with_imported_labels_never_teach(hundred_rows: None) -> None:
    pending = Prediction.objects.filter(review_status="pending").values_list("pk", flat=True)
    table = io.StringIO("id,true_label\n" + "".join(f"{key},7\n" for key in pending))
    plan = import_labels(table, rows.operator(), dry_run=False)
    assert not plan.errors and Prediction.objects.filter(true_label=7).count() == len(plan.changes) > 0
    assert_nothing_teaches()


def test_source_of_rows_cannot_be_changed(hundred_rows: None) -> None:
    with pytest.raises(ProgrammingError, match="Cannot update"), connection.cursor() as cursor:
        cursor.execute("UPDATE predictions_prediction SET source = 'page'")
    assert_nothing_teaches()


def test_a_log_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="no model version"):
        simulation()


def test_program_says_what_is_wrong_with_its_options() -> None:
    command = [sys.executable, "-m", "benchmarks.simulated_log", "--rows", "0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.endswith("error: --rows must be at least 1.\n")
