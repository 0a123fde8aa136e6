"""Requests are counted in memory, and reported to Redis in the background."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from adsum.platform.redis import rates
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.rates import Policy, Quotas, RateLimits
from adsum.platform.redis.shards import Shard
from tests.support.waiting import until

NOBODY_LISTENS = "redis://127.0.0.1:1/0"


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def limits_on(url: str, quotas: Quotas, now: Time | None = None) -> AsyncGenerator[RateLimits]:
    redis = open_redis(url, connections=4, socket_timeout=1)
    limits = RateLimits(Shard(0, redis, "test:"), quotas, now=now or Time())
    yield limits
    await limits.close()
    await redis.aclose()


def allowed(limits: RateLimits, subject: str, kind: str = "key") -> bool:
    return not any(each.is_exceeded for each in limits.spend(kind, subject))


async def left_to(limits: RateLimits, subject: str, most: int) -> bool:
    return limits.spend("key", subject)[0].remaining < most


async def has_failed(limits: RateLimits) -> bool:
    return limits.is_paused


async def test_a_subject_has_its_quota_in_each_window() -> None:
    time = Time()
    async with limits_on(NOBODY_LISTENS, Quotas(key=3), time) as limits:
        assert [limits.spend("key", "7")[0].remaining for _ in range(3)] == [2, 1, 0]
        refused = limits.spend("key", "7")[0]
        assert (refused.is_exceeded, refused.remaining) == (True, 0)
        assert allowed(limits, "8"), "a flood of one key does not refuse another"
        assert allowed(limits, "7", "user"), "without a quota nothing is refused"
        time.now += refused.seconds
        assert allowed(limits, "7")


def test_windows_are_the_same_in_all_processes_and_differ_by_subject() -> None:
    policy = Policy("key", 3)
    ends = {policy.end_of(policy.window_at(1_000_000, f"key-{number}"), f"key-{number}") for number in range(50)}
    assert len(ends) > 20
    assert all(1_000_000 < end <= 1_000_060 for end in ends)


async def test_costly_requests_count_twice() -> None:
    async with limits_on(NOBODY_LISTENS, Quotas(key=10, costly=1)) as limits:
        first = limits.spend("key", "7", is_costly=True)
        assert [(each.policy.name, each.remaining) for each in first] == [("key", 9), ("costly", 0)]
        second = limits.spend("key", "7", is_costly=True)
        assert [each.is_exceeded for each in second] == [False, True]
        assert [each.is_exceeded for each in limits.spend("user", "7", is_costly=True)] == [False]
        assert allowed(limits, "7")


async def test_processes_share_a_quota(redis_url: str) -> None:
    time = Time()
    async with limits_on(redis_url, Quotas(key=100), time) as one, limits_on(redis_url, Quotas(key=100), time) as other:
        for _ in range(60):
            assert allowed(one, "7")
        assert allowed(other, "7")
        assert allowed(other, "7")
        # Its second request makes up a fiftieth of the quota: it reports, and learns of the 60 of the other process.
        await until(lambda: left_to(other, "7", 50))
        while allowed(other, "7"):
            pass
        assert allowed(one, "7")
        await until(lambda: left_to(one, "7", 1))
        assert not allowed(one, "7")


async def test_without_redis_each_process_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "REPORT_EVERY_S", 0.01)
    async with limits_on(NOBODY_LISTENS, Quotas(key=3)) as limits:
        assert allowed(limits, "7")
        await until(lambda: has_failed(limits))
        assert [allowed(limits, "7") for _ in range(3)] == [True, True, False]


async def test_subjects_without_requests_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_SUBJECTS", 10)
    async with limits_on(NOBODY_LISTENS, Quotas(address=1_000)) as limits:
        for number in range(100):
            limits.spend("address", str(number))
        assert limits.subjects <= 10
