"""A made-up log."""

import io
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from predictions.models import ModelVersion, Prediction
from tests import rows
from training.dataset import Digits

# Vacuuming, which ends the command, is not possible inside a test's transaction.
pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_are_sound_and_read_by_the_stored_versions(version: ModelVersion) -> None:
    images = np.stack([np.frombuffer(rows.INPUT, np.uint8).reshape(28, 28)] * 3)
    pool = demo_log.make_pool(Digits(images, np.array([1, 1, 1])))
    demo_log.copy_log(pool, 500)
    log = Prediction.objects.all()
    assert log.count() == 500
    assert set(log.values_list("digit", flat=True)) == {pool.readings[0][0].digit}
    reviewed = log.exclude(review_status="pending")
    assert 80 < reviewed.count() < 160
    assert set(reviewed.exclude(true_label=None).values_list("true_label", flat=True)) == {1}
    assert 200 < log.exclude(user_label=None).count() < 320
    assert 30 < log.filter(superseded=True).count() < 80
    first, last = log.earliest("created_at"), log.latest("created_at")
    assert (last.created_at - first.created_at).days == demo_log.DAYS - 1


def test_a_log_without_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no model version"):
        call_command("make_demo_log", rows=1, data_dir=tmp_path, stdout=io.StringIO())
