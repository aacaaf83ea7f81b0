"""Reviewed labels that are doubted, and the two ways to settle a doubt."""

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from unfold.decorators import display

from predictions.admin.base import ReadOnlyAdmin
from predictions.admin.show import label, thumbnail
from predictions.models import BLOBS_OF_PREDICTION, LabelDoubt, Prediction


@admin.register(LabelDoubt)
class LabelDoubtAdmin(ReadOnlyAdmin):
    """Open doubts; both decisions go the way of every review."""

    list_display = ["picture", "shown_label", "shown_suggestion", "quality", "at"]
    list_display_links = ["shown_label"]
    actions = ["keep", "follow"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelDoubt]:
        rows: QuerySet[LabelDoubt] = LabelDoubt.objects.open().select_related("prediction")
        return rows.defer(*BLOBS_OF_PREDICTION)

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
        self.review(request, [(doubt, doubt.label) for doubt in queryset])

    @admin.action(description="It is what it looks like", permissions=["review"])
    def follow(self, request: HttpRequest, queryset: QuerySet[LabelDoubt]) -> None:
        self.review(request, [(doubt, doubt.suggestion) for doubt in queryset])

    def review(self, request: HttpRequest, decisions: list[tuple[LabelDoubt, int]]) -> None:
        """Leave alone what somebody else has reviewed meanwhile."""
        accepted, done = Prediction.ReviewStatus.ACCEPTED, 0
        for doubt, true_label in decisions:
            unchanged = Prediction.objects.filter(pk=doubt.pk, row_version=doubt.prediction.row_version)
            done += unchanged.review(request.user, accepted, true_label)
        self.message_user(request, f"{done} drawing{pluralize(done)} reviewed again.", messages.SUCCESS)
        left = len(request.POST.getlist(ACTION_CHECKBOX_NAME)) - done
        if left > 0:
            were = pluralize(left, "was,were")
            said = f"{left} {were} reviewed or deleted by others meanwhile and left alone."
            self.message_user(request, said, messages.WARNING)
