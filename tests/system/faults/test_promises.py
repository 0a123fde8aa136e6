"""Frozen workers, chunks that kill workers, expired locks and a rolling restart break no promise."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import islice

import pytest
from sqlalchemy import text

from adsum.batches.process import GIVE_UP_AFTER
from adsum.batches.sharding.repository import numbers_of_shards
from adsum.platform.database.connector import IDLE_IN_TRANSACTION_TIMEOUT_S
from adsum.platform.ids import Batch
from tests.support.servers.counting import Fault, Moment
from tests.support.waiting import until
from tests.system.faults.classes import Platform, create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation
from tests.system.faults.load import Load, constant_load
from tests.system.faults.oracle import RECOVERY_S, verify, wait_until_idle
from tests.system.faults.rescue import rescue_worker

# Deadline for the end of a chunk that kills its worker.
POISON_S = 60.0
# Checks for stalled chunks but does not sweep, so that all its writes belong to a chunk.
NO_SWEEPS = QUICK | {"ADSUM_SWEEP_INTERVAL": "60", "ADSUM_SWEEP_GRACE": "60", "ADSUM_WORKER_CONCURRENCY": "1"}
# The same with the default concurrency.
CONCURRENT = {name: value for name, value in NO_SWEEPS.items() if name != "ADSUM_WORKER_CONCURRENCY"}
NEIGHBOURS = 15
POISON_STATEMENTS = (
    "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
    (
        "CREATE TRIGGER poison BEFORE INSERT ON attendances FOR EACH ROW WHEN (NEW.session_id = {session})"
        " EXECUTE FUNCTION hold()"
    ),
)
# Part of the statement that inserts the records of a chunk.
WRITING = "INSERT INTO attendances"


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)  # frozen in a write it would lock SQLite's file
async def test_a_worker_that_resumes_after_its_run_was_cancelled_writes_nothing(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack)
    batch = next(school.classes.batches())
    victim = await installation.worker(stack)
    fault = Fault(1, Moment.BEFORE, victim.freeze, named=WRITING, breaks=False)
    victim.postgres.arm(fault)
    await school.mark_accepted(batch)
    await wait_until_injected(installation, fault)
    assert (await school.operate(batch, "cancel")).json()["state"] == "cancelled"
    fault.resumed.set()
    victim.resume()
    victim.terminate()
    await victim.wait_until_ended()
    async with rescue_worker(installation):
        await verify(installation)
    assert (await school.client.get("/attendances")).json()["items"] == []


async def numbers_are_remembered(installation: Installation) -> bool:
    """Whether a worker has noted its number of shards, the last thing that it writes when it begins."""
    async with installation.adsum.database.snapshot() as connection:
        return bool(await numbers_of_shards(connection))


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_worker_frozen_in_a_transaction_delays_its_batch_by_seconds_only(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack)
    victim = await installation.worker(stack, NO_SWEEPS)
    batch = next(school.classes.batches())
    await verify(installation, [await school.mark_accepted(batch)])
    await until(lambda: numbers_are_remembered(installation))  # from now on it commits only what it records
    # All rows are written and not committed. Uses corrections, since inserts alone are a single statement.
    fault = Fault(1, Moment.BEFORE, victim.freeze, named="COMMIT", breaks=False)
    victim.postgres.arm(fault)
    promise = school.promise_of_correction(await school.correct(batch))
    await wait_until_injected(installation, fault)
    frozen_at = time.monotonic()
    async with rescue_worker(installation):
        await wait_until_idle(installation, IDLE_IN_TRANSACTION_TIMEOUT_S + RECOVERY_S)
        assert time.monotonic() - frozen_at > IDLE_IN_TRANSACTION_TIMEOUT_S / 2
        fault.resumed.set()
        victim.resume()
        victim.terminate()
        await victim.wait_until_ended()
        await verify(installation, [promise])


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_chunk_that_kills_every_worker_ends_as_failed_jobs_and_its_neighbours_are_recorded(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack, classes=3)
    batches = school.classes.batches()
    poison, neighbours = next(batches), [next(batches), next(batches)]
    for attempt in range(GIVE_UP_AFTER):
        victim = await installation.worker(stack, NO_SWEEPS)
        fault = Fault(1, Moment.BEFORE, victim.kill, named=WRITING)
        victim.postgres.arm(fault)
        if attempt == 0:
            await school.mark_accepted(poison)
        await asyncio.wait_for(fault.injected.wait(), POISON_S)
        await victim.wait_until_ended()
    promises = [await school.mark_accepted(batch) for batch in neighbours]
    async with rescue_worker(installation):
        await verify(installation, promises, within=POISON_S)
    status = await school.status(poison)
    assert (status["state"], status["failedJobs"]) == ("completed_with_errors", 30)
    async with installation.adsum.database.snapshot() as connection:
        reasons = await connection.execute(text("SELECT DISTINCT code FROM job_failures"))
        assert reasons.scalars().all() == ["worker_died"]


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_chunk_that_kills_every_worker_fails_without_the_chunks_processed_beside_it(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    """Postgres blocks each process that writes one of its rows; the test finds and kills that process."""
    installation = await stack.enter_async_context(new_installation())
    school = await open_school(installation, stack, classes=NEIGHBOURS + 1)
    poison, *neighbours = islice(school.classes.batches(), NEIGHBOURS + 1)
    async with installation.adsum.database.transaction() as connection:
        for statement in POISON_STATEMENTS:
            await connection.exec_driver_sql(statement.format(session=poison.session_id))
    _, *promises = [await school.mark_accepted(batch) for batch in [poison, *neighbours]]
    deaths = 0
    async with asyncio.timeout(POISON_S):
        while (await school.status(poison))["state"] == "processing":
            worker = await installation.worker(stack, CONCURRENT)
            await until(lambda: is_blocked_or_finished(installation, school, poison), POISON_S)
            if await blocked_backends(installation):
                worker.kill()
                deaths += 1
                await worker.wait_until_ended()
                await terminate_backends(installation)
    async with rescue_worker(installation):
        await verify(installation, promises, within=POISON_S)
    status = await school.status(poison)
    assert (status["state"], status["failedJobs"], deaths) == ("completed_with_errors", 30, GIVE_UP_AFTER)


async def is_blocked_or_finished(installation: Installation, school: Platform, batch: Batch) -> bool:
    return bool(await blocked_backends(installation)) or (await school.status(batch))["state"] != "processing"


async def blocked_backends(installation: Installation) -> list[int]:
    """Returns the Postgres backends that the trigger blocks."""
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    async with installation.adsum.database.snapshot() as connection:
        return list((await connection.exec_driver_sql(sleeping)).scalars())


async def terminate_backends(installation: Installation) -> None:
    """Terminates the blocked backends, which otherwise notice the lost client only after their sleep."""
    async with installation.adsum.database.transaction() as connection:
        for pid in await blocked_backends(installation):
            await connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")


async def test_a_run_whose_lock_has_expired_is_completed_when_a_worker_starts(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation(lock_ttl=1))
    school = await open_school(installation, stack)
    batch = next(school.classes.batches())
    promise = await school.mark_accepted(batch)

    async def is_unlocked() -> bool:
        status = await school.client.get(f"/attendances/batch-status/{batch.id}")
        return (
            await installation.adsum.queue.ledger.holders([batch]) != [promise.run_id]
            and status.json()["remainingJobs"] == 30
        )

    await until(is_unlocked)
    again = await school.mark(batch, unselectedStudentIds=[])
    assert (again.status_code, again.json()["isSkipped"], again.json()["runId"]) == (200, True, promise.run_id)
    assert len(again.json()["conflicts"]) == 2
    async with rescue_worker(installation):
        await verify(installation, [promise])


async def test_a_rolling_restart_under_load_loses_no_answered_request_and_fails_no_batch(
    new_installation: NewInstallation, stack: AsyncExitStack, share: int
) -> None:
    installation = await stack.enter_async_context(new_installation())
    classes = await create_classes(installation, classes=4)
    api, address = await installation.api(stack)
    worker = await installation.worker(stack, QUICK)
    load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
    async with constant_load(load):
        for _ in range(3 if share == 1 else 1):
            await more(load)
            newer = await installation.worker(stack, QUICK)
            worker.terminate()
            await worker.wait_until_ended(40)
            assert (await worker.wait_for_event("worker stopped"))["level"] == "info"
            worker = newer
            await more(load)
            newer_api, address = await installation.api(stack)
            load.platform = await stack.enter_async_context(platform(address, classes))
            api.terminate()
            await api.wait_until_ended(40)
            api = newer_api
    await verify(installation, load.promises)
    assert load.losses == 0, "requests that a restart cut off"
    async with installation.adsum.database.snapshot() as connection:
        failed = "SELECT count(*) FROM job_failures"
        assert (await connection.execute(text(failed))).scalar_one() == 0


async def wait_until_injected(installation: Installation, fault: Fault) -> None:
    """Waits for a fault, and sweeps, since the victim does not: the API may not enqueue a run in time."""

    async def is_injected() -> bool:
        await installation.adsum.sweeper.sweep()
        return fault.injected.is_set()

    await until(is_injected)


async def more(load: Load) -> None:
    goal = len(load.accepted) + 15

    async def accepted() -> bool:
        return len(load.accepted) >= goal

    await until(accepted)


async def open_school(installation: Installation, stack: AsyncExitStack, classes: int = 1) -> Platform:
    found = await create_classes(installation, classes=classes)
    _, address = await installation.api(stack)
    return await stack.enter_async_context(platform(address, found))
