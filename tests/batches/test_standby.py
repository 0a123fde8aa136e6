"""Acceptance on a Postgres with a synchronous standby: no answer promises a run that the standby lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adsum.accounts.access import system_caller
from adsum.platform.settings import Settings
from adsum.wiring import open_adsum
from tests.support.fixtures import TEMPLATE
from tests.support.schools import make_school
from tests.support.servers.postgres import Postgres
from tests.support.servers.processes import eventually
from tests.support.servers.standby import standby_pair
from tests.support.submissions import submission

WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


async def waits(server: Postgres, query: str) -> None:
    """Returns when such a statement waits for the standby."""
    counted = f"SELECT count(*) {WAITING} AND query LIKE '%{query}%'"
    await eventually(lambda: server.ask("postgres", counted) == "1\n")


async def test_a_commit_whose_reply_is_lost_is_accepted_only_when_the_standby_has_it(
    postgres_data: Path, redis_url: str
) -> None:
    """Its connection ends while it waits for the standby. Postgres then shows the run to everybody."""
    with standby_pair(postgres_data, TEMPLATE) as pair:
        await pair.start()
        old, runs = pair.primary.postgres, "SELECT count(*) FROM batch_runs"
        async with open_adsum(Settings(database_url=pair.url, redis_url=redis_url)) as adsum:
            async with adsum.database.transaction() as connection:
                school = await make_school(connection, students=3)
            with pair.standby.server.frozen():
                accepting = asyncio.create_task(adsum.attendances.create_batch(submission(school), system_caller()))
                await waits(old, "INSERT INTO batch_runs")
                old.ask("postgres", f"SELECT pg_terminate_backend(pid) {WAITING}")
                await waits(old, "pg_logical_emit_message")
                assert (old.ask(TEMPLATE, runs), accepting.done()) == ("1\n", False)
            assert (await accepting).added_jobs == 3
        await pair.primary.server.down()
        await pair.promote()
        assert pair.primary.postgres.ask(TEMPLATE, runs) == "1\n"
