"""What strangers send as fast as they can, each request from another address, so that no limit ends it."""

import io
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import requests
from PIL import Image

GUESSERS, PHOTOGRAPHERS = 64, 16  # connections
TWELVE_MEGAPIXELS = 4000, 3000
GRAIN = 10  # makes the photograph's file about 1 MB

Send = Callable[[requests.Session, str], int]  # from that address; the answer's status


def go_on(connections: int, seconds: float, send: Send) -> Counter[int]:
    """On so many connections at once; how often each status was answered."""
    until = time.monotonic() + seconds

    def send_all(connection: int) -> list[int]:
        session, statuses = requests.Session(), list[int]()
        for number in count():
            if time.monotonic() >= until:
                break
            statuses.append(send(session, f"10.{connection}.{number // 250}.{number % 250}"))
        return statuses

    with ThreadPoolExecutor(connections) as pool:
        return Counter(status for statuses in pool.map(send_all, range(connections)) for status in statuses)


def guess_passwords(port: int, seconds: float) -> Counter[int]:
    """Each for another account."""
    url = f"http://127.0.0.1:{port}/admin/login/"

    def guess(session: requests.Session, address: str) -> int:
        if "csrftoken" not in session.cookies and not (page := session.get(url, timeout=60)).ok:
            return page.status_code
        form = {"csrfmiddlewaretoken": session.cookies["csrftoken"], "password": "wrong", "username": address}
        return session.post(url, form, headers={"X-Forwarded-For": address}, timeout=60).status_code

    return go_on(GUESSERS, seconds, guess)


def send_photographs(port: int, seconds: float) -> Counter[int]:
    """Of 12 megapixels and about 1 MB each, with a digit on grainy paper."""
    url, photograph = f"http://127.0.0.1:{port}/api/predict", take_photograph()

    def send(session: requests.Session, address: str) -> int:
        headers = {"X-Forwarded-For": address, "Content-Type": "image/jpeg"}
        return session.post(url, photograph, headers=headers, timeout=60).status_code

    return go_on(PHOTOGRAPHERS, seconds, send)


def send_costly_files(port: int, seconds: float) -> Counter[int]:
    """Of 12 megapixels, and small enough that they come as drawings do."""
    url, file = f"http://127.0.0.1:{port}/api/predict", io.BytesIO()
    page = Image.new("L", TWELVE_MEGAPIXELS, 255)
    page.paste(0, (1900, 1000, 2100, 2000))
    page.save(file, "PNG")

    def send(session: requests.Session, address: str) -> int:
        headers = {"X-Forwarded-For": address, "Content-Type": "image/png"}
        return session.post(url, file.getvalue(), headers=headers, timeout=60).status_code

    return go_on(PHOTOGRAPHERS, seconds, send)


def take_photograph() -> bytes:
    width, height = TWELVE_MEGAPIXELS
    paper = np.random.default_rng(1).normal(210, GRAIN, (height // 4, width // 4)).clip(0, 255)
    picture = Image.fromarray(paper.astype(np.uint8)).resize(TWELVE_MEGAPIXELS, Image.Resampling.BILINEAR)
    picture.paste(30, (width // 2 - 60, height // 4, width // 2 + 60, 3 * height // 4))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return file.getvalue()
