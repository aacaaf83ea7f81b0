"""The ids of rows that were deleted, so that a request which is sent again does not bring one back."""

from datetime import timedelta

import pgtrigger
from django.db import models
from django.utils import timezone

# No client tries again for so long.
KEPT = timedelta(days=1)

# After the row is inserted, because one that is being deleted at that moment is waited for by then; the
# statement that inserts has looked before. It looks like an id that is taken, which it is.
REFUSE_ERASED = pgtrigger.Trigger(
    name="refuse_erased",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func="""
        IF EXISTS (SELECT 1 FROM predictions_erasedid WHERE id = NEW.id) THEN
            RAISE EXCEPTION 'Prediction % was deleted', NEW.id USING ERRCODE = 'unique_violation';
        END IF;
        RETURN NULL;
    """,
)


class ErasedIdQuerySet(models.QuerySet["ErasedId"]):
    def forget(self) -> int:
        """Delete those that are too old to matter; how many there were."""
        return self.filter(at__lt=timezone.now() - KEPT).delete()[0]


class ErasedId(models.Model):
    """A deleted prediction's id and nothing else: not whose it was."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)

    objects = ErasedIdQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.id)
