"""Odd requests to the whole admin: none of them is answered 500."""

from django.contrib.auth.models import Group, User

from predictions.models import Job, ModelVersion, Prediction
from tests import rows
from tests.admin_fuzz import failures, routes


def test_no_odd_request_is_a_server_error(roles: None, version: ModelVersion) -> None:
    user = User.objects.create_superuser("ada", password="a password")
    row = rows.claimed(7, digit=1)
    row.review(user, "accepted", 7, expected_version=row.row_version)
    job = Job.objects.start(Job.Kind.TRAIN, user)
    stored = [row.pk, version.pk, user.pk, job.pk, Group.objects.get(name="trainer").pk, 1, "idx"]
    assert len(routes()) > 50
    assert failures(seed=0, count=1500, keys=[str(key) for key in stored], user=user) == []
    assert Prediction.objects.count() == 1
