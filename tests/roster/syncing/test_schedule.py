"""Syncs by workers: when they are due, by one of them at a time, until they stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from adsum.accounts.access import Caller
from adsum.operations.migrations import tables
from adsum.platform.settings import Settings
from adsum.roster.importing.service import RosterImport
from adsum.roster.syncing.rules import RosterSource, SyncReport, SyncState, SyncUnderWay, roster_source_of
from adsum.roster.syncing.schedule import Schedule, ScheduledSync, schedule_of
from tests.roster.conftest import Importing
from tests.roster.syncing.conftest import Syncing, held_at_users
from tests.roster.syncing.test_claims import claim
from tests.support.roster_service import Fault
from tests.support.waiting import until

DAY = timedelta(days=1)


@asynccontextmanager
async def scheduled(
    syncing: Syncing, workers: int = 1, interval: timedelta = DAY, full_interval: timedelta = 7 * DAY
) -> AsyncGenerator[asyncio.Event]:
    schedule = Schedule(roster_source_of(syncing.settings()), interval, full_interval)
    stop = asyncio.Event()
    running = [
        asyncio.create_task(ScheduledSync(syncing.sync(), schedule, syncing.now, look_s=0.01).run(stop))
        for _ in range(workers)
    ]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.gather(*running)


async def synced(syncing: Syncing) -> None:
    """Waits for a sync that began at the present time."""

    async def is_synced() -> bool:
        state = await syncing.state()
        return state.synced_at == syncing.now() and state.claimed_until is None

    await until(is_synced)


async def failed(syncing: Syncing) -> None:
    async def has_failed() -> bool:
        state = await syncing.state()
        return state.error is not None and state.tried_at == syncing.now() and state.claimed_until is None

    await until(has_failed)


def requests(syncing: Syncing) -> int:
    return syncing.service.numbers["orgs"]


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Waits for a line of the log. A run is stored as ended before it is logged."""

    async def is_logged() -> bool:
        return text in caplog.text

    await until(is_logged)


async def test_a_worker_leaves_a_source_to_another_one_that_was_faster(
    syncing: Syncing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sync, refused, stop = syncing.sync(), asyncio.Event(), asyncio.Event()
    look, run = sync.state, sync.run

    async def look_and_be_overtaken(source: RosterSource, caller: Caller) -> SyncState:
        state = await look(source, caller)
        if not refused.is_set():
            await claim(syncing)
        return state

    async def run_and_be_refused(source: RosterSource, *, caller: Caller, full: bool) -> SyncReport:
        try:
            return await run(source, caller=caller, full=full)
        except SyncUnderWay:
            refused.set()
            raise

    monkeypatch.setattr(sync, "state", look_and_be_overtaken)
    monkeypatch.setattr(sync, "run", run_and_be_refused)
    schedule = Schedule(roster_source_of(syncing.settings()), DAY, 7 * DAY)
    running = asyncio.create_task(ScheduledSync(sync, schedule, syncing.now, look_s=0.01).run(stop))
    await refused.wait()
    stop.set()
    await running
    assert syncing.service.asked == {}
    assert "roster sync failed" not in caplog.text


async def test_several_workers_sync_once_when_it_is_due(syncing: Syncing, importing: Importing) -> None:
    async with scheduled(syncing, workers=3):
        await synced(syncing)
        first = requests(syncing)
        importing.today += DAY
        await synced(syncing)
    assert (first, requests(syncing)) == (1, 2)
    assert len(await importing.rows(tables.students)) == 12
    assert "filter" in syncing.service.asked["users"][-1]


async def test_after_the_full_interval_everything_is_read(syncing: Syncing, importing: Importing) -> None:
    async with scheduled(syncing):
        await synced(syncing)
        importing.today += 7 * DAY
        await synced(syncing)
    assert "filter" not in syncing.service.asked["users"][-1]
    assert (await syncing.state()).full_at == syncing.now()


async def test_a_failure_is_logged_and_tried_again_soon(
    syncing: Syncing, importing: Importing, caplog: pytest.LogCaptureFixture
) -> None:
    syncing.service.faults["users", 0] = Fault(403)
    async with scheduled(syncing):
        await failed(syncing)
        syncing.service.faults.clear()
        importing.today += timedelta(days=1)
        await synced(syncing)
    assert "roster sync failed" in caplog.text


async def test_an_outage_is_logged(syncing: Syncing, caplog: pytest.LogCaptureFixture) -> None:
    syncing.service.faults["token", 0] = Fault(429, {"Retry-After": "4000"})
    async with scheduled(syncing):
        await logged(caplog, "roster sync postponed")


async def test_many_removals_are_never_allowed(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    for number in range(1, 7):
        syncing.service.change("users", f"student-{number}", "2024-10-01T00:00:00Z", status="tobedeleted")
    importing.today += DAY
    async with scheduled(syncing):
        await failed(syncing)
    assert all((await importing.active(tables.students)).values())


async def test_what_is_left_out_is_logged_by_resource_and_id_without_names(
    syncing: Syncing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for number in range(1, 13):
        syncing.service.find("users", f"student-{number}")["roles"] = "student"
    async with scheduled(syncing):
        await logged(caplog, "more was left out by a roster sync")
    assert "left out by a roster sync" in {each.getMessage() for each in caplog.records}
    assert "Given" not in caplog.text


async def test_a_worker_that_stops_cuts_its_sync(syncing: Syncing, importing: Importing) -> None:
    with held_at_users(syncing) as reached:
        async with scheduled(syncing):
            await reached.wait()
    assert not any((await importing.everything()).values())
    assert (await syncing.state()).claimed_until is None


async def test_an_error_of_the_program_is_logged_and_the_worker_goes_on(
    syncing: Syncing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as during:
        during.setattr(RosterImport, "run_package", broken)
        async with scheduled(syncing):
            await logged(caplog, "roster sync failed")
    assert (await syncing.state()).error == "ZeroDivisionError"


async def test_without_an_interval_no_worker_syncs(syncing: Syncing) -> None:
    assert schedule_of(syncing.settings()) is None
    await ScheduledSync(syncing.sync(), None, syncing.now).run(asyncio.Event())
    assert syncing.service.asked == {}


def test_the_settings_name_the_schedule(syncing: Syncing) -> None:
    given = {"roster_sync_interval": 3600, "roster_sync_full_interval": 7200}
    schedule = schedule_of(Settings.model_validate({**syncing.service.settings(), **given}))
    assert schedule is not None
    assert (schedule.interval, schedule.full_interval) == (timedelta(hours=1), timedelta(hours=2))
