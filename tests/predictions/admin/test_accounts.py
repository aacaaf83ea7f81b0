"""What operators, trainers and admins may do."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests import rows
from tests.forms import submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]

LIST = "/admin/predictions/prediction/"
VERSIONS = "/admin/predictions/modelversion/"
QUEUE = f"{LIST}queue/"
USERS = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"
JOINED = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}


def client_of(role: str) -> Client:
    user = User.objects.create_user(role, password="a password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("role", "allowed", "forbidden"),
    [
        ("operator", {LIST, QUEUE, VERSIONS}, {USERS, "promote"}),
        ("trainer", {LIST, VERSIONS, "promote"}, {QUEUE, USERS}),
        ("admin", {LIST, QUEUE, VERSIONS, USERS, "promote"}, set()),
    ],
)
def test_pages_of_a_role(role: str, allowed: set[str], forbidden: set[str]) -> None:
    client, version = client_of(role), rows.version()
    promote = f"{VERSIONS}{version.pk}/promote/"
    answers = {
        page: client.get(promote if page == "promote" else page).status_code for page in allowed | forbidden
    }
    assert answers == dict.fromkeys(allowed, 200) | dict.fromkeys(forbidden, 403)


@pytest.mark.parametrize(("role", "label"), [("operator", 7), ("trainer", None), ("admin", 7)])
def test_who_may_correct_a_label(role: str, label: int | None) -> None:
    row = rows.prediction()
    form = {"true_label": 7, "review_status": "pending", "expected_version": 1}
    client_of(role).post(f"{LIST}{row.pk}/change/", form)
    row.refresh_from_db()
    assert row.true_label == label


def test_a_trainer_promotes_a_version_with_a_reason() -> None:
    version = rows.version("v2")
    submit(client_of("trainer"), f"{VERSIONS}{version.pk}/promote/", reason="Better on sevens.")
    version.refresh_from_db()
    assert version.active
    promotion = version.promotions.get()
    assert (promotion.by.username if promotion.by else None, promotion.reason) == (
        "trainer",
        "Better on sevens.",
    )


def test_an_admin_makes_accounts_but_no_superuser_and_changes_none() -> None:
    client = client_of("admin")
    account = {"username": "new", "password1": "a long password", "password2": "a long password"}
    client.post(f"{USERS}add/", account | {"usable_password": "true"})
    made = User.objects.get(username="new")
    client.post(
        f"{USERS}{made.pk}/change/", {"username": "new", "is_staff": "on", "is_superuser": "on"} | JOINED
    )
    made.refresh_from_db()
    assert (made.is_staff, made.is_superuser) == (True, False)
    root = User.objects.create_superuser("root", password="a password")
    assert client.post(f"{USERS}{root.pk}/password/", account).status_code == 403
    assert client.post(f"{USERS}{root.pk}/delete/", {"post": "yes"}).status_code == 403


def test_only_a_superuser_says_what_a_role_may_do(client: Client) -> None:
    """An admin could else give itself what is a superuser's, as API keys are."""
    keys, own = Permission.objects.get(codename="add_apikey"), Group.objects.get(name="admin")
    before, ada = set(own.permissions.all()), client_of("admin")
    ada.post(f"{GROUPS}{own.pk}/change/", {"name": "admins", "permissions": [keys.pk]})
    ada.post(f"{GROUPS}add/", {"name": "keepers of keys", "permissions": [keys.pk]})
    own.refresh_from_db()
    assert (own.name, set(own.permissions.all())) == ("admins", before)
    made = Group.objects.get(name="keepers of keys")
    assert not made.permissions.exists()
    client.force_login(User.objects.create_superuser("root", password="a password"))
    client.post(f"{GROUPS}{made.pk}/change/", {"name": made.name, "permissions": [keys.pk]})
    assert made.permissions.get() == keys


def test_an_admin_gives_nobody_a_single_permission() -> None:
    keys, client = Permission.objects.get(codename="add_apikey"), client_of("admin")
    own = User.objects.get(username="admin")
    form = {"username": "admin", "is_staff": "on", "is_active": "on", "groups": [own.groups.get().pk]}
    form |= {"first_name": "Ada", "user_permissions": [keys.pk]}
    client.post(f"{USERS}{own.pk}/change/", form | JOINED)
    own.refresh_from_db()
    assert (own.first_name, own.has_perm("predictions.add_apikey")) == ("Ada", False)
