"""The roles: operators review, trainers make and promote versions, admins do all of it and the accounts."""

from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SEE = [
    f"view_{model}"
    for model in (
        "prediction",
        "labelchange",
        "labeldoubt",
        "modelversion",
        "promotion",
        "job",
        "driftmonitor",
    )
]
TRAIN = ["promote_modelversion", "export_prediction", "add_job", "change_job", "change_driftmonitor"]
ACCOUNTS = [f"{verb}_{model}" for verb in ("add", "change", "delete", "view") for model in ("user", "group")]
ROLES = {
    "operator": [*SEE, "change_prediction"],
    "trainer": [*SEE, *TRAIN],
    "admin": [*SEE, *TRAIN, "change_prediction", *ACCOUNTS],
}


def make_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Permissions are made after all migrations otherwise, so they are asked for here."""
    for name in ("auth", "predictions"):
        create_permissions(installed.get_app_config(name), verbosity=0)
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for role, names in ROLES.items():
        permissions = permission.objects.filter(codename__in=names)
        group.objects.get_or_create(name=role)[0].permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [("predictions", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
