"""PostgreSQL's advisory locks. Each has a class and a key, in the form of two numbers: no key that a client
chooses meets another class, nor the locks of one number, which Django's and others' tools take."""

import hashlib
from enum import IntEnum

from django.db import connection


class Lock(IntEnum):
    """The classes; changing one lets processes of two releases hold it at once."""

    TRAINING = 6_284_001
    PROMOTION = 6_284_002
    JOB = 6_284_003
    FORGETTING = 6_284_004


def numbers(lock: Lock, key: str = "") -> tuple[int, int]:
    """The class and the key's hash, 32 bits of each: two keys of one hash wait for each other, no more."""
    digest = hashlib.sha256(key.encode()).digest()
    return int(lock), int.from_bytes(digest[:4], "big", signed=True)


def hold(lock: Lock, key: str = "") -> None:
    """Wait for the lock, and hold it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", numbers(lock, key))


def try_to_hold(lock: Lock) -> bool:
    """Hold the lock until `release`, or until this connection ends with its process; False where another
    connection holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", numbers(lock))
        return bool(cursor.fetchone()[0])


def release(lock: Lock) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", numbers(lock))
