"""How one drawing was read: the steps of preprocessing, and the ink that mattered for the answer."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from classifier.image_file import decode
from classifier.ink import Ink
from classifier.stored_picture import encode
from predictions import pictures, serving
from predictions.models import Prediction

# Apart for every kind of colour vision, on the black that the ink is drawn on.
SPEAKS_FOR = np.array([255, 170, 40])
SPEAKS_AGAINST = np.array([70, 140, 255])
FOUND = np.array([230, 60, 0])
UNMOVED = np.array([90, 90, 90])


def explain(prediction: Prediction) -> dict[str, Any]:
    """The steps from the drawing to the model's input, and the saliency map: pictures in base64.

    `drawing` is the picture as it is stored, None where none is kept; `mask` what was taken for its ink, None
    also where strokes were read.
    """
    model_input, ink, picture = pictures.as_array(prediction.input), prediction.ink(), prediction.image
    is_read = not prediction.strokes  # the picture beside strokes is only kept
    return {
        "id": prediction.id,
        "drawing": base64.b64encode(picture).decode() if picture else None,
        "mask": show_mask(bytes(picture), ink) if picture and is_read and ink is not None else None,
        "ink": None if ink is None else pictures.base64_png(crop(ink)),
        "scaled": pictures.base64_png(crop(model_input)),
        "input": pictures.base64_png(model_input),
        "saliency": pictures.base64_png(colour(model_input, saliency(prediction, model_input))),
    }


def show_mask(file: bytes, ink: Ink) -> str:
    """The ink coloured, on the picture that it was found in, which is made pale."""
    height, width = ink.shape
    picture = Image.fromarray(decode(file)).convert("L").resize((width, height))
    pale = 128 + np.asarray(picture, np.float32)[..., None] / 2
    share = ink[..., None] / 255
    marked = np.rint(pale * (1 - share) + FOUND * share).astype(np.uint8)
    return base64.b64encode(encode(marked)).decode()


def crop(ink: Ink) -> Ink:
    """The ink's own box."""
    left, top, right, bottom = Image.fromarray(ink).getbbox() or (0, 0, *ink.shape[::-1])
    return ink[top:bottom, left:right]


def saliency(prediction: Prediction, model_input: Ink) -> NDArray[np.float64]:
    """By the version that gave the answer, which need not be the active one."""
    active = serving.active()
    same = active.version.pk == prediction.model_version.pk
    predictor = active.predictor if same else prediction.model_version.predictor()
    return predictor.saliency(model_input)


def colour(model_input: Ink, shares: NDArray[np.float64]) -> Ink:
    """(28, 28, 3): the ink, coloured by how much it speaks for or against the digit that was read."""
    strength = np.abs(shares)[..., None] ** 0.5
    hue = np.where(shares[..., None] > 0, SPEAKS_FOR, SPEAKS_AGAINST)
    ink = model_input[..., None] / 255
    mixed: Ink = np.rint(ink * (strength * hue + (1 - strength) * UNMOVED)).astype(np.uint8)
    return mixed
