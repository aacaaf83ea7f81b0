"""The Grafana dashboard asks for figures that /metrics has."""

import json
import re

from django.test import Client

from predictions.models import ModelVersion
from tests.conftest import ONE, Post
from tests.product import REPOSITORY

FIGURE = re.compile(r"digits_\w+")


def test_every_figure_of_the_dashboard_is_in_the_metrics(
    client: Client, post: Post, version: ModelVersion
) -> None:
    drawn = post("predict", {"strokes": ONE}).json()["id"]
    post(f"predictions/{drawn}/feedback", {"label": 1})
    post("predict", {})
    metrics = client.get("/metrics").content.decode()
    dashboard = json.loads((REPOSITORY / "deploy" / "grafana.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    assert set(FIGURE.findall(asked)) <= set(FIGURE.findall(metrics))
    assert all(f'{label}="' in metrics for label in re.findall(r"(\w+)=\"", asked))
    assert len(dashboard["panels"]) == 8
