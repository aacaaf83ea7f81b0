"""How much work each sender of requests has caused, as all web processes together count it."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

KEPT = timedelta(minutes=10)

# In the order of the senders, so that two processes never wait for each other.
ADD = """
    INSERT INTO predictions_spentwork AS known (sender, ms, at)
    SELECT sender, ms, statement_timestamp()
    FROM unnest(%s::uuid[], %s::float8[]) AS spent (sender, ms) ORDER BY sender
    ON CONFLICT (sender) DO UPDATE SET ms = known.ms + excluded.ms, at = excluded.at
    RETURNING sender, ms
"""


class SpentWorkQuerySet(models.QuerySet["SpentWork"]):
    def add(self, spent: Mapping[UUID, float]) -> dict[UUID, float]:
        """Add milliseconds for each sender; the new sums."""
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(spent), list(spent.values())])
            return dict(cursor.fetchall())

    def forget(self) -> int:
        """Delete what is too old to matter; of how many senders that was."""
        return self.filter(at__lt=timezone.now() - KEPT).delete()[0]


class SpentWork(models.Model):
    """Unlogged: nothing of it has to outlive a crash, so nothing of it costs the disk."""

    sender = models.UUIDField(primary_key=True, help_text="A keyed hash of the address, which is not stored.")
    ms = models.FloatField(help_text="Milliseconds of a processor, ever.")
    at = models.DateTimeField(help_text="The last time.")

    objects = SpentWorkQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.sender)
