"""The list of predictions, and one prediction's page."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RangeNumericFilter,
)
from unfold.decorators import display

from predictions.admin import actions, filters, history, queue, show, transfer
from predictions.admin.base import ModelAdmin
from predictions.admin.paginator import LogPaginator
from predictions.models import Prediction, StaleRowError

STALE = "Somebody else changed this prediction after you opened it. Nothing of yours was saved: look again."
NO_LABEL = "Choose what was drawn: only a prediction with a true label can be accepted."

READING = ["digit", "bars", "uncertain", "reason", "model_version", "second_reading"]


class PredictionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    expected_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Prediction
        fields = ["true_label", "review_status"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.initial["expected_version"] = self.instance.row_version

    def clean_review_status(self) -> str:
        """A corrected label is a decision, also when the status was left as it was."""
        status: str = self.cleaned_data["review_status"]
        corrected = "true_label" in self.changed_data and self.cleaned_data.get("true_label") is not None
        return "accepted" if corrected and status == "pending" else status

    def clean(self) -> dict[str, Any]:
        """No label is filled in: this page, unlike the list's action, doesn't say which one it would be."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        unlabelled = "true_label" in cleaned and cleaned["true_label"] is None
        if unlabelled and cleaned.get("review_status") == Prediction.ReviewStatus.ACCEPTED:
            self.add_error("true_label", NO_LABEL)
        return cleaned


@admin.register(Prediction)
class PredictionAdmin(
    actions.ReviewActions, queue.QueueViews, history.HistoryViews, transfer.TransferViews, ModelAdmin
):
    form = PredictionForm
    paginator = LogPaginator
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    list_display = [
        "thumbnail",
        "shown_digit",
        "shown_confidence",
        "visitor_said",
        "truth",
        "status",
        "version",
        "created_at",
        "short_id",
    ]
    sortable_by = ["created_at"]  # what the index answers
    list_filter = [
        ("created_at", filters.TimeRange),
        ("digit", ChoicesDropdownFilter),
        filters.RightOrWrong,
        ("confidence", RangeNumericFilter),
        ("review_status", ChoicesDropdownFilter),
        ("user_label", ChoicesDropdownFilter),
        ("true_label", ChoicesDropdownFilter),
        filters.LabelConflict,
        ("uncertain", BooleanRadioFilter),
        filters.Version,
        ("source", ChoicesDropdownFilter),
        ("superseded", BooleanRadioFilter),
    ]
    search_fields = ["id", "visitor"]
    search_help_text = "Id or its first characters, or a visitor's id"
    fieldsets = [
        ("Review", {"fields": ["drawing_as_sent", "true_label", "review_status", "expected_version"]}),
        ("Decision", {"fields": ["reviewed_by", "reviewed_at", "selected_by"]}),
        ("Reading", {"fields": ["model_input", *READING]}),
        ("Visitor", {"fields": ["user_label", "user_label_at", "source", "visitor"]}),
        (
            "Log",
            {
                "fields": [
                    "id",
                    "created_at",
                    "latency_ms",
                    "request_id",
                    "drawing",
                    "superseded",
                    "suspicion",
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        return super().get_queryset(request).without_blobs()

    def get_readonly_fields(self, request: HttpRequest, obj: Prediction | None = None) -> list[str]:
        shown = [field for _, options in self.fieldsets for field in options["fields"]]
        return [field for field in shown if field not in {"true_label", "review_status", "expected_version"}]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Prediction | None = None) -> bool:
        """Rejecting is how a row is put aside; only its visitor, or retention, deletes it."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Prediction], search_term: str
    ) -> tuple[QuerySet[Prediction], bool]:
        """Ids by their beginning, as a range that the index answers; visitors by their whole id."""
        digits = search_term.strip().replace("-", "").lower()
        if not digits:
            return queryset, False
        if len(digits) > 32 or set(digits) - set("0123456789abcdef"):
            return queryset.none(), False
        found = Q(pk__range=(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))))
        return queryset.filter(found | Q(visitor=UUID(digits)) if len(digits) == 32 else found), False

    def get_urls(self) -> list[URLPattern]:
        image = path(
            "<uuid:pk>/drawing.png",
            self.admin_site.admin_view(self.drawing_view),
            name="predictions_prediction_drawing",
        )
        return [image, *super().get_urls()]

    def drawing_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        prediction = get_object_or_404(Prediction.objects.defer("model_version"), pk=pk)
        if not self.has_view_permission(request, prediction):
            return HttpResponse(status=403)
        answer = HttpResponse(show.drawing_png(prediction), content_type="image/png")
        answer["Cache-Control"] = "private, max-age=3600"
        return answer

    def save_model(self, request: HttpRequest, obj: Prediction, form: PredictionForm, change: bool) -> None:
        """Store the decision only, and only about the row as the operator saw it."""
        if form.has_changed():
            label = obj.true_label if "true_label" in form.changed_data else None
            obj.review(
                request.user,
                obj.review_status,
                label,
                selected_by=Prediction.SelectedBy.LIST,
                expected_version=form.cleaned_data["expected_version"],
            )

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401
        try:
            return super().changeform_view(request, *args, **kwargs)
        except StaleRowError:
            self.message_user(request, STALE, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @display(description="Input")
    def thumbnail(self, prediction: Prediction) -> str:
        return show.thumbnail(prediction)

    @display(description="Read")
    def shown_digit(self, prediction: Prediction) -> str:
        return f"{prediction.digit}?" if prediction.uncertain else str(prediction.digit)

    @display(description="Confidence")
    def shown_confidence(self, prediction: Prediction) -> str:
        return show.per_cent(prediction.confidence)

    @display(description="Visitor said")
    def visitor_said(self, prediction: Prediction) -> str:
        return show.compared(prediction.user_label, prediction.digit)

    @display(description="True label")
    def truth(self, prediction: Prediction) -> str:
        return show.compared(prediction.true_label, prediction.digit)

    @display(description="Status")
    def status(self, prediction: Prediction) -> str:
        return show.status(prediction)

    @display(description="Version")
    def version(self, prediction: Prediction) -> str:
        return prediction.model_version.name

    @display(description="Id")
    def short_id(self, prediction: Prediction) -> str:
        return str(prediction.pk)[:8]

    @display(description="Drawing")
    def drawing_as_sent(self, prediction: Prediction) -> str:
        return show.drawing(prediction)

    @display(description="What the model saw")
    def model_input(self, prediction: Prediction) -> str:
        return show.thumbnail(prediction)

    @display(description="Probabilities")
    def bars(self, prediction: Prediction) -> str:
        return show.bars(prediction)
