"""Second opinions about drawings of the random sample; admins see how well operators agree."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def let_admins_see(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Permissions are made after all migrations otherwise."""
    create_permissions(installed.get_app_config("predictions"), verbosity=0)
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    see = permission.objects.filter(codename="view_secondopinion")
    group.objects.get_or_create(name="admin")[0].permissions.add(*see)


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0006_forgetting"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SecondOpinion",
            fields=[
                (
                    "prediction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="second_opinion",
                        serialize=False,
                        to="predictions.prediction",
                    ),
                ),
                (
                    "first_label",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "0"),
                            (1, "1"),
                            (2, "2"),
                            (3, "3"),
                            (4, "4"),
                            (5, "5"),
                            (6, "6"),
                            (7, "7"),
                            (8, "8"),
                            (9, "9"),
                            (10, "not a digit"),
                            (11, "rejected"),
                        ]
                    ),
                ),
                (
                    "label",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "0"),
                            (1, "1"),
                            (2, "2"),
                            (3, "3"),
                            (4, "4"),
                            (5, "5"),
                            (6, "6"),
                            (7, "7"),
                            (8, "8"),
                            (9, "9"),
                            (10, "not a digit"),
                            (11, "rejected"),
                        ]
                    ),
                ),
                (
                    "drawn",
                    models.BooleanField(
                        help_text="Asked for by lot, and not only because the first found an error."
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-at"],
            },
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(
                condition=models.Q(
                    ("reviewed_by__isnull", False),
                    ("selected_by", "random"),
                    models.Q(("review_status", "pending"), _negated=True),
                    models.Q(
                        ("lottery__lt", 0.01),
                        models.Q(("true_label", models.F("digit")), _negated=True),
                        _connector="OR",
                    ),
                ),
                fields=["reviewed_at", "id"],
                name="prediction_second_opinion",
            ),
        ),
        migrations.AddField(
            model_name="secondopinion",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="secondopinion",
            name="first_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="secondopinion",
            constraint=models.CheckConstraint(
                condition=models.Q(("by", models.F("first_by")), _negated=True),
                name="second_opinion_is_anothers",
            ),
        ),
        migrations.AddConstraint(
            model_name="secondopinion",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_label__range", (0, 11)), ("label__range", (0, 11))),
                name="known_words",
            ),
        ),
        migrations.RunPython(let_admins_see, migrations.RunPython.noop),
    ]
