"""Pictures that were stored as they were sent are made anew; what can't be read is no longer kept."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from classifier.image_file import DrawingError, decode
from classifier.stored_picture import encode

BATCH = 500


def encode_pictures(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Batch by batch, in the order of the keys; each picture is replaced by its own statement."""
    rows = apps.get_model("predictions", "Prediction").objects.using(schema_editor.connection.alias)
    with_picture = rows.filter(image__isnull=False).order_by("pk").values_list("pk", "image")
    batch = list(with_picture[:BATCH])
    while batch:
        for key, image in batch:
            rows.filter(pk=key).update(image=encode_again(bytes(image or b"")))
        batch = list(with_picture.filter(pk__gt=batch[-1][0])[:BATCH])


def encode_again(file: bytes) -> bytes | None:
    try:
        return encode(decode(file))
    except DrawingError:
        return None


class Migration(migrations.Migration):
    atomic = False  # decoding a long log must lock no row for longer than its own statement
    dependencies = [("predictions", "0002_roles")]
    operations = [
        migrations.AlterField(
            model_name="prediction",
            name="image",
            field=models.BinaryField(
                help_text="The picture that came, as a small file of our own.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="prediction",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("low_confidence", "Low Confidence"),
                    ("not_a_digit", "Not A Digit"),
                    ("unclear_picture", "Unclear Picture"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(encode_pictures, migrations.RunPython.noop),
    ]
