"""The watch for drift, and reviewed labels that are doubted."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from predictions.admin.model_version import ReadOnlyAdmin
from predictions.admin.show import label, thumbnail
from predictions.models import Prediction
from predictions.splits import LabelDoubt
from predictions.watch import Watch


def banner(request: HttpRequest) -> list[str] | None:
    """Unfold shows it on top of every page of the admin, to those who may see the watch."""
    if not request.user.has_perm("predictions.view_watch"):
        return None
    alarmed = Watch.objects.alarmed().select_related("version").defer("version__checkpoint").first()
    return [alarmed.banner(), "danger"] if alarmed else None


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    list_display = ["version", "shown_banner", "seen", "reviewed", "shown_accuracy", "acknowledged_by"]
    fields = [
        "version",
        "shown_banner",
        "found",
        "seen",
        "learned_from",
        "reviewed",
        "shown_accuracy",
        "acknowledged_by",
        "acknowledged_at",
    ]
    actions = ["acknowledge"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Watch]:
        return super().get_queryset(request).select_related("version").defer("version__checkpoint")

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_watch")

    @display(description="Drift")
    def shown_banner(self, watch: Watch) -> str:
        return watch.banner() or "none"

    @display(description="Alarms")
    def found(self, watch: Watch) -> str:
        return format_html("<pre>{}</pre>", json.dumps(watch.alarms, indent=2))

    @display(description="Reference")
    def learned_from(self, watch: Watch) -> str:
        return f"{watch.reference['drawings']} drawings" if watch.reference else "not enough drawings yet"

    @display(description="Accuracy on reviewed")
    def shown_accuracy(self, watch: Watch) -> str:
        return "–" if watch.accuracy is None else f"{watch.accuracy:.2%}"

    @admin.action(description="Acknowledge the drift and sum up anew", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Watch]) -> None:
        for watch in queryset:
            watch.acknowledge(request.user)
        self.message_user(request, "Acknowledged.", messages.SUCCESS)


@admin.register(LabelDoubt)
class LabelDoubtAdmin(ReadOnlyAdmin):
    """Open doubts; both decisions go the way of every review."""

    list_display = ["picture", "shown_label", "shown_suggestion", "quality", "at"]
    list_display_links = ["shown_label"]
    actions = ["keep", "follow"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelDoubt]:
        rows: QuerySet[LabelDoubt] = LabelDoubt.objects.open().select_related("prediction")
        return rows.defer("prediction__image", "prediction__strokes")

    def has_review_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_prediction")

    @display(description="Drawing")
    def picture(self, doubt: LabelDoubt) -> str:
        return thumbnail(doubt.prediction)

    @display(description="Reviewed as")
    def shown_label(self, doubt: LabelDoubt) -> str:
        return label(doubt.label)

    @display(description="Looks like")
    def shown_suggestion(self, doubt: LabelDoubt) -> str:
        return label(doubt.suggestion)

    @admin.action(description="The label is right", permissions=["review"])
    def keep(self, request: HttpRequest, queryset: QuerySet[LabelDoubt]) -> None:
        self.review(request, queryset, {doubt.pk: doubt.label for doubt in queryset})

    @admin.action(description="It is what it looks like", permissions=["review"])
    def follow(self, request: HttpRequest, queryset: QuerySet[LabelDoubt]) -> None:
        self.review(request, queryset, {doubt.pk: doubt.suggestion for doubt in queryset})

    def review(self, request: HttpRequest, queryset: QuerySet[LabelDoubt], labels: dict[Any, int]) -> None:
        accepted = Prediction.ReviewStatus.ACCEPTED
        for key, true_label in labels.items():
            Prediction.objects.filter(pk=key).review(request.user, accepted, true_label)
        self.message_user(request, f"{len(labels)} drawings reviewed again.", messages.SUCCESS)
