"""What HTTP tools and web pages of other sites ask before they call the API."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from predictions.models import ModelVersion
from tests import rows

# In a process of its own, since the middleware is chosen when the settings are read.
ASK = """
import django
django.setup()
from django.conf import settings
from django.test import Client
client, origin = Client(), {"Origin": "https://example.org"}
wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
for answer in (
    client.options("/api/predict", headers=origin | wants),
    client.post("/api/predict", b"{", content_type="application/json", headers=origin),
    client.options("/api/predict", headers={"Origin": "https://other.example"} | wants),
    client.get("/livez", headers=origin),
):
    print(answer.status_code, answer.headers.get("Access-Control-Allow-Origin", "none"))
print("corsheaders.middleware.CorsMiddleware" in settings.MIDDLEWARE)
"""


def ask(**environment: str) -> list[str]:
    command = [sys.executable, "-c", ASK]
    given = os.environ | {"DJANGO_SETTINGS_MODULE": "mnistsite.settings", "SECRET_KEY": "a key"} | environment
    given |= {"ALLOWED_HOSTS": "testserver"}
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=given, capture_output=True, text=True, check=True
    )
    return result.stdout.splitlines()


def test_pages_of_the_named_sites_may_call_the_api_and_nothing_else() -> None:
    allowed = "https://example.org"
    assert ask(API_CORS_ORIGINS=allowed) == [
        f"200 {allowed}",
        f"400 {allowed}",
        "200 none",
        "200 none",
        "True",
    ]


def test_by_default_no_other_site_may_and_no_request_is_looked_at() -> None:
    assert ask() == ["405 none", "400 none", "405 none", "200 none", "False"]


@pytest.mark.parametrize("path", ["model", "stats", "openapi.json", "docs"])
def test_head_answers_as_get_does(client: Client, version: ModelVersion, path: str) -> None:
    asked = client.head(f"/api/{path}")
    assert (asked.status_code, asked["Content-Type"]) == (200, client.get(f"/api/{path}")["Content-Type"])


def test_head_of_a_prediction_that_is_not_there_is_404(client: Client, db: None) -> None:
    missing = client.head("/api/predictions/00000000-0000-0000-0000-000000000000/explanation")
    assert missing.status_code == 404


def test_what_is_not_allowed_says_what_is(client: Client, db: None) -> None:
    for path, allowed in (("predict", {"POST"}), ("predictions", {"GET", "HEAD", "DELETE"})):
        answer = client.put(f"/api/{path}")
        assert answer.status_code == 405
        assert set(answer["Allow"].split(", ")) == allowed
    assert client.head("/api/predict").status_code == 405


@pytest.mark.parametrize("name", ["idx", "png", "jsonl"])
def test_head_of_an_export_tells_its_name_and_makes_nothing(client: Client, db: None, name: str) -> None:
    client.force_login(rows.operator("eve", "export_prediction"))
    answer = client.head(reverse("admin:predictions_prediction_export", args=[name]))
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    assert "Content-Length" not in answer
