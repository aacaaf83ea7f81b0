"""The gate: compares a version with the active one, and with the one that its line of fine-tunings began
with, on MNIST's test set and on the reviewed drawings that are held out."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.defaultfilters import pluralize
from django.utils import timezone

from predictions.figures import number, per_cent
from predictions.learning.drawings import reviewed_drawings
from predictions.learning.lessons import note_lessons
from predictions.models import SIDES, LabelDoubt, ModelVersion, Prediction, Side
from predictions.models.webhook import announce

if TYPE_CHECKING:
    from predictions.models.job import ReportProgress
    from training.compare import Check, Decision
    from training.dataset import Digits


def is_compared(version: ModelVersion) -> bool:
    """Whether the gate's word on the version is about the version that is active now."""
    active = ModelVersion.objects.active()
    return (
        active is None or active == version or bool(version.gate and version.gate["against"] == active.name)
    )


def compare_with_active(report: "ReportProgress", version: str) -> "Decision | None":
    """Compare the version of that name. Raises ModelVersion.DoesNotExist, training.dataset.DatasetError where
    MNIST can't be had, and UnreadableWeightsError."""
    from training.dataset import load_mnist

    candidate = ModelVersion.objects.get(name=version)
    held_out = reviewed_drawings().on(Side.TEST).digits()
    return compare(report, candidate, load_mnist(settings.MNIST_DIR).test, held_out)


def compare(
    report: "ReportProgress", candidate: ModelVersion, mnist: "Digits", drawings: "Digits | None"
) -> "Decision | None":
    """Compare on the two test sets, and store the decision with its numbers on the version; None, and nothing
    stored, where there is no other version to compare with."""
    active = ModelVersion.objects.active()
    if active is None or active == candidate:
        return None
    tests = {"MNIST test": mnist, "reviewed drawings": drawings}
    decision = decide(report, candidate, active, {name: part for name, part in tests.items() if part})
    candidate.gate = decision
    candidate.save(update_fields=["gate"])
    announce("gate", version=candidate.name, against=active.name, passed=decision["passed"])
    report(1.0, "what was learnt")
    note_lessons(candidate, active)
    return decision


def decide(
    report: "ReportProgress", candidate: ModelVersion, active: ModelVersion, tests: "dict[str, Digits]"
) -> "Decision":
    """Every check of the candidate against the active version; against the origin of its line as well where
    that is neither: many steps that each lose too little to tell may lose enough together."""
    from training.compare import Paired, checks_of, labels_trusted, not_slower, not_worse

    origin = candidate.origin()
    before, after = active.predictor(), candidate.predictor()
    first = None if origin in (active, candidate) else origin.predictor()
    checks: list[Check] = []
    for done, (name, digits) in enumerate(tests.items()):
        report(done / 3, f"comparing with {active} on {name}")
        checks += checks_of(Paired.of(name, digits, before, after))
        if first:
            checks.append(not_worse(Paired.of(f"{name} since {origin}", digits, first, after)))
    report(2 / 3, "timing")
    one = tests["MNIST test"].images[:1]
    checks.append(not_slower(partial(before.read, one), partial(after.read, one)))
    checks.append(labels_trusted(*count_new_labels(active)))
    return {
        "against": active.name,
        "passed": all(check["passed"] for check in checks),
        "checks": checks,
        "at": timezone.now().isoformat(timespec="seconds"),
    }


def count_new_labels(active: ModelVersion) -> tuple[int, int]:
    """How many of the labels reviewed since the active version was made are doubted, and of how many: all on
    a side, which the next label check judges; copies are on none."""
    new = Prediction.objects.all().may_teach().filter(reviewed_at__gt=active.created_at)
    judged = new.filter(split_row__side__in=SIDES)
    return LabelDoubt.objects.open().filter(prediction__in=judged).count(), judged.count()


def checks_in_words(decision: "Decision | None") -> list[tuple[bool, str, str]]:
    """Whether each check was passed, its name, and what it compared: "before → after" are the active version
    and the candidate."""
    checks: list[Any] = [*decision["checks"]] if decision else []
    return [(check["passed"], check["name"], in_words(check)) for check in checks]


def in_words(check: dict[str, Any]) -> str:
    match check:
        case {"digits": digits, "active": before, "candidate": after, "won": won, "lost": lost}:
            shares = f"{per_cent(before, 2)} → {per_cent(after, 2)} of {number(digits)}"
            return f"{shares}; {number(won)} read right that were not, {number(lost)} no longer"
        case {"worst": worst, "worse_beyond_noise": share}:
            points = f"{100 * share:.2f} points beyond noise"
            return f"{worst} is read worse by {points}" if share > 0 else "none is read worse beyond noise"
        case {"active": before, "candidate": after, "growth_beyond_noise": _}:
            return f"{per_cent(before, 2)} → {per_cent(after, 2)} expected error"
        case {"active_ms": before, "candidate_ms": after}:
            return f"{before:.2f} → {after:.2f} ms"
        case {"doubted": doubted, "drawings": drawings}:
            labels, are = f"label{pluralize(drawings)}", pluralize(doubted, "is,are")
            return f"{number(doubted)} of {number(drawings)} new {labels} {are} doubted"
    return ""  # of another release
