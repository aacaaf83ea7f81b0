"""System checks of a deployment: unsafe or broken settings stop it in production, with a hint."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from mnistsite import settings as given

DEFAULT_PASSWORDS = {"", "admin", "changeme", "django", "example", "mnist", "password", "postgres", "secret"}

SHORTEST_SECRET = 32


@register
def production_secrets(app_configs: Any, **kwargs: Any) -> list[Error]:  # noqa: ANN401
    """Errors for everything that must be set when PRODUCTION=true, and is not."""
    if not settings.PRODUCTION:
        return []
    findings = {
        "E001": (len(given.SECRET_KEY) < 50, "SECRET_KEY", "a random text of 50 characters or more"),
        "E002": (
            not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS,
            "ALLOWED_HOSTS",
            "the host names of the site, with commas, and not to *",
        ),
        "E003": (_has_default_database_password(), "DATABASE_URL", "a URL with a password of its own"),
        "E004": (_has_default_admin_password(), "DJANGO_SUPERUSER_PASSWORD", "a password of its own"),
        "E005": (settings.DEBUG, "DEBUG", "false: error pages show the site's insides"),
        "E006": (
            given.API_KEYS_REQUIRED and not given.PAGE_SECRET,
            "PAGE_SECRET",
            "a random text, the same for the page, which has no other key",
        ),
    }
    return [
        Error(
            f"{name} is missing or unsafe for production.",
            hint=f"Set {name} to {what}.",
            id=f"mnistsite.{number}",
        )
        for number, (found, name, what) in findings.items()
        if found
    ]


@register
def webhooks(app_configs: Any, **kwargs: Any) -> list[Error]:  # noqa: ANN401
    """Whoever gets a message has to know that it comes from here."""
    if not settings.WEBHOOK_URLS or len(settings.WEBHOOK_SECRET) >= SHORTEST_SECRET:
        return []
    hint = f"Set WEBHOOK_SECRET to a random text of {SHORTEST_SECRET} characters or more."
    return [Error("WEBHOOK_URLS is set without a secret.", hint=hint, id="mnistsite.E007")]


def _has_default_database_password() -> bool:
    """A database on a Unix socket needs none: the operating system says who connects."""
    database = settings.DATABASES["default"]
    return not database["HOST"].startswith("/") and database["PASSWORD"].lower() in DEFAULT_PASSWORDS


def _has_default_admin_password() -> bool:
    """Not set is fine: no account is made then, or one with a random password."""
    password = settings.ADMIN_PASSWORD.lower()
    return bool(password) and password in DEFAULT_PASSWORDS | {settings.ADMIN_USERNAME.lower()}
