"""The admin's side bar."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

Item = dict[str, Any]


def item(title: str, icon: str, name: str, *permissions: str) -> Item:
    """Shown to those who have one of the permissions; `icon` is the name of a Material symbol."""
    link = reverse(f"admin:{name}")
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "active": lambda request: request.path == link,
        "permission": lambda request: any(map(request.user.has_perm, permissions)),
    }


def navigation(request: HttpRequest) -> list[Item]:
    see, change, export = (f"predictions.{verb}_prediction" for verb in ("view", "change", "export"))
    review = [
        item("Dashboard", "monitoring", "index", see),
        item("Queue", "reviews", "predictions_prediction_queue", change),
        item("Grid", "grid_view", "predictions_prediction_grid", change),
        item("Predictions", "list", "predictions_prediction_changelist", see),
        item("Label doubts", "help", "predictions_labeldoubt_changelist", change),
        item(
            "Agreement",
            "diversity_3",
            "predictions_secondopinion_changelist",
            "predictions.view_secondopinion",
        ),
        item("Export and import", "swap_vert", "predictions_prediction_transfer", export, change),
    ]
    model = [
        item(
            "Versions",
            "model_training",
            "predictions_modelversion_changelist",
            "predictions.view_modelversion",
        ),
        item("Promotions", "history", "predictions_promotion_changelist", "predictions.view_promotion"),
        item("Jobs", "manufacturing", "predictions_job_changelist", "predictions.view_job"),
        item("Drift", "earthquake", "predictions_driftmonitor_changelist", "predictions.view_driftmonitor"),
    ]
    accounts = [
        item("Users", "person", "auth_user_changelist", "auth.view_user"),
        item("Groups", "group", "auth_group_changelist", "auth.view_group"),
        item("API keys", "key", "predictions_apikey_changelist", "predictions.view_apikey"),
    ]
    return [
        {"title": "Review", "items": review},
        {"title": "Model", "items": model},
        {"title": "Accounts", "items": accounts},
    ]
