"""Work in a process of its own, which is told to stop when its word has come."""

import atexit
import time
from typing import Any

import pytest

from predictions import own_process


def end_slowly() -> str:
    atexit.register(time.sleep, 2)
    return "done"


def test_process_that_is_ending_by_itself_is_not_broken_off(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    listen = own_process._listen

    def listen_and_dawdle(*how: Any) -> Any:
        said = listen(*how)
        time.sleep(1)  # until the process is at its end
        return said

    monkeypatch.setattr(own_process, "_listen", listen_and_dawdle)
    assert own_process.call(f"{__name__}.end_slowly") == "done"
    assert "SystemExit" not in capfd.readouterr().err
