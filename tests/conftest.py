"""What many tests need: the shipped model in a real database, and a client."""

import base64
import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from coverage import Coverage
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from hypothesis import settings as hypothesis_settings
from PIL import Image, ImageDraw

from mnistsite import local, login
from predictions import serving
from predictions.models import ModelVersion
from tests import drawings
from tests.browser import CHROMIUM

# pytest-django has read the settings by now, and connects to nothing before the first test asks for it.
local.provide()

# Nothing is timed, and nothing is written.
hypothesis_settings.register_profile("ours", deadline=None, database=None)
hypothesis_settings.load_profile("ours")

# Tests have little to compute at a time; two threads would wait for each other's processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from training.dataset import Mnist

Strokes = list[list[list[float]]]

# Drawings that nobody reads differently.
TURNS = [turn / 20 * math.tau for turn in range(21)]
ZERO: Strokes = [[[100 + 60 * math.sin(turn), 100 - 90 * math.cos(turn)] for turn in TURNS]]
ONE: Strokes = [[[100.0, 20.0], [98.0, 100.0], [96.0, 200.0]]]


def png(strokes: Strokes, size: int = 280, pen: int = 20) -> str:
    """White ink on black, as the page sends it: a PNG in base64."""
    image = Image.new("L", (size, size))
    for stroke in strokes:
        ImageDraw.Draw(image).line([(x, y) for x, y in stroke], fill=255, width=pen, joint="curve")
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Without a browser its tests are skipped, but not where somebody counts on them."""
    if os.environ.get("REQUIRE_BROWSER") and CHROMIUM is None:
        pytest.exit("REQUIRE_BROWSER is set, and no Chromium was found.", returncode=1)


def pytest_sessionfinish() -> None:
    """Keep what this process has measured: pytest-xdist kills one that takes ten seconds to end."""
    if coverage := Coverage.current():
        coverage.save()


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Rate limits and figures of one test must not reach the next."""
    cache.clear()
    if rate := sys.modules.get("predictions.api.rate"):
        for limit in (rate.work, rate.stored):
            limit.accounts.clear()
            limit.most = 1e12  # a slow machine's tests are not to be refused
            limit.share_at = float("inf")  # tests that share say so; not every test has a database


@pytest.fixture(autouse=True)
def same_drawings() -> None:
    drawings.begin_anew()


@pytest.fixture(autouse=True)
def own_main_module() -> Iterator[None]:
    """Streamlit runs the page as the main module; processes that a later test starts would run it again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True)
def empty_queue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Django empties its own tables alone after a test that commits; what such a test has queued goes too."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    if not commits and not {"transactional_db", "live_server"} & set(request.fixturenames):
        yield
        return
    request.getfixturevalue("transactional_db")  # so that it is still there afterwards
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


@pytest.fixture
def version(db: None, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """The shipped model, active; looked up at every request, since every test has its own rows."""
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_LOOKS", -1.0)
    monkeypatch.setattr(serving, "_active", None)
    return ModelVersion.objects.install_shipped()


@pytest.fixture
def small_version(db: None) -> ModelVersion:
    """A small network, active: for trainings, which need any version to start from."""
    from tests import samples

    version = ModelVersion.objects.register(samples.SMALL.read_bytes())
    version.promote(reason="small")
    return version


@pytest.fixture(scope="session", autouse=True)
def settings_for_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Static files as they lie in the tree (their manifest exists only after collectstatic), passwords that
    are not expensive to make, and no other test process that checks one at the same moment."""
    login.LOCK = tmp_path_factory.mktemp("login")
    storages = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(WHITENOISE_AUTOREFRESH=True, STORAGES=storages, PASSWORD_HASHERS=hashers):
        yield


@pytest.fixture
def roles(db: None) -> None:
    """As the migration makes them: a test that needs a real commit empties every table after itself."""
    import_module("predictions.migrations.0002_roles").make_roles(apps, None)


Post = Callable[..., Any]


@pytest.fixture
def post(client: Client, version: ModelVersion) -> Post:
    """Post JSON to a path of the API."""

    def post(path: str, body: Any) -> Any:
        return client.post(f"/api/{path}", body, content_type="application/json")

    return post


@pytest.fixture(scope="session")
def made_up_mnist() -> "Mnist":
    from training import dataset, synthesis

    rng = np.random.default_rng(0)
    return dataset.Mnist(*(dataset.Digits(*synthesis.digits(count, rng)) for count in (300, 60, 200)))


@pytest.fixture
def small_mnist(made_up_mnist: "Mnist", monkeypatch: pytest.MonkeyPatch) -> "Mnist":
    """Made-up digits in MNIST's place, so that tests need neither network nor minutes."""
    from training import dataset

    monkeypatch.setattr(dataset, "load_mnist", lambda folder: made_up_mnist)
    return made_up_mnist
