"""Pages of a log of any length."""

import json
from typing import Any

from django.core.paginator import EmptyPage, Page, Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.functional import cached_property

COUNTING_MS = 200


class LogPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts for 200 ms at the most, then takes the planner's estimate; finds a page's keys in an index.

    Rows are read for one page only, and pages of the second half are looked for from the end, so that the
    last page costs what the first costs. Once the count is an estimate, rows in the very middle may be
    missed or shown twice; the first and the last pages are always true.
    """

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {COUNTING_MS}")
                count = self.object_list.order_by().count()
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
                return int(count)
        except OperationalError:
            return self.estimate()

    def estimate(self) -> int:
        """How many rows the planner expects, from the statistics of the last ANALYZE."""
        plan = json.loads(self.object_list.order_by().values("pk").explain(format="json"))
        return int(plan[0]["Plan"]["Plan Rows"])

    def validate_number(self, number: float | str) -> int:
        """The last page, where there is none of that number: an estimate may be larger the next time."""
        try:
            return super().validate_number(number)
        except EmptyPage:
            return self.num_pages

    def page(self, number: int | str) -> "Page[Any]":
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self.keys(first, min(first + self.per_page, self.count))
        return Page(list(self.object_list.filter(pk__in=keys)), number, self)

    def keys(self, first: int, after_last: int) -> QuerySet[Any]:
        keys = self.object_list.values("pk")
        if first < self.count / 2:
            return keys[first:after_last]
        return keys.reverse()[self.count - after_last : self.count - first]
