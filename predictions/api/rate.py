"""How much one address may take: milliseconds of a processor, not requests, and bytes of the disk."""

import hashlib
import hmac
import logging
import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from predictions.database.outage import outage
from predictions.models import Spending

logger = logging.getLogger(__name__)
SECONDS_AT_ONCE = 5  # of the work that is allowed in that time a sender may use up at once
DAY = 86_400
SECONDS_BETWEEN_SHARES = 1.0
SECONDS_BETWEEN_CLEANINGS = 60.0
SECONDS_KEPT = 60.0
SHARED_FROM = 0.02  # of what may be used up at once; less is not worth a row


@dataclass
class Account:
    """A sender's debt at a moment; it is paid back as time goes by."""

    debt: float
    at: float
    unshared: float = 0.0
    total: float | None = None  # of all processes, when it was shared last


class Limit:
    """Each address has a debt, which its requests raise by what they took and time lowers by `rate` a second.
    Whoever owes more than `most` is refused.

    Once a second one request adds what this process has counted to a table, and learns there what the others
    have. So the limit is one for all processes and machines (docs/performance.md says what that costs).
    """

    def __init__(self, of: str, most: float, seconds: float) -> None:
        self.of, self.most, self.rate = of, most, most / seconds
        self.accounts: dict[str, Account] = {}  # whoever came last comes last
        self.share_at = self.clean_at = 0.0
        self._lock, self._sharing = threading.Lock(), threading.Lock()

    def seconds_to_wait(self, sender: str) -> int:
        """0 for a sender that may go on."""
        with self._lock:
            account = self.accounts.get(sender)
            owed = self._owed(account, time.monotonic()) if account else 0.0
        excess = owed - self.most
        return math.ceil(excess / self.rate) if excess > 0 else 0

    def spend(self, sender: str, amount: float) -> None:
        now = time.monotonic()
        with self._lock:
            account = self.accounts.pop(sender, None) or Account(0.0, now)
            account.debt, account.at = self._owed(account, now) + amount, now
            account.unshared += amount
            self.accounts[sender] = account
            self._forget_the_paid(now)
        if now > self.share_at and self._sharing.acquire(blocking=False):
            try:
                self._share(now)
            finally:
                self._sharing.release()

    def _owed(self, account: Account, now: float) -> float:
        return max(0.0, account.debt - (now - account.at) * self.rate)

    def _forget_the_paid(self, now: float) -> None:
        """Later than the debt is paid, or what the other processes counted meanwhile would not be learned.
        Two of the oldest for each that comes, so that they become fewer; who owes still goes to the end."""
        for name in list(islice(self.accounts, 2)):
            if self.accounts[name].at < now - SECONDS_KEPT:
                account = self.accounts.pop(name)
                if self._owed(account, now):
                    self.accounts[name] = account

    def _share(self, now: float) -> None:
        """While the database is away, each process limits alone."""
        self.share_at = now + SECONDS_BETWEEN_SHARES
        with self._lock:
            spent = {
                name: account.unshared
                for name, account in self.accounts.items()
                if account.unshared >= SHARED_FROM * self.most
            }
        keys = {name: key(f"{self.of} {name}") for name in spent}
        try:
            totals = Spending.objects.add({keys[name]: spent[name] for name in spent}) if spent else {}
            if now > self.clean_at:
                self.clean_at = now + SECONDS_BETWEEN_CLEANINGS
                Spending.objects.all().forget()
        except Error as problem:
            if not outage.has_been_told():
                logger.warning("What addresses spend is not shared: %s", problem)
            return
        with self._lock:
            for name, amount in spent.items():
                self._learn(name, amount, totals[keys[name]])

    def _learn(self, name: str, amount: float, total: float) -> None:
        if (account := self.accounts.get(name)) is None:
            return
        if account.total is not None:  # else nobody knows when the others spent what they have
            account.debt += max(0.0, total - account.total - amount)
        account.unshared -= amount
        account.total = total


def key(sender: str) -> UUID:
    """What a sender is called in the table, from which nobody can tell the address."""
    secret = settings.SECRET_KEY.encode()[:64]
    return UUID(bytes=hashlib.blake2b(sender.encode(), digest_size=16, key=secret).digest())


def is_page(request: HttpRequest) -> bool:
    """Whether our page asks, which proves itself by the secret that both know."""
    proof = request.META.get("HTTP_X_PAGE_SECRET", "")
    return bool(settings.PAGE_SECRET) and hmac.compare_digest(proof.encode(), settings.PAGE_SECRET.encode())


def sender(request: HttpRequest) -> str:
    """The address that a request comes from, or the household that it stands for: as the page tells it, or as
    many proxies as are trusted."""
    told = request.META.get("HTTP_X_FORWARDED_FOR", "")
    address = told.strip() if told and is_page(request) else BaseThrottle().get_ident(request) or ""
    try:
        return household(address)
    except ValueError:  # a server on a socket knows no address
        return address


@lru_cache(10_000)
def household(address: str) -> str:
    """The address; of IPv6 the first of its /64, which its owner can fill at will, unless it is one of IPv4
    that a server of both writes so. Raises ValueError."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False)[0])
    return str(found)


work = Limit("work", settings.API_WORK * SECONDS_AT_ONCE, SECONDS_AT_ONCE)  # milliseconds
stored = Limit("stored", settings.API_MB_A_DAY * 1e6, DAY)  # bytes
