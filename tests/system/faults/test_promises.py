"""Promises survive frozen workers, poisonous chunks, hours without a worker, and a rolling restart."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import islice

import pytest
from sqlalchemy import text

from adsum.batches.process import GIVE_UP_AFTER
from adsum.platform.database.engine import IDLE_IN_TRANSACTION_TIMEOUT_S
from adsum.platform.ids import Batch
from tests.support.servers.counting import Blow, Moment
from tests.support.waiting import until
from tests.system.faults.classes import Platform, found_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation
from tests.system.faults.load import Load, steady
from tests.system.faults.oracle import RECOVERY_S, Promise, at_rest, judge
from tests.system.faults.rescue import rescued
from tests.system.faults.steps import Fault, Shot, aimed

# A chunk that kills its worker ends within this.
POISON_S = 60.0
# It looks for stalled chunks, but does not sweep: so that what it writes is of a chunk.
PATIENT = QUICK | {"ADSUM_SWEEP_INTERVAL": "60", "ADSUM_SWEEP_GRACE": "60", "ADSUM_WORKER_CONCURRENCY": "1"}
# The same, with as many chunks at work as by default.
HURRIED = {name: value for name, value in PATIENT.items() if name != "ADSUM_WORKER_CONCURRENCY"}
NEIGHBOURS = 15
POISONING = (
    "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
    (
        "CREATE TRIGGER poison BEFORE INSERT ON attendances FOR EACH ROW WHEN (NEW.session_id = {session})"
        " EXECUTE FUNCTION hold()"
    ),
)
# In the statement that inserts the records of a chunk.
WRITING = "INSERT INTO attendances"


async def test_a_worker_that_wakes_up_after_its_run_was_cancelled_writes_nothing(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack)
    batch = next(school.classes.batches())
    victim = await installation.worker(stack)
    blow = aimed(Shot("valkey", 1, Fault.FROZEN), victim)  # it has taken the chunk, and asks for more
    await school.promised(batch)
    await struck(installation, blow)
    assert (await school.operate(batch, "cancel")).json()["state"] == "cancelled"
    blow.over.set()
    victim.thaw()
    victim.end()
    await victim.gone()
    async with rescued(installation):
        await judge(installation)
    assert (await school.client.get("/attendances")).json()["items"] == []


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_worker_that_freezes_in_the_middle_of_a_transaction_holds_its_batch_up_for_seconds_only(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack)
    victim = await installation.worker(stack)
    batch = next(school.classes.batches())
    await judge(installation, [await school.promised(batch)])
    # Everything is written, and not committed: of corrections, since what is only inserted is one statement alone.
    blow = Blow(1, Moment.BEFORE, victim.freeze, named="COMMIT", breaks=False)
    victim.postgres.arm(blow)
    answer = (await school.mark(batch, onExisting="update", unselectedStudentIds=[])).json()
    absent = {student: "present" for student, status in school.classes.marks().items() if status == "absent"}
    promise = Promise(answer["batchId"], answer["runId"], absent)
    await struck(installation, blow)
    async with rescued(installation):
        assert (
            await at_rest(installation, IDLE_IN_TRANSACTION_TIMEOUT_S + RECOVERY_S) > IDLE_IN_TRANSACTION_TIMEOUT_S / 2
        )
        blow.over.set()
        victim.thaw()
        victim.end()
        await victim.gone()
        await judge(installation, [promise])


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_chunk_that_kills_every_worker_ends_as_failed_jobs_and_its_neighbours_are_recorded(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack, classes=3)
    batches = school.classes.batches()
    poison, neighbours = next(batches), [next(batches), next(batches)]
    for time in range(GIVE_UP_AFTER):
        victim = await installation.worker(stack, PATIENT)
        blow = Blow(1, Moment.BEFORE, victim.kill, named=WRITING)
        victim.postgres.arm(blow)
        if time == 0:
            await school.promised(poison)
        await asyncio.wait_for(blow.fallen.wait(), POISON_S)
        await victim.gone()
    promises = [await school.promised(batch) for batch in neighbours]
    async with rescued(installation):
        await judge(installation, promises, within=POISON_S)
    status = await school.status(poison)
    assert (status["state"], status["failedJobs"]) == ("completed_with_errors", 30)
    async with installation.adsum.database.snapshot() as connection:
        reasons = await connection.execute(text("SELECT DISTINCT code FROM job_failures"))
        assert reasons.scalars().all() == ["worker_died"]


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_a_chunk_that_kills_every_worker_ends_alone_however_many_are_worked_on_with_it(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    """Postgres blocks each process that writes one of its rows; the test finds and kills that process."""
    installation = await stack.enter_async_context(new_installation())
    school = await opened(installation, stack, classes=NEIGHBOURS + 1)
    poison, *neighbours = islice(school.classes.batches(), NEIGHBOURS + 1)
    async with installation.adsum.database.transaction() as connection:
        for statement in POISONING:
            await connection.exec_driver_sql(statement.format(session=poison.session_id))
    _, *promises = [await school.promised(batch) for batch in [poison, *neighbours]]
    deaths = 0
    async with asyncio.timeout(POISON_S):
        while (await school.status(poison))["state"] == "processing":
            worker = await installation.worker(stack, HURRIED)
            await until(lambda: held_or_over(installation, school, poison), POISON_S)
            if await held(installation):
                worker.kill()
                deaths += 1
                await worker.gone()
                await let_go(installation)
    async with rescued(installation):
        await judge(installation, promises, within=POISON_S)
    status = await school.status(poison)
    assert (status["state"], status["failedJobs"], deaths) == ("completed_with_errors", 30, GIVE_UP_AFTER)


async def held_or_over(installation: Installation, school: Platform, batch: Batch) -> bool:
    return bool(await held(installation)) or (await school.status(batch))["state"] != "processing"


async def held(installation: Installation) -> list[int]:
    """The backends of Postgres that the poison holds."""
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    async with installation.adsum.database.snapshot() as connection:
        return list((await connection.exec_driver_sql(sleeping)).scalars())


async def let_go(installation: Installation) -> None:
    """A backend would notice only at the end of its sleep that its client is dead."""
    async with installation.adsum.database.transaction() as connection:
        for pid in await held(installation):
            await connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")


async def test_a_run_that_nobody_processes_for_longer_than_its_lock_lives_is_completed_once_a_worker_comes(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation(lock_ttl=1))
    school = await opened(installation, stack)
    batch = next(school.classes.batches())
    promise = await school.promised(batch)

    async def is_unlocked() -> bool:
        status = await school.client.get(f"/attendances/batch-status/{batch.id}")
        return (
            await installation.adsum.queue.holders([batch]) != [promise.run_id] and status.json()["remainingJobs"] == 30
        )

    await until(is_unlocked)
    again = await school.mark(batch, unselectedStudentIds=[])
    assert (again.status_code, again.json()["isSkipped"], again.json()["runId"]) == (200, True, promise.run_id)
    assert len(again.json()["conflicts"]) == 2
    async with rescued(installation):
        await judge(installation, [promise])


async def test_a_rolling_restart_under_load_loses_no_answered_request_and_fails_no_batch(
    new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    installation = await stack.enter_async_context(new_installation())
    classes = await found_classes(installation, classes=4)
    api, address = await installation.api(stack)
    worker = await installation.worker(stack, QUICK)
    load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
    async with steady(load):
        for _ in range(3):
            await more(load)
            newer = await installation.worker(stack, QUICK)
            worker.end()
            await worker.gone(40)
            assert (await worker.says("worker stopped"))["level"] == "info"
            worker = newer
            await more(load)
            newer_api, address = await installation.api(stack)
            load.platform = await stack.enter_async_context(platform(address, classes))
            api.end()
            await api.gone(40)
            api = newer_api
    await judge(installation, load.promises)
    assert load.losses == 0, "requests that a restart cut off"
    async with installation.adsum.database.snapshot() as connection:
        failed = "SELECT count(*) FROM job_failures"
        assert (await connection.execute(text(failed))).scalar_one() == 0


async def struck(installation: Installation, blow: Blow) -> None:
    """Waits for a blow at a victim that does not sweep, so that no run waits that the API could not enqueue in time."""

    async def has_fallen() -> bool:
        await installation.adsum.sweeper.sweep()
        return blow.fallen.is_set()

    await until(has_fallen)


async def more(load: Load) -> None:
    goal = len(load.accepted) + 15

    async def accepted() -> bool:
        return len(load.accepted) >= goal

    await until(accepted)


async def opened(installation: Installation, stack: AsyncExitStack, classes: int = 1) -> Platform:
    found = await found_classes(installation, classes=classes)
    _, address = await installation.api(stack)
    return await stack.enter_async_context(platform(address, found))
