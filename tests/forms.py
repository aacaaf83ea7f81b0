"""Forms of the admin, as a browser sends them: with what they hide."""

import re
from html import unescape
from typing import Any

from django.test import Client

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


def hidden(client: Client, url: str) -> dict[str, str]:
    """The hidden fields of the page's form, as it is shown now."""
    return {name: unescape(value) for name, value in HIDDEN.findall(client.get(url).content.decode())}


def submit(client: Client, url: str, **fields: Any) -> Any:
    """Look at the page and send its form."""
    return client.post(url, hidden(client, url) | fields, follow=True)
