"""A second lot, which favours doubtful drawings: an index that hands them out, and second opinions on them as well."""

import django.db.models.functions.math
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Case, F, Q, Value, When

import predictions.models.review

DOUBTFUL = (Q(user_label__isnull=False) & ~Q(user_label=F("digit"))) | Q(
    user_label__isnull=True, confidence__lt=0.95
)
UNEVEN_SAMPLE = Q(lottery__gte=0.05) & (
    Q(DOUBTFUL, lottery__lt=0.05 + 0.22) | Q(user_label__isnull=True, lottery__lt=0.05 + 0.04)
)
PLACE = (F("lottery") - 0.05) / Case(When(DOUBTFUL, then=Value(0.22)), default=Value(0.04))


class Migration(migrations.Migration):
    atomic = False  # the log stays open for new rows
    dependencies = [("predictions", "0014_request_id")]
    operations = [
        migrations.AlterField(
            model_name="prediction",
            name="lottery",
            field=models.FloatField(
                db_default=django.db.models.functions.math.Random(),
                default=predictions.models.review.draw_lot,
                editable=False,
                help_text="Draws the lots.",
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="selected_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("suspicion", "Suspicion"),
                    ("random", "Random"),
                    ("uneven", "Uneven lot"),
                    ("grid", "Grid"),
                    ("list", "List"),
                    ("import", "Import"),
                ],
                editable=False,
                help_text="How it came to review.",
                max_length=10,
            ),
        ),
        AddIndexConcurrently(
            "prediction",
            models.Index(
                PLACE,
                F("id"),
                condition=Q(UNEVEN_SAMPLE, review_status="pending", superseded=False),
                name="prediction_uneven_sample",
            ),
        ),
        AddIndexConcurrently(
            "prediction",
            models.Index(
                fields=["reviewed_at", "id"],
                condition=Q(selected_by__in=["random", "uneven"], reviewed_by__isnull=False)
                & ~Q(review_status="pending")
                & (Q(lottery__lt=0.01) | ~Q(true_label=F("digit"))),
                name="prediction_for_second_opinion",
            ),
        ),
        # After its successor is there: meanwhile the release that is replaced reads by it.
        RemoveIndexConcurrently("prediction", "prediction_second_opinion"),
    ]
