"""What /metrics shows to Prometheus."""

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

PREDICTIONS = Counter(
    "digits_predictions", "Predictions answered.", ["model_version", "source", "digit", "uncertain"]
)
LATENCY = Histogram(
    "digits_latency_seconds",
    "From a request's arrival to the model's answer.",
    buckets=[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2],
)
FEEDBACK = Counter("digits_feedback", "Visitors' claims.", ["right"])
ERRORS = Counter("digits_errors", "Requests that were answered with an error.", ["code"])


def metrics(request: HttpRequest) -> HttpResponse:
    """All web processes' figures together, where gunicorn.conf.py has set a directory to share them."""
    registry = CollectorRegistry()
    if values.ValueClass.__name__ == "MmapedValue":
        multiprocess.MultiProcessCollector(registry)
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
