"""The figures that /metrics shows to Prometheus."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from predictions.api import metric_files
from predictions.models import DriftMonitor

metric_files.install()
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


class DriftCollector(Collector):
    """Drift that was found; read from the database at each scrape, since the worker finds it."""

    def collect(self) -> Iterator[Metric]:
        drift = GaugeMetricFamily(
            "digits_drift", "Drifted figures of what people draw.", labels=["model_version"]
        )
        accuracy = GaugeMetricFamily(
            "digits_reviewed_accuracy", "Share of reviewed drawings read right.", labels=["model_version"]
        )
        for monitor in DriftMonitor.objects.select_related("version").only("version__name", *COLUMNS):
            drift.add_metric([monitor.version.name], len(monitor.alarms))
            if monitor.accuracy is not None:
                accuracy.add_metric([monitor.version.name], monitor.accuracy)
        yield from (drift, accuracy)


COLUMNS = ("alarms", "reviewed", "reviewed_right")
DRIFT = CollectorRegistry()
DRIFT.register(DriftCollector())


def metrics(request: HttpRequest) -> HttpResponse:
    """All web processes' figures together, where gunicorn.conf.py has set a directory to share them."""
    registry = CollectorRegistry()
    if values.ValueClass.__name__ == "MmapedValue":
        multiprocess.MultiProcessCollector(registry)
    else:
        registry = REGISTRY
    return HttpResponse(generate_latest(registry) + generate_latest(DRIFT), content_type=CONTENT_TYPE_LATEST)
