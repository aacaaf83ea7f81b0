"""Filters of the list of predictions that are not simply a field's values."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.timezone import make_aware
from unfold.contrib.filters.admin import DropdownFilter, RadioFilter, RangeDateTimeFilter

from predictions.models import CONFLICT, ModelVersion, Prediction

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin


class TimeRange(RangeDateTimeFilter):
    """Unfold's own filter, in the site's time zone, and with days that need no time of day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        for end, lookup, clock in (("from", "gte", "00:00:00"), ("to", "lte", "23:59:59.999999")):
            day, time = (self.used_parameters.get(f"{self.field_path}_{end}_{part}") for part in (0, 1))
            if at := moment(f"{day} {time or clock}", later=end == "to"):
                queryset = queryset.filter(**{f"{self.field_path}__{lookup}": at})
        return queryset


def moment(text: str, *, later: bool) -> datetime | None:
    """None for what is no date or time. In autumn an hour happens twice: the `later` one, or the earlier."""
    try:
        naive = parse_datetime(text)
    except ValueError:
        return None
    return naive and make_aware(naive.replace(fold=int(later)))


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
        against_operator = said & Q(true_label__isnull=False) & ~Q(user_label=F("true_label"))
        conflicts = {"model": CONFLICT, "operator": against_operator}
        return queryset.filter(conflicts.get(self.value() or "", Q()))


class Version(DropdownFilter):
    """By name: Django's own filter would read every version's weights."""

    title = "model version"
    parameter_name = "model_version__id__exact"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin") -> list[tuple[Any, str]]:
        return list(ModelVersion.objects.values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        known = {str(key) for key, _ in self.lookup_choices}
        return queryset.filter(model_version=self.value()) if self.value() in known else queryset
