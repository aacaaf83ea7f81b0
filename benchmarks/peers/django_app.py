"""Django with nothing that this work could do without: no middleware, no ORM, connections that stay."""

import orjson
import torch
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.peers.pipelines import load_pipeline, read
from benchmarks.peers.row import insert

torch.set_num_threads(1)
pipeline = load_pipeline()


def predict(request: HttpRequest) -> HttpResponse:
    row = read(pipeline, orjson.loads(request.body))
    insert(row)
    return HttpResponse(orjson.dumps(row.answer()), content_type="application/json")


urlpatterns = [path("predict", predict)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
application = get_wsgi_application()
