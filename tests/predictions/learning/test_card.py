"""A version's card, as a page and as Markdown."""

import io
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from predictions.models import ModelVersion
from tests import rows

pytestmark = pytest.mark.django_db
LOST = "99.60\N{NO-BREAK SPACE}% → 99.10\N{NO-BREAK SPACE}% of 1,000; 0 read right that were not, 5 no longer"


def printed(version: str) -> str:
    output = io.StringIO()
    call_command("model_card", version, stdout=output)
    return output.getvalue()


@pytest.fixture
def promoted_version() -> ModelVersion:
    first, version, olive = rows.version(), rows.version("v2"), rows.operator()
    version.parent = first
    version.dataset = {"train": {"a": 1, "b": 2}, "test": {"c": 3}}
    numbers = {"digits": 1000, "active": 0.996, "candidate": 0.991, "won": 0, "lost": 5, "p_value": 0.03}
    checks: list[Any] = [{"name": "MNIST <test>", "passed": False, **numbers}]
    version.gate = {"against": "v1", "passed": False, "checks": checks, "at": "2026-11-30T10:00:00+00:00"}
    version.save()
    first.promote()
    version.promote(olive, "Better on <zeros>.", override=True)
    for label in (1, 7):
        row = rows.prediction(model_version=version)
        row.review(olive, "accepted", label, selected_by="random", expected_version=row.row_version)
    return version


def test_the_card_says_where_a_version_comes_from_how_good_it_is_and_who_promoted_it(
    promoted_version: ModelVersion,
) -> None:
    card = printed("v2")
    for said in (
        "# Version v2\n",
        "Parent: v1.",
        "- reviewed drawings, train: 2\n",
        promoted_version.data_fingerprint,
        f"Seed {promoted_version.seed}, code {promoted_version.code_version}",
        "| MNIST test | ",
        "1 of 2 was read right",
        "- 7 read as 1: 1\n",
        "Did not pass against v1",
        f"- **failed**: MNIST <test> ({LOST})\n",
        "by olive, in place of v1, against the gate: Better on <zeros>.",
    ):
        assert said in card


def test_the_shipped_versions_card_needs_neither_parent_nor_reviews() -> None:
    rows.version()
    card = printed("v1")
    assert "Not compared with another version." in card and "It has never answered." in card
    with pytest.raises(CommandError, match="no version v9"):
        printed("v9")


def test_the_page_shows_the_same_and_gives_the_markdown(
    promoted_version: ModelVersion, client: Client
) -> None:
    client.force_login(rows.operator("vera", "view_modelversion"))
    page = f"/admin/predictions/modelversion/{promoted_version.pk}/card/"
    content = client.get(page).content.decode()
    assert "7 read as 1: 1" in content and "Better on &lt;zeros&gt;." in content
    words = " ".join(re.sub(r"<[^>]*>", " ", content).split())
    assert f"failed MNIST &lt;test&gt; {' '.join(LOST.split())}" in words
    answer = client.get(page, {"form": "markdown"})
    assert answer.content.decode().strip() == printed("v2").strip()
    client.force_login(rows.operator("otto", "view_job"))
    assert client.get(page).status_code in (403, 404)
