"""Settings: importing them starts nothing and writes nothing, and a variable set to nothing is not set."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

IMPORT = """
import signal
before = [signal.getsignal(number) for number in signal.valid_signals()]
from mnistsite import settings
after = [signal.getsignal(number) for number in signal.valid_signals()]
print(before == after, settings.ADMIN_USERNAME, settings.SECRET_KEY, settings.DATABASE_URL)
"""


def test_importing_them_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    needed = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    unset = {"VAR_DIR": str(tmp_path / "var"), "HOME": str(tmp_path), "DJANGO_SUPERUSER_USERNAME": ""}
    result = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT],
        cwd=settings.BASE_DIR,
        env=needed | unset,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["True", "admin"]
    assert list(tmp_path.iterdir()) == []
