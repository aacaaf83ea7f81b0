"""deploy/proxy/Caddyfile, as far as it can be read without Caddy."""

import base64
import hashlib
import re
from pathlib import Path

import streamlit
from django.conf import settings

from mnistsite import connection, handler

CADDYFILE = (Path(settings.BASE_DIR) / "deploy" / "proxy" / "Caddyfile").read_text()


def policies() -> list[str]:
    return re.findall(r'Content-Security-Policy "([^"]+)"', CADDYFILE)


def test_policy_of_the_page_names_streamlits_inline_script() -> None:
    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
    inline = re.findall(r"<script>(.*?)</script>", index, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert hashes
    assert re.findall(r"'sha256-([^']+)'", policies()[-1]) == hashes


def test_no_policy_lets_inline_scripts_or_other_sites_in() -> None:
    assert len(policies()) == 3
    for policy in policies():
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["frame-ancestors"] == "'none'"
        assert "'unsafe-inline'" not in directives["script-src"]
        assert "http" not in policy


def test_what_is_for_inside_is_not_passed_on() -> None:
    private = re.search(r"@private path (.+)", CADDYFILE)
    assert private
    assert {"/metrics", "/readyz", "/livez", "/_stcore/metrics"} <= set(private[1].split())


def test_django_keeps_its_static_files_where_the_proxy_sends_them_to_it() -> None:
    assert settings.STATIC_URL.startswith("/admin/")


def test_proxy_keeps_the_bodies_that_the_server_would_keep() -> None:
    kept = re.findall(r"request_buffers (\d+)KB", CADDYFILE)
    assert kept and {1000 * int(size) for size in kept} == {settings.WATCHED}


def test_proxy_gives_a_head_the_time_and_the_size_that_the_server_does() -> None:
    seconds, size = (re.search(rf"{name} (\d+)", CADDYFILE) for name in ("read_header", "max_header_size"))
    assert seconds and int(seconds[1]) == connection.SECONDS_FOR_A_HEAD
    assert size and 1024 * int(size[1]) == connection.MOST_OF_A_HEAD


def test_proxy_gives_a_body_the_size_and_the_time_that_django_does() -> None:
    """Were its size less, it would close connections on which a client still sends."""
    api = CADDYFILE.partition("handle @api {")[2]
    largest = re.search(r"max_size (\d+)MB", api)
    seconds = re.search(r"read_body (\d+)s", CADDYFILE)
    assert largest and int(largest[1]) * 1_000_000 == handler.MOST_TO_DISCARD
    assert seconds and int(seconds[1]) == handler.SECONDS_FOR_A_BODY
