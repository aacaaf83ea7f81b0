"""Keys by which machines call the API: shown once, stored as a hash."""

import hashlib
import secrets
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

BEGINNING = "digits_"
SHOWN = len(BEGINNING) + 6  # characters by which people know a key


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def valid(self) -> Self:
        return self.filter(revoked_at=None)

    def of(self, token: str) -> "ApiKey | None":
        """The key of which this is the text, unless it was revoked. Its hash is looked up, so that the time
        this takes tells nothing of others."""
        return self.valid().filter(sha256=hash_of(token)).first()

    def revoke(self) -> int:
        return self.valid().update(revoked_at=timezone.now())


class ApiKey(models.Model):
    class Scope(models.TextChoices):
        PREDICT = "predict", "read drawings"
        FEEDBACK = "feedback", "label, list and delete drawings"
        EXPORT = "export", "export accepted drawings"

    name = models.CharField(max_length=100, help_text="Whose it is, and what for.")
    beginning = models.CharField(max_length=20, editable=False)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used = models.DateField(null=True, editable=False, help_text="The day; no more is kept.")

    token = ""  # the text, in the moment in which it is made

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.beginning}…)"

    def make_token(self) -> str:
        """The text, which nobody can find again: random as it is, a plain hash hides it."""
        token = BEGINNING + secrets.token_urlsafe(32)
        self.beginning, self.sha256 = token[:SHOWN], hash_of(token)
        return token

    def note_use(self) -> None:
        """The day, at most once a day."""
        today = timezone.localdate()
        if self.last_used != today:
            ApiKey.objects.filter(pk=self.pk).update(last_used=today)
            self.last_used = today


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
