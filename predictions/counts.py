"""Counts of a long log, kept for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

Counted = TypeVar("Counted")
SHARE = 0.01  # of the time at the most goes into counting


def count_anew(name: str, count: Callable[[], Counted], at_least: float) -> Counted:
    """Count, and keep it in the cache under that name: for so many seconds, or longer where it took long."""
    started = time.monotonic()
    counted = count()
    cache.set(name, counted, max(at_least, (time.monotonic() - started) / SHARE))
    return counted
