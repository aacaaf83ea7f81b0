"""Where everything is: the admin, the API with its docs, health and metrics."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from predictions.api.health import livez, readyz
from predictions.api.metrics import metrics
from predictions.api.views import api

handler500 = "mnistsite.errors.server_error"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
]
