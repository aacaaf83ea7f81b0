"""`make drill-compose`: builds the compose file from nothing, breaks it in every way, and says what was seen.

It runs in a copy of the checkout, under a project name, ports and volumes of its own, and takes them
away afterwards. Needs a Docker engine that may be asked without sudo, and Chromium.
"""

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

import requests

from benchmarks.drilling import ONE, Load, Report, draw_in_browser

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = "mnistsite-drill"
PORTS = {"HTTP_PORT": "8580", "HTTPS_PORT": "8543"}
SITE = f"http://localhost:{PORTS['HTTP_PORT']}"
SECURE_SITE = f"https://localhost:{PORTS['HTTPS_PORT']}"
SERVICES = ["db", "web", "worker", "ui", "proxy", "backup"]
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

    def containers(self, service: str) -> list[dict]:
        identities = self.compose("ps", "-q", service).split()
        return json.loads(self.run("docker", "inspect", *identities)) if identities else []

    def counts(self) -> str:
        """Rows and checksum of every table."""
        return self.compose("exec", "-T", "backup", "backup", "counts")

    def logged(self) -> set[str]:
        query = "SELECT id FROM predictions_prediction"
        return set(self.compose("exec", "-T", "db", "psql", "-U", "mnistsite", "-Atc", query).split())


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


def engines_ports() -> set[int]:
    """What the engine listens on for containers, of all the machine's TCP ports (asks as root)."""
    listeners = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    ports = {line.split()[3].rsplit(":", 1)[1] for line in listeners.splitlines() if "docker-proxy" in line}
    return {int(port) for port in ports}


def size(stack: Stack, name: str) -> int:
    """Megabytes."""
    return int(stack.run("docker", "image", "inspect", "-f", "{{.Size}}", f"mnistsite-{name}:drill")) // 10**6


def build_and_start(stack: Stack, report: Report) -> None:
    stack.run("deploy/make-env")
    started = time.monotonic()
    stack.compose("build", "--no-cache")
    report.row("clean build of all images, pip's downloads cached", f"{time.monotonic() - started:.0f} s")
    with (stack.directory / "predictions" / "api.py").open("a") as source:
        source.write("\n# changed\n")
    started = time.monotonic()
    stack.compose("build", "web")
    report.row("build after a change of the code", f"{time.monotonic() - started:.1f} s")
    report.row(
        "sizes", ", ".join(f"{name} {size(stack, name)} MB" for name in ("web", "ui", "proxy", "backup"))
    )
    before = engines_ports()
    seconds = stack.up()
    report.row("`up` on an empty machine until all is healthy", f"{seconds:.0f} s", seconds < 60)
    opened = engines_ports() - before
    report.row(
        "ports that the engine opened for it",
        str(sorted(opened)),
        opened == {int(port) for port in PORTS.values()},
    )


def admin_password(stack: Stack) -> str:
    return (stack.directory / "secrets" / "admin_password").read_text()


def use_it(stack: Stack, report: Report) -> None:
    answer = requests.post(f"{SITE}/api/predict", json={"strokes": ONE}, timeout=10)
    report.row(
        "a digit predicted through the proxy", f"{answer.status_code}, {answer.json()['digit']}", answer.ok
    )
    path = f"{SITE}/api/predictions/{answer.json()['id']}/feedback"
    feedback = requests.post(path, json={"true_label": 1}, timeout=10)
    report.row("feedback", str(feedback.status_code), feedback.ok)
    complaints = draw_in_browser(SITE, admin_password(stack), stack.directory / "page.png")
    seen = "; ".join(complaints)[:300] or "predicted, logged in, no complaint of the browser"
    report.row("a browser draws on the page, logs in to the admin", seen, not complaints)
    private = ["/metrics", "/readyz", "/_stcore/metrics", "//_stcore/metrics", "/%5Fstcore/metrics"]
    statuses = [requests.get(SITE + path, timeout=10).status_code for path in private]
    report.row("metrics and health from outside", str(statuses), set(statuses) == {404})


def is_confined(container: dict) -> bool:
    """Not root, no capability, no way to a new one, nothing to write on but volumes and memory."""
    status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return (
        facts["Uid"].split()[0] != "0"
        and int(facts["CapEff"], 16) == 0
        and facts["NoNewPrivs"] == "1"
        and container["HostConfig"]["ReadonlyRootfs"]
    )


def confinement(stack: Stack, report: Report) -> None:
    loose = [name for name in SERVICES if not all(map(is_confined, stack.containers(name)))]
    report.row(
        "not root, no capabilities, read-only root",
        ", ".join(name for name in SERVICES if name not in loose),
        not loose,
    )
    probe = ["docker", "compose", "exec", "-T", "proxy", "nc", "-z", "-w", "2", "db", "5432"]
    result = subprocess.run(probe, cwd=stack.directory, env=stack.environment, capture_output=True)
    report.row("the proxy reaches the database", "no" if result.returncode else "yes", result.returncode != 0)


def scale(stack: Stack, report: Report) -> None:
    stack.up("--scale", "web=3", "--no-recreate")
    with Load(SITE) as load:
        time.sleep(10)
    answers = [
        stack.run(
            "docker", "exec", container["Id"], "python", "-c",
            "import urllib.request as r;print(r.urlopen('http://127.0.0.1:8000/metrics').read().decode())",
        ).count("\ndigits_predictions_total")
        for container in stack.containers("web")
    ]  # fmt: skip
    good = len(answers) == 3 and all(answers) and not load.failed and set(load.answered) <= stack.logged()
    report.row(
        "`--scale web=3`", f"all three answered; {len(load.answered)} answers, {load.failures()}", good
    )


def kill_each(stack: Stack, report: Report) -> None:
    """kill -9 of every container's first process, from outside, so that the engine calls it a crash."""
    for service in SERVICES:
        with Load(SITE) as load:
            time.sleep(2)
            for container in stack.containers(service)[:1]:
                subprocess.run(["kill", "-9", str(container["State"]["Pid"])], check=True)
            time.sleep(14)
        missing = set(load.answered) - stack.logged()
        pause = load.longest_pause()
        seen = f"{len(load.answered)} answered, {len(missing)} of them not in the table, {load.failures()}"
        report.row(f"kill -9 {service}", f"{seen}, longest pause {pause:.1f} s", not missing and pause < 10)


def down_and_up(stack: Stack, report: Report) -> None:
    before = stack.counts()
    stack.compose("down")
    seconds = stack.up()
    good = before == stack.counts()
    report.row("`down` and `up`", f"back in {seconds:.0f} s, {'same' if good else 'other'} rows", good)


def lose_the_database(stack: Stack, report: Report) -> None:
    path = stack.compose("exec", "-T", "backup", "backup", "now").splitlines()[-1]
    before = stack.counts()
    stack.compose("rm", "-sf", "db")
    stack.run("docker", "volume", "rm", f"{PROJECT}_database")
    stack.up()
    started = time.monotonic()
    stack.run("deploy/restore", Path(path).name, answer="yes\n")
    seconds = time.monotonic() - started
    good = before == stack.counts()
    seen = f"restored in {seconds:.0f} s, {'same' if good else 'other'} rows and checksums"
    report.row("backup, volume destroyed, restore", seen, good)


def update(stack: Stack, report: Report) -> None:
    stack.up("--scale", "web=1")
    stack.environment |= {"RELEASE": "drill-next"}
    with Load(SITE) as load:
        time.sleep(2)
        stack.run("make", "update")
        time.sleep(3)
    missing = set(load.answered) - stack.logged()
    seen = f"{len(load.answered)} answered, {load.failures()}, longest pause {load.longest_pause():.1f} s"
    report.row("`make update` to a new image", seen, not load.failed and not missing)


def broken_update(stack: Stack, report: Report) -> None:
    with (stack.directory / "predictions" / "api.py").open("a") as source:
        source.write("\nraise SystemExit('broken')\n")
    before = [container["Id"] for container in stack.containers("web")]
    stack.environment |= {"RELEASE": "drill-broken"}
    with Load(SITE) as load:
        command = ["make", "update"]
        code = subprocess.run(
            command, cwd=stack.directory, env=stack.environment, capture_output=True
        ).returncode
    stack.environment |= {"RELEASE": "drill-next"}
    same = before == [container["Id"] for container in stack.containers("web")]
    seen = f"{'refused' if code and same else 'taken'}; {len(load.answered)} answered, {load.failures()}"
    report.row("`make update` to a broken image", seen, bool(code) and same and not load.failed)


def encrypted(stack: Stack, report: Report) -> None:
    """With a domain name everything is HTTPS; `localhost` is one for which Caddy itself is the authority."""
    stack.environment |= {"DOMAIN": "localhost"}
    stack.up()
    authority = stack.directory / "root.crt"
    path = "/var/lib/caddy/pki/authorities/local/root.crt"
    authority.write_text(stack.compose("exec", "-T", "proxy", "cat", path))
    plain = requests.get(SITE, allow_redirects=False, timeout=10)
    secure = requests.get(f"{SECURE_SITE}/admin/login/", verify=str(authority), timeout=10)
    hsts = secure.headers.get("Strict-Transport-Security", "none")
    cookies = all(cookie.secure for cookie in secure.cookies)
    seen = (
        f"HTTP is answered {plain.status_code}; HSTS {hsts}; cookies {'secure' if cookies else 'not secure'}"
    )
    report.row("with a domain name", seen, plain.status_code == 308 and "max-age" in hsts and cookies)
    complaints = draw_in_browser(SECURE_SITE, admin_password(stack), stack.directory / "secure.png")
    report.row("a browser, by HTTPS", "; ".join(complaints)[:300] or "the same, no complaint", not complaints)


DRILLS = [
    build_and_start,
    use_it,
    confinement,
    scale,
    kill_each,
    down_and_up,
    lose_the_database,
    update,
    broken_update,
    encrypted,
]


def main() -> int:
    report = Report("Drills of docker-compose.yml, ten requests a second wherever a load is named")
    with copied_checkout() as stack:
        for drill in DRILLS:
            drill(stack, report)
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
