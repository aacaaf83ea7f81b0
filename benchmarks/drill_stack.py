"""`make drill-stack`: a bare Debian server, set up, deployed to, updated, broken and rolled back, over SSH.

The server is a container with systemd and a Docker engine of its own; SSH and HTTP answer on the loopback
address. The releases are commits of a clone. Needs a Docker engine that may be asked without sudo.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.drilling import CODE, HEALTH, ONE, Load, Results, changed_tables, draw_in_browser, is_confined

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER = "mnistsite-drill-server"
SSH_PORT, HTTP_PORT = 18122, 18181
SITE = f"http://localhost:{HTTP_PORT}"
BASE_IMAGES = ["python:3.11-slim-bookworm", "postgres:18", "caddy:2"]
TASKS = "{{.Name}} {{slice .Replicas 0 3}}"
PORT_OF_A_CARELESS_CONTAINER = 9999


def run(*command: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
    """Run it to its end; a failure that was not asked for ends the drill with what it printed."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, **options
    )  # type: ignore[call-overload]
    if check and result.returncode:
        sys.exit(f"{' '.join(command)}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result


class Server:
    """The server, and the clone that is deployed to it."""

    def __init__(self, directory: Path) -> None:
        self.key, self.clone = directory / "key", directory / "clone"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        options = f"-p {SSH_PORT} -i {self.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        self.environment = os.environ | {"SSH_OPTIONS": f"{options} -o LogLevel=ERROR"}
        run("git", "clone", "-q", str(REPOSITORY), str(self.clone))

    def ssh(self, command: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        ssh = ["ssh", *self.environment["SSH_OPTIONS"].split(), "deploy@127.0.0.1", command]
        return run(*ssh, check=check, **options)

    def make(self, target: str, check: bool = True) -> tuple[int, float]:
        """Exit code and seconds of `make TARGET HOST=…` in the clone."""
        started = time.monotonic()
        command = ["make", "--no-print-directory", target, "HOST=deploy@127.0.0.1"]
        result = run(*command, check=check, cwd=self.clone, env=self.environment)
        return result.returncode, time.monotonic() - started

    def commit(self, file: str, text: str) -> None:
        """A new release: `text` at the end of a file."""
        with (self.clone / file).open("a") as source:
            source.write(text)
        git = ["git", "-c", "user.name=drill", "-c", "user.email=drill@localhost"]
        run(*git, "add", "-A", cwd=self.clone)
        run(*git, "commit", "-qm", "drill", cwd=self.clone)

    def serving(self) -> str:
        """The release of the running web tasks; several, if they differ."""
        tasks = self.ssh("docker ps -f name=mnistsite_web --format '{{.Image}}'").stdout.split()
        return " ".join(sorted({image.split(":")[1] for image in tasks}))

    def logged(self) -> set[str]:
        psql = "docker exec -i $(docker ps -qf name=mnistsite_db) psql -U mnistsite -At"
        return set(self.ssh(psql, input="SELECT id FROM predictions_prediction").stdout.split())


@contextmanager
def bare_server() -> Iterator[Server]:
    run("docker", "build", "-qt", SERVER, "benchmarks/bare_server", cwd=REPOSITORY)
    ports = ["-p", f"127.0.0.1:{SSH_PORT}:22", "-p", f"127.0.0.1:{HTTP_PORT}:80"]
    with tempfile.TemporaryDirectory(prefix="mnistsite-drill-") as directory:
        try:
            run("docker", "run", "-d", "--privileged", "--name", SERVER, "--tmpfs", "/run", *ports, SERVER)
            yield Server(Path(directory))
        finally:
            run("docker", "rm", "-fv", SERVER, check=False)


def set_up(server: Server, results: Results) -> None:
    run("docker", "cp", str(REPOSITORY / "deploy" / "setup-server"), f"{SERVER}:/root/")
    setup = [
        "docker",
        "exec",
        SERVER,
        "/root/setup-server",
        server.key.with_suffix(".pub").read_text().strip(),
    ]
    started = time.monotonic()
    run(*setup)
    results.row("setup-server on a bare Debian 13", f"{time.monotonic() - started:.0f} s")
    again = run(*setup).stdout
    results.row("a second time", "wrote nothing", "wrote" not in again)
    password = run(
        "ssh", *server.environment["SSH_OPTIONS"].split(), "-o", "PubkeyAuthentication=no",
        "-o", "BatchMode=yes", "root@127.0.0.1", check=False,
    )  # fmt: skip
    answer = password.stderr.strip().splitlines()[-1]
    results.row("log in without a key", answer, "(publickey)" in answer)


def reaches(address: str, port: int) -> bool:
    return (
        run("timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}", check=False).returncode == 0
    )


def firewall(server: Server, results: Results) -> None:
    """A container that publishes a port is not reached from outside; without our rules it is."""
    save = subprocess.Popen(["docker", "save", *BASE_IMAGES], stdout=subprocess.PIPE)
    server.ssh("docker load", stdin=save.stdout)
    publish = f"docker run -d --name careless -p {PORT_OF_A_CARELESS_CONTAINER}:80 caddy:2"
    server.ssh(f"{publish} caddy respond --listen :80 hello")
    inspect = ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", SERVER]
    address = run(*inspect).stdout.strip()
    time.sleep(2)
    guarded = reaches(address, PORT_OF_A_CARELESS_CONTAINER)
    run("docker", "exec", SERVER, "nft", "delete", "table", "inet", "mnistsite")
    unguarded = reaches(address, PORT_OF_A_CARELESS_CONTAINER)
    run("docker", "exec", SERVER, "nft", "-f", "/etc/nftables.conf")
    server.ssh("docker rm -f careless")
    seen = f"reached {'yes' if guarded else 'no'}; with the firewall off {'yes' if unguarded else 'no'}"
    results.row("a port that some container publishes", seen, unguarded and not guarded)


def first_deploy(server: Server, results: Results) -> None:
    server.ssh("cd /srv/mnistsite && bash -s", input=(server.clone / "deploy" / "make-env").read_text())
    here = {name: os.environ[name] for name in ["TORCH_INDEX"] if name in os.environ}
    settings = "".join(
        f"{name}={value}\n" for name, value in ({"WEB_REPLICAS": "3", "UI_REPLICAS": "2"} | here).items()
    )
    server.ssh("cat >> /srv/mnistsite/.env", input=settings)
    _, seconds = server.make("deploy")
    answer = requests.post(f"{SITE}/api/predict", json={"strokes": ONE}, timeout=10)
    results.row(
        "first `make deploy`, images built on the server", f"{seconds:.0f} s", answer.status_code == 201
    )
    services = server.ssh(f"docker stack services mnistsite --format '{TASKS}'").stdout
    tasks = dict(line.split() for line in services.splitlines())
    seen = f"web {tasks['mnistsite_web']}, ui {tasks['mnistsite_ui']}"
    results.row("replicas", seen, (tasks["mnistsite_web"], tasks["mnistsite_ui"]) == ("3/3", "2/2"))
    password = server.ssh("cat /srv/mnistsite/secrets/admin_password").stdout
    visit = draw_in_browser(SITE, password, server.key.with_name("page.png"))
    results.row(
        "a browser draws on one of two pages, logs in to the admin", visit.seen(), not visit.complaints
    )


def confinement(server: Server, results: Results) -> None:
    """The part of the Compose file that Swarm passes on, and the additions of the engine's own settings."""
    inspect = "docker inspect -f '{{.Name}} {{.State.Pid}} {{.HostConfig.ReadonlyRootfs}}' $(docker ps -q)"
    loose = []
    for line in server.ssh(inspect).stdout.splitlines():
        name, pid, read_only = line.split()
        status = server.ssh(f"cat /proc/{pid}/status").stdout
        if not is_confined(status, read_only == "true"):
            loose.append(name)
    results.row("not root, no capabilities, read-only root", ", ".join(loose) or "all tasks", not loose)
    code, _ = server.make("status", check=False)
    results.row("`make status`", f"exit {code}", code == 0)


def deploy_under_load(server: Server, results: Results, drill: str, target: str, good: bool) -> None:
    """`make TARGET` while ten requests a second arrive; `good` says whether it must take effect."""
    before = server.serving()
    with Load(SITE) as load:
        time.sleep(3)
        code, seconds = server.make(target, check=False)
        time.sleep(3)
    after, missing = server.serving(), set(load.answered) - server.logged()
    seen = f"exit {code} in {seconds:.0f} s, {'another' if after != before else 'the same'} release serves"
    answers = f"{len(load.answered)} answered, {load.failures()}, longest pause {load.longest_pause():.1f} s"
    as_it_must = (code == 0 and after != before) if good else (code != 0 and after == before)
    results.row(drill, f"{seen}; {answers}", as_it_must and not load.failed and not missing)


def updates(server: Server, results: Results) -> None:
    server.commit(CODE, "\n# the next release\n")
    deploy_under_load(server, results, "update to a new release", "deploy", good=True)
    deploy_under_load(server, results, "`make rollback`", "rollback", good=True)
    server.commit(CODE, "\nraise SystemExit\n")
    deploy_under_load(server, results, "a release that does not start", "deploy", good=False)
    run("git", "revert", "--no-edit", "HEAD", cwd=server.clone, env=os.environ | COMMITTER)
    server.commit(HEALTH, "\n\ndef readyz(request):\n    return error(503, 'never', '')\n")
    deploy_under_load(server, results, "a release that is never ready", "deploy", good=False)
    run("git", "revert", "--no-edit", "HEAD", cwd=server.clone, env=os.environ | COMMITTER)
    (server.clone / "predictions" / "migrations" / "9999_broken.py").write_text(BROKEN_MIGRATION)
    server.commit(CODE, "\n# with a broken migration\n")
    deploy_under_load(server, results, "a release whose migration fails", "deploy", good=False)


COMMITTER = {
    f"GIT_{who}_{what}": "drill@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
BROKEN_MIGRATION = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("predictions", "0002_roles")]
    operations = [migrations.RunSQL("SELECT 1 / 0")]
"""


def kill_a_task(server: Server, results: Results) -> None:
    with Load(SITE) as load:
        time.sleep(3)
        pid = server.ssh("docker inspect -f '{{.State.Pid}}' $(docker ps -qf name=mnistsite_web | head -n 1)")
        run("docker", "exec", SERVER, "kill", "-9", pid.stdout.strip())
        time.sleep(12)
    missing = set(load.answered) - server.logged()
    seen = f"{len(load.answered)} answered, {len(missing)} of them not in the table, {load.failures()}"
    good = not missing and load.longest_pause() < 10
    results.row(
        "kill -9 of one of three web tasks", f"{seen}, longest pause {load.longest_pause():.1f} s", good
    )


def restore(server: Server, results: Results) -> None:
    """From the copy of `make backup`, which must not lie in a release's directory: old ones are removed."""
    counts = "docker exec $(docker ps -qf name=mnistsite_backup) backup counts"
    make = "cd /srv/mnistsite/current && make --no-print-directory"
    copy = "/srv/mnistsite/" + server.ssh(f"{make} backup").stdout.split()[-1]
    before = server.ssh(counts).stdout
    requests.post(f"{SITE}/api/predict", json={"strokes": ONE}, timeout=10)
    server.ssh(f"{make} restore FILE={copy}", input="yes\n")
    changed = changed_tables(before, server.ssh(counts).stdout)
    answer = requests.post(f"{SITE}/api/predict", json={"strokes": ONE}, timeout=30)
    seen = f"{changed or 'same rows and checksums'} as at the backup; {answer.status_code} after it"
    results.row("backup, one more prediction, restore", seen, not changed and answer.status_code == 201)


def main() -> int:
    results = Results("Drills of the stack: one server, three replicas of web, ten requests a second")
    with bare_server() as server:
        for drill in (set_up, firewall, first_deploy, confinement, updates, kill_a_task, restore):
            drill(server, results)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
