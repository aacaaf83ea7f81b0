"""Which model answers: every version that was made, and the log of promotions."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

import pgtrigger
from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from predictions.models.locks import Lock, hold
from predictions.models.trial import try_to_read
from predictions.models.webhook import announce
from predictions.models.weights import Weights

if TYPE_CHECKING:
    from classifier.checkpoint import Checkpoint, Metrics
    from classifier.predictor import Predictor
    from training.compare import Decision

Read = TypeVar("Read")
# The sides of the split that shape the weights: one trains, one calibrates.
TEACHING = ("train", "validation")


CHANGED = "Somebody promoted, rolled back or compared a version after this page was shown: look again."


class GateClosedError(ValueError):
    """A promotion or a rollback that is refused; the message says why."""


class UnreadableWeightsError(ValueError):
    """A version's weights are damaged or read nothing right; the message says whose, and why."""


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def active(self) -> "ModelVersion | None":
        """The version that answers now; None before the first one is promoted."""
        return self.filter(active=True).first()

    def next_name(self) -> str:
        """v1, v2, …: one more than have ever been made."""
        return f"v{(self.aggregate(models.Max('pk'))['pk__max'] or 0) + 1}"

    def answering_at(self, time: datetime) -> "ModelVersion | None":
        """The version that answered at `time`; None before the first promotion."""
        promoted = self.filter(promotions__at__lte=time)
        return promoted.order_by("-promotions__at", "-promotions__pk").first()

    def start(self) -> "ModelVersion | None":
        """The version that a fine-tuning starts from: the one that the active one's line began with; the
        oldest that may be kept, where that one is to be forgotten.

        So no version holds what another has learned, and forgetting a drawing takes one training. None before
        the first promotion.
        """
        active = self.active()
        if active is None:
            return None
        origin = active.origin()
        return self.filter(to_forget_since=None).order_by("pk").first() if origin.to_forget_since else origin

    @transaction.atomic
    def forget(self, drawings: Iterable[UUID]) -> None:
        """Take deleted drawings out of every version's manifest. A version that learned from one, or started
        from one that did, is to be forgotten."""
        gone = {str(key) for key in drawings}
        if not gone:
            return
        hold(Lock.FORGETTING)  # two deletions would wait for each other's versions
        for version in self.select_for_update().filter(_made_from(list(gone))):
            taught = any(version.dataset.get(side, {}).keys() & gone for side in TEACHING)
            version.dataset = {
                side: {key: label for key, label in labels.items() if key not in gone}
                for side, labels in version.dataset.items()
            }
            version.save(update_fields=["dataset"])
            if taught:
                version.mark_to_forget()

    @transaction.atomic
    def register(self, data: bytes, **facts: Any) -> "ModelVersion":  # noqa: ANN401
        """Make a checkpoint's bytes a version, whole or not at all: the one place that makes versions.

        Whatever is known about the weights stands in the checkpoint itself; `facts` say how this site came by
        them (`parent`, `dataset`). Raises ValueError where the bytes are no checkpoint.
        """
        from classifier.checkpoint import load

        metrics = load(data).metrics
        if metrics is None:
            raise ValueError("The checkpoint does not say where its weights come from.")
        version = self.create(
            name=self.next_name(),
            metrics=metrics,
            data_fingerprint=metrics["data_fingerprint"],
            seed=metrics["seed"],
            code_version=metrics["code_version"],
            **facts,
        )
        version.follow_parent()
        announce("training", version=version.name, parent=version.parent and version.parent.name)
        Weights.objects.create(version=version, checkpoint=data, sha256=hashlib.sha256(data).hexdigest())
        return version

    @transaction.atomic
    def install_shipped(self) -> "ModelVersion":
        """Make the weights that come with the code a version, and the active one."""
        from classifier.checkpoint import SHIPPED

        version = self.register(SHIPPED.read_bytes())
        version.promote(reason="The shipped model.")
        return version


class ModelVersion(models.Model):
    """A model that was made here or shipped: where its weights come from and how good they are."""

    name = models.CharField(max_length=50, unique=True)
    metrics: "models.JSONField[Metrics, Metrics]" = models.JSONField()
    gate: "models.JSONField[Decision | None, Decision | None]" = models.JSONField(
        null=True, blank=True, help_text="The comparison with the version that was active."
    )
    data_fingerprint = models.CharField(max_length=64)
    dataset = models.JSONField(
        default=dict, blank=True, help_text="The reviewed drawings of each split, with label."
    )
    seed = models.BigIntegerField()
    code_version = models.CharField(max_length=64)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    created_at = models.DateTimeField(default=timezone.now)
    active = models.BooleanField(default=False, editable=False)
    to_forget_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since a drawing was deleted that these weights learned from.",
    )

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="one_active_version"),
        ]
        permissions = [("promote_modelversion", "Can promote a model version")]

    def __str__(self) -> str:
        return self.name

    def checkpoint(self) -> "Checkpoint":
        """The weights with their configuration; torch is imported here and not before.

        Raises UnreadableWeightsError.
        """
        from classifier.checkpoint import load

        return self._read_weights(load)

    def predictor(self) -> "Predictor":
        """Reads drawings with this version's weights. Raises UnreadableWeightsError."""
        from classifier.predictor import Predictor

        return self._read_weights(Predictor.from_bytes)

    def tried_predictor(self) -> "Predictor":
        """The predictor, once it has read two plain digits right: nothing else answers visitors.

        Raises UnreadableWeightsError.
        """
        predictor = self.predictor()
        try:
            try_to_read(predictor)
        except ValueError as error:
            raise UnreadableWeightsError(f"{self} could not answer: {error}.") from error
        return predictor

    def _read_weights(self, read: Callable[[bytes], Read]) -> Read:
        """As they are stored now: what was read before may have been damaged since."""
        try:
            return read(Weights.objects.get(version=self).sound_checkpoint())
        except (ValueError, Weights.DoesNotExist) as error:
            raise UnreadableWeightsError(f"{self} could not answer: {error}") from error

    def origin(self) -> "ModelVersion":
        """The version that this one's line of fine-tunings began with; itself where it was not fine-tuned."""
        parents = dict(ModelVersion.objects.values_list("pk", "parent"))
        key = self.pk
        while parent := parents[key]:
            key = parent
        return ModelVersion.objects.get(pk=key)

    def mark_to_forget(self) -> None:
        """And whatever started from these weights, which holds the same drawings."""
        ModelVersion.objects.filter(pk=self.pk, to_forget_since=None).update(to_forget_since=timezone.now())
        for child in self.children.filter(to_forget_since=None):
            child.mark_to_forget()

    def follow_parent(self) -> None:
        """To be forgotten, where the parent was marked after the training had read its weights. Its row is
        locked: a deletion at this moment has marked it before, or finds this version later."""
        if self.parent_id is None:
            return
        parent = ModelVersion.objects.select_for_update(no_key=True).filter(pk=self.parent_id)
        if parent.values_list("to_forget_since", flat=True).get():
            self.mark_to_forget()

    @transaction.atomic
    def promote(
        self,
        by: Any = None,  # noqa: ANN401
        reason: str = "",
        *,
        override: bool = False,
        expected_state: str | None = None,
    ) -> "Promotion":
        """Make this the version that answers, and log it. `by` is None for the command line; `expected_state`
        is the `state` that somebody saw who decided.

        Raises GateClosedError unless the gate found this version as good as the active one, or there is
        none; `override` opens it, and needs a reason. Nothing promotes weights that read nothing right, or
        again what is active.
        """
        previous = lock_active()
        self.refresh_from_db(fields=["gate"])  # another comparison may have come in between
        if expected_state not in (None, self.state()):
            raise GateClosedError(CHANGED)
        obstacle = self.obstacle(previous)
        if obstacle and (not override or previous == self):
            raise GateClosedError(obstacle)
        if override and not reason.strip():
            raise GateClosedError("Promoting against the gate needs a reason.")
        return self._activate(previous, by=by, reason=reason, decision=self.gate, override=bool(obstacle))

    def state(self) -> str:
        """What a page on promoting this version shows, in short: the newest promotion, the gate's word."""
        return f"{Promotion.objects.all().state()} {self.gate and self.gate['at']}"

    def obstacle(self, active: "ModelVersion | None") -> str:
        """Why the gate keeps this version from replacing `active`; empty if it does not."""
        if active is None:
            return ""
        if active == self:
            return f"{self} is already active."
        if not self.gate or self.gate["against"] != active.name:
            return f"{self} has not been compared with the active version {active}."
        failed = [check["name"] for check in self.gate["checks"] if not check["passed"]]
        return f"{self} is worse than {active}: {', '.join(failed)}." if failed else ""

    @transaction.atomic
    def _activate(self, previous: "ModelVersion | None", **record: Any) -> "Promotion":  # noqa: ANN401
        self.refresh_from_db(fields=["to_forget_since"])
        if self.to_forget_since:
            raise GateClosedError(f"{self} learned from drawings that were deleted, and answers no more.")
        try:
            self.tried_predictor()
        except UnreadableWeightsError as error:
            raise GateClosedError(str(error)) from error
        ModelVersion.objects.filter(active=True).update(active=False)
        ModelVersion.objects.filter(pk=self.pk).update(active=True)
        self.active = True
        promotion = Promotion.objects.create(version=self, previous=previous, **record)
        announce("promotion", **promotion.to_dict())
        return promotion


def _made_from(drawings: list[str]) -> Q:
    """Versions whose manifest holds one of these drawings, on any side."""
    sides = [Q(**{f"dataset__{side}__has_any_keys": drawings}) for side in (*TEACHING, "test")]
    return reduce(or_, sides)


def lock_active() -> ModelVersion | None:
    """The active version, which nobody else changes until this transaction ends.

    Locking its row is not enough: a transaction that waits for a row which then is no longer active finds no
    active version at all, and a gate that has nothing to compare with.
    """
    hold(Lock.PROMOTION)
    return ModelVersion.objects.active()


class PromotionQuerySet(models.QuerySet["Promotion"]):
    def that_stand(self) -> Self:
        """Promotions that are neither rollbacks nor rolled back, newest first."""
        return self.filter(rolls_back=None, rolled_back_by=None)

    def standing(self) -> "Promotion | None":
        """The newest of them."""
        return self.that_stand().first()

    def earlier(self) -> "ModelVersion | None":
        """The version that a rollback makes active: the newest replaced one that is not to be forgotten."""
        replaced = self.that_stand().filter(previous__to_forget_since=None, previous__active=False)
        promotion = replaced.select_related("previous").first()
        return promotion.previous if promotion else None

    def state(self) -> str:
        """The key of the newest promotion: another one, and another version answers, or did meanwhile."""
        return str(self.aggregate(models.Max("pk"))["pk__max"])

    @transaction.atomic
    def roll_back(
        self,
        by: Any = None,  # noqa: ANN401
        reason: str = "",
        *,
        expected_state: str | None = None,
    ) -> "Promotion":
        """Undo the newest promotion that still stands: the version before it answers again. `expected_state`
        is the `state` that somebody saw who decided.

        Raises GateClosedError where no promotion replaced a version, or that version could not answer.
        """
        active, standing = lock_active(), self.standing()
        if expected_state not in (None, self.state()):
            raise GateClosedError(CHANGED)
        earlier = self.earlier()
        if standing is None or earlier is None:
            raise GateClosedError("There is no earlier version to roll back to.")
        return earlier._activate(active, by=by, reason=reason, rolls_back=standing)


class Promotion(models.Model):
    """One line of the append-only log of which version answered from when on."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    decision = models.JSONField(null=True, help_text="The gate's, with its numbers, as it stood then.")
    override = models.BooleanField(default=False, help_text="Promoted against the gate.")
    rolls_back = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        related_name="rolled_back_by",
        help_text="The promotion that this undoes.",
    )

    objects = PromotionQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(override=False) | ~Q(reason=""), name="override_has_reason"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.version} at {self.at:%Y-%m-%d %H:%M:%S}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": self.version.name,
            "previous": self.previous and self.previous.name,
            "by": self.by and self.by.get_username(),
            "reason": self.reason,
            "override": self.override,
            "rollback": self.rolls_back is not None,
        }
