"""Many odd requests to the admin: python -m benchmarks.fuzz_admin [COUNT] [SEED]; none may be answered 500."""

import sys

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test.utils import override_settings, setup_databases, setup_test_environment, teardown_databases

from benchmarks import site  # noqa: F401  (sets Django up)
from predictions.models import Job, ModelVersion
from tests import rows
from tests.admin_fuzz import failures


def main() -> None:
    count, seed = (int(argument) for argument in (*sys.argv[1:], "20000", "1")[:2])
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with override_settings(STORAGES=settings.STORAGES | {"staticfiles": STATIC}):
            failed = fuzz(count, seed)
    finally:
        teardown_databases(databases, verbosity=0)
    print(*failed, f"{count:,} requests from seed {seed}: {len(failed)} answered 500 or worse", sep="\n")
    sys.exit(bool(failed))


STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def fuzz(count: int, seed: int) -> list[str]:
    user = User.objects.create_superuser("ada", password="a password")  # noqa: S106
    version = ModelVersion.objects.install_shipped()
    row, job = rows.claimed(7, digit=1), Job.objects.start(Job.Kind.TRAIN, user)
    group = Group.objects.get(name="trainer")
    keys = [str(key) for key in (row.pk, version.pk, user.pk, job.pk, group.pk, 1, "idx")]
    return failures(seed, count, keys, user)


if __name__ == "__main__":
    main()
