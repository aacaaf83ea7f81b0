"""Model versions and the log of promotions: to compare, to promote and to roll back."""

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from predictions.admin.base import ReadOnlyAdmin
from predictions.admin.filters import moment
from predictions.admin.show import NOTHING, per_cent
from predictions.learning.card import card_of, markdown, sets_of
from predictions.learning.gate import checks_in_words
from predictions.models import AlreadyQueuedError, GateClosedError, Job, ModelVersion, Promotion, Weights

if TYPE_CHECKING:
    from classifier.checkpoint import Metrics
    from training.compare import Decision

VERSIONS = "admin:predictions_modelversion_changelist"
JOBS = "admin:predictions_job_changelist"


def gate_table(decision: "Decision | None") -> SafeString:
    context = {"gate": decision, "checks": checks_in_words(decision)}
    return SafeString(render_to_string("predictions/gate.html", context))


def metrics_table(metrics: "Metrics") -> SafeString:
    """A line for each set that the version was measured on; the rest as it is stored."""
    rest = {name: value for name, value in metrics.items() if name != "sets"}
    context = {
        "sets": sets_of(metrics),
        "rest": json.dumps(rest, indent=2),
    }
    return SafeString(render_to_string("predictions/metrics.html", context))


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "is_active", "test_accuracy", "passed", "parent", "shown_seed", "created_at"]
    list_select_related = False
    search_fields = ["name"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "name",
                    "active",
                    "created_at",
                    "parent",
                    "weights_kept",
                    "gate_decision",
                    "measured",
                    "drawings",
                ]
            },
        ),
        (
            "To make it again",
            {"fields": ["data_fingerprint", "shown_seed", "code_version"], "classes": ["collapse"]},
        ),
    ]
    actions_list = ["train_now", "roll_back"]
    actions_detail = ["promote", "compare", "replay", "card"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        versions = super().get_queryset(request).select_related("parent")
        return versions.defer("parent__dataset", "parent__metrics")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """All but those that say nothing of the version that answers already."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        version = self.get_object(request, str(object_id))
        if version is None or not version.active:
            return actions
        return [action for action in actions if action.method.__name__ not in {"promote", "compare"}]

    def has_promote_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return request.user.has_perm("predictions.promote_modelversion")

    def has_start_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return request.user.has_perm("predictions.add_job")

    @display(description="Active", boolean=True)
    def is_active(self, version: ModelVersion) -> bool:
        return version.active

    @display(description="Gate", boolean=True)
    def passed(self, version: ModelVersion) -> bool | None:
        return version.gate["passed"] if version.gate else None

    @display(description="MNIST test accuracy")
    def test_accuracy(self, version: ModelVersion) -> str:
        return per_cent(version.metrics["sets"]["mnist_test"]["accuracy"], 2)

    @display(description="Seed", ordering="seed")
    def shown_seed(self, version: ModelVersion) -> str:
        """A name rather than a number: without separators."""
        return str(version.seed)

    @display(description="Weights")
    def weights_kept(self, version: ModelVersion) -> str:
        if not Weights.objects.filter(version=version).exists():
            return "Erased: they had learned from drawings that were deleted since."
        return (
            "Will be erased: they learned from drawings that were deleted."
            if version.to_forget_since
            else "Kept"
        )

    @display(description="Gate")
    def gate_decision(self, version: ModelVersion) -> str:
        return gate_table(version.gate)

    @display(description="Metrics")
    def measured(self, version: ModelVersion) -> str:
        return metrics_table(version.metrics)

    @display(description="Reviewed drawings")
    def drawings(self, version: ModelVersion) -> str:
        return ", ".join(f"{len(rows):,} {side}" for side, rows in version.dataset.items()) or NOTHING

    @action(description="Promote", permissions=["promote"])
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the gate's decision and ask, with room for a reason; then this version answers."""
        version = self.get_or_404(request, object_id)
        if request.method == "POST" and self.try_to_promote(request, version):
            return redirect(VERSIONS)
        context = self.admin_site.each_context(request) | {
            "title": f"Promote {version}",
            "version": version,
            "state": version.state(),  # first: what is read after it may only be newer
            "obstacle": version.obstacle(ModelVersion.objects.active()),
            "gate": gate_table(version.gate),
        }
        return render(request, "predictions/confirm_promotion.html", context)

    def try_to_promote(self, request: HttpRequest, version: ModelVersion) -> bool:
        override = "override" in request.POST
        reason, state = (request.POST.get(name, "") for name in ("reason", "state"))
        try:
            version.promote(request.user, reason, override=override, expected_state=state)
        except GateClosedError as closed:
            self.message_user(request, str(closed), messages.ERROR)
            return False
        self.message_user(request, f"{version} answers from now on.", messages.SUCCESS)
        return True

    @action(description="Roll back", permissions=["promote"])
    def roll_back(self, request: HttpRequest) -> HttpResponse:
        """Ask, with room for a reason; then the version before the active one answers again."""
        promotions = Promotion.objects.all()
        if request.method == "POST":
            reason, state = (request.POST.get(name, "") for name in ("reason", "state"))
            try:
                back = promotions.roll_back(request.user, reason, expected_state=state)
                self.message_user(request, f"{back.version} answers again.", messages.SUCCESS)
            except GateClosedError as closed:
                self.message_user(request, str(closed), messages.ERROR)
            return redirect(VERSIONS)
        context = {**self.admin_site.each_context(request), "title": "Roll back"}
        context |= {
            "state": promotions.state(),
            "active": ModelVersion.objects.active(),
            "earlier": promotions.earlier(),
        }
        return render(request, "predictions/confirm_rollback.html", context)

    @action(description="Train now", permissions=["start"])
    def train_now(self, request: HttpRequest) -> HttpResponse:
        return self.ask_and_start(request, Job.Kind.TRAIN)

    @action(description="Compare with the active version", permissions=["start"])
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version = self.get_or_404(request, object_id)
        return self.ask_and_start(request, Job.Kind.COMPARE, version=version.name)

    @action(description="Replay the log", permissions=["start"])
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version = self.get_or_404(request, object_id)
        return self.ask_and_start(request, Job.Kind.REPLAY, version=version.name)

    @action(description="Card")
    def card(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """All about the version on one page, or as Markdown."""
        version = self.get_or_404(request, object_id)
        if not self.has_view_permission(request, version):
            raise PermissionDenied
        if request.GET.get("form") == "markdown":
            return HttpResponse(markdown(version), content_type="text/markdown; charset=utf-8")
        title = {"title": f"Card of {version}"}
        return render(
            request, "predictions/card.html", self.admin_site.each_context(request) | card_of(version) | title
        )

    def ask_and_start(self, request: HttpRequest, kind: Job.Kind, **arguments: Any) -> HttpResponse:  # noqa: ANN401
        """Ask, then queue the job and show the list of jobs."""
        if request.method != "POST":
            context = self.admin_site.each_context(request) | {"title": kind.label, "arguments": arguments}
            context["state"] = Job.objects.state(kind, **arguments)
            return render(request, "predictions/confirm_job.html", context)
        try:
            job = Job.objects.start_as_seen(request.POST.get("state", ""), kind, request.user, **arguments)
            self.message_user(request, f"{job} is queued.", messages.SUCCESS)
        except AlreadyQueuedError as error:
            self.message_user(request, str(error), messages.WARNING)
        return redirect(JOBS)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    list_before_template = "predictions/answering_at.html"
    list_display = ["at", "version", "previous", "by", "is_rollback", "override", "reason"]
    fields = ["at", "version", "previous", "by", "reason", "override", "rolls_back", "gate_decision"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ANN401
        """With a field for a time, and the version that answered then."""
        query = request.GET.copy()
        text = query.pop("answering_at", [""])[-1]
        request.GET = query  # type: ignore[assignment]  # Django's list takes what it does not know for a filter
        at = moment(text, later=True)
        version = ModelVersion.objects.only("name").answering_at(at) if at else None
        context = {"answering_at": text, "asked": at, "answering": version}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Promotion]:
        return super().get_queryset(request).select_related("version", "previous", "by", "rolls_back")

    @display(description="Rollback", boolean=True)
    def is_rollback(self, promotion: Promotion) -> bool:
        return promotion.rolls_back_id is not None

    @display(description="Gate")
    def gate_decision(self, promotion: Promotion) -> str:
        return gate_table(promotion.decision)
