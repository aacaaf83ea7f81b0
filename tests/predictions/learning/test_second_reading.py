"""What another version reads in the drawings that wait for review."""

import io

import pytest
from django.core.management import CommandError, call_command

from predictions.models import ModelVersion, Prediction
from tests import rows


def read_with(version: str) -> str:
    out = io.StringIO()
    call_command("second_reading", version, stdout=out)
    return out.getvalue()


def test_rows_on_which_versions_disagree_come_first(version: ModelVersion) -> None:
    """The drawing of rows.INPUT is a one."""
    agreed = rows.prediction(digit=1, model_version=rows.version("old"))
    disputed = rows.prediction(digit=6, model_version=rows.version("old"))
    reviewed = rows.prediction(digit=6, model_version=rows.version("old"))
    reviewed.review(rows.operator(), "accepted", 1, expected_version=reviewed.row_version)
    assert read_with(version.name) == f"{version} reads 1 waiting drawing differently.\n"
    assert dict(Prediction.objects.values_list("pk", "second_reading")) == {
        agreed.pk: 1,
        disputed.pk: 1,
        reviewed.pk: None,
    }
    assert list(Prediction.objects.all().most_suspicious()) == [disputed, agreed]


@pytest.mark.django_db
def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(CommandError, match="no model version"):
        read_with("v9")
