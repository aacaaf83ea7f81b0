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
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe
from ninja import Schema
from pydantic import Field, ValidationError

from predictions.admin import show
from predictions.admin.base import MixinBase
from predictions.models import Prediction, SecondOpinion, StaleRowError
from predictions.models.second_opinion import word

GRID_ROWS = 50
NAMED_ROWS = 1000  # in one request; a page whose operator undoes often holds many
COUNTED_ROWS = 10_000  # waiting rows beyond these are not counted
SIGNED_OUT = "You are signed out."
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

    def as_undone_by(self, user: Any) -> Prediction:  # noqa: ANN401
        """The row, where this very undo stands: its answer got lost, and the page tries again.

        Raises StaleRowError where it does not.
        """
        row = self.row()
        is_next = row.row_version == self.row_version + 1
        match list(row.changes.order_by("-pk")[:2]):
            case [last, decision] if is_next and last.by_id == user.pk and last.takes_back(decision):
                return row
        raise StaleRowError


class Decision(Seen):
    status: str = Field(pattern="^(accepted|rejected)$")
    true_label: int | None = Field(None, ge=0, le=10)

    def as_stored_by(self, user: Any) -> Prediction:  # noqa: ANN401
        """The row, where this very decision stands: its answer got lost, and the page tries again.

        Raises StaleRowError where another one does.
        """
        row = Prediction.objects.without_blobs().filter(self.as_stored(user)).first()
        if row is None:
            raise StaleRowError
        return row

    def as_seen(self) -> Q:
        return Q(pk=self.id, row_version=self.row_version)

    def as_stored(self, user: Any) -> Q:  # noqa: ANN401
        decided = {"review_status": self.status, "true_label": self.true_label, "reviewed_by": user}
        return Q(pk=self.id, row_version=self.row_version + 1, **decided)


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
    """A row as the scripts of queue and grid read it; of those that a lot chose, without anybody's guess."""
    blind = row.drawn
    return {
        "id": row.pk,
        "row_version": row.row_version,
        "blind": blind,
        "second": row.review_status != row.ReviewStatus.PENDING,  # another operator has decided
        "version": row.model_version.name,
        "drawing": show.drawing_url(row),
        "input": show.input_uri(row),
    } | ({} if blind else guesses(row))


def guesses(row: Prediction) -> dict[str, Any]:
    return {
        "digit": row.digit,
        "confidence": row.confidence,
        "probabilities": row.probabilities,
        "reason": row.get_reason_display(),
        "second_reading": row.second_reading,
        "user_label": row.user_label,
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
            "waiting": Prediction.objects.all().waiting(COUNTED_ROWS, request.user),
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
    try:
        row.undo(request.user, expected_version=seen.row_version)
    except StaleRowError:
        row = seen.as_undone_by(request.user)
    Prediction.objects.filter(pk=row.pk).renew(request.user)
    return JsonResponse({"row": shown(row)})


def give_opinion(request: HttpRequest) -> JsonResponse:
    """Store what a second operator says, whose answer may get lost as well."""
    decision = read(request, Decision)
    opinions, row = SecondOpinion.objects.all(), decision.row()
    try:
        opinions.give(row, request.user, decision.true_label, expected_version=decision.row_version)
    except StaleRowError:
        said = opinions.filter(prediction=row, by=request.user.pk, label=word(decision.true_label))
        if not said.exists():
            raise
    return JsonResponse({"row_version": row.row_version})


def undo_opinion(request: HttpRequest) -> JsonResponse:
    """Take the operator's opinion back, and hand the row out again; also where it was taken back already, and
    the answer got lost."""
    seen = read(request, Seen)
    row = seen.row()
    try:
        SecondOpinion.objects.all().take_back(row, request.user, expected_version=seen.row_version)
    except StaleRowError:
        waiting = Prediction.objects.all().for_second_opinion(request.user)
        if not waiting.filter(pk=row.pk, row_version=seen.row_version).exists():
            raise
    Prediction.objects.filter(pk=row.pk).renew(request.user)
    return JsonResponse({"row": shown(row)})


@transaction.atomic
def review_grid(request: HttpRequest) -> JsonResponse:
    """Store the decisions about a grid, those alike at once; count rows that others changed meanwhile."""
    decisions = read(request, Decisions).decisions
    alike: dict[tuple[str, int | None], list[Q]] = defaultdict(list)
    for decision in decisions:
        alike[decision.status, decision.true_label].append(decision.as_seen())
    for decided, rows in alike.items():
        fresh = Prediction.objects.filter(reduce(or_, rows))
        fresh.review(request.user, *decided, selected_by=Prediction.SelectedBy.GRID)
    standing = Prediction.objects.filter(pk__in=[decision.id for decision in decisions])
    stored = reduce(or_, (decision.as_stored(request.user) for decision in decisions), Q(pk=None))
    return JsonResponse({"stale": len(decisions) - standing.filter(stored).count()})


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
            ("queue/", "queue", self.for_operators(require_safe(self.queue_page))),
            ("queue/lease/", "queue_lease", self.for_scripts(lease)),
            ("queue/review/", "queue_review", self.for_scripts(review)),
            ("queue/undo/", "queue_undo", self.for_scripts(undo)),
            ("queue/opinion/", "queue_opinion", self.for_scripts(give_opinion)),
            ("queue/opinion/undo/", "queue_undo_opinion", self.for_scripts(undo_opinion)),
            ("grid/", "grid", self.for_operators(require_safe(self.grid_page))),
            ("grid/<int:digit>/", "grid_rows", self.for_scripts(grid_rows)),
            ("grid/review/", "grid_review", self.for_scripts(review_grid)),
        ]
        urls = [path(route, view, name=f"predictions_prediction_{name}") for route, name, view in views]
        return [*urls, *super().get_urls()]

    def for_operators(self, view: View) -> View:
        """Ask for the permission to change predictions."""

        def checked(request: HttpRequest, **arguments: Any) -> HttpResponse:  # noqa: ANN401
            if not self.has_change_permission(request):
                raise PermissionDenied
            return view(request, **arguments)

        return self.admin_site.admin_view(checked)

    def for_scripts(self, view: View) -> View:
        """Tell the page in words what can't be done; a redirection to the sign-in page would not."""
        allowed = self.for_operators(require_POST(view))

        def answer(request: HttpRequest, **arguments: Any) -> HttpResponse:  # noqa: ANN401
            if obstacle := self.obstacle(request):
                return JsonResponse({"message": obstacle}, status=401)
            try:
                return allowed(request, **arguments)
            except InvalidBodyError as error:
                return JsonResponse({"message": str(error)}, status=400)
            except StaleRowError:
                return JsonResponse({"message": STALE}, status=409)

        return answer

    def obstacle(self, request: HttpRequest) -> str:
        """Why nothing can be stored for the page's operator, who may have signed out, or as somebody else."""
        if not self.admin_site.has_permission(request):
            return SIGNED_OUT
        if request.headers.get("X-Operator", str(request.user.pk)) != str(request.user.pk):
            return f"You are signed in as {request.user} now, and this page is somebody else's."
        return ""

    def queue_page(self, request: HttpRequest) -> HttpResponse:
        return self.page(request, "predictions/queue.html", "Review queue")

    def grid_page(self, request: HttpRequest) -> HttpResponse:
        return self.page(request, "predictions/grid.html", "Review grid")

    @method_decorator(ensure_csrf_cookie)
    def page(self, request: HttpRequest, template: str, title: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "digits": range(10)}
        return render(request, template, context)
