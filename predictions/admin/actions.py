"""Decisions about many rows of the list, each after a page that says how many."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget

from predictions.admin.base import MixinBase
from predictions.database.base import take_time
from predictions.models import LABELS, Prediction


class ConfirmForm(forms.Form):
    """`as_of` is when the number was shown: rows that come or change after that are left alone."""

    as_of = forms.DateTimeField(widget=forms.HiddenInput)


class SetLabelForm(ConfirmForm):
    true_label = forms.TypedChoiceField(choices=LABELS, coerce=int, widget=UnfoldAdminSelectWidget)


class ReviewActions(MixinBase):
    actions = ["accept", "reject", "set_label"]

    @admin.action(description="Accept (the visitor's label, else the model's)", permissions=["change"])
    def accept(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "accept", "accepted", ConfirmForm)

    @admin.action(description="Reject", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "reject", "rejected", ConfirmForm)

    @admin.action(description="Set the true label", permissions=["change"])
    def set_label(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> HttpResponse | None:
        return self.ask_first(request, queryset, "set_label", "accepted", SetLabelForm)

    def ask_first(
        self,
        request: HttpRequest,
        queryset: QuerySet[Prediction],
        action: str,
        status: str,
        form_class: type[ConfirmForm],
    ) -> HttpResponse | None:
        """Ask first; review the rows once the answer is there."""
        # With its offset: without, an hour of every autumn would be ambiguous.
        now = timezone.now().isoformat()
        form = form_class(request.POST if "as_of" in request.POST else None, initial={"as_of": now})
        if not form.is_valid():
            return self.ask(request, queryset, action, form)
        with take_time():
            self.review_unchanged(request, queryset, status, form)
        return None

    def ask(
        self, request: HttpRequest, queryset: QuerySet[Prediction], action: str, form: ConfirmForm
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(action.replace("_", " ")),
            "opts": self.opts,
            "count": queryset.count(),
            "action": action,
            "form": form,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
            "across": request.POST.get("select_across", "0"),
        }
        return render(request, "predictions/confirm_review.html", context)

    def review_unchanged(
        self, request: HttpRequest, queryset: QuerySet[Prediction], status: str, form: ConfirmForm
    ) -> None:
        as_of = form.cleaned_data["as_of"]
        asked = queryset.filter(created_at__lte=as_of)
        selected = asked.count()
        rows = Prediction.objects.filter(pk__in=asked.order_by().values("pk"))
        # The trace is looked at once; a row again, where whoever was deciding it had to be waited for.
        unchanged = rows.exclude(changes__at__gt=as_of).exclude(reviewed_at__gt=as_of)
        label = form.cleaned_data.get("true_label")
        count = unchanged.review(request.user, status, label, selected_by=Prediction.SelectedBy.LIST)
        self.message_user(request, f"{count:,} predictions {status}.", messages.SUCCESS)
        if count < selected:
            left = f"{selected - count:,} predictions were changed by others meanwhile and left alone."
            self.message_user(request, left, messages.WARNING)
