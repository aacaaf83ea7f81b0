"""`make drill-compose`: builds the compose file from nothing, breaks it in every way, and says what was seen.

It runs in a copy of the checkout, under a project name, ports and volumes of its own, and takes them
away afterwards. Needs a Docker engine that may be asked without sudo, and Chromium.
"""

import json
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from benchmarks.compose_copy import PORTS, PROJECT, RELEASES, Stack, copied_checkout
from benchmarks.drilling import (
    CODE,
    HEALTH,
    INTRANET,
    ONE,
    Load,
    Results,
    browser_page,
    changed_tables,
    draw_in_browser,
    draw_one,
    is_confined,
)

SITE = f"http://localhost:{PORTS['HTTP_PORT']}"
SECURE_SITE = f"https://{INTRANET}:{PORTS['HTTPS_PORT']}"
# The true label of one drawing, and what a training outside would be made from.
EXPORT = """set -e
printf 'id,true_label\\n%s,1\\n' "$1" > /tmp/labels.csv
python manage.py import_labels /tmp/labels.csv --operator admin > /dev/null
python manage.py export_labels --format parquet --output /tmp/dataset > /dev/null
cd /tmp/dataset && find . -type f -printf '%f '
"""
SERVICES = ["db", "web", "worker", "ui", "proxy", "backup"]


def others_ports() -> set[int]:
    """The ports that other processes of this machine listen on (TCP; asks as root)."""
    listeners = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listeners.splitlines() if "docker-proxy" not in line]
    return {int(line.split()[3].rsplit(":", 1)[1]) for line in lines}


def open_ports(spared: set[int]) -> set[int]:
    """The TCP ports of the loopback address that somebody answers on; those of others are left alone."""
    return {port for port in range(1, 65_536) if port not in spared and is_open(port)}


def is_open(port: int) -> bool:
    """Among the ports that the kernel hands out, a probe may meet itself."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()


def build_and_start(stack: Stack, results: Results) -> None:
    stack.run("deploy/make-env")
    started = time.monotonic()
    stack.compose("build", "--no-cache")
    results.row("clean build of all images, pip's downloads cached", f"{time.monotonic() - started:.0f} s")
    stack.append(CODE, "\n# changed\n")
    started = time.monotonic()
    stack.compose("build", "web")
    results.row("build after a change of the code", f"{time.monotonic() - started:.1f} s")
    results.row(
        "sizes", ", ".join(f"{name} {stack.size(name)} MB" for name in ("web", "ui", "proxy", "backup"))
    )
    seconds = stack.up()
    results.row("`up` on an empty machine until all is healthy", f"{seconds:.0f} s", seconds < 60)
    opened = open_ports(others_ports()) - others_ports()
    ours = {int(port) for port in PORTS.values()}
    results.row("a scan of all TCP ports, but for other programs'", str(sorted(opened)), opened == ours)


def admin_password(stack: Stack) -> str:
    return (stack.directory / "secrets" / "admin_password").read_text()


def use_it(stack: Stack, results: Results) -> None:
    answer = requests.post(f"{SITE}/api/predict", json={"strokes": ONE}, timeout=10)
    results.row(
        "a digit predicted through the proxy", f"{answer.status_code}, {answer.json()['digit']}", answer.ok
    )
    path = f"{SITE}/api/predictions/{answer.json()['id']}/feedback"
    feedback = requests.post(path, json={"label": 1}, timeout=10)
    results.row("feedback", str(feedback.status_code), feedback.ok)
    exported = stack.compose("exec", "-T", "web", "sh", "-c", EXPORT, "sh", answer.json()["id"])
    results.row("its label imported, the data set exported", exported, ".parquet" in exported)
    visit = draw_in_browser(SITE, admin_password(stack), stack.directory / "page.png")
    results.row("a browser draws on the page, logs in to the admin", visit.seen(), not visit.complaints)
    private = ["/metrics", "/readyz", "/_stcore/metrics", "//_stcore/metrics", "/%5Fstcore/metrics"]
    statuses = [requests.get(SITE + path, timeout=10).status_code for path in private]
    results.row("metrics and health from outside", str(statuses), set(statuses) == {404})


def container_is_confined(container: dict[str, Any]) -> bool:
    status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
    return is_confined(status, container["HostConfig"]["ReadonlyRootfs"])


def confinement(stack: Stack, results: Results) -> None:
    loose = [name for name in SERVICES if not all(map(container_is_confined, stack.containers(name)))]
    results.row(
        "not root, no capabilities, read-only root",
        ", ".join(name for name in SERVICES if name not in loose),
        not loose,
    )
    probe = ["docker", "compose", "exec", "-T", "proxy", "nc", "-z", "-w", "2", "db", "5432"]
    result = subprocess.run(probe, cwd=stack.directory, env=stack.environment, capture_output=True)
    results.row(
        "the proxy reaches the database", "no" if result.returncode else "yes", result.returncode != 0
    )


def scale(stack: Stack, results: Results) -> None:
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
    results.row(
        "`--scale web=3`", f"all three answered; {len(load.answered)} answers, {load.failures()}", good
    )


def kill_each(stack: Stack, results: Results) -> None:
    """kill -9 of every container's first process, from outside, so that the engine calls it a crash."""
    for service in SERVICES:
        with Load(SITE) as load:
            time.sleep(2)
            victim = stack.containers(service)[0]
            subprocess.run(["kill", "-9", str(victim["State"]["Pid"])], check=True)
            healthy_after = seconds_until_healthy(stack, victim)
            time.sleep(max(3, 12 - healthy_after))
        missing = set(load.answered) - stack.logged()
        seen = f"{len(load.answered)} answered, {len(missing)} of them not in the table, {load.failures()}"
        seen += f", longest pause {load.longest_pause():.1f} s, healthy after {healthy_after:.1f} s"
        good = not missing and load.longest_pause() < 10 and healthy_after < 10
        results.row(f"kill -9 {service}", seen, good)


def seconds_until_healthy(stack: Stack, victim: dict[str, Any]) -> float:
    started = time.monotonic()
    while time.monotonic() < started + 60:
        state = json.loads(stack.run("docker", "inspect", victim["Id"]))[0]["State"]
        if state["Pid"] not in (0, victim["State"]["Pid"]) and state["Health"]["Status"] == "healthy":
            break
        time.sleep(0.2)
    return time.monotonic() - started


def down_and_up(stack: Stack, results: Results) -> None:
    before = stack.counts()
    stack.compose("down")
    seconds = stack.up()
    changed = changed_tables(before, stack.counts())
    results.row("`down` and `up`", f"back in {seconds:.0f} s, {changed or 'same rows'}", not changed)


def lose_the_database(stack: Stack, results: Results) -> None:
    """With its backups; there remains the copy that `make backup` has put beside the checkout."""
    ours = "BACKUP=docker compose ps -q backup"
    copy = stack.run("make", "--no-print-directory", "backup", ours).splitlines()[-1]
    before = stack.counts()
    stack.compose("rm", "-sf", "db", "backup")
    stack.run("docker", "volume", "rm", f"{PROJECT}_database", f"{PROJECT}_backups")
    stack.up("--scale", "web=3")
    started = time.monotonic()
    stack.run("deploy/restore", copy, answer="yes\n")
    seconds = time.monotonic() - started
    changed = changed_tables(before, stack.counts())
    servers = len(stack.containers("web"))
    seen = f"restored in {seconds:.0f} s, {changed or 'same rows and checksums'}, {servers} of 3 web serve"
    results.row("backup, both volumes destroyed, restore", seen, not changed and servers == 3)


def update(stack: Stack, results: Results) -> None:
    """Under one name of the images, as on a server of one machine; to one web server, and to three."""
    for servers in (1, 3):
        stack.up("--scale", f"web={servers}")
        proxy = stack.containers("proxy")[0]["Id"]
        stack.append(CODE, f"\n# the next release, of {servers}\n")
        before = stack.images()
        with Load(SITE) as load:
            time.sleep(2)
            stack.run("make", "update")
            time.sleep(3)
        missing, after = set(load.answered) - stack.logged(), stack.images()
        seen = f"{len(load.answered)} answered, {load.failures()}, longest pause {load.longest_pause():.1f} s"
        good = len(after) == servers and not set(before) & set(after) and not load.failed and not missing
        good = good and proxy == stack.containers("proxy")[0]["Id"]
        results.row(f"`make update` of {servers} web to a new image", seen, good)


def broken_update(stack: Stack, results: Results, drill: str, file: str, text: str) -> None:
    """The containers stay, and what `up` would start next is what served before."""
    whole = (stack.directory / file).read_text()
    stack.append(file, text)
    before = [container["Id"] for container in stack.containers("web")]
    with Load(SITE) as load:
        result = subprocess.run(
            ["make", "update"], cwd=stack.directory, env=stack.environment, capture_output=True, text=True
        )
        time.sleep(3)
    stack.up("--scale", "web=3")
    same = sorted(before) == sorted(container["Id"] for container in stack.containers("web"))
    (stack.directory / file).write_text(whole)
    said = [line for line in result.stderr.splitlines() if line.startswith("update: ")]
    seen = f"{'refused' if result.returncode and same else 'taken'} ({' '.join(said)}); "
    seen += f"{len(load.answered)} answered, {load.failures()}"
    results.row(f"`make update` to {drill}", seen, bool(result.returncode) and same and not load.failed)


def broken_updates(stack: Stack, results: Results) -> None:
    broken_update(stack, results, "an image that does not build", "constraints.txt", "\nnumpy==0\n")
    broken_update(stack, results, "an image that does not start", CODE, "\nraise SystemExit(3)\n")
    never = "\n\ndef readyz(request):\n    return error(503, 'never', '')\n"
    broken_update(stack, results, "an image that is never ready", HEALTH, never)


# Another visitor: a container on the proxy's network, which says that it is somebody else at every request.
FLOOD = """
import http.client
statuses = []
connection = http.client.HTTPConnection("proxy")
for number in range(1000):
    headers = {"Host": "localhost", "X-Forwarded-For": f"10.0.{number // 250}.{number % 250}"}
    connection.request("GET", "/api/stats", headers=headers)
    answer = connection.getresponse()
    answer.read()
    statuses.append(answer.status)
print(statuses.count(429))
"""


def limit_for_each_visitor(stack: Stack, results: Results) -> None:
    """At 4 ms of work a second: a client that floods is stopped, whatever address it claims; others are
    not."""
    override = "services: {web: {environment: {API_WORK: 4, WEB_WORKERS: 1}}}\n"
    (stack.directory / "docker-compose.override.yml").write_text(override)
    stack.up("--scale", "web=1")
    network = f"{PROJECT}_public"
    image = f"mnistsite-web:{RELEASES['RELEASE']}"
    refused = int(stack.run("docker", "run", "--rm", "--network", network, image, "python", "-c", FLOOD))
    spared = draw_and_read(SITE)
    for _ in range(300):  # refusals are work too, and defer the end of the refusal
        requests.get(f"{SITE}/api/stats", timeout=10)
    limited = draw_and_read(SITE)
    seen = f"{refused} of 1,000 refused; another visitor's drawing {spared}, the flooder's {limited}"
    holds = refused > 500 and (spared, limited) == ("answered", "refused")
    results.row("limit for each visitor", seen, holds)
    (stack.directory / "docker-compose.override.yml").unlink()


def draw_and_read(site: str) -> str:
    with browser_page() as page:
        page.goto(site)
        draw_one(page)
        said = page.get_by_text("What the model saw").or_(page.get_by_text("more than the recogniser takes"))
        said.first.wait_for(timeout=20_000)
        return "refused" if "more than" in said.first.inner_text() else "answered"


def encrypt(stack: Stack, results: Results) -> None:
    """With a domain name everything is HTTPS; for a name of an intranet Caddy itself is the authority."""
    stack.environment |= {"DOMAIN": INTRANET}
    stack.up()
    authority = stack.directory / "root.crt"
    path = "/var/lib/caddy/pki/authorities/local/root.crt"
    authority.write_text(stack.compose("exec", "-T", "proxy", "cat", path))
    plain = requests.get(SITE, headers={"Host": INTRANET}, allow_redirects=False, timeout=10)
    issuer = certificates_issuer(authority)
    seen = f"HTTP is answered {plain.status_code}; the certificate is by {issuer}"
    results.row("with a domain name", seen, plain.status_code == 308)
    visit = draw_in_browser(SECURE_SITE, admin_password(stack), stack.directory / "secure.png")
    results.row("a browser draws and logs in by HTTPS", visit.seen(), not visit.complaints)
    cookies = ", ".join(
        f"{name} {'secure' if secure else 'not secure'}" for name, secure in visit.cookies.items()
    )
    good = len(visit.hsts) == 1 and "max-age=" in min(visit.hsts) and all(visit.cookies.values())
    good = good and {"sessionid", "csrftoken"} <= set(visit.cookies)
    results.row("HSTS and cookies", f"{'; '.join(visit.hsts)}; {cookies}", good)


def certificates_issuer(authority: Path) -> str:
    """The signer of the certificate, which must be good for the name; raises ssl.SSLError otherwise."""
    context = ssl.create_default_context(cafile=str(authority))
    address = ("127.0.0.1", int(PORTS["HTTPS_PORT"]))
    plain = socket.create_connection(address, 10)
    with context.wrap_socket(plain, server_hostname=INTRANET) as secure:
        certificate: dict[str, Any] = secure.getpeercert() or {}
    names = dict(pair for entry in certificate["issuer"] for pair in entry)
    return str(names["commonName"])


DRILLS = [
    build_and_start,
    use_it,
    confinement,
    kill_each,
    scale,
    down_and_up,
    lose_the_database,
    update,
    broken_updates,
    limit_for_each_visitor,
    encrypt,
]


def main() -> int:
    results = Results("Drills of docker-compose.yml, ten requests a second wherever a load is named")
    with copied_checkout() as stack:
        for drill in DRILLS:
            drill(stack, results)
    return results.exit_code()


if __name__ == "__main__":
    sys.exit(main())
