"""How many requests one address may send."""

import threading
import time
from contextlib import suppress
from ipaddress import ip_network

from django.http import HttpRequest
from ninja.throttling import SimpleRateThrottle


class RateLimit(SimpleRateThrottle):
    """A token bucket for each address in this process: full, it holds the requests of one period, and it
    fills up again within one. A full one is forgotten, since an address without one starts with that."""

    def __init__(self, rate: str) -> None:
        super().__init__(rate)
        self.buckets: dict[str, tuple[float, float]] = {}  # requests left, and when; the last used come last
        self.lock = threading.Lock()

    def allow_request(self, request: HttpRequest) -> bool:
        address, now = self.get_ident(request) or "", time.monotonic()
        with suppress(ValueError):  # a server on a socket knows no address
            address = household(address)
        most, seconds = float(self.num_requests or 0), float(self.duration or 1)
        with self.lock:
            left, then = self.buckets.pop(address, (most, now))
            left = min(most, left + (now - then) * most / seconds)
            is_allowed = left >= 1
            self.buckets[address] = left - is_allowed, now
            while now - self.buckets[oldest := next(iter(self.buckets))][1] > seconds:
                del self.buckets[oldest]
        return is_allowed

    def wait(self) -> float:
        """Seconds until there is one more request in an empty bucket."""
        return float(self.duration or 1) / max(1, self.num_requests or 0)


def household(address: str) -> str:
    """The address; of IPv6 the first of its /64, which its owner can fill at will. Raises ValueError."""
    return str(ip_network((address, 64 if ":" in address else 32), strict=False)[0])
