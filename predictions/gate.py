"""The gate: compares a version with the active one, and with the one that its line of fine-tunings began
with, on MNIST's test set and on the drawings' hold-out."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from predictions import serving
from predictions.jobs import Report
from predictions.models import NOT_A_DIGIT
from predictions.splits import LabelDoubt, Side, SplitRow, reviewed_drawings
from predictions.versions import ModelVersion

if TYPE_CHECKING:
    from classifier.predictor import Predictor
    from training.compare import Check
    from training.dataset import Digits


def is_compared(version: ModelVersion) -> bool:
    """Whether the gate's word on the version is about the version that is active now."""
    active = ModelVersion.objects.active()
    return (
        active is None or active == version or bool(version.gate and version.gate["against"] == active.name)
    )


def compare_with_active(report: Report, version: str) -> dict[str, Any]:
    """Compare, and store the decision with its numbers on the version. Raises ModelVersion.DoesNotExist, and
    training.dataset.DatasetError where MNIST is not to be had."""
    from training import compare

    candidate, active = ModelVersion.objects.get(name=version), ModelVersion.objects.active()
    if active is None or active == candidate:
        return {"passed": True, "checks": []}
    predictors = {version: serving.load(version) for version in (active, candidate, candidate.origin())}
    checks = []
    for number, (name, digits) in enumerate(test_sets().items()):
        report(number / 3, f"comparing with {active} on {name}")
        checks += _checks_on(name, digits, predictors)
    report(2 / 3, "timing")
    one = test_sets()["MNIST test"].images[:1]
    checks.append(
        compare.not_slower(partial(predictors[active].read, one), partial(predictors[candidate].read, one))
    )
    checks.append(compare.labels_trusted(*new_labels(active)))
    decision = {
        "against": active.name,
        "passed": all(check["passed"] for check in checks),
        "checks": checks,
        "at": timezone.now().isoformat(timespec="seconds"),
    }
    ModelVersion.objects.filter(pk=candidate.pk).update(gate=decision)
    return decision


def _checks_on(name: str, digits: "Digits", predictors: "dict[ModelVersion, Predictor]") -> "list[Check]":
    """Of the active version, the candidate and, where that is neither, the version that the candidate's
    fine-tunings began with: many steps that each lose too little to tell may lose enough together."""
    from training.compare import Paired, checks_of, not_worse

    active, candidate, *origin = predictors
    read = {version: predictor.probabilities(digits.images)[0] for version, predictor in predictors.items()}

    def paired(name: str, earlier: ModelVersion) -> Paired:
        return Paired(name, digits.labels, read[earlier], read[candidate])

    since = [not_worse(paired(f"{name} since {first}", first)) for first in origin]
    return checks_of(paired(name, active)) + since


def new_labels(active: ModelVersion) -> tuple[int, int]:
    """How many of the labels reviewed since the active version was made are doubted, and of how many."""
    new = Q(prediction__reviewed_at__gt=active.created_at)
    return LabelDoubt.objects.open().filter(new).count(), SplitRow.objects.filter(new).count()


def test_sets() -> "dict[str, Digits]":
    """The digits that no version trains on, by name; a set without digits is left out."""
    from training.dataset import Digits, load_mnist

    held_out = reviewed_drawings().on(Side.TEST)
    digits = held_out.labels != NOT_A_DIGIT
    drawings = Digits(held_out.inputs[digits], held_out.labels[digits])
    sets = {"MNIST test": load_mnist(settings.MNIST_DIR).test, "reviewed drawings": drawings}
    return {name: chosen for name, chosen in sets.items() if len(chosen)}
