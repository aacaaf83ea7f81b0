"""The explanation: pictures of how one logged drawing was read."""

import base64
import io
import uuid
from typing import Any

import numpy as np
import pytest
from django.test import Client
from numpy.typing import NDArray
from PIL import Image

from classifier.deciding_part import scale, split_strokes
from classifier.preprocess import to_input
from predictions import serving
from predictions.models import ModelVersion, Prediction
from tests import samples
from tests.conftest import ONE, ZERO, Post, Strokes, png

SEVEN: Strokes = [[[40, 30], [160, 30]], [[160, 30], [120, 120], [90, 210]]]


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


def explain(client: Client, prediction: dict[str, Any]) -> dict[str, Any]:
    steps: dict[str, Any] = client.get(f"/api/predictions/{prediction['id']}/explanation").json()
    return steps


def test_drawing_is_explained_when_the_weights_that_read_it_are_erased(client: Client, post: Post) -> None:
    prediction = post("predict", {"strokes": SEVEN}).json()
    read_by = ModelVersion.objects.get()
    other = ModelVersion.objects.register(bytes(read_by.weights.checkpoint))
    other.promote(reason="for the test", override=True)
    read_by.weights.delete()
    steps = explain(client, prediction)
    assert steps["input"] == prediction["input"]
    assert steps["without"] is None


@pytest.mark.parametrize("body", [{"strokes": SEVEN}, {"image": png(SEVEN)}])
def test_without_the_orange_part_the_model_reads_what_is_named(
    client: Client, post: Post, body: dict[str, object]
) -> None:
    prediction = post("predict", body).json()
    without = explain(client, prediction)["without"]
    assert (prediction["digit"], without["digit"]) == (7, 1)
    again = serving.active().predictor.read(pixels(without["input"])[None].copy())[0]
    assert (again.digit, again.confidence) == (1, without["confidence"])
    assert (again.uncertain, again.reason or None) == (without["uncertain"], without["reason"])


def test_strokes_drawn_again_without_the_part_get_the_answer_that_was_named(
    client: Client, post: Post
) -> None:
    without = explain(client, post("predict", {"strokes": SEVEN}).json())["without"]
    answers = [
        post("predict", {"strokes": [path.tolist() for path in rest]}).json()
        for _, _, rest in split_strokes(scale(SEVEN))
    ]
    same = next(answer for answer in answers if answer["input"] == without["input"])
    for field in ("digit", "confidence", "uncertain", "reason"):
        assert same[field] == without[field]


def test_picture_without_its_orange_ink_is_what_is_read_without_the_part(client: Client, post: Post) -> None:
    without = explain(client, post("predict", {"image": png(SEVEN)}).json())["without"]
    drawing = pixels(without["drawing"])
    assert (drawing[..., 0] > drawing[..., 2]).sum() > 100, "some ink is orange"
    assert (to_input(drawing[..., 2]) == pixels(without["input"])).all(), "orange has no blue"


@pytest.mark.parametrize("most", [1.7e308, 1e-308])
def test_numbers_of_any_size_are_explained(client: Client, post: Post, most: float) -> None:
    strokes = [[[-most, 0], [most, 0]], [[most, 0], [0, most]]]
    assert explain(client, post("predict", {"strokes": strokes}).json())["without"]["drawing"]


def test_dot_has_no_part_to_be_left_out(client: Client, post: Post) -> None:
    assert explain(client, post("predict", {"strokes": [[[5, 5]]]}).json())["without"] is None


def test_answer_of_an_earlier_version_is_explained_by_that_version(client: Client, post: Post) -> None:
    path = f"/api/predictions/{post('predict', {'strokes': ONE}).json()['id']}/explanation"
    before = client.get(path).json()
    version = ModelVersion.objects.register(samples.SMALL.read_bytes())
    version.promote(override=True, reason="Not compared in this test.")
    assert client.get(path).json() == before
    by_another = f"/api/predictions/{post('predict', {'strokes': ONE}).json()['id']}/explanation"
    assert client.get(by_another).json()["without"] != before["without"]


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
