"""How one drawing was read: what preprocessing made of it, and which ink mattered for the answer."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from classifier.preprocess import Ink, decode_image, render_strokes
from predictions import serving
from predictions.models import Prediction

# Apart for every kind of colour vision, on the black that the ink is drawn on.
SPEAKS_FOR = np.array([255, 170, 40])
SPEAKS_AGAINST = np.array([70, 140, 255])
UNMOVED = np.array([90, 90, 90])


def explain(prediction: Prediction) -> dict[str, Any]:
    """The steps from the drawing to the model's input, and the saliency map: PNGs in base64.

    `drawing` is the image as it was sent, in its own format. What is no longer kept is None.
    """
    model_input = np.frombuffer(prediction.input, np.uint8).reshape(28, 28).copy()  # writable, for torch
    ink = drawn_ink(prediction)
    return {
        "id": prediction.id,
        "drawing": base64.b64encode(prediction.image).decode() if prediction.image else None,
        "ink": None if ink is None else png(cropped(Image.fromarray(ink))),
        "scaled": png(cropped(Image.fromarray(model_input))),
        "input": png(Image.fromarray(model_input)),
        "saliency": png(Image.fromarray(coloured(model_input, saliency(prediction, model_input)))),
    }


def drawn_ink(prediction: Prediction) -> Ink | None:
    """The ink before it is scaled: strokes at one pen width, an image on black."""
    if prediction.strokes:
        return render_strokes(prediction.strokes)
    return decode_image(bytes(prediction.image)) if prediction.image else None


def cropped(picture: Image.Image) -> Image.Image:
    """The ink's own box."""
    return picture.crop(picture.getbbox())


def saliency(prediction: Prediction, model_input: Ink) -> NDArray[np.float64]:
    """By the version that gave the answer, which need not be the active one."""
    active = serving.active()
    same = active.version.pk == prediction.model_version.pk
    predictor = active.predictor if same else serving.load(prediction.model_version)
    return predictor.saliency(model_input)


def coloured(model_input: Ink, shares: NDArray[np.float64]) -> Ink:
    """(28, 28, 3): the ink, coloured by how much it speaks for or against the digit that was read."""
    strength = np.abs(shares)[..., None] ** 0.5
    colour = np.where(shares[..., None] > 0, SPEAKS_FOR, SPEAKS_AGAINST)
    ink = model_input[..., None] / 255
    mixed: Ink = np.rint(ink * (strength * colour + (1 - strength) * UNMOVED)).astype(np.uint8)
    return mixed


def png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
