"""The admin; Django finds what these modules register."""

from django.contrib import admin

from predictions.admin import (
    accounts,
    agreement,
    api_key,
    drift,
    job,
    label_doubt,
    model_version,
    prediction,
)
from predictions.admin.show import NOTHING

__all__ = [
    "accounts",
    "agreement",
    "api_key",
    "drift",
    "job",
    "label_doubt",
    "model_version",
    "prediction",
]

admin.site.empty_value_display = NOTHING
admin.site.index_title = "Dashboard"
admin.site.index_template = "predictions/dashboard.html"
