"""The trace: every change of a label, by whom and what was before.

Triggers write it and count the row's version up, so that the admin, an action, the API, a bulk update
and raw SQL all leave one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pgtrigger
from django.conf import settings
from django.db import connection, models, transaction

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Operator = User | AnonymousUser  # the type of request.user; the admin lets users in only

TRACE_LABELS = pgtrigger.Trigger(
    name="trace_labels",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    condition=pgtrigger.AnyChange("user_label", "true_label", "review_status", "reviewed_by"),
    func="""
        NEW.row_version := OLD.row_version + 1;
        INSERT INTO predictions_labelchange (
            prediction_id, at, by_id, old_user_label, user_label, old_true_label, true_label,
            old_review_status, review_status
        ) VALUES (
            OLD.id, clock_timestamp(), NULLIF(current_setting('predictions.operator', true), '')::integer,
            OLD.user_label, NEW.user_label, OLD.true_label, NEW.true_label,
            OLD.review_status, NEW.review_status
        );
        RETURN NEW;
    """,
)

# What was answered stays as it was answered.
KEEP_ANSWER = pgtrigger.ReadOnly(
    name="keep_answer",
    fields=[
        "created_at",
        "source",
        "input",
        "model_version",
        "digit",
        "confidence",
        "probabilities",
        "uncertain",
        "reason",
    ],
)

KEEP_TRACE = pgtrigger.Protect(name="keep_trace", operation=pgtrigger.Update)

# A visitor's deletion takes the trace along; nothing else may. Deferred, because Django deletes the
# trace before the row.
DELETE_TRACE_WITH_ROW = pgtrigger.Trigger(
    name="delete_trace_with_row",
    when=pgtrigger.After,
    operation=pgtrigger.Delete,
    timing=pgtrigger.Deferred,
    func="""
        IF EXISTS (SELECT 1 FROM predictions_prediction WHERE id = OLD.prediction_id) THEN
            RAISE EXCEPTION 'The trace of prediction % cannot be deleted without it', OLD.prediction_id;
        END IF;
        RETURN NULL;
    """,
)


@contextmanager
def operator(user: "Operator") -> Iterator[None]:
    """Changes of labels inside the block are traced as this user's."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('predictions.operator', %s, true)", [str(user.pk)])
        yield
        cursor.execute("SELECT set_config('predictions.operator', '', true)")


class LabelChange(models.Model):
    """One line of the append-only trace of a prediction's labels; only the trigger writes it."""

    prediction = models.ForeignKey(
        "predictions.Prediction", models.CASCADE, related_name="changes", editable=False
    )
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="The operator; none for the visitor.",
    )
    old_user_label = models.PositiveSmallIntegerField(null=True)
    user_label = models.PositiveSmallIntegerField(null=True)
    old_true_label = models.PositiveSmallIntegerField(null=True)
    true_label = models.PositiveSmallIntegerField(null=True)
    old_review_status = models.CharField(max_length=10)
    review_status = models.CharField(max_length=10)

    class Meta:
        ordering = ["-pk"]
        triggers = [KEEP_TRACE, DELETE_TRACE_WITH_ROW]

    def __str__(self) -> str:
        return f"{self.old_review_status} → {self.review_status}"

    @property
    def who(self) -> str:
        """Visitors change what they said and nothing else; the rest without an operator was plain SQL."""
        if self.by:
            return str(self.by)
        return "outside the desk" if self.is_decision else "visitor"

    def takes_back(self, change: "LabelChange") -> bool:
        """Whether this one led back to what was before that one."""
        before = change.old_true_label, change.old_review_status
        return before == (self.true_label, self.review_status)

    @property
    def is_decision(self) -> bool:
        """Whether true label or status changed, which can be restored."""
        before = self.old_true_label, self.old_review_status
        return before != (self.true_label, self.review_status)
