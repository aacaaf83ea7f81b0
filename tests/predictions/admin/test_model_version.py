"""The learning loop in the admin: start, see, promote, roll back, settle doubts."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from predictions.learning.replay import replay
from predictions.models import DriftMonitor, Job, LabelDoubt, ModelVersion, Prediction, Promotion
from tests.drawings import accepted, logged, unique
from tests.forms import submit
from tests.rows import version as version_named

FAILED = {
    "against": "v1",
    "passed": False,
    "at": "2026-11-25",
    "checks": [{"name": "forward time", "passed": False, "active_ms": 1.5, "candidate_ms": 2.25}],
}


@pytest.fixture
def trainer(roles: None, client: Client) -> User:
    user = User.objects.create_user("tim", is_staff=True)
    user.groups.add(Group.objects.get(name="trainer"))
    client.force_login(user)
    return user


def test_train_now_queues_a_training_once(trainer: User, client: Client) -> None:
    url = reverse("admin:predictions_modelversion_train_now")
    assert "Shall the worker do this" in client.get(url).content.decode()
    assert not Job.objects.exists()
    submit(client, url)
    job = Job.objects.get()
    assert (job.kind, job.requested_by, job.state) == (Job.Kind.TRAIN, trainer, "todo")
    assert "is queued already" in submit(client, url).content.decode()
    assert Job.objects.count() == 1


def test_replay_shows_counts_and_pictures(version: ModelVersion, trainer: User, client: Client) -> None:
    for number in range(20):
        logged(version, unique(number), number % 10)
    submit(client, reverse("admin:predictions_modelversion_replay", args=[version.pk]))
    job = Job.objects.get()
    job.result = replay(lambda progress, message: None, **job.arguments)
    job.save()
    page = client.get(reverse("admin:predictions_job_change", args=[job.pk])).content.decode()
    assert f"would read {job.result['changed']} of 20 drawings differently" in page
    assert page.count("data:image/png;base64,") == job.result["changed"] > 0


def test_a_version_shows_what_it_was_measured_on_in_percent(trainer: User, client: Client) -> None:
    version = version_named()
    version.metrics["sets"]["drawings_test"] = {
        "count": 1250,
        "errors": 15,
        "accuracy": 0.9876,
        "interval": [0.98, 0.99],
        "calibration_error": 0.01,
        "refused": 0.002,
    }
    version.save()
    page = client.get(reverse("admin:predictions_modelversion_change", args=[version.pk])).content.decode()
    for shown in ("drawings test", "98.76\N{NO-BREAK SPACE}%", "98.00 to 99.00", "1,250"):
        assert shown in page


def test_waiting_job_is_cancelled_from_the_list(trainer: User, client: Client) -> None:
    job = Job.objects.start(Job.Kind.TRAIN)
    form = {"action": "cancel", "_selected_action": [job.pk]}
    page = client.post(reverse("admin:predictions_job_changelist"), form, follow=True)
    assert "1 of 1 job cancelled." in page.content.decode()
    assert Job.objects.with_state().get().state == "cancelled"


def test_closed_gate_is_shown_and_opened_with_a_reason_only(trainer: User, client: Client) -> None:
    version_named("v1").promote()
    candidate = version_named("v2")
    ModelVersion.objects.filter(pk=candidate.pk).update(gate=FAILED)
    url = reverse("admin:predictions_modelversion_promote", args=[candidate.pk])
    page = client.get(url).content.decode()
    assert "v2 is worse than v1: forward time." in page
    assert "1.50 → 2.25 ms" in page
    submit(client, url, reason="", override="on")
    submit(client, url, reason="in a hurry")
    assert Promotion.objects.count() == 1
    submit(client, url, reason="the new machine is faster", override="on")
    promotion = Promotion.objects.get(version=candidate)
    assert (promotion.override, promotion.by) == (True, trainer)
    change = client.get(reverse("admin:predictions_promotion_change", args=[promotion.pk]))
    assert "1.50 → 2.25 ms" in change.content.decode()


def test_roll_back_asks_and_goes_back(trainer: User, client: Client) -> None:
    url = reverse("admin:predictions_modelversion_roll_back")
    assert "no earlier version" in client.get(url).content.decode()
    version_named("v1").promote()
    version_named("v2").promote(override=True, reason="for the test")
    assert "Shall <strong>v1</strong> answer again" in client.get(url).content.decode()
    submit(client, url, reason="reads ones badly")
    assert ModelVersion.objects.get(active=True).name == "v1"
    back = Promotion.objects.all()[0]
    assert (back.by, back.reason) == (trainer, "reads ones badly")


def test_doubts_are_settled_by_reviewing_again(version: ModelVersion, admin_client: Client) -> None:
    rows = [accepted(version, unique(number), 3) for number in range(2)]
    for row in rows:
        LabelDoubt.objects.create(prediction=row, label=3, suggestion=8, quality=0.01)
    url = reverse("admin:predictions_labeldoubt_changelist")
    assert admin_client.get(url).content.decode().count("data:image/png;base64,") == 2
    for row, action in zip(rows, ("keep", "follow"), strict=True):
        admin_client.post(url, {"action": action, "_selected_action": [row.pk]})
    assert [Prediction.objects.get(pk=row.pk).true_label for row in rows] == [3, 8]
    assert not LabelDoubt.objects.open().exists()


def test_drift_is_on_every_page_until_it_is_acknowledged(
    version: ModelVersion, trainer: User, client: Client
) -> None:
    DriftMonitor.objects.create(version=version, alarms=[{"figure": "pen_width", "direction": "higher"}])
    index = reverse("admin:index")
    assert "Drift: pen width higher" in client.get(index).content.decode()
    change = client.get(reverse("admin:predictions_driftmonitor_change", args=[version.pk]))
    assert "not enough drawings yet" in change.content.decode()
    acknowledge = {"action": "acknowledge", "_selected_action": [version.pk]}
    client.post(reverse("admin:predictions_driftmonitor_changelist"), acknowledge)
    assert "Drift:" not in client.get(index).content.decode()


def test_drift_is_nothing_for_an_account_without_a_role(version: ModelVersion, client: Client) -> None:
    DriftMonitor.objects.create(version=version, alarms=[{"figure": "pen_width", "direction": "higher"}])
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert "Drift:" not in client.get(reverse("admin:index")).content.decode()


def test_operator_may_neither_train_nor_promote(roles: None, version: ModelVersion, client: Client) -> None:
    user = User.objects.create_user("olive", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    client.force_login(user)
    assert client.post(reverse("admin:predictions_modelversion_train_now")).status_code == 403
    assert client.post(reverse("admin:predictions_modelversion_roll_back")).status_code == 403
    assert client.get(reverse("admin:predictions_job_changelist")).status_code == 200
    assert not Job.objects.exists()


def test_the_active_version_offers_no_promotion(trainer: User, client: Client) -> None:
    active, other = version_named("v1"), version_named("v2")
    active.promote()
    offers = {}
    for version in (active, other):
        page = client.get(reverse("admin:predictions_modelversion_change", args=[version.pk]))
        offers[version.name] = f"/{version.pk}/promote" in page.content.decode()
    assert offers == {"v1": False, "v2": True}
    assert client.get(reverse("admin:predictions_modelversion_change", args=["x"])).status_code == 302


def test_the_list_of_promotions_says_which_version_answered_at_a_time(
    trainer: User, client: Client, version: ModelVersion
) -> None:
    page = reverse("admin:predictions_promotion_changelist")
    for text, shown in (("2099-01-01T00:00", version.name), ("2020-01-01T00:00", "None: nothing")):
        assert f"<strong>{shown}" in client.get(page, {"answering_at": text}).content.decode()
    assert "That is no time." in client.get(page, {"answering_at": "soon"}).content.decode()
