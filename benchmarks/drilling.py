"""Shared by the drills: a bounded load, a visitor with a real browser, and the table of results."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import requests
from playwright.sync_api import Page, Response, sync_playwright

CHROMIUM = "/usr/bin/chromium"
INTRANET = "digits.internal"  # a name that no public authority certifies
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    f"--host-resolver-rules=MAP {INTRANET} 127.0.0.1",
]
LOG = "/admin/predictions/prediction/"
PAGES = [LOG, f"{LOG}queue/", f"{LOG}grid/", "/admin/auth/user/1/change/", "/api/docs"]
A_SECOND = 10  # requests
AT_MOST = 6_000  # requests of one load
TIMETABLES = ("procrastinate_", "predictions_driftmonitor")  # tables
# Files of the web server that the drills change.
CODE, HEALTH = "predictions/api/views.py", "predictions/api/health.py"
ONE = [[[140, 40], [138, 140], [136, 240]]]


class Results:
    """The table, printed row by row; failures are remembered."""

    def __init__(self, title: str) -> None:
        self.bad: list[str] = []
        print(f"{title}\n\n| drill | seen | as it must be |\n| --- | --- | --- |", flush=True)

    def row(self, drill: str, seen: str, good: bool = True) -> None:
        print(f"| {drill} | {seen} | {'yes' if good else '**NO**'} |", flush=True)
        if not good:
            self.bad.append(drill)

    def exit_code(self) -> int:
        print(f"\n{len(self.bad)} of the drills failed." if self.bad else "\nAll as it must be.")
        return 1 if self.bad else 0


class Load:
    """Ten predictions a second to a site on this machine, while the `with` block runs.

    `answered` has the id of every prediction that was answered with 201, and when (monotonic seconds);
    `failed` has when each other request was sent and what came of it.
    """

    def __init__(self, site: str) -> None:
        assert site.startswith(("http://localhost:", "http://127.0.0.1:")), "a load stays on this machine"
        self.site = site
        self.answered: dict[str, float] = {}
        self.failed: list[tuple[float, str]] = []
        self.started = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send_all)
        self._connections = threading.local()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _send_all(self) -> None:
        with ThreadPoolExecutor(64) as pool:
            for number in range(AT_MOST):
                due = self.started + number / A_SECOND
                if self._stopped.wait(max(0, due - time.monotonic())):
                    break
                pool.submit(self._send)

    def _send(self) -> None:
        if not hasattr(self._connections, "session"):
            self._connections.session = requests.Session()
        sent, prediction = time.monotonic(), str(uuid.uuid4())
        body = {"id": prediction, "strokes": ONE}
        try:
            answer = self._connections.session.post(f"{self.site}/api/predict", json=body, timeout=60)
        except requests.RequestException as problem:
            self.failed.append((sent, type(problem).__name__))
            return
        if answer.status_code == 201:
            self.answered[prediction] = time.monotonic()
        else:
            self.failed.append((sent, str(answer.status_code)))

    def longest_pause(self, since: float = 0) -> float:
        """Seconds between two answers that followed each other, at the most."""
        times = sorted(moment for moment in self.answered.values() if moment >= since)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def failures(self) -> str:
        kinds = sorted({kind for _, kind in self.failed})
        return f"{len(self.failed)} failed" + (f" ({', '.join(kinds)})" if kinds else "")


@dataclass
class Visit:
    """A browser's complaints, the cookies that it holds, and the HSTS header of every document."""

    complaints: list[str] = field(default_factory=list)
    cookies: dict[str, bool] = field(default_factory=dict)  # name, and whether it is for HTTPS only
    hsts: set[str] = field(default_factory=set)

    def listen_to(self, page: Page) -> None:
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        page.on("response", self._note)

    def _note(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self.hsts.add(response.headers.get("strict-transport-security", "none"))

    def seen(self) -> str:
        return "; ".join(self.complaints)[:300] or "predicted, logged in, no complaint of the browser"


@contextmanager
def browser_page() -> Iterator[Page]:
    """A real browser; whether a certificate is good is checked elsewhere."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser.new_page(ignore_https_errors=True)
        browser.close()


def draw_in_browser(site: str, admin_password: str, screenshot: Path) -> Visit:
    """Draw a one on the page, log in to the admin and open its pages."""
    visit = Visit()
    with browser_page() as page:
        visit.listen_to(page)
        page.goto(site)
        draw_one(page)
        page.locator(".st-key-answer").get_by_text("What the model saw").wait_for(timeout=20_000)
        page.screenshot(path=screenshot)
        log_in(page, site, admin_password)
        for path in PAGES:
            page.goto(site + path)
            page.wait_for_load_state("networkidle")
        visit.cookies = {cookie["name"]: cookie["secure"] for cookie in page.context.cookies()}
    return visit


def draw_one(page: Page) -> None:
    canvas = page.locator("canvas").first
    canvas.wait_for(timeout=30_000)
    box = canvas.bounding_box()
    assert box
    x, top, height = box["x"] + box["width"] / 2, box["y"], box["height"]
    page.mouse.move(x, top + 0.15 * height)
    page.mouse.down()
    page.mouse.move(x, top + 0.85 * height, steps=20)
    page.mouse.up()


def log_in(page: Page, site: str, password: str) -> None:
    page.goto(f"{site}/admin/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{site}/admin/")


def changed_tables(before: str, after: str) -> str:
    """Names of the tables with other rows, but for those that the worker writes by its timetable."""
    lines = set(before.splitlines()) ^ set(after.splitlines())
    tables = {line.split("|")[0].removeprefix("public.") for line in lines}
    return ", ".join(sorted(name for name in tables if not name.startswith(TIMETABLES)))


def is_confined(status: str, read_only: bool) -> bool:
    """Not root, no capability, no way to a new one, nothing to write on but volumes and memory.

    `status` is the text of /proc/PID/status of the container's first process.
    """
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return (
        facts["Uid"].split()[0] != "0"
        and int(facts["CapEff"], 16) == 0
        and facts["NoNewPrivs"] == "1"
        and read_only
    )
