"""Production refuses to start without what it needs, and says what to set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

SOUND = {
    "PRODUCTION": "true",
    "SECRET_KEY": "k3Jx" * 15 + "abcdefgh",
    "ALLOWED_HOSTS": "digits.example.org",
    "DATABASE_URL": "postgresql://mnist:u7-Kx_long@db:5432/mnist",
}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_sound_production_settings_have_no_deployment_finding() -> None:
    result = manage("check", "--deploy", "--fail-level", "WARNING", **SOUND)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"SECRET_KEY": ""}, "mnistsite.E001"),
        ({"SECRET_KEY": "short"}, "mnistsite.E001"),
        ({"ALLOWED_HOSTS": ""}, "mnistsite.E002"),
        ({"ALLOWED_HOSTS": "*"}, "mnistsite.E002"),
        ({"ALLOWED_HOSTS": "example.org, *"}, "mnistsite.E002"),
        ({"PAGE_SECRET": "", "API_KEYS_REQUIRED": "true"}, "mnistsite.E006"),
        ({"DATABASE_URL": "postgresql://mnist:postgres@db/mnist"}, "mnistsite.E003"),
        ({"DATABASE_URL": "postgresql://mnist@db/mnist"}, "mnistsite.E003"),
        ({"DJANGO_SUPERUSER_PASSWORD": "admin"}, "mnistsite.E004"),
        ({"DEBUG": "true"}, "mnistsite.E005"),
    ],
)
def test_unsafe_production_setting_stops_the_start(changes: dict[str, str], finding: str) -> None:
    result = manage("check", **SOUND | changes)
    assert result.returncode == 1
    assert finding in result.stderr
    assert next(iter(changes)) in result.stderr


def test_secret_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SOUND["SECRET_KEY"] + "\n")
    environment = {name: value for name, value in SOUND.items() if name != "SECRET_KEY"}
    assert manage("check", **environment, SECRET_KEY_FILE=str(file)).returncode == 0


@pytest.mark.parametrize("changes", [{"PRODUCTION": "maybe"}, {"WEB_WORKERS": "many"}])
def test_bad_value_of_a_setting_fails_loudly(changes: dict[str, str]) -> None:
    result = manage("check", **SOUND | changes)
    assert result.returncode == 1
    assert next(iter(changes)) in result.stderr
