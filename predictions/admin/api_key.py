"""API keys: made here, shown once, revoked here."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import pluralize
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from predictions.admin.base import ModelAdmin
from predictions.figures import number
from predictions.models import ApiKey


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    fields = ["name", "scopes"]
    list_display = ["name", "beginning", "scopes", "created_at", "created_by", "last_used", "revoked_at"]
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Revoked keys stay, so that it can be seen who had one."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("predictions.change_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.filter(revoked_at=None):
            self.log_change(request, key, "Revoked.")
        count = ApiKey.objects.filter(pk__in=queryset.values("pk")).revoke()
        said = f"{number(count)} key{pluralize(count)} revoked, everywhere within five seconds."
        self.message_user(request, said, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # noqa: ANN401
        obj.created_by = request.user  # type: ignore[assignment]  # who is signed in, here
        obj.token = obj.make_token()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the key."""
        context = {**self.admin_site.each_context(request), "title": "API key", "key": obj}
        answer = render(request, "predictions/api_key.html", context)
        answer["Cache-Control"] = "no-store"
        return answer
