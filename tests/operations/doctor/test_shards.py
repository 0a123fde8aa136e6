"""Checks of a cluster and of the shards of the queue."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace

import pytest

from adsum.operations.doctor.environment import check_cluster, in_one
from adsum.operations.doctor.findings import Finding, error, ok
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.redis.cluster import ClusterFacts
from adsum.platform.redis.slots import slot_of
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.batches.sharding.test_numbers import with_shards
from tests.batches.test_shards import submit, working
from tests.support.schools import make_school
from tests.support.servers.cluster import Cluster, running_cluster
from tests.support.waiting import until

GOOD = ClusterFacts(primaries=3, silent=(), without_replica=(), uncovered=0, stops_as_whole=False)


@pytest.mark.parametrize(
    ("facts", "severity", "message", "remedy"),
    [
        ({}, "ok", "3 primary servers, each with a replica", None),
        ({"uncovered": 5461}, "error", "5,461 slots without a server that is up", "CLUSTER NODES"),
        ({"silent": ("[::2]:4",)}, "warning", "[::2]:4 cannot be asked", "# on ::2"),
        ({"without_replica": ("a:1", "b:2")}, "warning", "could take the place of a:1, b:2", "add a replica"),
        ({"stops_as_whole": True}, "warning", "refuse commands while one slot has no server", "full-coverage no"),
        ({"stops_as_whole": None}, "ok", "each with a replica", None),
    ],
)
def test_each_fault_of_a_cluster_has_a_remedy(
    facts: dict[str, object], severity: str, message: str, remedy: str | None
) -> None:
    finding = check_cluster(replace(GOOD, **facts))  # pyright: ignore[reportArgumentType]
    assert finding.severity.value == severity
    assert message in finding.message
    assert finding.remedy is None if remedy is None else remedy in (finding.remedy or "")


async def findings(settings: Settings, check: str = "shards") -> list[Finding]:
    async with open_doctor(settings) as doctor:
        return [each for each in (await doctor.check()).findings if each.check == check]


async def test_a_single_shard_is_not_mentioned(adsum: Adsum, settings: Settings) -> None:
    assert await adsum.queue.depth() == 0
    assert await findings(settings) == []


async def test_shards_without_a_worker_are_errors(adsum: Adsum, settings: Settings) -> None:
    several = settings.model_copy(update={"queue_shards": 3})
    (without_any,) = await findings(several)
    assert without_any.message == "3 shards; each answers"  # the check of the workers tells of it
    async with with_shards(several, 3) as sharded, working(sharded, [sharded.shards[1]]):

        async def is_listed() -> bool:
            return len(await sharded.queue_control.workers()) == 1

        await until(is_listed)
        (finding,) = await findings(several)
        assert finding.message == "shards 0, 2 (of 3) have no worker: their batches wait"
        assert finding.remedy == "adsum worker --shards 0,2"


async def test_messages_of_an_earlier_number_are_a_warning(adsum: Adsum, settings: Settings) -> None:
    async with adsum.database.transaction() as connection:
        schools = [await make_school(connection)]
    await submit(adsum, schools)
    several = settings.model_copy(update={"queue_shards": 2})
    (waiting,) = await findings(several)
    assert waiting.message == "1 message of an earlier number of shards, 1: a worker moves them"
    async with with_shards(several, 2) as sharded:
        await sharded.earlier_shards.empty_if_due()
        (finding,) = await findings(several)
        assert finding.severity.value == "ok"


async def test_another_number_in_use_is_a_warning(adsum: Adsum, settings: Settings) -> None:
    await adsum.earlier_shards.empty_if_due()
    async with with_shards(settings, 2) as sharded:
        await sharded.earlier_shards.empty_if_due()
    finding, *_ = await findings(settings)
    assert finding.message == "this process has 1, and a worker has begun with 2"
    assert "ADSUM_QUEUE_SHARDS" in (finding.remedy or "")


@pytest.fixture
def cluster() -> Generator[Cluster]:
    with running_cluster() as started:
        yield started


async def wrong_settings_are_named(cluster: Cluster, settings: Settings) -> None:
    """Of each server, also of those that do not have the home shard."""
    checks = ("redis", "eviction", "persistence", "memory")
    async with open_doctor(settings) as doctor:
        report = [each for each in (await doctor.check()).findings if each.check in checks]
    assert {each.check: each.severity.value for each in report}["eviction"] == "ok"
    assert next(each.message for each in report if each.check == "redis").endswith("on each of 3 servers")
    async with with_shards(settings, 3) as sharded:
        home = cluster.owner_of(slot_of(sharded.shards.home.key_prefix))
        others = {each.port: each for each in map(cluster.owner_of, (slot_of(s.key_prefix) for s in sharded.shards))}
    other = next(each for port, each in others.items() if port != home.port)
    other.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    (finding,) = await findings(settings, "eviction")
    other.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    other.ask("CONFIG", "SET", "maxmemory", "1")
    (refusing,) = await findings(settings, "redis")
    other.ask("CONFIG", "SET", "maxmemory", "0")
    assert refusing.message.startswith(
        f"127.0.0.1:{other.port} does not answer or refuses: command not allowed when used"
    )
    assert refusing.remedy == f"valkey-cli -h 127.0.0.1 -p {other.port} INFO"
    assert finding.severity.value == "error"
    assert finding.message.startswith(f"127.0.0.1:{other.port}: maxmemory-policy is allkeys-lru")
    assert f"-p {other.port} CONFIG SET maxmemory-policy noeviction" in (finding.remedy or "")


async def test_the_doctor_tells_which_shard_is_away(
    cluster: Cluster, adsum: Adsum, settings: Settings, sqlite_url: str
) -> None:
    of_cluster = settings.model_copy(update={"redis_url": cluster.url})
    (fine,) = await findings(of_cluster, "cluster")
    assert fine.message == "3 primary servers, each with a replica"
    (all_answer,) = await findings(of_cluster)
    assert all_answer.message == "3 shards; each answers"
    await wrong_settings_are_named(cluster, of_cluster)
    async with with_shards(of_cluster, 3) as sharded:
        slot = slot_of(sharded.shards[0].key_prefix)
        assert cluster.owner_of(slot) is not cluster.owner_of(slot_of(sharded.shards.home.key_prefix))
    primary = cluster.owner_of(slot)
    for each in (cluster.replica_of(primary), primary):
        await each.server.down()

    async def is_down() -> bool:
        with suppress(OSError, IndexError):
            return (await findings(of_cluster, "cluster"))[0].severity.value == "error"
        return False

    await until(is_down)
    (of_server,) = await findings(of_cluster, "redis")
    assert of_server.severity.value == "error"
    assert "does not answer" in of_server.message
    (finding,) = await findings(of_cluster)
    assert finding.message == "shard 0 (of 3) does not answer: its batches wait, those of the others do not"


def test_findings_about_several_servers_name_the_server_of_each_fault() -> None:
    here, there = ("a", 1), ("::2", 4)
    good, bad = ok("eviction", "noeviction"), error("eviction", "allkeys-lru", "CONFIG SET")

    assert in_one({None: [bad]}) == [bad]
    assert in_one({here: [good], there: [good]}) == [ok("eviction", "noeviction, on each of 2 servers")]
    assert in_one({here: [ok("memory", "1 MiB")], there: [ok("memory", "2 MiB")]}) == [
        ok("memory", "a:1: 1 MiB; [::2]:4: 2 MiB")
    ]
    assert in_one({here: [], there: [error("redis", "[::2]:4 refuses", "INFO")]}) == [
        error("redis", "[::2]:4 refuses", "INFO")
    ]
    assert in_one({here: [good], there: [bad]}) == [error("eviction", "[::2]:4: allkeys-lru", "CONFIG SET")]
    assert [each.message for each in in_one({here: [bad], None: [bad]})] == [
        "a:1: allkeys-lru",
        "a server: allkeys-lru",
    ]
