"""The admin; Django finds what these modules register."""

from predictions.admin import model_version, prediction

__all__ = ["model_version", "prediction"]
