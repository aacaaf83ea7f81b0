"""Indexes that a new row has no part in are partial, so that it does not pay for them."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.models import Q


def make_partial(field: str, condition: Q) -> list[Operation]:
    name = f"prediction_{field}"
    return [
        RemoveIndexConcurrently("prediction", name),
        AddIndexConcurrently("prediction", models.Index(fields=[field], condition=condition, name=name)),
    ]


class Migration(migrations.Migration):
    atomic = False  # the log stays open for new rows
    dependencies = [("predictions", "0003_stored_pictures")]
    operations = [
        *make_partial("confidence", Q(confidence__lt=0.9)),
        *make_partial("user_label", Q(user_label__isnull=False)),
        *make_partial("true_label", Q(true_label__isnull=False)),
        AddIndexConcurrently(
            "prediction",
            models.Index(
                fields=["reviewed_by"], condition=Q(reviewed_by__isnull=False), name="prediction_reviewed_by"
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="reviewed_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
