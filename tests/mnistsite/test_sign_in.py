"""A second factor: set up, asked for, and taken away; and nobody in between gets in."""

import re
import time
from base64 import b32decode, b32encode
from datetime import timedelta
from typing import Any

import pytest
import segno
from axes.models import AccessAttempt
from django.conf import settings as site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.utils import timezone
from django.utils.html import escape
from django_otp.oath import hotp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests import rows
from tests.admin_fuzz import routes
from tests.rows import operator

LOGIN, CODE, PAGE, INDEX = "/admin/login/", "/admin/login/code/", "/admin/second-factor/", "/admin/"
USERS = "/admin/auth/user/"
PASSWORD = "a password"


@pytest.fixture
def olive(db: None) -> User:
    return operator("olive")


@pytest.fixture
def app(olive: User) -> TOTPDevice:
    """Olive's, which has given no code yet."""
    return TOTPDevice.objects.create(user=olive, name="App")


def next_code(app: TOTPDevice) -> str:
    """What the app shows now, or, where that was taken already, shows next."""
    app.refresh_from_db()
    step = max(int(time.time()) // app.step + app.drift, app.last_t + 1)
    return f"{hotp(app.bin_key, step):06d}"


def code_now(app: TOTPDevice) -> str:
    return f"{hotp(app.bin_key, int(time.time()) // app.step):06d}"


def wrong_code(app: TOTPDevice) -> str:
    """None that could be right in these minutes."""
    step = int(time.time()) // app.step
    near = {hotp(app.bin_key, step + k) for k in range(-30, 31)}
    return next(f"{number:06d}" for number in range(100) if number not in near)


def give_password(client: Client, name: str = "olive", **more: Any) -> Any:
    return client.post(LOGIN, {"username": name, "password": PASSWORD}, **more)


def give_code(client: Client, code: str, **more: Any) -> Any:
    return client.post(CODE, {"code": code}, **more)


def guess_again(app: TOTPDevice) -> None:
    """As after the pause that follows a wrong code."""
    TOTPDevice.objects.filter(pk=app.pk).update(throttling_failure_timestamp=None)


def is_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def key_on(page: Any) -> str:
    found = re.search(r'<code class="desk-words">(\w+)</code>', page.content.decode())
    assert found
    return found[1]


def set_up(client: Client, page: Any) -> tuple[TOTPDevice, list[str]]:
    """Do what the page says; the app, and the recovery codes."""
    app = TOTPDevice(key=b32decode(key_on(page)).hex())
    form = {"code": code_now(app)}
    if b'name="password"' in page.content:
        form["password"] = PASSWORD
    answer = client.post(PAGE, form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    codes = re.findall(r"<li><code>(\w+)</code></li>", answer.content.decode())
    return TOTPDevice.objects.get(key=app.key), codes


def notes(user: User) -> list[tuple[str, str]]:
    """What the account's history says, and of whom."""
    return [
        (entry.user.username, entry.change_message)
        for entry in LogEntry.objects.filter(object_id=user.pk).order_by("pk")
    ]


def test_an_operator_sets_it_up_and_gets_ten_recovery_codes_once(olive: User, client: Client) -> None:
    assert give_password(client).url == INDEX
    page = client.get(PAGE)
    app = TOTPDevice(user=olive, key=b32decode(key_on(page)).hex())
    assert segno.make(app.config_url).svg_data_uri(scale=5, light="white") in page.context["qr"]
    assert "otpauth://totp/Handwritten%20digits%3Aolive?" in app.config_url
    assert f'href="{escape(app.config_url)}"' in page.content.decode()
    assert key_on(client.get(PAGE)) == key_on(page)

    answer = client.post(PAGE, {"code": wrong_code(app), "password": PASSWORD})
    assert "not the app&#x27;s code" in answer.content.decode()
    assert not TOTPDevice.objects.exists()

    app, codes = set_up(client, page)
    assert (app.user, app.confirmed, len(set(codes))) == (olive, True, 10)
    assert set(StaticToken.objects.values_list("token", flat=True)) == set(codes)
    assert is_in(client)
    later = client.get(PAGE).content.decode()
    assert "10 recovery codes" in later
    assert not any(code in later for code in [*codes, b32encode(app.bin_key).decode()])
    assert notes(olive) == [("olive", "Set up a second factor."), ("olive", "Made recovery codes.")]


def test_the_sign_in_asks_for_the_code_and_leads_on(app: TOTPDevice, client: Client) -> None:
    page = give_password(client, QUERY_STRING="next=/admin/auth/")
    assert page.url == f"{CODE}?next=%2Fadmin%2Fauth%2F"
    assert "_auth_user_id" not in client.session
    assert not is_in(client)
    shown = client.get(page.url).content.decode()
    assert 'autocomplete="one-time-code"' in shown
    answer = client.post(page.url, {"code": f" {next_code(app)[:3]} {next_code(app)[3:]} "})
    assert answer["Location"] == "/admin/auth/"
    assert is_in(client)
    assert client.get(CODE)["Location"].startswith(LOGIN)  # done with


def test_nobody_is_led_away_from_the_site(app: TOTPDevice, client: Client) -> None:
    assert give_password(client, QUERY_STRING="next=https://example.org/").url == f"{CODE}?next=%2Fadmin%2F"
    assert give_code(client, next_code(app), QUERY_STRING="next=https://example.org/").url == INDEX


def test_neither_a_wrong_code_nor_one_that_was_taken_lets_in(app: TOTPDevice, client: Client) -> None:
    give_password(client)
    answer = give_code(client, wrong_code(app))
    assert (answer.status_code, "That is not the code." in answer.content.decode()) == (200, True)
    assert not is_in(client)
    guess_again(app)
    code = next_code(app)
    assert give_code(client, code).status_code == 302
    other = Client()
    give_password(other)
    assert give_code(other, code).status_code == 200
    assert not is_in(other)


def test_right_after_a_wrong_code_none_is_looked_at_nor_counted(app: TOTPDevice, client: Client) -> None:
    give_password(client)
    TOTPDevice.objects.update(throttling_failure_count=8)
    give_code(client, wrong_code(app))  # the pause is 256 seconds now
    for _ in range(10):
        answer = give_code(client, next_code(app))
        said = r"After a wrong code, no code is checked for a while\. Wait \d+ s\."
        assert re.search(said, answer.content.decode())
    assert AccessAttempt.objects.get().failures_since_start == 1
    guess_again(app)
    assert give_code(client, next_code(app)).status_code == 302


def guess_on_and_on(device: TOTPDevice | StaticDevice, code: str) -> None:
    """Forty times, each after the pause."""
    for _ in range(40):
        device.throttling_failure_timestamp = None
        assert not device.verify_token(code)
    assert device.throttling_failure_count == 40


def let_pass(seconds: int) -> None:
    """Since the last wrong code."""
    wrong = timezone.now() - timedelta(seconds=seconds)
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.update(throttling_failure_timestamp=wrong)


@pytest.mark.parametrize("kind", ["app", "recovery", "command"])
def test_after_many_wrong_codes_the_right_one_lets_in_within_five_minutes(
    olive: User, app: TOTPDevice, client: Client, kind: str
) -> None:
    device = StaticDevice.objects.create(user=olive)
    device.token_set.create(token="abcd2345")
    guess_on_and_on(app, wrong_code(app))
    guess_on_and_on(device, "eightles")
    if kind == "command":
        call_command("addstatictoken", "olive")
    right = next_code(app) if kind == "app" else device.token_set.latest("pk").token
    give_password(client)
    let_pass(200)
    waited = re.search(r"Wait (\d+) s\.", give_code(client, right).content.decode())
    assert waited
    assert 40 <= int(waited[1]) <= 56
    let_pass(257)
    assert give_code(client, right).status_code == 302
    assert is_in(client)


def test_wrong_codes_go_on_to_pause_at_their_longest(app: TOTPDevice, client: Client) -> None:
    guess_on_and_on(app, wrong_code(app))
    give_password(client)
    let_pass(257)
    assert "That is not the code." in give_code(client, wrong_code(app)).content.decode()
    for seconds, status in ((250, 200), (257, 302)):
        let_pass(seconds)
        assert give_code(client, next_code(app)).status_code == status


def test_a_recovery_code_lets_in_once(olive: User, app: TOTPDevice, client: Client) -> None:
    device = StaticDevice.objects.create(user=olive)
    device.token_set.create(token="abcd2345")
    device.token_set.create(token="efgh2345")
    give_password(client)
    answer = client.post(CODE, {"code": "ABCD 2345"}, follow=True)
    assert "You have 1 recovery code left." in answer.content.decode()
    assert is_in(client)
    page = client.get(PAGE).content.decode()
    assert "a second factor, and 1 recovery code." in page
    assert "a code: one from your app, or a recovery code." in page
    assert notes(olive) == [("olive", "Signed in by a recovery code.")]
    other = Client()
    give_password(other)
    assert give_code(other, "abcd2345").status_code == 200
    assert not is_in(other)


def test_another_users_code_does_not_let_in(app: TOTPDevice, client: Client) -> None:
    pia = operator("pia")
    TOTPDevice.objects.create(user=pia)
    StaticDevice.objects.create(user=pia).token_set.create(token="abcd2345")
    give_password(client)
    for code in (next_code(TOTPDevice.objects.get(user=pia)), "abcd2345"):
        assert give_code(client, code).status_code == 200
        guess_again(app)
    assert not is_in(client)


def test_ten_wrong_codes_lock_as_wrong_passwords_do(app: TOTPDevice, client: Client) -> None:
    for number in range(10):
        give_password(client)  # the right one, which must not make the wrong codes forgotten
        guess_again(app)
        status = give_code(client, wrong_code(app)).status_code
        assert status == (200 if number < 9 else 429)
    guess_again(app)
    answer = give_code(client, next_code(app), REMOTE_ADDR="203.0.113.9")
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert 'action="/admin/login/?' in answer.content.decode()
    assert "This field is required" not in answer.content.decode()
    assert give_password(client, REMOTE_ADDR="203.0.113.9").status_code == 429
    assert not is_in(client)


def test_wrong_codes_are_not_kept(app: TOTPDevice, client: Client) -> None:
    give_password(client)
    code = wrong_code(app)
    give_code(client, code)
    attempt = AccessAttempt.objects.get()
    assert (attempt.username, attempt.failures_since_start) == ("olive", 1)
    assert "code=" in attempt.post_data
    assert code not in attempt.post_data + attempt.get_data


@pytest.mark.parametrize("what", ["late", "another password", "inactive", "removed"])
def test_a_password_that_was_right_does_not_stay_so(
    olive: User, app: TOTPDevice, client: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    give_password(client)
    if what == "late":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 601)
    if what == "another password":
        olive.set_password("another password")
    olive.is_active = what != "inactive"
    olive.save()
    if what == "removed":
        app.delete()
    assert give_code(client, "123456").url.startswith(LOGIN)
    assert not is_in(client)


def halfway(how: str, olive: User, settings: Any) -> Client:
    """A session of somebody who has yet to give a code, or to set up what gives one."""
    client = Client()
    if "session" in how:
        client.force_login(olive)
    if "demanded" in how:
        settings.SECOND_FACTOR_REQUIRED = True
    else:
        TOTPDevice.objects.create(user=olive)
    if "password" in how:
        give_password(client)
    return client


@pytest.mark.parametrize(
    ("how", "open_to_it"),
    [
        ("the password", {"admin/login/", "admin/login/code/"}),
        ("the password where it is demanded", {"admin/login/", "admin/second-factor/"}),
        ("a session from before it was demanded", {"admin/login/"}),
    ],
)
def test_no_page_of_the_admin_lets_in_who_owes_a_code(
    roles: None, settings: Any, how: str, open_to_it: set[str]
) -> None:
    olive = User.objects.create_superuser("olive", password=PASSWORD)
    client = halfway(how, olive, settings)
    row = str(rows.prediction().pk)
    answers = {
        (route, method): getattr(client, method)(address(route, row))
        for route in routes()
        for method in ("get", "post")
    }
    assert {route for (route, _), answer in answers.items() if not is_refused(answer)} == open_to_it
    assert len(answers) > 150
    assert not is_in(client)


def address(route: str, row: str) -> str:
    """One that leads to the route."""
    path = re.sub(r"\(\?P<\w+>[^)]*\)", "auth", re.sub(r"<uuid:\w+>", row, route))
    path = "/" + re.sub(r"[$^]|\\Z", "", re.sub(r"<[^>]*>", "1", path))
    assert resolve(path).route == route.replace("^", "")
    return path


def is_refused(answer: Any) -> bool:
    """Sent to the sign-in page, which scripts are told in words; whoever signs out is sent to the start."""
    return answer.status_code == 401 or (
        answer.status_code == 302 and answer.url.split("?")[0] in {LOGIN, INDEX}
    )


def test_where_it_is_demanded_the_password_leads_to_setting_it_up(
    olive: User, client: Client, settings: Any
) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    answer = give_password(client)
    assert answer.url.startswith(PAGE)
    page = client.get(answer.url)
    assert "Here everybody needs one" in page.content.decode()
    assert b'name="password"' not in page.content
    assert not is_in(client)
    app, codes = set_up(client, page)
    assert (app.user, len(codes)) == (olive, 10)
    assert is_in(client)
    other = Client()
    assert give_password(other).url.startswith(CODE)
    assert give_code(other, next_code(app)).url == INDEX
    assert is_in(other)


def test_who_signs_in_next_at_the_same_screen_gets_another_key(
    olive: User, client: Client, settings: Any
) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    pia = operator("pia")
    pages = []
    for name in ("olive", "pia"):
        give_password(client, name)
        pages.append(client.get(PAGE))
    assert key_on(pages[0]) != key_on(pages[1])
    app, codes = set_up(client, pages[1])
    assert (app.user, len(codes)) == (pia, 10)
    assert is_in(client)


def test_it_is_set_up_where_somebody_else_had_signed_in_before_it_was_demanded(
    olive: User, client: Client, settings: Any
) -> None:
    pia, pias, olives = operator("pia"), Client(), Client()
    for session, user in ((client, pia), (pias, pia), (olives, olive)):
        session.force_login(user)
    settings.SECOND_FACTOR_REQUIRED = True
    give_password(client)
    app, codes = set_up(client, client.get(PAGE))
    assert (app.user, len(codes)) == (olive, 10)
    assert set(StaticToken.objects.values_list("device__user", "token")) == {
        (olive.pk, code) for code in codes
    }
    assert client.get(INDEX).context["user"] == olive
    settings.SECOND_FACTOR_REQUIRED = False
    assert [is_in(session) for session in (client, pias, olives)] == [True, True, False]


@pytest.mark.parametrize("password", [None, "", "not it"])
def test_an_open_session_sets_none_up_without_the_password(
    olive: User, client: Client, password: str | None
) -> None:
    client.force_login(olive)
    app = TOTPDevice(key=b32decode(key_on(client.get(PAGE))).hex())
    form = {"code": code_now(app)} | ({} if password is None else {"password": password})
    answer = client.post(PAGE, form)
    assert ("not your password" if password else "This field is required") in answer.content.decode()
    assert not TOTPDevice.objects.exists()
    assert not StaticDevice.objects.exists()
    assert AccessAttempt.objects.count() == bool(password)
    _, codes = set_up(client, answer)  # the same key still
    assert len(codes) == 10


def test_wrong_passwords_there_lock_as_those_at_the_sign_in_do(olive: User, client: Client) -> None:
    client.force_login(olive)
    app = TOTPDevice(key=b32decode(key_on(client.get(PAGE))).hex())
    for number in range(10):
        answer = client.post(PAGE, {"code": code_now(app), "password": "not it"})
        assert answer.status_code == (200 if number < 9 else 429)
    assert "not it" not in AccessAttempt.objects.get().post_data
    assert client.post(PAGE, {"code": code_now(app), "password": PASSWORD}).status_code == 429
    assert give_password(Client(), REMOTE_ADDR="203.0.113.9").status_code == 429
    assert not TOTPDevice.objects.exists()


def test_no_second_app_is_set_up_beside_the_first(olive: User, client: Client) -> None:
    client.force_login(olive)
    app, _ = set_up(client, client.get(PAGE))
    client.post(PAGE, {"code": next_code(app), "password": PASSWORD})
    assert TOTPDevice.objects.get() == app


def test_setting_it_up_and_removing_it_end_the_other_sessions(olive: User, client: Client) -> None:
    another, pias = Client(), Client()
    for session in (client, another):
        session.force_login(olive)
    pias.force_login(operator("pia"))
    app, _ = set_up(client, client.get(PAGE))
    assert [is_in(session) for session in (client, another, pias)] == [True, False, True]
    give_password(another)
    give_code(another, next_code(app))
    assert is_in(another)
    client.post(PAGE, {"code": next_code(app), "remove": "yes"})
    assert [is_in(session) for session in (client, another, pias)] == [True, False, True]


def test_new_recovery_codes_take_the_place_of_the_old(olive: User, client: Client) -> None:
    client.force_login(olive)
    app, old = set_up(client, client.get(PAGE))
    assert client.post(PAGE, {"code": wrong_code(app)}).status_code == 200
    assert set(StaticToken.objects.values_list("token", flat=True)) == set(old)
    guess_again(app)
    client.post(PAGE, {"code": old[0]})
    new = set(StaticToken.objects.values_list("token", flat=True))
    assert (len(new), new & set(old)) == (10, set())
    assert is_in(client)


@pytest.mark.parametrize("required", [False, True])
def test_only_a_code_removes_it(olive: User, client: Client, settings: Any, required: bool) -> None:
    client.force_login(olive)
    app, _ = set_up(client, client.get(PAGE))
    settings.SECOND_FACTOR_REQUIRED = required
    client.post(PAGE, {"code": wrong_code(app), "remove": "yes"})
    assert TOTPDevice.objects.exists()
    guess_again(app)
    answer = client.post(PAGE, {"code": next_code(app), "remove": "yes"}, follow=True)
    assert "The second factor is removed." in answer.content.decode()
    assert not TOTPDevice.objects.exists()
    assert not StaticToken.objects.exists()
    assert notes(olive)[-1] == ("olive", "Removed the second factor.")
    assert is_in(client) is not required
    assert key_on(client.get(PAGE)) != b32encode(app.bin_key).decode()  # and another can be set up
    assert give_password(Client()).url.startswith(PAGE if required else INDEX)


def test_a_superuser_removes_a_lost_one_and_it_is_noted(olive: User, app: TOTPDevice) -> None:
    StaticDevice.objects.create(user=olive).token_set.create(token="abcd2345")
    olives = Client()
    give_password(olives)
    give_code(olives, next_code(app))
    ada = User.objects.create_superuser("ada", password=PASSWORD)
    client = Client()
    client.force_login(ada)
    assert {user.username: user.has_app for user in client.get(USERS).context["cl"].result_list} == {
        "olive": True,
        "ada": False,
    }
    form = {"action": "remove_second_factor", "_selected_action": [olive.pk, ada.pk]}
    answer = client.post(USERS, form, follow=True)
    assert "1 second factor removed." in answer.content.decode()
    assert not TOTPDevice.objects.exists()
    assert not StaticDevice.objects.exists()
    assert notes(olive) == [("ada", "Removed the second factor.")]
    assert "Removed the second factor." in client.get(f"{USERS}{olive.pk}/history/").content.decode()
    assert not is_in(olives)
    assert give_password(olives).url == INDEX


@pytest.mark.usefixtures("roles")
def test_nobody_else_does(olive: User, app: TOTPDevice) -> None:
    admin = User.objects.create_user("admin", password=PASSWORD, is_staff=True)
    admin.groups.add(Group.objects.get(name="admin"))
    client = Client()
    client.force_login(admin)
    client.post(USERS, {"action": "remove_second_factor", "_selected_action": [olive.pk]})
    assert TOTPDevice.objects.get() == app


def test_nobody_sees_another_ones_key_in_the_admin(olive: User, app: TOTPDevice) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password=PASSWORD))
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    assert client.get("/admin/otp_static/staticdevice/").status_code == 404
    assert app.key not in client.get(f"{USERS}{olive.pk}/delete/").content.decode()


def test_the_release_before_which_knows_of_none_can_delete_the_account(olive: User, app: TOTPDevice) -> None:
    StaticDevice.objects.create(user=olive).token_set.create(token="abcd2345")
    olive.user_permissions.clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE id = %s", [olive.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert not StaticToken.objects.exists()
    assert not TOTPDevice.objects.exists()


def test_a_session_of_the_release_before_ends_by_the_command_in_the_docs(
    olive: User, app: TOTPDevice, client: Client
) -> None:
    client.force_login(olive)  # without a code, as that release does
    assert is_in(client)
    docs = (site.BASE_DIR / "docs/operations.md").read_text("utf-8")
    (command,) = re.findall(r'`manage\.py shell -c "([^"]+)"`', docs)
    call_command("shell", command=command)
    assert not is_in(client)


def test_the_owner_of_the_server_gets_a_recovery_code_by_a_command(olive: User, app: TOTPDevice) -> None:
    call_command("addstatictoken", "olive")
    client = Client()
    give_password(client)
    give_code(client, StaticToken.objects.get().token)
    assert is_in(client)


@pytest.mark.parametrize("with_code", [True, False])
def test_no_page_asks_the_database_for_it(
    olive: User, client: Client, with_code: bool, settings: Any, django_assert_num_queries: Any
) -> None:
    if with_code:
        settings.SECOND_FACTOR_REQUIRED = True
        app = TOTPDevice.objects.create(user=olive)
        give_password(client)
        give_code(client, next_code(app))
    else:
        give_password(client)
    with django_assert_num_queries(2):  # the session, the account
        assert client.get("/admin/jsi18n/").status_code == 200
