"""docker-compose.yml and the settings that deploy/make-env writes for it."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

REPOSITORY = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
SCRIPTS = ["backup/backup", "deploy", "digests", "make-env", "release", "restore", "setup-server", "update"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_limited(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"]["max-size"]


def test_only_the_proxy_publishes_ports_and_it_cannot_reach_the_database() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert not set(SERVICES["proxy"]["networks"]) & set(SERVICES["db"]["networks"])
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_no_environment_holds_a_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name or "DATABASE_URL" in name:
                assert name.endswith("_FILE")
                assert value.startswith("/run/secrets/")


def make_env(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(REPOSITORY / "deploy" / "make-env"), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


def settings_in(directory: Path) -> dict[str, str]:
    lines = (directory / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_make_env_writes_random_secrets_that_others_cannot_reach(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert make_env(tmp_path / name).returncode == 0
    for file in COMPOSE["secrets"].values():
        first, second = ((tmp_path / name / file["file"]).read_text() for name in ("one", "two"))
        assert first != second
        assert len(first) >= 20
    assert stat.S_IMODE((tmp_path / "one" / "secrets").stat().st_mode) == 0o700
    password = (tmp_path / "one" / "secrets" / "postgres_password").read_text()
    assert f":{password}@db:" in (tmp_path / "one" / "secrets" / "database_url").read_text()


def test_make_env_opens_the_ports_only_for_a_domain(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "server").mkdir()
    make_env(tmp_path / "home")
    make_env(tmp_path / "server", "digits.example.org")
    home, server = (settings_in(tmp_path / name) for name in ("home", "server"))
    assert (home["DOMAIN"], home["BIND"]) == ("", "127.0.0.1")
    assert (server["DOMAIN"], server["BIND"]) == ("digits.example.org", "0.0.0.0")  # noqa: S104


@pytest.mark.parametrize("existing", [".env", "secrets"])
def test_make_env_overwrites_nothing(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).touch()
    result = make_env(tmp_path)
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [existing]


def test_make_env_refuses_what_is_no_domain_name(tmp_path: Path) -> None:
    assert make_env(tmp_path, "https://digits.example.org").returncode == 1
    assert not list(tmp_path.iterdir())


def production_settings(expression: str, **environment: str) -> str:
    """What `expression` is under settings that are read anew, as in the container."""
    ours = {"PRODUCTION": "true", "SECRET_KEY": "k" * 50, "DATABASE_URL": "postgresql://u:p@db/mnistsite"}
    program = f"from mnistsite import settings; print({expression})"
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, cwd=REPOSITORY, env=ours | environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("site", "https"),
    [({}, "True"), ({"SITE": "digits.example.org"}, "True"), ({"SITE": "http://localhost"}, "False")],
)
def test_only_a_plain_http_address_switches_https_off(site: dict[str, str], https: str) -> None:
    assert production_settings("settings.HTTPS and settings.SESSION_COOKIE_SECURE", **site) == https


def test_admins_first_password_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("c0bol-4-ever")
    file = {"DJANGO_SUPERUSER_PASSWORD_FILE": str(tmp_path / "password")}
    assert production_settings("settings.ADMIN_PASSWORD", **file) == "c0bol-4-ever"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_can_be_run(script: str) -> None:
    path = REPOSITORY / "deploy" / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path]).returncode == 0


def test_restore_starts_as_many_web_servers_as_there_were(tmp_path: Path) -> None:
    """Docker is played by a script that knows no swarm and three containers, and notes what it is asked."""
    docker = tmp_path / "docker"
    answers = 'case "$*" in service*) exit 1 ;; "compose ps"*) printf "1\\n2\\n3\\n" ;; esac'
    docker.write_text(f'#!/bin/sh\necho "$*" >> "$0.log"\n{answers}\n')
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = [str(REPOSITORY / "deploy" / "restore"), "some.dump"]
    subprocess.run(command, env=os.environ | {"PATH": path}, input="yes\n", text=True, check=True)
    last = (tmp_path / "docker.log").read_text().splitlines()[-1]
    assert last == "compose up -d --no-recreate --wait --scale web=3 web worker"


@pytest.mark.parametrize("registry", ["", "ghcr.io/owner/"])
def test_a_release_removes_old_ones_and_their_images_but_not_the_one_before(
    tmp_path: Path, registry: str
) -> None:
    """Five that failed are newer than it. Docker is played by a script for which all goes well at once."""
    docker = tmp_path / "docker"
    answers = 'case "$*" in "service ps"*) echo Complete ;; *--format*Replicas*) echo 1/1 ;; esac'
    docker.write_text(f'#!/bin/sh\necho "$*" >> "$0.log"\n{answers}\n')
    docker.chmod(0o755)
    releases = [tmp_path / "releases" / f"r{number}" for number in range(7)]
    for number, folder in enumerate(releases):
        (folder / "deploy").mkdir(parents=True)
        os.utime(folder, (number, number))
    folder = releases[-1]
    (folder / "secrets").mkdir()
    for name in ("release.env", "secrets/page_secret"):
        (folder / name).touch()
    (folder / ".env").write_text(f"DOMAIN=localhost\nREGISTRY={registry}\n")
    (tmp_path / "current").symlink_to(releases[0])
    script = shutil.copy(REPOSITORY / "deploy" / "release", folder / "deploy")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run([script], env=os.environ | {"PATH": path}, check=True, timeout=60)
    assert (tmp_path / "previous").resolve().name == "r0"
    left = {kept.name for kept in (tmp_path / "releases").iterdir()}
    assert left == {"r0", "r2", "r3", "r4", "r5", "r6"}
    removed = [line for line in (tmp_path / "docker.log").read_text().splitlines() if "image rm" in line]
    assert removed == [f"image rm {registry}mnistsite-{name}:r1" for name in ("web", "ui")]


def test_swarm_does_not_kill_the_backup_that_is_to_make_the_next_one() -> None:
    stack = (REPOSITORY / "deploy" / "stack.yml").read_text()
    for tag in ("!reset", "!override"):
        stack = stack.replace(tag, "")
    assert yaml.safe_load(stack)["services"]["backup"]["healthcheck"] == {"disable": True}


def test_every_base_image_can_be_pinned_by_its_digest(tmp_path: Path) -> None:
    """Docker is played by a script that knows one digest for every image, and notes which it is asked for."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$4" >> "$0.log"\necho sha256:0123\n')
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [str(REPOSITORY / "deploy" / "digests")]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    names = [line.partition("=@sha256:0123")[0] for line in printed.splitlines()]
    files = [REPOSITORY / "Dockerfile", *REPOSITORY.glob("deploy/*/Dockerfile")]
    begun = [line.split() for file in files for line in file.read_text().splitlines() if line[:5] == "FROM "]
    stages = {words[3] for words in begun if "AS" in words}
    images = [words[1] for words in begun if words[1] not in stages]
    images.append(SERVICES["db"]["image"].replace(":-}", "}"))
    assert {image.partition("${")[2].rstrip("}") for image in images} == set(names)
    asked = set((tmp_path / "docker.log").read_text().split())
    assert asked == {image.partition("${")[0] for image in images}


def test_no_package_is_looked_for_in_two_indexes() -> None:
    for name in ("Makefile", "Dockerfile"):
        assert "--extra-index-url" not in (REPOSITORY / name).read_text()
