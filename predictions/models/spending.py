"""What each sender of requests has taken, as all web processes together count it."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

KEPT = timedelta(days=1)

# In the order of the senders, so that two processes never wait for each other.
ADD = """
    INSERT INTO predictions_spending AS known (sender, amount, at)
    SELECT sender, amount, statement_timestamp()
    FROM unnest(%s::uuid[], %s::float8[]) AS spent (sender, amount) ORDER BY sender
    ON CONFLICT (sender) DO UPDATE SET amount = known.amount + excluded.amount, at = excluded.at
    RETURNING sender, amount
"""


class SpendingQuerySet(models.QuerySet["Spending"]):
    def add(self, spent: Mapping[UUID, float]) -> dict[UUID, float]:
        """Add to each sender's sum; the new sums."""
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(spent), list(spent.values())])
            return dict(cursor.fetchall())

    def forget(self) -> int:
        """Delete what is too old to matter; of how many senders that was."""
        return self.filter(at__lt=timezone.now() - KEPT).delete()[0]


class Spending(models.Model):
    """Unlogged: nothing of it has to outlive a crash, so nothing of it costs the disk."""

    sender = models.UUIDField(primary_key=True, help_text="A keyed hash of address and kind.")
    amount = models.FloatField(help_text="Since the row is there.")
    at = models.DateTimeField(help_text="The last time.")

    objects = SpendingQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.sender)
