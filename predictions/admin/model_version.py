"""Model versions and the log of promotions: to read, and to promote."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from predictions.models import ModelVersion, Promotion


class ReadOnlyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "is_active", "test_accuracy", "parent", "seed", "code_version", "created_at"]
    list_select_related = False
    search_fields = ["name"]
    fields = [
        "name",
        "active",
        "created_at",
        "parent",
        "measured",
        "data_fingerprint",
        "seed",
        "code_version",
    ]
    actions_detail = ["promote"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return (
            super()
            .get_queryset(request)
            .defer("checkpoint")
            .select_related("parent")
            .defer("parent__checkpoint")
        )

    def has_promote_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return request.user.has_perm("predictions.promote_modelversion")

    @display(description="Active", boolean=True)
    def is_active(self, version: ModelVersion) -> bool:
        return version.active

    @display(description="MNIST test accuracy")
    def test_accuracy(self, version: ModelVersion) -> str:
        accuracy = version.metrics.get("test_accuracy")
        return "–" if accuracy is None else f"{accuracy:.2%}"

    @display(description="Metrics")
    def measured(self, version: ModelVersion) -> str:
        return format_html("<pre>{}</pre>", json.dumps(version.metrics, indent=2))

    @action(description="Promote", permissions=["promote"])
    def promote(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask, with room for a reason; then this version answers."""
        version = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method == "POST":
            version.promote(request.user, request.POST["reason"])
            self.message_user(request, f"{version} answers from now on.", messages.SUCCESS)
            return redirect("admin:predictions_modelversion_changelist")
        context = {**self.admin_site.each_context(request), "title": f"Promote {version}", "version": version}
        return render(request, "predictions/confirm_promotion.html", context)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    list_display = ["at", "version", "previous", "by", "reason"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promotion]:
        rows = super().get_queryset(request).select_related("version", "previous", "by")
        return rows.defer("version__checkpoint", "previous__checkpoint")
