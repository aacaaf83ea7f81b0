"""Is this process alive, and can it answer?"""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from predictions import serving
from predictions.api.errors import error
from predictions.models import UnreadableWeightsError


def livez(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Ready when the database answers now and a model is in memory: the active one, or what answers in its
    place while that is unreadable; 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        version = serving.active().version
    except Error:
        return error(503, "database_away", "The database does not answer.")
    except serving.NoActiveVersionError:
        return error(503, "no_model", "No model version is active: run manage.py setup.")
    except UnreadableWeightsError as problem:
        return error(503, "unreadable_model", str(problem))
    unreadable = serving.unreadable()
    stands_in_for = {"unreadable": unreadable.name} if unreadable else {}
    return JsonResponse({"status": "ready", "model_version": version.name, **stands_in_for})
