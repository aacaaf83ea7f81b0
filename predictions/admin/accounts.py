"""Accounts and their roles, in unfold's forms; only superusers make superusers, or say what a role may do."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from predictions import second_factor
from predictions.admin.base import ModelAdmin

admin.site.unregister([User, Group])
admin.site.unregister([TOTPDevice, StaticDevice])  # whose pages show other people's keys


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    filter_horizontal = []  # Django's two lists have labels that no screen reader may read
    list_display = ["username", "email", "first_name", "last_name", "is_staff", "has_second_factor"]
    actions = ["remove_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        apps = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).annotate(has_app=Exists(apps))

    @admin.display(description="Second factor", boolean=True)
    def has_second_factor(self, user: Any) -> bool:  # noqa: ANN401  (a user, annotated)
        return bool(user.has_app)

    def has_superuser_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    @admin.action(description="Remove the second factor of the selected users", permissions=["superuser"])
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Of those who have lost their phone and their recovery codes."""
        removed = sum(second_factor.remove(user, by=request.user) for user in queryset)  # type: ignore[arg-type]
        said = f"{removed} second factor{pluralize(removed)} removed."
        self.message_user(request, said, messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return [] if request.user.is_superuser else ["is_superuser", "user_permissions"]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's password, for one, is nobody else's to set."""
        return super().has_change_permission(request, obj) and beneath(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and beneath(request, obj)


def beneath(request: HttpRequest, obj: User | None) -> bool:
    return request.user.is_superuser or obj is None or not obj.is_superuser


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    filter_horizontal = []

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        """An admin is in a group too, and could give itself everything."""
        return [] if request.user.is_superuser else ["permissions"]
