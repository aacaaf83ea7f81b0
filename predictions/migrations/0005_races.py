"""A SHA-256 beside the weights; one newest row of a drawing and visitor; ids that can't be logged again."""

import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0004_partial_indexes")]
    operations = [
        migrations.AddField(
            model_name="weights",
            name="sha256",
            field=models.CharField(
                blank=True, db_default="", help_text="Of the checkpoint, as it was registered.", max_length=64
            ),
        ),
        migrations.RunSQL(
            "UPDATE predictions_weights SET sha256 = encode(sha256(checkpoint), 'hex')",
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name="ErasedId",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="prediction",
            name="one_newest_of_a_drawing",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prediction",
            trigger=pgtrigger.compiler.Trigger(
                name="refuse_erased",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        IF EXISTS (SELECT 1 FROM predictions_erasedid WHERE id = NEW.id) THEN\n            RAISE EXCEPTION 'Prediction % was deleted', NEW.id USING ERRCODE = 'unique_violation';\n        END IF;\n        RETURN NULL;\n    ",
                    hash="99891e6f8f97b33df90f2c72d698ad57bb59bd68",
                    operation="INSERT",
                    pgid="pgtrigger_refuse_erased_a0062",
                    table="predictions_prediction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="prediction",
            trigger=pgtrigger.compiler.Trigger(
                name="supersede_reopened",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."drawing" IS NOT NULL AND NEW."review_status" = \'pending\' AND NOT (OLD."review_status" = \'pending\'))',
                    func="\n        NEW.superseded := NEW.superseded OR EXISTS (\n            SELECT 1 FROM predictions_prediction\n            WHERE drawing = NEW.drawing AND visitor IS NOT DISTINCT FROM NEW.visitor AND id <> NEW.id\n                AND NOT superseded AND review_status = 'pending'\n        );\n        RETURN NEW;\n    ",
                    hash="2d490da3a3adca2f6b1d08241e1355617074c10a",
                    operation="UPDATE",
                    pgid="pgtrigger_supersede_reopened_96fab",
                    table="predictions_prediction",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("drawing__isnull", False), ("review_status", "pending"), ("superseded", False)
                ),
                fields=("drawing", "visitor"),
                name="one_newest_of_a_drawing",
                nulls_distinct=False,
            ),
        ),
    ]
