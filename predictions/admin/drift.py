"""The drift monitor: a banner over every page, and the figures behind it."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from predictions.admin.base import ReadOnlyAdmin
from predictions.admin.show import NOTHING, number, per_cent
from predictions.models import DriftMonitor


def banner(request: HttpRequest) -> list[str] | None:
    """Unfold shows it on top of every page of the admin, to those who may see the monitor."""
    if not request.user.has_perm("predictions.view_driftmonitor"):
        return None
    alarmed = DriftMonitor.objects.alarmed().select_related("version").first()
    return [alarmed.banner(), "danger"] if alarmed else None


@admin.register(DriftMonitor)
class DriftMonitorAdmin(ReadOnlyAdmin):
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[DriftMonitor]:
        return super().get_queryset(request).select_related("version")

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_driftmonitor")

    @display(description="Drift")
    def shown_banner(self, monitor: DriftMonitor) -> str:
        return monitor.banner() or NOTHING

    @display(description="Alarms")
    def found(self, monitor: DriftMonitor) -> str:
        return format_html("<pre>{}</pre>", json.dumps(monitor.alarms, indent=2))

    @display(description="Reference")
    def learned_from(self, monitor: DriftMonitor) -> str:
        return (
            f"{number(monitor.reference['drawings'])} drawings"
            if monitor.reference
            else "not enough drawings yet"
        )

    @display(description="Accuracy on reviewed")
    def shown_accuracy(self, monitor: DriftMonitor) -> str:
        return per_cent(monitor.accuracy, 2)

    @admin.action(description="Acknowledge the drift and sum up anew", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[DriftMonitor]) -> None:
        for monitor in queryset:
            monitor.acknowledge(request.user)
        self.message_user(request, "Acknowledged.", messages.SUCCESS)
