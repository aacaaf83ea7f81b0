"""manage.py setup: everything that the site needs, once."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from psycopg.conninfo import conninfo_to_dict

from predictions.models import ModelVersion, Promotion


@pytest.fixture
def setup(db: None, settings: Any, tmp_path: Path) -> Any:
    """Run it with a var/ and an account of the test's own; return what it prints."""
    settings.VAR_DIR = tmp_path

    def run(**account: str) -> str:
        for name, value in account.items():
            setattr(settings, f"ADMIN_{name}", value)
        output = io.StringIO()
        call_command("setup", stdout=output)
        return output.getvalue()

    return run


def test_first_run_installs_the_model_and_an_admin_with_a_random_password(setup: Any, tmp_path: Path) -> None:
    printed = setup()
    password = (tmp_path / "admin-password").read_text().strip()
    assert password in printed
    assert (tmp_path / "admin-password").stat().st_mode & 0o077 == 0
    assert get_user_model().objects.get(username="admin").check_password(password)
    assert ModelVersion.objects.active() == ModelVersion.objects.get()
    assert Promotion.objects.count() == 1


def test_second_run_changes_nothing(setup: Any) -> None:
    setup()
    assert setup() == ""
    assert get_user_model().objects.count() == ModelVersion.objects.count() == 1


def test_account_is_the_one_that_was_asked_for(setup: Any, tmp_path: Path) -> None:
    account = {"USERNAME": "grace", "EMAIL": "grace@example.org", "PASSWORD": "c0bol-4-ever"}
    printed = setup(**account)
    assert get_user_model().objects.get(username="grace").check_password(account["PASSWORD"])
    assert get_user_model().objects.get().email == account["EMAIL"]
    assert account["PASSWORD"] not in printed
    assert not (tmp_path / "admin-password").exists()


def test_name_that_is_somebody_elses_is_said(setup: Any) -> None:
    get_user_model().objects.create_user("admin")
    with pytest.raises(CommandError, match="'admin' is an ordinary account's name"):
        setup()
    assert not get_user_model().objects.get().is_superuser


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of one beside the test's own, in the same server."""
    server = project.DATABASE_URL
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS setup_test WITH (FORCE)")
        connection.execute("CREATE DATABASE setup_test")
        yield server.replace(f"/{conninfo_to_dict(server)['dbname']}?", "/setup_test?")
        connection.execute("DROP DATABASE setup_test WITH (FORCE)")


def test_database_that_starts_later_is_waited_for(empty_database: str, tmp_path: Path) -> None:
    """Its socket is not there yet when setup first looks."""
    folder = str(conninfo_to_dict(empty_database)["host"])
    environment = os.environ | {
        "DATABASE_URL": empty_database.replace(folder, str(tmp_path / "later")),
        "VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, "manage.py", "setup"]
    with subprocess.Popen(
        command, cwd=project.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
    ) as setting_up:
        assert setting_up.stdout
        assert setting_up.stdout.readline().startswith("Waiting for the database")
        time.sleep(1)  # many looks
        (tmp_path / "later").symlink_to(folder)
        printed = setting_up.stdout.read()
        assert "installed and active" in printed
        assert "Waiting for the database" not in printed
    assert setting_up.returncode == 0
