"""The queue: one drawing after the other, a key for each. And the grid: fifty of one digit at a glance."""

from collections import defaultdict
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST
from ninja import Schema
from pydantic import Field, ValidationError

from predictions.admin import show
from predictions.admin.base import MixinBase
from predictions.models import Prediction, StaleRowError

GRID_ROWS = 50
NAMED_ROWS = 1000  # in one request; a page whose operator undoes often holds many
COUNTED_ROWS = 10_000
STALE = "Somebody else changed or deleted that drawing meanwhile. Their decision stands."

View = Callable[..., HttpResponse]


class Asked(Schema):
    """Rows that the page holds, rows that its operator skipped, and how many more it wants."""

    held: list[UUID] = Field(max_length=NAMED_ROWS)
    skipped: list[UUID] = Field(max_length=NAMED_ROWS)
    count: int = Field(ge=0, le=GRID_ROWS)


class Seen(Schema):
    """A row as the operator saw it."""

    id: UUID
    row_version: int

    def row(self) -> Prediction:
        """Raises StaleRowError where it has been deleted."""
        row = Prediction.objects.without_blobs().filter(pk=self.id).first()
        if row is None:
            raise StaleRowError
        return row


class Decision(Seen):
    status: str = Field(pattern="^(accepted|rejected)$")
    true_label: int | None = Field(None, ge=0, le=10)

    def as_stored_by(self, user: Any) -> Prediction:  # noqa: ANN401
        """The row, where this very decision stands: its answer got lost, and the page tries again.

        Raises StaleRowError where another one does.
        """
        decided = {"review_status": self.status, "true_label": self.true_label, "reviewed_by": user}
        row = (
            Prediction.objects.without_blobs()
            .filter(pk=self.id, row_version=self.row_version + 1, **decided)
            .first()
        )
        if row is None:
            raise StaleRowError
        return row


class Decisions(Schema):
    decisions: list[Decision] = Field(max_length=GRID_ROWS)


Body = TypeVar("Body", bound=Schema)


class InvalidBodyError(Exception):
    """The request is not one that the page sends."""


def read(request: HttpRequest, schema: type[Body]) -> Body:
    try:
        return schema.model_validate_json(request.body)
    except ValidationError as error:
        raise InvalidBodyError(str(error)) from error


def shown(row: Prediction) -> dict[str, Any]:
    """A row as the scripts of queue and grid read it."""
    return {
        "id": row.pk,
        "row_version": row.row_version,
        "digit": row.digit,
        "confidence": row.confidence,
        "probabilities": row.probabilities,
        "reason": row.get_reason_display(),
        "second_reading": row.second_reading,
        "user_label": row.user_label,
        "version": row.model_version.name,
        "drawing": show.drawing_url(row),
        "input": show.input_uri(row),
    }


def lease(request: HttpRequest) -> JsonResponse:
    """Hold what the page has for another minute, name what it lost, and hand out the next rows."""
    asked = read(request, Asked)
    rows = Prediction.objects.without_blobs()
    lost = lost_rows(request, asked.held)
    following = rows.queue(request.user, asked.count, [*asked.held, *asked.skipped]) if asked.count else []
    return JsonResponse(
        {
            "rows": [shown(row) for row in following],
            "lost": lost,
            "waiting": Prediction.objects.all().waiting(COUNTED_ROWS),
        }
    )


def lost_rows(request: HttpRequest, held: list[UUID]) -> list[UUID]:
    """Hold these rows for another minute; those that can't be held any more."""
    rows = Prediction.objects.filter(pk__in=held)
    if rows.renew(request.user) == len(held):
        return []
    still = set(rows.filter(leased_by=request.user.pk).values_list("pk", flat=True))
    return [pk for pk in held if pk not in still]


def review(request: HttpRequest) -> JsonResponse:
    """Store one decision."""
    decision = read(request, Decision)
    row = decision.row()
    try:
        row.review(
            request.user,
            decision.status,
            decision.true_label,
            selected_by=row.selected_by_queue,
            expected_version=decision.row_version,
        )
    except StaleRowError:
        row = decision.as_stored_by(request.user)
    return JsonResponse({"row_version": row.row_version})


def undo(request: HttpRequest) -> JsonResponse:
    """Take the operator's last decision about a row back, and hand the row out again."""
    seen = read(request, Seen)
    row = seen.row()
    row.undo(request.user, expected_version=seen.row_version)
    Prediction.objects.filter(pk=row.pk).renew(request.user)
    return JsonResponse({"row": shown(row)})


@transaction.atomic
def review_grid(request: HttpRequest) -> JsonResponse:
    """Store the decisions about a grid, those alike at once; count rows that others changed meanwhile."""
    alike: dict[tuple[str, int | None], list[Q]] = defaultdict(list)
    decisions = read(request, Decisions).decisions
    for decision in decisions:
        row = Q(pk=decision.id, row_version=decision.row_version)
        alike[decision.status, decision.true_label].append(row)
    stored = sum(
        Prediction.objects.filter(reduce(or_, rows)).review(
            request.user, *decided, selected_by=Prediction.SelectedBy.GRID
        )
        for decided, rows in alike.items()
    )
    return JsonResponse({"stale": len(decisions) - stored})


def grid_rows(request: HttpRequest, digit: int) -> JsonResponse:
    """The fifty most suspicious rows that the model reads as this digit."""
    rows = (
        Prediction.objects.without_blobs().most_suspicious().filter(digit=digit).hold(request.user, GRID_ROWS)
    )
    return JsonResponse({"rows": [shown(row) for row in rows]})


class QueueViews(MixinBase):
    """Adds the pages and what their scripts call to the admin of predictions."""

    def get_urls(self) -> list[URLPattern]:
        views: list[tuple[str, str, View]] = [
            ("queue/", "queue", require_GET(self.queue_page)),
            ("queue/lease/", "queue_lease", require_POST(lease)),
            ("queue/review/", "queue_review", require_POST(review)),
            ("queue/undo/", "queue_undo", require_POST(undo)),
            ("grid/", "grid", require_GET(self.grid_page)),
            ("grid/<int:digit>/", "grid_rows", require_POST(grid_rows)),
            ("grid/review/", "grid_review", require_POST(review_grid)),
        ]
        urls = [
            path(route, self.for_operators(view), name=f"predictions_prediction_{name}")
            for route, name, view in views
        ]
        return [*urls, *super().get_urls()]

    def for_operators(self, view: View) -> View:
        """Ask for the permission to change predictions; answer bad or stale decisions with a message."""

        def checked(request: HttpRequest, **arguments: Any) -> HttpResponse:  # noqa: ANN401
            if not self.has_change_permission(request):
                raise PermissionDenied
            try:
                return view(request, **arguments)
            except InvalidBodyError as error:
                return JsonResponse({"message": str(error)}, status=400)
            except StaleRowError:
                return JsonResponse({"message": STALE}, status=409)

        return self.admin_site.admin_view(checked)

    def queue_page(self, request: HttpRequest) -> HttpResponse:
        return self.page(request, "predictions/queue.html", "Review queue")

    def grid_page(self, request: HttpRequest) -> HttpResponse:
        return self.page(request, "predictions/grid.html", "Review grid")

    def page(self, request: HttpRequest, template: str, title: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "digits": range(10)}
        return render(request, template, context)
