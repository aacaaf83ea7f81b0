"""The way into the admin: a password, then the code of whoever has a second factor or has to have one.

Between the two nobody is signed in: the session only remembers whose password was right. So no page lets it
in, and django-axes forgets wrong guesses only when the code was right too.
"""

import time
from base64 import b32encode
from typing import Any
from urllib.parse import urlencode

import django_otp
import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate, login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import path, reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.generic import FormView
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice, default_key
from unfold.sites import UnfoldAdminSite
from unfold.widgets import BASE_INPUT_CLASSES

from predictions import second_factor

SECONDS_TO_GO_ON = 600  # after the password: time enough to install an app
PASSWORD_WAS_RIGHT, KEY = "password_was_right", "second_factor_key"  # in the session
PASSWORD = {"autocomplete": "current-password", "class": " ".join(BASE_INPUT_CLASSES)}
TYPED = {
    "autocomplete": "one-time-code",
    "autocapitalize": "off",
    "spellcheck": "false",
    "class": " ".join(BASE_INPUT_CLASSES),
}


class Site(UnfoldAdminSite):
    """The admin. Where everybody needs a second factor, it is closed to a session that began without one."""

    def has_permission(self, request: HttpRequest) -> bool:
        owes_code = settings.SECOND_FACTOR_REQUIRED and DEVICE_ID_SESSION_KEY not in request.session
        return super().has_permission(request) and not owes_code

    def get_urls(self) -> list[Any]:
        return [
            path("login/code/", never_cache(EnterCode.as_view()), name="code"),
            path("second-factor/", never_cache(self.second_factor), name="second_factor"),
            *super().get_urls(),
        ]

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = self.each_context(request) | {"title": "Log in", "app_path": request.get_full_path()}
        return EnterPassword.as_view(authentication_form=self.login_form, extra_context=context)(request)

    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Where people set up their second factor, and remove it."""
        user = request.user if self.has_permission(request) else signing_in(request)
        if not isinstance(user, User) or (second_factor.has_app(user) and not self.has_permission(request)):
            return redirect("admin:login")
        return (change if second_factor.has_app(user) else set_up)(request, user)


def remember(request: HttpRequest, user: User) -> None:
    """In the session, whose password was right."""
    request.session.cycle_key()
    request.session.pop(KEY, None)  # which somebody else may have seen here
    request.session[PASSWORD_WAS_RIGHT] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "until": time.time() + SECONDS_TO_GO_ON,
    }


def signing_in(request: HttpRequest) -> User | None:
    """Whose password was right a moment ago, if that is still so."""
    kept = request.session.get(PASSWORD_WAS_RIGHT)
    if not kept or time.time() > kept["until"]:
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True, is_staff=True).first()
    return user if user and constant_time_compare(kept["password"], user.get_session_auth_hash()) else None


def bind(request: HttpRequest, user: User, device: Device) -> None:
    """The session to what gave the code; whoever is only signing in is signed in by that."""
    if request.session.pop(PASSWORD_WAS_RIGHT, None):
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    django_otp.login(request, device)


class EnterPassword(LoginView):
    template_name = "admin/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        has_app = second_factor.has_app(user)
        if not has_app and not settings.SECOND_FACTOR_REQUIRED:
            return super().form_valid(form)
        remember(self.request, user)
        page = reverse("admin:code" if has_app else "admin:second_factor")
        return redirect(f"{page}?{urlencode({'next': self.get_success_url()})}")


class CodeForm(forms.Form):
    code = forms.CharField(max_length=40, widget=forms.TextInput(TYPED))

    def __init__(self, request: HttpRequest, user: User, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.request, self.user = request, user

    def clean_code(self) -> str:
        code = "".join(self.cleaned_data["code"].split()).lower()
        self.device = self.take(code)
        return code

    def take(self, code: str) -> Device:
        return second_factor.check(self.request, self.user, code)


class FirstCodeForm(CodeForm):
    """Whoever is signed in gives the password again: an open session could else lock its owner out."""

    password = forms.CharField(strip=False, widget=forms.PasswordInput(PASSWORD))
    field_order = ["password", "code"]

    def __init__(self, request: HttpRequest, user: User, data: QueryDict | None = None) -> None:
        super().__init__(request, user, data)
        if not admin.site.has_permission(request):
            del self.fields["password"]  # which was right a moment ago

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        if authenticate(self.request, username=self.user.get_username(), password=password) is None:
            raise forms.ValidationError("That is not your password.")
        return str(password)

    def clean_code(self) -> str:
        return "" if self.errors else super().clean_code()  # nothing is stored without the password

    def take(self, code: str) -> Device:
        return second_factor.set_up(self.user, self.request.session[KEY], code)


class EnterCode(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # generic in the stubs only
    template_name = "mnistsite/code.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        user = signing_in(request)
        if user is None or not second_factor.has_app(user):
            return redirect(f"{reverse('admin:login')}?{request.GET.urlencode()}")
        self.user = user
        self.extra_context = admin.site.each_context(request) | {"title": "Log in"}
        return super().dispatch(request, *args, **kwargs)

    def get_form(self, form_class: object = None) -> CodeForm:
        form = CodeForm(self.request, self.user, self.request.POST or None)
        form.fields["code"].widget.attrs["autofocus"] = ""
        return form

    def form_valid(self, form: CodeForm) -> HttpResponse:
        bind(self.request, self.user, form.device)
        if isinstance(form.device, StaticDevice):
            second_factor.note(self.user, self.user, "Signed in by a recovery code.")
            left = second_factor.codes_left(self.user)
            messages.warning(self.request, f"You have {left} recovery code{pluralize(left)} left.")
        return redirect(self.get_success_url())


def set_up(request: HttpRequest, user: User) -> HttpResponse:
    """Shows the app's key until its first code has come."""
    form = FirstCodeForm(request, user, request.POST or None)
    if KEY in request.session and form.is_valid():
        bind(request, user, form.device)
        request.session.pop(KEY, None)  # gone already if somebody else had been signed in here
        second_factor.end_sessions(user, but=request.session.session_key)
        return show_recovery_codes(request, user)
    key = request.session.setdefault(KEY, default_key())
    app = TOTPDevice(user=user, key=key)
    qr = segno.make(app.config_url).svg_data_uri(scale=5, light="white")
    return page(request, "set_up", form=form, qr=qr, url=app.config_url, key=b32encode(app.bin_key).decode())


def change(request: HttpRequest, user: User) -> HttpResponse:
    """New recovery codes, or no second factor any more; either for a code."""
    form = CodeForm(request, user, request.POST or None)
    if not form.is_valid():
        return page(request, "second_factor", form=form, codes_left=second_factor.codes_left(user))
    bind(request, user, form.device)
    if "remove" not in request.POST:
        return show_recovery_codes(request, user)
    second_factor.remove(user, by=user, but=request.session.session_key)
    del request.session[DEVICE_ID_SESSION_KEY]
    remember(request, user)
    messages.success(request, "The second factor is removed.")
    return redirect("admin:second_factor")


def show_recovery_codes(request: HttpRequest, user: User) -> HttpResponse:
    """The only page that ever shows them."""
    return page(request, "recovery_codes", codes=second_factor.make_recovery_codes(user))


def page(request: HttpRequest, name: str, **more: object) -> HttpResponse:
    """Within the admin, or before it for whoever is not in it yet."""
    context = admin.site.each_context(request) | {"title": "Second factor"} | more
    is_in = context["has_permission"]
    context["layout"] = "admin/base_site.html" if is_in else "unfold/layouts/unauthenticated.html"
    return render(request, f"mnistsite/{name}.html", context)
