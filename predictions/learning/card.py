"""A version's card: what it was made from and how, how good it is, and who let it answer when."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string

from predictions.learning.accuracy import accuracies
from predictions.learning.gate import checks_in_words
from predictions.models import NAMES, ModelVersion, Prediction

if TYPE_CHECKING:
    from classifier.checkpoint import Metrics

CONFUSIONS = 10
LIMITS = [
    "It reads one digit at a time, and calls whatever it is given one of ten digits; what it is unsure of or "
    "what looks like no digit is marked.",
    "Its confidences are calibrated on drawings like those that it was trained on; on others they may be too "
    "high.",
    "Writers whose habits are in none of its drawings are read worse than the figures say.",
    "Drawings that an operator labelled wrongly were trained on where nobody doubted them.",
]


def card_of(version: ModelVersion) -> dict[str, Any]:
    """The card's content, for both of its forms."""
    metrics = version.metrics
    recipe = {**(metrics["settings"] or {}), **metrics["tuning"]}
    return {
        "version": version,
        "metrics": metrics,
        "recipe": sorted(recipe.items()),
        "sets": sets_of(metrics),
        "drawings": [(side, len(labels)) for side, labels in version.dataset.items()],
        "accuracy": accuracies().get(version.pk),
        "confusions": confusions(version),
        "checks": checks_in_words(version.gate),
        "promotions": version.promotions.select_related("by", "previous").order_by("at", "pk"),
        "limits": LIMITS,
    }


def sets_of(metrics: "Metrics") -> list[dict[str, Any]]:
    """The figures of each set, with its name as people write it: `mnist_test` is "MNIST test"."""
    return [
        {**figures, "name": name.replace("mnist", "MNIST").replace("_", " ")}
        for name, figures in metrics["sets"].items()
    ]


def markdown(version: ModelVersion) -> str:
    return render_to_string("predictions/card.md", card_of(version))


def confusions(version: ModelVersion) -> list[tuple[str, int, int]]:
    """What reviewed drawings were misread as, the most frequent first: true label, digit read, drawings."""
    accepted = Prediction.objects.filter(model_version=version, review_status="accepted")
    pairs = Counter(accepted.order_by().values_list("true_label", "digit"))
    wrong = [
        (NAMES[label], digit, rows)
        for (label, digit), rows in pairs.most_common()
        if label is not None and label != digit
    ]
    return wrong[:CONFUSIONS]
