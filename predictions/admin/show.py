"""How a row looks in the admin: pictures and bars, as HTML."""

import numpy as np
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from PIL import Image

from classifier.stored_picture import encode_png
from predictions import pictures
from predictions.figures import NOTHING, number, per_cent
from predictions.models import NAMES, Prediction

__all__ = ["NOTHING", "number", "per_cent"]  # beside what is defined here
LARGEST_DRAWING = 560  # pixels


def input_uri(prediction: Prediction) -> str:
    """The model's input, inside the page: a list needs no request for each row."""
    return f"data:image/png;base64,{pictures.base64_png(pictures.as_array(prediction.input))}"


def drawing_png(prediction: Prediction) -> bytes:
    """The drawing, white on black: drawn anew, never a file that came."""
    ink = prediction.ink()
    picture = Image.fromarray(pictures.as_array(prediction.input) if ink is None else ink)
    picture.thumbnail((LARGEST_DRAWING, LARGEST_DRAWING))
    return encode_png(np.asarray(picture))


def thumbnail(prediction: Prediction) -> SafeString:
    picture = '<img class="desk-thumbnail" src="{}" alt="A drawing read as {}">'
    return format_html(picture, input_uri(prediction), prediction.digit)


def drawing_url(prediction: Prediction) -> str:
    return reverse("admin:predictions_prediction_drawing", args=[prediction.pk])


def drawing(prediction: Prediction) -> SafeString:
    return format_html('<img class="desk-drawing" src="{}" alt="The drawing">', drawing_url(prediction))


def bars(prediction: Prediction) -> SafeString:
    rows = [(digit, share, 100 * share) for digit, share in enumerate(prediction.probabilities)]
    return SafeString(render_to_string("predictions/bars.html", {"rows": rows}))


def status(prediction: Prediction) -> SafeString:
    """Unfold's own label costs a template for each row of a list."""
    return format_html('<span class="desk-status desk-{0}">{0}</span>', prediction.review_status)


def label(value: int | None) -> str:
    return NOTHING if value is None else NAMES[value]


def compared(value: int | None, digit: int) -> str:
    """A label, made conspicuous where it is not the digit that the model read."""
    if value is None or value == digit:
        return label(value)
    return format_html('<strong class="desk-differs">{}</strong>', label(value))
