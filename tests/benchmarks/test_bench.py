"""The work that all servers do in `make bench`, and what its tables say of their turns."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from benchmarks.bench import write_payloads
from benchmarks.peers.pipelines import OurPipeline, read
from benchmarks.peers.report import Load
from benchmarks.peers.row import INSERT, TABLE
from benchmarks.peers.servers import OURS
from benchmarks.peers.turns import FLOOR, STEPS, Turn

PARTS = dict.fromkeys(STEPS, 0.5)
TURN = Turn(OURS, "image", 8, 0, 2.0, 10, 20, 30, 200, 0, 0, 0, 0, 0, 203, 0.406, 0.1, PARTS)


@pytest.mark.django_db
def test_both_payloads_are_read_right_and_stored(tmp_path: Path) -> None:
    payloads, pipeline = write_payloads(tmp_path), OurPipeline()
    assert [payload.name for payload in payloads] == ["image", "strokes"]
    with connection.cursor() as cursor:
        cursor.execute(TABLE.replace("create table", "create temporary table"))
        for payload in payloads:
            row = read(pipeline, json.loads(payload.file.read_bytes()))
            assert row.answer()["digit"] == payload.digit
            cursor.connection.execute(INSERT, row)
        cursor.execute("select digit, length(input), image is null, strokes is null from reading")
        digit = payloads[0].digit
        assert cursor.fetchall() == [(digit, 784, False, True), (digit, 784, True, False)]


def test_ratios_are_of_turns_in_the_same_cycle() -> None:
    turns = []
    for cycle, share in enumerate((1, 2, 4)):  # the machine's speed changes, the ratios do not
        ours = replace(TURN, cycle=cycle, right=200 * share, rows=200 * share, server_cpu=0.4)
        django = replace(ours, server="Django", right=100 * share, rows=100 * share)
        turns += [ours, django, replace(ours, server=FLOOR, server_cpu=0.2)]
    lines = Load(turns, "image", 8).table().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| **{OURS}**")]
    assert row.startswith("| **ours** | 200 | 2.00 (2.00 to 2.00) | 1.00")
    assert "| 2.00 (2.00 to 2.00) | 0 | 0 | 0 | yes |" in row
    assert lines[-2].startswith("Ours to the best peer as documented (Django): 2.00 (2.00 to 2.00); 99th")


@pytest.mark.parametrize(("rows", "is_logged"), [(199, False), (200, True), (208, True), (209, False)])
def test_every_answer_has_its_row_and_at_most_one_a_connection_was_cut_off(
    rows: int, is_logged: bool
) -> None:
    assert replace(TURN, rows=rows).is_logged is is_logged
