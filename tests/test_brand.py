"""The page and the admin are one product, by its name and its mark."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.test import Client
from streamlit.testing.v1 import AppTest

from mnistsite.settings import UNFOLD
from tests import rows
from tests.product import REPOSITORY

PAGE = REPOSITORY / "streamlit_ui"


def test_admin_has_the_pages_mark() -> None:
    found = finders.find("predictions/mark.svg")
    assert found
    assert Path(found).read_bytes() == (PAGE / "mark.svg").read_bytes()


@pytest.mark.django_db
def test_admin_shows_the_mark_in_tab_and_header_of_each_page(client: Client) -> None:
    login = client.get("/admin/login/").content.decode()
    client.force_login(rows.operator())
    list_page = client.get("/admin/predictions/prediction/").content.decode()
    mark = static("predictions/mark.svg")
    for html in (login, list_page):
        assert f'<link rel="icon" href="{mark}" type="image/svg+xml"' in html
    assert f'<img src="{mark}"' in list_page
    assert str(UNFOLD["SITE_TITLE"]) in login


def test_page_has_the_admins_name() -> None:
    page = AppTest.from_file(PAGE / "app.py", default_timeout=30).run()
    title = next(text for text in (str(part.proto.body) for part in page.get("html")) if "<h1" in text)
    assert f"<span>{UNFOLD['SITE_TITLE']}</span>" in title
    assert "data:image/svg+xml" in title
