"""The banner over every page of the admin."""

from django.http import HttpRequest

from predictions import room
from predictions.admin import drift


def banner(request: HttpRequest) -> list[str] | None:
    """What keeps visitors out comes first."""
    if request.user.is_staff and (lack := room.lack()):
        return [lack, "danger"]
    return drift.banner(request)
