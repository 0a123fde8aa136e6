"""Which actor has seen the primary, and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass

from redis.asyncio import Redis

from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.last_writes import LastWrites
from tests.support.servers.valkey import tell, temporary_valkey, url_of


@dataclass
class Clock:
    """A time that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_every_process_knows_until_when_an_actor_has_seen_the_primary(redis: Redis) -> None:
    clock = Clock()
    here, there = (LastWrites(redis, key_prefix="x:", seconds=60, now=clock) for _ in range(2))
    await here.note("user-7")
    clock.now += 5
    assert await there.seen_at("user-7") == 1000.0
    assert await there.seen_at("user-8") == -math.inf
    assert 0 < await redis.ttl("x:seen-primary:user-7") <= 60


async def test_a_key_that_acts_for_people_finds_what_it_has_written_for_each(redis: Redis) -> None:
    writes = LastWrites(redis, key_prefix="", seconds=60, now=Clock())
    await writes.note("key-3")
    assert await writes.seen_at("key-3-user-7") == 1000.0
    assert await writes.seen_at("user-7") == -math.inf


async def test_while_redis_is_away_and_until_its_answers_are_complete_everybody_reads_from_the_primary() -> None:
    clock = Clock()
    with temporary_valkey() as server:
        redis = open_redis(url_of(server), connections=2, socket_timeout=1)
        writes = LastWrites(redis, key_prefix="", seconds=60, now=clock)
        tell(server, "CONFIG SET maxmemory 1")
        await writes.note("user-7")
        tell(server, "CONFIG SET maxmemory 0")
        assert await writes.seen_at("user-8") == clock.now
        clock.now += 61
        assert await writes.seen_at("user-8") == -math.inf
    clock.now += 1
    assert await writes.seen_at("user-8") == clock.now
    await redis.aclose()
