"""When a page was shown: decisions made on it leave alone what has come or changed since."""

from django import forms
from django.utils import timezone


def now() -> str:
    """With its offset: without, an hour of every autumn would be ambiguous."""
    return timezone.now().isoformat()


class AsOfForm(forms.Form):
    as_of = forms.DateTimeField(widget=forms.HiddenInput)
