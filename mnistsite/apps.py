from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class MnistsiteConfig(AppConfig):
    name = "mnistsite"
    default = True

    def ready(self) -> None:
        from mnistsite import checks  # noqa: F401  (registers them)


class DeskConfig(admin_apps.AdminConfig):
    """Django's admin, with our way to sign in."""

    default = False
    default_site = "mnistsite.sign_in.Site"
