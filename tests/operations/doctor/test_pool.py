"""Whether Postgres has enough connections for all processes."""

from __future__ import annotations

import pytest

from adsum.operations.doctor.findings import Severity
from adsum.operations.doctor.pool import check_left_clients, check_pool, judge_pool
from adsum.operations.repository import PoolFacts
from adsum.platform.database import connector
from adsum.platform.database.engine import Database, open_database
from tests.support.servers.pgbouncer import needs_pgbouncer, running_pgbouncer
from tests.support.servers.postgres import Postgres


def test_processes_that_fit_are_no_fault() -> None:
    finding = judge_pool(PoolFacts(usable=97, open_now=12), workers=3, of_process=20)
    assert finding.severity is Severity.OK
    expected = "an API process and 3 workers may open 80 connections of the 97 that Postgres has; 12 are open"
    assert finding.message == expected


def test_processes_that_may_use_up_all_connections_are_a_warning() -> None:
    finding = judge_pool(PoolFacts(usable=97, open_now=12), workers=4, of_process=20)
    assert finding.severity is Severity.WARNING
    assert "100 connections of the 97" in finding.message
    assert finding.remedy is not None
    assert "ADSUM_DATABASE_CONNECTIONS" in finding.remedy


async def test_the_numbers_are_those_of_the_server(database: Database) -> None:
    finding = await check_pool(database, workers=1)
    assert finding.message.partition(";")[0] == (
        "an API process and 1 worker may open 40 connections of the 197 that Postgres has"
        if database.is_postgres
        else "SQLite has no limit"
    )


@needs_pgbouncer
async def test_a_pooler_shares_its_connections(postgres: Postgres, postgres_url: str) -> None:
    with running_pgbouncer(postgres) as pooler:
        database = open_database(pooler.url(postgres_url))
        finding = await check_pool(database, workers=100)
        await database.close()
    assert finding.severity is Severity.OK
    assert "a pooler" in finding.message


async def test_a_server_that_notices_clients_that_leave_is_no_finding(database: Database) -> None:
    assert await check_left_clients(database) == []


async def test_a_server_that_cannot_notice_clients_that_leave_is_a_warning(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "CLIENT_CHECK_INTERVAL_S", 10**9)  # refused by every server, with the same error
    database = open_database(postgres_url)
    [finding] = await check_left_clients(database)
    await database.close()
    assert finding.severity is Severity.WARNING
    assert "does not notice" in finding.message
