"""AttendanceProcessor: an error of one student affects no other; a message of an ended run processes the next run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.ledger import LedgerKeys, Tickets
from adsum.batches.repository.runs import find_runs
from adsum.batches.rules import BatchState, RunState, Tally
from adsum.batches.run import Run
from adsum.batches.submission import BatchResult, Selection
from adsum.platform.database.engine import Connection
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_adsum
from tests.batches.queue.conftest import claim, new_ledger
from tests.support.installation import RunWorker, ended, new_worker, queue_keys
from tests.support.runs import batch_of, count_records, end_run, failures, inserts, make_run, outcomes, records
from tests.support.schools import SchoolIds, make_school
from tests.support.servers.valkey import tell
from tests.support.submissions import status_of, submission

SYSTEM = system_caller()
REFUSALS = {
    "sqlite": """
        CREATE TRIGGER refusal BEFORE INSERT ON attendances WHEN NEW.student_id IN (:ids)
        BEGIN SELECT RAISE(ABORT, 'refused'); END""",
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
        CREATE TRIGGER refusal BEFORE INSERT ON attendances FOR EACH ROW WHEN (NEW.student_id IN (:ids))
        EXECUTE FUNCTION refuse()""",
}


async def refuse(connection: Connection, *student_ids: int) -> None:
    """Makes the database reject records of these students."""
    statements = REFUSALS[connection.dialect.name].replace(":ids", ", ".join(map(str, student_ids)))
    for statement in statements.split("$$;"):
        whole = f"{statement}$$" if statement.count("$$") == 1 else statement
        await connection.exec_driver_sql(whole)


async def create(adsum: Adsum, school: SchoolIds) -> tuple[BatchResult, Run]:
    result = await adsum.attendances.create_batch(submission(school), SYSTEM)
    async with adsum.database.snapshot() as connection:
        assert result.run_id is not None
        run = (await find_runs(connection, [result.run_id]))[result.run_id]
    return result, run


async def test_a_student_rejected_by_the_database_fails_and_the_others_are_recorded(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    rejected = school.student_ids[17]
    async with adsum.database.transaction() as connection:
        await refuse(connection, rejected)
    result, run = await create(adsum, school)
    async with worker():
        status = await ended(adsum, result.batch_id)
    assert (status.state, status.tally) == (BatchState.COMPLETED_WITH_ERRORS, Tally(recorded=29, failed=1))
    async with adsum.database.snapshot() as connection:
        assert await failures(connection, run) == {rejected: "rejected_by_database"}
    assert list(await queue_keys(redis)) == [LedgerKeys("", run.batch).marker]


@pytest.mark.parametrize("places", [[0], [29], [0, 1, 2], [9, 10, 19, 20], list(range(30))])
async def test_rejected_students_in_several_chunks_fail_without_others(
    adsum: Adsum, school: SchoolIds, places: list[int]
) -> None:
    rejected = {school.student_ids[place] for place in places}
    async with adsum.database.transaction() as connection:
        await refuse(connection, *rejected)
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=10)
    await adsum.processor.process(chunks_of(run))
    async with adsum.database.snapshot() as connection:
        assert await failures(connection, run) == dict.fromkeys(rejected, "rejected_by_database")
        found = await outcomes(connection, run)
    assert {student for student, outcome in found.items() if outcome == "recorded"} == set(
        school.student_ids
    ) - rejected


async def test_processing_again_after_a_rejection_changes_nothing(adsum: Adsum, school: SchoolIds) -> None:
    async with adsum.database.transaction() as connection:
        await refuse(connection, school.student_ids[3])
    result, run = await create(adsum, school)
    chunks = chunks_of(run)
    await adsum.processor.process(chunks)
    before = await status_of(adsum, result)
    await adsum.processor.process([*chunks, *chunks])
    assert await status_of(adsum, result) == before


async def test_ten_concurrent_deliveries_of_a_chunk_are_processed_once(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    result, run = await create(adsum, school)
    await asyncio.gather(*(adsum.processor.process(chunks_of(run)) for _ in range(10)))
    assert (await status_of(adsum, result)).tally == Tally(recorded=30)
    async with adsum.database.snapshot() as connection:
        assert {record.version for record in (await records(connection, run.batch)).values()} == {1}
    assert not await redis.exists(LedgerKeys("", run.batch).lock)


async def test_giving_up_a_chunk_fails_its_pending_jobs_and_completes_the_run(adsum: Adsum, school: SchoolIds) -> None:
    result, run = await create(adsum, school)
    (chunk,) = chunks_of(run)
    await adsum.processor.give_up(chunk)
    status = await status_of(adsum, result)
    assert (status.state, status.tally) == (BatchState.COMPLETED_WITH_ERRORS, Tally(failed=30))
    async with adsum.database.snapshot() as connection:
        assert set((await failures(connection, run)).values()) == {"worker_died"}


async def test_giving_up_a_recorded_chunk_changes_nothing(adsum: Adsum, school: SchoolIds) -> None:
    result, run = await create(adsum, school)
    (chunk,) = chunks_of(run)
    await adsum.processor.process([chunk])
    await adsum.processor.give_up(chunk)
    assert (await status_of(adsum, result)).tally == Tally(recorded=30)


@pytest.mark.parametrize("state", [RunState.CLOSED, RunState.CANCELLED])
async def test_a_late_chunk_of_an_ended_run_writes_nothing(adsum: Adsum, school: SchoolIds, state: RunState) -> None:
    _, run = await create(adsum, school)
    async with adsum.database.transaction() as connection:
        await end_run(connection, run, state)
    await adsum.processor.process(chunks_of(run))
    async with adsum.database.snapshot() as connection:
        assert await count_records(connection) == 0


async def test_a_run_whose_ledger_is_lost_is_recorded(adsum: Adsum, school: SchoolIds, valkey: Valkey) -> None:
    result, run = await create(adsum, school)
    assert tell(valkey, "FLUSHALL") == "+OK"
    await adsum.processor.process(chunks_of(run))
    assert (await status_of(adsum, result)).tally == Tally(recorded=30)


async def test_a_chunk_of_an_unknown_run_is_finished_at_once(adsum: Adsum, school: SchoolIds) -> None:
    await adsum.processor.process([Chunk(batch_of(school), "01930000-0000-7000-8000-00000000ffff", 0)])
    async with adsum.database.snapshot() as connection:
        assert await count_records(connection) == 0


async def test_a_message_of_an_ended_run_processes_the_next_run_with_the_same_message_id(
    settings: Settings, redis: Redis
) -> None:
    """With one student per chunk a message has the same id in every run, and BullMQ drops the second one."""
    async with open_adsum(settings.model_copy(update={"chunk_size": 1})) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=3)
        _, first = await create(adsum, school)
        async with adsum.database.transaction() as connection:
            await end_run(connection, first, RunState.CANCELLED)
        second, run = await create(adsum, school)
        assert run.run_id != first.run_id
        assert await redis.llen("bull:attendance:wait") == 3
        stop = asyncio.Event()
        working = asyncio.create_task(new_worker(adsum).run(stop))
        status = await ended(adsum, second.batch_id)
        stop.set()
        await working
        assert (status.run_id, status.tally) == (run.run_id, Tally(recorded=3))


async def test_a_message_of_an_ended_run_does_not_process_a_next_run_of_other_students(
    adsum: Adsum, school: SchoolIds
) -> None:
    one, two, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        first = await make_run(connection, school, inserts([one]), chunk_size=1)
        await end_run(connection, first, RunState.CANCELLED)
    request = submission(school, selection=Selection(False, selected=[two]))
    await adsum.attendances.create_batch(request, SYSTEM)
    await adsum.processor.process(chunks_of(first))
    async with adsum.database.snapshot() as connection:
        assert await count_records(connection) == 0


async def test_a_message_of_an_ended_run_without_a_next_run_is_finished_at_once(
    adsum: Adsum, school: SchoolIds
) -> None:
    async with adsum.database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids[:1]), chunk_size=1)
        await end_run(connection, run, RunState.CANCELLED)
    await adsum.processor.process(chunks_of(run))
    async with adsum.database.snapshot() as connection:
        assert await count_records(connection) == 0


async def test_a_counter_that_reaches_zero_too_early_closes_no_run(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    """The database decides: a run with pending jobs stays open and locked for any state of the ledger."""
    async with adsum.database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=10)
    await claim(new_ledger(redis), run.batch, run.run_id, school.student_ids[:10])
    await adsum.processor.process(chunks_of(run)[:1])
    status = await adsum.attendances.get_batch_status(run.batch.id)
    assert (status.state, status.tally) == (BatchState.PROCESSING, Tally(recorded=10, remaining=20))
    assert await redis.get(LedgerKeys("", run.batch).lock) == run.run_id


async def test_a_run_claimed_again_while_it_is_closed_leaves_no_ticket(
    adsum: Adsum, school: SchoolIds, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is lost, so the worker closes the run by its rows. A sweeper that checked earlier claims in between."""
    async with adsum.database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
    release_all = adsum.queue.ledger.release_all

    async def claimed_before(releases: Sequence[Tickets]) -> list[bool]:
        await claim(new_ledger(redis), run.batch, run.run_id, school.student_ids)
        return await release_all(releases)

    monkeypatch.setattr(adsum.queue.ledger, "release_all", claimed_before)
    await adsum.processor.process(chunks_of(run))
    assert list(await queue_keys(redis)) == [LedgerKeys("", run.batch).marker]
