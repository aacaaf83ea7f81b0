"""Two short drills of the real product, and a judge that sees what went wrong."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from benchmarks.drill_load import Exchange, Row, Stage
from benchmarks.drills import DRILLS


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(2, VAR_DIR=str(tmp_path_factory.mktemp("drilled"))) as stage:
        yield stage


def faults(row: Row) -> tuple[int, int, int, int]:
    return row.bad, row.lost, row.double, row.wrong


def test_killed_web_process_loses_nothing(stage: Stage) -> None:
    killed = stage.gunicorn()[1]
    row = stage.run(*DRILLS["kill-web-process"])
    assert not killed.is_running()
    assert faults(row) == (0, 0, 0, 0) and row.is_good()
    assert row.requests > 10 and row.recovery < 10
    assert len(stage.load.answered) > 5 and len(stage.load.claimed) > 5


def test_killed_web_server_gives_its_port_back_though_clients_stay_connected(stage: Stage) -> None:
    row = stage.run(*DRILLS["kill-web-server"])
    assert faults(row) == (0, 0, 0, 0) and row.is_good()
    assert row.livez < 5 and row.recovery < 10, row


def test_locked_table_is_503_until_it_is_free(stage: Stage) -> None:
    row = stage.run(*DRILLS["lock"])
    assert faults(row) == (0, 0, 0, 0) and row.is_good()
    assert 0.5 < row.refusal < 5 and row.livez < 5
    assert 503 in {exchange.status for exchange in stage.load.sent}


def test_what_is_lost_doubled_wrong_or_unexplained_is_seen(stage: Stage) -> None:
    """After a quiet load, a row is copied, and the load is told of what never was."""
    quiet = stage.run("quiet", lambda stage: None)
    assert faults(quiet) == (0, 0, 0, 0)
    load, (unlabelled, doubled, wrong) = stage.load, list(stage.load.claimed)[:3]
    columns = [name for (name,) in stage.execute(COLUMNS)]
    copied = ", ".join("%s" if name == "id" else "true" if name == "superseded" else name for name in columns)
    copy = f"INSERT INTO predictions_prediction ({', '.join(columns)}) SELECT {copied}"
    stage.execute(f"{copy} FROM predictions_prediction WHERE id = %s", uuid4(), doubled)
    load.answered |= {str(uuid4()): 1, wrong: load.answered[wrong] + 1}
    load.claimed[unlabelled] = 10
    load.sent += [Exchange(0, 0.1, 500), Exchange(0, 0.1, 503), Exchange(0, 0.1, 404)]
    row = load.judge("tampered with", stage.database, 0, "", failed=False)
    assert faults(row) == (3, 2, 1, 1)
    assert not row.is_good()


COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_name = 'predictions_prediction' AND is_generated = 'NEVER'
"""
