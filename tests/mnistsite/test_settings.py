"""Settings: importing them starts nothing and writes nothing, and a variable set to nothing is not set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

IMPORT = """
import signal
before = [signal.getsignal(number) for number in signal.valid_signals()]
from mnistsite import settings
after = [signal.getsignal(number) for number in signal.valid_signals()]
print(before == after, settings.SECRET_KEY, settings.DATABASE_URL)
"""
ACCOUNT = """
from mnistsite import settings
print(settings.ADMIN_USERNAME, settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD)
"""


def run(code: str, **environment: str) -> list[str]:
    """The words that it prints in a process to which nothing else is set."""
    needed = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    command = [sys.executable, "-B", "-c", code]
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=needed | environment, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_importing_them_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    assert run(IMPORT, VAR_DIR=str(tmp_path / "var"), HOME=str(tmp_path)) == ["True"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "account"),
    [
        (["grace", "grace@example.org", "c0bol-4-ever"], ["grace", "grace@example.org", "c0bol-4-ever"]),
        (["", "", ""], ["admin", "admin@localhost"]),
    ],
)
def test_account_is_taken_from_the_environment(given: list[str], account: list[str]) -> None:
    names = [f"DJANGO_SUPERUSER_{name}" for name in ("USERNAME", "EMAIL", "PASSWORD")]
    assert run(ACCOUNT, **dict(zip(names, given, strict=True))) == account


@pytest.mark.parametrize("given", ["a.example,b.example", " a.example , b.example,"])
def test_list_is_separated_by_commas_whatever_the_spaces(given: str) -> None:
    code = "from mnistsite import settings; print(*map(repr, settings.ALLOWED_HOSTS))"
    assert run(code, ALLOWED_HOSTS=given) == ["'a.example'", "'b.example'"]
