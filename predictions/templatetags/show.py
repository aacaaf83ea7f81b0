"""Numbers, shares and headings in templates."""

from django import template
from django.db.models import Model
from django.utils.text import capfirst

from predictions import figures

register = template.Library()
register.filter("number", figures.number)
register.filter("per_cent", figures.per_cent)
register.filter("interval", figures.interval)


@register.filter
def heading(title: object) -> str:
    """With a capital, but for a row's own name: version v1 is not V1."""
    return str(title) if isinstance(title, Model) else str(capfirst(str(title)))
