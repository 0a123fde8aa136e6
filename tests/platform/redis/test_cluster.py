"""A URL names servers of a cluster, and connections follow the owner of a slot."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adsum.platform.errors import ConfigurationError, reason
from adsum.platform.redis.cluster import ANSWER_TIMEOUT_S, Slot, parse_cluster_url
from adsum.platform.redis.connection import QueueOutage, open_redis, require_redis, translated
from adsum.platform.redis.inspection import RedisInspection
from adsum.platform.redis.scripts import PipeliningRedis, ScriptedRedis
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.slots import HOME, slot_of
from tests.platform.redis.conftest import cancel_at_each_step, refusal_of
from tests.support.servers.cluster import PASSWORD, Cluster, running_cluster
from tests.support.waiting import until

SLOT = slot_of(HOME)
KEY = f"{HOME}counted"
CERTIFICATE = {"ssl": True, "ssl_ca_certs": "/etc/ca.pem"}


@pytest.mark.parametrize(
    ("url", "servers", "options"),
    [
        ("redis+cluster://a", [("a", 6379)], {}),
        ("redis+cluster://a:1,[::1]:2,c/0", [("a", 1), ("::1", 2), ("c", 6379)], {}),
        ("redis+cluster://user:p%40ss%2F@a", [("a", 6379)], {"username": "user", "password": "p@ss/"}),
        ("rediss+cluster://:secret@a?ssl_ca_certs=/etc/ca.pem", [("a", 6379)], {"password": "secret", **CERTIFICATE}),
    ],
)
def test_a_url_names_servers_and_options(url: str, servers: list[tuple[str, int]], options: dict[str, object]) -> None:
    parsed = parse_cluster_url(url)
    assert (list(parsed.servers), parsed.options) == (servers, options)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+cluster://", "server 1 is not a host"),
        ("redis+cluster://a,,b", "server 2 is not a host"),
        ("redis+cluster://a:x", "server 1 is not a host"),
        ("redis+cluster://a,a:6379", "named twice"),
        ("redis+cluster://a/1", "a cluster has no databases"),
        ("redis+cluster://a?timeout=3", "unknown in its query: timeout"),
        ("redis+cluster://a?ssl_ca_certs=x", "TLS needs rediss+cluster://"),
        ("rediss+cluster://a?ssl_cert_reqs=never", "ssl_cert_reqs is one of required, optional, none"),
        ("redis+clusters://a", "or rediss+cluster://"),
    ],
)
def test_a_wrong_url_is_refused_with_one_line_without_its_password(url: str, reason: str) -> None:
    assert reason in refusal_of(url)


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    """One cluster for all tests. Those that change it wait until it is complete."""
    with running_cluster() as running:
        yield running


@pytest.fixture(params=[ScriptedRedis, PipeliningRedis], ids=["api", "worker"])
async def redis(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncGenerator[Redis]:
    """The clients of the API and of workers."""
    await cluster.recovered()
    opened = open_redis(cluster.url, connections=8, socket_timeout=5, kind=request.param, key_prefix=HOME)
    await opened.delete(KEY)
    yield opened
    await opened.aclose()


async def increment(redis: Any) -> list[int]:
    """Increments a key by a script, by a command and by a pipeline; that of the API has the script, too."""
    script = redis.register_script("return redis.call('INCR', KEYS[1])")
    by_script = await script(keys=[KEY])
    by_command = await redis.incr(KEY)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.incr(KEY)
        if isinstance(redis, ScriptedRedis):
            await script(keys=[KEY], client=pipe)
        else:
            pipe.incr(KEY)
        return [by_script, by_command, *await pipe.execute()]


async def test_a_connection_to_a_replaced_owner_is_opened_again(cluster: Cluster, redis: Redis) -> None:
    await increment(redis)
    await cluster.replace_owner(SLOT)
    assert await increment(redis) == [5, 6, 7, 8]


async def test_a_slot_that_has_moved_is_followed(cluster: Cluster, redis: Redis) -> None:
    await increment(redis)
    new = await cluster.move(SLOT)
    assert await increment(redis) == [5, 6, 7, 8]
    assert RedisInspection(Shard(0, redis, HOME)).primary == ("127.0.0.1", new.port)


async def test_a_slot_whose_keys_move_one_by_one_is_an_outage_until_it_has_moved(
    cluster: Cluster, redis: Redis
) -> None:
    await increment(redis)
    old, new = cluster.owner_of(SLOT), await cluster.move_key_by_key(SLOT)
    assert old is not new
    assert await increment(redis) == [5, 6, 7, 8]


async def test_a_killed_owner_is_replaced_by_its_replica(cluster: Cluster, redis: Redis) -> None:
    await increment(redis)
    old = cluster.owner_of(SLOT)
    await old.server.down()
    with pytest.raises(QueueOutage), translated():
        await redis.get(KEY)

    async def answers() -> bool:
        try:
            with translated():
                return bool(await redis.exists(KEY))
        except QueueOutage:
            return False

    await until(answers)
    assert await increment(redis) == [5, 6, 7, 8]
    await old.server.start()


async def test_an_owner_that_was_cut_off_and_replaced_is_not_believed(cluster: Cluster) -> None:
    await cluster.recovered()
    old = cluster.owner_of(SLOT)
    old.server.send(signal.SIGSTOP)
    await cluster.failed_over(SLOT, old)
    old.server.send(signal.SIGCONT)
    redis = open_redis(cluster.url, connections=2, socket_timeout=5, key_prefix=HOME)
    await redis.set(f"{HOME}written", "1")
    assert cluster.owner_of(SLOT).ask("GET", f"{HOME}written") == ["1"]
    await redis.aclose()


async def test_a_server_that_does_not_answer_is_not_waited_for(cluster: Cluster) -> None:
    await cluster.recovered()
    other = next(each for each in cluster.nodes if each is not cluster.owner_of(SLOT))
    redis = open_redis(cluster.url, connections=2, socket_timeout=5, key_prefix=HOME)
    other.server.send(signal.SIGSTOP)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S * 0.9):
            await redis.set(f"{HOME}written", "1")
    finally:
        other.server.send(signal.SIGCONT)
        await redis.aclose()


async def test_all_named_servers_may_be_replaced_by_others(cluster: Cluster) -> None:
    """The servers of the cluster are remembered."""
    await cluster.recovered()
    url = f"redis+cluster://:{PASSWORD}@127.0.0.1:{cluster.owner_of(SLOT).port}"
    redis = open_redis(url, connections=2, socket_timeout=5, key_prefix=HOME)
    await redis.set(f"{HOME}written", "1")
    old = cluster.owner_of(SLOT)
    await old.server.down()
    await cluster.failed_over(SLOT, old)

    async def writes() -> bool:
        try:
            return bool(await redis.set(f"{HOME}written", "2"))
        except (RedisError, OSError):
            return False

    await until(writes)
    await redis.aclose()
    await old.server.start()


async def test_a_named_server_has_to_belong_to_a_cluster(cluster: Cluster, redis_url: str) -> None:
    await cluster.recovered()
    await require_redis(cluster.url)
    for url, expected in (
        (cluster.url.replace(PASSWORD, "wrong"), "invalid username-password"),
        ("redis+cluster://127.0.0.1:1,127.0.0.1:2", "no server of 127.0.0.1:1, 127.0.0.1:2 knows the owner of slot"),
    ):
        with pytest.raises(ConfigurationError, match=expected):
            await require_redis(url)


async def test_a_server_of_a_cluster_is_not_used_by_the_url_of_a_single_server(cluster: Cluster) -> None:
    await cluster.recovered()
    url = f"redis://:{PASSWORD}@127.0.0.1:{cluster.owner_of(SLOT).port}"
    with pytest.raises(ConfigurationError, match=r"one of a cluster, whose URL is redis\+cluster://HOST:6379"):
        await require_redis(url)
    await require_redis(url, "{chosen}:")  # the slot of this prefix may be on this server
    redis = open_redis(url, connections=1, socket_timeout=5)
    owned = {slot_of(name): name for name in ("a", "b", "c", "d", "e", "f")}
    elsewhere = next(name for slot, name in owned.items() if cluster.owner_of(slot) != cluster.owner_of(SLOT))
    with pytest.raises(QueueOutage) as refused, translated():
        await redis.get(elsewhere)
    assert "one of a cluster" in reason(refused.value)
    await redis.aclose()


async def test_a_server_that_tells_a_user_nothing_about_itself_is_taken_for_a_single_one(cluster: Cluster) -> None:
    await cluster.recovered()
    owner = cluster.owner_of(SLOT)
    admin: Any = open_redis(f"redis://:{PASSWORD}@127.0.0.1:{owner.port}", connections=1, socket_timeout=5)
    await admin.acl_setuser("reader", enabled=True, passwords=["+of-the-reader"], commands=["+ping", "+client"])
    await require_redis(f"redis://reader:of-the-reader@127.0.0.1:{owner.port}")
    await admin.acl_deluser("reader")
    await admin.aclose()


async def test_a_lookup_whose_requests_have_ended_leaves_no_error() -> None:
    redis = open_redis("redis+cluster://127.0.0.1:1", connections=2, socket_timeout=5, key_prefix=HOME)
    waiting = asyncio.ensure_future(redis.get(f"{HOME}key"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await redis.aclose()


@pytest.mark.long
async def test_a_lookup_that_is_cancelled_at_any_step_closes_its_connections(cluster: Cluster) -> None:
    await cluster.recovered()
    await cancel_at_each_step(lambda: require_redis(cluster.url))
    slot = Slot(parse_cluster_url(cluster.url), SLOT)
    await cancel_at_each_step(slot.facts)
    await slot.close()
