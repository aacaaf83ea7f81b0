"""How much work each sender has caused, in a table that is not written to the disk's log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0005_races")]
    operations = [
        migrations.CreateModel(
            name="SpentWork",
            fields=[
                (
                    "sender",
                    models.UUIDField(
                        help_text="A keyed hash of the address, which is not stored.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("ms", models.FloatField(help_text="Milliseconds of a processor, ever.")),
                ("at", models.DateTimeField(help_text="The last time.")),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE predictions_spentwork SET UNLOGGED", "ALTER TABLE predictions_spentwork SET LOGGED"
        ),
    ]
