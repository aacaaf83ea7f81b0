"""What keeps weights and rows right under races: a SHA-256 beside the weights."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0003_stored_pictures")]
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
    ]
