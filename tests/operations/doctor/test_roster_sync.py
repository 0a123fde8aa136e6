"""The doctor warns of syncs of a roster that fail, and of those that no worker makes."""

from __future__ import annotations

from datetime import timedelta

from adsum.operations.doctor.findings import Severity
from adsum.operations.doctor.roster_sync import check_roster_sync
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.roster.syncing import repository as statements
from adsum.roster.syncing.rules import RosterSource
from adsum.roster.syncing.schedule import Schedule

SOURCE = RosterSource("https://sis.example", "https://sis.example/token", "adsum", "secret", "scope")
SCHEDULE = Schedule(SOURCE, timedelta(hours=6), timedelta(days=1))


async def test_without_a_schedule_and_before_the_first_sync_nothing_is_wrong(database: Database) -> None:
    assert (await check_roster_sync(database, None, system_clock)).message == "workers do not sync a roster"
    assert (await check_roster_sync(database, SCHEDULE, system_clock)).message == "the first sync is due"


async def test_a_sync_that_failed_is_a_warning_with_its_reason(database: Database) -> None:
    now = system_clock()
    async with database.transaction() as connection:
        assert await statements.claim(connection, SOURCE.url, "claim", now, now)
        await statements.store_failure(connection, SOURCE.url, "claim", "wrong_roster_source: users: status 403")

    finding = await check_roster_sync(database, SCHEDULE, system_clock)

    assert finding.severity is Severity.WARNING
    assert finding.message == "the last sync failed: wrong_roster_source: users: status 403"


async def test_a_sync_that_no_worker_makes_is_a_warning(database: Database) -> None:
    began = system_clock()
    async with database.transaction() as connection:
        assert await statements.claim(connection, SOURCE.url, "claim", began, began)
        assert await statements.store_success(connection, SOURCE.url, "claim", {}, began, is_full=True)

    soon = await check_roster_sync(database, SCHEDULE, system_clock)
    late = await check_roster_sync(database, SCHEDULE, lambda: began + timedelta(hours=8))

    assert (soon.severity, soon.message) == (Severity.OK, f"the last sync was at {began:%Y-%m-%d %H:%M} UTC")
    assert late.severity is Severity.WARNING
    assert late.message.startswith("no worker has synced since ")
