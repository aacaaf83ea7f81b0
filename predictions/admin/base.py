"""Shared bases of the admin's pages."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

if TYPE_CHECKING:
    # A page of several parts: each part is a mixin, which the type checker takes for the whole.
    MixinBase = ModelAdmin
else:
    MixinBase = object


class ReadOnlyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False
