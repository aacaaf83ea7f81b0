"""Files that a full disk has spoilt, or would: the next command goes on."""

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mnistsite.embedded_postgres import _forget_dead_processes
from mnistsite.files import write_whole
from mnistsite.local import secret_key


def test_a_file_is_replaced_whole_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "file", "first")
    write_whole(tmp_path / "a" / "file", "second")
    assert (tmp_path / "a" / "file").read_text() == "second"
    assert stat.S_IMODE((tmp_path / "a" / "file").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["file"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(tmp_path / "file", "x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file", "first")]


@pytest.mark.parametrize("left", [None, "", "abc"])
def test_a_secret_key_that_is_missing_empty_or_cut_is_made_anew_once(
    tmp_path: Path, left: str | None
) -> None:
    file = tmp_path / "secret_key"
    if left is not None:
        file.write_text(left)
    key = secret_key(file)
    assert len(key) >= 50
    assert secret_key(file) == key


@pytest.mark.parametrize("end", ["]", "", ", ", ", 4194"])
def test_of_a_half_written_list_of_holders_those_that_live_stay(tmp_path: Path, end: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    file = tmp_path / "handle_pids.json"
    file.write_text(f"[{os.getpid()}, {ended.pid}{end}")
    _forget_dead_processes(file)
    assert str(os.getpid()) in file.read_text()
    assert str(ended.pid) not in file.read_text()
