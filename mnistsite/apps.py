from django.apps import AppConfig


class MnistsiteConfig(AppConfig):
    name = "mnistsite"

    def ready(self) -> None:
        from mnistsite import checks  # noqa: F401  (registers them)
