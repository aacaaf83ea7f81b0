"""Jobs: the worker's tasks, their progress and their results."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from predictions.admin.base import ReadOnlyAdmin
from predictions.admin.show import NOTHING, number, per_cent, thumbnail
from predictions.models import BLOBS, Job, Prediction

# So many changed drawings of a replay are shown as pictures.
SHOWN = 120


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "shown_state",
        "shown_progress",
        "message",
        "arguments",
        "requested_by",
        "requested_at",
    ]
    list_filter = ["kind"]
    fields = [
        "kind",
        "arguments",
        "requested_by",
        "requested_at",
        "shown_state",
        "shown_progress",
        "message",
        "reported_at",
        "outcome",
    ]
    actions = ["cancel"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).with_state()

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_job")

    @display(
        description="State",
        label={"succeeded": "success", "failed": "danger", "doing": "info", "todo": "warning"},
    )
    def shown_state(self, job: Job) -> str:
        return job.state

    @display(description="Progress")
    def shown_progress(self, job: Job) -> str:
        return format_html(
            '<progress value="{}" max="1"></progress> {}', job.progress, per_cent(job.progress, 0)
        )

    @display(description="Result")
    def outcome(self, job: Job) -> str:
        if job.result and job.kind == Job.Kind.REPLAY:
            return replay_report(job.result)
        return format_html("<pre>{}</pre>", json.dumps(job.result, indent=2)) if job.result else NOTHING

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        cancelled = [job.cancel() for job in queryset]
        asked = len(cancelled)
        said = f"{number(sum(cancelled))} of {number(asked)} job{pluralize(asked)} cancelled."
        self.message_user(request, said, messages.SUCCESS)


def replay_report(result: dict[str, Any]) -> SafeString:
    """The counts, and the drawings that would be read differently, as pictures."""
    changed = {drawing["id"]: drawing for drawing in result["drawings"][:SHOWN]}
    rows = Prediction.objects.filter(pk__in=changed).defer(*BLOBS)
    context: dict[str, Any] = {"result": result}
    context["drawings"] = [{**changed[str(row.pk)], "picture": thumbnail(row)} for row in rows]
    if result["reviewed"]:
        context["shares"] = [result[f"accuracy_{when}"] for when in ("before", "after")]
    return SafeString(render_to_string("predictions/replay.html", context))
