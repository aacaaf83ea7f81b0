"""The room of deleted drawings counts as free when a vacuum has seen it: after a fiftieth has changed, not a fifth."""

from django.db import migrations

SET = """
    ALTER TABLE predictions_prediction SET (
        autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02
    )
"""
RESET = """
    ALTER TABLE predictions_prediction RESET (
        autovacuum_vacuum_scale_factor, toast.autovacuum_vacuum_scale_factor
    )
"""


class Migration(migrations.Migration):
    dependencies = [("predictions", "0012_second_factor")]
    operations = [migrations.RunSQL(SET, RESET)]
