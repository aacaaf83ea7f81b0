"""Django's settings, and the only reader of its environment.

Production settings are the default. PRODUCTION=true (set in the container image) adds HTTPS
and refuses to start without the secrets that mnistsite/checks.py asks for; without it the site
answers on the loopback address only.
"""

import secrets
import sys
from pathlib import Path
from typing import Any

from django.templatetags.static import static
from psycopg.conninfo import conninfo_to_dict

from mnistsite import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))

PRODUCTION = env.boolean("PRODUCTION", False)
DEBUG = env.boolean("DEBUG", False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")


def local_secret_key() -> str:
    """One random key a checkout, so that sessions survive a restart. Never used in production."""
    file = VAR_DIR / "secret_key"
    if not file.exists():
        VAR_DIR.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


SECRET_KEY = env.text("SECRET_KEY") or ("" if PRODUCTION else local_secret_key())


def database_url() -> str:
    if url := env.text("DATABASE_URL"):
        return url
    from mnistsite import embedded_postgres

    return embedded_postgres.database_url(VAR_DIR / "postgres")


def database(url: str) -> dict[str, Any]:
    """Django's form of a PostgreSQL URL; what is not name, user, password, host or port is an option."""
    parts = dict(conninfo_to_dict(url))
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings = {name: str(parts.pop(key, None) or "") for name, key in names.items()}
    return {"ENGINE": "django.db.backends.postgresql", **settings, "OPTIONS": parts}


# One connection for each thread that serves, and a few to spare; a request that finds the database
# away gives up before the visitor does.
POOL = {"min_size": 1, "max_size": env.integer("DATABASE_POOL", 8), "timeout": 3}
DATABASE_URL = database_url()
DATABASES = {"default": database(DATABASE_URL)}
DATABASES["default"]["OPTIONS"] |= {"pool": POOL, "connect_timeout": 3}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "pgtrigger",
    "procrastinate.contrib.django",
    "ninja",  # for the API docs' own static files
    "mnistsite",
    "predictions",
]

MIDDLEWARE = [
    "predictions.errors.JsonErrorsMiddleware",
    "mnistsite.middleware.refuse_nul",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mnistsite.urls"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
WSGI_APPLICATION = "mnistsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True

# Under /admin, since behind the proxy /static belongs to the drawing page.
STATIC_URL = "admin/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# HTTPS is ended by the proxy, which says so in a header; SITE is the proxy's address of the site, for
# which it knows no plain HTTP unless the address asks for that. Health checks and the drawing page reach
# Django from inside, without it.
HTTPS = env.boolean("HTTPS", PRODUCTION and not env.text("SITE").startswith("http://"))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The largest body that the API reads, in bytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
# Requests a second from one address to one web process; behind a proxy, the address that it names.
API_RATE = env.text("API_RATE", "100/s")
NINJA_NUM_PROXIES = env.integer("TRUSTED_PROXIES", 0)

# Where MNIST lies, or is fetched to.
MNIST_DIR = Path(env.text("MNIST_DIR", str(VAR_DIR / "data")))
# At night the worker trains when so many new drawings have been reviewed, and deletes predictions that nobody
# reviewed after so many days (0: keeps them).
RETRAIN_AFTER = env.integer("RETRAIN_AFTER", 200)
RETENTION_DAYS = env.integer("RETENTION_DAYS", 0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    # The queue tells of every job of the timetable, several a minute.
    "loggers": {"procrastinate": {"level": "WARNING"}},
}

# The first admin account's, which may be in a file; empty: `manage.py setup` makes a random one.
ADMIN_PASSWORD = env.text("DJANGO_SUPERUSER_PASSWORD")

UNFOLD = {
    "ENVIRONMENT": "predictions.admin.watch.banner",
    "SITE_TITLE": "Handwritten digits",
    "SITE_HEADER": "Handwritten digits",
    "SITE_URL": env.text("UI_URL", "http://localhost:8501"),
    "DASHBOARD_CALLBACK": "predictions.admin.dashboard.dashboard",
    "SIDEBAR": {"navigation": "predictions.admin.menu.navigation"},
    "STYLES": [lambda request: static("predictions/desk.css")],
}
