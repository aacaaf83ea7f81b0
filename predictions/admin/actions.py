"""Decisions about many rows of the list, each after a page that says how many."""

from collections.abc import Iterator

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import pluralize
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget

from predictions.admin import as_of
from predictions.admin.as_of import AsOfForm
from predictions.admin.base import MixinBase
from predictions.database.base import take_time
from predictions.models import LABELS, LEFT_TO_QUEUE, Prediction


class SetLabelForm(AsOfForm):
    true_label = forms.TypedChoiceField(choices=LABELS, coerce=int, widget=UnfoldAdminSelectWidget)


def count_without_lots(rows: QuerySet[Prediction]) -> tuple[int, int]:
    """How many of the rows can be decided here, and how many a lot drew, which the queue shows blind."""
    found = rows.aggregate(rows=Count("*"), left=Count("pk", filter=LEFT_TO_QUEUE))
    return found["rows"] - found["left"], found["left"]


class ReviewActions(MixinBase):
    actions = ["accept", "reject", "set_label"]

    @admin.action(description="Accept (the visitor's label, else the model's)", permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "accept", "accepted", AsOfForm)

    @admin.action(description="Reject", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "reject", "rejected", AsOfForm)

    @admin.action(description="Set the true label", permissions=["change"])
    def set_label(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "set_label", "accepted", SetLabelForm)

    def ask_first(
        self,
        request: HttpRequest,
        queryset: QuerySet[Prediction],
        action: str,
        status: str,
        form_class: type[AsOfForm],
    ) -> HttpResponse | None:
        """Ask first; review the rows once the answer is there."""
        form = form_class(request.POST if "as_of" in request.POST else None, initial={"as_of": as_of.now()})
        if not form.is_valid():
            return self.ask(request, queryset, action, form)
        with take_time():
            self.review_unchanged(request, queryset, status, form)
        return None

    def ask(
        self, request: HttpRequest, queryset: QuerySet[Prediction], action: str, form: AsOfForm
    ) -> HttpResponse:
        count, left = count_without_lots(queryset)
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(action.replace("_", " ")),
            "opts": self.opts,
            "count": count,
            "left": left,
            "action": action,
            "form": form,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
            "across": request.POST.get("select_across", "0"),
        }
        return render(request, "predictions/confirm_review.html", context)

    def review_unchanged(
        self, request: HttpRequest, queryset: QuerySet[Prediction], status: str, form: AsOfForm
    ) -> None:
        shown_at = form.cleaned_data["as_of"]
        asked = queryset.filter(created_at__lte=shown_at)
        selected, left = count_without_lots(asked)
        rows = Prediction.objects.filter(~LEFT_TO_QUEUE, pk__in=asked.order_by().values("pk"))
        # The trace is looked at once; a row again, where whoever was deciding it had to be waited for.
        unchanged = rows.exclude(changes__at__gt=shown_at).exclude(reviewed_at__gt=shown_at)
        label = form.cleaned_data.get("true_label")
        count = unchanged.review(request.user, status, label, selected_by=Prediction.SelectedBy.LIST)
        self.message_user(request, f"{count:,} prediction{pluralize(count)} {status}.", messages.SUCCESS)
        for said in self.tell_what_was_left(selected - count, left):
            self.message_user(request, said, messages.WARNING)

    def tell_what_was_left(self, changed: int, drawn: int) -> Iterator[str]:
        if changed > 0:  # a drawn row may have been superseded in between, and no lot's any more
            what = pluralize(changed, "prediction was,predictions were")
            yield f"{changed:,} {what} changed by others meanwhile and left alone."
        if drawn:
            was, them = pluralize(drawn, "was,were"), pluralize(drawn, "it,them")
            yield f"{drawn:,} {was} left to the queue: a lot drew {them} to measure accuracy."
