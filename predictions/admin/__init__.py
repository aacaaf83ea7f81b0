"""The admin; Django finds what these modules register."""

from django.contrib import admin

from predictions.admin import accounts, job, model_version, prediction, watch

__all__ = ["accounts", "job", "model_version", "prediction", "watch"]

admin.site.index_title = "Dashboard"
admin.site.index_template = "predictions/dashboard.html"
