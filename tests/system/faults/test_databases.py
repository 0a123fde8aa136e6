"""The database restarts, ends its connections, is locked or full, while classes are marked continuously."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import text

from adsum.platform.settings import Settings
from adsum.wiring import migrate
from tests.support.fixtures import TEMPLATE
from tests.support.servers.controlled import controlled_postgres
from tests.support.servers.counting import Fault, Moment
from tests.support.servers.processes import short_folder
from tests.system.faults.disruptions import Disruption, Site, under_load
from tests.system.faults.installation import KEY, NUMBERING, Installation, open_installation

# SQLite waits five seconds for a lock; then the request fails.
LOCKED_S = 6.0
# Until the next events are numbered.
NUMBERED_S = 15.0


async def postgres_crashed_and_restarted(site: Site) -> None:
    await site.server.restart(signal.SIGQUIT)


async def postgres_away_for_a_while(site: Site) -> None:
    await site.server.down(signal.SIGINT)
    await site.refused()
    await site.server.start()


async def all_clients_of_postgres_thrown_out(site: Site) -> None:
    others = "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    for _ in range(5):
        async with site.installation.adsum.database.transaction() as connection:
            await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM {others}"))
        await site.more(3)


async def all_connections_to_postgres_cut(site: Site) -> None:
    for _ in range(5):
        for member in (site.api, site.worker):
            await member.postgres.cut()
        await site.more(3)


async def deadlocks(site: Site) -> None:
    """Locks rows in the opposite order in other transactions, until Postgres reports deadlocks."""
    for _ in range(5):
        async with site.installation.adsum.database.transaction() as connection:
            await connection.execute(text("SELECT 1 FROM batch_runs ORDER BY run_id DESC FOR UPDATE"))
            await connection.execute(text("SELECT 1 FROM sessions ORDER BY id DESC FOR UPDATE"))
        await site.more(2)


async def postgres_frozen_while_events_are_numbered(site: Site) -> None:
    """The worker that numbers dies meanwhile. Its transaction holds the lock of the log until Postgres notices."""
    with ExitStack() as stack:
        fault = Fault(1, Moment.BEFORE, named=NUMBERING, breaks=False)
        fault.action = lambda: stack.enter_context(site.server.frozen())
        site.worker.postgres.arm(fault)
        await asyncio.wait_for(fault.injected.wait(), NUMBERED_S)
        fault.resumed.set()  # the statement reaches the frozen server
        site.worker.kill()
    await site.replace_worker()


async def sqlite_locked_by_another_process(site: Site) -> None:
    with closing(sqlite3.connect(file_of(site), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await asyncio.wait_for(site.refused(), 2 * LOCKED_S)
        connection.execute("ROLLBACK")


async def a_full_disk(site: Site) -> None:
    """Forbids these processes to grow files, which SQLite reports as a full disk."""
    members = (site.api.pid, site.worker.pid)
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in members]
    for pid, (_, hard) in zip(members, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (file_of(site).stat().st_size // 2, hard))
    await site.refused()
    for pid, limits in zip(members, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def file_of(site: Site) -> Path:
    file = site.installation.adsum.database.file
    assert file is not None
    return file


POSTGRES_DISRUPTIONS: list[Disruption] = [
    postgres_crashed_and_restarted,
    postgres_away_for_a_while,
    all_clients_of_postgres_thrown_out,
    all_connections_to_postgres_cut,
    deadlocks,
    postgres_frozen_while_events_are_numbered,
]
SQLITE_DISRUPTIONS: list[Disruption] = [sqlite_locked_by_another_process, a_full_disk]


@pytest.mark.parametrize("disrupt", POSTGRES_DISRUPTIONS, ids=lambda disrupt: disrupt.__name__)
async def test_a_disruption_of_postgres_loses_doubles_or_blocks_nothing(
    disrupt: Disruption, postgres_data: Path, redis_url: str
) -> None:
    with controlled_postgres(postgres_data, durable=True) as (
        server,
        url,
    ):  # otherwise a crash loses committed transactions
        await server.start()
        template = url.replace("/postgres?", f"/{TEMPLATE}?")
        async with migrated_installation(template, redis_url) as installation, under_load(installation, server) as site:
            await site.more()
            await disrupt(site)
            await site.more()


@pytest.mark.parametrize("disrupt", SQLITE_DISRUPTIONS, ids=lambda disrupt: disrupt.__name__)
async def test_a_disruption_of_sqlite_loses_doubles_or_blocks_nothing(
    disrupt: Disruption, sqlite_url: str, redis_url: str
) -> None:
    async with migrated_installation(sqlite_url, redis_url) as installation, under_load(installation) as site:
        await site.more()
        await disrupt(site)
        await site.more()


@asynccontextmanager
async def migrated_installation(database_url: str, redis_url: str) -> AsyncGenerator[Installation]:
    settings = Settings(database_url=database_url, redis_url=redis_url, secret_key=KEY)  # pyright: ignore[reportArgumentType]
    await migrate(settings)
    with short_folder() as folder:
        async with open_installation(folder, settings) as installation:
            yield installation
