"""What each sender has taken, in a table that is not written to the disk's log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0008_lessons")]
    operations = [
        migrations.CreateModel(
            name="Spending",
            fields=[
                (
                    "sender",
                    models.UUIDField(
                        help_text="A keyed hash of address and kind.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("amount", models.FloatField(help_text="Since the row is there.")),
                ("at", models.DateTimeField(help_text="The last time.")),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE predictions_spending SET UNLOGGED", "ALTER TABLE predictions_spending SET LOGGED"
        ),
    ]
