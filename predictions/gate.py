"""The gate: compares a version with the active one, on MNIST's test set and on the drawings' hold-out, and
with the version that its family began with."""

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
    checks = []
    for number, (name, digits) in enumerate(test_sets().items()):
        report(number / 3, f"comparing with {active} on {name}")
        checks += _checks_on(name, digits, candidate, active)
    report(2 / 3, "timing")
    one = test_sets()["MNIST test"].images[:1]
    before, after = (serving.load(version) for version in (active, candidate))
    checks.append(compare.not_slower(partial(before.read, one), partial(after.read, one)))
    checks.append(compare.labels_trusted(*new_labels(active)))
    decision = {
        "against": active.name,
        "passed": all(check["passed"] for check in checks),
        "checks": checks,
        "at": timezone.now().isoformat(timespec="seconds"),
    }
    ModelVersion.objects.filter(pk=candidate.pk).update(gate=decision)
    return decision


def _checks_on(name: str, digits: "Digits", candidate: ModelVersion, active: ModelVersion) -> "list[Check]":
    """Against the active version, and on accuracy also against the one that the candidate's fine-tunings
    began with: many steps that each lose too little to tell may add up to a loss that can be told."""
    from training.compare import Paired, checks_of, not_worse

    before, after = (serving.load(version).probabilities(digits.images)[0] for version in (active, candidate))
    checks = checks_of(Paired(name, digits.labels, before, after))
    origin = candidate.origin()
    if origin not in (active, candidate):
        first = serving.load(origin).probabilities(digits.images)[0]
        checks.append(not_worse(Paired(f"{name} since {origin}", digits.labels, first, after)))
    return checks


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
