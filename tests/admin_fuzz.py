"""Odd requests to every address of the admin: methods, keys, queries, fields, bodies and cookies."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

METHODS = ["GET"] * 8 + ["POST"] * 8 + ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ODD = [
    "",
    "x",
    "0",
    "-1",
    "1e9",
    "99999999999999999999",
    "\0",
    "a\0b",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "é" * 300,
    "🖊",
    "'; --",
    "%s %(x)s {0}",
    "../../etc/passwd",
    "<script>",
    "NaN",
    "١",
    "null",
    "true",
    "2026-02-30",
    "2026-11-25 12:00:00+99:99",
    "a" * 3000,
    "\r\nX: y",
    "[]",
]
QUERIES = ["q", "p", "o", "all", "e", "_popup", "_to_field", "_changelist_filters", "next", "search", "term"]
QUERIES += ["app_label", "model_name", "field_name", "_facets", "object_id", "message", "x__y", "id__in"]
LOOKUPS = [
    "",
    "__exact",
    "__in",
    "__isnull",
    "__gte",
    "__from",
    "__to",
    "_from_0",
    "_to_1",
    "__regex",
    "__id__exact",
]
FIELDS = ["action", "index", "select_across", "_selected_action", "as_of", "true_label", "review_status"]
FIELDS += ["expected_version", "reason", "override", "username", "password", "password1", "password2", "next"]
FIELDS += [
    "usable_password",
    "old_password",
    "new_password1",
    "new_password2",
    "email",
    "is_superuser",
    "groups",
]
FIELDS += ["user_permissions", "name", "permissions", "import", "post", "_save", "_continue", "_saveasnew"]
FIELDS += [
    "last_login_0",
    "last_login_1",
    "date_joined_0",
    "date_joined_1",
    "form-TOTAL_FORMS",
    "initial-as_of",
]
JSON_FIELDS = ["held", "skipped", "count", "id", "row_version", "status", "true_label", "decisions"]
COOKIES = ["sessionid", "csrftoken", "messages"]
COOKIE_VALUES = [
    '"\\000"',
    '"\\777\\"',
    '"a\\000b"',
    "x" * 5000,
    '"\\',
    "é",
    "a=b=c",
    '"\\012"',
    "",
    "W10:1:x",
]
ACTIONS = ["accept", "reject", "set_label", "cancel", "acknowledge", "keep", "follow", "delete_selected"]
KINDS = ["application/x-www-form-urlencoded"] * 12 + [
    "application/json",
    "multipart/form-data",
    "text/plain",
    "",
]
KINDS += ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=nonsense", "a/b;;="]


def routes() -> list[str]:
    """Every address below /admin/, as Django writes it: admin/auth/user/<path:object_id>/change/."""
    return [route for route in walk(get_resolver().url_patterns, "") if route.startswith("admin/")]


def walk(patterns: list[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns, route)
        else:
            yield route


@dataclass
class Request:
    """One odd request; `str` shows it in a report."""

    method: str
    path: str
    body: bytes = b""
    kind: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path[:200]} {self.kind} {self.body[:200]!r} {self.cookies}"


class Fields(HTMLParser):
    """The values that each field of a page's forms has, or offers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self.name = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("input", "button", "select", "textarea") and given.get("name"):
            self.name = given["name"]
            self.values.setdefault(self.name, [given["value"]] if "value" in given else [])
        elif tag == "option" and self.name:
            self.values[self.name].append(given.get("value", ""))


class Fuzz:
    """Makes requests; `keys` are those of rows that exist, `forms` the fields of the pages at addresses."""

    def __init__(self, seed: int, keys: list[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.keys, self.routes = keys, routes()
        self.forms: dict[str, dict[str, list[str]]] = {}
        fields = {f.name for model in admin.site._registry for f in model._meta.get_fields()}
        self.fields = FIELDS + sorted(fields)

    def fitting(self) -> str:
        return self.random.choice(self.keys)

    def value(self) -> str:
        """A key that exists, a plausible value, or an odd one."""
        choices = (self.fitting(), str(uuid4()), self.random.choice(ACTIONS), "1", "accepted")
        return self.random.choice(choices if self.random.random() < 0.5 else ODD)

    def path(self) -> str:
        route = re.sub(r"\(\?P<\w+>[^)]*\)", "<str:x>", self.random.choice(self.routes))
        fill = self.fitting if self.random.random() < 0.7 else self.value
        filled = re.sub(r"<[^>]*>", lambda _: quote(fill(), safe=""), re.sub(r"[$^]|\\Z", "", route))
        filters = [name + self.random.choice(LOOKUPS) for name in self.fields]
        names = self.random.choices(QUERIES + filters, k=self.random.choice([0, 0, 0, 1, 2, 3]))
        query = urlencode([(name, self.value()) for name in names])
        return f"/{filled}?{query}" if query else f"/{filled}"

    def learn(self, client: Client) -> None:
        """Look once at every address for the forms of its page."""
        for route in self.routes:
            for key in self.keys if "<" in route else [""]:
                path = "/" + re.sub(r"<[^>]*>", key, route)
                answer = client.get(path)
                if answer.status_code == 200 and not answer.streaming:
                    self.forms[path] = Fields(answer.content.decode("utf-8", "replace")).values

    def sent_form(self) -> tuple[str, list[tuple[str, str]]]:
        """A page's form as a browser sends it, but for one or two fields."""
        path = self.random.choice(list(self.forms))
        form = self.forms[path]
        pairs = [(name, self.random.choice(offered)) for name, offered in form.items() if offered]
        for name in self.random.choices(
            [*form, self.random.choice(self.fields)], k=self.random.randrange(1, 3)
        ):
            pairs = [pair for pair in pairs if pair[0] != name] + [(name, self.value())]
        return path, pairs

    def body(self, kind: str) -> bytes:
        if "json" in kind or self.random.random() < 0.1:
            return json.dumps(self.json()).encode()
        names = self.random.choices(
            FIELDS if self.random.random() < 0.7 else self.fields, k=self.random.randrange(8)
        )
        pairs = [(name, self.value()) for name in names]
        if self.random.random() < 0.4:  # what a list's own form sends
            pairs += [("action", self.random.choice(ACTIONS)), ("_selected_action", self.value())]
        if "boundary" in kind:
            return multipart(pairs)
        return urlencode(pairs).encode()

    def json(self) -> Any:
        plain: list[Any] = [None, True, -1, 2**70, 1.5, self.value(), [self.value()], [{}], {}]
        return {name: self.random.choice(plain) for name in self.random.sample(JSON_FIELDS, 4)}

    def request(self) -> Request:
        method, kind = self.random.choice(METHODS), self.random.choice(KINDS)
        body = b"" if method in ("GET", "HEAD") else self.body(kind)
        odd = self.random.random() < 0.15
        cookies = {self.random.choice(COOKIES): self.random.choice(COOKIE_VALUES)} if odd else {}
        if method == "POST" and self.random.random() < 0.6:
            path, pairs = self.sent_form()
            return Request(method, path, urlencode(pairs).encode(), KINDS[0], cookies)
        return Request(method, self.path(), body, kind, cookies)


def multipart(pairs: list[tuple[str, str]]) -> bytes:
    head = 'Content-Disposition: form-data; name="{}"'
    parts = [f"--x\r\n{head.format(name)}\r\n\r\n{value}\r\n" for name, value in pairs]
    file = f'--x\r\n{head.format("file")}; filename="a.csv"\r\n\r\nid,true_label\r\nx,\0\r\n'
    return "".join([*parts, file, "--x--\r\n"]).encode()


def send(client: Client, request: Request) -> int:
    """The answer's status. What the request did is taken back, so that the next finds the same rows."""
    given = "; ".join(f"{name}={value}" for name, value in request.cookies.items())
    kept = "; ".join(f"{name}={cookie.value}" for name, cookie in client.cookies.items())
    with transaction.atomic():
        answer = client.generic(
            request.method,
            request.path,
            request.body,
            request.kind,
            headers={"cookie": "; ".join(filter(None, [kept, given])).encode().decode("latin-1")},
        )
        transaction.set_rollback(True)
    return answer.status_code


def failures(seed: int, count: int, keys: list[str], user: User) -> list[str]:
    """Send so many odd requests, most of them as `user`; those that were answered 500 or worse."""
    fuzz, failed = Fuzz(seed, keys), []
    signed_in, anybody = (Client(raise_request_exception=False) for _ in range(2))
    signed_in.force_login(user)
    fuzz.learn(signed_in)
    for number in range(count):
        request = fuzz.request()
        status = send(anybody if number % 5 == 0 else signed_in, request)
        if status >= 500:
            failed.append(f"{status} {request}")
    return failed
