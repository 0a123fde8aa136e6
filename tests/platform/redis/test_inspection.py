"""The facts that a server reports, and the probe for writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.inspection import PROBE, RedisInspection
from adsum.platform.redis.shards import Shard
from tests.support.servers.valkey import tell, temporary_valkey, url_of
from tests.support.waiting import until


@pytest.fixture
def server() -> Generator[Valkey]:
    """A server whose configuration a test may change."""
    with temporary_valkey() as valkey:
        yield valkey


@pytest.fixture
async def redis(server: Valkey) -> AsyncGenerator[Redis]:
    client = open_redis(url_of(server), connections=4, socket_timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
def inspection(redis: Redis) -> RedisInspection:
    return RedisInspection(Shard(0, redis, "ours:"))


async def test_the_server_of_up_has_the_required_configuration(inspection: RedisInspection) -> None:
    facts = await inspection.facts()
    assert (facts.name, facts.eviction, facts.primary, facts.is_loading) == ("Valkey", "noeviction", None, False)
    assert (facts.is_durable, facts.failing_write, facts.limit) == (True, None, 0)
    assert facts.redis_version >= (7, 2)
    assert abs(facts.clock - datetime.now(UTC)) < timedelta(seconds=5)
    assert facts.used > 0


async def test_a_server_without_persistence_or_with_eviction_is_recognised(
    server: Valkey, inspection: RedisInspection
) -> None:
    tell(server, "CONFIG SET maxmemory-policy allkeys-lru")
    tell(server, "CONFIG SET maxmemory 100mb")
    tell(server, "CONFIG SET appendonly no")
    facts = await inspection.facts()
    assert (facts.eviction, facts.limit, facts.is_durable) == ("allkeys-lru", 100 * 1024 * 1024, False)


async def test_snapshots_count_as_persistence(server: Valkey, redis: Redis, inspection: RedisInspection) -> None:
    tell(server, "CONFIG SET appendonly no")
    await redis.config_set("save", "3600 1")  # pyright: ignore[reportUnknownMemberType]
    assert (await inspection.facts()).is_durable is True


async def test_without_config_the_persistence_is_unknown(server: Valkey, redis: Redis) -> None:
    tell(server, "CONFIG SET appendonly no")
    tell(server, "ACL SETUSER default -config")
    assert (await RedisInspection(Shard(0, redis, "")).facts()).is_durable is None


async def test_a_failed_snapshot_is_reported(server: Valkey, redis: Redis, inspection: RedisInspection) -> None:
    (server.folder / "dump.rdb").mkdir()
    await redis.bgsave()  # pyright: ignore[reportUnknownMemberType]

    async def failed() -> bool:
        return (await inspection.facts()).failing_write == "the last snapshot"

    await until(failed)


async def test_a_replica_names_its_primary_and_takes_no_writes(server: Valkey, inspection: RedisInspection) -> None:
    tell(server, "REPLICAOF 127.0.0.1 1")
    assert (await inspection.facts()).primary == "127.0.0.1:1"
    with pytest.raises(QueueOutage) as refused:
        await inspection.write()
    assert "read only" in str(refused.value.__cause__)


async def test_the_probe_leaves_nothing_behind(redis: Redis, inspection: RedisInspection) -> None:
    await inspection.write()

    async def is_gone() -> bool:
        return await redis.exists(f"ours:{PROBE}") == 0

    await until(is_gone)


async def test_an_unavailable_server_is_an_outage(tmp_path: Path) -> None:
    redis = open_redis(f"unix://{tmp_path}/nobody.sock", connections=4, socket_timeout=5)
    with pytest.raises(QueueOutage):
        await RedisInspection(Shard(0, redis, "")).facts()
    await redis.aclose()
