"""Damaged image files: read, or refused with a code, and never anything else."""

import pytest

from benchmarks.damaged_pictures import read_damaged


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_are_read_or_refused_within_bounds(seed: int) -> None:
    results = read_damaged(300, seed)
    assert results["warnings"] == 0
    assert results["read"] > 20 and results["not_an_image"] > 20
    assert results["most megabytes"] < 60 and results["most seconds"] < 1
