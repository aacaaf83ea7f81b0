"""The explanation: pictures of how one logged drawing was read."""

import base64
import io
import uuid

import numpy as np
import pytest
from django.test import Client
from numpy.typing import NDArray
from PIL import Image

from predictions.models import ModelVersion, Prediction
from tests import samples
from tests.conftest import ONE, ZERO, Post, png


def pixels(picture: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))


@pytest.mark.parametrize("body", [{"strokes": ZERO}, {"image": png(ZERO)}])
def test_steps_end_in_the_input_that_was_logged(client: Client, post: Post, body: dict[str, object]) -> None:
    prediction = post("predict", body).json()
    steps = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    assert steps["input"] == prediction["input"]
    assert max(pixels(steps["scaled"]).shape) == 20
    stored = Prediction.objects.get().image
    assert steps["drawing"] == (base64.b64encode(stored).decode() if stored else None)
    assert (steps["mask"] is None) == (steps["drawing"] is None) == ("strokes" in body)
    assert max(pixels(steps["ink"]).shape) > 100


def test_what_was_taken_for_ink_is_coloured_on_the_picture(client: Client, post: Post) -> None:
    prediction = post("predict", {"image": png(ZERO)}).json()
    steps = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    marked = pixels(steps["mask"])
    red = marked[..., 0].astype(int) - marked[..., 2] > 100
    assert (red == (pixels(steps["drawing"]) > 128)).mean() > 0.98


def test_picture_beside_strokes_has_no_mask_since_the_strokes_were_read(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": ZERO, "image": png(ZERO)}).json()
    steps = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    assert steps["drawing"]
    assert steps["mask"] is None


def test_saliency_colours_the_ink_and_nothing_else(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": ZERO}).json()
    steps = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    colours, seen = pixels(steps["saliency"]), pixels(steps["input"])
    assert colours.shape == (28, 28, 3)
    assert not colours[seen == 0].any()
    orange = colours[..., 0].astype(int) - colours[..., 2]
    assert orange.max() > 60, "some ink speaks for the digit that was read"


def test_answer_of_an_earlier_version_is_explained_by_that_version(client: Client, post: Post) -> None:
    path = f"/api/predictions/{post('predict', {'strokes': ONE}).json()['id']}/explanation"
    before = client.get(path).json()
    version = ModelVersion.objects.register(samples.SMALL.read_bytes())
    version.promote(override=True, reason="Not compared in this test.")
    assert client.get(path).json() == before
    by_another = f"/api/predictions/{post('predict', {'strokes': ONE}).json()['id']}/explanation"
    assert client.get(by_another).json()["saliency"] != before["saliency"]


def test_drawing_that_is_no_longer_kept_has_no_picture(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": ONE}).json()
    Prediction.objects.update(strokes=None, image=None)
    steps = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    assert steps["drawing"] is None
    assert steps["ink"] is None
    assert steps["input"] == prediction["input"]


def test_unknown_id_is_404(client: Client, version: ModelVersion) -> None:
    response = client.get(f"/api/predictions/{uuid.uuid4()}/explanation")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_prediction"
