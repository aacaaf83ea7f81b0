"""Signing in: wrong guesses are slowed, and a flood of them leaves processors and threads to others."""

import fcntl
import os
import threading
import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mnistsite import login
from mnistsite.login import QuietHasher, only_one
from tests.rows import operator

LOGIN = "/admin/login/"


@pytest.fixture
def olive(db: None) -> User:
    return operator("olive")


def sign_in(client: Client, password: str, name: str = "olive", **extra: str) -> int:
    form = {"username": name, "password": password, "next": "/admin/"}
    return client.post(LOGIN, form, **extra).status_code  # type: ignore[arg-type]


def test_ten_wrong_passwords_lock_the_account_for_everybody_and_say_so(olive: User, client: Client) -> None:
    assert [sign_in(client, "wrong") for _ in range(9)] == [200] * 9
    assert sign_in(client, "wrong") == 429
    form = {"username": "olive", "password": "a password"}
    answer = client.post(LOGIN, form, REMOTE_ADDR="203.0.113.9")
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert "locked for 5 minutes" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_an_address_that_guesses_is_locked_for_other_accounts_too(olive: User, client: Client) -> None:
    for number in range(10):
        sign_in(client, "wrong", f"name{number}")
    assert sign_in(client, "a password") == 429
    assert sign_in(client, "a password", REMOTE_ADDR="203.0.113.9") == 302


def test_behind_a_proxy_the_address_is_the_visitors(olive: User, client: Client, settings: object) -> None:
    settings.NINJA_NUM_PROXIES = 1  # type: ignore[attr-defined]
    for number in range(10):
        sign_in(client, "wrong", f"name{number}", HTTP_X_FORWARDED_FOR=f"made up, 2001:db8:0:1::{number}")
    assert sign_in(client, "a password", HTTP_X_FORWARDED_FOR="2001:db8:0:1:ffff::") == 429
    assert sign_in(client, "a password", HTTP_X_FORWARDED_FOR="2001:db8:0:2::1") == 302


def test_the_right_password_forgets_the_wrong_ones(olive: User, client: Client) -> None:
    for _ in range(3):
        for _ in range(5):
            assert sign_in(client, "wrong") == 200
        assert sign_in(client, "a password") == 302


def test_while_a_password_is_checked_another_is_neither_waited_for_nor_looked_at(olive: User) -> None:
    client = Client(raise_request_exception=False)
    form = {"username": "olive", "password": "a password"}
    with only_one(), CaptureQueriesContext(connection) as queries:
        assert client.get(LOGIN).status_code == 200
        seen = len(queries)
        answer = client.post(LOGIN, form)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert len(queries) == seen
    assert "signing in at this moment" in answer.content.decode()
    assert sign_in(client, "a password") == 302


def test_while_another_process_checks_a_password_the_next_waits(olive: User, client: Client) -> None:
    login.LOCK.mkdir(parents=True, exist_ok=True)
    folder = os.open(login.LOCK, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    threading.Timer(0.5, os.close, [folder]).start()
    started = time.monotonic()
    assert sign_in(client, "a password") == 302
    assert time.monotonic() - started > 0.4


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_passwords_are_hashed_as_django_does_at_a_lower_priority() -> None:
    before = priority()
    stored = QuietHasher().encode("a password", "salt", iterations=1000)
    assert stored == PBKDF2PasswordHasher().encode("a password", "salt", iterations=1000)
    assert QuietHasher().verify("a password", stored) and not QuietHasher().verify("another", stored)
    assert QuietHasher.thread.submit(priority).result() == login.NICE > before
    assert priority() == before
