"""Odd requests to the whole admin, none of which may be answered 500: python -m benchmarks.fuzz_admin."""

import argparse
import sys

from benchmarks.site import set_up

set_up()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group, User  # noqa: E402
from django.test.utils import (  # noqa: E402
    override_settings,
    setup_databases,
    setup_test_environment,
    teardown_databases,
)

from predictions.models import Job, ModelVersion  # noqa: E402
from tests import rows  # noqa: E402
from tests.admin_fuzz import failures  # noqa: E402

STATIC = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with override_settings(STORAGES=settings.STORAGES | {"staticfiles": STATIC}):
            failed = fuzz(given.requests, given.seed)
    finally:
        teardown_databases(databases, verbosity=0)
    print(*failed, f"{given.requests:,} requests, {len(failed)} answered 500 or worse", sep="\n")
    sys.exit(bool(failed))


def fuzz(count: int, seed: int) -> list[str]:
    user = User.objects.create_superuser("ada", password="a password")  # noqa: S106
    version = ModelVersion.objects.install_shipped()
    row, job = rows.claimed(7, digit=1), Job.objects.start(Job.Kind.TRAIN, user)
    group = Group.objects.get(name="trainer")
    keys = [str(key) for key in (row.pk, version.pk, user.pk, job.pk, group.pk, 1, "idx")]
    return failures(seed, count, keys, user)


if __name__ == "__main__":
    main()
