"""manage.py setup: everything that the site needs, once."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command

from predictions.versions import ModelVersion, Promotion


@pytest.fixture
def setup(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run it with a var/ and an environment of the test's own; return what it prints."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(os, "environ", {})

    def run(**environment: str) -> str:
        os.environ.update(environment)
        output = io.StringIO()
        call_command("setup", stdout=output)
        return output.getvalue()

    return run


def test_first_run_installs_the_model_and_an_admin_with_a_random_password(setup: Any, tmp_path: Path) -> None:
    printed = setup()
    password = (tmp_path / "admin-password").read_text().strip()
    assert password in printed
    assert (tmp_path / "admin-password").stat().st_mode & 0o077 == 0
    assert authenticate(username="admin", password=password)
    assert ModelVersion.objects.active() == ModelVersion.objects.get()
    assert Promotion.objects.count() == 1


def test_second_run_changes_nothing(setup: Any) -> None:
    setup()
    assert setup() == ""
    assert get_user_model().objects.count() == ModelVersion.objects.count() == 1


def test_account_is_taken_from_the_environment(setup: Any, tmp_path: Path) -> None:
    account = {"USERNAME": "grace", "EMAIL": "grace@example.org", "PASSWORD": "c0bol-4-ever"}
    printed = setup(**{f"DJANGO_SUPERUSER_{name}": value for name, value in account.items()})
    assert authenticate(username="grace", password=account["PASSWORD"])
    assert account["PASSWORD"] not in printed
    assert not (tmp_path / "admin-password").exists()
