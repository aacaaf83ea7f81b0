"""A second factor: codes of an app (TOTP) and recovery codes, both by django-otp."""

from math import ceil

import django_otp
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import SESSION_KEY, authenticate
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

RECOVERY_CODES = 10
FAILURES = 9  # that django-otp is let remember: after each it pauses twice as long, so up to 256 seconds


class CodeBackend(BaseBackend):
    """Takes codes where passwords are taken, so that django-axes counts and locks both alike."""

    def authenticate(self, request: HttpRequest | None, username: str, code: str) -> User | None:  # type: ignore[override]
        """Ask only for somebody whose password has been right."""
        user = User.objects.get(username=username)
        device = device_for(user, code)
        is_right = device and django_otp.verify_token(user, device.persistent_id, code)
        return user if is_right else None


def check(request: HttpRequest, user: User, code: str) -> Device:
    """What gave the code. Raises ValidationError if nothing did.

    django-otp looks at no code for 1, 2, 4, … seconds after a wrong one: such a code is not counted."""
    cap_pause(user)
    device = device_for(user, code)
    _, pause = device.verify_is_allowed() if device else (True, None)
    if pause:
        seconds = ceil((pause["locked_until"] - timezone.now()).total_seconds())
        raise ValidationError(f"After a wrong code, no code is checked for a while. Wait {seconds} s.")
    if authenticate(request, username=user.get_username(), code=code) is None:
        raise ValidationError("That is not the code. Each works once: wait for the app's next one.")
    return device


def cap_pause(user: User) -> None:
    """Or whoever knows the password and goes on guessing would keep its owner out for years."""
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.filter(user=user, throttling_failure_count__gt=FAILURES).update(
            throttling_failure_count=FAILURES
        )


def device_for(user: User, code: str) -> TOTPDevice | StaticDevice | None:
    """What may have given such a code: an app shows six digits."""
    kind = TOTPDevice if len(code) == 6 and code.isdecimal() else StaticDevice
    return kind.objects.devices_for_user(user, confirmed=True).first()


def has_app(user: User) -> bool:
    return bool(TOTPDevice.objects.devices_for_user(user, confirmed=True).exists())


@transaction.atomic
def set_up(user: User, key: str, code: str) -> TOTPDevice:
    """Store the app's key, now that a code shows that the app has it. Raises ValidationError."""
    User.objects.select_for_update().get(pk=user.pk)
    app = TOTPDevice(user=user, name="App", key=key, confirmed=False)
    if has_app(user) or not app.verify_token(code):
        raise ValidationError("That is not the app's code. Wait for the next. Is the phone's clock right?")
    app.confirmed = True
    app.save(update_fields=["confirmed"])
    note(user, user, "Set up a second factor.")
    return app


@transaction.atomic
def make_recovery_codes(user: User) -> list[str]:
    """New ones, instead of those that there were."""
    device = StaticDevice.objects.devices_for_user(user).first()
    device = device or StaticDevice.objects.create(user=user, name="Recovery codes")
    device.token_set.all().delete()
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    note(user, user, "Made recovery codes.")
    return codes


def codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


@transaction.atomic
def remove(user: User, by: User, but: str | None = None) -> bool:
    """Whether there was one. It ends the user's sessions, save the one with the key `but`."""
    removed, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    if removed:
        end_sessions(user, but)
        note(user, by, "Removed the second factor.")
    return bool(removed)


def end_sessions(user: User, but: str | None) -> None:
    """So that no session of this release has to be asked what it began with. Those of the release before,
    which asks for no code, are asked only where everybody needs one. Whose a session is stands within it."""
    for session in Session.objects.exclude(session_key=but).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()


def note(user: User, by: User, what: str) -> None:
    """A line in the account's history."""
    LogEntry.objects.log_actions(by.pk, [user], CHANGE, what, single_object=True)
