"""The history of a prediction's labels, with its operators and times, and the way back."""

from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from predictions.admin import show
from predictions.admin.base import MixinBase
from predictions.models import LabelChange, Prediction, StaleRowError

STALE = (
    "Somebody else changed this prediction after you opened its history. Nothing was restored: look again."
)


class Line(NamedTuple):
    """One value that a change replaced."""

    name: str
    old: str
    new: str


def lines(change: LabelChange) -> list[Line]:
    label = show.label
    values = [
        Line("visitor said", label(change.old_user_label), label(change.user_label)),
        Line("true label", label(change.old_true_label), label(change.true_label)),
        Line("status", change.old_review_status, change.review_status),
    ]
    label_alone = values[1]  # somebody else confirmed it: only `reviewed_by` changed
    return [line for line in values if line.old != line.new] or [label_alone]


class HistoryViews(MixinBase):
    """Shows the trace that the triggers write, in place of the admin's own log of its forms."""

    def get_urls(self) -> list[URLPattern]:
        restore = path(
            "<uuid:pk>/restore/<int:change>/",
            self.admin_site.admin_view(require_POST(self.restore_view)),
            name="predictions_prediction_restore",
        )
        return [restore, *super().get_urls()]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:  # noqa: ANN401
        prediction = self.get_object(request, object_id)
        if prediction is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, prediction):
            raise PermissionDenied
        changes = prediction.changes.select_related("by")
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {prediction}",
            "prediction": prediction,
            "thumbnail": show.thumbnail(prediction),
            "changes": [(change, lines(change)) for change in changes],
            "may_restore": self.has_change_permission(request, prediction),
        }
        return render(request, "predictions/history.html", context)

    def restore_view(self, request: HttpRequest, pk: UUID, change: int) -> HttpResponse:
        """Go back to the true label and the status from before a change."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        row = get_object_or_404(Prediction.objects.without_blobs(), pk=pk)
        before = get_object_or_404(row.changes, pk=change)
        seen = request.POST.get("expected_version", "")
        try:
            row.restore(before, request.user, expected_version=int(seen) if seen.isdecimal() else 0)
            self.message_user(request, "Restored; that is in the history too.", messages.SUCCESS)
        except StaleRowError:
            self.message_user(request, STALE, messages.ERROR)
        return redirect("admin:predictions_prediction_history", pk)
