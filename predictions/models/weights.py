"""The weights of the versions."""

import hashlib

from django.db import models


class Weights(models.Model):
    """A version's checkpoint, apart from its row: nobody who lists versions reads a megabyte for each."""

    version = models.OneToOneField(
        "predictions.ModelVersion", models.CASCADE, primary_key=True, related_name="weights"
    )
    checkpoint = models.BinaryField(help_text="Weights and configuration, as safetensors.")
    sha256 = models.CharField(
        max_length=64, blank=True, db_default="", help_text="Of the checkpoint, as it was registered."
    )

    class Meta:
        verbose_name_plural = "weights"

    def __str__(self) -> str:
        return f"weights of {self.version_id}"

    def sound_checkpoint(self) -> bytes:
        """The bytes that were registered. Raises ValueError where they have been damaged since.

        The release before registers without a SHA-256, where it runs again after a rollback.
        """
        data = bytes(self.checkpoint)
        if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
            raise ValueError("its weights are not those that were registered (SHA-256).")
        return data
