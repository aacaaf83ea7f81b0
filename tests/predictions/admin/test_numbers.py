"""Counts have separators wherever the admin shows them; what is a name or a key has none."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from predictions.models import ModelVersion
from tests import rows

pytestmark = pytest.mark.django_db
SEED = 20261130


def page(client: Client, name: str, *arguments: object, query: str = "") -> str:
    answer = client.get(reverse(f"admin:{name}", args=arguments) + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_list_writes_how_many_it_has_and_how_many_it_found(admin_client: Client) -> None:
    Group.objects.bulk_create(Group(name=f"class {number}") for number in range(1234))
    every = Group.objects.count()
    assert f"{every:,} groups" in page(admin_client, "auth_group_changelist")
    found = page(admin_client, "auth_group_changelist", query="?q=class")
    assert "1,234 groups" in found
    assert "1,234 results" in found
    assert f"{every:,} total" in found
    assert "Select all 1,234 groups" in found


def test_the_key_of_an_operator_goes_back_as_it_is(client: Client) -> None:
    client.force_login(User.objects.create_superuser("olga", id=7_654_321))
    for name in ("queue", "grid", "transfer"):
        assert 'data-operator="7654321"' in page(client, f"predictions_prediction_{name}")


def test_a_seed_is_written_as_it_was_given(admin_client: Client) -> None:
    version = rows.version()
    version.metrics["tuning"] = {"seed": SEED}
    ModelVersion.objects.filter(pk=version.pk).update(seed=SEED, metrics=version.metrics)
    for shown in (
        page(admin_client, "predictions_modelversion_changelist"),
        page(admin_client, "predictions_modelversion_change", version.pk),
        page(admin_client, "predictions_modelversion_card", version.pk),
        page(admin_client, "predictions_modelversion_card", version.pk, query="?form=markdown"),
    ):
        assert str(SEED) in shown
        assert f"{SEED:,}" not in shown


def test_a_row_is_called_in_its_headings_as_everywhere_else(admin_client: Client) -> None:
    version = rows.version("v1")
    shown = page(admin_client, "predictions_modelversion_change", version.pk)
    assert "Model versions" in shown
    assert "> v1 </a" in shown
    assert "V1" not in shown
