"""Checks of the Sentinels: whether they can replace the primary, and with what."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from adsum.operations.doctor.environment import check_connections, check_sentinels
from adsum.operations.doctor.inspected_server import InspectedServer
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.redis.sentinel import SentinelFacts
from adsum.platform.settings import Settings
from tests.support.servers.processes import eventually
from tests.support.servers.sentinel import SentinelGroup, running_sentinel_group

GOOD = SentinelFacts(answering=("a:1", "b:2", "c:3"), silent=(), known=3, no_quorum=None, replicas=1)
DOWN_S = 15.0


@pytest.mark.parametrize(
    ("facts", "severity", "message", "remedy"),
    [
        ({}, "ok", "3 of 3 answer; 1 replica", None),
        ({"silent": ("[::2]:4",)}, "warning", "3 of 4 answer: [::2]:4 cannot be asked", "# on ::2"),
        ({"replicas": 0}, "warning", "no replica could take the place", "add a replica"),
        ({"known": 2}, "warning", "2 Sentinels", "until there are 3"),
        ({"no_quorum": "NOQUORUM 1 usable"}, "error", "could not replace the primary: NOQUORUM 1 usable", "valkey"),
    ],
)
def test_each_fault_of_the_sentinels_has_a_remedy(
    facts: dict[str, object], severity: str, message: str, remedy: str | None
) -> None:
    finding = check_sentinels(replace(GOOD, **facts))  # pyright: ignore[reportArgumentType]
    assert finding.severity.value == severity
    assert message in finding.message
    assert finding.remedy is None if remedy is None else remedy in (finding.remedy or "")


@pytest.mark.parametrize(("host", "severity"), [("127.0.0.1", "ok"), ("10.0.0.7", "warning")])
def test_sentinels_on_this_machine_may_name_a_primary_that_is_not(host: str, severity: str) -> None:
    sentinels = InspectedServer("adsum of 127.0.0.1:1", "adsum config show", "valkey-cli")
    assert check_connections(sentinels).severity.value == "ok"
    assert check_connections(sentinels.at((host, 6379))).severity.value == severity


@pytest.fixture
def group() -> Generator[SentinelGroup]:
    with running_sentinel_group() as started:
        yield started


async def test_the_doctor_asks_every_sentinel(group: SentinelGroup, sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=sqlite_url, redis_url=group.url, data_dir=tmp_path)
    primary = group.primary()
    assert primary.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru") == ["+OK"]
    async with open_doctor(settings) as doctor:
        found = {each.check: each for each in (await doctor.check()).findings}
        assert found["sentinels"].message == "3 of 3 answer; 1 replica"
        assert found["redis"].message.endswith(f"adsum of {', '.join(f'127.0.0.1:{n.port}' for n in group.sentinels)}")
        assert found["eviction"].remedy == (
            f"valkey-cli -h 127.0.0.1 -p {primary.port} CONFIG SET maxmemory-policy noeviction"
        )
        for each in group.sentinels[1:]:
            await each.server.down()

        def is_noticed() -> bool:
            return "NOQUORUM" in " ".join(group.sentinels[0].ask("SENTINEL", "CKQUORUM", "adsum"))

        await eventually(is_noticed, DOWN_S)
        found = {each.check: each for each in (await doctor.check()).findings}
        assert "1 of 3 answer, and they could not replace the primary: " in found["sentinels"].message
