"""A copy of the checkout as a Compose project under a name, ports and volumes of its own, for drills."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = "mnistsite-drill"
PORTS = {"HTTP_PORT": "18180", "HTTPS_PORT": "18143"}
RELEASES = {"RELEASE": "drill", "PROXY_RELEASE": "drill", "BACKUP_RELEASE": "drill"}


class Stack:
    """The compose file of a copied checkout."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = os.environ | RELEASES | PORTS | {"COMPOSE_PROJECT_NAME": PROJECT}

    def run(self, *command: str, answer: str = "") -> str:
        """Output of a command in the copy; on failure, its error output ends the drill."""
        result = subprocess.run(
            command, cwd=self.directory, env=self.environment, input=answer, capture_output=True, text=True
        )
        if result.returncode:
            sys.exit(f"{' '.join(command)}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
        return result.stdout.strip()

    def compose(self, *arguments: str) -> str:
        return self.run("docker", "compose", *arguments)

    def up(self, *arguments: str) -> float:
        """Seconds until everything is healthy."""
        started = time.monotonic()
        self.compose("up", "-d", "--wait", *arguments)
        return time.monotonic() - started

    def containers(self, service: str) -> list[dict[str, Any]]:
        """The engine's word on them."""
        identities = self.compose("ps", "-q", service).split()
        found: list[dict[str, Any]] = json.loads(
            self.run("docker", "inspect", *identities) if identities else "[]"
        )
        return found

    def counts(self) -> str:
        """Rows and checksum of every table."""
        return self.compose("exec", "-T", "backup", "backup", "counts")

    def logged(self) -> set[str]:
        query = "SELECT id FROM predictions_prediction"
        return set(self.compose("exec", "-T", "db", "psql", "-U", "mnistsite", "-Atc", query).split())

    def images(self) -> list[str]:
        """Of the web servers that run."""
        return [container["Image"] for container in self.containers("web")]

    def size(self, name: str) -> int:
        """Megabytes of an image."""
        return (
            int(self.run("docker", "image", "inspect", "-f", "{{.Size}}", f"mnistsite-{name}:drill")) // 10**6
        )

    def append(self, file: str, text: str) -> None:
        """Add to a file of the copy."""
        with (self.directory / file).open("a") as source:
            source.write(text)


@contextmanager
def copied_checkout() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="mnistsite-drill-") as name:
        files = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, check=True
        ).stdout.decode()
        for file in filter(None, files.split("\0")):
            if (REPOSITORY / file).is_file():
                (Path(name) / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / file, Path(name) / file)
        stack = Stack(Path(name))
        try:
            yield stack
        finally:
            subprocess.run(
                ["docker", "compose", "down", "-v", "--timeout", "5"],
                cwd=name,
                env=stack.environment,
                capture_output=True,
            )
