"""Keys of machines: what each may do, who needs one, and what is left of it in the database."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from predictions.api import keys, rate
from predictions.models import ApiKey
from tests import rows
from tests.conftest import ONE, Post

EXPORT = "/admin/predictions/prediction/export/jsonl/"
LIST = "/admin/predictions/apikey/"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    keys._known.clear()


def make(*scopes: str) -> str:
    key = ApiKey(name="a machine", scopes=list(scopes))
    token = key.make_token()
    key.save()
    return token


def bearer(token: str) -> dict[str, Any]:
    return {"Authorization": f"Bearer {token}"}


def predict(client: Client, **headers: str) -> Any:
    return client.post("/api/predict", {"strokes": ONE}, content_type="application/json", headers=headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.usefixtures("version")
def test_everybody_may_call_unless_keys_are_required(client: Client, settings: Any) -> None:
    assert predict(client).status_code == 201
    settings.API_KEYS_REQUIRED = True
    refused = predict(client)
    assert (code(refused), refused["WWW-Authenticate"]) == ((401, "no_key"), "Bearer")
    assert predict(client, **bearer(make("predict"))).status_code == 201


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_schemes_case_does_not_matter(client: Client, settings: Any, scheme: str) -> None:
    settings.API_KEYS_REQUIRED = True
    token = make("predict", "export")
    assert predict(client, Authorization=f"{scheme} {token}").status_code == 201
    export = client.head(
        "/admin/predictions/prediction/export/jsonl/", headers={"Authorization": f"{scheme} {token}"}
    )
    assert export.status_code == 200


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("required", [True, False])
def test_key_that_is_sent_has_to_be_good(client: Client, settings: Any, required: bool) -> None:
    settings.API_KEYS_REQUIRED = required
    good = make("predict")
    for wrong in ("", "x", good[:-1], good + "x", "é"):
        assert code(predict(client, Authorization=f"Bearer {wrong}")) == (401, "bad_key")
    assert code(predict(client, **bearer(make("feedback", "export")))) == (403, "not_in_scope")


CALLS = [
    ("predict", "GET", "model"),
    ("predict", "GET", "stats"),
    ("predict", "GET", "predictions/{row}/explanation"),
    ("feedback", "POST", "predictions/{row}/feedback"),
    ("feedback", "DELETE", "predictions/{row}/feedback"),
    ("feedback", "GET", "predictions"),
    ("feedback", "DELETE", "predictions"),
]


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize(("scope", "method", "path"), CALLS)
def test_each_call_asks_for_its_scope(
    client: Client, settings: Any, scope: str, method: str, path: str
) -> None:
    settings.API_KEYS_REQUIRED = True
    row = rows.prediction(strokes=ONE)
    path = f"/api/{path.format(row=row.pk)}"

    def status(*scopes: str) -> int:
        headers = bearer(make(*scopes)) if scopes else {}
        headers |= {"X-Visitor": "6f1c6f0e-1111-4222-8333-444455556666"}
        answer = client.generic(method, path, b'{"label": 1}', "application/json", headers=headers)
        return int(answer.status_code)

    others = {"predict", "feedback", "export"} - {scope}
    assert (status(), status(*others), status(scope)) == (401, 403, 200)


@pytest.mark.usefixtures("version")
def test_revoked_key_is_good_for_seconds_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    token = make("predict")
    assert predict(client, **bearer(token)).status_code == 201
    ApiKey.objects.all().revoke()
    monkeypatch.setattr(keys, "SECONDS_KNOWN", -1.0)
    assert code(predict(client, **bearer(token))) == (401, "bad_key")


@pytest.mark.usefixtures("version")
def test_key_is_looked_up_now_and_then_and_its_use_noted_once_a_day(
    client: Client, django_assert_num_queries: Any
) -> None:
    token = make("predict")
    before = timezone.localdate()
    predict(client, **bearer(token))
    key = ApiKey.objects.get()
    assert key.last_used and before <= key.last_used <= timezone.localdate()
    with django_assert_num_queries(0):
        assert keys.find(token) == key


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "Etc/GMT+12"]
)  # of which one has another day than UTC
def test_day_of_a_keys_use_is_the_operators(db: None, zone: str) -> None:
    make("predict")
    key = ApiKey.objects.get()
    with timezone.override(zone):
        before = timezone.localdate()
        key.note_use()
        assert key.last_used and before <= key.last_used <= timezone.localdate()


@pytest.mark.django_db(transaction=True)
def test_export_goes_by_key_without_a_session(client: Client) -> None:
    row = rows.prediction(strokes=[[[0.0, 1.0]]])
    row.review(rows.operator(), "accepted", 1, selected_by="list", expected_version=row.row_version)
    answer = client.get(EXPORT, headers=bearer(make("export")))
    assert str(row.pk).encode() in b"".join(answer)
    answer.close()
    assert code(client.get(EXPORT, headers=bearer(make("predict")))) == (403, "not_in_scope")
    assert code(client.get(EXPORT, headers=bearer("x"))) == (401, "bad_key")
    assert client.get(EXPORT).status_code == 302


def test_key_is_shown_once_and_stored_as_a_hash(admin_client: Client, admin_user: User) -> None:
    made = admin_client.post(f"{LIST}add/", {"name": "a robot", "scopes": ["predict", "export"]})
    key = ApiKey.objects.get()
    token = made.content.decode().partition("<code>")[2].partition("</code>")[0]
    assert ApiKey.objects.of(token) == key and key.created_by == admin_user
    assert "no-store" in made["Cache-Control"]
    stored = " ".join(map(str, ApiKey.objects.values_list().get()))
    assert token not in stored and token[20:] not in stored
    assert token not in admin_client.get(LIST).content.decode()
    assert admin_client.get(f"{LIST}{key.pk}/delete/").status_code == 403


def test_admin_revokes_a_key(admin_client: Client) -> None:
    token = make("predict")
    form = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    page = admin_client.post(LIST, form, follow=True).content.decode()
    assert "1 key revoked, everywhere within five seconds." in page
    assert ApiKey.objects.get().revoked_at is not None
    assert ApiKey.objects.of(token) is None


@pytest.mark.usefixtures("roles")
def test_operators_make_no_keys(client: Client) -> None:
    client.force_login(rows.operator())
    assert client.get(LIST).status_code == client.get(f"{LIST}add/").status_code == 403


def test_only_the_page_is_believed_about_an_address(post: Post, client: Client, settings: Any) -> None:
    settings.PAGE_SECRET = "a secret of both"
    for proof in ("", "another", "a secret of both"):
        headers = {"X-Forwarded-For": "192.0.2.9", "X-Page-Secret": proof}
        client.get("/api/model", headers=headers)
        assert ("192.0.2.9" in rate.work.accounts) == (proof == settings.PAGE_SECRET)


@pytest.mark.usefixtures("version")
def test_page_needs_no_key(client: Client, settings: Any) -> None:
    settings.PAGE_SECRET, settings.API_KEYS_REQUIRED = "a secret of both", True
    assert predict(client, **{"X-Page-Secret": "a secret of both"}).status_code == 201
    assert code(predict(client, **{"X-Page-Secret": "another"})) == (401, "no_key")
    settings.PAGE_SECRET = ""
    assert code(predict(client, **{"X-Page-Secret": ""})) == (401, "no_key")
