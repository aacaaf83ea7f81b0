"""Filters of the list of predictions that are not simply a field's values."""

from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter

from predictions.models import ModelVersion, Prediction

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin


class RightOrWrong(RadioFilter):
    """Against the reviewed truth, where there is one."""

    title = "right or wrong"
    parameter_name = "reading"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin") -> list[tuple[str, str]]:
        return [("right", "right"), ("wrong", "wrong")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        right, known = Q(true_label=F("digit")), Q(true_label__isnull=False)
        return queryset.filter({"right": right, "wrong": known & ~right}.get(self.value() or "", Q()))


class LabelConflict(RadioFilter):
    title = "label conflict"
    parameter_name = "conflict"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin") -> list[tuple[str, str]]:
        return [("model", "visitor against model"), ("operator", "visitor against operator")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        said = Q(user_label__isnull=False)
        against_model = said & ~Q(user_label=F("digit"))
        against_operator = said & Q(true_label__isnull=False) & ~Q(user_label=F("true_label"))
        conflicts = {"model": against_model, "operator": against_operator}
        return queryset.filter(conflicts.get(self.value() or "", Q()))


class Version(DropdownFilter):
    """By name: Django's own filter would read every version's weights."""

    title = "model version"
    parameter_name = "model_version__id__exact"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin") -> list[tuple[Any, str]]:
        return list(ModelVersion.objects.values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        return queryset.filter(model_version=self.value()) if self.value() else queryset
