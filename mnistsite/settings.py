"""Django's settings, and the only reader of its environment. Importing them starts and writes nothing.

Production settings are the default. PRODUCTION=true (set in the container image) adds HTTPS
and refuses to start without the secrets that mnistsite/checks.py asks for; without it the site
answers on the loopback address only, and manage.py brings what is not set (mnistsite/local.py).
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf.global_settings import PASSWORD_HASHERS
from django.templatetags.static import static
from django.urls import reverse
from environs import FileAwareEnv, validate
from psycopg.conninfo import conninfo_to_dict

# A value may lie in the file that NAME_FILE names, which is how containers hand over secrets. A bad value
# fails loudly.
env = FileAwareEnv(strip_whitespace=True)
AT_LEAST_0 = validate.Range(min=0)


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas; spaces around them don't count, nor does a comma at the end."""
    return [word.strip() for word in env.str(name, default).split(",") if word.strip()]


BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.path("VAR_DIR", BASE_DIR / "var")

PRODUCTION = env.bool("PRODUCTION", False)
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")
SECRET_KEY = env.str("SECRET_KEY", "")

# Where `manage.py serve` and gunicorn listen.
WEB_HOST = env.str("WEB_HOST", "127.0.0.1")
WEB_PORT = env.str("WEB_PORT", "8000")
UI_PORT = env.str("UI_PORT", "8501")
WEB_WORKERS = env.int("WEB_WORKERS", 2, validate=validate.Range(min=1))


def database(url: str) -> dict[str, Any]:
    """Django's form of a PostgreSQL URL; all but name, user, password, host and port are options."""
    parts = dict(conninfo_to_dict(url))
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{name: str(parts.pop(key, None) or "") for name, key in names.items()},
        "OPTIONS": {**parts, "connect_timeout": 3},
    }


DATABASE_URL = env.str("DATABASE_URL", "")
DATABASES = {"default": database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "mnistsite",  # first: a template of its own stands in for unfold's
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "mnistsite.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "pgtrigger",
    "procrastinate.contrib.django",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "ninja",  # for the API docs' own static files
    "predictions",
]

MIDDLEWARE = [
    "mnistsite.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "predictions.api.errors.ApiMiddleware",
    "mnistsite.login.OneAtATime",
    "mnistsite.middleware.RefuseNul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# Sites whose pages may call the API from a visitor's browser; it knows no cookies, so they get nothing that
# they could not fetch themselves. Without any, no request passes through this.
API_CORS_ORIGINS = words("API_CORS_ORIGINS")
if API_CORS_ORIGINS:
    from corsheaders.defaults import default_headers

    INSTALLED_APPS += ["corsheaders"]
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")
    CORS_ALLOWED_ORIGINS = API_CORS_ORIGINS
    CORS_URLS_REGEX = r"^/api/"
    CORS_ALLOW_HEADERS = [*default_headers, "x-visitor"]
    CORS_EXPOSE_HEADERS = ["Retry-After", "X-Request-Id"]

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

PASSWORD_HASHERS = ["mnistsite.login.QuietHasher", *PASSWORD_HASHERS[1:]]  # its form is the first's
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Wrong guesses of a password or a code: see mnistsite/login.py.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "predictions.second_factor.CodeBackend",
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or whoever goes on guessing would lock it for ever
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "mnistsite.login.address"
AXES_LOCKOUT_CALLABLE = "mnistsite.login.show_locked"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]  # it stores what was sent, but for these
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Whether everybody needs a code of an app beside the password: see mnistsite/sign_in.py.
SECOND_FACTOR_REQUIRED = env.bool("SECOND_FACTOR_REQUIRED", False)
OTP_TOTP_ISSUER = "Handwritten digits"

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.str("TIME_ZONE", "UTC")
FORMAT_MODULE_PATH = "mnistsite.formats"
USE_I18N = False
USE_THOUSAND_SEPARATOR = True  # in templates; what is a name or a key there is unlocalized
USE_TZ = True

# Under /admin, since behind the proxy /static belongs to the drawing page.
STATIC_URL = "admin/static/"
STATIC_ROOT = env.path("STATIC_ROOT", VAR_DIR / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# HTTPS is ended by the proxy, which says so in a header; SITE is the proxy's address of the site, for
# which it knows no plain HTTP unless the address asks for that. Health checks and the drawing page reach
# Django from inside, without it.
HTTPS = env.bool("HTTPS", PRODUCTION and not env.str("SITE", "").startswith("http://"))
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

# The largest body, in bytes, save for pictures: see predictions/api/bodies.py.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
# Bytes; a smaller body is there before a thread begins, unless its client waits to be asked.
WATCHED = 100_000
# So many pictures that are large, or costly to decode, may one web process have at a time: 60 MB for each.
LARGE_AT_ONCE = env.int("LARGE_AT_ONCE", 2, validate=validate.Range(min=1))
# So many milliseconds of a processor may one address take each second, of all web processes together; behind
# a proxy, the address that it names.
API_WORK = env.float("API_WORK", 500, validate=validate.Range(min=1))
# What one address may have stored in a day; how large the database may become, and how much its disk must
# have left, before no more drawings are taken.
API_MB_A_DAY = env.float("API_MB_A_DAY", 100, validate=validate.Range(min=0.001))
MOST_GB = env.float("MOST_GB", 20, validate=validate.Range(min=0))
LEAST_FREE_GB = env.float("LEAST_FREE_GB", 0.5, validate=validate.Range(min=0))
# Whether the API asks everybody but the page for a key; by what the page proves itself.
API_KEYS_REQUIRED = env.bool("API_KEYS_REQUIRED", False)
PAGE_SECRET = env.str("PAGE_SECRET", "")
NINJA_NUM_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=AT_LEAST_0)

# Where MNIST lies, or is fetched to.
MNIST_DIR = env.path("MNIST_DIR", VAR_DIR / "data")
# At night the worker trains when so many new drawings have been reviewed, and deletes predictions that nobody
# reviewed after so many days (0: keeps them).
RETRAIN_AFTER = env.int("RETRAIN_AFTER", 200, validate=AT_LEAST_0)
FORGET_DAYS = env.int("FORGET_DAYS", 7, validate=AT_LEAST_0)
RETENTION_DAYS = env.int("RETENTION_DAYS", 90, validate=AT_LEAST_0)

# Addresses that are told of labels, trainings, gates, promotions and drift; the secret signs each message.
WEBHOOK_URLS = words("WEBHOOK_URLS")
WEBHOOK_SECRET = env.str("WEBHOOK_SECRET", "")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "mnistsite.logs.Line", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "mnistsite.logs.Json"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": sys.stderr,
            "formatter": "json" if PRODUCTION else "line",
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    # The queue tells of every job of the timetable, several a minute.
    "loggers": {"procrastinate": {"level": "WARNING"}},
}

# The first admin account, which `manage.py setup` makes; without a password, with a random one. A variable
# that is set to nothing is not set.
ADMIN_USERNAME = env.str("DJANGO_SUPERUSER_USERNAME", "") or "admin"
ADMIN_EMAIL = env.str("DJANGO_SUPERUSER_EMAIL", "") or "admin@localhost"
ADMIN_PASSWORD = env.str("DJANGO_SUPERUSER_PASSWORD", "")

# The drawing page's blue, from pale to deep.
BLUE = {
    "50": "#f0f4fe",
    "100": "#dde6fc",
    "200": "#c0d1fa",
    "300": "#a3bffc",
    "400": "#8fb0ff",
    "500": "#7399f5",
    "600": "#2f5bd0",
    "700": "#274cb0",
    "800": "#213f8f",
    "900": "#1e3673",
    "950": "#152349",
}
MARK = "predictions/mark.svg"  # the page's, once more

UNFOLD = {
    "COLORS": {"primary": BLUE},
    "SITE_ICON": lambda request: static(MARK),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static(MARK)}],
    "ENVIRONMENT": "predictions.admin.banner.banner",
    "SITE_TITLE": "Handwritten digits",
    "SITE_HEADER": "Handwritten digits",
    "SITE_URL": env.str("UI_URL", f"http://localhost:{UI_PORT}"),
    "ACCOUNT": {
        "navigation": [
            {"title": "Change password", "link": lambda request: reverse("admin:password_change")},
            {"title": "Second factor", "link": lambda request: reverse("admin:second_factor")},
        ]
    },
    "DASHBOARD_CALLBACK": "predictions.admin.dashboard.dashboard",
    "SIDEBAR": {"navigation": "predictions.admin.menu.navigation"},
    "STYLES": [lambda request: static("predictions/desk.css")],
}
