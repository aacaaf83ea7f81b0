"""A bar for commands that take long."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from predictions.models.job import ReportProgress


@contextmanager
def show_progress() -> Iterator["ReportProgress"]:
    """Give what a job reports to a bar: a share from 0 to 1, and a few words."""
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:

        def report(progress: float, message: str) -> None:
            bar.set_postfix_str(message, refresh=False)
            bar.update(100 * progress - bar.n)

        yield report
