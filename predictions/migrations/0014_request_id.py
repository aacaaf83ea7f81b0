from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0013_vacuum_sooner")]

    operations = [
        migrations.AddField(
            "prediction",
            "request_id",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="By which the logs know the request.",
                max_length=64,
            ),
        ),
    ]
