"""Shared bases of the admin's pages."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from unfold.admin import ModelAdmin as UnfoldAdmin


class ModelAdmin(UnfoldAdmin):
    """Unfold's, which does not fail for keys that are not valid."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponseBase | None:
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)
        except ValidationError as error:
            raise BadRequest("A selected row's key is not valid.") from error
        return super().response_action(request, queryset)

    def get_or_404(self, request: HttpRequest, object_id: str) -> Any:  # noqa: ANN401
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        return found


class ReadOnlyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        return False


if TYPE_CHECKING:
    # A page of several parts: each part is a mixin, which the type checker takes for the whole.
    MixinBase = ModelAdmin
else:
    MixinBase = object
