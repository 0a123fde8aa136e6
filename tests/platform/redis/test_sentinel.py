"""A URL with Sentinels names a primary, and connections follow it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator

import pytest
from redis.asyncio import Redis

from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import open_redis, require_redis
from adsum.platform.redis.inspection import RedisInspection
from adsum.platform.redis.scripts import PipeliningRedis, ScriptedRedis
from adsum.platform.redis.sentinel import SENTINEL_TIMEOUT_S, parse_sentinel_url
from adsum.platform.redis.shards import Shard
from tests.platform.redis.conftest import cancel_at_each_step, refusal_of
from tests.support.servers.processes import eventually
from tests.support.servers.sentinel import SENTINEL_PASSWORD, SentinelGroup, running_sentinel_group

# Sentinels make a replica of a primary that comes back after some ten seconds.
COMPLETE_S = 30.0
CERTIFICATE = {"ssl": True, "ssl_ca_certs": "/etc/ca.pem"}


@pytest.mark.parametrize(
    ("url", "sentinels", "name", "options", "of_sentinels"),
    [
        ("redis+sentinel://a/m", [("a", 26379)], "m", {"db": 0}, {}),
        ("redis+sentinel://a:1,b:2,c/m/3", [("a", 1), ("b", 2), ("c", 26379)], "m", {"db": 3}, {}),
        ("redis+sentinel://[::1]:1,10.0.0.2:2/m", [("::1", 1), ("10.0.0.2", 2)], "m", {"db": 0}, {}),
        (
            "redis+sentinel://user:p%40ss%2F@a/my%20name?sentinel_username=s&sentinel_password=t%26",
            [("a", 26379)],
            "my name",
            {"db": 0, "username": "user", "password": "p@ss/"},
            {"username": "s", "password": "t&"},
        ),
        (
            "rediss+sentinel://:secret@a/m?ssl_ca_certs=/etc/ca.pem",
            [("a", 26379)],
            "m",
            {"db": 0, "password": "secret", **CERTIFICATE},
            CERTIFICATE,
        ),
        (
            "rediss+sentinel://a/m?ssl_check_hostname=False&ssl_cert_reqs=none&sentinel_ssl=false",
            [("a", 26379)],
            "m",
            {"db": 0, "ssl": True, "ssl_check_hostname": False, "ssl_cert_reqs": "none"},
            {},
        ),
    ],
)
def test_a_url_names_sentinels_the_primary_and_options(
    url: str,
    sentinels: list[tuple[str, int]],
    name: str,
    options: dict[str, object],
    of_sentinels: dict[str, object],
) -> None:
    parsed = parse_sentinel_url(url)
    assert (list(parsed.sentinels), parsed.name) == (sentinels, name)
    assert (parsed.options, parsed.sentinel_options) == (options, of_sentinels)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://a:26379", "the name of the primary is missing"),
        ("redis+sentinel://a:26379/", "the name of the primary is missing"),
        ("redis+sentinel:///m", "Sentinel 1 is not a host"),
        ("redis+sentinel://a,,b/m", "Sentinel 2 is not a host"),
        ("redis+sentinel://a:x/m", "Sentinel 1 is not a host"),
        ("redis+sentinel://a:0/m", "Sentinel 1 is not a host"),
        ("redis+sentinel://a:65536/m", "Sentinel 1 is not a host"),
        ("redis+sentinel://::1/m", "Sentinel 1 is not a host"),
        ("redis+sentinel://a,a:26379/m", "named twice"),
        ("redis+sentinel://a/m/first", "the part after the name is not the number of a database"),
        ("redis+sentinel://a/m/", "the part after the name is not the number of a database"),
        ("redis+sentinel://a/m?timeout=3", "unknown in its query: timeout"),
        ("redis+sentinel://a/m?ssl_ca_certs=x", "TLS needs rediss+sentinel://"),
        ("redis+sentinel://a/m?sentinel_ssl=true", "TLS needs rediss+sentinel://"),
        ("rediss+sentinel://a/m?sentinel_ssl=yes", "sentinel_ssl is true or false"),
        ("rediss+sentinel://a/m?ssl_check_hostname=", "ssl_check_hostname is true or false"),
        ("rediss+sentinel://a/m?ssl_cert_reqs=never", "ssl_cert_reqs is one of required, optional, none"),
        ("redis+sentinels://a/m", "it does not begin with redis://"),
        ("redis://a:1,b:2/0", "several hosts are those of Sentinels or of a cluster, after redis+sentinel://"),
        ("redis://:sec/ret@a:6379/0", "its port is no number; a password has /"),
    ],
)
def test_a_wrong_url_is_refused_with_one_line_without_its_password(url: str, reason: str) -> None:
    assert reason in refusal_of(url)


@pytest.fixture(scope="module")
def group() -> Generator[SentinelGroup]:
    """One group for all tests. Those that replace its primary wait until it is complete."""
    with running_sentinel_group() as started:
        yield started


@pytest.fixture(params=[ScriptedRedis, PipeliningRedis], ids=["api", "worker"])
async def redis(group: SentinelGroup, request: pytest.FixtureRequest) -> AsyncGenerator[Redis]:
    """The clients of the API and of workers."""
    opened = open_redis(group.url, connections=8, socket_timeout=5, kind=request.param)
    yield opened
    await opened.aclose()


async def test_a_connection_to_a_demoted_primary_is_opened_again(group: SentinelGroup, redis: Redis) -> None:
    """The old primary was cut off. It closes no connection when it becomes a replica."""
    await eventually(group.is_ready, COMPLETE_S)
    await redis.set("before", "1")
    old = group.primary()
    old.server.send(signal.SIGSTOP)
    await group.failed_over(old)
    old.server.send(signal.SIGCONT)
    assert old.ask("REPLICAOF", "127.0.0.1", str(group.primary().port)) == ["+OK"]
    script = redis.register_script("return redis.call('INCR', KEYS[1])")
    await redis.set("after", "1")
    assert await script(keys=["after"]) == 2
    async with redis.pipeline(transaction=False) as pipe:
        pipe.incr("after")
        assert await pipe.execute() == [3]
    assert group.primary().ask("GET", "after") == ["3"]


async def test_a_primary_and_a_sentinel_that_were_cut_off_are_not_believed(group: SentinelGroup) -> None:
    await eventually(group.is_ready, COMPLETE_S)
    old, sentinel = group.primary(), group.sentinels[2]
    for cut_off in (old, sentinel):
        cut_off.server.send(signal.SIGSTOP)
    await group.failed_over(old)
    for cut_off in (old, sentinel):
        cut_off.server.send(signal.SIGCONT)
    redis = open_redis(group.url, connections=2, socket_timeout=5)
    await redis.set("written", "1")
    assert RedisInspection(Shard(0, redis, "")).primary == ("127.0.0.1", group.primary().port)
    await redis.aclose()


async def test_a_sentinel_that_does_not_answer_is_not_waited_for(group: SentinelGroup) -> None:
    redis = open_redis(group.url, connections=2, socket_timeout=5)
    group.sentinels[0].server.send(signal.SIGSTOP)
    try:
        async with asyncio.timeout(SENTINEL_TIMEOUT_S * 0.9):
            await redis.set("written", "1")
    finally:
        group.sentinels[0].server.send(signal.SIGCONT)
        await redis.aclose()


async def test_the_configured_sentinels_have_to_know_the_primary(group: SentinelGroup) -> None:
    await require_redis(group.url)
    for url, reason in (
        (group.url.replace("/adsum?", "/another?"), "knows a primary another: No such master"),
        (
            group.url.replace(SENTINEL_PASSWORD, "wrong"),
            "sentinel_password of the URL: .*invalid username-password",
        ),
        (group.url.partition("?")[0], "the Sentinels need a password: add sentinel_password=… to the URL"),
        (f"redis+sentinel://{group.url.partition('@')[2]}", "it needs a password, and the URL has none"),
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/adsum", "no Sentinel of 127.0.0.1:1, 127.0.0.1:2 knows"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            await require_redis(url)


async def test_a_lookup_whose_requests_have_ended_leaves_no_error() -> None:
    redis = open_redis("redis+sentinel://127.0.0.1:1/adsum", connections=2, socket_timeout=5)
    waiting = asyncio.ensure_future(redis.get("key"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await redis.aclose()


async def test_a_lookup_that_is_cancelled_at_any_step_closes_its_connections(group: SentinelGroup, share: int) -> None:
    await cancel_at_each_step(lambda: require_redis(group.url), share)
