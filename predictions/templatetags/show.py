"""Numbers and shares in templates."""

from django import template

from predictions import figures

register = template.Library()
register.filter("number", figures.number)
register.filter("per_cent", figures.per_cent)
register.filter("interval", figures.interval)
