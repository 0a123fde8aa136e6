"""Which actor has seen the primary, and until when."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from adsum.platform.redis import last_writes
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.last_writes import LastWrites
from tests.support.servers.valkey import tell, temporary_valkey, url_of
from tests.support.waiting import until


@dataclass
class Clock:
    """A time that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def two_processes(redis: Redis, clock: Clock) -> AsyncGenerator[tuple[LastWrites, LastWrites]]:
    here, there = (LastWrites(redis, key_prefix="x:", seconds=60, now=clock) for _ in range(2))
    yield here, there
    await here.close()
    await there.close()


async def test_every_process_knows_until_when_an_actor_has_seen_the_primary(redis: Redis) -> None:
    clock = Clock()
    async with two_processes(redis, clock) as (here, there):
        begin = await here.seen_at("user-7")
        clock.now += 5
        await here.note("user-7")
        clock.now += 5
        assert await there.seen_at("user-7") == 1006.0  # a second ahead
        assert await there.seen_at("user-8") == begin == 1000.0
        assert 0 < await redis.ttl("x:seen-primary:user-7") <= 61
        assert await redis.ttl("x:seen-primary:everybody") > 60


async def test_a_key_that_acts_for_people_finds_what_it_has_written_for_each(redis: Redis) -> None:
    clock = Clock()
    async with two_processes(redis, clock) as (here, there):
        assert await there.seen_at("user-7") == 1000.0
        clock.now += 5
        await here.note("key-3")
        assert await there.seen_at("key-3-user-7") == 1006.0
        assert await there.seen_at("user-7") == 1000.0


async def test_many_requests_of_an_actor_are_one_command_in_a_second(redis: Redis) -> None:
    clock = Clock()
    async with two_processes(redis, clock) as (here, _):
        await here.note("user-7")
        await redis.delete("x:seen-primary:user-7")
        clock.now += 1
        await here.note("user-7")
        assert await redis.get("x:seen-primary:user-7") is None
        clock.now += 0.1
        await here.note("user-7")
        assert await redis.get("x:seen-primary:user-7") == "1002.1"


async def test_only_actors_of_the_last_second_are_remembered(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_writes, "_REMEMBERED", 2)
    clock = Clock()
    async with two_processes(redis, clock) as (here, _):
        for number in range(9):
            clock.now += 2
            await here.note(f"user-{number}")
            assert len(here._noted) <= 3  # pyright: ignore[reportPrivateUsage]


async def test_a_message_of_a_stream_is_noted_without_waiting(redis: Redis) -> None:
    clock = Clock()
    async with two_processes(redis, clock) as (here, there):
        for _ in range(3):
            here.note_soon("user-7")

        async def is_noted() -> bool:
            return await redis.get("x:seen-primary:user-7") == "1001.0"

        await until(is_noted)
        assert await there.seen_at("user-7") == 1001.0


async def test_after_redis_has_lost_its_data_everybody_reads_from_the_primary(redis: Redis) -> None:
    clock = Clock()
    async with two_processes(redis, clock) as (here, there):
        await here.note("user-7")
        await redis.delete("x:seen-primary:user-7", "x:seen-primary:everybody")
        clock.now += 5
        assert await there.seen_at("user-7") == 1005.0
        clock.now += 5
        assert await here.seen_at("user-7") == 1005.0


async def test_a_moment_that_could_not_be_noted_is_known_to_all_processes_as_soon_as_redis_is_back() -> None:
    clock = Clock()
    with temporary_valkey() as server:
        redis = open_redis(url_of(server), connections=2, socket_timeout=1)
        async with two_processes(redis, clock) as (here, there):
            assert await there.seen_at("user-7") == 1000.0
            clock.now += 5
            tell(server, "CONFIG SET maxmemory 1")
            await here.note("user-7")
            assert await here.seen_at("user-8") == 1005.0
            assert await there.seen_at("user-7") == 1000.0
            tell(server, "CONFIG SET maxmemory 0")

            async def is_told() -> bool:
                return await there.seen_at("user-7") == 1005.0

            await until(is_told)
            clock.now += 5

            async def is_over() -> bool:
                return await here.seen_at("user-8") == 1005.0

            await until(is_over)
        await redis.aclose()


async def test_while_redis_is_away_everybody_reads_from_the_primary() -> None:
    clock = Clock()
    with temporary_valkey() as server:
        redis = open_redis(url_of(server), connections=2, socket_timeout=1)
    async with two_processes(redis, clock) as (here, there):
        await here.note("user-7")
        for each in (here, there):
            clock.now += 1
            assert await each.seen_at("user-8") == clock.now
    await redis.aclose()
