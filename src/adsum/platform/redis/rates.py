"""Limits the requests of each API key, user and address.

A request is decided from the memory of this process and waits for nothing. In the background, the process adds what it
has counted to a counter in Redis, which all processes share, and learns what the others have counted. It does so once
the requests of a subject make up `1 / SHARE` of their quota, so that most requests cost Redis nothing. Together,
`n` processes can therefore exceed a quota by `n / SHARE` of it, and by what arrives within `REPORT_EVERY_S`.

During an outage of Redis each process allows the quota by itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from zlib import crc32

from limits import RateLimitItem, RateLimitItemPerSecond

from adsum.platform.cancellation import end
from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.windows import OUTAGE_PAUSE_S, shared_windows
from adsum.platform.telemetry import logger

WINDOW_S = 60
SHARE = 50
REPORT_EVERY_S = 0.2
# Subjects that are remembered. Of more, those seen first are forgotten: an attacker has many addresses.
MAX_SUBJECTS = 100_000
# The prefix of the keys `…:key/…`, `…:user/…`, `…:address/…` and `…:costly/…`.
RATES = "request-rates"
COSTLY = "costly"

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Quotas:
    """Requests of one subject in a window. 0: any number. `costly`: exports, imports and reports of a key or a user."""

    key: int = 0
    user: int = 0
    address: int = 0
    costly: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A limit: `quota` requests of a subject in each window of `seconds`."""

    name: str
    quota: int
    seconds: int = WINDOW_S

    @property
    def item(self) -> RateLimitItem:
        return RateLimitItemPerSecond(self.quota, self.seconds, namespace=self.name)

    @property
    def reported_from(self) -> int:
        """The number of requests that is worth a call to Redis."""
        return max(1, self.quota // SHARE)

    def window_at(self, now: float, subject: str) -> int:
        """The number of the window in which a moment is, the same in all processes.

        Windows of different subjects begin at different times, so that not all clients return at once.
        """
        return int(now + self._offset(subject)) // self.seconds

    def end_of(self, window: int, subject: str) -> int:
        """The moment at which a window ends."""
        return (window + 1) * self.seconds - self._offset(subject)

    def _offset(self, subject: str) -> int:
        return crc32(subject.encode(errors="replace")) % self.seconds


@dataclass(frozen=True, slots=True)
class Allowance:
    """The rest of the quota of a subject.

    Attributes:
        policy: that applies to the request.
        remaining: requests until the end of the window.
        seconds: until the end of the window.
        is_exceeded: the request is refused.
    """

    policy: Policy
    remaining: int
    seconds: int
    is_exceeded: bool


@dataclass(slots=True)
class _Window:
    """A window of a subject.

    Attributes:
        number, ends_at: see `Policy`.
        reported: requests of all processes, as of the last report.
        unreported: requests of this process since then.
        is_logged: whether the log says that the quota is exceeded.
    """

    number: int
    ends_at: float
    reported: int = 0
    unreported: int = 0
    is_logged: bool = False


class RateLimits:
    """Counts requests.

    Args:
        home: has the counters that all processes share.
        quotas: of the settings.
        count_exceeded: is called with the name of the policy for each refused request.
        now: the clock, in seconds since 1970.
    """

    def __init__(
        self,
        home: Shard,
        quotas: Quotas,
        *,
        count_exceeded: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        named = {"key": quotas.key, "user": quotas.user, "address": quotas.address, COSTLY: quotas.costly}
        self._policies = {name: Policy(name, quota) for name, quota in named.items() if quota}
        self._shared = shared_windows(home, RATES)
        self._count_exceeded = count_exceeded
        self._now = now
        self._windows: dict[tuple[str, str], _Window] = {}
        self._due: dict[tuple[str, str], None] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._paused_until = 0.0

    @property
    def subjects(self) -> int:
        """The number of subjects in memory, each counted once for each policy."""
        return len(self._windows)

    @property
    def is_paused(self) -> bool:
        """Whether Redis was away at the last report."""
        return self._now() < self._paused_until

    def spend(self, kind: str, subject: str, *, is_costly: bool = False) -> list[Allowance]:
        """Counts a request, and returns what is left under each policy that applies. A refused request does not count.

        Args:
            kind: `key`, `user` or `address`.
            subject: its id, or the address.
            is_costly: whether the request counts as costly, too.
        """
        names = (kind, COSTLY) if is_costly else (kind,)
        found = [self._policies[name] for name in names if name in self._policies]
        return [self._spend(policy, f"{kind}-{subject}") for policy in found]

    async def close(self) -> None:
        """Stops reporting."""
        if self._reporting is not None:
            await end([self._reporting])

    def _spend(self, policy: Policy, subject: str) -> Allowance:
        now, key = self._now(), (policy.name, subject)
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            window = self._open(key, policy, now)
        left = policy.quota - window.reported - window.unreported
        seconds = max(1, math.ceil(window.ends_at - now))
        if left < 1:
            self._refuse(policy, subject, window)
            return Allowance(policy, 0, seconds, is_exceeded=True)
        window.unreported += 1
        if window.unreported >= policy.reported_from:
            self._report_soon(key)
        return Allowance(policy, left - 1, seconds, is_exceeded=False)

    def _open(self, key: tuple[str, str], policy: Policy, now: float) -> _Window:
        """A new window. Forgets two that have ended, and those opened first if there are too many."""
        self._windows.pop(key, None)
        for _ in range(2):
            first = next(iter(self._windows), None)
            if first is not None and (self._windows[first].ends_at <= now or len(self._windows) >= MAX_SUBJECTS):
                del self._windows[first]
        number = policy.window_at(now, key[1])
        window = self._windows[key] = _Window(number, policy.end_of(number, key[1]))
        return window

    def _refuse(self, policy: Policy, subject: str, window: _Window) -> None:
        self._count_exceeded(policy.name)
        if not window.is_logged:
            window.is_logged = True
            # An address is personal data.
            who = {} if subject.startswith("address-") else {"actor": subject}
            log.warning("too many requests", policy=policy.name, quota=policy.quota, **who)

    def _report_soon(self, key: tuple[str, str]) -> None:
        self._due[key] = None
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report_until_idle(), context=Context())

    async def _report_until_idle(self) -> None:
        while self._due:
            await asyncio.sleep(REPORT_EVERY_S)
            if self._now() >= self._paused_until:
                due, self._due = list(self._due), {}
                await asyncio.gather(*(self._report(key) for key in due))

    async def _report(self, key: tuple[str, str]) -> None:
        window, (name, subject) = self._windows.get(key), key
        if window is None or window.ends_at <= self._now():
            return
        policy, amount = self._policies[name], window.unreported
        window.unreported, window.reported = 0, window.reported + amount
        try:
            async with redis_deadline():
                with translated():
                    await self._shared.hit(policy.item, subject, str(window.number), cost=amount)
                    stats = await self._shared.get_window_stats(policy.item, subject, str(window.number))
        except QueueOutage:
            # Redis may have counted them: they are not reported again.
            self._paused_until = self._now() + OUTAGE_PAUSE_S
            return
        window.reported = max(window.reported, policy.quota - stats.remaining)
