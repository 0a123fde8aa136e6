"""Checks of the servers: reachable, new enough, correctly configured. An unavailable server is reported in time."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typing_extensions import override

from adsum.operations.doctor import environment
from adsum.operations.doctor.environment import check_database, check_redis
from adsum.operations.doctor.findings import Finding, Severity
from adsum.operations.doctor.inspected_server import InspectedServer
from adsum.operations.doctor.wiring import open_doctor
from adsum.operations.repository import DatabaseFacts
from adsum.platform.addresses import Host
from adsum.platform.clock import system_clock as now
from adsum.platform.database.engine import Database, open_database
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.inspection import RedisFacts, RedisInspection
from adsum.platform.redis.shards import Shard
from adsum.platform.settings import Settings
from tests.operations.doctor.conftest import wrong
from tests.support.servers.postgres import Postgres, temporary_postgres
from tests.support.servers.processes import frozen
from tests.support.servers.tls import in_front
from tests.support.servers.valkey import pid_of, tell, temporary_valkey, url_of

PLACE = InspectedServer("here", "start it", "valkey-cli")
NOON = datetime(2024, 12, 25, 12, tzinfo=UTC)
GOOD = RedisFacts("Valkey", "9.1.2", (7, 2, 4), NOON, "noeviction", None, False, True, None, 2**20, 0)
GOOD_DATABASE = DatabaseFacts("PostgreSQL", (18, 1), NOON, is_replica=False)


class FakeInspection(RedisInspection):
    """A server that returns the given facts."""

    def __init__(self, facts: RedisFacts) -> None:
        self._facts = facts

    @property
    @override
    def primary(self) -> Host | None:
        return None

    async def facts(self) -> RedisFacts:
        return self._facts

    async def sentinels(self) -> None:
        return None

    async def cluster(self) -> None:
        return None

    async def write(self) -> None:
        pass


async def redis_findings(**facts: object) -> dict[str, Finding]:
    found, _ = await check_redis([FakeInspection(replace(GOOD, **facts))], PLACE, lambda: NOON)  # pyright: ignore[reportArgumentType]
    return {each.check: each for each in found}


async def test_a_correctly_configured_redis_has_no_fault() -> None:
    assert {each.severity for each in (await redis_findings()).values()} == {Severity.OK}


@pytest.mark.parametrize(
    ("facts", "check", "severity", "detail", "remedy"),
    [
        ({"redis_version": (6, 0, 16)}, "redis", "error", "older than Redis 6.2", "upgrade"),
        ({"primary": "10.0.0.1:6379"}, "redis", "error", "read-only replica", "10.0.0.1:6379"),
        ({"is_loading": True}, "redis", "error", "still loads", "adsum doctor"),
        ({"eviction": "allkeys-lru"}, "eviction", "error", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"),
        ({"is_durable": False}, "persistence", "warning", "nothing is written to disk", "CONFIG SET appendonly yes"),
        ({"failing_write": "the last snapshot"}, "persistence", "error", "the last snapshot", "df -h"),
        ({"is_durable": None}, "persistence", "ok", "unknown", None),
        ({"used": 81, "limit": 100}, "memory", "warning", "81%", "maxmemory"),
        ({"used": 96, "limit": 100}, "memory", "error", "96%", "maxmemory"),
        ({"used": 50, "limit": 100}, "memory", "ok", "50%", None),
        ({"clock": NOON + timedelta(seconds=2)}, "redis clock", "ok", "within 2.000 s", None),
        ({"clock": NOON - timedelta(seconds=3)}, "redis clock", "warning", "3 s away", "timedatectl"),
        ({"clock": NOON + timedelta(seconds=31)}, "redis clock", "error", "31 s away", "timedatectl"),
    ],
)
async def test_each_fault_of_redis_has_a_remedy(
    facts: dict[str, object], check: str, severity: str, detail: str, remedy: str | None
) -> None:
    finding = (await redis_findings(**facts))[check]
    assert finding.severity.value == severity
    assert detail in finding.message
    assert finding.remedy is None if remedy is None else remedy in (finding.remedy or "")


async def test_the_remedy_for_the_server_of_up_is_a_restart() -> None:
    inspection = FakeInspection(replace(GOOD, eviction="allkeys-lru"))
    findings, _ = await check_redis([inspection], InspectedServer("here", "adsum up"), lambda: NOON)
    found = {each.check: each for each in findings}
    assert found["eviction"].remedy == "adsum up  # stopped and started again"


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("facts", "check", "severity", "detail"),
    [
        ({}, "database", "ok", "PostgreSQL 18.1"),
        ({"version": (12, 9)}, "database", "error", "older than 14"),
        ({"name": "SQLite", "version": (3, 37, 2), "clock": None}, "database", "error", "older than 3.38"),
        ({"is_replica": True}, "database", "error", "read-only replica"),
        ({"clock": NOON + timedelta(minutes=2)}, "database clock", "error", "120 s away"),
    ],
)
async def test_each_fault_of_a_database_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    sqlite: Database,
    facts: dict[str, object],
    check: str,
    severity: str,
    detail: str,
) -> None:
    async def given_facts(_database: Database) -> DatabaseFacts:
        return replace(GOOD_DATABASE, **facts)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(environment, "database_facts", given_facts)
    found = {each.check: each for each in await check_database(sqlite, PLACE, lambda: NOON)}
    assert found[check].severity.value == severity
    assert detail in found[check].message


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("revision", "severity", "detail"), [("0000", "error", "lacks migrations"), ("9999", "warning", "the next version")]
)
async def test_a_schema_of_another_version_is_reported(
    sqlite: Database, revision: str, severity: str, detail: str
) -> None:
    async with sqlite.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})
    found = {each.check: each for each in await check_database(sqlite, PLACE, now)}
    assert found["migrations"].severity.value == severity
    assert detail in found["migrations"].message


async def test_a_schema_of_a_version_after_the_next_one_is_an_error(sqlite: Database) -> None:
    async with sqlite.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text("UPDATE schema_compatibility SET compatible_from = '9998'"))
    found = {each.check: each for each in await check_database(sqlite, PLACE, now)}
    assert found["migrations"].severity is Severity.ERROR
    assert "too new" in found["migrations"].message


async def test_a_missing_database_is_reported_and_not_created(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/none.db")
    (finding,) = await check_database(database, PLACE, now)
    assert (finding.severity, finding.remedy) == (Severity.ERROR, "start it")
    assert not (tmp_path / "none.db").exists()
    await database.close()


async def test_a_file_that_is_not_a_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("no database at all, though long enough to be taken for one" * 100)
    database = open_database(f"sqlite:///{tmp_path}/no.db")
    (finding,) = await check_database(database, PLACE, now)
    assert "not a database" in finding.message
    await database.close()


async def test_an_unavailable_redis_is_reported_with_its_reason(tmp_path: Path) -> None:
    redis = open_redis(f"unix://{tmp_path}/nowhere", connections=2, socket_timeout=5)
    (finding,), is_home_usable = await check_redis([RedisInspection(Shard(0, redis, ""))], PLACE, now)
    assert finding.severity is Severity.ERROR
    assert not is_home_usable
    assert "No such file" in finding.message
    await redis.aclose()


@pytest.fixture
def own_valkey() -> Generator[Valkey]:
    with temporary_valkey() as server:
        yield server


async def test_a_redis_without_tls_is_named_with_what_to_write(own_valkey: Valkey, sqlite_url: str) -> None:
    with in_front(own_valkey.socket, None) as port:
        settings = Settings(database_url=sqlite_url, redis_url=f"rediss://:a-secret-word@127.0.0.1:{port}")
        async with open_doctor(settings) as doctor:
            (finding,) = [each for each in (await doctor.check()).findings if each.check == "redis"]
    assert finding.severity is Severity.ERROR
    assert finding.message == f"127.0.0.1:{port} does not use TLS, unlike ADSUM_REDIS_URL"
    assert finding.remedy == "write a port with TLS in the URL, or redis:// instead of rediss://"


async def test_a_full_redis_is_reported_with_the_reason_of_its_refusal(own_valkey: Valkey) -> None:
    tell(own_valkey, "CONFIG SET maxmemory 1")
    redis = open_redis(url_of(own_valkey), connections=2, socket_timeout=5)
    (finding, *settings), is_home_usable = await check_redis([RedisInspection(Shard(0, redis, ""))], PLACE, now)
    assert finding.message.startswith("here does not answer or refuses")
    assert "maxmemory" in finding.message
    assert not is_home_usable
    assert "eviction" in {each.check for each in settings}
    await redis.aclose()


class Refusing(FakeInspection):
    """A server of a cluster whose writes fail. It has several shards, and may refuse one."""

    def __init__(self, primary: Host | None, error: Exception | None = None, **facts: object) -> None:
        super().__init__(replace(GOOD, **facts))  # pyright: ignore[reportArgumentType]
        self._primary = primary
        self._error = error

    @property
    @override
    def primary(self) -> Host | None:
        return self._primary

    @override
    async def write(self) -> None:
        if self._error is not None:
            raise self._error


async def errors_of(*inspections: RedisInspection) -> tuple[list[str], bool]:
    findings, is_home_usable = await check_redis(inspections, PLACE, lambda: NOON)
    return [each.message for each in findings if each.severity is Severity.ERROR], is_home_usable


HERE, THERE = ("a", 1), ("b", 2)


@pytest.mark.parametrize("outage", [QueueOutage("OOM command not allowed"), TimeoutError()])
async def test_a_server_of_a_cluster_that_refuses_writes_is_named_with_its_settings(outage: Exception) -> None:
    refusing = Refusing(THERE, outage, eviction="allkeys-lru")
    (first, second), is_home_usable = await errors_of(Refusing(HERE), Refusing(HERE), refusing, Refusing(THERE))
    assert first.startswith("b:2 did not answer" if isinstance(outage, TimeoutError) else "b:2 does not answer or ref")
    assert second.startswith("b:2: maxmemory-policy is allkeys-lru")
    assert is_home_usable


async def test_a_server_of_a_cluster_that_is_not_known_is_an_error() -> None:
    (message,), is_home_usable = await errors_of(Refusing(None, QueueOutage("away")), Refusing(THERE))
    assert message.startswith("a server: here does not answer or refuses")
    assert not is_home_usable


async def test_servers_that_go_away_before_the_cluster_is_checked_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def be_away(_inspection: RedisInspection) -> None:
        raise QueueOutage("away")

    monkeypatch.setattr(Refusing, "cluster", be_away)
    (message,), is_home_usable = await errors_of(Refusing(HERE), Refusing(THERE))
    assert message == "here does not answer or refuses: away"
    assert not is_home_usable


async def test_a_programming_error_of_a_check_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await errors_of(Refusing(HERE), Refusing(THERE, ZeroDivisionError()))


def leader_of(postgres: Postgres) -> int:
    """The process of a server that has started the others."""
    return int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
async def test_two_hanging_servers_take_no_longer_than_the_limit(
    own_valkey: Valkey, postgres_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "SERVER_TIMEOUT_S", 1.0)
    with temporary_postgres(postgres_data) as postgres:
        settings = Settings(database_url=postgres.url("postgres"), redis_url=url_of(own_valkey), data_dir=tmp_path)
        began = time.monotonic()
        with frozen(pid_of(own_valkey)), frozen(leader_of(postgres)):
            async with open_doctor(settings) as doctor:
                found = wrong(await doctor.check())
            took = time.monotonic() - began
    assert {"did not answer within 1 s" in found[check].message for check in ("database", "redis")} == {True}
    assert took < 6


@pytest.mark.parametrize(
    ("database", "redis", "exposed"),
    [
        ("sqlite:///{}/adsum.db", "unix://{}/valkey.sock", []),
        ("postgresql://adsum@localhost:1/adsum", "redis://127.0.0.1:1/0", []),
        ("postgresql://adsum@/adsum?host={}", "redis://[::1]:1/0", []),
        ("postgresql://adsum@db.invalid/adsum?sslmode=verify-full", "rediss://cache.invalid:1/0", []),
        ("postgresql://adsum@db.invalid/adsum", "redis://cache.invalid:1/0", ["ADSUM_DATABASE_URL", "ADSUM_REDIS_URL"]),
        ("postgresql://adsum@db.invalid/adsum?sslmode=require", "unix://{}/valkey.sock", ["ADSUM_DATABASE_URL"]),
        ("sqlite:///{}/adsum.db", "rediss://cache.invalid:1/0?ssl_cert_reqs=none", ["ADSUM_REDIS_URL"]),
        ("sqlite:///{}/adsum.db", "rediss://cache.invalid:1/0?ssl_check_hostname=no", ["ADSUM_REDIS_URL"]),
        ("sqlite:///{}/adsum.db", "rediss://cache.invalid:1/0?ssl_check_hostname=no&ssl_ca_certs={}/ca.pem", []),
        ("sqlite:///{}/adsum.db", "redis+sentinel://127.0.0.1:1,[::1]:1/adsum", []),
        ("sqlite:///{}/adsum.db", "redis+sentinel://127.0.0.1:1,cache.invalid/adsum", ["ADSUM_REDIS_URL"]),
        ("sqlite:///{}/adsum.db", "rediss+sentinel://cache.invalid/adsum", []),
        ("sqlite:///{}/adsum.db", "rediss+sentinel://cache.invalid/adsum?sentinel_ssl=false", ["ADSUM_REDIS_URL"]),
        ("sqlite:///{}/adsum.db", "rediss+sentinel://cache.invalid/a?ssl_check_hostname=false", ["ADSUM_REDIS_URL"]),
    ],
)
async def test_connections_that_others_can_read_or_answer_are_a_warning(
    database: str, redis: str, exposed: list[str], tmp_path: Path
) -> None:
    settings = Settings(database_url=database.format(tmp_path), redis_url=redis.format(tmp_path), data_dir=tmp_path)
    async with open_doctor(settings) as doctor:
        finding = next(each for each in (await doctor.check()).findings if each.check == "connections")
    assert finding.severity.value == ("warning" if exposed else "ok")
    assert re.findall("ADSUM_[A-Z]+_URL", finding.remedy or "") == exposed
